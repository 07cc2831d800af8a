using Lotse.Ssh;
using Lotse.Ssh.Transport;

namespace Lotse.Cli.Areas;

/// <summary><c>lotse ssh plan</c> and <c>lotse ssh prove</c>.</summary>
internal static class SshPlanCommand
{
    public static readonly Command Plan = new("ssh plan", "plan the smallest change of ssh_config with which one login works", MakePlan)
    {
        Description = "Asks the server (or takes --server from the tables, while it cannot be reached), and writes one Host block with the narrowest options in the spelling that this client understands, before everything else in the file. Never for Host *, never DSA, never a weaker check of host keys. Changes nothing: lotse apply does, and proves with ssh -G that every other host stays as it was.",
        Arguments = [new("HOST", "a name as one types it behind ssh", Required: true)],
        Options =
        [
            new("--server", Takes.Text, "SERVER", "dropbear:2018.76, openssh:9.2 or a banner, instead of asking"),
            new("--key", Takes.Text, "TYPE", "the key to log in with: rsa2048, ecdsa256, ed25519") { Default = "the one that needs least" },
            new("--config", Takes.File, "FILE", "the ssh_config to change") { Default = "~/.ssh/config" },
            new("--initrd", Takes.Nothing, "", "plan a name of its own, HOST-initrd, for the ssh server that unlocks the disk at boot: both answer at one address with different host keys"),
            new("--initrd-keys", Takes.File, "FILE", "with --initrd: the initrd's public host keys, as dropbearkey -y prints them") { Default = "asked of the host itself, over ssh" },
            Planning.Output,
        ],
        Examples =
        [
            new("let this client into the old initrd", "ssh plan box.example --server dropbear:2018.76 -o plan.json"),
            new("then", "apply plan.json"),
            new("know the initrd and the system behind it apart", "ssh plan box.example --initrd -o plan.json"),
        ],
    };

    public static readonly Command Prove = new("ssh prove", "ask ssh whether a plan has worked", call => Planning.Prove(call, "ssh"))
    {
        Arguments = [Planning.Proved],
        Examples = [new("the newest change", "ssh prove")],
    };

    private static int MakePlan(Invocation call) => Planning.Make(call, "ssh", host =>
    {
        var name = SshProbe.Name(call);
        var file = SshProbe.Config(call);
        SshProbe.SayCommands(call, host);
        var facts = SshPlanFacts.Read(host, name, SshProbe.Home, file);
        if (!facts.Ok)
        {
            throw new NotKnownException(facts.Error!.Message);
        }

        var key = call["--key"] is { } type ? UserKeyType.Parse(type) ?? throw new UsageException($"--key \"{ByteText.Escape(type)}\" is not a type of key", "for example: rsa2048, ecdsa256, ed25519") : null;
        var known = call["--server"] is { } told ? ServerModel.Of(told) ?? throw new UsageException($"no server \"{ByteText.Escape(told)}\" is in the tables", "dropbear:RELEASE, openssh:RELEASE or a banner") : null;
        if (call.Has("--initrd"))
        {
            return OfInitrd(call, host, facts.Value, known);
        }

        if (known is not null)
        {
            return SshPlan.Decide(facts.Value, known, key);
        }

        var asked = Asked(call, host);
        return SshPlan.Decide(facts.Value, ServerModel.Probed(asked), key, asked);
    });

    private static Decision OfInitrd(Invocation call, Host host, SshPlanFacts facts, ServerModel? known)
    {
        var initrd = call["--initrd-keys"] is { } file ? new InitrdServer(InitrdServer.OfText(ByteText.Decode(Hosting.ReadInput(host, file))), null, ByteText.Escape(file))
            : call.Has("--offline") ? throw new UsageException("--initrd asks the host over ssh: --offline excludes it", "--initrd-keys FILE has the keys at hand")
            : InitrdServer.OverSsh(host, facts.Name, facts.Settings);
        var path = (facts.Settings["userknownhostsfile"] ?? "~/.ssh/known_hosts").Split(' ')[0];
        path = path.StartsWith("~/", StringComparison.Ordinal) ? SshProbe.Home + path[1..] : path;
        var read = host.ReadFile(path);
        return !path.StartsWith('/') || path == "/dev/null" ? throw new NotKnownException($"known_hosts of this host is {ByteText.Escape(path)}: there is nowhere to pin a key", "set UserKnownHostsFile")
            : !read.Ok && read.Error!.Kind != HostErrorKind.NotFound ? throw new NotKnownException(read.Error.Message)
            : InitrdPlan.Decide(facts, initrd with { Server = known ?? initrd.Server }, path, read.Ok ? read.Value : null);
    }

    /// <summary>What the server itself says, with what is known of its release.</summary>
    private static ProbeFacts Asked(Invocation call, Host host)
    {
        var (_, facts) = SshProbe.Ask(call, host, [], SshProbe.Config(call));
        return facts.Kex.Length == 0 ? throw new NotKnownException($"{ByteText.Escape(facts.Address)} could not be asked: {facts.Trouble}", "--server dropbear:RELEASE or openssh:RELEASE plans from the tables") : facts;
    }
}
