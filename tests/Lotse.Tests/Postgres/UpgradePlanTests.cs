using Lotse.Hosts;
using Lotse.Postgres;
using Xunit;

namespace Lotse.Tests.Postgres;

/// <summary>What a plan decides, from facts alone.</summary>
public class UpgradePlanTests
{
    [Theory]
    [InlineData("en_US.UTF-8", "en_US.utf8", true)]
    [InlineData("C", "C.UTF-8", true)]
    [InlineData("de_DE.UTF-8@euro", "DE_de", true)]
    [InlineData("C", "POSIX", false)]
    [InlineData("en_US.UTF-8", "en_GB.UTF-8", false)]
    [InlineData(null, "C", false)]
    public void Locales_are_compared_as_pg_upgrade_does(string? one, string? other, bool expected) => Assert.Equal(expected, InitArguments.Same(one, other));

    [Fact]
    public void The_new_cluster_is_made_like_the_old_one()
    {
        var old = Old() with { Mode = 0x1e8, Control = Control() with { ChecksumVersion = 0, WalSegmentBytes = 64 << 20 } };
        Assert.Equal(
            ["--username=boss", "--encoding=LATIN1", "--lc-collate=de_DE", "--lc-ctype=de_DE", "--locale-provider=libc", "--no-data-checksums", "--wal-segsize=64", "--allow-group-access"],
            InitArguments.Of(old, 18));
        Assert.DoesNotContain("--no-data-checksums", InitArguments.Of(old, 15));
        Assert.Contains("--data-checksums", InitArguments.Of(old with { Control = Control() }, 15));
    }

    [Fact]
    public void Settings_are_carried_over_by_decision()
    {
        var old = Old() with
        {
            Settings =
            [
                new("work_mem", "4MB", "/d/postgresql.conf", 1), new("search_path", @"it's \ ""x""", "/d/postgresql.conf", 2), new("wal_keep_segments", "3", "/d/postgresql.conf", 3),
                new("hba_file", "/etc/hba", "/d/postgresql.conf", 4), new("jit", "off", "/d/postgresql.auto.conf", 1), new("archive_command", "(not kept)", "/d/postgresql.conf", 5),
            ],
        };
        var (changes, job) = UpgradePlan.Make(Facts(old), "/bin/lotse", null);
        Assert.Equal(["work_mem = '4MB'", @"search_path = 'it''s \\ ""x""'"], job.Settings);
        Assert.Equal(["jit = 'off'"], job.SystemSettings);
        Assert.Equal((@"search_path", @"it's \ ""x"""), PgConf.Split(job.Settings[1], out _));
        Assert.All(changes.Skip(1), c => Assert.Equal(["--back"], Assert.IsType<RunProgram>(c).Inverse.Except(((RunProgram)c).Arguments)));
        Assert.Equal("/d-18.lotse/new", job.Unfinished);
    }

    [Theory]
    [InlineData(TransferMode.Copy, false)]
    [InlineData(TransferMode.Link, true)]
    [InlineData(TransferMode.Swap, true)]
    public void Where_files_are_shared_the_point_of_no_return_is_a_step_of_its_own_and_says_so(TransferMode mode, bool isShared)
    {
        var (changes, job) = UpgradePlan.Make(Facts(Old()) with { Mode = mode, Rehearsal = new(RehearsalKind.Reflink, [new("upgrade", 12.5), new("copy", 3)]) }, "/bin/lotse", null);
        var steps = changes.OfType<RunProgram>().ToArray();
        string[] phases = ["init", "stop", "upgrade", "check", "configure", "place", .. isShared ? new[] { "open" } : [], "start", "statistics"];
        Assert.Equal(phases, steps.Select(s => s.Phase));
        Assert.Equal(isShared ? ["open"] : Array.Empty<string>(), steps.Where(s => s.NoReturn is not null).Select(s => s.Phase));
        Assert.Equal(["upgrade"], steps.Where(s => s.Estimate is not null).Select(s => s.Phase));
        Assert.Equal((isShared, 12.5), (job.SharesFiles, steps.Single(s => s.Phase == "upgrade").Estimate));
        Assert.False(isShared && job.CompareContents);
    }

