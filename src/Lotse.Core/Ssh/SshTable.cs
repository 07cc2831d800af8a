using System.Reflection;
using System.Text;

namespace Lotse.Ssh;

/// <summary>The tables beside the sources (<c>Ssh/Data/*.tsv</c>): facts about releases, kept apart from the rules that use them.</summary>
internal static class SshTable
{
    /// <summary>The rows of a table, without its comments; read anew each time, so a caller that needs it often keeps what it made of it.</summary>
    /// <param name="name">The file's name without its ending.</param>
    public static IEnumerable<string[]> Rows(string name)
    {
        using var reader = new StreamReader(Assembly.GetExecutingAssembly().GetManifestResourceStream($"Ssh/Data/{name}.tsv")!, Encoding.UTF8);
        while (reader.ReadLine() is { } line)
        {
            if (line.Length > 0 && line[0] != '#')
            {
                yield return line.Split('\t');
            }
        }
    }

    /// <summary>A comma-separated list as OpenSSH prints it.</summary>
    public static string[] Names(string list) => list.Length == 0 ? [] : list.Split(',');
}
