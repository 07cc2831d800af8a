using System.Globalization;
using System.Text.RegularExpressions;
using Lotse.Formats;

namespace Lotse.Postgres;

/// <summary>What an installed version has: programs, libraries, extensions, dictionary files, locales, C library.</summary>
public sealed record Installation
{
    /// <summary>Folder of the programs.</summary>
    public required string Programs { get; init; }

    /// <summary>Major version that postgres --version prints; 0: it did not run.</summary>
    public int Version { get; init; }

    /// <summary>The line that it printed.</summary>
    public string Words { get; init; } = "";

    /// <summary>Programs that an upgrade needs and that are not there.</summary>
    public string[] Missing { get; init; } = [];

    /// <summary>Folder of loadable libraries; null: not found.</summary>
    public string? LibraryFolder { get; init; }

    /// <summary>Libraries without .so.</summary>
    public string[] Libraries { get; init; } = [];

    /// <summary>Extensions that have a control file.</summary>
    public string[] Extensions { get; init; } = [];

    /// <summary>Files of text search; null: the folder was not found.</summary>
    public string[]? Dictionaries { get; init; }

    /// <summary>The C library that the server uses: <c>glibc 2.36</c>, <c>musl</c>; null: not known.</summary>
    public string? LibC { get; init; }

    /// <summary>Major version of ICU that the server uses; null: none or not known.</summary>
    public string? Icu { get; init; }

    /// <summary>Whether the server was built without ICU, where the old databases want it.</summary>
    public bool LacksIcu { get; init; }

    /// <summary>The locales from which initdb makes collations (locale -a), where the old databases use any of these; null: not asked, or not known.</summary>
    public string[]? Locales { get; init; }

    /// <summary>Locales that were asked for and that this server cannot use.</summary>
    public string[] MissingLocales { get; init; } = [];

    /// <summary>Options of columns in the old databases whose names stand nowhere in this server.</summary>
    public string[] UnknownOptions { get; init => field = value ?? []; } = [];

    /// <summary>The output plugins that this version trusts unless it is told of others (output_plugin_libraries); null: it has no such setting, or was not asked.</summary>
    public string[]? OutputPlugins { get; init; }

    /// <summary>What this version says of the old configuration: its lines of complaint; null: not asked.</summary>
    public string[]? ConfigComplaints { get; init; }
}

/// <summary>Finds and asks installations.</summary>
internal static partial class Installations
{
    private static readonly TimeSpan Moment = TimeSpan.FromSeconds(20);
    private static readonly string[] OldNeeds = ["postgres", "pg_ctl", "pg_controldata", "pg_resetwal"];
    private static readonly string[] NewNeeds = ["postgres", "pg_ctl", "initdb", "pg_upgrade", "pg_dump", "pg_dumpall", "pg_restore", "psql", "vacuumdb", "pg_controldata", "pg_resetwal"];

    /// <summary>Where a version's programs usually lie: Debian, PGDG's RPMs, source; and beside another version that was named.</summary>
    public static string? Find(Host host, int version, string? beside = null)
    {
        var number = version.ToString(CultureInfo.InvariantCulture);
        var places = new List<string> { $"/usr/lib/postgresql/{number}/bin", $"/usr/pgsql-{number}/bin", $"/usr/local/pgsql-{number}/bin", $"/opt/postgresql/{number}/bin", $"/usr/libexec/postgresql{number}" };
        if (beside is not null)
        {
            places.Add(OtherNumber().Replace(beside, number));
        }

        return places.Find(p => host.Status($"{p}/postgres").Ok || host.Status($"{p}/initdb").Ok);
    }

