using System.Globalization;
using System.Text;
using Lotse.Formats;
using Lotse.Linux;

namespace Lotse.Changing.Remote;

/// <summary>
/// A plan worked out for plain commands: what each step looks for and leaves, as words that the script there compares
/// with what it sees. The bytes of new files are worked out here, so that nothing is edited there.
/// </summary>
/// <param name="Steps">A line a step: kind, number, fields.</param>
/// <param name="Checks">A line a step whose file some program checks: number and argument vector.</param>
/// <param name="Folders">A line a folder whose time is kept: number and path.</param>
/// <param name="After">The bytes of the files that steps leave, by step.</param>
internal sealed record PlainOrder(string Steps, string Checks, string Folders, IReadOnlyDictionary<int, byte[]> After)
{
    /// <summary>Looks at what a plan changes, and refuses what could not be done or taken back. Changes nothing.</summary>
    /// <exception cref="ChangeFailedException">Says what stands in the way.</exception>
    public static PlainOrder Of(Plan plan, Host host, uint user)
    {
        var steps = new StringBuilder();
        var folders = new List<string>();
        var after = new Dictionary<int, byte[]>();
        var files = new HashSet<string>();
        for (var i = 0; i < plan.Changes.Length; i++)
        {
            var change = plan.Changes[i];
            RealPath? place = null;
            if (change.File is { } path)
            {
                place = RealPath.Of(host, path, user);
                if (!files.Add(place.Path))
                {
                    throw new ChangeFailedException("apply the plan", "it changes one file in two steps");
                }

                if (change is not SetAttributes)
                {
                    folders.Add(place.Missing is [var outermost, ..] ? outermost[..Math.Max(1, outermost.LastIndexOf('/'))] : place.Folder);
                }
            }

            // A switch of one line a kind; each says in which order the script reads its words.
            var line = change switch
            {
                // What is so already is not touched, and needs no way back.
                EditFile edit when edit.Before == edit.After => $"nothing {i}",
                SetAttributes set when place!.Status is { } now && (set.Mode ?? now.Mode, set.Uid ?? now.Uid, set.Gid ?? now.Gid) == (now.Mode, now.Uid, now.Gid) => $"nothing {i}",
                EditFile edit => $"edit {i} {Existing(host, place!, edit.Path, edit.Before, out var bytes)} {Sha256.Hex(after[i] = edit.Apply(bytes) ?? throw Stale(edit.Path))}",
                CreateFile create => $"create {i} {New(place!, create)} {Sha256.Hex(after[i] = create.Content())} {Octal(create.Mode)}{string.Concat(place!.Missing.Select(m => " " + Word(m)))}",
                DeleteFile delete when place!.IsLink => throw new ChangeFailedException($"delete {ByteText.Escape(delete.Path)}", $"it is a symbolic link to {ByteText.Escape(place.Path)}: name that file"),
                DeleteFile delete => $"delete {i} {Existing(host, place!, delete.Path, delete.Before, out _)}",
                SetAttributes set => $"attributes {i} {Existing(host, place!, set.Path, set.Before, out _)} {Attributes(place!.Status!, set)}",
                SetKernelValue kernel => $"kernel {i} {Word(kernel.Path)} {Word(kernel.Before)} {Word(kernel.After)}",
                RunProgram run => $"run {i} {run.Seconds} {run.Arguments.Length}{string.Concat(run.Arguments.Concat(run.Inverse).Select(a => " " + Word(a)))}",
                TellUnit unit when host.Run(["systemctl", "--version"], TimeSpan.FromSeconds(30)) is not { Ok: true, Value.ExitCode: 0 } => throw new ChangeFailedException($"tell {ByteText.Escape(unit.Unit)} anything", $"{host.Name} has no systemctl"),
                TellUnit unit => $"unit {i} {unit.Action switch { UnitAction.DaemonReload => "reload-all", UnitAction.Restart => "try-restart", _ => "reload" }} {Word(unit.Unit)}",
                ByHand => $"nothing {i}",
                _ => throw new ChangeFailedException("do that by plain commands", $"it needs lotse itself on {host.Name}: {change.Sentence}"),
            };
            steps.Append(line).Append('\n');
        }

        var checks = plan.Changes.Select((c, i) => c.Checked is { } check ? $"{i}{string.Concat(check.Select(w => " " + Word(w)))}\n" : "");
        return new(steps.ToString(), string.Concat(checks), string.Concat(folders.Distinct().Select((f, i) => $"{i} {Word(f)}\n")), after);
    }

