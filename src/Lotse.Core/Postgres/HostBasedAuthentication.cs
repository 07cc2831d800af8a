using System.Text;

namespace Lotse.Postgres;

/// <summary>A line of pg_hba.conf.</summary>
/// <param name="Type">local, host, hostssl, hostnossl, hostgssenc, hostnogssenc.</param>
/// <param name="Databases">Names or all, sameuser, samerole, replication; quoted ones keep a leading ".</param>
/// <param name="Users">Names, +group or all; quoted ones keep a leading ".</param>
/// <param name="Address">Prefix, name, all, samehost, samenet; null for local.</param>
/// <param name="Method">md5, scram-sha-256, trust, peer …</param>
/// <param name="Options">name=value.</param>
/// <param name="File">Absolute path.</param>
/// <param name="Line">From 1.</param>
public sealed record HbaLine(string Type, string[] Databases, string[] Users, string? Address, string Method, string[] Options, string File, int Line)
{
    /// <summary>Whether the line asks for a password that PostgreSQL itself checks.</summary>
    public bool AsksPassword => Method is "md5" or "scram-sha-256" or "password";

    /// <summary>The line as it would be written.</summary>
    public string Words => string.Join(' ', new[] { Type, string.Join(',', Databases), string.Join(',', Users), Address, Method }.Concat(Options).Where(w => w is not null));

    /// <summary>Whether the line is about a role; membership of +groups is not looked up and counts as yes.</summary>
    public bool IsAbout(string role) => Users.Any(u => u == "all" || u.TrimStart('"') == role || u[0] is '+' or '/');
}

/// <summary>
/// pg_hba.conf (src/backend/libpq/hba.c): tokens apart by blanks, lists by commas, double quotes take a keyword its meaning,
/// a backslash at the end of a line goes on (since 14), @file in a list, include lines (since 16).
/// </summary>
internal static class HostBasedAuthentication
{
    private const int MostDepth = 10, MostLines = 20_000, MostFaults = 100;
    private const long MostBytes = 2 << 20;

    /// <summary>What may still be read of files that name each other, and the lists that were: many lines may name one file.</summary>
    private sealed class Budget
    {
        public long Left { get; set; } = MostBytes;

        public Dictionary<string, (string[] Names, int Bytes)> Lists { get; } = [];
    }

    /// <summary>The lines in the order they are tried; the first that fits a connection decides.</summary>
    public static HbaLine[] Read(Host host, string file, int major, List<string> faults)
    {
        var all = new List<HbaLine>();
        ReadFile(host, file, major, 0, true, all, faults, new());
        return [.. all];
    }

    /// <summary>A file's text, as long as all that belongs together stays small: files may name each other.</summary>
    private static string? Text(Host host, string file, bool required, List<string> faults, Budget budget)
    {
        if (budget.Left <= 0)
        {
            return null;
        }

        var read = host.ReadFile(file, (int)MostBytes);
        if (!read.Ok)
        {
            if (required && faults.Count < MostFaults)
            {
                faults.Add(read.Error!.Message);
            }

            return null;
        }

        budget.Left -= read.Value.Length;
        if (budget.Left <= 0)
        {
            faults.Add($"{ByteText.Escape(file)}: with what it names the file is larger than {MostBytes >> 20} MiB; the rest was not read");
            return null;
        }

        return ByteText.Decode(read.Value);
    }

