using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Xunit;

namespace Lotse.LabTests;

/// <summary>lotse swap against a population whose truth is known.</summary>
public class SwapTests(SwapPopulation population) : IClassFixture<SwapPopulation>
{
    [Theory]
    [InlineData("proc")]
    [InlineData("bpf")]
    [InlineData("auto")]
    public void Every_row_is_exact(string backend)
    {
        population.Needed();
        var ran = Lab.RunLotse("swap", "--all", "--tsv", "--backend", backend);
        Assert.Equal((0, ""), (ran.ExitCode, ran.ErrorText));
        var rows = Rows(ran.Text);
        Assert.All(population.Expected, e => Assert.Equal(e.Value, rows.GetValueOrDefault(e.Key, -1)));

        // Shared memory and what was read back are no process's private swap.
        Assert.All(population.Pids.Where(p => p.Key is "memfd" or "shared" or "segment" or "readback").SelectMany(p => p.Value), pid => Assert.Equal(0, rows[pid]));
        Assert.All(population.Pids["leaked"].Concat(population.Pids["tmpfs"]), pid => Assert.False(rows.ContainsKey(pid)));
    }

    [Fact]
    public void Both_backends_give_the_same_rows()
    {
        population.Needed();
        Assert.Equal(Lab.RunLotse("swap", "--tsv", "--backend", "proc").Text, Lab.RunLotse("swap", "--tsv", "--backend", "bpf").Text);
    }

    [Theory]
    [InlineData("--full")]
    [InlineData("--all")]
    public void Names_come_back_byte_for_byte(string view)
    {
        population.Needed();
        var rows = Json("swap", view).GetProperty("processes").EnumerateArray().ToDictionary(p => p.GetProperty("pid").GetInt32());
        Assert.All(population.Expected.Keys, pid =>
        {
            var comm = File.ReadAllBytes($"/proc/{pid}/comm")[..^1];
            Assert.Equal(comm, Convert.FromBase64String(rows[pid].GetProperty("name_bytes_base64").GetString()!));
        });
        Assert.All(SwapPopulation.Names, name => Assert.Contains(rows.Values, r => Convert.FromBase64String(r.GetProperty("name_bytes_base64").GetString()!).SequenceEqual(name.AsSpan(0, Math.Min(15, name.Length)))));
    }

    [Theory]
    [InlineData("swap", "--all")]
    [InlineData("swap", "--all", "--tsv")]
    [InlineData("swap", "--full")]
    [InlineData("swap", "--by", "name")]
    [InlineData("swap", "--all", "--json")]
    [InlineData("swap", "why", "x\nVmSwap:\t9 kB", "--interval", "0.1")]
    public void Nothing_a_process_calls_itself_controls_the_terminal(params string[] arguments)
    {
        population.Needed();
        var ran = Lab.RunLotse(arguments);
        var text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(ran.Output) + ran.ErrorText;
        Assert.NotEmpty(text);
        Assert.DoesNotMatch(@"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", text);
    }

    [Fact]
    public void The_account_closes()
    {
        population.Needed();
        var before = Json("swap", "--full");
        long Kib(string part) => before.GetProperty(part + "_kib").GetInt64();
        Assert.Equal(SwapPopulation.Used(), Kib("used"));
        Assert.Equal(Kib("used"), Kib("private") + Kib("shared_memory") + Kib("swap_cache") + Kib("reserved") + Kib("unexplained"));
        Assert.Equal(0, Kib("unexplained"));
        Assert.Equal(0, before.GetProperty("unreadable").GetInt32());

        // An older kernel reserves slots for its CPUs; this one's own number says how many were used before. The rest of the
        // machine may have swapped a page of its own in between; nothing of the population may be missing.
        var others = Kib("used") - population.UsedBefore - (population.PrivateKib + population.SharedKib + population.CacheKib);
        Assert.InRange(others, 0, 2048);
        Assert.True(Kib("private") >= population.PrivateKib);
        Assert.True(Kib("shared_memory") >= population.SharedKib);
        Assert.True(Kib("swap_cache") >= population.CacheKib);
        if (population.UsedBefore + others == 0)
        {
            Assert.Equal((population.PrivateKib, population.SharedKib, population.CacheKib), (Kib("private"), Kib("shared_memory"), Kib("swap_cache")));
        }
    }