    /// <summary>Looks at an installation.</summary>
    /// <param name="host">Where.</param>
    /// <param name="programs">Folder of its programs.</param>
    /// <param name="isNew">Whether it is upgraded to.</param>
    /// <param name="root">The unpacked image that it is in; null: it is this machine's.</param>
    public static Installation Read(Host host, string programs, bool isNew, Containers.ImageRoot? root = null)
    {
        programs = programs.TrimEnd('/');
        var below = root?.Folder ?? "";
        var ran = host.Run(In(root, $"{programs}/postgres", "--version"), Moment);
        var words = ran.Ok ? ByteText.Decode(ran.Value.Output).Trim() : "";
        var version = VersionWords().Match(words) is { Success: true } match ? int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture) : 0;
        var number = version.ToString(CultureInfo.InvariantCulture);
        var above = programs[..Math.Max(0, programs.LastIndexOf('/'))];
        var libraries = Candidates(above, number, "lib").FirstOrDefault(p => host.Status($"{below}{p}/plpgsql.so").Ok);
        var share = Candidates(above, number, "share").FirstOrDefault(p => host.Status($"{below}{p}/postgres.bki").Ok);
        var linked = ServerLibraries.Of(host, $"{programs}/postgres", below);
        return new()
        {
            Programs = programs,
            Version = version,
            Words = words,
            Missing = [.. (isNew ? NewNeeds : OldNeeds).Where(p => !host.Status($"{below}{programs}/{p}").Ok)],
            LibraryFolder = libraries,
            Libraries = libraries is not null && host.List(below + libraries) is { Ok: true } files ? [.. files.Value.Where(f => f.EndsWith(".so", StringComparison.Ordinal)).Select(f => f[..^3])] : [],
            Extensions = share is not null && host.List($"{below}{share}/extension") is { Ok: true } controls ? [.. controls.Value.Where(f => f.EndsWith(".control", StringComparison.Ordinal)).Select(f => f[..^8])] : [],
            Dictionaries = share is not null && host.List($"{below}{share}/tsearch_data") is { Ok: true } words2 ? words2.Value : null,
            LibC = linked.LibC,
            Icu = linked.Icu,
        };
    }

    /// <summary>
    /// Asks the new server itself, by postgres -C, which prints a setting and ends: which locales it can set, and what it
    /// says of the old configuration. Nothing is started and nothing written.
    /// </summary>
    public static Installation Ask(Host host, Installation installation, ClusterFacts old, Containers.ImageRoot? root = null)
    {
        var server = $"{installation.Programs}/postgres";
        var empty = root is null ? "/dev/null" : "/.lotse-empty.conf";
        if (root is not null)
        {
            // In an image there is neither a device nor the old file: what was read of it is written there anew.
            var conf = string.Concat(old.Settings.Where(s => s.Value != ConfigFiles.NotKept).Select(s => $"{s.Name} = '{s.Value.Replace(@"\", @"\\", StringComparison.Ordinal).Replace("'", "''", StringComparison.Ordinal)}'\n"));
            _ = host.Run(["dd", $"of={root.Folder}{empty}", "status=none"], Moment);
            _ = host.Run(["dd", $"of={root.Folder}/.lotse-old.conf", "status=none"], Moment, ByteText.Encode(conf));
        }

        var collations = old.Databases.SelectMany(d => d.Objects?.Collations ?? []).ToArray();
        var locales = old.Databases.SelectMany(d => new[] { d.Collate, d.Ctype }).Concat(collations.Where(c => c is { Provider: "c", IsOwn: true }).Select(c => c.Locale)).OfType<string>().Where(l => l is not ("C" or "POSIX" or "")).Distinct().Order(StringComparer.Ordinal);
        var missing = locales.Where(l => host.Run(In(root, server, "-C", "lc_messages", "-D", installation.Programs, "-c", $"config_file={empty}", "-c", $"lc_messages={l}"), Moment) is { Ok: true, Value.ExitCode: not 0 }).ToArray();
        string[]? complaints = null;
        if (old.ConfigFile is { } file)
        {
            var ran = host.Run(root is null ? [server, "-C", "data_directory", "-D", old.Directory, "-c", $"config_file={file}"] : In(root, server, "-C", "data_directory", "-D", installation.Programs, "-c", "config_file=/.lotse-old.conf"), Moment);
            complaints = ran.Ok ? ran.Value.ExitCode == 0 ? [] : [.. ByteText.Decode(ran.Value.Errors).Split('\n').Where(l => Complaint().IsMatch(l)).Distinct()] : null;
        }

        string[]? plugins = null;
        if (old.Slots.Any(s => s.IsLogical) && host.Run(In(root, server, "-C", "output_plugin_libraries", "-D", installation.Programs, "-c", $"config_file={empty}"), Moment) is { Ok: true, Value: { ExitCode: 0 } trusted })
        {
            plugins = Names(ByteText.Decode(trusted.Output));
        }

        return installation with { LacksIcu = (old.Databases.Any(d => d.Provider == "i") || collations.Any(c => c.Provider == "i")) && LacksIcu(host, (root?.Folder ?? "") + server), Locales = collations.Any(c => c is { Provider: "c", IsOwn: false }) ? Locales(host, root) : null, OutputPlugins = plugins, MissingLocales = missing, ConfigComplaints = complaints, UnknownOptions = UnknownOptions(host, (root?.Folder ?? "") + server, old) };
    }

    /// <summary>A server without it says so in a message of its own (src/backend/utils/adt/pg_locale.c).</summary>
    private static bool LacksIcu(Host host, string server) => host.ReadFile(server, 256 << 20) is { Ok: true, Value: var program } && program.AsSpan().IndexOf("ICU is not supported in this build"u8) >= 0;

    private static string[]? Locales(Host host, Containers.ImageRoot? root) =>
        root is not null && !host.Status($"{root.Folder}/usr/bin/locale").Ok ? []
        : host.Run(In(root, "locale", "-a"), Moment) is { Ok: true, Value: { ExitCode: 0 } ran } ? [.. ByteText.Decode(ran.Output).Split('\n', StringSplitOptions.RemoveEmptyEntries)] : null;

    /// <summary>Whether initdb makes a collation of that name from these locales: of each by its own name, and without the encoding in it.</summary>
    public static bool MakesCollation(string[] locales, string name) => locales.Any(l => l == name || Encoding().Replace(l, "") == name);

    /// <summary>A server knows what its program names: a table of options is text in it (src/backend/access/common/reloptions.c).</summary>
    private static string[] UnknownOptions(Host host, string server, ClusterFacts old)
    {
        string[] names = [.. old.Databases.SelectMany(d => d.Objects?.ColumnOptions ?? []).Select(o => o.Name).Distinct().Where(n => n is not ("n_distinct" or "n_distinct_inherited"))];
        return names.Length > 0 && host.ReadFile(server, 256 << 20) is { Ok: true, Value: var program } ? [.. names.Where(n => program.AsSpan().IndexOf(System.Text.Encoding.ASCII.GetBytes($"\0{n}\0")) < 0)] : [];
    }

    /// <summary>The names of a setting that is a list.</summary>
    public static string[] Names(string list) => [.. list.Split(',').Select(n => n.Trim().Trim('"')).Where(n => n.Length > 0)];

    private static string[] In(Containers.ImageRoot? root, params string[] arguments) => root is null ? arguments : root.Command(arguments);

    private static string[] Candidates(string above, string number, string kind)
    {
        var top = above.EndsWith($"/lib/postgresql/{number}", StringComparison.Ordinal) ? above[..^$"/lib/postgresql/{number}".Length] : above;
        return [$"{above}/{kind}", $"{above}/{kind}/postgresql", $"{above}/{kind}/postgresql{number}", $"{top}/{kind}/postgresql/{number}", $"{top}/{kind}/postgresql{number}", $"{top}/{kind}/postgresql"];
    }

    [GeneratedRegex(@"\(PostgreSQL\) (\d+)")]
    private static partial Regex VersionWords();

    [GeneratedRegex(@"\.[^@]*")]
    private static partial Regex Encoding();

    [GeneratedRegex(@"(?<=[/-])\d+(?=/|$)")]
    private static partial Regex OtherNumber();

    [GeneratedRegex(@"(LOG|FATAL|WARNING|ERROR): .*(unrecognized configuration parameter|invalid value for parameter|outside the valid range|requires|syntax error|cannot be changed)")]
    private static partial Regex Complaint();
}
