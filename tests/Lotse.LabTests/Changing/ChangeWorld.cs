using System.Text;
using Lotse.Changing;
using Lotse.Hosts;
using Xunit;

namespace Lotse.LabTests.Changing;

/// <summary>
/// A folder with configuration files that carry everything a file can carry, a journal of its own, and a plan that
/// changes a file in each way there is.
/// </summary>
internal sealed class ChangeWorld : IDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);

    public ChangeWorld(string? folder = null)
    {
        Top = folder ?? Directory.CreateTempSubdirectory("lotse-change-").FullName;
        Fresh();
    }

    public string Top { get; }

    public string Etc => Top + "/etc";

    public string State => Top + "/state";

    public string PlanFile => Top + "/plan.json";

    public Dictionary<string, string?> Environment => new() { ["LOTSE_STATE"] = State };

    /// <summary>400 lines, more than 8 KiB: what an editor without fsync loses in a power cut.</summary>
    public static string Lines(string value) => string.Concat(Enumerable.Range(0, 400).Select(i => $"line {i} of the configuration, value {value}\n"));

    /// <summary>Everything as at the beginning.</summary>
    public void Fresh()
    {
        foreach (var old in new[] { Etc, State }.Where(Directory.Exists))
        {
            Directory.Delete(old, recursive: true);
        }

        Directory.CreateDirectory(Etc + "/sub");
        File.WriteAllText(Etc + "/edited.conf", Lines("old"));
        File.WriteAllText(Etc + "/deleted.conf", "goes\n");
        File.WriteAllText(Etc + "/sub/mode.conf", "stays\r\nwithout an end");
        File.CreateSymbolicLink(Etc + "/link.conf", "sub/linked.conf");
        File.WriteAllText(Etc + "/sub/linked.conf", "value old\n");
        Must("chown", "1234:5678", Etc + "/edited.conf");
        Must("chmod", "0640", Etc + "/edited.conf");
        Must("setfattr", "-n", "user.note", "-v", "keep", Etc + "/edited.conf");
        Must("setfacl", "-m", "u:4321:r", Etc + "/edited.conf");
        Must("touch", "-d", "2001-02-03 04:05:06.789", Etc + "/edited.conf", Etc + "/deleted.conf", Etc + "/sub/mode.conf", Etc + "/sub/linked.conf", Etc + "/sub", Etc);
    }

    /// <summary>A plan that edits, edits through a link, creates in a new folder, deletes, and changes mode and owner.</summary>
    public void MakePlan(params Change[] more)
    {
        using var here = new LocalHost();
        byte[] Read(string name) => File.ReadAllBytes(Etc + name);
        string Hash(string name) => Formats.Sha256.Hex(Read(name));
        Write(here,
        [
            EditFile.Between(Etc + "/edited.conf", Read("/edited.conf"), Encoding.UTF8.GetBytes(Lines("new"))),
            EditFile.Between(Etc + "/link.conf", Read("/link.conf"), "value new\n"u8),
            new CreateFile(Etc + "/made/inside/created.conf", ["created"], 0x180, 0, 0),
            new DeleteFile(Etc + "/deleted.conf", Hash("/deleted.conf")),
            new SetAttributes(Etc + "/sub/mode.conf", Hash("/sub/mode.conf"), 0x1a0, 4321, 8765),
            .. more,
        ]);
    }

    /// <summary>Writes a plan of these changes, with what they touch as its preconditions.</summary>
    public void Write(Host here, Change[] changes, string area = "edit", string[]? proof = null)
    {
        var plan = new Plan(Plan.CurrentSchema, here.Now, "the tests", area, "a change of each kind", Preconditions.Identify(here, null), Preconditions.Note(here, changes.Select(c => c.File).OfType<string>()), changes, [], proof ?? []);
        File.WriteAllBytes(PlanFile, plan.ToBytes());
    }

    public Lab.Ran Lotse(params string[] arguments) => Lab.RunWith(Soon, Environment, [Lab.Lotse, .. arguments]);

    /// <summary>The same under strace.</summary>
    public Lab.Ran Traced(string[] options, params string[] arguments) => Lab.RunWith(Soon, Environment, ["strace", "-f", "-qq", .. options, Lab.Lotse, .. arguments]);

    /// <summary>What an independent program sees.</summary>
    public string Snapshot()
    {
        var ran = Lab.Run(Soon, "python3", Path.Combine(Lab.Checkout(), "tests", "Lotse.LabTests", "native", "snapshot.py"), Etc);
        return ran.ExitCode == 0 ? ran.Text : throw new InvalidOperationException(ran.ErrorText);
    }

    /// <summary>Which of the plan's files are as before (o), as after (n), or neither (X); and a + for each name too many.</summary>
    public string Look()
    {
        string Text(string name) => File.Exists(Etc + name) ? File.ReadAllText(Etc + name) : "";
        string Status(string name) => Lab.Run(Soon, "stat", "-c", "%a %u:%g", Etc + name).Text.Trim();
        var seen = new StringBuilder();
        seen.Append((Text("/edited.conf"), Status("/edited.conf")) switch { (var t, "640 1234:5678") when t == Lines("old") => 'o', (var t, "640 1234:5678") when t == Lines("new") => 'n', _ => 'X' });
        seen.Append(Text("/sub/linked.conf") switch { "value old\n" => 'o', "value new\n" => 'n', _ => 'X' });
        seen.Append(File.Exists(Etc + "/made/inside/created.conf") ? Text("/made/inside/created.conf") == "created\n" && Status("/made/inside/created.conf") == "600 0:0" ? 'n' : 'X' : 'o');
        seen.Append(File.Exists(Etc + "/deleted.conf") ? Text("/deleted.conf") == "goes\n" ? 'o' : 'X' : 'n');
        seen.Append((Text("/sub/mode.conf"), Status("/sub/mode.conf")) switch { ("stays\r\nwithout an end", "644 0:0") => 'o', ("stays\r\nwithout an end", "640 4321:8765") => 'n', _ => 'X' });
        string[] known = ["edited.conf", "deleted.conf", "link.conf", "sub", "mode.conf", "linked.conf", "made", "inside", "created.conf"];
        seen.Append('+', Directory.EnumerateFileSystemEntries(Etc, "*", SearchOption.AllDirectories).Count(p => !known.Contains(Path.GetFileName(p))));
        return seen.ToString();
    }

    /// <summary>The calls of applying the plan, from the first that names this world on: how often each was made before, and in all.</summary>
    public IEnumerable<(string Call, int Number)> Points(string calls)
    {
        var trace = Top + "/trace";
        Traced(["-o", trace, "-e", "trace=" + calls], "apply", PlanFile);
        var (before, all) = (new Dictionary<string, int>(), new Dictionary<string, int>());
        var (near, main) = (false, "");
        foreach (var line in File.ReadLines(trace))
        {
            // strace counts for each thread; all that matters is done by the first.
            var words = line.Split([' ', '('], 3, StringSplitOptions.RemoveEmptyEntries);
            main = main.Length == 0 ? words[0] : main;
            if (words.Length < 3 || words[0] != main || !calls.Split(',').Contains(words[1]))
            {
                continue;
            }

            near |= line.Contains(Etc, StringComparison.Ordinal) || line.Contains(State, StringComparison.Ordinal);
            all[words[1]] = all.GetValueOrDefault(words[1]) + 1;
            if (!near)
            {
                before[words[1]] = before.GetValueOrDefault(words[1]) + 1;
            }
        }

        File.Delete(trace);
        return [.. all.SelectMany(c => Enumerable.Range(before.GetValueOrDefault(c.Key) + 1, c.Value - before.GetValueOrDefault(c.Key)).Select(n => (c.Key, n)))];
    }

    public void Dispose()
    {
        if (Directory.Exists(Top))
        {
            Directory.Delete(Top, recursive: true);
        }
    }

    public static void Must(params string[] arguments) => Lab.Must(Soon, arguments);
}
