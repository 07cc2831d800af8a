using System.Buffers.Binary;
using System.Numerics;

namespace Lotse.Postgres;

/// <summary>
/// global/pg_control, the first file a server reads (src/include/catalog/pg_control.h). The layout differs by control
/// version: 1002 is PostgreSQL 10, 1100 11, 1201 12, 1300 13 to 16, 1700 17, 1800 18, 1900 and later 19. A checksum
/// (CRC-32C) covers everything, so a layout that does not fit shows.
/// </summary>
public sealed record PgControl
{
    /// <summary>Identity of the cluster; a new one for every initdb.</summary>
    public ulong SystemIdentifier { get; init; }

    /// <summary>Version of this file's layout.</summary>
    public int ControlVersion { get; init; }

    /// <summary>Version of the system catalogs; names the subfolders of tablespaces.</summary>
    public int CatalogVersion { get; init; }

    /// <summary>In the words of pg_controldata: <c>shut down</c>, <c>in production</c> …</summary>
    public string State { get; init; } = "";

    /// <summary>Seconds since 1970 at which the file was written.</summary>
    public long WrittenAt { get; init; }

    /// <summary>Place of the last checkpoint's record in the write-ahead log.</summary>
    public ulong Checkpoint { get; init; }

    /// <summary>Where replay would start.</summary>
    public ulong Redo { get; init; }

    /// <summary>Timeline of the last checkpoint.</summary>
    public uint Timeline { get; init; }

    /// <summary>Next transaction id, epoch in the upper half.</summary>
    public ulong NextXid { get; init; }

    /// <summary>Next object id.</summary>
    public uint NextOid { get; init; }

    /// <summary>Next multixact id.</summary>
    public uint NextMulti { get; init; }

    /// <summary>Next offset of a multixact's members.</summary>
    public ulong NextMultiOffset { get; init; }

    /// <summary>Oldest transaction id that is not frozen.</summary>
    public uint OldestXid { get; init; }

    /// <summary>Oldest multixact id that is still used.</summary>
    public uint OldestMulti { get; init; }

    /// <summary>wal_level at the last checkpoint: 0 minimal, 1 replica, 2 logical.</summary>
    public int WalLevel { get; init; }

    /// <summary>max_prepared_transactions at that time.</summary>
    public int MaxPreparedTransactions { get; init; }

    /// <summary>Alignment of data, bytes.</summary>
    public int MaxAlign { get; init; }

    /// <summary>Bytes of a page.</summary>
    public int BlockBytes { get; init; }

    /// <summary>Pages of a segment file.</summary>
    public long SegmentBlocks { get; init; }

    /// <summary>Bytes of a page of the write-ahead log.</summary>
    public int WalBlockBytes { get; init; }

    /// <summary>Bytes of a file of the write-ahead log.</summary>
    public int WalSegmentBytes { get; init; }

    /// <summary>Bytes of a name, the final NUL included.</summary>
    public int NameBytes { get; init; }

    /// <summary>Columns of an index at most.</summary>
    public int IndexColumns { get; init; }

    /// <summary>Bytes of a piece of a value that is stored out of line.</summary>
    public int ToastChunkBytes { get; init; }

    /// <summary>Bytes of a piece of a large object.</summary>
    public int LargeObjectBytes { get; init; }

    /// <summary>Whether 8-byte values are passed by value.</summary>
    public bool Float8ByValue { get; init; }

    /// <summary>0: pages carry no checksums; 1: they do.</summary>
    public uint ChecksumVersion { get; init; }

    /// <summary>Whether char was signed where the cluster was made; null before 18.</summary>
    public bool? CharIsSigned { get; init; }

    /// <summary>Whether the checksum of the file fits.</summary>
    public bool CrcFits { get; init; }

    /// <summary>Whether the server ended in order and nothing is left to replay.</summary>
    public bool IsShutDown => State is "shut down" or "shut down in recovery";

