using System.Text.Json;
using Lotse.Ssh;

namespace Lotse.Cli.Areas;

/// <summary><c>lotse ssh predict</c>: what would happen, from the tables of releases, without a connection.</summary>
internal static class SshPredict
{
    public static readonly Command Command = new("ssh predict", "what happens when client version X logs in to server Y with key Z", Run)
    {
        Description = "From tables of defaults and offers by release, measured on real programs. All layers at once: key exchange, host key, cipher, MAC, the key, its signature; the first one that fails hides the others from who only tries.",
        Arguments = [new("SERVER", "dropbear:2018.76, openssh:9.2, or a banner (SSH-2.0-…)")],
        Options =
        [
            new("--client", Takes.Text, "VERSION", "the client's OpenSSH version") { Default = "10.6" },
            new("--key", Takes.Text, "TYPE", "rsa2048, ecdsa256, ed25519, dsa1024, …") { Default = "ed25519" },
            new("--option", Takes.Text, "NAME=VALUE", "an option of the client's ssh_config; again for more") { Repeats = true },
            new("--batch", Takes.File, "FILE", "a table: client, server, key and variant between tabs; one JSON line a row"),
        ],
        Examples =
        [
            new("why the old initrd says no", "ssh predict dropbear:2018.76 --client 9.2 --key rsa2048"),
            new("and with the option that everybody recommends", "ssh predict dropbear:2018.76 --client 9.2 --key rsa2048 --option PubkeyAcceptedKeyTypes=+ssh-rsa"),
            new("many at once", "ssh predict --batch logins.tsv --json"),
        ],
        LooksAtHost = false,
    };

    private static int Run(Invocation call)
    {
        if (call["--batch"] is { } file)
        {
            return call.Arguments.Length == 0 ? Batch(call, file) : throw new UsageException("--batch and SERVER exclude each other");
        }

        var name = call.Arguments is [var given] ? given : throw new UsageException("lotse ssh predict needs SERVER", "for example: lotse ssh predict dropbear:2018.76 --client 9.2 --key rsa2048");
        var server = ServerModel.Of(name) ?? throw new UsageException($"no server \"{ByteText.Escape(name)}\" is in the tables", "dropbear:RELEASE, openssh:RELEASE or a banner; for one that you can reach: lotse ssh probe HOST");
        var version = SshVersion.Parse(call["--client"] ?? "10.6") ?? throw new UsageException($"--client \"{ByteText.Escape(call["--client"]!)}\" is not a version of OpenSSH", "for example: --client 9.2");
        SshProbe.NeedsTable(version);
        var key = UserKeyType.Parse(call["--key"] ?? "ed25519") ?? throw new UsageException($"--key \"{ByteText.Escape(call["--key"]!)}\" is not a type of key", "for example: rsa2048, ecdsa256, ed25519");
        var options = call.All("--option").Select(o => PredictionBatch.Split(o) is [var one] ? one : throw new UsageException($"--option \"{ByteText.Escape(o)}\" is not NAME=VALUE", "for example: --option PubkeyAcceptedKeyTypes=+ssh-rsa"));
        var report = PredictionReport.Of(ClientModel.Defaults(version).With(options), server, key);
        General.Print(call, report);
        return report.Answer!.Value is PredictionAnswer { Result: "ok" } ? ExitCode.Fine : ExitCode.Finding;
    }

    private static int Batch(Invocation call, string file)
    {
        var faults = 0;
        foreach (var row in PredictionBatch.Of(ByteText.Decode(Hosting.ReadInput(file))))
        {
            if (row.Answer is { } answer)
            {
                call.Output.Write(JsonSerializer.SerializeToUtf8Bytes(answer, PredictionReport.Part(answer).Shape()));
                call.Output.Line();
            }
            else
            {
                faults++;
                call.Output.Line("""{"result":null,"stage":null,"sigalg":null}""");
                call.Errors.Line($"lotse: {ByteText.Escape(file)}:{row.Line}: {row.Error}");
            }
        }

        return faults == 0 ? ExitCode.Fine : ExitCode.NotKnown;
    }
}
