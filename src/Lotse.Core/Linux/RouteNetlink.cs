using System.Buffers.Binary;
using Lotse.Formats;
using Lotse.Formats.AddressSelection;

namespace Lotse.Linux;

/// <summary>
/// Interfaces, addresses, routes and address labels from the kernel itself (rtnetlink(7), linux/if_addrlabel.h), without
/// a program and without rights.
/// </summary>
internal static unsafe class RouteNetlink
{
    private const int FamilyNetlink = 16, Raw = 3, CloseOnExec = 0x80000, Route = 0;
    private const ushort Error = 2, Done = 3, GetLink = 18, GetAddress = 22, GetRoute = 26, GetLabel = 74;
    private const ushort Request = 1, Dump = 0x300;
    private const int MainTable = 254;

    /// <summary>The most routes that are read: a router with a full table has a million, and no answer hangs on all of them.</summary>
    public const int MostRoutes = 20_000;

    /// <summary>Reads all of it.</summary>
    public static Reading<HostNetwork> Read()
    {
        var fd = Libc.Socket(FamilyNetlink, Raw | CloseOnExec, Route);
        if (fd < 0)
        {
            return Refused("open a netlink socket", Errno.Last);
        }

        try
        {
            // The kernel fills up to 32 KiB a message (netlink_dump); seldom more than a page or two of it are touched.
            var buffer = GC.AllocateUninitializedArray<byte>(32768);
            var links = new SortedDictionary<int, NetworkInterface>();
            var addresses = new List<(int Index, InterfaceAddress Address)>();
            var routes = new List<NetworkRoute>();
            var labels = new List<PolicyRow>();
            var error = Ask(fd, buffer, GetLink, 16, m => Add(links, m));
            error = error != 0 ? error : Ask(fd, buffer, GetAddress, 8, m => Add(addresses, m));
            error = error != 0 ? error : Ask(fd, buffer, GetRoute, 12, m => Add(routes, links, m));
            if (error != 0)
            {
                return Refused("ask the kernel for its addresses and routes", error);
            }

            // A kernel without IPv6 has no labels.
            _ = Ask(fd, buffer, GetLabel, 12, m => Add(labels, m), family: 10);
            var interfaces = links.Values.Select(i => i with { Addresses = [.. addresses.Where(a => a.Index == i.Index).Select(a => a.Address)] });
            return new(new([.. interfaces], [.. routes], [.. labels]), null);
        }
        finally
        {
            _ = Libc.Close(fd);
        }
    }

    private delegate void Handle(ReadOnlySpan<byte> payload);

