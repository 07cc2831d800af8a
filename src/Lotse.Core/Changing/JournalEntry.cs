using System.Globalization;
using System.Text;
using System.Text.Json.Serialization;
using Lotse.Linux;

namespace Lotse.Changing;

/// <summary>What stood at a step's place before it, so that it can be put back.</summary>
/// <param name="Folder">The folder of the file, links resolved; null for a step that is no file.</param>
/// <param name="Name">The file's name in it.</param>
/// <param name="Image">What the file carried; null: there was none.</param>
/// <param name="AfterSha256">Of the bytes that the step leaves; null: it leaves no file.</param>
/// <param name="AfterImage">What the step's file carries.</param>
/// <param name="FolderSeconds">The folder's own time, with <paramref name="FolderNanoseconds"/>.</param>
/// <param name="FolderNanoseconds">Its fraction.</param>
/// <param name="MissingFolders">Folders that the step makes, outermost first.</param>
/// <param name="Unit">A unit's ActiveState before.</param>
internal sealed record StepBefore(
    [property: JsonConverter(typeof(ForeignText))] string? Folder = null,
    [property: JsonConverter(typeof(ForeignText))] string? Name = null,
    FileImage? Image = null,
    string? AfterSha256 = null,
    FileImage? AfterImage = null,
    long FolderSeconds = 0,
    uint FolderNanoseconds = 0,
    [property: JsonConverter(typeof(ForeignTexts))] string[]? MissingFolders = null,
    string? Unit = null);

/// <summary>The head of a journal entry, written before the first change.</summary>
/// <param name="Id">Its name: the time of its start.</param>
/// <param name="At">When, UTC.</param>
/// <param name="By">Who: the user who logged in, and the user the program ran as.</param>
/// <param name="Plan">The plan.</param>
/// <param name="Steps">What stood where, one for each change of the plan.</param>
internal sealed record EntryHead(string Id, DateTimeOffset At, [property: JsonConverter(typeof(ForeignText))] string By, Plan Plan, StepBefore[] Steps);

/// <summary>How far an entry has come.</summary>
public enum EntryState
{
    /// <summary>Nothing was changed yet.</summary>
    Empty,

    /// <summary>In the middle of the changes, or before their proof.</summary>
    Applying,

    /// <summary>Applied and proved, waiting for <c>lotse confirm</c>.</summary>
    Unconfirmed,

    /// <summary>Applied for good.</summary>
    Applied,

    /// <summary>In the middle of being undone on request.</summary>
    Undoing,

    /// <summary>Undone on request.</summary>
    Undone,

    /// <summary>In the middle of being put back after a failure.</summary>
    PuttingBack,

    /// <summary>Put back after a failure, an interruption, or for want of a confirmation.</summary>
    PutBack,

    /// <summary>Could not be put back.</summary>
    Stuck,
}

/// <summary>
/// One change of this machine in the journal: a folder with <c>head.json</c>, the bytes before in <c>before-N</c>, and
/// <c>log</c>, to which one line a step is added and brought to the disk. A line cut short by a power cut does not count.
/// </summary>
internal sealed class JournalEntry
{
    private readonly string folder;
    private bool torn;

    private JournalEntry(string folder, EntryHead head) => (this.folder, Head) = (folder, head);

    public EntryHead Head { get; }

    /// <summary>The words of each line of the log, its time first.</summary>
    public string[][] Lines { get; private set; } = [];

    public string Id => Head.Id;

    public EntryState State => StateOf(Lines);

    /// <summary>Why it was put back, or why it could not be.</summary>
    public string? Because => WordsOf(Lines, "putting-back", "stuck");

    /// <summary>What the proof said: the verdict of its report; null: there was none.</summary>
    public string? Proof => WordsOf(Lines, "proof");

