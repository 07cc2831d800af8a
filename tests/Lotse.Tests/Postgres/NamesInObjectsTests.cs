using Lotse.Postgres;
using Xunit;

namespace Lotse.Tests.Postgres;

/// <summary>What rules and functions name, out of the texts that catalogs store.</summary>
public class NamesInObjectsTests
{
    [Theory]
    [InlineData("SELECT v FROM l WHERE k = $1", "n:select n:v n:from n:l n:where n:k o:= c:")]
    [InlineData("select 'l from l' -- l\n, E'it\\'s l'", "n:select c: p:, c:")]
    [InlineData("/* a /* b */ l */ \"L\"\"x\".f(1.5)::T", "q:L\"x p:. n:f p:( c: p:) p::: n:t")]
    [InlineData("$$l$$ $q$ l $$ $q$ a<->b--", "c: c: n:a o:<-> n:b")]
    [InlineData("'open", "c:")]
    public void Words_of_sql(string sql, string words) => Assert.Equal(words, string.Join(' ', SqlWords.Of(sql).Select(w => $"{w.Kind}:{w.Text}")));

    [Theory]
    [InlineData(15, "{RTE :rtekind 0 :relid 1262 :relkind r :requiredPerms 2 :checkAsUser 0 :selectedCols (b 9 16) :insertedCols (b)}", "1262:2,9")]
    [InlineData(11, "{RTE :rtekind 0 :relid 1262 :selectedCols (b 9) :insertedCols (b)}", "1262:1")]
    [InlineData(17, "{RTE :rtekind 0 :relid 5 :relkind v}) :rteperminfos ({RTEPERMISSIONINFO :relid 12150 :inh true :selectedCols (b 7 8) :insertedCols (b)}", "12150:1")]
    [InlineData(15, "{RTE :rtekind 1 :subquery {QUERY} :selectedCols (b) :insertedCols (b)}", "")]
    [InlineData(15, "{RTE :relid 1262 :selectedCols (b 9", "")]
    public void Columns_that_a_rule_reads(int major, string tree, string expected) =>
        Assert.Equal(expected, string.Join(' ', ViewReader.UsedColumns(tree, major).Select(u => $"{u.Relation}:{string.Join(',', u.Columns)}")));

    [Fact]
    public void Functions_that_a_rule_calls() =>
        Assert.Equal([3813u, 2803u], ViewReader.UsedFunctions("{FUNCEXPR :funcid 3813 :x 1} {AGGREF :aggfnoid 2803 :aggtype 20} {FUNCEXPR :funcid"));

    [Theory]
    [InlineData("ERROR:  column \"op_bytes\" does not exist", "pg/view-removed-col")]
    [InlineData("pg_restore: error: could not execute query: ERROR:  column s.checkpoints_timed does not exist", "pg/view-removed-col")]
    [InlineData("ERROR:  function pg_is_in_backup() does not exist at character 467", "pg/view-removed-col")]
    [InlineData("ERROR:  function g(integer) does not exist at character 8", "pg/function-search-path")]
    [InlineData("ERROR:  relation \"l\" does not exist at character 15", "pg/function-search-path")]
    public void Says_what_a_restore_failed_at(string line, string id) =>
        Assert.Equal([id], LogDiagnosis.Explain([new("log", $"If pg_upgrade fails after this point\npg_restore: creating\n{line}\n")]).Findings.Select(f => f.Id));

    [Fact]
    public void Compressed_values_come_out_whole_or_not_at_all()
    {
        // LZ4: 4 literals, then 12 bytes from 4 back.
        byte[] value = [0, 0, 0, 0, 16, 0, 0, 0x40, 0x48, (byte)'a', (byte)'b', (byte)'c', (byte)'d', 4, 0];
        Assert.Equal("abcdabcdabcdabcd"u8.ToArray(), Compressed.Expand(value).ToArray());
        value[13] = 5;
        Assert.Empty(Compressed.Expand(value).ToArray());
        value[7] = 0x80;
        Assert.Empty(Compressed.Expand(value).ToArray());
    }
}
