using System.Text.Json;
using System.Text.Json.Serialization;
using Lotse.Formats;

namespace Lotse;

/// <summary>Which machine a plan is for.</summary>
/// <param name="Name">Its host name, for people.</param>
/// <param name="Machine">SHA-256 of what identifies it: machine-id(5), or its host name where there is none.</param>
/// <param name="Root">The folder that holds its files (<c>--root</c>); null: the machine itself.</param>
public sealed record HostIdentity(
    [property: JsonConverter(typeof(ForeignText))] string Name,
    string Machine,
    [property: JsonConverter(typeof(ForeignText))] string? Root = null);

/// <summary>What stood at a path when the plan was made.</summary>
public enum PathState
{
    /// <summary>Nothing.</summary>
    Absent,

    /// <summary>A regular file.</summary>
    File,

    /// <summary>A directory; its names count.</summary>
    Directory,

    /// <summary>A symbolic link; its target counts.</summary>
    Link,

    /// <summary>A device, socket or FIFO: it is never read.</summary>
    Special,
}

/// <summary>Something that was read for a plan, as it was then. The plan holds only while it still is so.</summary>
/// <param name="Path">Absolute path.</param>
/// <param name="State">What stood there.</param>
/// <param name="Sha256">Of a file's bytes, of a directory's names each followed by NUL, of a link's target.</param>
/// <param name="Inode">Inode number of a file or directory.</param>
/// <param name="Mode">Permission bits.</param>
/// <param name="Uid">Owner.</param>
/// <param name="Gid">Group.</param>
public sealed record Precondition(
    [property: JsonConverter(typeof(ForeignText))] string Path,
    PathState State,
    string? Sha256 = null,
    ulong? Inode = null,
    [property: JsonConverter(typeof(OctalMode))] int? Mode = null,
    uint? Uid = null,
    uint? Gid = null);