    [Fact]
    public void Shared_memory_is_named_with_its_owner()
    {
        population.Needed();
        var shared = Json("swap", "--full").GetProperty("shared").EnumerateArray().ToArray();
        void Held(string kind, string name, long kib, string owner) =>
            Assert.Contains(shared, s => s.GetProperty("kind").GetString() == kind && s.GetProperty("path_or_id").GetString() == name && s.GetProperty("swap_kib").GetInt64() == kib
                && s.GetProperty("owners").EnumerateArray().Any(o => o.GetString()!.Contains(owner, StringComparison.Ordinal)));
        Held("memfd", "/memfd:lab-memfd", 2560, $"memfd ({population.Pids["memfd"][0]})");
        Held("shared-anonymous", "/dev/zero", 2816, $"shared ({population.Pids["shared"][0]})");
        Held("sysv", $"{population.Segments[0]}", 3072, $"segment ({population.Pids["segment"][0]})");
        Held("sysv", $"{population.Segments[1]}", 3328, "nobody attached");
        Held("tmpfs", Path.Combine(population.Tmpfs, "left behind"), 3584, "root");
    }

    [Fact]
    public void What_an_end_would_free_is_told()
    {
        population.Needed();
        var rows = Json("swap", "--full").GetProperty("processes").EnumerateArray().ToDictionary(p => p.GetProperty("pid").GetInt32(), p => p.GetProperty("only_mine_kib").GetInt64());
        Assert.All(population.Pids["private"].Concat(population.Pids["threads"]).Concat(population.Pids["ended"]), pid => Assert.Equal(population.Expected[pid], rows[pid]));
        Assert.All(population.Pids["fork"].Concat(population.Pids["twin"]), pid => Assert.Equal(0, rows[pid]));

        // The forked four together hold what SwapPss of the kernel adds up to.
        var ran = Lab.RunLotse("swap", "why", "forked", "--interval", "0.1", "--json");
        var answer = JsonDocument.Parse(ran.Output).RootElement.GetProperty("answer");
        Assert.Equal((4 * 2048, 2048), (answer.GetProperty("swap_kib").GetInt64(), answer.GetProperty("ending_frees_kib").GetInt64()));
    }

    [Fact]
    public void Every_run_is_whole_while_processes_come_and_go()
    {
        population.Needed();
        using var churn = Process.Start(new ProcessStartInfo("sh", ["-c", "while :; do /bin/true; /bin/true & done 2>/dev/null"]))!;
        try
        {
            for (var run = 0; run < 100; run++)
            {
                var ran = Lab.RunLotse("swap", "--tsv", "--backend", run % 2 == 0 ? "proc" : "bpf");
                Assert.Equal(0, ran.ExitCode);
                var rows = Rows(ran.Text);
                Assert.All(population.Expected, e => Assert.Equal(e.Value, rows.GetValueOrDefault(e.Key, -1)));
            }
        }
        finally
        {
            churn.Kill(entireProcessTree: true);
            churn.WaitForExit();
        }
    }

