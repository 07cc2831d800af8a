namespace Lotse.Exits;

/// <summary>What is wrong with a router's exits. One method a finding; its page beside it says the rest.</summary>
internal static class ExitsFindings
{
    /// <summary>Every finding that the facts support, worst first.</summary>
    public static Finding[] Of(RouterModel model)
    {
        var all = new List<Finding>(FindingsInFiles.Refused(model));
        if (model.Network is not null)
        {
            all.AddRange(FindingsOfTunnels.All(model));
            all.AddRange(FindingsOfLans.All(model));
            if (model.Firewall is not null)
            {
                all.AddRange(FindingsInFiles.All(model));
                all.AddRange(FindingsOfZones.All(model));
                all.AddRange(FindingsOfTranslations.All(model));
            }

            all.AddRange(FindingsOfLiveState.Router(model));
        }

        if (model.Facts.Far is { } far)
        {
            all.AddRange(FindingsOfLiveState.FarEnd(far, model));
        }

        return [.. all.OrderByDescending(f => f.Severity)];
    }

    /// <summary>A finding of one reason.</summary>
    public static Finding Make(string id, Severity severity, Certainty certainty, string subject, Text title, Text reason, string rule, Seen[] seen, params Remedy[] remedies) =>
        new(id, severity, certainty, new(subject, ValueKind.Plain), title, [new(reason, Verdict.Yes, rule, seen)], remedies);
}
