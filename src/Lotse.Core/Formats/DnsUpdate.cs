namespace Lotse.Formats;

/// <summary>An update of a zone (RFC 2136): what has to stand there, what goes, what comes. The server does all of it or nothing.</summary>
public static class DnsUpdate
{
    private const int ClassIn = 1;
    private const int ClassNone = 254;
    private const ushort Opcode = 5 << 11;

    /// <summary>The message, not signed.</summary>
    /// <param name="id">Transaction id.</param>
    /// <param name="zone">The zone.</param>
    /// <param name="sets">The sets as they stand: name and type with their records; without any, the set must not be there.</param>
    /// <param name="remove">Records that go.</param>
    /// <param name="add">Records that come.</param>
    public static byte[] Message(ushort id, string zone, IReadOnlyList<(string Name, DnsType Type, DnsRecord[] Records)> sets, DnsRecord[] remove, DnsRecord[] add)
    {
        var message = new List<byte>();
        DnsMessage.Short(message, id);
        DnsMessage.Short(message, Opcode);
        DnsMessage.Short(message, 1);
        DnsMessage.Short(message, sets.Sum(s => Math.Max(1, s.Records.Length)));
        DnsMessage.Short(message, remove.Length + add.Length);
        DnsMessage.Short(message, 0);
        message.AddRange(DnsName.ToWire(zone));
        DnsMessage.Short(message, (int)DnsType.SOA);
        DnsMessage.Short(message, ClassIn);
        foreach (var (name, type, records) in sets)
        {
            // Section 2.4: the whole set with its data, or no set of this name and type.
            if (records.Length == 0)
            {
                DnsMessage.Record(message, name, type, ClassNone, 0, []);
            }

            foreach (var record in records)
            {
                DnsMessage.Record(message, name, type, ClassIn, 0, record.Data);
            }
        }

        foreach (var record in remove)
        {
            DnsMessage.Record(message, record.Name, record.Type, ClassNone, 0, record.Data);
        }

        foreach (var record in add)
        {
            DnsMessage.Record(message, record.Name, record.Type, ClassIn, record.Ttl, record.Data);
        }

        return [.. message];
    }

    /// <summary>A server's response code in words (RFC 2136 section 2.2, RFC 8945 section 3).</summary>
    public static string Words(int code) => code switch
    {
        0 => "done",
        1 => "FORMERR: it does not understand the update",
        2 => "SERVFAIL: it failed",
        4 => "NOTIMP: it takes no updates",
        5 => "REFUSED: it does not take updates from here, or not with this key",
        6 or 7 or 8 => "the records are not as they were when the plan was made",
        9 => "NOTAUTH: it is not responsible for the zone, or does not know the key",
        10 => "NOTZONE: a name is not in the zone",
        _ => $"response code {code}",
    };
}
