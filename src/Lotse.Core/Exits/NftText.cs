namespace Lotse.Exits;

/// <summary>
/// Reads rules that somebody wrote for nft, as far as exits are made with them: device, address, family, protocol and
/// port matches, then accept, drop, masquerade, snat and dnat to an address, a range or a prefix. What it does not know
/// becomes a rule that nobody can foretell.
/// </summary>
internal static class NftText
{
    /// <summary>Base chains with a nat or filter hook in a text that stands inside a table, or makes a table of its own.</summary>
    public static IEnumerable<NftChain> Chains(string path, string text) => Chains(path, [.. Statements(text)]).Where(c => c.Hook is not null);

    /// <summary>The tables of a whole ruleset, as a file or <c>nft list ruleset</c> has it: family, and every chain.</summary>
    public static IEnumerable<(string Family, NftChain[] Chains)> Tables(string path, string text)
    {
        var lines = Statements(text).ToArray();
        for (var i = 0; i < lines.Length; i++)
        {
            if (lines[i].Words is not ["table", .. var words, "{"])
            {
                continue;
            }

            var (start, depth) = (i + 1, 1);
            for (i++; i < lines.Length && depth > 0; i++)
            {
                depth += lines[i].Words.Count(w => w == "{") - lines[i].Words.Count(w => w == "}");
            }

            i--;
            yield return (words.Length > 1 ? words[0] : "ip", [.. Chains(path, lines[start..i])]);
        }
    }

    private static IEnumerable<NftChain> Chains(string path, (int Line, string Text, string[] Words)[] lines)
    {
        for (var i = 0; i < lines.Length; i++)
        {
            if (lines[i].Words is not ["chain", var name, "{", ..])
            {
                continue;
            }

            var depth = 1;
            var chain = new NftChain(name);
            for (i++; i < lines.Length && depth > 0; i++)
            {
                var words = lines[i].Words;
                if (words is ["}", ..])
                {
                    depth--;
                    i -= depth == 0 ? 1 : 0;
                }
                else if (words is ["type", ..])
                {
                    chain = new(name, string.Join(' ', words.TakeWhile(w => w != "policy")).TrimEnd(' ', ';'), words.SkipWhile(w => w != "policy").Skip(1).FirstOrDefault("accept").TrimEnd(';'));
                }
                else if (words is ["policy", ..] or [";", ..])
                {
                }
                else if (words.Length > 0)
                {
                    chain.Rules.Add(Rule(path, lines[i]));
                }
            }

            yield return chain;
        }
    }

    /// <summary>Rules of a text that stands inside a chain.</summary>
    public static IEnumerable<NftRule> Rules(string path, string text) => Statements(text).Where(s => s.Words.Length > 0).Select(s => Rule(path, s));

    /// <summary>Words of each rule; comments, counters and quotes gone.</summary>
    private static IEnumerable<(int Line, string Text, string[] Words)> Statements(string text)
    {
        var number = 0;
        foreach (var raw in text.Split('\n'))
        {
            number++;
            foreach (var line in Parts(Uncommented(raw).Trim()))
            {
                foreach (var statement in line.StartsWith("type ", StringComparison.Ordinal) ? [line] : line.Split(';'))
                {
                    if (statement.Trim() is { Length: > 0 } one)
                    {
                        yield return (number, one, Split(one));
                    }
                }
            }
        }
    }

    /// <summary>A line cut behind the brace that opens a table or chain, and before those that close one.</summary>
    private static IEnumerable<string> Parts(string line)
    {
        while ((line.StartsWith("table ", StringComparison.Ordinal) || line.StartsWith("chain ", StringComparison.Ordinal)) && line.IndexOf('{', StringComparison.Ordinal) is >= 0 and var at)
        {
            yield return line[..(at + 1)];
            line = line[(at + 1)..].Trim();
        }

        var closed = 0;
        while (line.EndsWith('}') && line.Count(c => c == '}') > line.Count(c => c == '{'))
        {
            line = line[..^1].Trim();
            closed++;
        }

        yield return line;
        for (; closed > 0; closed--)
        {
            yield return "}";
        }
    }

    private static string Uncommented(string line)
    {
        var quoted = false;
        for (var i = 0; i < line.Length; i++)
        {
            quoted ^= line[i] == '"';
            if (line[i] == '#' && !quoted)
            {
                return line[..i];
            }
        }

        return line;
    }

