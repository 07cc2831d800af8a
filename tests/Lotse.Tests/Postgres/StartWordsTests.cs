using Lotse.Postgres;
using Xunit;

namespace Lotse.Tests.Postgres;

/// <summary>The words of postmaster.opts as settings (postmaster.c, getopt "B:bC:c:D:d:EeFf:h:ijk:lN:OPp:r:S:sTt:W:-:").</summary>
public class StartWordsTests
{
    [Theory]
    [InlineData("/usr/lib/postgresql/13/bin/postgres \"-D\" \"/data\"", "")]
    [InlineData("/bin/postgres \"-D\" \"/data\" \"-c\" \"config_file=/etc/x y/postgresql.conf\"", "config_file=/etc/x y/postgresql.conf")]
    [InlineData("/bin/postgres \"-D/data\" \"-p\" \"5433\" \"-p5434\"", "port=5433 port=5434")]
    [InlineData("/bin/postgres \"--shared-buffers=1GB\" \"-cwork_mem=8MB\" \"-B\" \"64\" \"-N\" \"20\"", "shared_buffers=1GB work_mem=8MB shared_buffers=64 max_connections=20")]
    [InlineData("/bin/postgres \"-i\" \"-Fl\" \"-k\" \"/tmp\" \"-h\" \"\"", "listen_addresses=* fsync=off ssl=on unix_socket_directories=/tmp listen_addresses=")]
    [InlineData("/bin/postgres \"-d\" \"2\" \"-e\" \"-r\" \"/log\" \"-f\" \"s\" \"-S\" \"4096\"", "work_mem=4096")]
    [InlineData("/bin/postgres \"-c\" \"archive_command=a=b\" \"-c\"", "archive_command=a=b")]
    [InlineData("/bin/postgres", "")]
    [InlineData(null, "")]
    public void Are_read_as_the_server_reads_them(string? options, string expected) =>
        Assert.Equal(expected, string.Join(' ', StartWords.Settings(options).Select(s => $"{s.Name}={s.Value}")));

    [Fact]
    public void Are_quoted_for_the_shell_of_pg_ctl() => Assert.Equal(@" -c 'a=it'\''s $(x)' -c 'b='", StartWords.ForShell(["a=it's $(x)", "b="]));

    [Fact]
    public void Are_quoted_once_more_for_the_shell_of_pg_upgrade() => Assert.Equal(" -c 'a=\\$libdir/b' -c 'c=\\\"\\`\\\\'", StartWords.ForPgUpgrade(["a=$libdir/b", "c=\"`\\"]));
}
