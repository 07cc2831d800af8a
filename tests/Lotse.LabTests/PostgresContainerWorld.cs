using System.Diagnostics;
using System.Globalization;
using Xunit;

namespace Lotse.LabTests;

/// <summary>A container, its data in a folder of this machine. One engine with its images serves all worlds after each other.</summary>
internal sealed class ContainerWorld : IUpgradeWorld
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);
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
            Lab.Must(Minute, "install", "-d", "-o", "999", "-g", "999", $"{disk.Folder}/db", $"{disk.Folder}/db/data");
            Lab.Must(Minute, "chmod", "755", disk.Folder);
            if (Directory.Exists(Filled))
            {
                Lab.Must(Minute, "cp", "-a", "-T", Filled, $"{disk.Folder}/db/data");
                Start();
            }
            else
            {
                Start();
                lab.Ask("db", "boss", "shop", UpgradeWorlds.Statements);
                lab.Engine("stop", "db");
                Lab.Must(Minute, "cp", "-a", "-T", $"{disk.Folder}/db/data", Filled);
                lab.Engine("start", "db");
                lab.Await("db");
            }

            // Disks fail here: what was made is old, and on them.
            lab.Ask("db", "boss", "shop", "CHECKPOINT");
            Lab.Must(Minute, "sync", "-f", disk.Folder);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The data of the first world, which all others of this engine begin with.</summary>
    private string Filled => lab.Folder + "/filled";

    /// <summary>Images as lotse unpacked them first: links of their files spare the next ones the time.</summary>
    private string Unpacked => lab.Folder + "/unpacked";

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

    private void Start()
    {
        lab.Engine("run", "-d", "--name", "db", "-e", "POSTGRES_USER=boss", "-e", "POSTGRES_PASSWORD=pw", "-e", "POSTGRES_DB=shop", "-e", "POSTGRES_INITDB_ARGS=--locale=C -E UTF8", "-v", $"{disk.Folder}/db/data:/var/lib/postgresql/data", "localhost/postgres:13");
        lab.Await("db");
    }

    public string Folder => lab.Folder;

    public Dictionary<string, string?> Environment => lab.Environment;

    public string[] Wish => ["db", "--to", "localhost/postgres:18"];

    public string Output => $"{disk.Folder}/db/data-18.lotse/new/pg_upgrade_output.d";

    public Lab.Ran Lotse(string verb, params string[] arguments)
    {
        var images = lab.Folder + "/state/images";
        if (verb != "pg" || (Directory.Exists(images) && Directory.EnumerateFileSystemEntries(images).Any()))
        {
            return lab.Lotse([verb, .. arguments]);
        }

        if (Directory.Exists(Unpacked))
        {
            Lab.Must(Minute, "cp", "-a", "-l", "-T", Unpacked, images);
        }

        var ran = lab.Lotse([verb, .. arguments]);
        if (!Directory.Exists(Unpacked))
        {
            Lab.Must(Minute, "cp", "-a", "-l", "-T", images, Unpacked);
        }

        return ran;
    }

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

    public string Said() => Lab.RunWith(Minute, lab.Environment, engine, "logs", "--tail", "30", "db") is var ran ? ran.Text + ran.ErrorText : "";

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
            Lab.RunWith(Minute, lab.Environment, engine, "kill", name.Trim());
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
        lab.Ask("db", "boss", "shop", UpgradeWorlds.Work.Split("; "));

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
