namespace Lotse.Ssh.Logs;

/// <summary>One side's KEXINIT as -vv prints it.</summary>
/// <param name="Kex">Key exchange.</param>
/// <param name="HostKeys">Host key algorithms.</param>
/// <param name="Ciphers">Client to server.</param>
/// <param name="Macs">Client to server.</param>
public sealed record KexInit(string[] Kex, string[] HostKeys, string[] Ciphers, string[] Macs);

/// <summary>Both sides' proposals, taken from the lines that -vv prints of them (OpenSSH kex.c kex_choose_conf).</summary>
internal sealed class KexProposals
{
    private static readonly string[] Lists = ["KEX algorithms: ", "host key algorithms: ", "ciphers ctos: ", "MACs ctos: "];
    private readonly List<string> ours = [], theirs = [];
    private List<string>? current;

    /// <summary>What the client proposed; null until all of it was seen.</summary>
    public KexInit? Ours => Of(ours);

    /// <summary>What the server proposed.</summary>
    public KexInit? Theirs => Of(theirs);

    /// <summary>Takes a debug line of level 2; false: it has nothing of a proposal.</summary>
    public bool Take(string text)
    {
        if (text is "local client KEXINIT proposal" or "peer server KEXINIT proposal")
        {
            current = text[0] == 'l' ? ours : theirs;
            current.Clear();
            return true;
        }

        if (current is not null && Array.Find(Lists, l => text.StartsWith(l, StringComparison.Ordinal)) is { } list)
        {
            current.Add(text[list.Length..]);
            return true;
        }

        return false;
    }

    private static KexInit? Of(List<string> lists) => lists is [var kex, var hostKeys, var ciphers, var macs, ..] ? new(SshTable.Names(kex), SshTable.Names(hostKeys), SshTable.Names(ciphers), SshTable.Names(macs)) : null;
}
