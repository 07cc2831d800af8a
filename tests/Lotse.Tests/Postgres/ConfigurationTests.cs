using System.Text;
using Lotse.Hosts;
using Lotse.Postgres;
using Xunit;

namespace Lotse.Tests.Postgres;

/// <summary>postgresql.conf and pg_hba.conf as the server reads them.</summary>
public class ConfigurationTests
{
    [Theory]
    [InlineData("port = 5432", "port", "5432")]
    [InlineData("port 5433", "port", "5433")]
    [InlineData("  PORT=5434# comment", "port", "5434")]
    [InlineData("search_path = '\"$user\", public'\t# c", "search_path", "\"$user\", public")]
    [InlineData("x.y = 'it''s'", "x.y", "it's")]
    [InlineData(@"a = 'tab\tend\101'", "a", "tab\tendA")]
    [InlineData("shared_buffers=128MB\r", "shared_buffers", "128MB")]
    public void A_line_is_taken_apart(string line, string name, string value)
    {
        Assert.Equal((name, value), PgConf.Split(line, out var fault));
        Assert.False(fault);
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("   # port = 1", false)]
    [InlineData("port", true)]
    [InlineData("port = ", true)]
    [InlineData("port = 'open", true)]
    [InlineData("port = 1 2", true)]
    public void What_is_no_setting_is_told(string line, bool wrong)
    {
        Assert.Null(PgConf.Split(line, out var fault));
        Assert.Equal(wrong, fault);
    }

    [Fact]
    public void Includes_are_followed_and_the_last_line_holds()
    {
        using var host = Recorded("""
            -- read /d/postgresql.conf
            port = 1
            include_dir 'conf.d'
            include_if_exists 'none.conf'
            include 'sub/x.conf'
            -- list /d/conf.d
            b.conf
            a.conf
            .hidden.conf
            c.txt
            -- read /d/conf.d/a.conf
            port = 2
            -- read /d/conf.d/b.conf
            port = 3
            -- read /d/sub/x.conf
            work_mem = '4MB'
            include 'y.conf'
            -- read /d/sub/y.conf
            jit = off
            -- read /d/postgresql.auto.conf
            work_mem = '8MB'
            """);
        var faults = new List<string>();
        var settings = PgConf.Read(host, "/d/postgresql.conf", "/d", faults);
        Assert.Empty(faults);
        Assert.Equal("8MB", settings.Single(s => s.Name == "work_mem").Value);
        Assert.Equal("off", settings.Single(s => s.Name == "jit").Value);
        Assert.StartsWith("/d/conf.d/", settings.Single(s => s.Name == "port").File, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_includes_itself_ends()
    {
        using var host = Recorded("-- read /d/postgresql.conf\ninclude 'postgresql.conf'\nport = 1\n");
        var faults = new List<string>();
        PgConf.Read(host, "/d/postgresql.conf", "/d", faults);
        Assert.Contains("deep", faults[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Lines_of_pg_hba_are_taken_apart()
    {
        using var host = Recorded("""
            -- read /d/pg_hba.conf
            # TYPE DATABASE USER ADDRESS METHOD
            local   all             all                                     peer map=m
            host    shop,"all"      web,+staff,@people   10.0.0.0/8         md5
            host    all             all             192.168.0.0 255.255.0.0  scram-sha-256 clientcert=verify-full
            hostssl all             "Big User" \
                samenet cert
            nonsense
            -- read /d/people
            ann, bob
            """);
        var faults = new List<string>();
        var lines = HostBasedAuthentication.Read(host, "/d/pg_hba.conf", 15, faults);
        Assert.Equal(4, lines.Length);
        Assert.Equal(("peer", "map=m", 2), (lines[0].Method, lines[0].Options.Single(), lines[0].Line));
        Assert.Equal(["shop", "\"all"], lines[1].Databases);
        Assert.Equal(["web", "+staff", "ann", "bob"], lines[1].Users);
        Assert.Equal("192.168.0.0 255.255.0.0", lines[2].Address);
        Assert.Equal(("cert", "samenet"), (lines[3].Method, lines[3].Address));
        Assert.True(lines[3].IsAbout("Big User"));
        Assert.False(lines[3].IsAbout("web"));
        Assert.Equal(["/d/pg_hba.conf:7: not a line of pg_hba.conf"], faults);
    }

    private static Host Recorded(string text) => RecordedHost.Open("test", Encoding.UTF8.GetBytes("lotse recording 1\n-- otherwise missing\n" + text + "\n")).Value;
}
