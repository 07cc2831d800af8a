using System.Buffers.Binary;

namespace Lotse.Postgres;

/// <summary>pg_replslot/NAME/state (src/backend/replication/slot.c): a header of 16 bytes, then ReplicationSlotPersistentData.</summary>
internal static class SlotReader
{
    private const int Magic = 0x1051CA1, NameAt = 16, DatabaseAt = NameAt + 64, Shortest = 160;

    /// <summary>All slots; a state file that is none is passed over.</summary>
    public static ReplicationSlot[] Read(Host host, string directory, int major, PgControl control)
    {
        var all = new List<ReplicationSlot>();
        foreach (var name in host.List($"{directory}/pg_replslot") is { Ok: true } names ? names.Value : [])
        {
            if (host.ReadFile($"{directory}/pg_replslot/{name}/state", 4096) is { Ok: true, Value: var bytes } && bytes.Length >= Shortest && BinaryPrimitives.ReadInt32LittleEndian(bytes) == Magic)
            {
                all.Add(Parse(host, directory, major, control, name, bytes));
            }
        }

        return [.. all];
    }

    private static ReplicationSlot Parse(Host host, string directory, int major, PgControl control, string name, ReadOnlySpan<byte> data)
    {
        // name 64, database 4, persistency 4, xmin 4, catalog_xmin 4, restart_lsn 8, invalidated 8 or (since 16) a cause of 4, confirmed_flush 8 …
        var database = BinaryPrimitives.ReadUInt32LittleEndian(data[DatabaseAt..]);
        var restart = BinaryPrimitives.ReadUInt64LittleEndian(data[(DatabaseAt + 16)..]);
        var invalid = major >= 16 ? BinaryPrimitives.ReadInt32LittleEndian(data[(DatabaseAt + 24)..]) != 0 : BinaryPrimitives.ReadUInt64LittleEndian(data[(DatabaseAt + 24)..]) != 0 && major >= 13;
        var confirmedAt = DatabaseAt + (major >= 13 ? 32 : 24);
        var confirmed = BinaryPrimitives.ReadUInt64LittleEndian(data[confirmedAt..]);
        return new(name, database != 0, PluginAfter(data[(confirmedAt + 8)..]), confirmed, invalid,
            database != 0 && !invalid && major >= 17 && control is { IsShutDown: true, CrcFits: true } ? WriteAheadLog.HasChange(host, directory, control, restart, confirmed, database) : null);
    }

    /// <summary>The plugin's name: the first run of letters after the places; what lies between them grew over the versions.</summary>
    private static string? PluginAfter(ReadOnlySpan<byte> rest)
    {
        for (var at = 0; at + 2 < rest.Length; at++)
        {
            if (char.IsAsciiLetter((char)rest[at]) && char.IsAsciiLetterOrDigit((char)rest[at + 1]))
            {
                var end = rest[at..].IndexOf((byte)0);
                return end > 0 ? ByteText.Decode(rest.Slice(at, Math.Min(end, 64))) : null;
            }
        }

        return null;
    }
}
