using System.Text.Json.Serialization;
using Lotse.Formats;

namespace Lotse;

/// <summary>What a systemd unit is told.</summary>
public enum UnitAction
{
    /// <summary>systemctl daemon-reload: read unit files again. The unit's name is not used.</summary>
    DaemonReload,

    /// <summary>Stop and start.</summary>
    Restart,

    /// <summary>Read its configuration again without stopping.</summary>
    Reload,
}

/// <summary>
/// One step of a plan. A closed set: each has a preview, a way to apply and a way back, and none holds shell text.
/// Strings are foreign bytes in the form of <see cref="ByteText"/>; in JSON they are escaped as <see cref="ByteText.Escape"/> does.
/// </summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "do")]
[JsonDerivedType(typeof(EditFile), "edit")]
[JsonDerivedType(typeof(CreateFile), "create")]
[JsonDerivedType(typeof(DeleteFile), "delete")]
[JsonDerivedType(typeof(SetAttributes), "attributes")]
[JsonDerivedType(typeof(SetKernelValue), "kernel")]
[JsonDerivedType(typeof(RunProgram), "run")]
[JsonDerivedType(typeof(TellUnit), "unit")]
[JsonDerivedType(typeof(BringPagesIn), "bring-in")]
[JsonDerivedType(typeof(CycleSwap), "cycle-swap")]
[JsonDerivedType(typeof(UpdateZone), "dns")]
[JsonDerivedType(typeof(ByHand), "by-hand")]
public abstract record Change
{
    /// <summary>What it does, in one sentence without a full stop.</summary>
    [JsonIgnore]
    public Text Sentence => Describe();

    /// <summary>The regular file that it is about, as named; null when it is about none.</summary>
    [JsonIgnore]
    public string? File => this switch
    {
        EditFile edit => edit.Path,
        CreateFile create => create.Path,
        DeleteFile delete => delete.Path,
        SetAttributes set => set.Path,
        _ => null,
    };

    /// <summary>
    /// The program that reads such a file, asked before the new file takes its place: an argument vector in which
    /// <see cref="Candidate"/> stands for the new file's path, for example <c>sshd -t -f {}</c>. It must end with 0, unless
    /// it refuses the old file too. It is not asked where it is not installed, and not for a folder.
    /// </summary>
    [JsonIgnore]
    public string[]? Checked => this switch { EditFile edit => edit.Check, CreateFile create => create.Check, _ => null };

    /// <summary>Stands for the path of the new file in <see cref="Checked"/>.</summary>
    public const string Candidate = "{}";

    /// <summary>The sentence.</summary>
    private protected abstract Text Describe();
}

/// <summary>Replaces lines of a file; every other byte, the owner, the mode and all attributes stay.</summary>
/// <param name="Path">The file; links are followed.</param>
/// <param name="Hunks">The lines that go and come.</param>
/// <param name="Before">SHA-256 of the whole file before.</param>
/// <param name="After">SHA-256 of the whole file afterwards.</param>
/// <param name="Unterminated">Whether the last line afterwards has no newline.</param>
/// <param name="Check">The program that reads such files, as <see cref="Change.Checked"/> says; null: there is none.</param>
public sealed record EditFile(
    [property: JsonConverter(typeof(ForeignText))] string Path,
    Hunk[] Hunks,
    string Before,
    string After,
    bool Unterminated,
    [property: JsonConverter(typeof(ForeignTexts))] string[]? Check = null) : Change
{
    /// <inheritdoc/>
    private protected override Text Describe() =>
        $"change {Value.Path(Path)}: {Count(Hunks.Sum(h => h.Remove.Length))} out, {Count(Hunks.Sum(h => h.Add.Length))} in";

    /// <summary>The edit that turns one content into another.</summary>
    public static EditFile Between(string path, ReadOnlySpan<byte> before, ReadOnlySpan<byte> after, string[]? check = null)
    {
        FileLines old = FileLines.Split(before), now = FileLines.Split(after);

        // The newline at the end of a file belongs to its last line: where it comes or goes, that line changes.
        var hunks = old.Unterminated == now.Unterminated || old.Lines.Length == 0 || now.Lines.Length == 0
            ? LineDiff.Between(old.Lines, now.Lines)
            : LineDiff.Between([.. old.Lines[..^1], old.Lines[^1] + (old.Unterminated ? "" : "\n")], [.. now.Lines[..^1], now.Lines[^1] + (now.Unterminated ? "" : "\n")]);
        return new(path, [.. hunks.Select(h => new Hunk(h.Line, Trim(h.Remove), Trim(h.Add)))], Sha256.Hex(before), Sha256.Hex(after), now.Unterminated, check);

        static string[] Trim(string[] lines) => [.. lines.Select(l => l.TrimEnd('\n'))];
    }

    /// <summary>The file afterwards.</summary>
    /// <returns>Null when the bytes are not those that the edit was made for.</returns>
    public byte[]? Apply(ReadOnlySpan<byte> before)
    {
        if (Sha256.Hex(before) != Before || LineDiff.Apply(FileLines.Split(before).Lines, Hunks) is not { } lines)
        {
            return null;
        }

        var after = new FileLines(lines, Unterminated).Join();
        return Sha256.Hex(after) == After ? after : null;
    }

    private static string Count(int lines) => lines == 1 ? "1 line" : $"{lines} lines";
}

