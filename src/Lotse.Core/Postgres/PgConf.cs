using System.Text;

namespace Lotse.Postgres;

/// <summary>A setting and where it stands.</summary>
/// <param name="Name">Lower case.</param>
/// <param name="Value">Without its quotes.</param>
/// <param name="File">Absolute path.</param>
/// <param name="Line">From 1.</param>
public sealed record Setting(string Name, string Value, string File, int Line);

/// <summary>
/// postgresql.conf as the server reads it (src/backend/utils/misc/guc-file.l): name, an optional =, a value, a comment;
/// include, include_if_exists and include_dir on the way; the last line of a name holds; postgresql.auto.conf comes last.
/// </summary>
internal static class PgConf
{
    private const int MostDepth = 10, MostSettings = 20_000, MostFaults = 100;
    private const long MostBytes = 2 << 20;

    /// <summary>All settings in the order they were read, later ones first to hold.</summary>
    /// <param name="host">Where.</param>
    /// <param name="file">postgresql.conf.</param>
    /// <param name="dataDirectory">Where postgresql.auto.conf lies.</param>
    /// <param name="faults">What could not be read or understood is added.</param>
    public static Setting[] Read(Host host, string file, string dataDirectory, List<string> faults)
    {
        var all = new List<Setting>();
        var left = MostBytes;
        ReadFile(host, file, 0, true, all, faults, ref left);
        left = MostBytes;
        ReadFile(host, $"{dataDirectory}/postgresql.auto.conf", 0, false, all, faults, ref left);
        return [.. all.GroupBy(s => s.Name).Select(g => g.Last())];
    }

    /// <summary>A line taken apart: name and value; null for an empty one or a comment.</summary>
    /// <param name="line">Without its end.</param>
    /// <param name="fault">Whether it is no setting at all.</param>
    internal static (string Name, string Value)? Split(string line, out bool fault)
    {
        fault = false;
        var at = Skip(line, 0);
        if (at == line.Length || line[at] == '#')
        {
            return null;
        }

        var start = at;
        while (at < line.Length && (char.IsAsciiLetterOrDigit(line[at]) || line[at] is '_' or '.' or '$' or > '\x7f'))
        {
            at++;
        }

        var name = line[start..at].ToLowerInvariant();
        at = Skip(line, at);
        if (at < line.Length && line[at] == '=')
        {
            at = Skip(line, at + 1);
        }

        if (name.Length == 0 || at == line.Length || line[at] == '#')
        {
            fault = true;
            return null;
        }

        var value = new StringBuilder();
        if (line[at] == '\'')
        {
            for (at++; ; at++)
            {
                if (at >= line.Length)
                {
                    fault = true;
                    return null;
                }

                if (line[at] == '\'' && at + 1 < line.Length && line[at + 1] == '\'')
                {
                    value.Append(line[at++]);
                }
                else if (line[at] == '\'')
                {
                    at++;
                    break;
                }
                else if (line[at] == '\\' && at + 1 < line.Length)
                {
                    at++;
                    var digits = 0;
                    while (digits < 3 && at + digits < line.Length && line[at + digits] is >= '0' and <= '7')
                    {
                        digits++;
                    }

                    if (digits > 0)
                    {
                        value.Append((char)(Convert.ToInt32(line.Substring(at, digits), 8) & 0xff));
                        at += digits - 1;
                    }
                    else
                    {
                        value.Append(line[at] switch { 'b' => '\b', 'f' => '\f', 'n' => '\n', 'r' => '\r', 't' => '\t', var same => same });
                    }
                }
                else
                {
                    value.Append(line[at]);
                }
            }
        }
        else
        {
            while (at < line.Length && !char.IsWhiteSpace(line[at]) && line[at] != '#')
            {
                value.Append(line[at++]);
            }
        }

        at = Skip(line, at);
        fault = at < line.Length && line[at] != '#';
        return fault ? null : (name, value.ToString());
    }

    private static int Skip(string line, int at)
    {
        while (at < line.Length && line[at] is ' ' or '\t' or '\r' or '\f')
        {
            at++;
        }

        return at;
    }

    private static void ReadFile(Host host, string file, int depth, bool required, List<Setting> all, List<string> faults, ref long left)
    {
        if (depth > MostDepth)
        {
            // The server stops here too, for the whole configuration.
            faults.Add($"{ByteText.Escape(file)}: files include each other more than {MostDepth} deep");
            left = 0;
            return;
        }

        if (left <= 0)
        {
            return;
        }

        var read = host.ReadFile(file);
        if (!read.Ok)
        {
            if (required)
            {
                faults.Add(read.Error!.Message);
            }

            return;
        }

        left -= read.Value.Length;
        if (left <= 0)
        {
            faults.Add($"{ByteText.Escape(file)}: with what is included the configuration is larger than {MostBytes >> 20} MiB; the rest was not read");
            return;
        }

        var lines = ByteText.Decode(read.Value).Split('\n');
        var folder = file[..Math.Max(1, file.LastIndexOf('/'))];
        for (var i = 0; i < lines.Length && all.Count < MostSettings && left > 0; i++)
        {
            if (Split(lines[i], out var fault) is not { } setting)
            {
                if (fault && faults.Count < MostFaults)
                {
                    faults.Add($"{ByteText.Escape(file)}:{i + 1}: syntax error");
                }

                continue;
            }

            var target = setting.Value.StartsWith('/') ? setting.Value : $"{folder.TrimEnd('/')}/{setting.Value}";
            switch (setting.Name)
            {
                case "include" or "include_if_exists":
                    ReadFile(host, target, depth + 1, setting.Name == "include", all, faults, ref left);
                    break;
                case "include_dir":
                    var names = host.List(target);
                    if (!names.Ok)
                    {
                        faults.Add(names.Error!.Message);
                    }

                    foreach (var name in names.Ok ? names.Value.Where(n => n.EndsWith(".conf", StringComparison.Ordinal) && n[0] != '.') : [])
                    {
                        ReadFile(host, $"{target.TrimEnd('/')}/{name}", depth + 1, true, all, faults, ref left);
                    }

                    break;
                default:
                    all.Add(new(setting.Name, setting.Value, file, i + 1));
                    break;
            }
        }
    }
}
