using System.Buffers.Binary;
using Lotse.Formats;

namespace Lotse.Linux;

/// <summary>The source that the kernel gives a connected UDP socket. No packet is sent.</summary>
internal static unsafe class UdpSource
{
    private const int Inet = 2, Inet6 = 10, Datagram = 2, CloseOnExec = 0x80000;

    /// <summary>Asks for a destination.</summary>
    /// <param name="destination">Where to.</param>
    /// <param name="zone">Interface index for a link-local destination; 0: none.</param>
    /// <returns>The source; null with the name of the error.</returns>
    public static (IpAddress? Source, string? Error) Of(IpAddress destination, int zone = 0)
    {
        var isV4 = destination.IsV4;
        Span<byte> address = stackalloc byte[28];
        address.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(address, (ushort)(isV4 ? Inet : Inet6));
        BinaryPrimitives.WriteUInt16BigEndian(address[2..], 9);
        destination.ToBytes().CopyTo(address[(isV4 ? 4 : 8)..]);
        BinaryPrimitives.WriteInt32LittleEndian(address[24..], isV4 ? 0 : zone);
        var fd = Libc.Socket(isV4 ? Inet : Inet6, Datagram | CloseOnExec, 0);
        if (fd < 0)
        {
            return (null, Name(Errno.Last));
        }

        try
        {
            fixed (byte* a = address)
            {
                var length = (uint)(isV4 ? 16 : 28);
                return Libc.Connect(fd, a, length) != 0 || Libc.GetSocketName(fd, a, &length) != 0
                    ? (null, Name(Errno.Last))
                    : (IpAddress.Of(isV4 ? address.Slice(4, 4) : address.Slice(8, 16)), null);
            }
        }
        finally
        {
            _ = Libc.Close(fd);
        }
    }

    private static string Name(int errno) => errno switch
    {
        1 => "EPERM",
        13 => "EACCES",
        22 => "EINVAL",
        97 => "EAFNOSUPPORT",
        99 => "EADDRNOTAVAIL",
        101 => "ENETUNREACH",
        113 => "EHOSTUNREACH",
        19 => "ENODEV",
        _ => $"error {errno}",
    };
}