    [Theory]
    [InlineData("glibc 2.36", "glibc 2.36", "de_DE", null, 0)]
    [InlineData("glibc 2.36", "glibc 2.41", "de_DE", null, 2)]
    [InlineData("glibc 2.36", "musl", "de_DE", null, 2)]
    [InlineData("glibc 2.36", "glibc 2.41", "C", null, 1)]
    [InlineData("glibc 2.36", "glibc 2.41", "C.UTF-8", null, 1)]
    [InlineData("glibc 2.41", "glibc 2.41", "de_DE", "2.36", 2)]
    [InlineData(null, "glibc 2.41", "de_DE", null, 2)]
    [InlineData(null, "glibc 2.41", "de_DE", "2.41", 0)]
    [InlineData("glibc 2.36", null, "de_DE", null, 0)]
    [InlineData("musl", "musl", "de_DE", null, 0)]
    [InlineData("musl", "musl", "de_DE", "2.36", 2)]
    [InlineData("musl", "glibc 2.36", "de_DE", "2.36", 2)]
    [InlineData("musl", "glibc 2.41", "de_DE", null, 2)]
    public void Only_indexes_whose_order_may_move_are_rebuilt(string? was, string? now, string collate, string? recorded, int moved)
    {
        var database = Old().Databases[0] with
        {
            Collate = collate,
            CollationVersion = recorded,
            Objects = new() { OrderedIndexes = [new("public.a", "public.t", "default", "d", null, null), new("public.b", "public.t", "de_DE", "c", "de_DE", null)] },
        };
        var facts = Facts(Old()) with { OldInstallation = new() { Programs = "/o", LibC = was }, NewInstallation = new() { Programs = "/n", LibC = now } };
        Assert.Equal(moved, UpgradeFindings.MovedIndexes(facts, database).Indexes.Length);
    }

    [Fact]
    public void What_rows_are_stored_by_is_told_where_the_order_may_move()
    {
        Database database = Old().Databases[0] with { Name = "shop", Objects = new() { OrderedRelations = [new("public.parts", "public.parts", "default", "d", null, null)] } };
        PlanFacts Between(string was, string now) => Facts(Old() with { Databases = [database] }) with { OldInstallation = new() { Programs = "/o", LibC = was }, NewInstallation = new() { Programs = "/n", LibC = now } };
        var finding = Assert.Single(UpgradeFindings.Of(Between("musl", "glibc 2.41")), f => f.Id == "pg/collation-order");
        Assert.Contains("1 relation keeps rows by the old order, public.parts", finding.Title.ToString(), StringComparison.Ordinal);
        Assert.Equal(Certainty.Proven, finding.Certainty);
        Assert.DoesNotContain(UpgradeFindings.Of(Between("glibc 2.41", "glibc 2.41")), f => f.Id == "pg/collation-order");

        // Of two libraries each may have written: the entries may have been rebuilt meanwhile.
        database = database with { CollationVersion = "2.36" };
        Assert.Equal(Certainty.Inferred, Assert.Single(UpgradeFindings.Of(Between("musl", "musl")), f => f.Id == "pg/collation-order").Certainty);
    }

    [Theory]
    [InlineData("c", true, "2.36", "musl", false, "pg/collation-unversioned")]
    [InlineData("c", true, null, "musl", false, null)]
    [InlineData("c", true, "2.36", "glibc 2.41", false, null)]
    [InlineData("c", false, "2.36", "musl", false, "pg/locale-missing")]
    [InlineData("i", false, "153.128", "musl", true, "pg/icu-missing")]
    [InlineData("i", true, "153.128", "glibc 2.41", true, "pg/icu-missing")]
    [InlineData("i", true, "153.128", "glibc 2.41", false, null)]
    public void Collations_that_the_new_cluster_has_not_or_refuses_stand_in_the_way(string provider, bool isOwn, string? version, string libC, bool lacksIcu, string? expected)
    {
        Database database = Old().Databases[0] with { Objects = new() { Collations = [new(isOwn ? "public.own" : "sv_SE", provider, "sv_SE.utf8", version, isOwn)] } };
        var facts = Facts(Old() with { Databases = [database] }) with { NewInstallation = new() { Programs = "/n", Version = 18, LibC = libC, LacksIcu = lacksIcu, Locales = ["C", "C.utf8", "de_DE.utf8"] } };
        string[] ids = ["pg/collation-unversioned", "pg/locale-missing", "pg/icu-missing"];
        Assert.Equal(expected is null ? [] : [expected], UpgradeFindings.Of(facts).Select(f => f.Id).Where(ids.Contains));
    }

    [Theory]
    [InlineData("de_DE.utf8", true)]
    [InlineData("de_DE", true)]
    [InlineData("ca_ES@valencia", true)]
    [InlineData("C.utf8", true)]
    [InlineData("de_DE.UTF-8", false)]
    [InlineData("sv_SE", false)]
    public void Collations_are_made_from_the_locales_of_the_system(string name, bool isMade) => Assert.Equal(isMade, Installations.MakesCollation(["C.utf8", "de_DE.utf8", "ca_ES.utf8@valencia"], name));

