using System.Text.Json.Serialization;

namespace Lotse.Postgres;

/// <summary>The answer of <c>pg facts</c>.</summary>
public sealed record FactsAnswer
{
    /// <summary>The data directory.</summary>
    public required string Directory { get; init; }

    /// <summary>Major version as PG_VERSION says it.</summary>
    public required string Version { get; init; }

    /// <summary>In the words of pg_controldata; null where the file could not be read.</summary>
    public string? State { get; init; }

    /// <summary>Whether a server works in the directory now.</summary>
    public bool Running { get; init; }

    /// <summary>Catalog version.</summary>
    public int? CatalogVersion { get; init; }

    /// <summary>Layout version of pg_control.</summary>
    public int? ControlVersion { get; init; }

    /// <summary>Whether pages carry checksums.</summary>
    public bool? Checksums { get; init; }

    /// <summary>Bytes of a file of the write-ahead log.</summary>
    public int? WalSegmentBytes { get; init; }

    /// <summary>Bytes of a page.</summary>
    public int? BlockBytes { get; init; }

    /// <summary>Name of the role with oid 10.</summary>
    public string? BootstrapSuperuser { get; init; }

    /// <summary>Roles by oid.</summary>
    public Role[] Roles { get; init; } = [];

    /// <summary>Databases by oid.</summary>
    public Database[] Databases { get; init; } = [];

    /// <summary>Tablespaces that users made.</summary>
    public Tablespace[] Tablespaces { get; init; } = [];

    /// <summary>Sizes in bytes.</summary>
    public ClusterSizes? Sizes { get; init; }

    /// <summary>What is not whole.</summary>
    public Damage[] Damages { get; init; } = [];

    /// <summary>The container that serves it, by its engine and name; null: none that is known.</summary>
    public string? Container { get; init; }

    /// <summary>Until when its version gets fixes; null: not known.</summary>
    public DateOnly? KeptUntil { get; init; }

    /// <summary>What each later major version would break; null: not asked.</summary>
    public LaterVersion[]? Later { get; init; }

    /// <summary>What of the facts answers the question.</summary>
    public static FactsAnswer Of(ClusterFacts facts) => new()
    {
        Directory = facts.Directory,
        Version = facts.Version.ToString(System.Globalization.CultureInfo.InvariantCulture),
        State = facts.Control?.State,
        Running = facts.IsRunning,
        CatalogVersion = facts.Control?.CatalogVersion,
        ControlVersion = facts.Control?.ControlVersion,
        Checksums = facts.Control is { } control ? control.ChecksumVersion != 0 : null,
        WalSegmentBytes = facts.Control?.WalSegmentBytes,
        BlockBytes = facts.Control?.BlockBytes,
        BootstrapSuperuser = facts.BootstrapSuperuser,
        Roles = facts.Roles,
        Databases = facts.Databases,
        Tablespaces = facts.Tablespaces,
        Sizes = facts.Sizes,
        Damages = facts.Damages,
        KeptUntil = VersionTables.Lifetimes.FirstOrDefault(l => l.Major == facts.Version)?.Until,
    };
}

/// <summary>The answer of <c>lotse pg</c>.</summary>
/// <param name="Clusters">By directory.</param>
public sealed record ListAnswer(FactsAnswer[] Clusters);

/// <summary>The JSON forms of this area.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, GenerationMode = JsonSourceGenerationMode.Default, UseStringEnumConverter = true, IgnoreReadOnlyProperties = true)]
[JsonSerializable(typeof(ClusterFacts))]
[JsonSerializable(typeof(FactsAnswer))]
[JsonSerializable(typeof(ListAnswer))]
[JsonSerializable(typeof(UpgradeJob))]
[JsonSerializable(typeof(LinkedLibraries))]
[JsonSerializable(typeof(Circumstances))]
[JsonSerializable(typeof(Rehearsal))]
[JsonSerializable(typeof(PlanFacts))]
[JsonSerializable(typeof(Containers.ContainerFacts))]
[JsonSerializable(typeof(Containers.ImageFacts))]
[JsonSerializable(typeof(Installation))]
internal sealed partial class PgJson : JsonSerializerContext
{
    public static JsonPart Part(ClusterFacts facts) => new(facts, static () => Default.ClusterFacts);

    public static JsonPart Part(PlanFacts facts) => new(facts, static () => Default.PlanFacts);

    public static JsonPart Part(ListAnswer answer) => new(answer, static () => Default.ListAnswer);

    public static JsonPart Part(FactsAnswer answer) => new(answer, static () => Default.FactsAnswer);
}
