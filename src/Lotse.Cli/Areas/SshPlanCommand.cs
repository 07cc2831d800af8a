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
            Planning.Output,
        ],
        Examples =
        [
            new("let this client into the old initrd", "ssh plan box.example --server dropbear:2018.76 -o plan.json"),
            new("then", "apply plan.json"),
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
        var file = call["--config"] is { } given ? Path.GetFullPath(given) : null;
        var facts = SshPlanFacts.Read(host, name, SshProbe.Home, file);
        if (!facts.Ok)
        {
            throw new NotKnownException(facts.Error!.Message);
        }

        var key = call["--key"] is { } type ? UserKeyType.Parse(type) ?? throw new UsageException($"--key \"{ByteText.Escape(type)}\" is not a type of key", "for example: rsa2048, ecdsa256, ed25519") : null;
        return SshPlan.Decide(facts.Value, call["--server"] is { } known ? ServerModel.Of(known) ?? throw new UsageException($"no server \"{ByteText.Escape(known)}\" is in the tables", "dropbear:RELEASE, openssh:RELEASE or a banner") : Asked(call, host), key);
    });

    /// <summary>What the server itself says, with what is known of its release.</summary>
    private static ServerModel Asked(Invocation call, Host host)
    {
        var (_, facts) = SshProbe.Ask(call, host, [], call["--config"] is { } given ? Path.GetFullPath(given) : null);
        return facts.Kex.Length == 0 ? throw new NotKnownException($"{ByteText.Escape(facts.Address)} could not be asked: {facts.Trouble}", "--server dropbear:RELEASE or openssh:RELEASE plans from the tables") : ServerModel.Probed(facts);
    }
}
