using System.Globalization;
using System.Net;
using Lotse.Formats;
using Lotse.Hosts;

namespace Lotse.Cli.Areas;

/// <summary>Whom the verbs of <c>lotse mail</c> ask, as their options say.</summary>
internal static class MailAsking
{
    /// <summary>The options that every verb has.</summary>
    public static readonly Option[] Options =
    [
        new("--server", Takes.Text, "ADDRESS[:PORT]", "ask this resolver instead of the machine's own"),
        new("--zone", Takes.File, "FILE", "read a zone file instead of asking (one file may hold several zones); with --server, the rest is asked"),
        new("--share", Takes.Nothing, "", "mask people's addresses, so that the answer may be shown to others"),
        new("--deadline", Takes.Seconds, "S", "how long all questions together may take") { Default = "8" },
    ];

    /// <summary>What is printed: with --share, with people's addresses masked.</summary>
    public static Report Shared(Invocation call, Report report) => call.Has("--share") ? Mail.MailShare.Mask(report) : report;

    /// <summary>A source as the options say.</summary>
    /// <param name="call">The options.</param>
    /// <param name="host">Where files are.</param>
    /// <param name="edited">A zone file that counts before what DNS says.</param>
    /// <exception cref="NotKnownException">A zone file cannot be read or understood.</exception>
    public static DnsSource Source(Invocation call, Host host, ZoneFile? edited = null)
    {
        IPEndPoint[] servers = call["--server"] is { } server
            ? [DnsSource.ParseServer(server) ?? throw new UsageException($"--server \"{ByteText.Escape(server)}\" is no address", "lotse mail … --server 192.0.2.1, 192.0.2.1:5300 or [2001:db8::1]:53")]
            : [];
        ZoneFile[] zones = [.. edited is null ? Array.Empty<ZoneFile>() : [edited], .. call["--zone"] is { } file ? new[] { Zone(host, file) } : []];
        var deadline = TimeSpan.FromSeconds(double.Parse(call["--deadline"] ?? "8", CultureInfo.InvariantCulture));
        return new(host, new(servers, zones, call.Has("--offline") || (call.Has("--zone") && servers.Length == 0), deadline));
    }

    /// <summary>A zone file of the host.</summary>
    public static ZoneFile Zone(Host host, string file)
    {
        var path = Path.GetFullPath(file);
        var read = host.ReadFile(path);
        if (!read.Ok)
        {
            throw new NotKnownException(read.Error!.Message);
        }

        var zone = ZoneFile.Parse(path, read.Value, ZoneFile.OriginOf(path), other => host.ReadFile(other));
        return zone.Ok ? zone.Value : throw new NotKnownException(zone.Error!.Message);
    }
}