    private static void ReadFile(Host host, string file, int major, int depth, bool required, List<HbaLine> all, List<string> faults, Budget budget)
    {
        if (depth > MostDepth)
        {
            // The server refuses the whole file then.
            faults.Add($"{ByteText.Escape(file)}: files include each other more than {MostDepth} deep");
            budget.Left = 0;
            return;
        }

        if (Text(host, file, required, faults, budget) is not { } text)
        {
            return;
        }

        var folder = file[..Math.Max(1, file.LastIndexOf('/'))].TrimEnd('/');
        var lines = text.Split('\n');
        for (var i = 0; i < lines.Length && all.Count < MostLines && budget.Left > 0; i++)
        {
            var (line, number) = (lines[i].TrimEnd('\r'), i + 1);
            while (major >= 14 && line.EndsWith('\\') && i + 1 < lines.Length)
            {
                line = line[..^1] + lines[++i].TrimEnd('\r');
            }

            var fields = Tokens(line);
            if (fields.Count == 0)
            {
                continue;
            }

            if (fields[0] is [var word] && word is "include" or "include_if_exists" or "include_dir" && fields.Count == 2)
            {
                var target = fields[1][0].TrimStart('"') is var t && t.StartsWith('/') ? t : $"{folder}/{t}";
                foreach (var one in fields[0][0] != "include_dir" ? [target] : host.List(target) is { Ok: true } names ? names.Value.Where(n => n.EndsWith(".conf", StringComparison.Ordinal) && n[0] != '.').Select(n => $"{target}/{n}") : [])
                {
                    ReadFile(host, one, major, depth + 1, fields[0][0] == "include", all, faults, budget);
                }

                continue;
            }

            if (Line(host, folder, fields, file, number, faults, budget) is { } entry)
            {
                all.Add(entry);
            }
            else if (faults.Count < MostFaults)
            {
                faults.Add($"{ByteText.Escape(file)}:{number}: not a line of pg_hba.conf");
            }
        }
    }

    private static HbaLine? Line(Host host, string folder, List<List<string>> fields, string file, int number, List<string> faults, Budget budget)
    {
        var local = fields[0] is ["local"];
        if (!local && fields[0] is not ["host" or "hostssl" or "hostnossl" or "hostgssenc" or "hostnogssenc"])
        {
            return null;
        }

        var at = local ? 3 : 4;
        if (fields.Count <= at)
        {
            return null;
        }

        var address = local ? null : fields[3][0].TrimStart('"');
        if (!local && fields.Count > 5 && !address!.Contains('/', StringComparison.Ordinal) && System.Net.IPAddress.TryParse(address, out _))
        {
            address = $"{address} {fields[4][0]}";
            at = 5;
        }

        return new(fields[0][0], Expand(host, folder, fields[1], faults, budget), Expand(host, folder, fields[2], faults, budget), address, fields[at][0].TrimStart('"'), [.. fields.Skip(at + 1).Select(f => f[0].TrimStart('"'))], file, number);
    }

    /// <summary>A list with each @file replaced by the names in it.</summary>
    private static string[] Expand(Host host, string folder, List<string> list, List<string> faults, Budget budget)
    {
        var all = new List<string>();
        foreach (var word in list)
        {
            if (word.Length < 2 || word[0] != '@')
            {
                all.Add(word);
                continue;
            }

            var path = word[1] == '/' ? word[1..] : $"{folder}/{word[1..]}";
            if (budget.Lists.TryGetValue(path, out var known))
            {
                budget.Left -= known.Bytes;
            }
            else if (Text(host, path, true, faults, budget) is { } text)
            {
                budget.Lists[path] = known = ([.. text.Split('\n').SelectMany(l => Tokens(l.TrimEnd('\r'))).SelectMany(f => f).Where(w => w.Length > 0 && w[0] != '@')], text.Length);
            }

            if (known.Names is not null && budget.Left > 0)
            {
                all.AddRange(known.Names);
            }
        }

        return [.. all.Where(w => w.Length > 0)];
    }

    private static List<List<string>> Tokens(string line)
    {
        var fields = new List<List<string>>();
        var at = 0;
        while (true)
        {
            while (at < line.Length && char.IsWhiteSpace(line[at]))
            {
                at++;
            }

            if (at >= line.Length || line[at] == '#')
            {
                return fields;
            }

            var list = new List<string>();
            while (true)
            {
                var word = new StringBuilder();
                var (quoted, inside) = (false, false);
                for (; at < line.Length && (inside || (!char.IsWhiteSpace(line[at]) && line[at] is not (',' or '#'))); at++)
                {
                    if (line[at] == '"')
                    {
                        inside = !inside;
                        quoted = true;
                    }
                    else
                    {
                        word.Append(line[at]);
                    }
                }

                list.Add((quoted ? "\"" : "") + word);
                if (at >= line.Length || line[at] != ',')
                {
                    break;
                }

                at++;
                while (at < line.Length && char.IsWhiteSpace(line[at]))
                {
                    at++;
                }
            }

            fields.Add(list);
        }
    }
}