    /// <summary>Sends a dump request and hands every message of the answer on; the error number, or 0. Labels are told only to who names their family.</summary>
    private static int Ask(int fd, byte[] buffer, ushort type, int bodySize, Handle handle, byte family = 0)
    {
        Span<byte> request = stackalloc byte[16 + bodySize];
        request.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(request, request.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(request[4..], type);
        BinaryPrimitives.WriteUInt16LittleEndian(request[6..], Request | Dump);
        BinaryPrimitives.WriteInt32LittleEndian(request[8..], type);
        request[16] = family;
        fixed (byte* r = request)
        {
            if (Libc.Write(fd, r, request.Length) < 0)
            {
                return Errno.Last;
            }
        }

        while (true)
        {
            nint got;
            fixed (byte* b = buffer)
            {
                got = Libc.Read(fd, b, buffer.Length);
            }

            if (got < 0 && Errno.Last == Errno.Interrupted)
            {
                continue;
            }

            if (got <= 0)
            {
                return got < 0 ? Errno.Last : Errno.Io;
            }

            var rest = buffer.AsSpan(0, (int)got);
            while (rest.Length >= 16)
            {
                var length = BinaryPrimitives.ReadInt32LittleEndian(rest);
                if (length < 16 || length > rest.Length)
                {
                    return Errno.Io;
                }

                var kind = BinaryPrimitives.ReadUInt16LittleEndian(rest[4..]);
                if (BinaryPrimitives.ReadInt32LittleEndian(rest[8..]) == type)
                {
                    switch (kind)
                    {
                        case Done:
                            return 0;
                        case Error when length >= 20:
                            return -BinaryPrimitives.ReadInt32LittleEndian(rest[16..]);
                        default:
                            handle(rest[16..length]);
                            break;
                    }
                }

                rest = rest[Math.Min((length + 3) & ~3, rest.Length)..];
            }
        }
    }

    private static void Add(SortedDictionary<int, NetworkInterface> links, ReadOnlySpan<byte> message)
    {
        if (message.Length < 16)
        {
            return;
        }

        int type = BinaryPrimitives.ReadUInt16LittleEndian(message[2..]), index = BinaryPrimitives.ReadInt32LittleEndian(message[4..]);
        var up = (BinaryPrimitives.ReadUInt32LittleEndian(message[8..]) & 1) != 0;
        var name = "";
        int temporary = 0, only = 0;
        foreach (var (kind, value) in new Attributes(message[16..]))
        {
            switch (kind)
            {
                case 3: // IFLA_IFNAME
                    name = ByteText.Decode(value[..Math.Max(0, value.IndexOf((byte)0))]);
                    break;
                case 26: // IFLA_AF_SPEC, AF_INET6, IFLA_INET6_CONF: the sysctls of net.ipv6.conf as 32 bit numbers
                    foreach (var (family, nested) in new Attributes(value))
                    {
                        if (family == 10)
                        {
                            foreach (var (part, conf) in new Attributes(nested))
                            {
                                if (part == 2)
                                {
                                    temporary = Number(conf, 10); // DEVCONF_USE_TEMPADDR
                                    only = Number(conf, 37); // DEVCONF_USE_OIF_ADDRS_ONLY
                                }
                            }
                        }
                    }

                    break;
            }
        }

        links[index] = new(name, index, type, up, []) { UseTemporary = temporary, OnlyOwnAddresses = only != 0 };
    }

    private static void Add(List<(int Index, InterfaceAddress Address)> addresses, ReadOnlySpan<byte> message)
    {
        if (message.Length < 8 || message[0] is not (2 or 10))
        {
            return;
        }

        var isV4 = message[0] == 2;
        uint flags = message[2];
        IpAddress? local = null, address = null;
        uint? preferred = null, valid = null;
        foreach (var (kind, value) in new Attributes(message[8..]))
        {
            switch (kind)
            {
                case 1 when value.Length == (isV4 ? 4 : 16): // IFA_ADDRESS: the peer of a point-to-point link
                    address = IpAddress.Of(value);
                    break;
                case 2 when value.Length == (isV4 ? 4 : 16): // IFA_LOCAL
                    local = IpAddress.Of(value);
                    break;
                case 6 when value.Length >= 8: // IFA_CACHEINFO
                    preferred = Seconds(BinaryPrimitives.ReadUInt32LittleEndian(value));
                    valid = Seconds(BinaryPrimitives.ReadUInt32LittleEndian(value[4..]));
                    break;
                case 8 when value.Length >= 4: // IFA_FLAGS
                    flags = BinaryPrimitives.ReadUInt32LittleEndian(value);
                    break;
            }
        }

        if ((local ?? address) is not { } own)
        {
            return;
        }

        addresses.Add((BinaryPrimitives.ReadInt32LittleEndian(message[4..]), new(own, message[1], address is { } peer && peer != own ? peer : null)
        {
            Scope = message[3],
            Secondary = isV4 && (flags & 0x01) != 0,
            Temporary = !isV4 && (flags & 0x01) != 0,
            Optimistic = (flags & 0x04) != 0,
            Home = (flags & 0x10) != 0,
            Deprecated = (flags & 0x20) != 0,
            Tentative = (flags & 0x40) != 0,
            PreferredSeconds = preferred,
            ValidSeconds = valid,
        }));
        static uint? Seconds(uint lifetime) => lifetime == uint.MaxValue ? null : lifetime;
    }

    private static void Add(List<NetworkRoute> routes, SortedDictionary<int, NetworkInterface> links, ReadOnlySpan<byte> message)
    {
        // family, length, source length, tos, table, protocol, scope, type, flags; clones (0x200) are a cache, no routes.
        if (message.Length < 12 || message[0] is not (2 or 10) || routes.Count >= MostRoutes || (BinaryPrimitives.ReadUInt32LittleEndian(message[8..]) & 0x200) != 0 || message[2] != 0)
        {
            return;
        }

        var isV4 = message[0] == 2;
        var destination = isV4 ? IpAddress.V4(0) : IpAddress.V6(0);
        IpAddress? gateway = null, source = null;
        int table = message[4], device = 0;
        long metric = 0;
        foreach (var (kind, value) in new Attributes(message[12..]))
        {
            switch (kind)
            {
                case 1 when value.Length is 4 or 16: // RTA_DST
                    destination = IpAddress.Of(value);
                    break;
                case 4: // RTA_OIF
                    device = Number(value, 0);
                    break;
                case 5 when value.Length is 4 or 16: // RTA_GATEWAY
                    gateway = IpAddress.Of(value);
                    break;
                case 6: // RTA_PRIORITY
                    metric = (uint)Number(value, 0);
                    break;
                case 7 when value.Length is 4 or 16: // RTA_PREFSRC
                    source = IpAddress.Of(value);
                    break;
                case 9 when value.Length >= 8: // RTA_MULTIPATH: struct rtnexthop, of which the first has to do
                    device = BinaryPrimitives.ReadInt32LittleEndian(value[4..]);
                    foreach (var (part, hop) in new Attributes(value[8..Math.Clamp(BinaryPrimitives.ReadUInt16LittleEndian(value), (ushort)8, (ushort)value.Length)]))
                    {
                        gateway = part == 5 && hop.Length is 4 or 16 ? IpAddress.Of(hop) : gateway;
                    }

                    break;
                case 15: // RTA_TABLE
                    table = Number(value, 0);
                    break;
                case 18 when value.Length is 6 or 18: // RTA_VIA: family, address
                    gateway = IpAddress.Of(value[2..]);
                    break;
            }
        }

        RouteKind? type = message[7] switch { 1 => RouteKind.Unicast, 6 => RouteKind.Blackhole, 7 => RouteKind.Unreachable, 8 => RouteKind.Prohibit, 9 => RouteKind.Throw, _ => null };
        if (table == MainTable && type is { } what)
        {
            routes.Add(new(new(destination, message[1]), what == RouteKind.Unicast && links.TryGetValue(device, out var link) ? link.Name : null, gateway, source, metric, what));
        }
    }

    private static void Add(List<PolicyRow> labels, ReadOnlySpan<byte> message)
    {
        if (message.Length < 12)
        {
            return;
        }

        var address = IpAddress.V6(0);
        var label = 0;
        foreach (var (kind, value) in new Attributes(message[12..]))
        {
            address = kind == 1 && value.Length == 16 ? IpAddress.Of(value) : address;
            label = kind == 2 ? Number(value, 0) : label;
        }

        // A row for one interface alone (ip addrlabel add … dev) comes with its index; such a row is not for every address.
        if (BinaryPrimitives.ReadInt32LittleEndian(message[4..]) == 0)
        {
            labels.Add(new(new(address, message[2]), label));
        }
    }

    private static int Number(ReadOnlySpan<byte> numbers, int index) => numbers.Length >= (index + 1) * 4 ? BinaryPrimitives.ReadInt32LittleEndian(numbers[(index * 4)..]) : 0;

    private static Reading<HostNetwork> Refused(string what, int errno) => new(default!, new(Errno.Kind(errno), $"cannot {what}: {Errno.Words(errno)}"));

    /// <summary>The attributes of a message: length, type, value, padded to four bytes.</summary>
    private ref struct Attributes(ReadOnlySpan<byte> rest)
    {
        private ReadOnlySpan<byte> rest = rest;
        private ReadOnlySpan<byte> value;
        private int type;

        public readonly Attribute Current => new(type, value);

        public readonly Attributes GetEnumerator() => this;

        public bool MoveNext()
        {
            if (rest.Length < 4)
            {
                return false;
            }

            var length = BinaryPrimitives.ReadUInt16LittleEndian(rest);
            if (length < 4 || length > rest.Length)
            {
                return false;
            }

            // The two highest bits say "nested" and "network order".
            type = BinaryPrimitives.ReadUInt16LittleEndian(rest[2..]) & 0x3fff;
            value = rest[4..length];
            rest = rest[Math.Min((length + 3) & ~3, rest.Length)..];
            return true;
        }

        public readonly ref struct Attribute(int type, ReadOnlySpan<byte> value)
        {
            private readonly int type = type;
            private readonly ReadOnlySpan<byte> value = value;

            public void Deconstruct(out int kind, out ReadOnlySpan<byte> content)
            {
                kind = type;
                content = value;
            }
        }
    }
}
