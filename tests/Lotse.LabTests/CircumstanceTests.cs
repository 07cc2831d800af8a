using System.Text.RegularExpressions;
using Xunit;

namespace Lotse.LabTests;

/// <summary>The program that is shipped, where little is there or something is odd.</summary>
public sealed class CircumstanceTests : IDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);
    private readonly string folder = Directory.CreateTempSubdirectory("lotse-odd-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void It_runs_in_an_empty_root()
    {
        Lab.NeedsRoot();
        File.Copy(Lab.Lotse, Path.Combine(folder, "lotse"));
        Assert.Equal(0, Lab.Run(Soon, "chroot", folder, "/lotse", "--version").ExitCode);
        Assert.Contains("swap/thrashing", Lab.Run(Soon, "chroot", folder, "/lotse", "explain").Text, StringComparison.Ordinal);
        var swap = Lab.Run(Soon, "chroot", folder, "/lotse", "swap");
        Assert.Equal((3, "lotse: cannot read /proc/meminfo: no such file or directory\n\nhint: mount -t proc proc /proc\n"), (swap.ExitCode, swap.ErrorText));
        Assert.Equal(3, Lab.Run(Soon, "chroot", folder, "/lotse", "doctor").ExitCode);
    }

    [Fact]
    public void Signatures_are_verified_where_no_library_of_the_system_is()
    {
        Lab.NeedsRoot();
        File.Copy(Lab.Lotse, Path.Combine(folder, "lotse"));
        foreach (var name in new[] { "rfc8463.eml", "rfc8463.zone" })
        {
            File.Copy(Path.Combine(Lab.Checkout(), "tests", "data", "mail", "messages", name), Path.Combine(folder, name));
        }

        Assert.Contains("DKIM pass, pass", Lab.Run(Soon, "chroot", folder, "/lotse", "mail", "why", "/rfc8463.eml", "--zone", "/rfc8463.zone").Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(">/dev/full", 3)]
    [InlineData("| :", 0)]
    [InlineData(">&-", 3)]
    public void Lost_output_is_told_and_a_reader_that_has_gone_is_not(string redirection, int code)
    {
        Lab.NeedsRoot();
        var ran = Lab.Run(Soon, "bash", "-c", $"\"$0\" man {redirection}; echo ${{PIPESTATUS[0]}} >&2", Lab.Lotse);
        var lines = ran.ErrorText.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal($"{code}", lines[^1]);
        Assert.Equal(code == 0 ? 1 : 2, lines.Length);
        Assert.DoesNotContain("Exception", ran.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void On_a_terminal_only_bold_is_sent_and_nothing_when_not_wanted()
    {
        Lab.NeedsRoot();
        Lab.Needs("script");
        string Escapes(Dictionary<string, string?> environment) =>
            string.Concat(Regex.Matches(Lab.RunWith(Soon, environment, "script", "-qec", $"{Lab.Lotse} --help", "/dev/null").Text, "\e[^a-zA-Z]*[a-zA-Z]").Select(m => m.Value).Distinct().Order(StringComparer.Ordinal));
        Assert.Equal("\e[0m\e[1m", Escapes(new() { ["TERM"] = "xterm", ["NO_COLOR"] = null }));
        Assert.Equal("", Escapes(new() { ["TERM"] = "xterm", ["NO_COLOR"] = "1" }));
        Assert.Equal("", Escapes(new() { ["TERM"] = "dumb", ["NO_COLOR"] = null }));
    }

    [Fact]
    public void Language_and_rights_change_nothing()
    {
        Lab.NeedsRoot();
        Lab.Needs("setpriv");
        var facts = Path.Combine(Lab.Checkout(), "tests", "data", "demo", "server.host");
        var plain = Lab.RunLotse("swap", "--facts", facts);
        Assert.Equal(plain.Text, Lab.RunWith(Soon, new() { ["LANG"] = "de_DE.UTF-8", ["LC_ALL"] = "de_DE.UTF-8" }, Lab.Lotse, "swap", "--facts", facts).Text);
        File.Copy(facts, Path.Combine(folder, "facts"));
        File.Copy(Lab.Lotse, Path.Combine(folder, "lotse"));
        File.SetUnixFileMode(folder, (UnixFileMode)0b111_101_101);
        Assert.Equal(plain.Text, Lab.Run(Soon, "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "env", "-i", Path.Combine(folder, "lotse"), "swap", "--facts", Path.Combine(folder, "facts")).Text);
    }

    [Fact]
    public void Nothing_in_a_folder_leads_out_of_it()
    {
        Lab.NeedsRoot();
        Directory.CreateDirectory(Path.Combine(folder, "proc"));
        File.CreateSymbolicLink(Path.Combine(folder, "proc", "meminfo"), "/../../../../proc/meminfo");
        var ran = Lab.RunLotse("swap", "--root", folder);
        Assert.Equal(3, ran.ExitCode);
    }

    [Fact]
    public void Looking_at_this_machine_sends_nothing_and_starts_nothing()
    {
        Lab.NeedsRoot();
        Lab.Needs("strace");
        foreach (var command in new[] { "doctor", "swap why --interval 0.1", "swap --full", "swap --by unit" })
        {
            var trace = Path.Combine(folder, "trace");
            Lab.Run(Soon, ["strace", "-f", "-o", trace, "-e", "trace=execve,socket,connect,sendto,sendmsg,sendmmsg", Lab.Lotse, .. command.Split(' ')]);
            var calls = File.ReadAllText(trace);

            // The kernel itself is asked about addresses and routes: by netlink, and by connect(2) of a datagram socket, which sends nothing.
            Assert.DoesNotMatch("socket\\((?!AF_NETLINK|AF_INET6?, SOCK_DGRAM)", calls);
            Assert.DoesNotMatch("send(to|msg|mmsg)\\((?!.*AF_NETLINK)", calls);
            Assert.Single(Regex.Matches(calls, @"execve\("));
        }
    }
}
