using System.Diagnostics;
using System.Globalization;
using Xunit;

namespace Lotse.LabTests;

/// <summary>A container, its data in a folder of this machine. One engine with its images serves all worlds after each other.</summary>
internal sealed class ContainerWorld : IUpgradeWorld
{
    private static readonly Dictionary<string, ContainerLab> Engines = [];
    private readonly ContainerLab lab;
    private readonly SmallDisk disk;
    private readonly string engine;

    public ContainerWorld(string engine, bool clones)
    {
        (this.engine, lab) = (engine, EngineOf(engine));
        disk = new(clones ? "xfs" : "ext4");
        try
        {
            Fill();
        }
        catch
        {
            disk.Dispose();
            throw;
        }
    }

    private static ContainerLab EngineOf(string engine)
    {
        if (!Engines.TryGetValue(engine, out var there))
        {
            there = new(engine);
            AppDomain.CurrentDomain.ProcessExit += (_, _) => there.Dispose();
            there.Image(13);
            there.Image(18);
            Engines[engine] = there;
        }

        return there;
    }

    private void Fill()
    {
        Lab.Run(TimeSpan.FromMinutes(1), "install", "-d", "-o", "999", "-g", "999", $"{disk.Folder}/db", $"{disk.Folder}/db/data");
        Lab.Run(TimeSpan.FromMinutes(1), "chmod", "755", disk.Folder);
        lab.Engine("run", "-d", "--name", "db", "-e", "POSTGRES_USER=boss", "-e", "POSTGRES_PASSWORD=pw", "-e", "POSTGRES_DB=shop", "-e", "POSTGRES_INITDB_ARGS=--locale=C -E UTF8", "-v", $"{disk.Folder}/db/data:/var/lib/postgresql/data", "localhost/postgres:13");
        lab.Await("db");
        lab.Ask("db", "boss", "shop", "CREATE ROLE web LOGIN PASSWORD 'webpw' SUPERUSER");
        foreach (var statement in UpgradeWorlds.Fill.Split(";\n").SelectMany(s => s.Contains("DO $$", StringComparison.Ordinal) ? [s] : s.Split("; ")))
        {
            lab.Ask("db", "boss", "shop", statement);
        }

        // Disks fail here: what was made is old, and on them.
        lab.Ask("db", "boss", "shop", "CHECKPOINT");
        Lab.Run(TimeSpan.FromMinutes(1), "sync", "-f", disk.Folder);
    }

    public string Folder => lab.Folder;

    public Dictionary<string, string?> Environment => lab.Environment;

    public string[] Wish => ["db", "--to", "localhost/postgres:18"];

    public string Output => $"{disk.Folder}/db/data-18.lotse/new/pg_upgrade_output.d";

    public Lab.Ran Lotse(string verb, params string[] arguments) => lab.Lotse([verb, .. arguments]);

    public string Content()
    {
        for (var clock = Stopwatch.StartNew(); ; Thread.Sleep(200))
        {
            var said = lab.LogIn("db", "web", "webpw", "shop", UpgradeWorlds.Asked);
            if (said != "refused" || clock.Elapsed > TimeSpan.FromSeconds(20))
            {
                return said;
            }
        }
    }

    public string Said() => Lab.RunWith(TimeSpan.FromMinutes(1), lab.Environment, engine, "logs", "--tail", "30", "db") is var ran ? ran.Text + ran.ErrorText : "";

    public int Version() => int.Parse(lab.Ask("db", "boss", "shop", "SELECT current_setting('server_version_num')::int / 10000"), CultureInfo.InvariantCulture);

    public void Hit(string victim, int lotse)
    {
        if (!disk.Hit(victim))
        {
            UpgradeWorlds.Kill(victim, disk.Folder, lotse);
        }
    }

    public void Heal() => disk.Heal(() =>
    {
        foreach (var name in lab.Engine("ps", "-q").Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            Lab.RunWith(TimeSpan.FromMinutes(1), lab.Environment, engine, "kill", name.Trim());
        }

        UpgradeWorlds.Kill("all", disk.Folder, 0);
    });

    public void Settled(bool applied)
    {
        UpgradeWorlds.OneServerEach(disk.Folder);
        if (lab.Engine("inspect", "--format", "{{.State.Running}}", "db") != "true")
        {
            Assert.True(applied, "no container runs, and lotse has nothing left to do");
            lab.Engine("start", "db");
        }
    }

    public void MustBeSound(int version)
    {
        Assert.Equal(version == 18, Directory.Exists($"{disk.Folder}/db/data-18"));
        foreach (var statement in UpgradeWorlds.Work.Split("; "))
        {
            lab.Ask("db", "boss", "shop", statement);
        }

        Assert.Equal(version == 18 ? "db db-13" : "db", string.Join(' ', lab.Engine("ps", "-a", "--format", "{{.Names}}").Split('\n').Order()));
        UpgradeWorlds.OneServerEach(disk.Folder);
    }

    public void Dispose()
    {
        foreach (var name in lab.Engine("ps", "-aq").Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            lab.Engine("rm", "-f", "-v", name.Trim());
        }

        disk.Dispose();
    }
}
