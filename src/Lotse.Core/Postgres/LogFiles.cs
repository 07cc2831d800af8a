namespace Lotse.Postgres;

/// <summary>Finds the logs that belong to what somebody named: a log, or a data directory.</summary>
internal static class LogFiles
{
    private const int MostBytes = 32 << 20, MostFiles = 200;

    /// <summary>A log, and the files beside it where it lies in pg_upgrade_output.d.</summary>
    public static IReadOnlyList<LogText> Of(Host host, string path, string text)
    {
        var logs = new List<LogText> { new(path, text) };

        // pg_upgrade names the file that holds the reason; where it is at hand, it is read too.
        var at = text.IndexOf("pg_upgrade_output.d/", StringComparison.Ordinal);
        var start = at < 0 ? -1 : text.LastIndexOfAny(['"', ' ', '\t', '\n'], at) + 1;
        if (path != "-" && start >= 0 && text[start] == '/')
        {
            var end = text.IndexOf('/', at + "pg_upgrade_output.d/".Length);
            if (end > 0)
            {
                AddFolder(host, text[start..end], logs, 0);
            }
        }

        return logs;
    }

    /// <summary>The logs of a data directory: what upgrades left, the server's own newest ones, and pg_upgrade's before 15 in the folder above.</summary>
    public static IReadOnlyList<LogText> OfDirectory(Host host, ClusterFacts facts)
    {
        var logs = new List<LogText>();
        var output = $"{facts.Directory}/pg_upgrade_output.d";
        if (host.List(output) is { Ok: true, Value: [.., var newest] })
        {
            AddFolder(host, $"{output}/{newest}", logs, 0);
        }

        var said = facts.Setting("log_directory")?.Value ?? "log";
        var folder = said.StartsWith('/') ? said : $"{facts.Directory}/{said}";
        if (host.List(folder) is { Ok: true, Value: var names })
        {
            foreach (var name in names.TakeLast(2))
            {
                AddFile(host, $"{folder}/{name}", logs);
            }
        }

        return logs;
    }

    private static void AddFolder(Host host, string folder, List<LogText> logs, int depth)
    {
        foreach (var name in depth < 3 && host.List(folder) is { Ok: true } names ? names.Value : [])
        {
            var path = $"{folder}/{name}";
            if (name is "dump" || logs.Count >= MostFiles)
            {
                continue;
            }

            if (name.EndsWith(".log", StringComparison.Ordinal) || name.EndsWith(".txt", StringComparison.Ordinal))
            {
                AddFile(host, path, logs);
            }
            else if (host.Status(path) is { Ok: true, Value.Kind: FileKind.Directory })
            {
                AddFolder(host, path, logs, depth + 1);
            }
        }
    }

    private static void AddFile(Host host, string path, List<LogText> logs)
    {
        if (host.ReadFile(path, MostBytes) is { Ok: true } read)
        {
            logs.Add(new(path, ByteText.Decode(read.Value)));
        }
    }
}
