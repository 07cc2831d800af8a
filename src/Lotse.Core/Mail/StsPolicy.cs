using System.Globalization;
using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>An MTA-STS policy (RFC 8461 section 3.2), or why there is none.</summary>
/// <param name="Mode">enforce, testing, none; empty where it was not fetched.</param>
/// <param name="Mx">Patterns of exchanges.</param>
/// <param name="Problem">Why it could not be fetched; null: it was.</param>
/// <param name="Proven">Whether nobody can fetch it, rather than only this machine not.</param>
public sealed record StsPolicy(string Mode, string[] Mx, string? Problem, bool Proven)
{
    /// <summary>Whether a host is covered: one label may stand for <c>*</c> (RFC 8461 section 4.1).</summary>
    public bool Covers(string host) => Mx.Any(m => m == host || (m.StartsWith("*.", StringComparison.Ordinal) && DnsName.Parent(host) == m[2..]));

    /// <summary>Fetches the policy of a domain that announces one, with curl(1): HTTPS needs certificates and their authorities.</summary>
    /// <returns>Null when none is announced, or nobody may be asked.</returns>
    public static StsPolicy? Read(Host host, Hosts.DnsSource source, string domain, DnsLookups dns)
    {
        var name = DnsName.Under("mta-sts", domain);
        if (source.IsOffline || name is null || DnsName.Under("_mta-sts", domain) is not { } announced || !dns[announced, DnsType.TXT].Of(DnsType.TXT).Any(r => r.Joined.StartsWith("v=STSv1", StringComparison.Ordinal)))
        {
            return null;
        }

        var addresses = dns[name, DnsType.A].Of(DnsType.A).Concat(dns[name, DnsType.AAAA].Of(DnsType.AAAA)).Select(r => r.Address!).ToArray();
        if (addresses.Length == 0)
        {
            return null;
        }

        // The addresses are those of the servers that were asked, not what this machine's resolver says.
        var shown = string.Join(',', addresses.Select(a => a.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? $"[{a}]" : a.ToString()));
        var ran = host.Run(
            ["curl", "--silent", "--show-error", "--fail", "--proto", "=https", "--max-filesize", "65536", "--max-time", "4", "--noproxy", "*", "--write-out", Status + "%{http_code}", "--resolve", $"{name}:443:{shown}", $"https://{name}/.well-known/mta-sts.txt"],
            TimeSpan.FromSeconds(6));
        if (!ran.Ok)
        {
            return new("", [], ran.Error!.Message, false);
        }

        var (code, said) = (ran.Value.ExitCode, ByteText.Decode(ran.Value.Output));
        var end = said.LastIndexOf(Status, StringComparison.Ordinal);
        var status = end < 0 ? "" : said[(end + Status.Length)..];
        if (code == 0 && status != "200")
        {
            return new("", [], $"the answer is {status}, and only 200 counts: redirects are not followed", true);
        }

        // curl(1): 22 an error of HTTP, 35 TLS, 51 and 60 the certificate, 63 the size; the rest may be this machine's network.
        return code == 0 ? Parse(said[..end]) : new("", [], ByteText.Decode(ran.Value.Errors).Trim().Split('\n')[0], code is 22 or 35 or 51 or 60 or 63);
    }

    /// <summary>What stands between the policy and the status of the answer, so that one run of curl says both.</summary>
    private const string Status = "\nstatus ";

    /// <summary>Reads a policy.</summary>
    public static StsPolicy Parse(string text)
    {
        var lines = text.Split('\n').Select(l => l.TrimEnd('\r').Split(':', 2)).Where(l => l.Length == 2).Select(l => (Key: l[0].Trim(), Value: l[1].Trim())).ToArray();
        string? One(string key) => lines.Where(l => l.Key == key).Select(l => l.Value).FirstOrDefault();
        var mode = One("mode") ?? "";
        return One("version") != "STSv1" || mode is not ("enforce" or "testing" or "none") || !long.TryParse(One("max_age"), NumberStyles.None, CultureInfo.InvariantCulture, out _)
            ? new("", [], "the policy is broken: version, mode or max_age", true)
            : new(mode, [.. lines.Where(l => l.Key == "mx").Select(l => l.Value.ToLowerInvariant().TrimEnd('.'))], null, true);
    }
}
