using System.Globalization;
using Lotse.Formats;
using Lotse.Hosts;

namespace Lotse.Changing.Remote;

/// <summary>Another machine that is to be changed: what it is, and the folder there that is Lotse's own.</summary>
/// <param name="Host">The connection.</param>
/// <param name="System">Of uname(1): <c>Linux</c>.</param>
/// <param name="Machine">Of uname(1): <c>x86_64</c>, <c>mips</c>.</param>
/// <param name="User">The user there, by number.</param>
/// <param name="State">Where its journal is. On a machine whose /var does not outlive a reboot, below /etc.</param>
/// <param name="FreeBytes">Room in the file system of <paramref name="State"/>; -1: not known.</param>
internal sealed record RemoteTarget(SshHost Host, string System, string Machine, uint User, string State, long FreeBytes)
{
    /// <summary>
    /// Writes standard input to a file that is not there yet by that name: whole, with the right hash, on the disk, or
    /// not at all. Arguments: the file, its SHA-256, its mode, and whether others of its kind beside it go away.
    /// </summary>
    private const string Receive = """
        umask 077
        f=$1 sum=$2 mode=$3 alone=$4 t=$1.$$~
        for g in "$f".*~; do p=${g%"~"}; kill -0 "${p##*.}" 2>/dev/null || rm -f "$g"; done
        trap 'rm -f "$t"' EXIT
        trap 'exit 1' HUP INT TERM PIPE
        set -C
        cat >"$t" || exit 1
        set -- $(sha256sum <"$t")
        [ "$1" = "$sum" ] || { echo "what arrived is not what was sent" >&2; exit 1; }
        chmod "$mode" "$t" && { sync "$t" 2>/dev/null || sync; } && mv -f "$t" "$f" || exit 1
        [ "$alone" = no ] || for g in "${f%/*}"/lotse-*; do [ "$g" = "$f" ] || rm -f "$g"; done
        """;

    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);

    /// <summary>Where the journal of edits by plain commands is.</summary>
    public string Plain => State + "/plain";

    /// <summary>Asks the machine what it is.</summary>
    public static Reading<RemoteTarget> Of(SshHost host)
    {
        var asked = host.AskShell("""printf '%s\0' "$(uname -s)" "$(uname -m)" "$(id -u)" "${LOTSE_STATE-}" "${XDG_STATE_HOME-}" "${HOME-}" "$(command -v sha256sum)" """);
        if (!asked.Ok)
        {
            return new(default!, asked.Error);
        }

        if (asked.Value.Split('\0') is not [var system, var machine, var id, var set, var xdg, var home, var sha256sum, ..] || !uint.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var user))
        {
            return new(default!, new(HostErrorKind.Failed, $"{host.Name} does not say what it is"));
        }

        if (sha256sum.Length == 0)
        {
            return new(default!, new(HostErrorKind.Unsupported, $"{host.Name} has no sha256sum: nothing there could be checked"));
        }

        var state = set.StartsWith('/') ? set.TrimEnd('/')
            : user == 0 ? "/var/lib/lotse"
            : xdg.StartsWith('/') ? $"{xdg.TrimEnd('/')}/lotse"
            : home.StartsWith('/') ? $"{home.TrimEnd('/')}/.local/state/lotse" : null;
        if (state is null)
        {
            return new(default!, new(HostErrorKind.Failed, $"the user of {host.Name} has no home folder for a journal"));
        }

        var (free, lasts) = Room(host, state);
        if (!lasts && user == 0 && !set.StartsWith('/'))
        {
            // OpenWrt's /var is a RAM disk: a journal there would not outlive the reboot that it is needed after.
            state = "/etc/lotse";
            (free, _) = Room(host, state);
        }

        return new(new(host, system, machine, user, state, free), null);
    }

    /// <summary>Whether anything of Lotse is there.</summary>
    public bool Has(string path) => Host.Status(path).Ok;

    /// <summary>Makes the folder of our own where there is none, and refuses one that others may write to.</summary>
    /// <exception cref="Linux.ChangeFailedException">It cannot be made or trusted.</exception>
    public void MakeState(string folder)
    {
        var made = Host.Run(["sh", "-c", "umask 022; mkdir -p \"${1%/*}\" && { [ -d \"$1\" ] || mkdir -m 700 \"$1\"; } && umask 077 && mkdir -p \"$2\"", "sh", State, folder], Soon);
        if (!made.Ok || made.Value.ExitCode != 0)
        {
            throw Failed($"make the folder {ByteText.Escape(folder)}", made);
        }

        foreach (var path in new[] { State, folder })
        {
            if (Host.Status(path) is not { Ok: true, Value: { Kind: FileKind.Directory } status } || status.Uid != User || (status.Mode & 0x12) != 0)
            {
                throw new Linux.ChangeFailedException($"trust the folder {ByteText.Escape(path)} on {Host.Name}", "another user owns it or may write to it");
            }
        }
    }

    /// <summary>Puts a file there, whole or not at all.</summary>
    /// <exception cref="Linux.ChangeFailedException">It did not arrive.</exception>
    public void Send(string path, ReadOnlyMemory<byte> bytes, string mode, bool alone = false)
    {
        var sent = Host.Run(["sh", "-c", Receive, "sh", path, Sha256.Hex(bytes.Span), mode, alone ? "yes" : "no"], TimeSpan.FromMinutes(10), bytes);
        if (!sent.Ok || sent.Value.ExitCode != 0)
        {
            throw Failed($"copy {ByteText.Escape(path)}", sent);
        }
    }

    /// <summary>Puts a program or script there unless it is there already, by its hash.</summary>
    /// <exception cref="Linux.ChangeFailedException">It did not arrive.</exception>
    public void SendOnce(string path, ReadOnlyMemory<byte> bytes, string mode, bool alone)
    {
        var there = Host.Run(["sha256sum", path], Soon);
        if (there is not { Ok: true, Value.ExitCode: 0 } || !ByteText.Decode(there.Value.Output).StartsWith(Sha256.Hex(bytes.Span), StringComparison.Ordinal))
        {
            Send(path, bytes, mode, alone);
        }
    }

    private Linux.ChangeFailedException Failed(string what, Reading<Ran> ran) => new(
        $"{what} on {Host.Name}",
        !ran.Ok ? ran.Error!.Message : ByteText.Decode(ran.Value.Errors).Trim().Split('\n')[^1] is { Length: > 0 } words ? ByteText.Escape(words) : $"exit code {ran.Value.ExitCode}");

    /// <summary>The room for a folder that may not be there yet, and whether its file system outlives a reboot.</summary>
    private static (long Free, bool Lasts) Room(SshHost host, string folder)
    {
        while (folder.Length > 1 && host.Status(folder) is { Ok: false, Error.Kind: HostErrorKind.NotFound })
        {
            folder = folder[..Math.Max(1, folder.LastIndexOf('/'))];
        }

        // POSIX df -P: a head line, then device, blocks, used, available, capacity, mount point.
        var said = host.AskShell($"df -Pk {SshHost.Quote(folder)} 2>/dev/null | tail -n 1");
        var fields = said.Ok ? said.Value.Split(' ', 6, StringSplitOptions.RemoveEmptyEntries) : [];
        var free = fields.Length == 6 && long.TryParse(fields[3], NumberStyles.None, CultureInfo.InvariantCulture, out var blocks) ? blocks * 1024 : -1;
        return (free, fields.Length == 0 || fields[0] is not ("tmpfs" or "ramfs" or "none"));
    }
}
