namespace Lotse.Linux;

/// <summary>A step of a change that the system refused.</summary>
/// <param name="what">What was tried: <c>write /etc/gai.conf</c>.</param>
/// <param name="why">The system's words, or ours.</param>
public sealed class ChangeFailedException(string what, string why) : Exception($"cannot {what}: {why}")
{
    internal static ChangeFailedException Of(string verb, string path, int errno) => new($"{verb} {ByteText.Escape(path)}", Errno.Words(errno));
}