    /// <summary>Whether the sizes in it are such as a server can have: what is read by them would otherwise be read wrong.</summary>
    public bool IsPlausible => int.IsPow2(BlockBytes) && BlockBytes is >= 1024 and <= 32768 && SegmentBlocks is > 0 and <= int.MaxValue && NameBytes > 0
        && int.IsPow2(WalSegmentBytes) && WalSegmentBytes is >= 1 << 20 and <= 1 << 30 && int.IsPow2(WalBlockBytes) && WalBlockBytes is >= 1024 and <= 65536;

    private static readonly string[] States = ["starting up", "shut down", "shut down in recovery", "shutting down", "in crash recovery", "in archive recovery", "in production"];

    /// <summary>Reads the file.</summary>
    /// <param name="path">For messages.</param>
    /// <param name="file">Its bytes; a server writes 8,192.</param>
    /// <returns>An error where it is no control file of a version that is known; a checksum that does not fit is no error.</returns>
    public static Reading<PgControl> Parse(string path, ReadOnlySpan<byte> file)
    {
        if (file.Length < 16)
        {
            return Refused(path, $"{file.Length} bytes are no control file");
        }

        var version = BinaryPrimitives.ReadInt32LittleEndian(file[8..]);
        if (version is < 0 or > 65535 && BinaryPrimitives.ReverseEndianness(version) is > 0 and < 65535)
        {
            return Refused(path, "it was written by a machine of the other byte order");
        }

        if (version is < 1002 or > 1999)
        {
            return Refused(path, $"control version {version} is not one of PostgreSQL 10 to 19");
        }

        var places = Layout(version);
        var end = places["crc"].Offset;
        if (file.Length < end + 4)
        {
            return Refused(path, $"it is cut off after {file.Length} bytes");
        }

        var crc = ~Crc32C(uint.MaxValue, file[..end]);
        var fits = crc == BinaryPrimitives.ReadUInt32LittleEndian(file[end..]);
        var fields = new Fields(file, places);
        var state = fields.Int("state");
        return new(new()
        {
            SystemIdentifier = fields.Long("system_identifier"),
            ControlVersion = version,
            CatalogVersion = fields.Int("catalog_version"),
            State = state >= 0 && state < States.Length ? States[state] : $"unrecognized status code {state}",
            WrittenAt = (long)fields.Long("time"),
            Checkpoint = fields.Long("checkpoint"),
            Redo = fields.Long("redo"),
            Timeline = (uint)fields.Int("timeline"),
            NextXid = places.ContainsKey("next_xid") ? fields.Long("next_xid") : (ulong)(uint)fields.Int("next_xid_epoch") << 32 | (uint)fields.Int("next_xid_low"),
            NextOid = (uint)fields.Int("next_oid"),
            NextMulti = (uint)fields.Int("next_multi"),
            NextMultiOffset = version >= 1900 ? fields.Long("next_multi_offset") : (uint)fields.Int("next_multi_offset"),
            OldestXid = (uint)fields.Int("oldest_xid"),
            OldestMulti = (uint)fields.Int("oldest_multi"),
            WalLevel = fields.Int("wal_level"),
            MaxPreparedTransactions = fields.Int("max_prepared_xacts"),
            MaxAlign = fields.Int("max_align"),
            BlockBytes = fields.Int("block_bytes"),
            SegmentBlocks = (uint)fields.Int("segment_blocks"),
            WalBlockBytes = fields.Int("wal_block_bytes"),
            WalSegmentBytes = fields.Int("wal_segment_bytes"),
            NameBytes = fields.Int("name_bytes"),
            IndexColumns = fields.Int("index_columns"),
            ToastChunkBytes = fields.Int("toast_chunk_bytes"),
            LargeObjectBytes = fields.Int("large_object_bytes"),
            Float8ByValue = fields.Bool("float8_by_value"),
            ChecksumVersion = (uint)fields.Int("checksum_version"),
            CharIsSigned = version >= 1800 ? fields.Bool("char_signed") : null,
            CrcFits = fits,
        }, null);
    }

    /// <summary>CRC-32C (Castagnoli) as src/port/pg_crc32c.h defines it, before the final inversion.</summary>
    internal static uint Crc32C(uint crc, ReadOnlySpan<byte> bytes)
    {
        for (; bytes.Length >= 8; bytes = bytes[8..])
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        }

