using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Xunit;

namespace Lotse.LabTests;

/// <summary>
/// Something dies in the middle of an upgrade: lotse, pg_upgrade, a server, all of them at once, or the disk is full or takes
/// no more writes. One command later a whole cluster serves, the old one or the new one, with all that was in it.
///   LOTSE_KILL_MATRIX='bare copy|link' runs every moment for worlds (bare, podman, docker) and modes (all: *); then follow
///   victims, a seed and a stride: of so many moments one is tried, and which one the seed says.
/// </summary>
[Trait("lane", "waiting")]
public class PostgresKillTests(ITestOutputHelper output)
{
    /// <summary>What may die: lotse alone, the program that works at that moment, servers, everything (as in a power cut), the room on the disk, or the disk itself.</summary>
    private static readonly string[] Victims = ["lotse", "pg_upgrade", "server", "all", "room", "disk"];

    private static readonly string[] Phases = ["fetch", "init", "stop", "upgrade", "check", "configure", "place", "open", "start", "statistics"];

    /// <summary>What pg_upgrade says before it does something, in pg_upgrade_internal.log.</summary>
    private static readonly string[] Stages =
    [
        "Performing Consistency Checks", "Checking for prepared transactions", "Creating dump of global objects", "Creating dump of database schemas", "Setting locale and encoding", "Analyzing all rows", "Freezing all rows",
        "Deleting files from new pg_xact", "Setting next transaction ID", "Restoring global objects", "Restoring database schemas", "Adding \".old\" suffix", "user relation files|data directories", "Setting next OID", "Sync data directory", "Checking for extension updates",
    ];

    /// <summary>Only there where both clusters share their files.</summary>
    private static readonly string[] OfSharedFiles = ["open", "Adding \".old\" suffix"];

    [Theory]
    [InlineData("bare", "swap", "pg_upgrade", "user relation files|data directories")]
    [InlineData("bare", "copy", "room", "check")]
    [InlineData("bare", "link", "disk", "place")]
    [InlineData("podman", "link", "disk", "init")]
    public void One_command_later_a_whole_cluster_serves(string kind, string mode, string victim, string moment)
    {
        using var world = World(kind, mode);
        Strike(world, mode, victim, moment, kind == "bare" ? 0 : 100);
    }

    /// <summary>A step of an apply that was killed may begin only when somebody has begun to put things back.</summary>
    [Fact]
    public async Task A_step_that_comes_late_stands_in_nobodys_way()
    {
        using var world = World("bare", "copy");
        var content = world.Content();
        var (apply, _) = Apply(world, "copy");
        using (apply)
        {
            Assert.True(Reach(apply, world, "place"), "the phase does not come");
            world.Hit("lotse", apply.Id);
            Assert.True(apply.WaitForExit(TimeSpan.FromMinutes(1)), "lotse apply does not end");
        }

        var job = Directory.GetFiles(world.Folder, "job.json", SearchOption.AllDirectories).Single();
        var log = Task.Run(() => world.Lotse("log", "--json"));
        var late = new List<Lab.Ran>();
        while (!log.IsCompleted && File.Exists(job))
        {
            late.Add(Lab.Run(TimeSpan.FromMinutes(1), Lab.Lotse, "pg", "step", "place", job));
        }

        var told = await log;
        Assert.True(told.ExitCode == 0, told.Text + told.ErrorText);
        Assert.Equal("PutBack", State(told));
        Assert.NotEmpty(late);
        Assert.All(late, l => Assert.True(l.ExitCode != 0, l.Text));
        Assert.Equal((13, content), (world.Version(), world.Content()));
    }

    private static IUpgradeWorld World(string kind, string mode) => kind == "bare" ? new BareWorld(mode == "clone") : new ContainerWorld(kind, mode == "clone");

    private static bool Comes(string moment, string kind, string mode) => (mode is "link" or "swap" || !OfSharedFiles.Contains(moment)) && (kind != "bare" || moment != "fetch");

    [Fact]
    public void Every_moment()
    {
        if (Environment.GetEnvironmentVariable("LOTSE_KILL_MATRIX") is not { Length: > 0 } asked)
        {
            Assert.Skip("takes hours: LOTSE_KILL_MATRIX='bare|podman|docker copy|clone|link|swap [victim|… [SEED [STRIDE]]]'");
            return;
        }

        var words = asked.Split(' ');
        bool Wanted(int place, string name) => words.Length <= place || words[place] == "*" || words[place].Split('|').Contains(name);
        int Number(int place) => words.Length > place ? int.Parse(words[place], CultureInfo.InvariantCulture) : 1;
        var (random, stride, count) = (new Random(Number(3)), Number(4), 0);
        var failures = new List<string>();
        foreach (var kind in new[] { "bare", "podman", "docker" }.Where(k => Wanted(0, k)))
        {
            foreach (var mode in new[] { "copy", "clone", "link", "swap" }.Where(m => Wanted(1, m)))
            {
                foreach (var victim in Victims.Where(v => Wanted(2, v)))
                {
                    foreach (var moment in Phases.Concat(Stages).Where(m => Comes(m, kind, mode)))
                    {
                        var delay = random.Next(4) switch { 0 => 0, 1 => random.Next(30), 2 => random.Next(200), _ => random.Next(900) };
                        if (count++ % stride != Number(3) % stride)
                        {
                            continue;
                        }

                        var label = $"{kind} {mode} {victim} \"{moment}\" +{delay} ms";
                        var clock = Stopwatch.StartNew();
                        try
                        {
                            using var world = World(kind, mode);
                            Tell($"{label}: {Strike(world, mode, victim, moment, delay)} ({clock.Elapsed.TotalSeconds:0.0} s)");
                        }
#pragma warning disable CA1031 // Every moment is tried, and all that failed are told.
                        catch (Exception e)
#pragma warning restore CA1031
                        {
                            failures.Add($"{label}: {e.Message}");
                            Tell($"{label}: FAILED {e.Message}");
                        }
                    }
                }
            }
        }

        Assert.Empty(failures);
    }

