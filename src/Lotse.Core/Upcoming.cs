namespace Lotse;

/// <summary>A package that is about to be installed, upgraded or removed.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Old">The version that is installed; null: none is.</param>
/// <param name="New">The version that comes; null: it is removed.</param>
public sealed record PackageChange(string Name, string? Old, string? New);

/// <summary>
/// What is about to happen to a machine, as far as its hooks are told: packages that change, an initrd that was just made.
/// An area that knows what will break of it says so in <see cref="Area.Foresee"/>.
/// </summary>
/// <param name="Packages">The packages that change.</param>
/// <param name="Image">The initrd image that will boot next; null: none was made.</param>
public sealed record Upcoming(PackageChange[] Packages, string? Image)
{
    /// <summary>A package that goes from one version to another; null: it does not.</summary>
    public PackageChange? Upgrade(params ReadOnlySpan<string> names)
    {
        foreach (var package in Packages)
        {
            if (package is { Old: not null, New: not null } && package.Old != package.New && names.Contains(package.Name))
            {
                return package;
            }
        }

        return null;
    }
}
