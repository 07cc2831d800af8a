namespace Lotse.Ssh;

/// <summary>Many predictions from a table: client, server, key and variant between tabs; a first line of column names and lines with # are passed over.</summary>
public static class PredictionBatch
{
    /// <summary>One row's answer, or what is wrong with the row.</summary>
    /// <param name="Line">Its number, from 1.</param>
    /// <param name="Answer">The prediction; null with <see cref="Error"/>.</param>
    /// <param name="Error">What could not be understood.</param>
    public sealed record Row(int Line, PredictionAnswer? Answer, string? Error);

    /// <summary>Every row, in order.</summary>
    public static IEnumerable<Row> Of(string table)
    {
        // A table has few clients and servers and many rows.
        var clients = new Dictionary<(string, string), ClientModel?>();
        var servers = new Dictionary<string, ServerModel?>();
        var number = 0;
        foreach (var line in table.Split('\n'))
        {
            number++;
            var cells = line.TrimEnd('\r').Split('\t');
            if (line.Length == 0 || line[0] == '#' || cells[0] == "client")
            {
                continue;
            }

            if (cells.Length < 4)
            {
                yield return new(number, null, "client, server, key and variant are expected between tabs");
                continue;
            }

            if (!clients.TryGetValue((cells[0], cells[3]), out var client))
            {
                clients[(cells[0], cells[3])] = client = SshVersion.Parse(cells[0]) is { } version && version >= ClientModel.Oldest ? Options(cells[3], version) is { } options ? ClientModel.Defaults(version).With(options) : null : null;
            }

            if (!servers.TryGetValue(cells[1], out var server))
            {
                servers[cells[1]] = server = ServerModel.Of(cells[1]);
            }

            var key = UserKeyType.Parse(cells[2]);
            yield return client is null ? new(number, null, $"not the version of a client in the tables with a known variant: {ByteText.Escape(cells[0])}, {ByteText.Escape(cells[3])}")
                : server is null ? new(number, null, $"not a server in the table: {ByteText.Escape(cells[1])}")
                : key is null ? new(number, null, $"not a key: {ByteText.Escape(cells[2])}")
                : new(number, PredictionReport.Answer(LoginPrediction.Of(client, server, key), client, server), null);
        }
    }

    /// <summary>The options of a variant by name, or written out as <c>Option=value Option=value</c>.</summary>
    /// <returns>Null for neither.</returns>
    public static KeyValuePair<string, string>[]? Options(string variant, SshVersion version)
    {
        foreach (var row in SshTable.Rows("variants"))
        {
            if (row[0] == variant)
            {
                return Split(version < new SshVersion(10, 0) ? row[1] : row[2]);
            }
        }

        return Split(variant);
    }

    /// <summary><c>Option=value</c> between spaces; null when a word is not of that form.</summary>
    public static KeyValuePair<string, string>[]? Split(string options)
    {
        var all = new List<KeyValuePair<string, string>>();
        foreach (var word in options.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = word.IndexOf('=', StringComparison.Ordinal);
            if (equals < 1)
            {
                return null;
            }

            all.Add(new(word[..equals], word[(equals + 1)..]));
        }

        return [.. all];
    }
}
