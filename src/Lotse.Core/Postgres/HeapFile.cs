using System.Buffers.Binary;

namespace Lotse.Postgres;

/// <summary>Something in a data directory that is not as a server writes it.</summary>
/// <param name="File">Relative to the data directory.</param>
/// <param name="Block">Page in the relation, from 0.</param>
/// <param name="What">What is wrong.</param>
public sealed record Damage(string File, long Block, string What);

/// <summary>A row as it lies on its page (src/include/access/htup_details.h).</summary>
/// <param name="Page">All pages of the file.</param>
/// <param name="From">Where the row begins.</param>
/// <param name="Length">Its bytes.</param>
internal readonly record struct HeapTuple(byte[] Page, int From, int Length)
{
    public ReadOnlySpan<byte> Bytes => Page.AsSpan(From, Length);

    public int InfoMask => BinaryPrimitives.ReadUInt16LittleEndian(Bytes[20..]);

    public int Attributes => BinaryPrimitives.ReadUInt16LittleEndian(Bytes[18..]) & 0x7ff;

    public int HeaderBytes => Bytes[22];

    /// <summary>The oid in the header, as PostgreSQL kept it up to 11; 0 where there is none.</summary>
    public uint HeaderOid => (InfoMask & 8) != 0 && HeaderBytes >= 28 ? BinaryPrimitives.ReadUInt32LittleEndian(Bytes[(HeaderBytes - 4)..]) : 0;

    /// <summary>Whether a new transaction would see it (HeapTupleSatisfiesMVCC with nobody at work).</summary>
    public bool Visible(CommitLog log)
    {
        const int XminCommitted = 0x100, XminInvalid = 0x200, XmaxCommitted = 0x400, XmaxInvalid = 0x800, Multi = 0x1000, OnlyLocked = 0x80;
        var mask = InfoMask;
        var created = (mask & (XminCommitted | XminInvalid)) switch
        {
            0 => log.Committed(BinaryPrimitives.ReadUInt32LittleEndian(Bytes)),
            XminInvalid => false,
            _ => true,
        };
        var xmax = BinaryPrimitives.ReadUInt32LittleEndian(Bytes[4..]);
        return created && ((mask & XmaxInvalid) != 0 || xmax == 0 || (mask & OnlyLocked) != 0
            || !((mask & Multi) != 0 ? log.UpdateCommitted(xmax) : (mask & XmaxCommitted) != 0 || log.Committed(xmax)));
    }
}

/// <summary>The rows of a table straight from its files: no server, nothing written. A page that is not whole is reported and passed over.</summary>
internal static class HeapFile
{
    private const int MostSegments = 64;

    /// <summary>All rows that a new transaction would see.</summary>
    /// <param name="host">Where.</param>
    /// <param name="folder">The data directory.</param>
    /// <param name="file">Relative to it, without the segment's number.</param>
    /// <param name="control">Page size and whether pages carry checksums.</param>
    /// <param name="log">Which transactions committed.</param>
    /// <param name="damages">What is not whole is added.</param>
    public static IEnumerable<HeapTuple> Rows(Host host, string folder, string file, PgControl control, CommitLog log, List<Damage> damages)
    {
        var block = 0L;
        for (var segment = 0; segment < MostSegments; segment++)
        {
            var name = segment == 0 ? file : $"{file}.{segment}";
            var read = host.ReadFile($"{folder}/{name}", 1 << 30);
            if (!read.Ok)
            {
                if (segment == 0 || read.Error!.Kind != HostErrorKind.NotFound)
                {
                    damages.Add(new(name, block, read.Error!.Message));
                }

                yield break;
            }

            var pages = read.Value;
            for (var at = 0; at < pages.Length; at += control.BlockBytes, block++)
            {
                if (at + control.BlockBytes > pages.Length)
                {
                    damages.Add(new(name, block, $"the page is torn: {pages.Length - at} of {control.BlockBytes} bytes"));
                    yield break;
                }

                if (DataPage.Fault(pages.AsSpan(at, control.BlockBytes), (uint)block, control.ChecksumVersion != 0) is { } fault)
                {
                    damages.Add(new(name, block, fault));
                    continue;
                }

                foreach (var row in OnPage(pages, at, control.BlockBytes, block, name, damages))
                {
                    if (row.Visible(log))
                    {
                        yield return row;
                    }
                }
            }

            if (pages.Length < control.SegmentBlocks * control.BlockBytes)
            {
                yield break;
            }
        }
    }

    private static IEnumerable<HeapTuple> OnPage(byte[] pages, int start, int size, long block, string name, List<Damage> damages)
    {
        int lower = BinaryPrimitives.ReadUInt16LittleEndian(pages.AsSpan(start + 12)), upper = BinaryPrimitives.ReadUInt16LittleEndian(pages.AsSpan(start + 14));
        for (var at = start + DataPage.HeaderBytes; at + 4 <= start + lower; at += 4)
        {
            // ItemIdData: offset 15 bits, state 2, length 15; state 1 is a row.
            var item = BinaryPrimitives.ReadUInt32LittleEndian(pages.AsSpan(at));
            int offset = (int)(item & 0x7fff), length = (int)(item >> 17);
            if ((item >> 15 & 3) != 1)
            {
                continue;
            }

            if (offset < upper || offset + length > size || length < 23 || pages[start + offset + 22] is var header && (header < 23 || header > length))
            {
                damages.Add(new(name, block, $"row {(at - start - DataPage.HeaderBytes) / 4 + 1} points outside its page"));
                continue;
            }

            yield return new(pages, start + offset, length);
        }
    }
}
