using System.Buffers.Binary;
using Lotse.Hosts;
using Lotse.Postgres;
using Xunit;

namespace Lotse.Tests.Postgres;

/// <summary>Whether a slot has something to consume, by the records of the write-ahead log.</summary>
public sealed class WriteAheadLogTests : IDisposable
{
    private const ulong Base = 3UL << 24;
    private const uint Database = 5;
    private readonly string folder = Directory.CreateTempSubdirectory("lotse-wal-").FullName;
    private readonly List<byte> file = [];
    private ulong previous;

    public void Dispose() => Directory.Delete(folder, true);

    [Theory]
    [InlineData("checkpoint", false)]
    [InlineData("commit 5", true)]
    [InlineData("commit 6", false)]
    [InlineData("commit", true)]
    [InlineData("abort", true)]
    [InlineData("prepare", false)]
    [InlineData("heap", false)]
    [InlineData("message 5", true)]
    [InlineData("message 6", false)]
    public void An_end_of_a_transaction_of_the_database_or_a_message_is_a_change(string record, bool expected)
    {
        Begin();
        var start = Add("commit 5");
        var from = Add("heap");
        Add("long");
        Add(record);
        Assert.Equal(expected, Ask(start, from));
        Assert.True(Ask(start, start));
    }

    [Fact]
    public void A_log_that_does_not_hang_together_is_no_answer()
    {
        Begin();
        var start = Add("heap");
        Add("heap");
        var bytes = file.Count;
        Add("heap");
        file[bytes + 8] ^= 1;
        Assert.Null(Ask(start, start));
        file[bytes + 8] ^= 1;
        Assert.False(Ask(start, start));
        File.Delete(Directory.GetFiles(folder + "/pg_wal")[0]);
        using var host = new LocalHost();
        Assert.Null(WriteAheadLog.HasChange(host, folder, Control(), start, start, Database));
    }

    private bool? Ask(ulong start, ulong from)
    {
        var end = Place();
        Directory.CreateDirectory(folder + "/pg_wal");
        File.WriteAllBytes(folder + "/pg_wal/000000010000000000000003", [.. file, .. new byte[8192 * 3 - file.Count]]);
        using var host = new LocalHost();
        return WriteAheadLog.HasChange(host, folder, Control() with { Checkpoint = end }, start, from, Database);
    }

    private static PgControl Control() => new() { WalBlockBytes = 8192, WalSegmentBytes = 16 << 20, Timeline = 1, Checkpoint = Base + 8192 };

    private ulong Place() => Base + (ulong)file.Count + (file.Count % 8192 == 0 ? 24UL : 0);

    private void Begin() => PageHeader(40);

    private void PageHeader(int length)
    {
        var header = new byte[length];
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(8), Base + (ulong)file.Count);
        file.AddRange(header);
    }

    /// <summary>Adds a record; returns its place.</summary>
    private ulong Add(string what)
    {
        var words = what.Split(' ');
        var (manager, info) = words[0] switch { "commit" => (1, 0), "prepare" => (1, 0x10), "abort" => (1, 0x20), "message" => (21, 0), "checkpoint" => (0, 0), _ => (10, 0) };
        byte[] main = words[0] == "long" ? new byte[9000] : new byte[24];
        if (words.Length > 1 && manager == 1)
        {
            info |= 0x80;
            main[8] = 1;
            main[12] = byte.Parse(words[1], System.Globalization.CultureInfo.InvariantCulture);
        }
        else if (words.Length > 1)
        {
            main[0] = byte.Parse(words[1], System.Globalization.CultureInfo.InvariantCulture);
        }

        byte[] head = main.Length < 256 ? [255, (byte)main.Length] : [254, (byte)main.Length, (byte)(main.Length >> 8), 0, 0];
        var record = new byte[24 + head.Length + main.Length];
        head.CopyTo(record, 24);
        main.CopyTo(record, 24 + head.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record, (uint)record.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(record.AsSpan(8), previous);
        (record[16], record[17]) = ((byte)info, (byte)manager);
        if (file.Count % 8192 == 0)
        {
            PageHeader(24);
        }

        var place = previous = Base + (ulong)file.Count;
        foreach (var b in record)
        {
            if (file.Count % 8192 == 0)
            {
                PageHeader(24);
            }

            file.Add(b);
        }

        while (file.Count % 8 != 0)
        {
            file.Add(0);
        }

        return place;
    }
}
