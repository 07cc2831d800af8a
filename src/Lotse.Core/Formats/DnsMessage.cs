using System.Buffers.Binary;

namespace Lotse.Formats;

/// <summary>
/// A DNS message (RFC 1035 section 4) as it travels. Reading trusts nothing: every length is checked, a compression
/// pointer only leads backwards and at most so often as a name has labels, and no more is kept than the message holds.
/// </summary>
public sealed record DnsMessage
{
    /// <summary>The most octets of a message over TCP.</summary>
    public const int Limit = 65535;

    /// <summary>What is asked over UDP: fits every path without fragments (RFC 9715).</summary>
    public const int UdpPayload = 1232;

    private const ushort ClassIn = 1;

    /// <summary>Transaction id.</summary>
    public ushort Id { get; init; }

    /// <summary>The two octets after it: QR, opcode, AA, TC, RD, RA, AD, CD, RCODE.</summary>
    public ushort Flags { get; init; }

    /// <summary>What is asked; in an update, the zone.</summary>
    public (string Name, DnsType Type)? Question { get; init; }

    /// <summary>Answers.</summary>
    public DnsRecord[] Answers { get; init; } = [];

    /// <summary>Authority section.</summary>
    public DnsRecord[] Authority { get; init; } = [];

    /// <summary>Extended RCODE (RFC 6891 section 6.1.3): the header's four bits with OPT's eight above.</summary>
    public int ResponseCode { get; init; }

    /// <summary>An extended DNS error (RFC 8914) and its text; null when none came.</summary>
    public (int Code, string Text)? ExtendedError { get; init; }

    /// <summary>Octets of the message.</summary>
    public int Size { get; init; }

    /// <summary>Whether it is an answer.</summary>
    public bool IsResponse => (Flags & 0x8000) != 0;

    /// <summary>TC: it did not fit.</summary>
    public bool Truncated => (Flags & 0x0200) != 0;

    /// <summary>AA: from who is responsible.</summary>
    public bool Authoritative => (Flags & 0x0400) != 0;

    /// <summary>AD: the resolver has checked DNSSEC's signatures (RFC 6840 section 5.8).</summary>
    public bool Authentic => (Flags & 0x0020) != 0;

    /// <summary>A query.</summary>
    /// <param name="id">Transaction id.</param>
    /// <param name="question">What.</param>
    /// <param name="recursion">RD: whether the server is to ask others.</param>
    /// <param name="checkingDisabled">CD: whether a resolver is to hand on what fails DNSSEC's check (RFC 4035 section 3.2.2).</param>
    /// <param name="extensions">Whether to say how much fits (OPT); very old servers refuse it.</param>
    public static byte[] Query(ushort id, DnsQuestion question, bool recursion, bool checkingDisabled, bool extensions)
    {
        var message = new List<byte>();
        Short(message, id);

        // AD in a query asks for AD in the answer without asking for signatures (RFC 6840 section 5.7).
        Short(message, (recursion ? 0x0100 : 0) | 0x0020 | (checkingDisabled ? 0x0010 : 0));
        Short(message, 1);
        Short(message, 0);
        Short(message, 0);
        Short(message, extensions ? 1 : 0);
        message.AddRange(DnsName.ToWire(question.Name));
        Short(message, (int)question.Type);
        Short(message, ClassIn);
        if (extensions)
        {
            message.Add(0);
            Short(message, (int)DnsType.OPT);
            Short(message, UdpPayload);
            Short(message, 0);
            Short(message, 0);
            Short(message, 0);
        }

        return [.. message];
    }

    /// <summary>Adds a record to a message that is being written.</summary>
    /// <param name="message">The message.</param>
    /// <param name="name">Owner.</param>
    /// <param name="type">Type.</param>
    /// <param name="recordClass">Class: IN, NONE (254) or ANY (255).</param>
    /// <param name="ttl">TTL.</param>
    /// <param name="data">Data.</param>
    internal static void Record(List<byte> message, string name, DnsType type, int recordClass, uint ttl, ReadOnlySpan<byte> data)
    {
        message.AddRange(DnsName.ToWire(name));
        Short(message, (int)type);
        Short(message, recordClass);
        Short(message, (int)(ttl >> 16));
        Short(message, (int)(ttl & 0xffff));
        Short(message, data.Length);
        message.AddRange(data);
    }

    /// <summary>Adds two octets.</summary>
    internal static void Short(List<byte> message, int value)
    {
        message.Add((byte)(value >> 8));
        message.Add((byte)value);
    }

    /// <summary>Reads a message; null when it is broken. A truncated one may end anywhere: only its header and question count.</summary>
    public static DnsMessage? Parse(ReadOnlySpan<byte> wire)
    {
        if (wire.Length is < 12 or > Limit)
        {
            return null;
        }

        var (id, flags) = (BinaryPrimitives.ReadUInt16BigEndian(wire), BinaryPrimitives.ReadUInt16BigEndian(wire[2..]));
        var at = 12;
        (string, DnsType)? question = null;
        for (var i = BinaryPrimitives.ReadUInt16BigEndian(wire[4..]); i > 0; i--)
        {
            if (Name(wire, ref at) is not { } name || at + 4 > wire.Length)
            {
                return null;
            }

            question ??= (name, (DnsType)BinaryPrimitives.ReadUInt16BigEndian(wire[at..]));
            at += 4;
        }

        var message = new DnsMessage { Id = id, Flags = flags, Question = question, ResponseCode = flags & 15, Size = wire.Length };
        if (message.Truncated)
        {
            return message;
        }

        var answers = Records(wire, ref at, BinaryPrimitives.ReadUInt16BigEndian(wire[6..]), ref message);
        var authority = answers is null ? null : Records(wire, ref at, BinaryPrimitives.ReadUInt16BigEndian(wire[8..]), ref message);
        var additional = authority is null ? null : Records(wire, ref at, BinaryPrimitives.ReadUInt16BigEndian(wire[10..]), ref message);
        return additional is null ? null : message with { Answers = answers!, Authority = authority! };
    }

