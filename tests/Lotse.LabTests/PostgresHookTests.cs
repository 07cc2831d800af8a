using Xunit;

namespace Lotse.LabTests;

/// <summary>What apt's hook says of a real cluster of Debian's before packages change: what will break, and nothing else.</summary>
public class PostgresHookTests
{
    [Fact]
    public void Apt_is_told_what_its_packages_break_of_a_cluster()
    {
        using var lab = new PostgresLab();
        Lab.Needs("unshare");
        if (!File.Exists("/usr/lib/locale/en_US.utf8/LC_COLLATE"))
        {
            Assert.Skip("needs the locale en_US.utf8 (locales-all)");
        }

        Lab.Run(TimeSpan.FromMinutes(1), "install", "-d", "-o", "postgres", lab.Folder + "/15");
        var data = lab.Initialise(15, "15/main", "-U", "postgres", "-E", "UTF8", "--locale=en_US.utf8");
        var port = Lab.FreePort();
        lab.Start(15, data, port);
        lab.Ask(port, "postgres", "postgres", """
            CREATE TABLE t (k text, n int, c text COLLATE "C", i text COLLATE "en-x-icu");
            CREATE INDEX follows_libc ON t (k); CREATE INDEX follows_icu ON t (i); CREATE INDEX number ON t (n); CREATE INDEX bytes ON t (c);
            """);
        File.AppendAllText(data + "/postgresql.conf", "\nshared_preload_libraries = 'pg_stat_statements,pg_cron'\n");
        PostgresLab.Stop(data);

        // The cluster lies where packages have it, in a mount namespace of the command.
        Lab.Ran Run(params string[] command) => Lab.RunWith(TimeSpan.FromMinutes(1), lab.Environment, ["unshare", "-m", "sh", "-c", "mount --make-rprivate / && mount --bind \"$0\" /var/lib/postgresql && exec \"$@\"", lab.Folder, .. command]);

        string Hook(params string[] packages)
        {
            File.WriteAllText(lab.Folder + "/apt", $"VERSION 3\nAPT::Architecture=amd64\n\n{string.Join('\n', packages)}\n");
            var ran = Run(Lab.Lotse, "hook", "apt", "/var/lib/postgresql/apt");
            Assert.True(ran.ExitCode == 0, ran.Text + ran.ErrorText);
            return ran.Text + ran.ErrorText;
        }

        Assert.Equal("", Hook("lotse-other 1.0 amd64 none < 2.0 amd64 none /x.deb"));
        Assert.Equal("", Hook("libc6 2.36-9+deb12u9 amd64 same < 2.36-9+deb12u13 amd64 same /x.deb"));
        Assert.Equal("", Hook("postgresql-13 13.23-0 amd64 none > - - none **REMOVE**"));
        Assert.Equal("", Hook("postgresql-15 15.17-0 amd64 none < 15.18-0 amd64 none /x.deb"));
        Assert.Equal("", Hook("postgresql-18 - - none < 18.6-1 amd64 none /x.deb"));

        var order = Hook("libc6 2.36-9+deb12u9 amd64 same < 2.41-12 amd64 same /x.deb");
        Assert.Contains("[pg/collation-order]", order, StringComparison.Ordinal);
        Assert.Contains("1 index may no longer find its rows", order, StringComparison.Ordinal);
        Assert.Contains("public.follows_libc", order, StringComparison.Ordinal);

        order = Hook("libicu99 - - none < 99.1-1 amd64 same /x.deb", "postgresql-15 15.17-0 amd64 none < 15.18-0 amd64 none /x.deb");
        Assert.Contains("public.follows_icu", order, StringComparison.Ordinal);
        Assert.DoesNotContain("public.follows_libc", order, StringComparison.Ordinal);

        var removed = Hook("postgresql-15 15.18-0 amd64 none > - - none **REMOVE**");
        Assert.Contains("[pg/old-programs-missing]", removed, StringComparison.Ordinal);
        Assert.Contains("/var/lib/postgresql/15/main", removed, StringComparison.Ordinal);

        // Who may not look into it does not hear that there is none.
        Lab.Run(TimeSpan.FromMinutes(1), "chmod", "755", lab.Folder, lab.Folder + "/15");
        var stranger = Run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", Lab.Lotse, "pg");
        Assert.Equal(3, stranger.ExitCode);
        Assert.Contains("/var/lib/postgresql/15/main", stranger.Text, StringComparison.Ordinal);
    }
}