/// <summary>Makes a file that is not there, and the folders above it that are missing (mode 0755, root's or the user's).</summary>
/// <param name="Path">The file.</param>
/// <param name="Lines">Its lines.</param>
/// <param name="Mode">Permission bits.</param>
/// <param name="Uid">Owner.</param>
/// <param name="Gid">Group.</param>
/// <param name="Unterminated">Whether the last line has no newline.</param>
/// <param name="Check">The program that reads such files, as <see cref="Change.Checked"/> says; null: there is none.</param>
public sealed record CreateFile(
    [property: JsonConverter(typeof(ForeignText))] string Path,
    [property: JsonConverter(typeof(ForeignTexts))] string[] Lines,
    [property: JsonConverter(typeof(OctalMode))] int Mode,
    uint Uid,
    uint Gid,
    bool Unterminated = false,
    [property: JsonConverter(typeof(ForeignTexts))] string[]? Check = null) : Change
{
    /// <inheritdoc/>
    private protected override Text Describe() => $"create {Value.Path(Path)}: {Lines.Length} line{(Lines.Length == 1 ? "" : "s")}, mode {OctalMode.Words(Mode)}";

    /// <summary>Its bytes.</summary>
    public byte[] Content() => new FileLines(Lines, Unterminated).Join();
}

/// <summary>Deletes a regular file.</summary>
/// <param name="Path">The file itself, not a link to it.</param>
/// <param name="Before">SHA-256 of its content.</param>
public sealed record DeleteFile([property: JsonConverter(typeof(ForeignText))] string Path, string Before) : Change
{
    /// <inheritdoc/>
    private protected override Text Describe() => $"delete {Value.Path(Path)}";
}

/// <summary>Sets the mode or the owner of a regular file.</summary>
/// <param name="Path">The file; links are followed.</param>
/// <param name="Before">SHA-256 of its content, which stays.</param>
/// <param name="Mode">Permission bits; null: they stay.</param>
/// <param name="Uid">Owner; null: stays.</param>
/// <param name="Gid">Group; null: stays.</param>
public sealed record SetAttributes([property: JsonConverter(typeof(ForeignText))] string Path, string Before, [property: JsonConverter(typeof(OctalMode))] int? Mode = null, uint? Uid = null, uint? Gid = null) : Change
{
    /// <inheritdoc/>
    private protected override Text Describe()
    {
        var mode = Mode is { } bits ? $"mode {OctalMode.Words(bits)}" : null;
        var owner = Uid is { } uid ? $"owner {uid}" : null;
        var group = Gid is { } gid ? $"group {gid}" : null;
        return $"give {Value.Path(Path)} {string.Join(", ", new[] { mode, owner, group }.Where(w => w is not null))}";
    }
}

/// <summary>Writes a value of the running kernel under /proc/sys or /sys.</summary>
/// <param name="Path">The file of the value.</param>
/// <param name="Before">What it says now, without the newline.</param>
/// <param name="After">What is written.</param>
public sealed record SetKernelValue([property: JsonConverter(typeof(ForeignText))] string Path, string Before, string After) : Change
{
    /// <inheritdoc/>
    private protected override Text Describe() => $"set {Value.Path(Path)} of the running kernel from {Before} to {After}";
}

