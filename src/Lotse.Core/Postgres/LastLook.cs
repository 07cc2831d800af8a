using System.Text.Json;

namespace Lotse.Postgres;

/// <summary>
/// The plan's questions once more, when it is applied: all of them while the old server still serves, and after its stop
/// only those that its files answer, for a server knows more than its files until it has stopped. What the programs and
/// images around it said before is kept for that: nobody waits for it to be asked a second time.
/// </summary>
internal static class LastLook
{
    private const string Kept = "around.json";

    /// <summary>While the old server serves: an upgrade that cannot succeed any more ends here, and nobody has noticed.</summary>
    /// <exception cref="StepFailedException">Something stands against it.</exception>
    public static void WhileServing(ClusterPrograms programs, UpgradeJob job)
    {
        if (programs.ServerOf(job.Old) is null || Read(programs, job) is not { Ok: true, Value: var facts })
        {
            return;
        }

        Refuse(facts);
        var around = facts with { Old = facts.Old with { Databases = [], Roles = [] } };
        programs.Write($"{job.Marks}/{Kept}", JsonSerializer.SerializeToUtf8Bytes(around, PgJson.Default.PlanFacts), durable: false);

        // What a stop would have to write, and users to wait for, is written now. That it cannot be asked for changes nothing but the time.
        if (ServerConnection.Open(programs.Host, facts.Old) is { Ok: true, Value: var server })
        {
            _ = server.Ask("template1", "CHECKPOINT");
        }
    }

    /// <summary>After the stop.</summary>
    /// <exception cref="StepFailedException">Something stands against it.</exception>
    public static void AfterStop(ClusterPrograms programs, UpgradeJob job)
    {
        if (Around(programs, job) is { } around)
        {
            var folder = around.Old.ConfigFile is { } file ? file[..Math.Max(1, file.LastIndexOf('/'))] : null;
            if (ClusterReader.Read(programs.Host, job.Old, deep: true, sizes: false, folder) is { Ok: true, Value: var old })
            {
                Refuse(around with { Old = old with { Sizes = around.Old.Sizes } });
            }
        }
        else if (Read(programs, job) is { Ok: true, Value: var facts })
        {
            Refuse(facts);
        }
    }

    private static PlanFacts? Around(ClusterPrograms programs, UpgradeJob job)
    {
        try
        {
            return programs.Host.ReadFile($"{job.Marks}/{Kept}", 64 << 20) is { Ok: true } kept ? JsonSerializer.Deserialize(kept.Value, PgJson.Default.PlanFacts) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static Reading<PlanFacts> Read(ClusterPrograms programs, UpgradeJob job) => job.Container is { } container
        ? Containers.ContainerPlanReader.Read(programs.Host, container.Name, job.To, container.Image, job.Mode)
        : PlanReader.Read(programs.Host, new(job.Old, job.To) { OldPrograms = job.OldPrograms, NewPrograms = job.NewPrograms, NewDirectory = job.New, Mode = job.Mode });

    private static void Refuse(PlanFacts facts)
    {
        if (UpgradeFindings.Of(facts).FirstOrDefault(f => f.Severity == Severity.Error) is { } error)
        {
            throw new StepFailedException($"{error.Title} [{error.Id}]");
        }
    }
}
