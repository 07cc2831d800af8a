using System.Diagnostics;
using System.Text;
using Lotse.Hosts;
using Xunit;

namespace Lotse.Tests.Hosts;

/// <summary>Programs of this machine, run by LocalHost: what they print, how they end, and which file a name stands for.</summary>
public sealed class ProgramTests : IDisposable
{
    private static readonly TimeSpan Time = TimeSpan.FromSeconds(20);
    private readonly LocalHost host = new();
    private readonly string folder = Directory.CreateTempSubdirectory("lotse-program-").FullName;

    public void Dispose()
    {
        host.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Theory]
    [InlineData("printf out; printf err >&2", 0, "out", "err")]
    [InlineData("exit 7", 7, "", "")]
    [InlineData("kill -TERM $$", 143, "", "")]
    [InlineData("echo $LC_ALL", 0, "C\n", "")]
    [InlineData("cat", 0, "the input", "")]
    [InlineData("exec >&- 2>&-; sleep 0.2; exit 3", 3, "", "")]
    [InlineData("kill -PIPE $$", 141, "", "")]
    public void What_it_prints_and_how_it_ends(string script, int code, string output, string errors)
    {
        var ran = host.Run(["sh", "-c", script], Time, "the input"u8.ToArray());
        Assert.True(ran.Ok, ran.Error?.Message.ToString());
        Assert.Equal((code, output, errors), (ran.Value.ExitCode, Encoding.UTF8.GetString(ran.Value.Output), Encoding.UTF8.GetString(ran.Value.Errors)));
    }

    [Fact]
    public void Words_arrive_as_they_are()
    {
        string[] words = ["$(touch x)", "a b", "", "ü\n", "--", "'\"\\"];
        var ran = host.Run(["printf", "%s|", .. words], Time);
        Assert.Equal(string.Concat(words.Select(w => w + "|")), Encoding.UTF8.GetString(ran.Value.Output));
    }

    [Fact]
    public void Much_goes_in_and_out_at_once()
    {
        var input = new byte[5 << 20];
        Random.Shared.NextBytes(input);
        var ran = host.Run(["tee", "/dev/stderr"], Time, input);
        Assert.Equal(input, ran.Value.Output);
        Assert.Equal(input, ran.Value.Errors);
    }

    [Fact]
    public void One_that_does_not_read_its_input_is_no_failure()
    {
        var ran = host.Run(["true"], Time, new byte[1 << 20]);
        Assert.Equal(0, ran.Value.ExitCode);
    }

    [Fact]
    public void After_its_time_it_is_ended_with_all_that_it_started()
    {
        var watch = Stopwatch.StartNew();
        var ran = host.Run(["sh", "-c", $"sleep 30 & echo $! >{folder}/pid; sleep 30; true"], TimeSpan.FromSeconds(0.5));
        Assert.Equal(HostErrorKind.TimedOut, ran.Error!.Kind);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(10));
        var child = File.ReadAllText(Path.Combine(folder, "pid")).Trim();
        Assert.True(!Directory.Exists($"/proc/{child}") || File.ReadAllText($"/proc/{child}/stat").Contains(") Z ", StringComparison.Ordinal));
    }

    [Fact]
    public void One_that_never_stops_printing_is_ended() => Assert.Equal(HostErrorKind.TooLarge, host.Run(["yes"], Time).Error!.Kind);

    [Fact]
    public void There_is_none_of_that_name()
    {
        Assert.Equal(HostErrorKind.NotFound, host.Run(["no-program-of-this-name"], Time).Error!.Kind);
        Assert.Equal(HostErrorKind.NotFound, host.Run([folder + "/none"], Time).Error!.Kind);
        Assert.Equal(HostErrorKind.NotFound, host.Run([""], Time).Error!.Kind);
        File.WriteAllText(folder + "/plain", "no program");
        Assert.Equal(HostErrorKind.Denied, host.Run([folder + "/plain"], Time).Error!.Kind);
    }

    /// <summary>A file of the working folder, or of a relative folder of PATH, is never taken for the system's program.</summary>
    [Fact]
    public void The_working_folder_is_not_looked_into()
    {
        var program = Path.Combine(folder, "getent");
        File.WriteAllText(program, "#!/bin/sh\necho 192.0.2.66 STREAM mine\n");
        File.SetUnixFileMode(program, (UnixFileMode)0b111_101_101);
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "lotse"), ["addr", "why", "localhost"]) { WorkingDirectory = folder, RedirectStandardOutput = true };
        start.Environment["PATH"] = $".::../{Path.GetFileName(folder)}:/usr/bin:/bin";
        using var process = Process.Start(start)!;
        var text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.DoesNotContain("192.0.2.66", text, StringComparison.Ordinal);
        Assert.True(text.Contains("127.0.0.1", StringComparison.Ordinal) || text.Contains("::1", StringComparison.Ordinal), text);
    }
}
