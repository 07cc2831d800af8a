using Lotse.Formats;
using YamlDotNet.RepresentationModel;

namespace Lotse.Tests.Mail;

/// <summary>A case of openspf's suite.</summary>
internal sealed record SpfCase(string Scenario, string Name, string Ip, string Helo, string From, string[] Results, string? Explanation, SpfZone Zone);

/// <summary>A scenario's zone data: what each name answers.</summary>
internal sealed class SpfZone
{
    private readonly Dictionary<string, List<(string Type, DnsRecord? Record)>> names = [];

    /// <summary>Reads zone data; names that cannot be DNS names are left out, as no server could serve them.</summary>
    public SpfZone(YamlMappingNode data)
    {
        foreach (var (key, value) in data.Children)
        {
            if (DnsName.FromRaw(((YamlScalarNode)key).Value!) is not { } name)
            {
                continue;
            }

            var rows = names[name] = [];
            var entries = (YamlSequenceNode)value;
            var ownText = entries.Any(e => e is YamlMappingNode map && map.Children.ContainsKey("TXT"));
            foreach (var entry in entries)
            {
                if (entry is YamlScalarNode)
                {
                    rows.Add(("TIMEOUT", null));
                    continue;
                }

                foreach (var (typeNode, data_) in ((YamlMappingNode)entry).Children)
                {
                    var type = ((YamlScalarNode)typeNode).Value!;
                    switch (data_)
                    {
                        case YamlScalarNode { Value: "NONE" }:
                            break;
                        case YamlScalarNode { Value: "TIMEOUT" }:
                            rows.Add(("TIMEOUT:" + type, null));
                            break;
                        default:
                            if (Record(name, type, data_) is { } record)
                            {
                                rows.Add((type, record));
                                if (type == "SPF" && !ownText)
                                {
                                    rows.Add(("TXT", record with { Type = DnsType.TXT }));
                                }
                            }

                            break;
                    }
                }
            }
        }
    }

    /// <summary>The answer to a question; null: silence, or SERVFAIL, as the server is told.</summary>
    public DnsAnswer? Answer(DnsQuestion question)
    {
        var (name, found) = (question.Name, new List<DnsRecord>());
        var seen = new HashSet<string>();
        while (true)
        {
            var rows = names.GetValueOrDefault(name) ?? [];
            var here = new List<DnsRecord>();
            foreach (var (type, record) in rows)
            {
                if (type == "TIMEOUT" || type == "TIMEOUT:" + question.Type)
                {
                    if (here.Count == 0)
                    {
                        return null;
                    }

                    break;
                }

                if (type == question.Type.ToString())
                {
                    here.Add(record! with { Name = name });
                }
            }

            found.AddRange(here);
            if (here.Count > 0)
            {
                return new(DnsOutcome.Records, [.. found], "suite");
            }

            if (question.Type == DnsType.CNAME || rows.FirstOrDefault(r => r.Type == "CNAME").Record is not { } alias || !seen.Add(name))
            {
                return new(names.ContainsKey(name) || names.Keys.Any(k => k.EndsWith("." + name, StringComparison.Ordinal)) ? DnsOutcome.NoData : DnsOutcome.NoName, [.. found], "suite");
            }

            found.Add(alias);
            name = alias.Target;
        }
    }

    private static DnsRecord? Record(string name, string type, YamlNode data)
    {
        string[] parts = data is YamlSequenceNode list ? [.. list.Select(n => ((YamlScalarNode)n).Value!)] : [((YamlScalarNode)data).Value!];
        return type switch
        {
            // Strings longer than 255 octets are divided as a server would.
            "SPF" or "TXT" => new(name, type == "SPF" ? DnsType.SPF : DnsType.TXT, 300, [.. parts.SelectMany(p => DnsRecord.Txt(name, 300, p).Data)]),
            "MX" => Named(name, DnsType.MX, parts[1]) is { } mx ? mx with { Data = [(byte)(int.Parse(parts[0]) >> 8), (byte)int.Parse(parts[0]), .. mx.Data] } : null,
            "A" or "AAAA" => DnsRecord.Parse(name, type == "A" ? DnsType.A : DnsType.AAAA, 300, parts[0]),
            _ => Named(name, DnsTypes.Parse(type)!.Value, parts[0]),
        };
    }

    private static DnsRecord? Named(string name, DnsType type, string target) => target.Length == 0 ? new(name, type, 300, [0]) : DnsName.FromRaw(target) is { } wire ? new(name, type, 300, DnsName.ToWire(wire)) : null;
}

/// <summary>openspf's suite, tests/data/mail/spf.</summary>
internal static class SpfSuite
{
    public static IReadOnlyList<SpfCase> All(string file)
    {
        using var reader = new StreamReader(file);
        var yaml = new YamlStream();
        yaml.Load(reader);
        var cases = new List<SpfCase>();
        foreach (var document in yaml.Documents.Select(d => d.RootNode).OfType<YamlMappingNode>())
        {
            var zone = new SpfZone((YamlMappingNode)document["zonedata"]);
            foreach (var (name, test) in ((YamlMappingNode)document["tests"]).Children)
            {
                var map = (YamlMappingNode)test;
                string Text(string key) => map.Children.TryGetValue(key, out var node) ? ((YamlScalarNode)node).Value ?? "" : "";
                cases.Add(new(
                    Scenario(document), ((YamlScalarNode)name).Value!, Text("host"), Null(Text("helo")), Null(Text("mailfrom")),
                    map["result"] is YamlSequenceNode many ? [.. many.Select(n => ((YamlScalarNode)n).Value!)] : [Text("result")],
                    map.Children.ContainsKey("explanation") ? Text("explanation") : null, zone));
            }
        }

        return cases;

        static string Null(string text) => text is "~" or "null" ? "" : text;
        static string Scenario(YamlMappingNode document) => ((YamlScalarNode)document["description"]).Value!;
    }
}
