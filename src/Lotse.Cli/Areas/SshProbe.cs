using System.Globalization;
using Lotse.Ssh;
using Lotse.Ssh.Transport;

namespace Lotse.Cli.Areas;

/// <summary><c>lotse ssh probe</c>: asks a server, without a private key.</summary>
internal static class SshProbe
{
    public static readonly Command Command = new("ssh probe", "what a server offers, and which of my public keys it would take", Run)
    {
        Description = "One connection, no private key: the question of RFC 4252 without a signature. Refused questions count as failed logins on the server, so there is a budget; sshd 9.8 and later shuts an address out that fails too often (PerSourcePenalties): do not run it in a loop.",
        Arguments = [new("HOST", "a name of ssh_config, a host or an address", Required: true), new("KEY.pub", "more public keys", Many: true, Takes: Takes.File)],
        Options =
        [
            new("--port", Takes.Number, "N", "the port") { Default = "as ssh -G says" },
            new("--user", Takes.Text, "USER", "the user") { Default = "as ssh -G says" },
            new("--key", Takes.File, "KEY.pub", "a public key; again for more") { Repeats = true, Default = "those that ssh -G names" },
            new("--budget", Takes.Number, "N", "the most refused questions") { Default = "4" },
            new("--timeout", Takes.Seconds, "S", "for all of it") { Default = "10" },
        ],
        Examples =
        [
            new("would the initrd let me in", "ssh probe box.example --user root"),
            new("one key, another port", "ssh probe 192.0.2.7 --port 2222 --user root --key ~/.ssh/id_ecdsa.pub"),
        ],
    };

    private static int Run(Invocation call) => Hosting.With(call, host =>
    {
        SayCommands(call, host);
        var (_, facts) = Ask(call, host, given: [.. call.All("--key"), .. call.Arguments.Skip(1)]);
        return General.Print(call, ProbeReport.Of(facts));
    });

    /// <summary>The name of a host, before anything is done with it.</summary>
    /// <exception cref="UsageException">It cannot be one.</exception>
    public static string Name(Invocation call)
    {
        var name = call.Arguments[0];
        return name.Length is > 0 and < 256 && name[0] != '-' ? name : throw new UsageException($"\"{ByteText.Escape(name)}\" is no host");
    }

    /// <summary>--port; null: it was not given.</summary>
    /// <exception cref="UsageException">It is none.</exception>
    public static int? Port(Invocation call) => call.Number("--port") is not { } port ? null
        : port is > 0 and <= ushort.MaxValue ? port : throw new UsageException($"--port {port.ToString(CultureInfo.InvariantCulture)} is no port", $"a number from 1 to {ushort.MaxValue.ToString(CultureInfo.InvariantCulture)}");

    /// <summary>Refuses a client that is older than all that are known: what it would do is not in the tables.</summary>
    public static void NeedsTable(SshVersion client)
    {
        if (client < ClientModel.Oldest)
        {
            throw new NotKnownException($"OpenSSH {client} is older than the tables of clients, which begin with {ClientModel.Oldest}", "ssh -v with that client, and lotse ssh why with its log");
        }
    }

    /// <summary>The user's home, where ssh looks for its files.</summary>
    public static string Home => Environment.GetEnvironmentVariable("HOME") is ['/', ..] home ? home : "/root";

    /// <summary>Asks the host that the first argument names, and keeps the answer for <c>ssh audit</c>.</summary>
    /// <param name="call">The command line.</param>
    /// <param name="host">The client's machine.</param>
    /// <param name="given">Files of public keys; empty: those that ssh would try.</param>
    /// <param name="config">Another ssh_config.</param>
    public static (SshTarget Target, ProbeFacts Facts) Ask(Invocation call, Host host, string[] given, string? config = null)
    {
        if (call.Has("--offline"))
        {
            throw new UsageException($"{call.Command.Name} opens a connection: --offline excludes it", "lotse ssh predict works from tables");
        }

        var name = Name(call);
        SshIdentity[] keys = [.. given.Select(f => new SshIdentity(f.EndsWith(".pub", StringComparison.Ordinal) ? f[..^4] : f, f, PublicKey.Parse(ByteText.Decode(Hosting.ReadInput(host, f)).Split('\n')[0]) ?? throw new NotKnownException($"{ByteText.Escape(f)} is not a public key", "a file that ends in .pub, as ssh-keygen writes it"), null))];

        // ssh -G knows what the name means in the configuration; who says everything himself spares it.
        var spared = call.Has("--user") && call.Has("--port") && keys.Length > 0 && System.Net.IPAddress.TryParse(name, out _);
        var settings = spared ? null : SshSettings.Read(host, name, config) is { Ok: true, Value: var read } ? read : null;
        return Ask(call, host, SshTarget.Of(host, name, Home, settings, Port(call), call["--user"], keys));
    }

    /// <summary>The file of --config; null: the user's own and the system's.</summary>
    public static string? Config(Invocation call) => call["--config"] is { } given ? Path.GetFullPath(given) : null;

    /// <summary>ssh tells what a name means, and to do so runs the commands of Match exec, as at every login: nothing is run here that was not told before.</summary>
    public static void SayCommands(Invocation call, Host host)
    {
        foreach (var option in SshConfigFiles.Commands(host, Home, Config(call)))
        {
            call.Errors.Line($"lotse: ssh -G runs the command in {ByteText.Escape(option.File)}:{option.Line.ToString(CultureInfo.InvariantCulture)}: Match {ByteText.Escape(option.Value)}");
        }

        call.Errors.Flush();
    }

    /// <summary>Asks, not more often than the server bears, and keeps the answer.</summary>
    public static (SshTarget Target, ProbeFacts Facts) Ask(Invocation call, Host host, SshTarget target)
    {
        var file = host.IsThisMachine ? CachedProbe.File(Cache, $"{target.Address}:{target.Port}", target.User) : null;
        var older = file is null ? null : CachedProbe.Read(host, file);
        if (older?.Wait(host.Now) is { } wait && wait > TimeSpan.Zero)
        {
            call.Errors.Line($"lotse: {ByteText.Escape(target.Address)} was asked a moment ago and counts questions (PerSourcePenalties): waiting {Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture)} seconds");
            call.Errors.Flush();
            host.Wait(wait);
        }

        var asked = target.Ask(host, call.Number("--budget") ?? ServerProbe.DefaultBudget, TimeSpan.FromSeconds(double.Parse(call["--timeout"] ?? "10", CultureInfo.InvariantCulture)));
        if (!asked.Ok)
        {
            throw new NotKnownException(asked.Error!.Message);
        }

        if (file is not null && asked.Value.Kex.Length > 0)
        {
            Keep(file, new CachedProbe(target.Name, host.Now, asked.Value).Over(older));
        }

        return (target, asked.Value);
    }

    /// <summary>The user's cache.</summary>
    public static string Cache => Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is ['/', ..] set ? set.TrimEnd('/') : Home + "/.cache";

    /// <summary>Writes the file anew beside the old one. A cache that cannot be written is none.</summary>
    private static void Keep(string file, CachedProbe probe)
    {
        try
        {
            Directory.CreateDirectory(CachedProbe.Folder(Cache), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            _ = Linux.NewFile.Replace(file, probe.ToBytes(), 0x180, durable: false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The answer is on the screen all the same.
        }
    }
}
