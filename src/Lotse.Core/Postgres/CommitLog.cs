using System.Buffers.Binary;

namespace Lotse.Postgres;

/// <summary>
/// Which transactions committed: pg_xact (src/backend/access/transam/clog.c, two bits a transaction), and which update
/// a multixact holds: pg_multixact (multixact.c). Only asked where a row's own hint bits do not say.
/// </summary>
internal sealed class CommitLog(Host host, string folder, PgControl control)
{
    private const int PagesPerSegment = 32;
    private readonly Dictionary<string, byte[]?> segments = [];

    /// <summary>Files that were needed and could not be read.</summary>
    public List<Damage> Damages { get; } = [];

    /// <summary>Whether a transaction committed. Those before 3 are the server's own.</summary>
    public bool Committed(uint xid)
    {
        if (xid < 3)
        {
            return xid != 0;
        }

        var perSegment = (uint)(control.BlockBytes * 4 * PagesPerSegment);
        var at = (int)(xid % perSegment);
        return Segment($"pg_xact/{xid / perSegment:X4}") is { } bytes && at / 4 < bytes.Length && (bytes[at / 4] >> at % 4 * 2 & 3) == 1;
    }

    /// <summary>Whether an update or delete among a multixact's members committed; the others only lock.</summary>
    public bool UpdateCommitted(uint multi)
    {
        var wide = control.ControlVersion >= 1900;
        if (Offset(multi, wide) is not { } from || from == 0)
        {
            return false;
        }

        // The next multixact's offset ends this one's members; of the newest, the control file knows it.
        var next = multi + 1 == 0 ? 1 : multi + 1;
        var to = next == control.NextMulti ? control.NextMultiOffset : Offset(next, wide) ?? from;
        const int Group = 4, GroupBytes = 20;
        var groups = control.BlockBytes / GroupBytes;
        for (var member = from; member != to && member - from < 4096; member++)
        {
            var page = member / (ulong)(groups * Group);
            var place = (int)(member % (ulong)(groups * Group));
            var name = page / PagesPerSegment is var segment && wide ? $"pg_multixact/members/{segment:X15}" : $"pg_multixact/members/{segment:X4}";
            var at = (int)(page % PagesPerSegment) * control.BlockBytes + place / Group * GroupBytes;
            if (Segment(name) is not { } bytes || at + GroupBytes > bytes.Length)
            {
                return false;
            }

            // Status 4 and 5 of MultiXactStatus: an update.
            if (bytes[at + place % Group] >= 4)
            {
                return Committed(BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at + Group + place % Group * 4)));
            }
        }

        return false;
    }

    private ulong? Offset(uint multi, bool wide)
    {
        var size = wide ? 8 : 4;
        var perPage = (uint)(control.BlockBytes / size);
        var page = multi / perPage;
        var at = (int)(page % PagesPerSegment * (uint)control.BlockBytes + multi % perPage * (uint)size);
        return Segment($"pg_multixact/offsets/{page / PagesPerSegment:X4}") is { } bytes && at + size <= bytes.Length
            ? wide ? BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(at)) : BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at))
            : null;
    }

    private byte[]? Segment(string name)
    {
        if (!segments.TryGetValue(name, out var bytes))
        {
            var read = host.ReadFile($"{folder}/{name}");
            segments[name] = bytes = read.Ok ? read.Value : null;
            if (!read.Ok)
            {
                Damages.Add(new(name, 0, read.Error!.Message));
            }
        }

        return bytes;
    }
}
