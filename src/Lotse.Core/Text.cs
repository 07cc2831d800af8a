using System.Runtime.CompilerServices;

namespace Lotse;

/// <summary>What a value is, so that a shared report can replace it by type instead of guessing with patterns.</summary>
public enum ValueKind
{
    /// <summary>A number or a word that says nothing about whose machine this is.</summary>
    Plain,

    /// <summary>A host name.</summary>
    Host,

    /// <summary>An IP address or prefix.</summary>
    Address,

    /// <summary>A public key or its fingerprint.</summary>
    Key,

    /// <summary>A user or group.</summary>
    User,

    /// <summary>A domain name.</summary>
    Domain,

    /// <summary>A path of a file.</summary>
    Path,

    /// <summary>The name of a process, a service unit or a container.</summary>
    Process,

    /// <summary>A secret. Never collected; the kind exists so that one met by accident is masked everywhere.</summary>
    Secret,
}

/// <summary>A piece of a <see cref="Text"/>: what it says, and what kind of value that is.</summary>
/// <param name="Content">Foreign bytes in the form of <see cref="ByteText"/>.</param>
/// <param name="Kind">The type given where the value was collected.</param>
public readonly record struct Value(string Content, ValueKind Kind)
{
    /// <summary>A path.</summary>
    public static Value Path(string path) => new(path, ValueKind.Path);

    /// <summary>A user or group.</summary>
    public static Value User(string name) => new(name, ValueKind.User);

    /// <summary>A process, unit or container by name.</summary>
    public static Value Process(string name) => new(name, ValueKind.Process);

    /// <summary>An address or prefix.</summary>
    public static Value Address(IFormattable address) => new(address.ToString(null, null), ValueKind.Address);

    /// <summary>A host name.</summary>
    public static Value Host(string name) => new(name, ValueKind.Host);

    /// <summary>Its content, fit for a terminal: for where a string was made of it before it came to a <see cref="Text"/>.</summary>
    public override string ToString() => ByteText.Escape(Content);

    /// <summary>A domain.</summary>
    public static Value Domain(string name) => new(name, ValueKind.Domain);

    /// <summary>An address of a mailbox: a person's, hence of the kind of users.</summary>
    public static Value Mailbox(string address) => new(address, ValueKind.User);

    /// <summary>An IP address.</summary>
    public static Value Ip(System.Net.IPAddress address) => new(address.ToString(), ValueKind.Address);
}

/// <summary>
/// A sentence that still knows which of its parts are values and of what type. Written as an interpolated string:
/// <c>Text t = $"{Value.Process(name)} holds {kib} KiB"</c>. Printed with foreign parts escaped.
/// </summary>
[InterpolatedStringHandler]
public sealed class Text : IEquatable<Text>
{
    private readonly List<Value> parts;
    private bool foreign;

    /// <summary>Called by the compiler for an interpolated string.</summary>
    public Text(int literalLength, int formattedCount) => parts = new(formattedCount * 2 + 1);

    private Text(string literal) => parts = [new(literal, ValueKind.Plain)];

    /// <summary>The parts in order.</summary>
    public IReadOnlyList<Value> Parts => parts;

    /// <summary>Our own words.</summary>
    public static implicit operator Text(string literal) => new(literal);

    /// <summary>A value alone.</summary>
    public static implicit operator Text(Value value) => $"{value}";

    /// <summary>Called by the compiler.</summary>
    public void AppendLiteral(string literal) => parts.Add(new(literal, ValueKind.Plain));

    /// <summary>Called by the compiler.</summary>
    public void AppendFormatted(Value value)
    {
        parts.Add(value);
        foreign = true;
    }

    /// <summary>Called by the compiler: a text inside a text keeps its types.</summary>
    public void AppendFormatted(Text text)
    {
        parts.AddRange(text.parts);
        foreign |= text.foreign;
    }

    /// <summary>Called by the compiler.</summary>
    public void AppendFormatted(string? text)
    {
        parts.Add(new(text ?? "", ValueKind.Plain));
        foreign = true;
    }

    /// <summary>Called by the compiler.</summary>
    public void AppendFormatted<T>(T value, string? format = null)
        where T : IFormattable => parts.Add(new(value.ToString(format, null), ValueKind.Plain));

    /// <summary>As one line that may be shown on a terminal; see <see cref="ByteText.Escape"/>.</summary>
    public override string ToString() =>
        !foreign && parts is [{ Kind: ValueKind.Plain } only] && !ByteText.HasControls(only.Content) ? only.Content : string.Concat(parts.ConvertAll(static p => ByteText.Escape(p.Content)));

    /// <inheritdoc/>
    public bool Equals(Text? other) => other is not null && parts.SequenceEqual(other.parts);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as Text);

    /// <inheritdoc/>
    public override int GetHashCode() => ToString().GetHashCode(StringComparison.Ordinal);
}
