using System.Text;

namespace Lotse.Exits;

/// <summary>What happens to a packet in a chain, and the rules that decided.</summary>
/// <param name="Verdict">accept, drop or reject; null: it cannot be told.</param>
/// <param name="By">The rule that decided; null: the chain's policy.</param>
/// <param name="Path">Every rule that matched, in order.</param>
internal sealed record Passage(string? Verdict, NftRule? By, NftRule[] Path);

/// <summary>
/// The ruleset that fw4 makes of /etc/config/firewall, as chains of rules: to be printed for nft, and to be asked what
/// becomes of a packet.
/// </summary>
internal sealed class Firewall
{
    private readonly Dictionary<string, NftChain> chains = [];

    /// <summary>The chains in the order they were made.</summary>
    public List<NftChain> Chains { get; } = [];

    /// <summary>The zones that hold.</summary>
    public List<FirewallZone> Zones { get; } = [];

    /// <summary>Sections that do not count, and why.</summary>
    public List<(UciSection Section, SectionFault Fault)> Dropped { get; } = [];

    /// <summary>Parts of the configuration that are not rendered, for the unknowns.</summary>
    public List<(string Where, string What)> NotRendered { get; } = [];

    /// <summary>Text of includes and drop-ins before, in and behind the table.</summary>
    public List<(string Position, string Path, string Text)> Texts { get; } = [];

    /// <summary>Base chains of included text, which run beside those of fw4.</summary>
    public List<NftChain> Own { get; } = [];

    /// <summary>The chain of a name, or null.</summary>
    public NftChain? this[string chain] => chains.GetValueOrDefault(chain);

    /// <summary>Makes a chain.</summary>
    public NftChain Add(string name, string? hook = null, string policy = "accept")
    {
        var chain = new NftChain(name, hook, policy);
        chains[name] = chain;
        Chains.Add(chain);
        return chain;
    }

    /// <summary>The zone that a network's device is in as far as packets are concerned: the first that matches.</summary>
    public FirewallZone? ZoneOfDevice(string device) => Zones.FirstOrDefault(z => z.Matches.Any(m => (m.Devices.Length == 0 ? m.DevicesNot.Length > 0 : m.Devices.Any(d => d == device || (d.EndsWith('*') && device.StartsWith(d[..^1], StringComparison.Ordinal)))) && !m.DevicesNot.Contains(device)));

    /// <summary>Sends a packet through a chain and all that it jumps to.</summary>
    public Passage Ask(string chain, Packet packet)
    {
        var path = new List<NftRule>();
        if (chains.GetValueOrDefault(chain) is not { } start)
        {
            return new("accept", null, []);
        }

        var (verdict, by, unknown) = Walk(start, packet, path, 0);
        return unknown ? new(null, by, [.. path]) : verdict is not null ? new(verdict, by, [.. path]) : new(start.Policy, null, [.. path]);
    }

    private (string? Verdict, NftRule? By, bool Unknown) Walk(NftChain chain, Packet packet, List<NftRule> path, int depth)
    {
        foreach (var rule in chain.Rules)
        {
            var matches = rule.Matches(packet);
            if (matches is false)
            {
                continue;
            }

            if (matches is null)
            {
                // A rule with a condition that only an unusual packet fails is passed over where it accepts nothing new.
                if (rule.Verb is Verb.Other or Verb.NoTrack)
                {
                    continue;
                }

                return (null, rule, true);
            }

            path.Add(rule);
            switch (rule.Verb)
            {
                case Verb.Accept or Verb.Masquerade or Verb.SnatAddress or Verb.SnatPrefix or Verb.DnatAddress or Verb.DnatPrefix:
                    return ("accept", rule, false);
                case Verb.Drop:
                    return ("drop", rule, false);
                case Verb.Return:
                    return (null, null, false);
                case Verb.Jump when rule.Target == "handle_reject":
                    return ("reject", rule, false);
                case Verb.Jump when depth < 16 && chains.GetValueOrDefault(rule.Target) is { } next:
                    if (Walk(next, packet, path, depth + 1) is { } inner && (inner.Verdict is not null || inner.Unknown))
                    {
                        return inner;
                    }

                    break;
            }
        }

        return (null, null, false);
    }

    /// <summary>The ruleset as nft reads it, includes written out.</summary>
    public string Text()
    {
        var text = new StringBuilder();
        Include(text, "ruleset-prepend");
        text.Append("table inet fw4 {\n");
        Include(text, "table-prepend");
        foreach (var chain in Chains)
        {
            text.Append("\tchain ").Append(chain.Name).Append(" {\n");
            if (chain.Hook is not null)
            {
                text.Append("\t\ttype ").Append(chain.Hook).Append("; policy ").Append(chain.Policy).Append(";\n");
            }

            foreach (var rule in chain.Rules)
            {
                text.Append("\t\t").Append(rule.Text()).Append('\n');
            }

            text.Append("\t}\n\n");
        }

        Include(text, "table-append");
        text.Append("}\n");
        Include(text, "ruleset-append");
        return text.ToString();
    }

    private void Include(StringBuilder text, string position)
    {
        foreach (var include in Texts.Where(t => t.Position == position))
        {
            text.Append(include.Text.TrimEnd()).Append('\n');
        }
    }
}

/// <summary>One way in which packets belong to a zone.</summary>
/// <param name="Family">4, 6, or 0 for both.</param>
/// <param name="Devices">Devices, <c>*</c> at the end for all that begin so; none: any.</param>
/// <param name="DevicesNot">Devices that do not belong.</param>
/// <param name="Subnets">Addresses on its side; none: any.</param>
/// <param name="SubnetsNot">Addresses that do not belong.</param>
internal sealed record ZoneMatch(int Family, string[] Devices, string[] DevicesNot, AddressSet[] Subnets, AddressSet[] SubnetsNot);

/// <summary>A zone.</summary>
/// <param name="Section">Its section.</param>
/// <param name="Name">Its name.</param>
/// <param name="Networks">The networks that it lists.</param>
/// <param name="Family">4, 6, or 0 for both.</param>
/// <param name="Input">accept, reject or drop.</param>
/// <param name="Output">The same.</param>
/// <param name="Forward">The same, between its own devices.</param>
/// <param name="Masq">Whether IPv4 is masqueraded.</param>
/// <param name="Masq6">Whether IPv6 is.</param>
/// <param name="Matches">Which packets belong to it.</param>
internal sealed record FirewallZone(UciSection Section, string Name, string[] Networks, int Family, string Input, string Output, string Forward, bool Masq, bool Masq6, ZoneMatch[] Matches)
{
    /// <summary>Chains that have to be there: accept, reject, drop towards it; snat, dnat, notrack.</summary>
    public HashSet<string> Needs { get; } = [];
}
