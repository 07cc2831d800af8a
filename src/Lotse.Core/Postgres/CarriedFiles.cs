namespace Lotse.Postgres;

/// <summary>
/// Files that a configuration names and that lie beside it or in the data directory: they are carried over with it, or the
/// new server would not start, or let nobody in.
/// </summary>
internal static class CarriedFiles
{
    private static readonly string[] Certificates = ["server.crt", "server.key", "root.crt", "root.crl"];

    /// <summary>Settings whose value is a file, looked for in the data directory where it is no full path (src/backend/libpq/be-secure-openssl.c, auth.c).</summary>
    private static readonly string[] Naming = ["ssl_cert_file", "ssl_key_file", "ssl_ca_file", "ssl_crl_file", "ssl_dh_params_file", "krb_server_keyfile"];

    /// <summary>Files of the data directory that settings name.</summary>
    public static string[] Of(ClusterFacts old) =>
        [.. old.Settings.Where(s => Naming.Contains(s.Name)).Select(s => s.Value).Concat(Certificates).Where(IsInside).Distinct()];

    /// <summary>Carries over pg_hba.conf, pg_ident.conf and what settings name, into the unfinished cluster.</summary>
    public static void Carry(ClusterPrograms programs, UpgradeJob job)
    {
        var host = programs.Host;
        if (job.HbaFile is { } hba)
        {
            programs.Write($"{job.Unfinished}/pg_hba.conf", host.ReadFile(hba) is { Ok: true } read ? read.Value : throw new StepFailedException($"cannot read {ByteText.Escape(hba)}"));
            var beside = $"{Folder(hba)}/pg_ident.conf";
            var ident = job is { IdentFile: ['/', ..] named, Container: null } ? named : beside;
            if (host.ReadFile(ident) is { Ok: true } map)
            {
                programs.Write($"{job.Unfinished}/pg_ident.conf", map.Value);
            }

            CarryNamed(programs, hba, job.Unfinished);
            CarryNamed(programs, ident, job.Unfinished);
        }

        foreach (var name in job.NamedFiles)
        {
            Copy(programs, job.Old, job.Unfinished, name);
        }
    }

    /// <summary>Carries over what pg_hba.conf or pg_ident.conf name beside themselves: lists (@people) and, since 16, other such files.</summary>
    public static void CarryNamed(ClusterPrograms programs, string file, string to)
    {
        foreach (var name in Named(programs.Host, Folder(file), file[(file.LastIndexOf('/') + 1)..], 0).Where(IsInside).Distinct())
        {
            Copy(programs, Folder(file), to, name);
        }
    }

    private static IEnumerable<string> Named(Host host, string folder, string file, int depth)
    {
        const int MostDepth = 10, MostBytes = 16 << 20;
        if (depth > MostDepth || host.ReadFile($"{folder}/{file}", MostBytes) is not { Ok: true } read)
        {
            yield break;
        }

        // A name in an included file is looked for beside that file (hba.c AbsoluteConfigLocation).
        var place = file.Contains('/', StringComparison.Ordinal) ? file[..(file.LastIndexOf('/') + 1)] : "";
        foreach (var line in ByteText.Decode(read.Value).Split('\n'))
        {
            var words = line.Split('#')[0].Split([' ', '\t', '\r', ','], StringSplitOptions.RemoveEmptyEntries);
            string[] included = words switch
            {
                ["include" or "include_if_exists", var one] => [one.Trim('"')],
                ["include_dir", var all] => [.. (host.List($"{folder}/{place}{all.Trim('"')}") is { Ok: true } names ? names.Value : []).Where(n => n.EndsWith(".conf", StringComparison.Ordinal)).Select(n => $"{all.Trim('"')}/{n}")],
                _ => [],
            };
            foreach (var name in included.Concat(words.Where(w => w is ['@', _, ..]).Select(w => w[1..].Trim('"'))).Where(n => n[0] != '/'))
            {
                yield return place + name;
                foreach (var further in Named(host, folder, place + name, depth + 1))
                {
                    yield return further;
                }
            }
        }
    }

    private static void Copy(ClusterPrograms programs, string from, string to, string name)
    {
        if (programs.Host.ReadFile($"{from}/{name}") is not { Ok: true } file || programs.Host.Status($"{to}/{name}").Ok)
        {
            return;
        }

        for (var at = name.IndexOf('/', StringComparison.Ordinal); at > 0; at = name.IndexOf('/', at + 1))
        {
            programs.Owners($"{to}/{name[..at]}");
        }

        programs.Write($"{to}/{name}", file.Value);
    }

    private static bool IsInside(string name) => name.Length > 0 && name[0] != '/' && !name.Split('/').Any(p => p is "" or "." or "..");

    private static string Folder(string file) => file[..Math.Max(1, file.LastIndexOf('/'))];
}
