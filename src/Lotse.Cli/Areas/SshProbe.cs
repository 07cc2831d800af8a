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

    private static int Run(Invocation call) => Hosting.With(call, host => General.Print(call, ProbeReport.Of(Ask(call, host))));

    /// <summary>Asks the host that the arguments name.</summary>
    public static ProbeFacts Ask(Invocation call, Host host)
    {
        if (call.Has("--offline"))
        {
            throw new UsageException("ssh probe opens a connection: --offline excludes it", "lotse ssh predict works from tables");
        }

        var name = call.Arguments[0];
        if (name.StartsWith('-') || name.Length > 255)
        {
            throw new UsageException($"\"{ByteText.Escape(name)}\" is no host");
        }

        string[] files = call.Command.Name == "ssh probe" ? [.. call.All("--key"), .. call.Arguments.Skip(1)] : [];

        // ssh -G knows what the name means in the configuration; who says everything himself spares it.
        var spared = call.Has("--user") && call.Has("--port") && files.Length > 0 && System.Net.IPAddress.TryParse(name, out _);
        var settings = spared ? null : SshSettings.Read(host, name, call["--config"]) is { Ok: true, Value: var read } ? read : null;
        var port = call.Number("--port") ?? (int.TryParse(settings?["port"], NumberStyles.None, CultureInfo.InvariantCulture, out var configured) ? configured : 22);
        var user = call["--user"] ?? settings?["user"] ?? "";
        var target = settings?["hostname"] ?? name;
        var keys = new List<(string, PublicKey)>();
        foreach (var file in files)
        {
            keys.Add((file, PublicKey.Parse(ByteText.Decode(Hosting.ReadInput(host, file)).Split('\n')[0]) ?? throw new NotKnownException($"{ByteText.Escape(file)} is not a public key", "a file that ends in .pub, as ssh-keygen writes it")));
        }

        if (files.Length == 0)
        {
            foreach (var identity in settings?.Identities ?? [])
            {
                var path = identity.StartsWith("~/", StringComparison.Ordinal) ? (Environment.GetEnvironmentVariable("HOME") ?? "/root") + identity[1..] : identity;
                if (host.ReadFile(path + ".pub", 1 << 16) is { Ok: true, Value: var bytes } && PublicKey.Parse(ByteText.Decode(bytes).Split('\n')[0]) is { } key)
                {
                    keys.Add((path + ".pub", key));
                }
            }
        }

        var patience = TimeSpan.FromSeconds(double.Parse(call["--timeout"] ?? "10", CultureInfo.InvariantCulture));
        var asked = host.Ask($"ssh/probe {target} {port} {user} {string.Join(' ', keys.Select(k => k.Item2.Fingerprint))}", () => ProbeJson.Default.ProbeFacts,
            () => new(ServerProbe.Ask(target, port, user, keys, call.Number("--budget") ?? ServerProbe.DefaultBudget, patience), null));
        return asked.Ok ? asked.Value : throw new NotKnownException(asked.Error!.Message);
    }
}