/// <summary>What is to be changed and why, and all that was read to find that out. Holds no secret and no shell text.</summary>
/// <param name="Schema"><see cref="CurrentSchema"/>.</param>
/// <param name="Made">When, UTC.</param>
/// <param name="By">The program that made it, with its version.</param>
/// <param name="Area">The area whose proof is asked afterwards; <c>edit</c> for one of no area.</param>
/// <param name="Goal">What it is for, in one line.</param>
/// <param name="Host">The machine.</param>
/// <param name="Read">What was read.</param>
/// <param name="Changes">The steps, in order.</param>
/// <param name="Vanish">Ids of findings that are meant to go away.</param>
/// <param name="Proof">What the area needs to prove it: its own words.</param>
public sealed record Plan(
    string Schema,
    DateTimeOffset Made,
    string By,
    string Area,
    [property: JsonConverter(typeof(ForeignText))] string Goal,
    HostIdentity Host,
    Precondition[] Read,
    Change[] Changes,
    string[] Vanish,
    [property: JsonConverter(typeof(ForeignTexts))] string[] Proof)
{
    /// <summary>The form of the file. A plan in another form is refused.</summary>
    public const string CurrentSchema = "lotse-plan/1";

    /// <summary>The most that a plan file may hold: 64 MiB.</summary>
    public const int Limit = 64 << 20;

    /// <summary>The plan for the JSON envelope.</summary>
    [JsonIgnore]
    public JsonPart Part => new(this, () => PlanJson.Default.Plan);

    /// <summary>The plan as a readable file.</summary>
    public byte[] ToBytes() => [.. JsonSerializer.SerializeToUtf8Bytes(this, PlanJson.Default.Plan), (byte)'\n'];

    /// <summary>Reads a plan file.</summary>
    /// <param name="name">The file, for messages.</param>
    /// <param name="bytes">Its content: hostile until proven otherwise.</param>
    public static Reading<Plan> Parse(string name, ReadOnlySpan<byte> bytes)
    {
        try
        {
            // First the schema alone: a plan of another form is not a broken one.
            var reader = new Utf8JsonReader(bytes);
            using (var document = JsonDocument.ParseValue(ref reader))
            {
                var schema = document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty("schema", out var said) && said.ValueKind == JsonValueKind.String ? said.GetString()! : null;
                if (schema != CurrentSchema)
                {
                    return Refused(name, schema is null ? "it has no schema" : $"its schema is {ByteText.Escape(schema)}, this lotse applies {CurrentSchema}: make the plan again");
                }
            }

            var plan = JsonSerializer.Deserialize(bytes, PlanJson.Default.Plan)!;
            return Fault(plan) is { } fault ? Refused(name, fault) : new(plan, null);
        }
        catch (JsonException e)
        {
            var where = e.LineNumber is { } line ? $":{line + 1}" : "";
            return Refused(name + where, e.Path is { Length: > 1 } path ? $"something is wrong at {ByteText.Escape(path[2..])}" : "it is not JSON");
        }
        catch (Exception e) when (e is InvalidOperationException or NotSupportedException)
        {
            // A number where a string must be, a change without its kind.
            return Refused(name, "it is not in the form of a plan");
        }
    }

    private static Reading<Plan> Refused(string name, string why) => new(default!, new(HostErrorKind.Failed, $"{ByteText.Escape(name)} is not a plan: {why}"));

    /// <summary>What JSON alone cannot say is wrong.</summary>
    private static string? Fault(Plan plan)
    {
        // What was read may have been found through a relative link; what is changed is named by its place.
        var changed = plan.Changes.Select(c => c switch { SetKernelValue kernel => kernel.Path, CycleSwap swap => swap.Path, _ => c.File ?? "/" }).Append(plan.Host.Root ?? "/");
        if (plan.Read.Select(r => r.Path).Where(p => !p.StartsWith('/') || p.Contains('\0', StringComparison.Ordinal))
            .Concat(changed.Where(p => !p.StartsWith('/') || p.Contains('\0', StringComparison.Ordinal) || p.Split('/').Contains(".."))).FirstOrDefault() is { } path)
        {
            return $"\"{ByteText.Escape(path)}\" is not an absolute path";
        }

        foreach (var change in plan.Changes)
        {
            if (change switch
            {
                RunProgram { Arguments.Length: 0 } or RunProgram { Inverse.Length: 0 } => "a program has no name",
                RunProgram { Seconds: < 1 or > 86400 } => "a program may take from 1 to 86400 seconds",
                TellUnit { Action: not UnitAction.DaemonReload, Unit: "" } => "a unit has no name",
                TellUnit { Unit: ['-', ..] } => "the name of a unit starts with a dash",
                SetKernelValue k when !k.Path.StartsWith("/proc/sys/", StringComparison.Ordinal) && !k.Path.StartsWith("/sys/", StringComparison.Ordinal) => $"{ByteText.Escape(k.Path)} is no value of the kernel",
                EditFile e when LineFault(e.Hunks) => "the lines of an edit are out of order",
                CreateFile { Mode: < 0 or > 0xfff } or SetAttributes { Mode: < 0 or > 0xfff } => "a mode is out of range",
                UpdateZone z when DnsName.Parse(z.Zone) is null || Hosts.DnsSource.ParseServer(z.Server) is null || z.Remove.Concat(z.Add).Any(r => !DnsName.IsAtOrBelow(r.Name, z.Zone)) => "a record is not in its zone",
                UpdateZone { KeyFile: [not '/', ..] } => "the path of a key is not absolute",
                BringPagesIn { Pid: < 1 } => "a process id is out of range",
                { Checked: { } check } when check is not [{ Length: > 0 }, ..] || !check.Skip(1).Any(w => w.Contains(Change.Candidate, StringComparison.Ordinal)) => $"a check has no {Change.Candidate} for the file",
                _ => null,
            } is { } fault)
            {
                return fault;
            }
        }

        return null;
    }

    private static bool LineFault(Hunk[] hunks)
    {
        var next = 1;
        foreach (var hunk in hunks)
        {
            if (hunk is null || hunk.Line < next)
            {
                return true;
            }

            next = hunk.Line + hunk.Remove.Length;
        }

        return false;
    }
}

/// <summary>The JSON form of plans.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true,
    NewLine = "\n",
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UseStringEnumConverter = true,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    AllowOutOfOrderMetadataProperties = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Plan))]
internal sealed partial class PlanJson : JsonSerializerContext;
