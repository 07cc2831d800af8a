using CsCheck;
using Lotse.Hosts;
using Xunit;

namespace Lotse.Tests;

public class RecordingTests
{
    private static readonly Gen<RecordedAnswer> Answer = Gen.Select(
        OneOf("read", "list", "ask", "link"), Gen.String[Gen.Char.AlphaNumeric, 1, 8], Gen.OneOf(Gen.Byte.Array, OneOf("a\n", "a", "", "\n", "-- x\n", "a\n-- b").Select(s => System.Text.Encoding.UTF8.GetBytes(s))), Gen.Bool,
        (kind, subject, body, refused) => new RecordedAnswer(kind, "/" + subject, body, refused));

    private static Gen<string> OneOf(params string[] choices) => Gen.Int[0, choices.Length - 1].Select(i => choices[i]);

    [Fact]
    public void Any_answers_can_be_written_and_read_back() =>
        Answer.Array.Sample(answers =>
        {
            var (read, error) = Recording.Read(Recording.Write(answers));
            return error is null && read.Count == answers.Length
                && read.Zip(answers).All(p => p.First.Kind == p.Second.Kind && p.First.Subject == p.Second.Subject && p.First.Refused == p.Second.Refused && p.First.Body.SequenceEqual(p.Second.Body));
        });

    [Fact]
    public void Any_bytes_are_read_or_refused() => Gen.Byte.Array.Sample(bytes =>
    {
        Recording.Read([.. "lotse recording 1\n"u8, .. bytes]);
    });

    [Fact]
    public void A_recorded_host_answers_as_the_host_did()
    {
        using var folder = new TemporaryFolder();
        folder.Write("etc/one", "first");
        folder.Write("etc/two", "second\n");
        File.CreateSymbolicLink(Path.Combine(folder.Path, "etc/three"), "one");
        using var recording = new RecordingHost(FolderHost.Open(folder.Path).Value);
        var asked = Ask(recording);
        using var recorded = RecordedHost.Open("test", recording.ToBytes()).Value;
        Assert.Equal(asked, Ask(recorded));
        Assert.Equal(HostErrorKind.Unsupported, recorded.ReadFile("/etc/never-asked").Error!.Kind);
    }

    [Theory]
    [InlineData("-- uptime 10\n", 2.0)]
    [InlineData("-- uptime 10\n-- uptime 10.5\n-- uptime 13.25\n", 3.25)]
    public void Time_passes_as_it_was_recorded_or_else_as_it_is_waited_for(string clock, double seconds)
    {
        using var host = RecordedHost.Open("test", System.Text.Encoding.UTF8.GetBytes("lotse recording 1\n" + clock)).Value;
        var start = host.Uptime;
        if (clock.Length > 20)
        {
            _ = host.Uptime;
        }

        host.Wait(TimeSpan.FromSeconds(2));
        Assert.Equal(seconds, (host.Uptime - start).TotalSeconds);
        Assert.Equal(seconds, (host.Uptime - start).TotalSeconds);
    }

    [Fact]
    public void A_newer_format_is_refused() =>
        Assert.Contains("newer", RecordedHost.Open("x", "lotse recording 2\n"u8).Error!.Message, StringComparison.Ordinal);

    private static string Ask(Host host) => string.Join('|',
        System.Text.Encoding.UTF8.GetString(host.ReadFile("/etc/one").Value),
        System.Text.Encoding.UTF8.GetString(host.ReadFile("/etc/three").Value),
        host.ReadFile("/etc/missing").Error!.Message,
        host.ReadFile("/etc/two", limit: 3).Error!.Message,
        string.Join(',', host.List("/etc").Value),
        host.ReadLink("/etc/three").Value,
        host.Status("/etc/three").Value,
        host.Run(["true"], TimeSpan.FromSeconds(1)).Error!.Kind);
}
