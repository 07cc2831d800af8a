namespace Lotse.Changing;

/// <summary>The programs that check well-known configuration files, each by its own option for that; they change nothing.</summary>
public static class FileCheck
{
    /// <summary>The file, or the folder with a slash at its end, and the argument vector; see <see cref="Change.Checked"/>.</summary>
    private static readonly (string Place, string[] Check)[] Known =
    [
        ("/etc/ssh/sshd_config", ["sshd", "-t", "-f", Change.Candidate]),                 // sshd(8) -t
        ("/etc/sudoers", ["visudo", "-c", "-q", "-f", Change.Candidate]),                 // visudo(8) -c
        ("/etc/sudoers.d/", ["visudo", "-c", "-q", "-f", Change.Candidate]),
        ("/etc/nftables.conf", ["nft", "-c", "-f", Change.Candidate]),                    // nft(8) -c
        ("/etc/fstab", ["findmnt", "--verify", "--tab-file", Change.Candidate]),          // findmnt(8) --verify
    ];

    /// <summary>What checks a file, or null.</summary>
    public static string[]? For(string path) =>
        Known.FirstOrDefault(k => path == k.Place || (k.Place.EndsWith('/') && path.StartsWith(k.Place, StringComparison.Ordinal))).Check;
}
