using Lotse.Linux;

namespace Lotse.Hosts;

/// <summary>
/// How the system's ssh is called: which options, and one authenticated connection that every session shares. The
/// user's configuration, agent and known hosts hold; nothing of this machine is forwarded to the other one.
/// </summary>
internal sealed class SshClient : IDisposable
{
    /// <summary>The most that fits sun_path of a socket (unix(7)), less what ssh adds while it makes it.</summary>
    private const int LongestSocketPath = 80;

    private static readonly string[] Always =
    [
        "-T", "-e", "none",
        "-o", "ForwardAgent=no", "-o", "ForwardX11=no", "-o", "ClearAllForwardings=yes", "-o", "PermitLocalCommand=no", "-o", "RemoteCommand=none",
        "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4",
    ];

    private readonly string destination;
    private string? folder;

    private SshClient(string destination) => this.destination = destination;

    /// <summary>What ssh(1) takes: <c>[USER@]HOST</c> or a name of its configuration.</summary>
    public string Destination => destination;

    /// <summary>
    /// Why a destination is refused, or null. Only what host and user names are made of: ssh hands the name to the shell
    /// of a ProxyCommand (ssh_config(5), tokens %h and %r), and takes what begins with a dash for an option.
    /// </summary>
    public static HostError? Fault(string destination) =>
        destination.Length is 0 or > 512 || destination[0] == '-' || destination.Contains("@-", StringComparison.Ordinal)
        || destination.Any(c => !char.IsLetterOrDigit(c) && !"._-+=@:%[]/".Contains(c, StringComparison.Ordinal))
            ? new(HostErrorKind.Failed, $"cannot connect to \"{ByteText.Escape(destination)}\": not a host name") : null;

    /// <summary>Chooses how sessions share a connection: by the user's own control socket where there is one, else by one of ours.</summary>
    public static SshClient To(string destination)
    {
        var client = new SshClient(destination);
        var asked = Programs.Run(["ssh", "-G", "--", destination], TimeSpan.FromSeconds(10), default);
        var settings = asked is { Ok: true, Value.ExitCode: 0 } ? ByteText.Decode(asked.Value.Output).Split('\n') : [];
        var shares = settings.Any(s => s.StartsWith("controlmaster ", StringComparison.Ordinal) && s is not ("controlmaster false" or "controlmaster no"))
            && settings.Any(s => s.StartsWith("controlpath ", StringComparison.Ordinal) && s != "controlpath none");
        if (!shares && Path.GetTempPath().Length < LongestSocketPath - 20)
        {
            client.folder = Directory.CreateTempSubdirectory("lotse-").FullName;
        }

        return client;
    }

    /// <summary>The first session; it authenticates, and asks at the terminal where there is one.</summary>
    public string[] First(string command) => Arguments(
        [.. folder is null ? Array.Empty<string>() : ["-o", "ControlMaster=yes", "-o", $"ControlPath={folder}/s", "-o", "ControlPersist=no"], "-o", Descriptor.IsTerminal(2) ? "BatchMode=no" : "BatchMode=yes"], command);

    /// <summary>A further session over the same connection. It never asks: where the connection has gone, it fails.</summary>
    public string[] Next(string command) => Arguments(
        [.. folder is null ? Array.Empty<string>() : ["-o", "ControlMaster=no", "-o", $"ControlPath={folder}/s"], "-o", "BatchMode=yes"], command);

    public void Dispose()
    {
        if (folder is not null)
        {
            try
            {
                Directory.Delete(folder, recursive: true);
            }
            catch (IOException)
            {
                // The socket went away at the same moment; an empty folder in /tmp harms nobody.
            }
        }
    }

    private string[] Arguments(string[] options, string command) => ["ssh", .. Always, .. options, "--", destination, command];
}