        foreach (var b in bytes)
        {
            crc = BitOperations.Crc32C(crc, b);
        }

        return crc;
    }

    /// <summary>A place in the write-ahead log as PostgreSQL prints it.</summary>
    internal static string Lsn(ulong place) => $"{place >> 32:X}/{place & 0xffffffff:X}";

    private static Reading<PgControl> Refused(string path, string why) => new(null!, new(HostErrorKind.Failed, $"cannot read {ByteText.Escape(path)}: {why}"));

    /// <summary>
    /// Where each field lies: ControlFileData in order, each field aligned to its own size, CheckPoint inside aligned to 8.
    /// </summary>
    private static Dictionary<string, (int Offset, int Size)> Layout(int version)
    {
        var places = new Dictionary<string, (int, int)>();
        var at = 0;
        void Field(string name, int size, int align = 0)
        {
            align = align == 0 ? size : align;
            at = (at + align - 1) / align * align;
            places[name] = (at, size);
            at += size;
        }

        void Words(params ReadOnlySpan<string> names)
        {
            foreach (var name in names)
            {
                Field(name, 4);
            }
        }

        Field("system_identifier", 8);
        Words("control_version", "catalog_version", "state");
        Field("time", 8);
        Field("checkpoint", 8);
        if (version < 1100)
        {
            Field("previous_checkpoint", 8);
        }

        Field("redo", 8);
        Words("timeline", "previous_timeline");
        Field("full_page_writes", 1);
        if (version >= 1700)
        {
            Field("checkpoint_wal_level", 4);
        }

        if (version >= 1900)
        {
            Field("logical_decoding", 1);
        }

        if (version >= 1201)
        {
            Field("next_xid", 8);
        }
        else
        {
            Words("next_xid_epoch", "next_xid_low");
        }

        Words("next_oid", "next_multi");
        Field("next_multi_offset", version >= 1900 ? 8 : 4);
        Words("oldest_xid", "oldest_xid_database", "oldest_multi", "oldest_multi_database");
        Field("checkpoint_time", 8);
        Words("oldest_commit_time_xid", "newest_commit_time_xid", "oldest_active_xid");
        Field("unlogged_lsn", 8);
        Field("minimum_recovery", 8);
        Words("minimum_recovery_timeline");
        Field("backup_start", 8);
        Field("backup_end", 8);
        Field("backup_end_required", 1);
        Field("wal_level", 4);
        Field("wal_log_hints", 1);
        Words("max_connections", "max_worker_processes");
        if (version >= 1200)
        {
            Words("max_wal_senders");
        }

        Words("max_prepared_xacts", "max_locks_per_xact");
        Field("track_commit_timestamp", 1);
        Words("max_align");
        Field("float_format", 8);
        Words("block_bytes", "segment_blocks");
        if (version >= 1900)
        {
            Words("slru_pages_per_segment");
        }

        Words("wal_block_bytes", "wal_segment_bytes", "name_bytes", "index_columns", "toast_chunk_bytes", "large_object_bytes");
        if (version < 1300)
        {
            Field("float4_by_value", 1);
        }

        Field("float8_by_value", 1);
        Words("checksum_version");
        if (version >= 1900)
        {
            Words("checksum_version_again");
        }

        if (version >= 1800)
        {
            Field("char_signed", 1);
        }

        Field("nonce", 32, 1);
        Field("crc", 4);
        return places;
    }

    private readonly ref struct Fields(ReadOnlySpan<byte> file, Dictionary<string, (int Offset, int Size)> places)
    {
        private readonly ReadOnlySpan<byte> file = file;

        public int Int(string name) => BinaryPrimitives.ReadInt32LittleEndian(file[places[name].Offset..]);

        public ulong Long(string name) => BinaryPrimitives.ReadUInt64LittleEndian(file[places[name].Offset..]);

        public bool Bool(string name) => file[places[name].Offset] != 0;
    }
}