    /// <summary>
    /// A value as a word for the script: a <c>=</c>, then each byte that is not plain as <c>\0</c> and three octal digits,
    /// which <c>printf %b</c> turns back. Never empty, never an option, never anything that a shell would read.
    /// </summary>
    internal static string Word(string value)
    {
        var word = new StringBuilder("=");
        foreach (var b in ByteText.Encode(value))
        {
            _ = char.IsAsciiLetterOrDigit((char)b) || b is (byte)'/' or (byte)'.' or (byte)'_' or (byte)'-'
                ? word.Append((char)b)
                : word.Append("\\0").Append(Convert.ToString(b, 8).PadLeft(3, '0'));
        }

        return word.ToString();
    }

    /// <summary>The mode as ls(1) prints it: <c>-rwsr-xr-t</c>.</summary>
    internal static string Letters(int mode)
    {
        Span<char> letters = stackalloc char[10];
        "-rwxrwxrwx".CopyTo(letters);
        for (var i = 0; i < 9; i++)
        {
            letters[i + 1] = (mode & (1 << (8 - i))) != 0 ? letters[i + 1] : '-';
        }

        Special(letters, 3, (mode & 0x800) != 0, 's');
        Special(letters, 6, (mode & 0x400) != 0, 's');
        Special(letters, 9, (mode & 0x200) != 0, 't');
        return new(letters);

        static void Special(Span<char> letters, int at, bool set, char letter) => letters[at] = !set ? letters[at] : letters[at] == 'x' ? letter : char.ToUpperInvariant(letter);
    }

    private static string Octal(int mode) => Convert.ToString(mode, 8).PadLeft(4, '0');

    /// <summary>Folder, name, inode, letters, owner, group and SHA-256 of a file that is there.</summary>
    private static string Existing(Host host, RealPath place, string path, string expected, out byte[] bytes)
    {
        if (place.Status is not { } status)
        {
            throw new ChangeFailedException($"change {ByteText.Escape(path)}", "no such file or directory");
        }

        if (status.Links > 1)
        {
            throw new ChangeFailedException($"change {ByteText.Escape(path)}", $"it has {status.Links} hard links: replacing it would part it from its other names");
        }

        var read = host.ReadFile(place.Path);
        bytes = read.Ok ? read.Value : throw new ChangeFailedException($"change {ByteText.Escape(path)}", read.Error!.Message);
        return Sha256.Hex(bytes) == expected
            ? string.Create(CultureInfo.InvariantCulture, $"{Word(place.Folder)} {Word(place.Name)} {status.Inode} {Letters(status.Mode)} {status.Uid} {status.Gid} {expected}")
            : throw Stale(path);
    }

    private static string New(RealPath place, CreateFile create) => place.Status is null
        ? string.Create(CultureInfo.InvariantCulture, $"{Word(place.Folder)} {Word(place.Name)} {Letters(create.Mode)} {create.Uid} {create.Gid}")
        : throw new ChangeFailedException($"create {ByteText.Escape(create.Path)}", "it is there already");

    /// <summary>The mode now; what stands there afterwards; the modes of the way there: afterwards, and what both allow, the latter also in letters.</summary>
    private static string Attributes(FileStatus now, SetAttributes set)
    {
        var mode = set.Mode ?? now.Mode;
        return string.Create(CultureInfo.InvariantCulture, $"{Octal(now.Mode)} {Letters(mode)} {set.Uid ?? now.Uid} {set.Gid ?? now.Gid} {Octal(mode)} {Octal(now.Mode & mode & 0x1ff)} {Letters(now.Mode & mode & 0x1ff)}");
    }

    private static ChangeFailedException Stale(string path) => new($"change {ByteText.Escape(path)}", "it is not the file that the plan was made for");
}
