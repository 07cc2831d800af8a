using System.Buffers.Binary;
using System.Globalization;

namespace Lotse.Postgres;

/// <summary>
/// Records of the write-ahead log, as far as it has to be known whether one of them is a change for a logical slot
/// (src/include/access/xlogrecord.h, xlog_internal.h, xact.h).
/// </summary>
internal sealed class WriteAheadLog
{
    private const int MostSegments = 256, RecordHeader = 24, PageHeader = 24, FirstPageHeader = 40, LongestRecord = 1 << 30;
    private const byte Log = 0, Transactions = 1, LogicalMessages = 21, Switch = 0x40;

    private readonly Host host;
    private readonly string directory;
    private readonly PgControl control;
    private (ulong Number, byte[]? Bytes) segment = (ulong.MaxValue, null);
    private int segmentsRead;

    private WriteAheadLog(Host host, string directory, PgControl control) => (this.host, this.directory, this.control) = (host, directory, control);

    /// <summary>
    /// Whether a transaction of a database ended, or a message was written, from a place on up to the shutdown: what
    /// pg_upgrade asks of each slot. Null where the log is not there or does not hang together.
    /// </summary>
    /// <param name="host">Where.</param>
    /// <param name="directory">The data directory of a cluster that ended in order.</param>
    /// <param name="control">Its control file.</param>
    /// <param name="start">A record to begin with: the slot's restart_lsn.</param>
    /// <param name="from">Records before it are not asked: the slot's confirmed_flush.</param>
    /// <param name="database">Oid of the slot's database.</param>
    public static bool? HasChange(Host host, string directory, PgControl control, ulong start, ulong from, uint database)
    {
        if (control.WalBlockBytes < 1024 || control.WalSegmentBytes < 1 << 20 || !int.IsPow2(control.WalBlockBytes) || !int.IsPow2(control.WalSegmentBytes) || start == 0 || start > control.Checkpoint)
        {
            return null;
        }

        return new WriteAheadLog(host, directory, control).Find(start, from, database);
    }

    private bool? Find(ulong at, ulong from, uint database)
    {
        ulong? previous = null;
        var head = new byte[RecordHeader];
        while (at < control.Checkpoint)
        {
            // A record begins after the header of its page.
            at = AfterPageHeader(at);
            if (at >= control.Checkpoint)
            {
                break;
            }

            if (Read(at, head) is not { } body || BinaryPrimitives.ReadUInt32LittleEndian(head) is var length && (length < RecordHeader || length > LongestRecord)
                || (previous is { } before && BinaryPrimitives.ReadUInt64LittleEndian(head.AsSpan(8)) != before))
            {
                return null;
            }

            var (info, manager) = (head[16], head[17]);
            if (at >= from && manager is Transactions or LogicalMessages)
            {
                var data = new byte[Math.Min(length - RecordHeader, 128)];
                if (Read(body, data) is null)
                {
                    return null;
                }

                if (manager == Transactions ? IsEnd(data, info, database) : IsMessage(data, database))
                {
                    return true;
                }
            }

            previous = at;
            if (Skip(body, length - RecordHeader) is not { } next)
            {
                return null;
            }

            // After a switch the rest of the segment is empty.
            var bytes = (ulong)control.WalSegmentBytes;
            at = manager == Log && (info & 0xf0) == Switch ? (next + bytes - 1) / bytes * bytes : (next + 7) & ~7UL;
        }

        return at == control.Checkpoint ? false : null;
    }

    /// <summary>COMMIT, ABORT and those of prepared transactions; since 15 an abort counts too (decode.c DecodeTXNNeedSkip).</summary>
    private static bool IsEnd(ReadOnlySpan<byte> data, byte info, uint database)
    {
        const int Commit = 0x00, Abort = 0x20, CommitPrepared = 0x30, AbortPrepared = 0x40, HasInfo = 0x80, HasDatabase = 1;
        if ((info & 0x70) is not (Commit or Abort or CommitPrepared or AbortPrepared))
        {
            return false;
        }

        // Time 8, then what else there is 4, then the database 4; a transaction that does not name its database may be of any.
        var main = Main(data);
        return (info & HasInfo) == 0 || main.Length < 16 || (BinaryPrimitives.ReadUInt32LittleEndian(main[8..]) & HasDatabase) == 0 || BinaryPrimitives.ReadUInt32LittleEndian(main[12..]) == database;
    }

    /// <summary>xl_logical_message: database, transactional. Those that belong to a transaction count with its end.</summary>
    private static bool IsMessage(ReadOnlySpan<byte> data, uint database) =>
        Main(data) is { Length: >= 5 } main && BinaryPrimitives.ReadUInt32LittleEndian(main) == database && main[4] == 0;

    /// <summary>The record's own data, behind its origin and outermost transaction; records of these two managers change no pages.</summary>
    private static ReadOnlySpan<byte> Main(ReadOnlySpan<byte> data)
    {
        const byte Short = 255, Long = 254, Origin = 253, Outermost = 252;
        for (var at = 0; at < data.Length;)
        {
            switch (data[at])
            {
                case Short when at + 2 <= data.Length:
                    return data[(at + 2)..];
                case Long when at + 5 <= data.Length:
                    return data[(at + 5)..];
                case Origin:
                    at += 3;
                    break;
                case Outermost:
                    at += 5;
                    break;
                default:
                    return default;
            }
        }

        return default;
    }

    private ulong AfterPageHeader(ulong at) => at % (ulong)control.WalBlockBytes != 0 ? at
        : at + (at % (ulong)control.WalSegmentBytes == 0 ? FirstPageHeader : (ulong)PageHeader);

    /// <summary>Reads across pages; returns the place behind, or null.</summary>
    private ulong? Read(ulong at, Span<byte> to)
    {
        while (to.Length > 0)
        {
            at = AfterPageHeader(at);
            var count = (int)Math.Min((ulong)to.Length, (ulong)control.WalBlockBytes - at % (ulong)control.WalBlockBytes);
            if (Segment(at / (ulong)control.WalSegmentBytes) is not { } bytes || (int)(at % (ulong)control.WalSegmentBytes) is var place && place + count > bytes.Length || !IsPageOf(bytes, at))
            {
                return null;
            }

            bytes.AsSpan(place, count).CopyTo(to);
            to = to[count..];
            at += (ulong)count;
        }

        return at;
    }

    private ulong? Skip(ulong at, uint length)
    {
        for (ulong left = length; left > 0;)
        {
            at = AfterPageHeader(at);
            var count = Math.Min(left, (ulong)control.WalBlockBytes - at % (ulong)control.WalBlockBytes);
            (at, left) = (at + count, left - count);
        }

        return at;
    }

    /// <summary>Segments are used again: a page says which place it holds.</summary>
    private bool IsPageOf(byte[] bytes, ulong at)
    {
        var page = at - at % (ulong)control.WalBlockBytes;
        var place = (int)(page % (ulong)control.WalSegmentBytes);
        return place + PageHeader <= bytes.Length && BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(place + 8)) == page;
    }

    private byte[]? Segment(ulong number)
    {
        if (segment.Number != number)
        {
            var perFile = 0x100000000UL / (ulong)control.WalSegmentBytes;
            var name = string.Create(CultureInfo.InvariantCulture, $"{control.Timeline:X8}{number / perFile:X8}{number % perFile:X8}");
            segment = (number, ++segmentsRead <= MostSegments && host.ReadFile($"{directory}/pg_wal/{name}", control.WalSegmentBytes) is { Ok: true } read ? read.Value : null);
        }

        return segment.Bytes;
    }
}
