using System.Globalization;

namespace Lotse.Changing.Remote;

/// <summary>The journal of changes by plain commands, as it is read from here.</summary>
internal static class PlainLog
{
    /// <summary>Everything in it, the newest first.</summary>
    public static Reading<LoggedChange[]> Of(RemoteTarget target)
    {
        var names = target.Host.List(target.Plain + "/journal");
        if (!names.Ok)
        {
            return names.Error!.Kind == HostErrorKind.NotFound ? new([], null) : new(default!, names.Error);
        }

        var all = new List<LoggedChange>();
        foreach (var id in names.Value.OrderDescending(StringComparer.Ordinal))
        {
            var folder = $"{target.Plain}/journal/{id}";
            var read = target.Host.ReadFiles([folder + "/plan.json", folder + "/log", folder + "/by"]);
            if (read[0].Ok && Plan.Parse(folder + "/plan.json", read[0].Value) is { Ok: true, Value: var plan })
            {
                var lines = JournalEntry.LinesOf(read[1].Ok ? ByteText.Decode(read[1].Value) : "");
                all.Add(new(
                    id, Moment(id), read[2].Ok ? ByteText.Decode(read[2].Value) : "?", plan.Area, plan.Goal, JournalEntry.StateOf(lines),
                    JournalEntry.WordsOf(lines, "proof"), JournalEntry.WordsOf(lines, "putting-back", "stuck"), [.. plan.Changes.Select(c => c.Sentence.ToString())]));
            }
        }

        return new([.. all], null);
    }

    /// <summary>The plan of an entry, or null.</summary>
    public static Plan? PlanOf(RemoteTarget target, string id)
    {
        var path = $"{target.Plain}/journal/{id}/plan.json";
        return !id.Contains('/', StringComparison.Ordinal) && target.Host.ReadFile(path, Plan.Limit) is { Ok: true } read && Plan.Parse(path, read.Value) is { Ok: true, Value: var plan } ? plan : null;
    }

    private static DateTimeOffset Moment(string id) =>
        id.Length >= 15 && DateTimeOffset.TryParseExact(id[..15], "yyyyMMdd-HHmmss", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : default;
}
