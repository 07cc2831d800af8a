using Lotse.Formats;
using Lotse.Formats.AddressSelection;

namespace Lotse.Addresses;

/// <summary>
/// A row of the kernel's own label table (ip-addrlabel(8)) by which another own address becomes the source, and the wanted
/// order comes of that. It helps every program, also those that read no gai.conf.
/// </summary>
/// <param name="Prefix">The destination's prefix.</param>
/// <param name="Label">The label of the source that is to be taken.</param>
/// <param name="Source">That source.</param>
/// <param name="Instead">The source that is taken now.</param>
public sealed record KernelLabel(IpPrefix Prefix, int Label, IpAddress Source, IpAddress Instead)
{
    private static readonly int[] Lengths = [128, 64, 48];

    /// <summary>What it does, in one line.</summary>
    public string Words => $"ip addrlabel add prefix {Prefix} label {Label}";

    /// <summary>The row that gives a goal; null where the source is not what stands in its way.</summary>
    public static KernelLabel? Find(HostNetwork network, GaiConf conf, OrderGoal goal)
    {
        var now = new SourceSelection(network);
        if (!goal.First.IsV6 || now.Select(goal.First).Source is not { } source)
        {
            return null;
        }

        var prefixes = goal.Classes.TryGetValue(goal.First, out var meant) ? [meant.Network] : Lengths.Select(length => new IpPrefix(goal.First, length).Network);
        foreach (var prefix in prefixes.Where(p => !network.Labels.Any(l => l.Prefix.Network == p)))
        {
            foreach (var label in network.Addresses.Where(x => x.Address.Address.IsV6 && x.Address.Address != source).Select(x => now.Label(x.Address.Address)).Distinct().Where(l => l >= 0))
            {
                var then = new SourceSelection(network with { Labels = [.. network.Labels, new(prefix, label)] });
                if (then.Select(goal.First).Source is { } other && other != source && now.Label(other) == label && Holds(new GlibcOrder(network, conf), goal, then))
                {
                    return new(prefix, label, other, source);
                }
            }
        }

        return null;
    }

    /// <summary>The steps: in the running kernel now, and for the next start where systemd-networkd sets the interface up; else by hand.</summary>
    /// <param name="networkFile">The .network file of the interface that is used (systemd.network(5)); null: networkd has none.</param>
    public Change[] Changes(string? networkFile) =>
    [
        new RunProgram(["ip", "addrlabel", "add", "prefix", Prefix.ToString(), "label", $"{Label}"], ["ip", "addrlabel", "del", "prefix", Prefix.ToString(), "label", $"{Label}"], 10),
        networkFile is null
            ? new ByHand($"to keep it over a restart, have what sets the network up run: {Words}")
            : new CreateFile(DropIn(networkFile), ["[IPv6AddressLabel]\n", $"Prefix={Prefix}\n", $"Label={Label}\n"], 0x1a4, 0, 0),
    ];

    /// <summary>Drop-ins of a .network file stand in a folder of its name below /etc, wherever the file itself is (systemd.network(5)).</summary>
    private string DropIn(string networkFile) =>
        $"/etc/systemd/network/{networkFile[(networkFile.LastIndexOf('/') + 1)..]}.d/50-lotse-{Prefix.ToString().Replace(':', '-').Replace('/', '-')}.conf";

    private static bool Holds(GlibcOrder order, OrderGoal goal, SourceSelection selection)
    {
        var candidates = order.Candidates(goal.All, Array.ConvertAll(goal.All, d => selection.Select(d).Source));
        return Array.TrueForAll(candidates[1..], other => order.Compare(candidates[0], other, firstFirst: false).Sign < 0);
    }
}
