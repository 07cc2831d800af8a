using System.Runtime.CompilerServices;

namespace Lotse.Fuzz;

/// <summary>A reader of foreign bytes.</summary>
/// <param name="Name">The word on the command line.</param>
/// <param name="Seeds">Good inputs to start from.</param>
/// <param name="Read">Reads an input and says in a few words what it found: inputs that make it say something new are kept and changed further. Must not throw.</param>
internal sealed record Target(string Name, Func<IEnumerable<byte[]>> Seeds, Func<byte[], string> Read)
{
    /// <summary>Every reader, a line each. What it takes to call one stands in the area's own file beside this one.</summary>
    public static readonly Target[] All =
    [
        new("ssh-log", () => Files("tests/data/ssh/logs", "*.log"), SshReaders.Log),
        new("ssh-packets", SshReaders.Conversations, SshReaders.Packets),
        new("ssh-cipher", SshReaders.Ciphertexts, SshReaders.Cipher),
        new("ssh-files", SshReaders.KeyFiles, SshReaders.Files),
        new("mail-dns", MailReaders.Messages, MailReaders.Message),
        new("mail-zone", () => Files("tests/data/mail", "*.zone"), MailReaders.Zone),
        new("mail-records", MailReaders.Texts, MailReaders.Records),
        new("mail-messages", () => Files("tests/data/mail/messages", "*.eml"), MailReaders.Mail),
        new("pg-control", () => Files("tests/data/pg/control", "1?"), PgReaders.Control),
        new("pg-directory", () => Files("tests/data/pg/control", "1?"), PgReaders.Directory),
        new("pg-pages", () => Files("tests/data/pg/pages", "*"), PgReaders.Pages),
        new("pg-wal", PgReaders.Segments, PgReaders.Log),
        new("pg-configuration", PgReaders.Configurations, PgReaders.Configuration),
        new("pg-log", PgReaders.Logs, PgReaders.Messages),
        new("pg-answers", PgReaders.AnswersOfServers, PgReaders.Answered),
        new("pg-rules", PgReaders.Trees, PgReaders.Rules),
        new("pg-texts", PgReaders.Bodies, PgReaders.Texts),
    ];

    /// <summary>Files of the checkout.</summary>
    private static IEnumerable<byte[]> Files(string folder, string pattern, [CallerFilePath] string here = "")
    {
        for (var top = File.Exists(here) ? Path.GetDirectoryName(here) : AppContext.BaseDirectory; top is not null; top = Path.GetDirectoryName(top))
        {
            if (Directory.Exists(Path.Combine(top, folder)))
            {
                return Directory.EnumerateFiles(Path.Combine(top, folder), pattern, SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(File.ReadAllBytes);
            }
        }

        return [];
    }
}
