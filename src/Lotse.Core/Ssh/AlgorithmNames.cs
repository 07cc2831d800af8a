namespace Lotse.Ssh;

/// <summary>Which names of algorithms a client's version knows (readconf.c; kex.c kex_names_valid, cipher.c ciphers_valid, mac.c mac_valid, sshkey.c sshkey_names_valid2).</summary>
internal static class AlgorithmNames
{
    private static readonly Lazy<Dictionary<(string List, string Name), (SshVersion? First, SshVersion? Gone)>> Table =
        new(() => SshTable.Rows("names").ToDictionary(r => (r[0], r[1]), r => (SshVersion.Parse(r[2]), SshVersion.Parse(r[3]))));

    /// <summary>The newest version that the table has tried.</summary>
    private static readonly SshVersion Newest = new(10, 6);

    /// <summary>The first name of a list that a version does not know; null: it knows all, or may, being newer than the table.</summary>
    /// <param name="option">The option of ssh_config(5), in small letters.</param>
    /// <param name="value">Its value, with <c>+</c> or <c>^</c> in front or without.</param>
    /// <param name="version">The client's.</param>
    public static string? Unknown(string option, string value, SshVersion version) =>
        Array.Find(Names(value), n => !Knows(List(option), n, version));

    /// <summary>A list without the names that no release knows.</summary>
    public static string OfReleases(string option, string value) =>
        value.StartsWith('-') || Array.TrueForAll(Names(value), n => IsListed(List(option), n)) ? value
            : (value[0] is '+' or '^' ? value[..1] : "") + string.Join(',', Names(value).Where(n => IsListed(List(option), n)));

    private static string[] Names(string value) => value.TrimStart('+', '^').Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static bool Knows(string list, string name, SshVersion version) =>
        Pattern(list, name) is { } matches ? matches.Any(m => Spans(Table.Value[m], version))
            : Table.Value.TryGetValue((list, name), out var span) ? Spans(span, version) : version > Newest;

    private static bool IsListed(string list, string name) => Pattern(list, name) is { } matches ? matches.Any() : Table.Value.ContainsKey((list, name));

    /// <summary>Lists of key types alone may hold patterns, which have to fit a name at least; null: it is none.</summary>
    private static IEnumerable<(string List, string Name)>? Pattern(string list, string name) =>
        list == "keys" && name.AsSpan().ContainsAny('*', '?') ? Table.Value.Keys.Where(k => k.List == list && AlgorithmList.Matches(k.Name, name)) : null;

    private static bool Spans((SshVersion? First, SshVersion? Gone) span, SshVersion version) => !(version < span.First) && !(version >= span.Gone);

    private static string List(string option) => option switch { "kexalgorithms" => "kex", "ciphers" => "ciphers", "macs" => "macs", _ => "keys" };
}
