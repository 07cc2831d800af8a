using System.Collections.Concurrent;
using Xunit;

namespace Lotse.LabTests.Changing;

/// <summary>Applying a plan is killed at every system call, and every system call of it fails once.</summary>
public class EveryCallTests
{
    internal const string Calls =
        "openat,openat2,write,pwrite64,ftruncate,fallocate,fsync,fdatasync,rename,renameat,renameat2,link,linkat,symlinkat,unlink,unlinkat,mkdirat,"
        + "fchmod,fchmodat,fchown,fchownat,fsetxattr,fremovexattr,utimensat,flock,close,readlinkat";

    /// <summary>The error that a call fails with.</summary>
    private static string ErrorOf(string call) => call switch
    {
        "write" or "pwrite64" or "fallocate" or "mkdirat" or "symlinkat" => "ENOSPC",
        "fsync" or "fdatasync" or "close" or "ftruncate" or "readlinkat" => "EIO",
        "rename" or "renameat" or "renameat2" or "unlink" or "unlinkat" => "EROFS",
        "openat" or "openat2" => "EMFILE",
        "fsetxattr" or "fremovexattr" => "ENOTSUP",
        "flock" => "ENOLCK",
        _ => "EPERM",
    };

    [Fact]
    public async Task Killed_at_any_call_the_next_start_leaves_all_of_it_or_nothing()
    {
        Lab.NeedsRoot();
        Lab.Needs("strace", "setfacl", "setfattr", "python3");
        var points = PointsOf();
        var (faults, outcomes) = (new ConcurrentBag<string>(), new ConcurrentBag<string>());
        await Parallel.ForAsync(0, 2, TestContext.Current.CancellationToken, (worker, _) =>
        {
            using var world = new ChangeWorld();
            for (var i = worker; i < points.Length; i += 2)
            {
                world.Fresh();
                var before = world.Snapshot();
                world.MakePlan();
                var (call, number) = points[i];
                world.Traced(["-o", "/dev/null", "-e", "trace=" + Calls, "-e", $"inject={call}:signal=KILL:when={number}"], "apply", world.PlanFile);

                // Each file is whole at once, though perhaps not all of the plan is done.
                var killed = world.Look().Replace("+", "", StringComparison.Ordinal);
                var next = world.Lotse("log");
                var after = world.Look();
                outcomes.Add(after);
                if (killed.Contains('X', StringComparison.Ordinal) || next.ExitCode != 0 || after is not ("ooooo" or "nnnnn")
                    || Path.Exists(world.State + "/pending") || (after == "ooooo" && world.Snapshot() != before))
                {
                    faults.Add($"{call} {number}: {killed}, then {after}, exit {next.ExitCode} {next.ErrorText}{(after == "ooooo" ? "\n" + Difference(before, world.Snapshot()) : "")}");
                }
            }

            return ValueTask.CompletedTask;
        });
        Assert.True(faults.IsEmpty, string.Join('\n', faults.Take(20)));

        // Both ends were met, or the points were not where they should be.
        Assert.True(points.Length > 80 && outcomes.Count(o => o == "ooooo") > 40 && outcomes.Contains("nnnnn"), $"{points.Length} points, {outcomes.Count(o => o == "nnnnn")} new");
    }

    [Fact]
    public async Task Any_call_may_fail_and_it_neither_lies_nor_damages()
    {
        Lab.NeedsRoot();
        Lab.Needs("strace", "setfacl", "setfattr", "python3");
        var points = PointsOf();
        var faults = new ConcurrentBag<string>();
        var codes = new ConcurrentBag<int>();
        await Parallel.ForAsync(0, 2, TestContext.Current.CancellationToken, (worker, _) =>
        {
            using var world = new ChangeWorld();
            for (var i = worker; i < points.Length; i += 2)
            {
                world.Fresh();
                world.MakePlan();
                var (call, number) = points[i];
                var ran = world.Traced(["-o", "/dev/null", "-e", "trace=" + Calls, "-e", $"inject={call}:error={ErrorOf(call)}:when={number}"], "apply", world.PlanFile);
                var at = world.Look();
                var next = world.Lotse("log");
                var after = world.Look();
                codes.Add(ran.ExitCode);

                // Told: all as before (at the latest after the next start), or applied in spite of it; never "applied" when it was not,
                // and never in silence where bytes may not have come to the disk.
                var lie = ran.ExitCode == 0 && (at != "nnnnn" || call is "fsync" or "fdatasync");
                var untold = ran.ExitCode is 3 or 4 or 5 && after != "ooooo" && !ran.ErrorText.Contains("cannot write the output", StringComparison.Ordinal);
                var damage = at.Contains('X', StringComparison.Ordinal) || after is not ("ooooo" or "nnnnn") || untold || next.ExitCode != 0;
                if (lie || damage)
                {
                    faults.Add($"{call} {number}={ErrorOf(call)}: exit {ran.ExitCode}, {at}, then {after}, exit {next.ExitCode}: {ran.ErrorText}");
                }
            }

            return ValueTask.CompletedTask;
        });
        Assert.True(faults.IsEmpty, string.Join('\n', faults.Take(20)));
        Assert.True(codes.Count(c => c == 5) > 20, string.Join(' ', codes));
    }

    private static (string Call, int Number)[] PointsOf()
    {
        using var world = new ChangeWorld();
        world.MakePlan();
        return [.. world.Points(Calls)];
    }

    private static string Difference(string before, string after) => string.Join('\n', after.Split('\n').Except(before.Split('\n')).Concat(before.Split('\n').Except(after.Split('\n'))));
}