    [Fact]
    public void What_the_command_line_sets_goes_before_files_and_goes_with_the_server()
    {
        var old = Old() with
        {
            Version = 17,
            StartedWith = """/bin/postgres "-c" "wal_level=logical" "-c" "shared_preload_libraries=$libdir/a" "--listen-addresses=*" "-p" "5433" "-c" "log_destination=syslog" """,
            Settings = [new("wal_level", "replica", "/d/postgresql.conf", 1), new("shared_preload_libraries", "b", "/d/postgresql.conf", 2)],
            Slots = [new("s", true, "pgoutput", 1, false, false)],
        };
        var facts = Facts(old);
        Assert.Equal(Severity.Info, Assert.Single(UpgradeFindings.Of(facts), f => f.Id == "pg/logical-slot-new-wal-level").Severity);
        Assert.Equal(Severity.Error, Assert.Single(UpgradeFindings.Of(Facts(old with { StartedWith = null })), f => f.Id == "pg/logical-slot-new-wal-level").Severity);
        var job = UpgradePlan.Make(facts, "/bin/lotse", null).Job;
        Assert.Equal(["wal_level=logical", "shared_preload_libraries=$libdir/a"], job.OldServerSettings);
        Assert.Equal(["wal_level=logical", "max_replication_slots=10", "shared_preload_libraries=$libdir/a"], job.NewServerSettings);
    }

    [Theory]
    [InlineData(18, 19, "pg_conflict_detection", true, true)]
    [InlineData(18, 19, "pg_conflict_detection", false, false)]
    [InlineData(18, 19, "conflict_detection", true, false)]
    [InlineData(17, 18, "pg_conflict_detection", true, false)]
    [InlineData(16, 19, "pg_conflict_detection", true, false)]
    public void A_slot_that_would_be_carried_over_must_not_have_the_servers_own_name(int from, int to, string name, bool isLogical, bool isRefused)
    {
        var old = Old() with { Version = from, Settings = [new("wal_level", "logical", "/d/postgresql.conf", 1)], Slots = [new(name, isLogical, "pgoutput", 1, false, false)] };
        Assert.Equal(isRefused, UpgradeFindings.Of(Facts(old) with { To = to }).Any(f => f.Id == "pg/slot-name-reserved"));
    }

    [Theory]
    [InlineData("/var/lib/postgresql/13/main", "/var/lib/postgresql/18/main")]
    [InlineData("/srv/pg/13", "/srv/pg/18")]
    [InlineData("/srv/pgdata", "/srv/pgdata-18")]
    public void The_new_cluster_lies_beside_the_old_one(string old, string place) => Assert.Equal(place, PlanReader.Beside(old, 13, 18));

    [Fact]
    public void A_job_that_others_may_change_is_not_run()
    {
        using var folder = new TemporaryFolder();
        using var host = new LocalHost();
        var work = Path.Combine(folder.Path, "n.lotse");
        var job = UpgradePlan.Make(Facts(Old()) with { NewDirectory = Path.Combine(folder.Path, "n") }, "lotse", null).Job;
        Directory.CreateDirectory(work, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        File.WriteAllText(job.File, string.Join('\n', job.Lines()));
        File.SetUnixFileMode(job.File, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Assert.Equal(job.Old, UpgradeJob.Read(host, job.File).Value.Old);

        // A step that could not be put back is tried again when the plan's own file is gone: by the copy.
        File.Move(job.File, job.Kept);
        Assert.Equal(job.Old, UpgradeJob.Read(host, job.File).Value.Old);
        File.Move(job.Kept, job.File);
        File.SetUnixFileMode(work, (UnixFileMode)0x1ff);
        Assert.False(UpgradeJob.Read(host, job.File).Ok);
        File.SetUnixFileMode(work, (UnixFileMode)0x1c0);
        File.WriteAllText(job.File, "{}");
        Assert.False(UpgradeJob.Read(host, job.File).Ok);
    }

    private static PgControl Control() => PgControl.Parse("pg_control", File.ReadAllBytes(LotseProgram.Data("pg", "control", "13"))).Value;

    private static ClusterFacts Old() => new()
    {
        Directory = "/d",
        Version = 13,
        Mode = 0x1c0,
        Control = Control(),
        Roles = [new(10, "boss", true, true, "none")],
        Databases = [new() { Oid = 1, Name = "template0", Encoding = "LATIN1", Collate = "de_DE", Ctype = "de_DE" }],
    };

    private static PlanFacts Facts(ClusterFacts old) => new()
    {
        Old = old,
        To = 18,
        NewDirectory = "/d-18",
        OldInstallation = new() { Programs = "/o" },
        NewInstallation = new() { Programs = "/n" },
        Around = new(),
    };
}
