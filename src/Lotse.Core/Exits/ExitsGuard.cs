using Lotse.Formats;

namespace Lotse.Exits;

/// <summary>Plans the watcher that takes IPv6 away from the hosts while the far end of the tunnel is dead.</summary>
public static class ExitsGuard
{
    /// <summary>The watcher.</summary>
    internal const string Program = "/usr/sbin/lotse-guard";

    /// <summary>Its service.</summary>
    internal const string Init = "/etc/init.d/lotse-guard";
    private const string Config = "/etc/config/lotse-guard";

    /// <summary>Makes the plan.</summary>
    /// <param name="facts">The router.</param>
    /// <param name="probe">The far end's address in the tunnel; null: that of the far end's files.</param>
    public static ExitsDecision Make(ExitsFacts facts, IpAddress? probe)
    {
        var model = RouterModel.Of(facts);
        ExitsDecision Impossible(Text why, params Unknown[] unknowns) => new(new(why, [], [], unknowns), "", [], [], null, true);
        if (model.Network is null || model.ExitTunnels.FirstOrDefault() is not { } tunnel)
        {
            return Impossible("not planned: there is no tunnel in /etc/config/network");
        }

        probe ??= facts.Far?.Addresses.Where(a => facts.Far.Peers.Any(p => p.Interface == a.Device)).Select(a => IpPrefix.TryParse(a.Prefix, out var p) && p.Address.IsV6 && !p.Address.IsLinkLocal ? p.Address : (IpAddress?)null).FirstOrDefault(a => a is not null);
        if (probe is not { } target)
        {
            return Impossible("not planned: the far end's address in the tunnel is not known", new Unknown("what to probe", "the router's files do not name it", "name it: --probe 2001:db8:1:2::1, or --far USER@HOST"));
        }

        if (model.Network.Interfaces.SelectMany(i => i.V6).Any(a => a.Prefix.Address == target))
        {
            return Impossible($"not planned: {target} is an address of this router, which would answer itself");
        }

        var lans = model.DhcpPackage is null ? [] : model.Network.Lans.Select(l => (Lan: l, Told: model.AnnouncementOn(l))).ToArray();
        Reason[] reasons =
        [
            new($"{target} is asked every second by {tunnel.Device}, by a /128 route of its own", Verdict.Yes, "the default route is what it decides about"),
            new("3 silent seconds withdraw the default route, 2 answers bring it back: a lost packet in ten does nothing", Verdict.Yes, "once one is lost, three are sent a second: at one in ten, seven lost in a row come once in months"),
            new("an unreachable default route answers hosts that still try", Verdict.Yes, "ip-route(8): no route, by ICMP, instead of silence"),
            .. lans.Select(l => new Reason($"odhcpd withdraws its announcement on {l.Lan.Name} when the route goes", l.Told.Withdrawn ? Verdict.Yes : Verdict.No, "odhcpd router.c: not where ra_default is set", new Seen($"ra_default {l.Told.RaDefault}", l.Told.Where))),
        ];
        var config = $"config guard '{tunnel.Name}'\n\toption device '{tunnel.Device}'\n\toption probe '{target}'\n";
        List<Change> changes = [.. Installed(facts, Program, Embedded("lotse-guard"), 0x1ed), .. Installed(facts, Init, Embedded("lotse-guard.init"), 0x1ed), .. Put(facts.Guard?.Text, Config, config, 0x1a4)];
        if (changes.Count > 0 && facts.Routes is not null)
        {
            changes.Add(new RunProgram([Init, "enable"], [Init, "disable"], 20));
            changes.Add(new RunProgram([Init, "restart"], [Init, "stop"], 20));
        }

        var failed = reasons.FirstOrDefault(r => r.Verdict == Verdict.No);
        return new(
            new(changes.Count == 0 ? "nothing to do: it is guarded already" : failed is null ? $"IPv6 is withdrawn while {target} does not answer" : $"IPv6 is withdrawn while {target} does not answer, but not true that {failed.Text}: lotse exits plan takes ra_default away", reasons, [], []),
            $"hosts fall back to IPv4 while {target} does not answer by {tunnel.Device}", [.. changes], [], facts);
    }

    /// <summary>A script as it is installed.</summary>
    internal static string Embedded(string name)
    {
        using var reader = new StreamReader(typeof(ExitsGuard).Assembly.GetManifestResourceStream($"Exits/Guard/{name}")!);
        return reader.ReadToEnd();
    }

    /// <summary>A program, in place of what an earlier version of Lotse has installed.</summary>
    private static IEnumerable<Change> Installed(ExitsFacts facts, string path, string text, int mode) =>
        Put(facts.GuardPrograms.FirstOrDefault(p => p.Path == path)?.Text, path, text, mode);

    private static IEnumerable<Change> Put(string? old, string path, string text, int mode) =>
        old == text ? [] : [old is null ? Create(path, text, mode) : EditFile.Between(path, ByteText.Encode(old), ByteText.Encode(text))];

    private static CreateFile Create(string path, string text, int mode) => new(path, [.. text.TrimEnd('\n').Split('\n')], mode, 0, 0);
}