/// <summary>Runs a program by its argument vector.</summary>
/// <param name="Arguments">The program and its arguments.</param>
/// <param name="Inverse">What takes it back, and does no harm when there is nothing to take back.</param>
/// <param name="Seconds">How long it may take.</param>
/// <param name="Phase">One word for what it is, where a plan is told phase by phase while it is applied; null: it is not.</param>
/// <param name="Estimate">How long it took in a rehearsal, seconds; null: there was none.</param>
/// <param name="NoReturn">Why nothing is taken back any more once it has begun: whoever applies the plan is told and, at a terminal, asked before anything is changed. Null: it can be taken back.</param>
public sealed record RunProgram(
    [property: JsonConverter(typeof(ForeignTexts))] string[] Arguments,
    [property: JsonConverter(typeof(ForeignTexts))] string[] Inverse,
    int Seconds,
    string? Phase = null,
    double? Estimate = null,
    [property: JsonConverter(typeof(ForeignText))] string? NoReturn = null) : Change
{
    /// <summary>The exit code of an inverse that cannot take anything back any more, and has finished what was begun instead.</summary>
    public const int PastReturn = 7;

    /// <inheritdoc/>
    private protected override Text Describe() => $"run {string.Join(' ', Arguments)}";
}

/// <summary>Has systemd reload or restart a unit. A unit that was not running is left alone.</summary>
/// <param name="Unit">The unit; empty for <see cref="UnitAction.DaemonReload"/>.</param>
/// <param name="Action">What it is told.</param>
public sealed record TellUnit([property: JsonConverter(typeof(ForeignText))] string Unit, UnitAction Action) : Change
{
    /// <inheritdoc/>
    private protected override Text Describe() => Action switch
    {
        UnitAction.DaemonReload => "have systemd read its unit files again",
        UnitAction.Restart => $"restart {Value.Process(Unit)} if it is running",
        _ => $"have {Value.Process(Unit)} read its configuration again if it is running",
    };
}

/// <summary>Brings the pages of one process back from swap into memory, by reading them. Takes nothing from anybody, so there is nothing to take back.</summary>
/// <param name="Pid">The process.</param>
/// <param name="StartTicks">When it started: with the pid, its identity (proc_pid_stat(5) field 22).</param>
/// <param name="Name">Its name, for messages.</param>
public sealed record BringPagesIn(int Pid, long StartTicks, [property: JsonConverter(typeof(ForeignText))] string Name) : Change
{
    /// <inheritdoc/>
    private protected override Text Describe() => $"bring the pages of process {Pid} ({Value.Process(Name)}) back into memory";
}

/// <summary>
/// Takes a swap area out of use and back in (swapoff(2), swapon(2)), so that all it holds comes back into memory. Taken
/// back by making sure that it is in use.
/// </summary>
/// <param name="Path">Device or file, as /proc/swaps names it.</param>
/// <param name="Priority">Its priority; negative: the kernel chose it, and will again.</param>
/// <param name="NeedKib">What has to fit into memory, KiB: refused when it does not at that moment.</param>
public sealed record CycleSwap([property: JsonConverter(typeof(ForeignText))] string Path, int Priority, long NeedKib) : Change
{
    /// <inheritdoc/>
    private protected override Text Describe() => $"take {Value.Path(Path)} out of use as swap and back in: {Amount.OfKib(NeedKib)} come back into memory";
}

/// <summary>Changes records of a zone at its server by a signed update (RFC 2136, RFC 8945): all of them or none.</summary>
/// <param name="Server">Address of the zone's primary server, <c>192.0.2.1</c> or <c>192.0.2.1#5300</c>.</param>
/// <param name="Zone">The zone.</param>
/// <param name="KeyFile">The file that holds the key (TSIG); null: the server takes unsigned updates. The secret itself is in no plan.</param>
/// <param name="Remove">Records that go, as lines of a zone file.</param>
/// <param name="Add">Records that come.</param>
public sealed record UpdateZone(
    string Server,
    [property: JsonConverter(typeof(ForeignText))] string Zone,
    [property: JsonConverter(typeof(ForeignText))] string? KeyFile,
    DnsRecord[] Remove,
    DnsRecord[] Add) : Change
{
    /// <inheritdoc/>
    private protected override Text Describe() => $"change the zone {Value.Domain(Zone)} at {Value.Host(Server)}: {Remove.Length} record{(Remove.Length == 1 ? "" : "s")} out, {Add.Length} in";
}

/// <summary>What Lotse cannot reach: somebody has to do it.</summary>
/// <param name="Text">What to do, one sentence a line.</param>
public sealed record ByHand([property: JsonConverter(typeof(ForeignText))] string Text) : Change
{
    /// <inheritdoc/>
    private protected override Text Describe() => $"by hand: {Text}";
}
