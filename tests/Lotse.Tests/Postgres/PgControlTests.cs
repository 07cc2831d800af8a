using System.Globalization;
using Lotse.Postgres;
using Xunit;

namespace Lotse.Tests.Postgres;

/// <summary>pg_control of real clusters against what their own pg_controldata printed (tests/data/pg/control).</summary>
public class PgControlTests
{
    public static TheoryData<string> Versions() => ["13", "14", "15", "16", "17", "18"];

    [Theory]
    [MemberData(nameof(Versions))]
    public void Says_what_pg_controldata_says(string version)
    {
        var control = PgControl.Parse("pg_control", File.ReadAllBytes(LotseProgram.Data("pg", "control", version))).Value;
        var said = File.ReadAllLines(LotseProgram.Data("pg", "control", version + ".txt")).Select(l => l.Split(':', 2)).Where(l => l.Length == 2).ToDictionary(l => l[0], l => l[1].Trim());
        Assert.True(control.CrcFits);
        Assert.Equal(said["pg_control version number"], Text(control.ControlVersion));
        Assert.Equal(said["Catalog version number"], Text(control.CatalogVersion));
        Assert.Equal(said["Database system identifier"], Text(control.SystemIdentifier));
        Assert.Equal(said["Database cluster state"], control.State);
        Assert.Equal(said["Latest checkpoint location"], PgControl.Lsn(control.Checkpoint));
        Assert.Equal(said["Latest checkpoint's REDO location"], PgControl.Lsn(control.Redo));
        Assert.Equal(said["Latest checkpoint's TimeLineID"], Text(control.Timeline));
        Assert.Equal(said["Latest checkpoint's NextXID"], $"{control.NextXid >> 32}:{control.NextXid & 0xffffffff}");
        Assert.Equal(said["Latest checkpoint's NextOID"], Text(control.NextOid));
        Assert.Equal(said["Latest checkpoint's NextMultiXactId"], Text(control.NextMulti));
        Assert.Equal(said["Latest checkpoint's NextMultiOffset"], Text(control.NextMultiOffset));
        Assert.Equal(said["Latest checkpoint's oldestXID"], Text(control.OldestXid));
        Assert.Equal(said["max_prepared_xacts setting"], Text(control.MaxPreparedTransactions));
        Assert.Equal(said["Maximum data alignment"], Text(control.MaxAlign));
        Assert.Equal(said["Database block size"], Text(control.BlockBytes));
        Assert.Equal(said["Blocks per segment of large relation"], Text(control.SegmentBlocks));
        Assert.Equal(said["WAL block size"], Text(control.WalBlockBytes));
        Assert.Equal(said["Bytes per WAL segment"], Text(control.WalSegmentBytes));
        Assert.Equal(said["Maximum length of identifiers"], Text(control.NameBytes));
        Assert.Equal(said["Maximum columns in an index"], Text(control.IndexColumns));
        Assert.Equal(said["Maximum size of a TOAST chunk"], Text(control.ToastChunkBytes));
        Assert.Equal(said["Size of a large-object chunk"], Text(control.LargeObjectBytes));
        Assert.Equal(said["Float8 argument passing"], control.Float8ByValue ? "by value" : "by reference");
        Assert.Equal(said["Data page checksum version"], Text(control.ChecksumVersion));
        Assert.Equal(said.GetValueOrDefault("Default char data signedness"), control.CharIsSigned is { } signed ? signed ? "signed" : "unsigned" : null);
    }

    [Fact]
    public void Every_flipped_bit_of_it_shows()
    {
        var file = File.ReadAllBytes(LotseProgram.Data("pg", "control", "18"));
        var end = 0;
        for (var bit = 0; bit < 296 * 8; bit++)
        {
            file[bit / 8] ^= (byte)(1 << bit % 8);
            var read = PgControl.Parse("pg_control", file);
            end += read.Ok && read.Value.CrcFits ? 1 : 0;
            file[bit / 8] ^= (byte)(1 << bit % 8);
        }

        Assert.Equal(0, end);
    }

    [Fact]
    public void A_file_cut_off_anywhere_is_refused()
    {
        var file = File.ReadAllBytes(LotseProgram.Data("pg", "control", "13"));
        for (var length = 0; length < 288; length++)
        {
            Assert.False(PgControl.Parse("pg_control", file.AsSpan(0, length)) is { Ok: true, Value.CrcFits: true }, $"{length}");
        }
    }

    private static string Text<T>(T value)
        where T : IFormattable => value.ToString(null, CultureInfo.InvariantCulture);
}