    /// <summary>Where the last record of a message begins; null when it is broken or has none.</summary>
    internal static int? LastRecord(ReadOnlySpan<byte> wire)
    {
        if (wire.Length < 12)
        {
            return null;
        }

        int at = 12, records = 0;
        for (var section = 0; section < 4; section++)
        {
            var count = BinaryPrimitives.ReadUInt16BigEndian(wire[(4 + (section * 2))..]);
            records += section > 0 ? count : 0;
            for (; section == 0 && count > 0; count--)
            {
                if (Name(wire, ref at) is null)
                {
                    return null;
                }

                at += 4;
            }
        }

        int? last = null;
        for (; records > 0; records--)
        {
            last = at;
            if (Name(wire, ref at) is null || at + 10 > wire.Length)
            {
                return null;
            }

            at += 10 + BinaryPrimitives.ReadUInt16BigEndian(wire[(at + 8)..]);
        }

        return at == wire.Length ? last : null;
    }

    private static DnsRecord[]? Records(ReadOnlySpan<byte> wire, ref int at, int count, ref DnsMessage message)
    {
        var all = new List<DnsRecord>(Math.Min(count, 64));
        for (; count > 0; count--)
        {
            if (Name(wire, ref at) is not { } name || at + 10 > wire.Length)
            {
                return null;
            }

            var type = (DnsType)BinaryPrimitives.ReadUInt16BigEndian(wire[at..]);
            var recordClass = BinaryPrimitives.ReadUInt16BigEndian(wire[(at + 2)..]);
            var ttl = BinaryPrimitives.ReadUInt32BigEndian(wire[(at + 4)..]);
            var length = BinaryPrimitives.ReadUInt16BigEndian(wire[(at + 8)..]);
            at += 10;
            if (at + length > wire.Length)
            {
                return null;
            }

            if (type == DnsType.OPT)
            {
                message = message with { ResponseCode = (message.ResponseCode & 15) | (int)(ttl >> 24 << 4), ExtendedError = Error(wire.Slice(at, length)) };
            }
            else if (recordClass == ClassIn)
            {
                if (Data(wire, at, length, type) is not { } data)
                {
                    return null;
                }

                // RFC 2181 section 8: a TTL with the highest bit set means 0.
                all.Add(new(name, type, ttl > int.MaxValue ? 0 : ttl, data));
            }

            at += length;
        }

        return [.. all];
    }

    /// <summary>The data with its names written out.</summary>
    private static byte[]? Data(ReadOnlySpan<byte> wire, int at, int length, DnsType type)
    {
        var (offset, names) = DnsData.Names(type);
        if (names == 0 || length < offset)
        {
            return wire.Slice(at, length).ToArray();
        }

        var end = at + length;
        var data = new List<byte>(wire.Slice(at, offset).ToArray());
        at += offset;
        for (; names > 0; names--)
        {
            if (!Labels(wire, ref at, data) || at > end)
            {
                return null;
            }
        }

        data.AddRange(wire[at..end]);
        return [.. data];
    }

    private static string? Name(ReadOnlySpan<byte> wire, ref int at)
    {
        var octets = new List<byte>();
        return Labels(wire, ref at, octets) ? DnsData.NameAt(octets.ToArray(), 0) : null;
    }

    /// <summary>Writes a name out. False when it is broken, loops, or is longer than 255 octets.</summary>
    private static bool Labels(ReadOnlySpan<byte> wire, ref int at, List<byte> octets)
    {
        var start = octets.Count;
        var here = at;
        var before = at;
        var jumped = false;
        while (here < wire.Length)
        {
            int length = wire[here];
            if (length >= 0xc0)
            {
                if (here + 1 >= wire.Length)
                {
                    return false;
                }

                // Only backwards from where the name began: so it ends.
                var to = ((length & 0x3f) << 8) | wire[here + 1];
                if (to >= before)
                {
                    return false;
                }

                at = jumped ? at : here + 2;
                (here, before, jumped) = (to, to, true);
                continue;
            }

            if (length > DnsName.LabelLimit || here + 1 + length > wire.Length || octets.Count - start + length + 1 > DnsName.WireLimit)
            {
                return false;
            }

            octets.AddRange(wire.Slice(here, length + 1));
            here += length + 1;
            if (length == 0)
            {
                at = jumped ? at : here;
                return true;
            }
        }

        return false;
    }

    private static (int, string)? Error(ReadOnlySpan<byte> options)
    {
        const int ExtendedDnsError = 15;
        while (options.Length >= 4)
        {
            var (code, length) = (BinaryPrimitives.ReadUInt16BigEndian(options), BinaryPrimitives.ReadUInt16BigEndian(options[2..]));
            if (4 + length > options.Length)
            {
                return null;
            }

            if (code == ExtendedDnsError && length >= 2)
            {
                return (BinaryPrimitives.ReadUInt16BigEndian(options[4..]), ByteText.Decode(options.Slice(6, Math.Min(length - 2, 200))));
            }

            options = options[(4 + length)..];
        }

        return null;
    }
}
