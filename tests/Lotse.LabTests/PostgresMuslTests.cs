using System.Globalization;
using Xunit;

namespace Lotse.LabTests;

/// <summary>Servers that are built against musl, which orders by code points and has no versions, beside servers of glibc. Their build takes minutes.</summary>
public class PostgresMuslTests
{
    private const string Locale = "en_US.utf8", Key = "(ARRAY['a-b', 'ab', 'B', 'A', 'a', 'Z_x', 'z x', 'Zx', 'ä', 'é'])[1 + n % 10] || n", Asked = "(ARRAY['a-b', 'ab', 'B', 'A', 'a', 'Z_x', 'z x', 'Zx', 'ä', 'é'])[1 + g.n % 10] || g.n";

    private const string Objects = $"""
        CREATE TABLE w AS SELECT n, {Key} AS k, ({Key}) COLLATE "C" AS c FROM generate_series(1, 1000) n;
        CREATE UNIQUE INDEX moves_text ON w (k); CREATE INDEX moves_part ON w (n) WHERE k < 'b'; CREATE UNIQUE INDEX stays_int ON w (n); CREATE INDEX stays_c ON w (c); CREATE INDEX stays_pattern ON w (k text_pattern_ops); CREATE INDEX stays_hash ON w USING hash (k);
        CREATE COLLATION own (provider = libc, locale = '{Locale}'); CREATE INDEX moves_own ON w (k COLLATE own);
        """;

    private const string Found = $"SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT count(*) FROM generate_series(1, 1000) g (n), LATERAL (SELECT 1 FROM w WHERE k = {Asked} OFFSET 0) x";
    private const string Whole = "CREATE EXTENSION amcheck; SELECT bt_index_check(i.indexrelid, true) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relam = 403 AND i.indrelid >= 16384 AND c.relkind = 'i'";
    private const string Unversion = "UPDATE pg_collation SET collversion = NULL WHERE oid >= 16384 AND collprovider = 'c'";

    [Theory(Explicit = true)]
    [InlineData(true, 15, false, 17)]
    [InlineData(true, 15, false, 18)]
    [InlineData(false, 15, true, 18)]
    [InlineData(true, 15, true, 18)]
    public void Only_what_follows_another_library_is_rebuilt(bool wasMusl, int old, bool isMusl, int to)
    {
        using var lab = new PostgresLab();
        var (before, after) = (Programs(wasMusl, old), Programs(isMusl, to));
        var (data, port) = (lab.Folder + "/data", Lab.FreePort());
        lab.AsOwner(TimeSpan.FromMinutes(2), before + "/initdb", "-D", data, "--no-sync", "-A", "trust", "-U", "boss", "-E", "UTF8", $"--locale={Locale}");
        File.AppendAllText(data + "/postgresql.conf", $"\nlisten_addresses = ''\nunix_socket_directories = '{lab.Folder}'\nfsync = off\nport = {port}\n");
        Start(before, data);
        lab.Ask(port, "boss", "postgres", Objects);
        string[] wish = ["pg", "plan", data, "--to", $"{to}", "--old-bin", before, "--new-bin", after, "-o", lab.Folder + "/plan"];
        PostgresLab.Stop(data);
        if (isMusl && !wasMusl)
        {
            // What was recorded with glibc is refused by musl.
            Assert.Contains("pg/collation-unversioned", lab.Lotse(wish).Text, StringComparison.Ordinal);
            Start(before, data);
            lab.Ask(port, "boss", "postgres", Unversion);
            PostgresLab.Stop(data);
        }

        var planned = lab.Lotse(wish);
        Assert.True(planned.ExitCode is 0 or 1, planned.Text + planned.ErrorText);
        Assert.DoesNotContain("pg/collation-unversioned", planned.Text, StringComparison.Ordinal);
        Assert.Equal(wasMusl != isMusl, planned.Text.Contains("3 indexes are to be rebuilt, public.moves_own, public.moves_part, public.moves_text", StringComparison.Ordinal));
        Assert.Equal(wasMusl != isMusl, planned.Text.Contains("pg/collation-order", StringComparison.Ordinal));
        var applied = lab.Lotse("apply", lab.Folder + "/plan");
        Assert.True(applied.ExitCode == 0, applied.Text + applied.ErrorText);
        Start(after, $"{data}-{to}");
        lab.Ask(port, "boss", "postgres", Whole);
        Assert.Equal("1000", lab.Ask(port, "boss", "postgres", Found));
        Assert.Equal("0", lab.Ask(port, "boss", "postgres", "SELECT count(*) FROM pg_database WHERE datallowconn AND datcollversion IS DISTINCT FROM pg_database_collation_actual_version(oid)"));

        void Start(string programs, string directory) => lab.AsOwner(TimeSpan.FromMinutes(2), programs + "/pg_ctl", "-D", directory, "-w", "-l", directory + ".log", "start");
    }