    private static string[] Split(string text)
    {
        var words = new List<string>();
        for (var i = 0; i < text.Length;)
        {
            if (char.IsWhiteSpace(text[i]) || text[i] == ',')
            {
                i++;
            }
            else if (text[i] == '"')
            {
                var end = text.IndexOf('"', i + 1) is var at and > 0 ? at : text.Length;
                words.Add("\"" + text[(i + 1)..end]);
                i = end + 1;
            }
            else if (text[i] is '{' or '}')
            {
                words.Add(text[i++].ToString());
            }
            else
            {
                var end = i;
                while (end < text.Length && !char.IsWhiteSpace(text[end]) && text[end] is not (',' or '{' or '}'))
                {
                    end++;
                }

                words.Add(text[i..end]);
                i = end;
            }
        }

        return [.. words];
    }

    private static NftRule Rule(string path, (int Line, string Text, string[] Words) statement)
    {
        var origin = new RuleOrigin($"{path}:{statement.Line}", statement.Text);
        var w = new Queue<string>(statement.Words);
        var rule = new NftRule { Written = statement.Text, Origin = origin };
        var done = false;
        try
        {
            while (w.Count > 0)
            {
                var word = w.Dequeue();
                switch (word)
                {
                    case "iifname" or "iif" or "oifname" or "oif":
                        var not = Not(w);
                        var devices = List(w).Select(d => d.TrimStart('"')).ToArray();
                        rule = (word[0], not) switch
                        {
                            ('i', false) => rule with { In = devices },
                            ('i', true) => rule with { InNot = devices },
                            ('o', false) => rule with { Out = devices },
                            _ => rule with { OutNot = devices },
                        };
                        break;
                    case "meta" when w.Peek() == "nfproto":
                        w.Dequeue();
                        rule = rule with { Family = w.Dequeue() == "ipv6" ? 6 : 4 };
                        break;
                    case "meta" when w.Peek() == "l4proto":
                        w.Dequeue();
                        rule = List(w) is [var only] ? rule with { Protocol = only == "icmpv6" ? "ipv6-icmp" : only } : rule with { Conditional = true };
                        break;
                    case "ip6" or "ip" when w.Peek() is "saddr" or "daddr":
                        var side = w.Dequeue();
                        var inverted = Not(w);
                        var sets = List(w).Select(t => FirewallOptions.Network(t) ?? throw new FormatException(t)).ToArray();
                        rule = rule with { Family = word == "ip6" ? 6 : 4 };
                        rule = (side[0], inverted) switch
                        {
                            ('s', false) => rule with { Source = sets },
                            ('s', true) => rule with { SourceNot = sets },
                            ('d', false) => rule with { Destination = sets },
                            _ => rule with { DestinationNot = sets },
                        };
                        break;
                    case "tcp" or "udp" when w.Peek() is "sport" or "dport":
                        var port = w.Dequeue();
                        var ports = List(w).Select(t => FirewallOptions.Port(t) ?? throw new FormatException(t)).ToArray();
                        rule = rule with { Protocol = word };
                        rule = port == "sport" ? rule with { SourcePorts = ports } : rule with { DestinationPorts = ports };
                        break;
                    case "counter":
                        while (w.Count > 1 && w.Peek() is "packets" or "bytes")
                        {
                            w.Dequeue();
                            w.Dequeue();
                        }

                        break;
                    case "comment":
                        w.Dequeue();
                        break;
                    case "ct" when w.Peek() == "state" && w.ElementAt(1) == "vmap":
                        // Verdicts by state: what is new goes on, unless there is a word for it.
                        if (string.Join(' ', w) is var map && (map.Contains("new", StringComparison.Ordinal) || map.Contains("untracked", StringComparison.Ordinal)))
                        {
                            return rule with { Verb = Verb.Opaque };
                        }

                        return rule with { Established = true, Verb = Verb.Accept };
                    case "ct" when w.Peek() == "state" && !Not(w, 1):
                        w.Dequeue();
                        var states = List(w).ToList();
                        while (w.Count > 0 && w.Peek() is "established" or "related" or "new" or "invalid" or "untracked")
                        {
                            states.Add(w.Dequeue());
                        }

                        rule = states.Contains("new") ? rule : states.Contains("invalid") && states.Count == 1 ? rule with { Conditional = true, Verb = Verb.Other } : rule with { Established = true };
                        break;
                    case "ct" when w.Peek() == "status" && w.ElementAt(1) == "dnat":
                        w.Dequeue();
                        w.Dequeue();
                        rule = rule with { Redirected = true };
                        break;
                    case "icmpv6" when w.Peek() == "type":
                        w.Dequeue();
                        var types = List(w).SelectMany(t => byte.TryParse(t, out var number) ? [new IcmpType(6, number, null)] : IcmpTypes.Find(t)).ToArray();
                        rule = types.Length > 0 ? rule with { Protocol = "ipv6-icmp", Icmp = types } : throw new FormatException(word);
                        break;
                    case "log":
                        while (w.Count > 1 && w.Peek() is "prefix" or "level" or "flags" or "group")
                        {
                            w.Dequeue();
                            w.Dequeue();
                        }

                        // It may end there.
                        rule = done || w.Count > 0 ? rule : rule with { Verb = Verb.Other };
                        done |= w.Count == 0;
                        break;
                    case "limit" when w.Peek() == "rate":
                        rule = rule with { Conditional = true };
                        while (w.Count > 0 && w.Peek() is not ("accept" or "drop" or "log" or "return" or "counter" or "reject" or "jump"))
                        {
                            w.Dequeue();
                        }

                        break;
                    case "reject":
                        return rule with { Verb = Verb.Jump, Target = "handle_reject" };
                    case "jump" or "goto":
                        rule = rule with { Verb = Verb.Jump, Target = w.Dequeue() };
                        done = true;
                        break;
                    case "accept" or "drop" when rule.Verb == Verb.Other && rule.Conditional:
                        // What conntrack calls invalid: no ordinary packet.
                        done = true;
                        break;
                    case "accept" or "drop" or "masquerade" or "return" or "notrack":
                        rule = rule with { Verb = Enum.Parse<Verb>(word, ignoreCase: true) };
                        done = true;
                        break;
                    case "snat" or "dnat":
                        rule = Translation(rule, word, w, ref done);
                        break;
                    case "persistent":
                        rule = rule with { Persistent = true };
                        break;
                    case "random" or "fully-random":
                        break;
                    default:
                        return rule with { Verb = Verb.Opaque };
                }
            }
        }
        catch (Exception e) when (e is FormatException or InvalidOperationException or ArgumentException)
        {
            return rule with { Verb = Verb.Opaque };
        }

        // A rule is printed as it was written, whatever is made of it here.
        return done ? rule : rule with { Verb = Verb.Opaque };
    }

