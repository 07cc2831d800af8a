using System.Globalization;
using System.Text;
using Xunit;

namespace Lotse.LabTests;

/// <summary>Plans on thirty ssh_config files as people have them: for the host it is for, ssh shows the new value; for twenty others, what it showed before, byte for byte; undo brings the file back.</summary>
public sealed class SshConfigEditTests : IDisposable
{
    private const string Target = "box";
    private readonly SshLab lab = new();

    public void Dispose() => lab.Dispose();

    /// <summary>Names: those in the files, those that patterns fit, and some that nothing fits.</summary>
    private static readonly string[] Others =
    [
        "web", "db", "mail", "other.example", "a.example", "b.example", "box2", "boxer", "xbox", "box.example", "10.0.0.1", "192.0.2.7", "git", "gw", "included", "late", "nothing", "nobody.invalid", "BOX2", "db-replica",
    ];

    /// <summary>What a file is made of; all of them have the target's own block somewhere, or none.</summary>
    private static readonly string[] Pieces =
    [
        "Host web db\n    User www\n    Port 2200\n",
        "Host *.example !b.example\n    PubkeyAcceptedKeyTypes -ssh-dss\n    User them\n",
        "Host *\n    ServerAliveInterval 20\n    HostKeyAlgorithms -ssh-rsa\n",
        "Host box\n    HostName 192.0.2.7\n    User root\n",
        "Host box*\n    Compression yes\n    PubkeyAcceptedKeyTypes +ssh-dss\n",
        "Match host mail,db user www\n    ForwardAgent no\n    Port 26\n",
        "Match host box exec \"true\"\n    LogLevel ERROR\n",
        "Match all\n    TCPKeepAlive yes\n",
        "Match originalhost late\n    User night\n",
        "# a comment\n\n   # another, indented\n",
        "Include INCLUDED\n",
        "host=gw\n\thostname = 10.0.0.1\n  PORT=222\n",
        "Host \"git\" box2\n    IdentityFile \"~/.ssh/my key\"\n    IdentitiesOnly yes\n",
        "ConnectTimeout 7\nSendEnv LANG\n",
    ];

    public static TheoryData<int> Files() => [.. Enumerable.Range(0, 30)];

    [Theory]
    [MemberData(nameof(Files))]
    public void Changes_one_host_and_no_other(int number)
    {
        var random = new Random(number);
        File.WriteAllText(lab.At("included"), "Host included\n    User inside\nHost box\n    AddressFamily inet\nHost *\n    NumberOfPasswordPrompts 1\n");
        var text = new StringBuilder();
        foreach (var piece in Enumerable.Range(0, Pieces.Length).OrderBy(_ => random.Next()).Take(random.Next(1, Pieces.Length)))
        {
            text.Append(Pieces[piece].Replace("INCLUDED", lab.At("included"), StringComparison.Ordinal));
        }

        var content = text.ToString();
        content = number % 3 == 0 ? content.Replace("\n", "\r\n", StringComparison.Ordinal) : content;
        content = number % 4 == 0 ? content.TrimEnd('\r', '\n') : content;
        content = number == 29 ? "" : content;
        var real = number % 5 == 0 ? lab.At("dotfiles-config") : lab.Config;
        File.WriteAllText(real, content);
        File.SetUnixFileMode(real, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        if (real != lab.Config)
        {
            File.CreateSymbolicLink(lab.Config, real);
        }

        var before = Others.ToDictionary(o => o, Settings);
        var target = Settings(Target);
        var plan = lab.At("plan.json");
        var planned = Lab.RunLotse("ssh", "plan", Target, "--server", "dropbear:2018.76", "--key", "rsa2048", "--config", lab.Config, "-o", plan);
        Assert.True(planned.ExitCode == 0, planned.Text + planned.ErrorText + content);
        var applied = Lab.RunLotse("apply", plan);
        Assert.True(applied.ExitCode == 0, applied.Text + applied.ErrorText + content);
        foreach (var (name, settings) in before)
        {
            Assert.Equal(settings, Settings(name));
        }

        string[] gone = [.. target.Split('\n').Except(Settings(Target).Split('\n'))], come = [.. Settings(Target).Split('\n').Except(target.Split('\n'))];
        Assert.Equal("pubkeyacceptedalgorithms", Assert.Single(gone).Split(' ')[0]);
        Assert.Contains("ssh-rsa", Assert.Single(come).Split(' ')[1].Split(','));
        Assert.Equal(real != lab.Config, new FileInfo(lab.Config).LinkTarget is not null);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(real));
        Assert.Equal(content.Contains('\r', StringComparison.Ordinal), File.ReadAllText(real).Contains('\r', StringComparison.Ordinal));
        var undone = Lab.RunLotse("undo");
        Assert.True(undone.ExitCode == 0, undone.ErrorText);
        Assert.Equal(content, File.ReadAllText(real));
        Assert.Equal(target, Settings(Target));
    }

    private string Settings(string host)
    {
        var ran = Lab.Run(SshLab.Soon, "ssh", "-F", lab.Config, "-G", host);
        Assert.True(ran.ExitCode == 0, string.Create(CultureInfo.InvariantCulture, $"{host}: {ran.ErrorText}"));
        return ran.Text;
    }
}