    [Theory]
    [InlineData("proc")]
    [InlineData("bpf")]
    public void The_scan_touches_no_memory_of_others_and_no_network(string backend)
    {
        population.Needed();
        Lab.Needs("strace");
        using var trace = new TemporaryFile();
        var ran = Lab.Run(TimeSpan.FromSeconds(60), "strace", "-f", "-o", trace.Path, "-e", "trace=openat,open,openat2,execve,socket,connect", Lab.Lotse, "swap", "--backend", backend);
        Assert.Equal(0, ran.ExitCode);
        var calls = File.ReadAllText(trace.Path);
        Assert.DoesNotMatch("\"[^\"]*/(cmdline|environ|smaps|smaps_rollup|pagemap|maps)\"", Regex.Replace(calls, "\"/proc/self/[a-z]+\"", "\"\""));
        Assert.DoesNotMatch(@"AF_INET|AF_NETLINK", calls);
        Assert.Single(Regex.Matches(calls, @"execve\("));
        Assert.Contains(backend == "proc" ? "/status\"" : "/sys/kernel/btf/vmlinux", calls, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_rights_it_counts_what_it_could_not_read()
    {
        population.Needed();
        Lab.Needs("unshare", "setpriv");

        // 1: other users' processes are listed and refused; 2: they are not even listed.
        foreach (var (hidepid, message) in new[] { ("1", "processes could not be read"), ("2", "are not listed") })
        {
            var ran = Lab.Run(TimeSpan.FromSeconds(60), "unshare", "-m", "sh", "-c", "mount -t proc -o hidepid=$0 proc /proc && exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$1\" swap --all --tsv", hidepid, Lab.Lotse);
            Assert.Equal(3, ran.ExitCode);
            Assert.Contains(message, ran.ErrorText, StringComparison.Ordinal);
            Assert.All(population.Expected.Keys, pid => Assert.False(Rows(ran.Text).ContainsKey(pid)));
        }

        // Without hidepid everything is world readable.
        var all = Lab.Run(TimeSpan.FromSeconds(60), "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", Lab.Lotse, "swap", "--tsv");
        Assert.Equal(0, all.ExitCode);
        Assert.All(population.Expected, e => Assert.Equal(e.Value, Rows(all.Text).GetValueOrDefault(e.Key, -1)));
        var full = Lab.Run(TimeSpan.FromSeconds(60), "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", Lab.Lotse, "swap", "--full");
        Assert.Equal(3, full.ExitCode);
        Assert.Contains("only root", full.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void In_a_pid_namespace_the_numbers_are_the_namespaces_own()
    {
        population.Needed();
        Lab.Needs("unshare");
        var ran = Lab.Run(TimeSpan.FromSeconds(60), "unshare", "-pf", "--mount-proc", Lab.Lotse, "swap", "--all", "--tsv", "--backend", "bpf");
        Assert.Equal(0, ran.ExitCode);
        Assert.Contains("PID namespace", ran.ErrorText, StringComparison.Ordinal);
        Assert.Equal([1], Rows(ran.Text).Keys);
        var full = Lab.Run(TimeSpan.FromSeconds(60), "unshare", "-pf", "--mount-proc", Lab.Lotse, "swap", "--full");
        Assert.Equal(3, full.ExitCode);
        Assert.Contains("not visible from this PID namespace", full.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Units_add_up_to_what_is_used()
    {
        population.Needed();
        var answer = Json("swap", "--by", "unit");
        Assert.Equal(answer.GetProperty("used_kib").GetInt64(), answer.GetProperty("sums").EnumerateArray().Sum(s => s.GetProperty("swap_kib").GetInt64()));
    }

    [Fact]
    public void The_limit_of_a_version_1_group_is_named_when_it_pushed_pages_out()
    {
        population.Needed();
        if (!Directory.Exists("/sys/fs/cgroup/memory"))
        {
            Assert.Skip("the memory controller is not on version 1 here");
        }

        var group = Directory.CreateDirectory("/sys/fs/cgroup/memory/lotse-lab").FullName;
        try
        {
            File.WriteAllText(Path.Combine(group, "memory.limit_in_bytes"), $"{8 << 20}");
            using var load = population.StartIn(Path.Combine(group, "cgroup.procs"), 16 << 10);
            try
            {
                var failures = long.Parse(File.ReadAllText(Path.Combine(group, "memory.failcnt")));
                Assert.True(failures > 0);
                var said = Lab.RunLotse("swap", "why", "/lotse-lab", "--interval", "0.2").Text;
                Assert.Contains($"the limit 8.0 MiB of /lotse-lab was hit {failures} times", said, StringComparison.Ordinal);
                Assert.Contains("it only holds swap", said, StringComparison.Ordinal);
            }
            finally
            {
                load.Kill();
                load.WaitForExit();
            }
        }
        finally
        {
            for (var i = 0; i < 20 && Directory.Exists(group); i++)
            {
                Lab.Run(TimeSpan.FromSeconds(5), "rmdir", group);
                Thread.Sleep(100);
            }
        }
    }

    [Fact]
    public void A_recording_says_what_the_machine_said()
    {
        population.Needed();
        using var place = new TemporaryFile();
        var recording = place.Path + ".host";
        var first = Lab.RunLotse("swap", "why", "--interval", "0.2", "--record", recording);
        Assert.Equal(first.Text, Lab.RunLotse("swap", "why", "--interval", "0.2", "--facts", recording).Text);
        Assert.Equal((UnixFileMode)0b110_000_000, File.GetUnixFileMode(recording));
        Assert.Equal(3, Lab.RunLotse("swap", "why", "--interval", "0.2", "--record", recording).ExitCode);
        File.Delete(recording);
    }

    [Fact]
    public void A_snapshot_shows_what_changed_since()
    {
        population.Needed();
        using var folder = new TemporaryFile();
        var file = folder.Path + ".json";
        Assert.Equal(0, Lab.RunLotse("swap", "--save", file).ExitCode);
        Assert.Equal(3, Lab.RunLotse("swap", "--save", file).ExitCode);

        // A new process is new even where its pid was another's before.
        var snapshot = File.ReadAllText(file);
        var pid = population.Pids["threads"][0];
        var ticks = Regex.Match(snapshot, $"\"pid\": {pid},.*?\"start_ticks\": ([0-9]+)", RegexOptions.Singleline).Groups[1].Value;
        File.WriteAllText(file, snapshot.Replace($"\"start_ticks\": {ticks}", "\"start_ticks\": 1", StringComparison.Ordinal));
        var changes = JsonDocument.Parse(Lab.RunLotse("swap", "--since", file, "--json").Output).RootElement.GetProperty("answer").GetProperty("changes").EnumerateArray().ToArray();
        Assert.Contains(changes, c => c.GetProperty("pid").GetInt32() == pid && c.GetProperty("now_kib").ValueKind == JsonValueKind.Null && c.GetProperty("before_kib").GetInt64() == 1280);
        Assert.Contains(changes, c => c.GetProperty("pid").GetInt32() == pid && c.GetProperty("before_kib").ValueKind == JsonValueKind.Null);
        File.Delete(file);
    }

    [Fact]
    public async Task The_live_view_comes_and_goes_without_a_trace()
    {
        population.Needed();
        Lab.Needs("script");
        using var marks = new TemporaryFile();
        using var session = new TemporaryFile();
        var stop = TestContext.Current.CancellationToken;
        await File.WriteAllTextAsync(session.Path, $"stty -g >{marks.Path}\n{Lab.Lotse} swap --watch=0.5\nstty -g >>{marks.Path}\n", stop);
        var start = new ProcessStartInfo("script", ["-qec", $"sh {session.Path}", "/dev/null"]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        start.Environment["TERM"] = "xterm";
        using var process = Process.Start(start)!;
        var reading = process.StandardOutput.ReadToEndAsync(stop);

        // Sorted by name after a while, then quit.
        foreach (var key in "nq")
        {
            await Task.Delay(1200, stop);
            await process.StandardInput.WriteAsync(key);
            await process.StandardInput.FlushAsync(stop);
        }

        await process.WaitForExitAsync(stop);
        var screen = await reading;
        Assert.Contains("\e[?1049h", screen, StringComparison.Ordinal);
        Assert.Contains("VmSwap: 77 kB", screen, StringComparison.Ordinal);
        Assert.Contains(@"\x1b]0;pwn\x07", screen, StringComparison.Ordinal);
        Assert.DoesNotContain("\e]0;", screen, StringComparison.Ordinal);
        Assert.EndsWith("\e[?7h\e[?25h\e[?1049l", screen.TrimEnd(), StringComparison.Ordinal);
        var settings = await File.ReadAllLinesAsync(marks.Path, stop);
        Assert.Equal(2, settings.Length);
        Assert.Equal(settings[0], settings[1]);
    }

    private static Dictionary<int, long> Rows(string tsv) =>
        tsv.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split('\t', 3)).ToDictionary(f => int.Parse(f[1]), f => long.Parse(f[0]));

    private static JsonElement Json(params string[] arguments) =>
        JsonDocument.Parse(Lab.RunLotse([.. arguments, "--json"]).Output).RootElement.GetProperty("answer");
}