    [Theory(Explicit = true)]
    [InlineData(true, 15, false, 18)]
    [InlineData(false, 15, true, 18)]
    [InlineData(true, 15, true, 18)]
    public void Images_of_Alpine_and_of_Debian_follow_each_other(bool wasMusl, int old, bool isMusl, int to)
    {
        using var lab = new ContainerLab("podman");
        lab.Environment["LOCALES"] = $"/usr/lib/locale/{Locale}";
        var (before, after) = (Image(wasMusl, old), Image(isMusl, to));
        lab.Engine("run", "-d", "--name", "db", "-e", "POSTGRES_USER=app", "-e", "POSTGRES_PASSWORD=secret", "-e", $"POSTGRES_INITDB_ARGS=--locale={Locale} -E UTF8", "-v", "data:/var/lib/postgresql/data", before);
        lab.Await("db");
        lab.Ask("db", "app", "app", Objects);
        if (isMusl && !wasMusl)
        {
            lab.Ask("db", "app", "app", Unversion);
        }

        var planned = lab.Lotse("pg", "plan", "db", "--to", after, "-o", lab.Folder + "/plan");
        Assert.True(planned.ExitCode is 0 or 1, planned.Text + planned.ErrorText);
        Assert.Equal(wasMusl != isMusl, planned.Text.Contains("3 indexes are to be rebuilt, public.moves_own, public.moves_part, public.moves_text", StringComparison.Ordinal));
        var applied = lab.Lotse("apply", lab.Folder + "/plan");
        Assert.True(applied.ExitCode == 0, applied.Text + applied.ErrorText);
        Assert.StartsWith($"{to}.", lab.LogIn("db", "app", "secret", "app", "SHOW server_version"), StringComparison.Ordinal);
        lab.Ask("db", "app", "app", Whole);
        Assert.Equal("1000", lab.Ask("db", "app", "app", Found).Trim());
        Assert.Equal(0, lab.Lotse("undo").ExitCode);
        lab.Await("db");
        Assert.Equal("1000", lab.Ask("db", "app", "app", Found).Trim());

        string Image(bool musl, int version)
        {
            var name = $"localhost/postgres:{version.ToString(CultureInfo.InvariantCulture)}{(musl ? "-alpine" : "")}";
            lab.Must(Path.Combine(Lab.Checkout(), "eng", "postgres-image"), "podman", version.ToString(CultureInfo.InvariantCulture), musl ? Tree(version) : PostgresLab.Tree(version), name);
            return name;
        }
    }

    private static string Programs(bool musl, int version) => musl ? Tree(version) + "/usr/local/bin" : PostgresLab.Programs(version);

    private static string Tree(int version)
    {
        Lab.Needs("musl-gcc", "flex", "bison", "patchelf");
        var place = Path.Combine(Path.GetTempPath(), $"lotse-postgres-musl-{version.ToString(CultureInfo.InvariantCulture)}");
        var ran = Lab.Run(TimeSpan.FromMinutes(30), Path.Combine(Lab.Checkout(), "eng", "postgres-musl"), version == 15 ? "bookworm" : "forky", version.ToString(CultureInfo.InvariantCulture), place);
        Assert.SkipUnless(ran.ExitCode == 0, "no server of musl: " + ran.ErrorText.Trim().Split('\n')[^1]);
        return place;
    }
}
