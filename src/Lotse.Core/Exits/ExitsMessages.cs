namespace Lotse.Exits;

/// <summary>Messages of routers that somebody pastes. Only what nothing else prints counts.</summary>
internal static class ExitsMessages
{
    /// <summary>A piece of a message, and the page of the finding that it means.</summary>
    private static readonly (string Piece, string Page)[] Known =
    [
        ("unknown option 'masq6_privacy'", "masq6-privacy"),
        ("firewall.npt6", "npt6-sections-fw3"),
        ("announce no default route by setting ra_lifetime to 0", "ula-only-no-default-router"),
        ("uci: Parse error", "uci-parse-error"),
        ("specifies unreachable path", "include-missing-file"),
        ("for non-nftables includes, ignoring section", "include-without-type"),
        ("Failed to assign requested subprefix", "same-ip6hint"),
        ("Failed to assign subprefix of size", "more-lans-than-64s"),
        ("option 'disable_ipv6' is not supported by fw4", "disable-ipv6-defaults"),
        ("sendmsg: Required key not available", "peer-without-default"),
    ];

    /// <summary>The report of the first known message; null when there is none.</summary>
    public static Report? Explain(string text)
    {
        foreach (var (line, number) in text.Split('\n').Select((l, i) => (l, i + 1)))
        {
            if (Known.FirstOrDefault(k => line.Contains(k.Piece, StringComparison.OrdinalIgnoreCase)).Page is { } name && FindingPage.Find($"exits/{name}") is { } page)
            {
                var reason = new Reason($"this message means it", Verdict.Yes, page.Sources[0], new Seen($"{new Value(line.Trim(), ValueKind.Plain)}", $"line {number}"));
                return new(page.Title, [reason], [new(page.Id, page.Severity, Certainty.Inferred, new("the router", ValueKind.Plain), page.Title, [reason], [new("what it means, with an example and the remedy", "lotse", "explain", page.Id), new("ask the router itself", "lotse", "exits", "why", "--host", "root@ROUTER")])], []);
            }
        }

        return null;
    }
}