    private void Tell(string line)
    {
        output.WriteLine(line);
        if (Environment.GetEnvironmentVariable("LOTSE_KILL_LOG") is { Length: > 0 } file)
        {
            File.AppendAllText(file, line + "\n");
        }
    }

    private static string Strike(IUpgradeWorld world, string mode, string victim, string moment, int delay)
    {
        var content = world.Content();
        Assert.NotEqual("refused", content);
        var (apply, said) = Apply(world, mode);
        using var ends = apply;
        var reached = Reach(apply, world, moment);
        Thread.Sleep(delay);
        var struck = reached && !apply.HasExited;
        if (struck)
        {
            world.Hit(victim, apply.Id);
        }

        _ = apply.StandardOutput.ReadToEndAsync();
        Assert.True(apply.WaitForExit(TimeSpan.FromMinutes(3)), "lotse apply does not end");
        var code = apply.ExitCode;
        world.Heal();
        var log = world.Lotse("log", "--json");
        Assert.True(log.ExitCode == 0, log.Text + log.ErrorText);
        var state = State(log);
        Assert.True(state is "Applied" or "PutBack" or "Empty" || code == 0, $"the journal says {state}: {log.ErrorText}{log.Text}{said.Result}");
        world.Settled(state == "Applied");
        var now = world.Content();
        Assert.True(content == now, $"{now}, not {content}; the journal says {state}; {said.Result}{log.ErrorText}{world.Said()}");
        var version = world.Version();
        Assert.True(version == (state == "Applied" ? 18 : 13), $"{version} serves, and the journal says {state}; {said.Result}");
        world.MustBeSound(version);
        return $"{(struck ? "struck" : reached ? "over" : "not reached")}, exit {code}, {version} serves";
    }

    /// <summary>Plans an upgrade and begins it.</summary>
    private static (Process Apply, Task<string> Said) Apply(IUpgradeWorld world, string mode)
    {
        var plan = world.Folder + "/plan";
        var planned = world.Lotse("pg", "plan", [.. world.Wish, "--mode", mode, "-o", plan]);
        Assert.True(planned.ExitCode == 0, planned.Text + planned.ErrorText);
        var start = new ProcessStartInfo(Lab.Lotse, ["apply", plan, "--json"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in world.Environment)
        {
            start.Environment[name] = value;
        }

        var apply = Process.Start(start)!;
        return (apply, apply.StandardError.ReadToEndAsync());
    }

    /// <summary>The journal's word on the newest change.</summary>
    private static string? State(Lab.Ran log) => JsonDocument.Parse(log.Output).RootElement.GetProperty("answer").GetProperty("entries")[0].GetProperty("state").GetString();

    /// <summary>Waits for a phase of lotse, or for words of pg_upgrade.</summary>
    private static bool Reach(Process apply, IUpgradeWorld world, string moment)
    {
        var stage = !Phases.Contains(moment);
        while (apply.StandardOutput.ReadLine() is { } line)
        {
            var answer = JsonDocument.Parse(line).RootElement.GetProperty("answer");
            if (!answer.TryGetProperty("phase", out var phase) || answer.GetProperty("isDone").GetBoolean() || phase.GetString() != (stage ? "upgrade" : moment))
            {
                continue;
            }

            if (!stage)
            {
                return true;
            }

            var log = "";
            var next = Task.Run(apply.StandardOutput.ReadLine);
            while (!next.IsCompleted)
            {
                log = log.Length > 0 && File.Exists(log) ? log : Directory.Exists(world.Output) ? Directory.GetFiles(world.Output, "pg_upgrade_internal.log", SearchOption.AllDirectories).FirstOrDefault("") : "";
                try
                {
                    using var file = new FileStream(log.Length > 0 ? log : "/dev/null", FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
                    using var reader = new StreamReader(file);
                    var text = reader.ReadToEnd();
                    if (moment.Split('|').Any(m => text.Contains(m, StringComparison.Ordinal)))
                    {
                        return true;
                    }
                }
                catch (IOException)
                {
                    // It is gone: the upgrade is over, or put back.
                }

                Thread.Sleep(1);
            }

            return false;
        }

        return false;
    }
}
