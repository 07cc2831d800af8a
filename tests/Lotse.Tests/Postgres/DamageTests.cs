using Lotse.Hosts;
using Lotse.Postgres;
using Xunit;

namespace Lotse.Tests.Postgres;

/// <summary>Pages, rows, maps and ELF files of hostile bytes: an answer or a refusal, never a fault of the program.</summary>
public class DamageTests
{
    private static readonly PgControl Control = PgControl.Parse("pg_control", File.ReadAllBytes(LotseProgram.Data("pg", "control", "13"))).Value;

    [Fact]
    public void Any_bytes_may_stand_where_a_table_is_expected()
    {
        var random = new Random(20260);
        using var folder = new TemporaryFolder();
        using var host = new LocalHost();
        for (var round = 0; round < 400; round++)
        {
            var page = new byte[random.Next(1, 3) * 8192 + (round % 7 == 0 ? random.Next(100) : 0)];
            random.NextBytes(page);
            for (var start = 0; start + 8192 <= page.Length; start += 8192)
            {
                // A header that passes, so that rows are looked at.
                foreach (var (at, value) in new[] { (10, 0), (12, 24 + 4 * random.Next(1, 60)), (14, 300), (16, 8192), (18, 0x2004) })
                {
                    BitConverter.TryWriteBytes(page.AsSpan(start + at), (ushort)value);
                }
            }

            File.WriteAllBytes(folder.Path + "/t", page);
            var damages = new List<Damage>();
            var shape = new CatalogShape([new("oid", 1, 4, 4), new("name", 2, 64, 1), new("flag", 3, 1, 1), new("text", 4, -1, 4), new("c", 5, -2, 1), new("oids", 6, -1, 4)]);
            foreach (var row in HeapFile.Rows(host, folder.Path, "t", Control with { ChecksumVersion = 0 }, new(host, folder.Path, Control), damages).Take(200))
            {
                var taken = new CatalogRow(row, shape);
                _ = (taken.Oid, taken.Text("name"), taken.Bool("flag"), taken.Text("text"), taken.Oids("oids"), taken.IsBroken);
            }
        }
    }

    [Fact]
    public void A_checksum_that_does_not_fit_is_told()
    {
        var page = new byte[8192];
        BitConverter.TryWriteBytes(page.AsSpan(12), (ushort)24);
        BitConverter.TryWriteBytes(page.AsSpan(14), (ushort)8192);
        BitConverter.TryWriteBytes(page.AsSpan(16), (ushort)8192);
        BitConverter.TryWriteBytes(page.AsSpan(18), (ushort)0x2004);
        BitConverter.TryWriteBytes(page.AsSpan(8), DataPage.Checksum(page, 7));
        Assert.Null(DataPage.Fault(page, 7, true));
        Assert.Contains("checksum", DataPage.Fault(page, 8, true), StringComparison.Ordinal);
        page[4000] ^= 1;
        Assert.Contains("checksum", DataPage.Fault(page, 7, true), StringComparison.Ordinal);
        Assert.Null(DataPage.Fault(page, 7, false));
        Assert.Null(DataPage.Fault(new byte[8192], 0, true));
    }

    [Fact]
    public void Logs_of_any_bytes_are_read_in_bounded_time()
    {
        var random = new Random(7);
        for (var round = 0; round < 200; round++)
        {
            var bytes = new byte[random.Next(4000)];
            random.NextBytes(bytes);
            _ = LogDiagnosis.Explain([new("log", "pg_upgrade " + ByteText.Decode(bytes) + new string('"', 3000) + "\nERROR: " + new string(' ', 5000) + "x")]);
        }
    }
}