    /// <summary>The process that applies.</summary>
    public int Applier => Lines.FirstOrDefault(l => l[1] == "begin") is [_, _, var pid, ..] && int.TryParse(pid, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;

    /// <summary>Whether the entry asks for a confirmation, and how long it waits.</summary>
    public double? ConfirmSeconds => Lines.FirstOrDefault(l => l[1] == "begin") is [_, _, _, var seconds, ..] && double.TryParse(seconds, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : null;

    /// <summary>The steps that were begun, in order.</summary>
    public int[] Begun => [.. Lines.Where(l => l[1] == "doing").Select(l => int.Parse(l[2], CultureInfo.InvariantCulture))];

    /// <summary>The time of a step's folder after it, if it was done.</summary>
    public (long Seconds, uint Nanoseconds)? FolderTimeAfter(int step) =>
        Lines.LastOrDefault(l => l[1] == "done" && int.Parse(l[2], CultureInfo.InvariantCulture) == step) is [_, _, _, var seconds, var nanoseconds]
            ? (long.Parse(seconds, CultureInfo.InvariantCulture), uint.Parse(nanoseconds, CultureInfo.InvariantCulture)) : null;

    /// <summary>The moment of a line, of this boot: the boot's id and the seconds since it.</summary>
    public (string Boot, double Seconds)? MomentOf(string word) =>
        Lines.LastOrDefault(l => l[1] == word) is { Length: >= 4 } line && double.TryParse(line[^1], NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) ? (line[^2], seconds) : null;

    /// <summary>The name of the file beside a step's place, hidden from include globs and run-parts(8).</summary>
    public string Temporary(int step) => $".lotse-{Id}-{step}~";

    /// <summary>Writes a new entry; on disk when this returns. Its log is still empty.</summary>
    public static JournalEntry Create(string journal, EntryHead head, byte[]?[] before)
    {
        var files = new Files();
        var folder = $"{journal}/{head.Id}";
        using (var all = OpenFolder.Open(files, journal))
        {
            all.MakeFolder(head.Id, 0x1c0);
        }

        using var own = OpenFolder.Open(files, folder);
        for (var i = 0; i < before.Length; i++)
        {
            if (before[i] is { } bytes)
            {
                Write(own, $"before-{i}", bytes);
            }
        }

        Write(own, "head.json", System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(head, JournalJson.Default.EntryHead));
        own.Synchronize();
        return new(folder, head);
    }

    /// <summary>Reads an entry.</summary>
    /// <returns>Null when it is not whole: then nothing was changed yet.</returns>
    public static JournalEntry? Open(string journal, string id)
    {
        var folder = $"{journal}/{id}";
        var files = new Files();
        var head = files.Read(folder + "/head.json", Plan.Limit * 2);
        if (!head.Ok)
        {
            return null;
        }

        try
        {
            if (System.Text.Json.JsonSerializer.Deserialize(head.Value, JournalJson.Default.EntryHead) is not { } read || read.Steps.Length != read.Plan.Changes.Length)
            {
                return null;
            }

            var entry = new JournalEntry(folder, read);
            entry.Refresh();
            return entry;
        }
        catch (System.Text.Json.JsonException)
        {
            return null;
        }
    }

    /// <summary>Reads the log again: another process may have written to it.</summary>
    public void Refresh()
    {
        var read = new Files().Read(folder + "/log", OpenFolder.Limit);
        var text = read.Ok ? Encoding.UTF8.GetString(read.Value) : "";
        torn = text.Length > 0 && !text.EndsWith('\n');
        Lines = LinesOf(text);
    }

    /// <summary>The words of each line of a log. A line cut short does not count.</summary>
    internal static string[][] LinesOf(string text) => [.. text.Split('\n')[..^1].Select(l => l.Split(' ')).Where(w => w.Length >= 2)];

    /// <summary>How far the lines of a log have come.</summary>
    internal static EntryState StateOf(string[][] lines)
    {
        var state = EntryState.Empty;
        foreach (var line in lines)
        {
            state = line[1] switch
            {
                "begin" => EntryState.Applying,
                "unconfirmed" => EntryState.Unconfirmed,
                "finished" or "confirmed" => EntryState.Applied,
                "undoing" => EntryState.Undoing,
                "undone" => EntryState.Undone,
                "putting-back" => EntryState.PuttingBack,
                "put-back" => EntryState.PutBack,
                "stuck" => EntryState.Stuck,
                _ => state,
            };
        }

        return state;
    }

    /// <summary>What follows the last of some words in a log.</summary>
    internal static string? WordsOf(string[][] lines, params string[] words) =>
        lines.LastOrDefault(l => words.Contains(l[1])) is { Length: > 2 } line ? ByteText.Unescape(string.Join(' ', line[2..])) : null;

    /// <summary>The bytes that stood at a step's place.</summary>
    public byte[] BytesBefore(int step)
    {
        var read = new Files().Read($"{folder}/before-{step}", OpenFolder.Limit);
        return read.Ok ? read.Value : throw new ChangeFailedException($"find the bytes to put back in {ByteText.Escape(folder)}", read.Error!.Message);
    }

    /// <summary>Adds a line to the log; on disk when this returns.</summary>
    public void Log(string line)
    {
        var files = new Files();
        using var own = OpenFolder.Open(files, folder);
        var isNew = own.Find("log") is null;
        var text = $"{Clock.Now:yyyy-MM-ddTHH:mm:ss.fffZ} {line}\n";
        var file = own.OpenAt("log", Libc.WriteOnly | Libc.Create | Libc.NoFollow | 0x400, 0x180);
        if (file < 0)
        {
            throw ChangeFailedException.Of("write the journal", folder + "/log", -file);
        }

        // A line that was cut short stays a line of its own.
        var errno = Descriptor.WriteAll(file, Encoding.UTF8.GetBytes(torn ? "\n" + text : text));
        errno = errno == 0 && Libc.Synchronize(file) != 0 ? Errno.Last : errno;
        errno = Libc.Close(file) != 0 && errno == 0 ? Errno.Last : errno;
        if (errno != 0)
        {
            throw ChangeFailedException.Of("write the journal", folder + "/log", errno);
        }

        if (isNew)
        {
            own.Synchronize();
        }

        torn = false;
        Lines = [.. Lines, text.TrimEnd('\n').Split(' ')];
    }

    /// <summary>The same where a failure must not stop what matters more.</summary>
    public void TryLog(string line)
    {
        try
        {
            Log(line);
        }
        catch (ChangeFailedException)
        {
            // Putting back goes on; it can be repeated from whatever the log says.
        }
    }

    private static void Write(OpenFolder folder, string name, ReadOnlySpan<byte> bytes)
    {
        var file = folder.OpenAt(name, Libc.WriteOnly | Libc.Create | Libc.Exclusive | Libc.NoFollow, 0x180);
        var errno = file < 0 ? -file : Descriptor.WriteAll(file, bytes);
        errno = errno == 0 && Libc.Synchronize(file) != 0 ? Errno.Last : errno;
        errno = file >= 0 && Libc.Close(file) != 0 && errno == 0 ? Errno.Last : errno;
        if (errno != 0)
        {
            throw ChangeFailedException.Of("write the journal", folder.Path + name, errno);
        }
    }
}

/// <summary>The JSON form of journal entries.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, AllowOutOfOrderMetadataProperties = true, WriteIndented = true, NewLine = "\n")]
[JsonSerializable(typeof(EntryHead))]
internal sealed partial class JournalJson : JsonSerializerContext;