    private static NftRule Translation(NftRule rule, string word, Queue<string> w, ref bool done)
    {
        var prefix = false;
        while (w.Peek() is "ip6" or "ip" or "prefix" or "to")
        {
            prefix |= w.Dequeue() == "prefix";
        }

        // snat ip6 prefix to ip6 saddr map { … } needs one rule a pair; only the form with one target is foretold.
        var to = FirewallOptions.Network(w.Dequeue().Trim('[', ']')) ?? throw new FormatException(word);
        done = true;
        return rule with
        {
            Family = to.V6 ? 6 : 4,
            To = to,
            Verb = (word, prefix || (to.Length >= 0 && to.Length < to.Low.Size)) switch
            {
                ("snat", true) => Verb.SnatPrefix,
                ("snat", false) => Verb.SnatAddress,
                (_, true) => Verb.DnatPrefix,
                _ => Verb.DnatAddress,
            },
        };
    }

    private static bool Not(Queue<string> w, int at) => w.ElementAt(at) is "!=" or "!";

    private static bool Not(Queue<string> w)
    {
        if (w.Peek() is not ("!=" or "=="))
        {
            return false;
        }

        return w.Dequeue() == "!=";
    }

    private static string[] List(Queue<string> w)
    {
        if (w.Peek() != "{")
        {
            return [w.Dequeue()];
        }

        var all = new List<string>();
        w.Dequeue();
        while (w.Peek() != "}")
        {
            all.Add(w.Dequeue());
        }

        w.Dequeue();
        return [.. all];
    }
}
