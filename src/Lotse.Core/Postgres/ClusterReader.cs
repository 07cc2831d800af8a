using System.Globalization;
using Lotse.Hosts;

namespace Lotse.Postgres;

/// <summary>Reads a data directory as it lies there: no server is started, no program run, no byte written.</summary>
internal static class ClusterReader
{
    private static readonly string[] Encodings =
    [
        "SQL_ASCII", "EUC_JP", "EUC_CN", "EUC_KR", "EUC_TW", "EUC_JIS_2004", "UTF8", "MULE_INTERNAL", "LATIN1", "LATIN2", "LATIN3", "LATIN4", "LATIN5", "LATIN6",
        "LATIN7", "LATIN8", "LATIN9", "LATIN10", "WIN1256", "WIN1258", "WIN866", "WIN874", "KOI8R", "WIN1251", "WIN1252", "ISO_8859_5", "ISO_8859_6", "ISO_8859_7",
        "ISO_8859_8", "WIN1250", "WIN1253", "WIN1254", "WIN1255", "WIN1257", "KOI8U", "SJIS", "BIG5", "GBK", "UHC", "GB18030", "JOHAB", "SHIFT_JIS_2004",
    ];

    /// <summary>What every cluster has, and whose owner must be the directory's.</summary>
    private static readonly string[] Central = ["PG_VERSION", "global", "global/pg_control", "base"];

    /// <summary>
    /// Reads a cluster. On this machine as one question, so that a recording holds the answer and not the pages, in which
    /// verifiers of passwords lie.
    /// </summary>
    /// <param name="host">Where.</param>
    /// <param name="directory">The data directory, absolute.</param>
    /// <param name="deep">Also what in the databases bears on an upgrade.</param>
    /// <param name="sizes">Also sizes.</param>
    /// <param name="configFolder">Where postgresql.conf lies when it is not in the directory; null: looked for.</param>
    /// <param name="ask">Also ask a server that works there: it knows what its files do not say yet.</param>
    /// <param name="begun">What <see cref="Begin"/> has begun with the same words; null: nothing.</param>
    public static Reading<ClusterFacts> Read(Host host, string directory, bool deep, bool sizes = true, string? configFolder = null, bool ask = false, Task<Reading<ClusterFacts>>? begun = null)
    {
        directory = Plain(directory);
        if (!host.IsThisMachine)
        {
            var recorded = host.Ask($"pg/cluster {directory}", static () => PgJson.Default.ClusterFacts, static () => new(null!, new(HostErrorKind.Unsupported, "")));
            return recorded.Ok || host is RecordedHost ? recorded : From(host, directory, deep, sizes, configFolder, ask: false);
        }

        return host.Ask($"pg/cluster {directory}", static () => PgJson.Default.ClusterFacts, () => (begun ?? Begin(directory, deep, sizes, configFolder, ask)).GetAwaiter().GetResult());
    }

    /// <summary>Begins to read a cluster of this machine, while other things are looked at.</summary>
    public static Task<Reading<ClusterFacts>> Begin(string directory, bool deep, bool sizes, string? configFolder, bool ask) => Task.Run(() =>
    {
        using var here = new LocalHost();
        return From(here, Plain(directory), deep, sizes, configFolder, ask);
    });

    private static string Plain(string directory) => directory.Length > 1 ? directory.TrimEnd('/') : directory;

    private static Reading<ClusterFacts> From(Host host, string directory, bool deep, bool sizes, string? configFolder, bool ask)
    {
        var status = host.Status(directory + "/.");
        if (!status.Ok)
        {
            return new(null!, status.Error);
        }

        // Tens of thousands of files are looked at while the catalogs are read.
        var summing = sizes && host is LocalHost ? Task.Run(() =>
        {
            using var here = new LocalHost();
            return DirectorySizes.Of(here, directory);
        }) : null;
        var faults = new List<string>();
        var damages = new List<Damage>();
        var version = host.ReadFile($"{directory}/PG_VERSION", 64);
        var major = version.Ok && int.TryParse(ByteText.Decode(version.Value).Split('.', '\n')[0].Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
        if (!version.Ok && version.Error!.Kind == HostErrorKind.NotFound)
        {
            return new(null!, new(HostErrorKind.NotFound, $"{ByteText.Escape(directory)} is no data directory: it holds no PG_VERSION"));
        }

        if (!version.Ok)
        {
            faults.Add(version.Error!.Message);
        }

        var facts = new ClusterFacts
        {
            Directory = directory,
            Version = major,
            Uid = status.Value.Uid,
            Gid = status.Value.Gid,
            Mode = status.Value.Mode,
            Device = status.Value.Device,
            OtherOwners = [.. Central.Select(n => host.Status($"{directory}/{n}")).Where(s => s.Ok && s.Value.Uid != status.Value.Uid).Select(s => s.Value.Uid).Distinct()],
            Postmaster = ServerProcess.Read(host, directory),
            StartedWith = host.ReadFile($"{directory}/postmaster.opts", 65536) is { Ok: true } opts ? ByteText.Decode(opts.Value).TrimEnd('\n') : null,
            RecoveryFiles = Present(host, directory, "standby.signal", "recovery.signal", "recovery.conf"),
            Remains = Present(host, directory, "global/pg_control.old", "pg_upgrade_output.d", "old", "new", "upgrade_in_progress.lock", "backup_label"),
            Prepared = host.List($"{directory}/pg_twophase") is { Ok: true } prepared ? prepared.Value : [],
        };
        facts = ConfigFiles.Read(host, facts, configFolder, faults);
        var control = host.ReadFile($"{directory}/global/pg_control", 65536);
        if (!control.Ok)
        {
            faults.Add(control.Error!.Message);
        }
        else if (PgControl.Parse($"{directory}/global/pg_control", control.Value) is { } parsed && !parsed.Ok)
        {
            damages.Add(new("global/pg_control", 0, parsed.Error!.Message));
        }
        else
        {
            facts = facts with { Control = parsed.Value };
            if (!parsed.Value.CrcFits)
            {
                damages.Add(new("global/pg_control", 0, "the checksum does not fit: the file is torn, or of a version that is not known"));
            }
            else if (!parsed.Value.IsPlausible)
            {
                damages.Add(new("global/pg_control", 0, "it names sizes of pages or segments that no server has"));
            }
            else if (major is >= 10 and <= 19)
            {
                facts = ReadCatalogs(host, facts with { Slots = SlotReader.Read(host, directory, major, parsed.Value) }, parsed.Value, deep, ask, damages, faults);
            }
            else
            {
                faults.Add(major == 0 ? "the version of the catalogs is not known" : $"the catalogs of PostgreSQL {major} are not known");
            }
        }

        return new(facts with
        {
            Sizes = summing is not null ? summing.GetAwaiter().GetResult() : sizes ? DirectorySizes.Of(host, directory) : null,
            Damages = [.. damages.Distinct()],
            Faults = [.. faults.Distinct()],
        }, null);
    }

    private static string[] Present(Host host, string directory, params ReadOnlySpan<string> names)
    {
        var there = new List<string>();
        foreach (var name in names)
        {
            if (host.Status($"{directory}/{name}").Ok)
            {
                there.Add(name);
            }
        }

        return [.. there];
    }

    private static ClusterFacts ReadCatalogs(Host host, ClusterFacts facts, PgControl control, bool deep, bool ask, List<Damage> damages, List<string> faults)
    {
        // template1 has oid 1 in every version and lies in pg_default; where it was dropped and made anew, any other does.
        var folders = host.List($"{facts.Directory}/base");
        var names = (folders.Ok ? folders.Value : []).Where(n => uint.TryParse(n, NumberStyles.None, CultureInfo.InvariantCulture, out _)).Select(n => uint.Parse(n, CultureInfo.InvariantCulture)).Order();
        Catalogs? catalogs = null;
        string? why = folders.Ok ? $"{ByteText.Escape(facts.Directory)}/base holds no database" : folders.Error!.Message;
        foreach (var oid in names)
        {
            var opened = Catalogs.Open(host, facts.Directory, control, facts.Version, oid);
            if (opened.Ok)
            {
                catalogs = opened.Value;
                break;
            }

            why = opened.Error!.Message;
        }

        if (catalogs is null)
        {
            faults.Add(why);
            return facts;
        }

        var server = ask && facts.IsRunning ? Connect(host, facts with { Roles = [.. catalogs.Shared(Catalogs.AuthId).Select(ReadRole)] }, catalogs, deep) : default;
        facts = facts with
        {
            ServerFault = server.Error?.Message,
            Roles = [.. catalogs.Shared(Catalogs.AuthId).Select(ReadRole).OrderBy(r => r.Oid)],
            Tablespaces = [.. catalogs.Shared(Catalogs.Tablespace).Where(r => r.Oid >= 16384).Select(r => ReadTablespace(host, facts.Directory, r)).OrderBy(t => t.Oid)],
            Subscriptions = [.. catalogs.Shared(Catalogs.Subscription).Select(r => r.Text("subname") ?? "?").Order(StringComparer.Ordinal)],
        };
        var databases = catalogs.Shared(Catalogs.Database).Select(r => ReadDatabase(r)).OrderBy(d => d.Oid).ToArray();
        for (var i = 0; i < databases.Length; i++)
        {
            var folder = catalogs.DatabaseFolder(databases[i].Oid, databases[i].Tablespace);
            if (databases[i].ConnectionLimit != -2)
            {
                catalogs.Server?.Name(folder, databases[i]);

                databases[i] = databases[i] with
                {
                    Extensions = [.. catalogs.Of(folder, Catalogs.Extension).Select(r => new InstalledExtension(r.Text("extname") ?? "?", r.Text("extversion") ?? "?")).OrderBy(e => e.Name, StringComparer.Ordinal)],
                    Objects = deep && databases[i].Name != "template0" ? ObjectReader.Read(catalogs, folder, facts.Version) : null,
                };
            }
        }

        facts = facts with { Databases = databases, UnsteadySubscriptions = deep && facts.Version >= 17 ? SubscriptionReader.Read(catalogs, databases) : [] };
        if (server is { Ok: true, Value: { } asked } && catalogs.Server is { } answers)
        {
            facts = ServerReader.Read(asked, facts);
            return facts with { Server = facts.Server is { } known ? known with { NotAsked = [.. answers.Faults] } : null };
        }

        damages.AddRange(catalogs.AllDamages);
        return facts;
    }

    /// <summary>Has the server that works there answer instead of its files.</summary>
    private static Reading<ServerConnection?> Connect(Host host, ClusterFacts facts, Catalogs catalogs, bool deep)
    {
        var opened = ServerConnection.Open(host, facts);
        if (!opened.Ok)
        {
            return new(null, opened.Error);
        }

        uint[] closed = [.. catalogs.Shared(Catalogs.Database).Where(r => r.Bool("datallowconn") == false).Select(r => r.Oid)];
        var queries = CatalogQueries.Open(opened.Value, facts.Version, deep, closed);
        catalogs.Server = queries.Ok ? queries.Value : null;
        return queries.Ok ? new(opened.Value, null) : new(null, queries.Error);
    }

    private static Role ReadRole(CatalogRow row)
    {
        var verifier = row.Text("rolpassword");
        var kind = verifier is null ? "none"
            : verifier.StartsWith("SCRAM-SHA-256$", StringComparison.Ordinal) ? "scram-sha-256"
            : verifier.Length == 35 && verifier.StartsWith("md5", StringComparison.Ordinal) && verifier.AsSpan(3).IndexOfAnyExceptInRange('0', 'f') < 0 ? "md5"
            : "other";
        return new(row.Oid, row.Text("rolname") ?? "?", row.Bool("rolcanlogin") ?? false, row.Bool("rolsuper") ?? false, kind);
    }

    private static Database ReadDatabase(CatalogRow row) => new()
    {
        Oid = row.Oid,
        Name = row.Text("datname") ?? "?",
        Encoding = row.Int("encoding") is { } code && code >= 0 && code < Encodings.Length ? Encodings[code] : $"{row.Int("encoding")}",
        Collate = row.Text("datcollate"),
        Ctype = row.Text("datctype"),
        Provider = row.Char("datlocprovider")?.ToString() ?? "c",
        Locale = row.Text("datlocale") ?? row.Text("daticulocale"),
        CollationVersion = row.Text("datcollversion"),
        AllowConnections = row.Bool("datallowconn") ?? false,
        IsTemplate = row.Bool("datistemplate") ?? false,
        ConnectionLimit = row.Int("datconnlimit") ?? -1,
        FrozenXid = row.UInt("datfrozenxid") ?? 0,
        MinMulti = row.UInt("datminmxid") ?? 0,
        Tablespace = row.UInt("dattablespace") ?? 1663,
    };

    private static Tablespace ReadTablespace(Host host, string directory, CatalogRow row)
    {
        var link = host.ReadLink($"{directory}/pg_tblspc/{row.Oid}");
        var names = host.List($"{directory}/pg_tblspc/{row.Oid}/");
        return new(row.Oid, row.Text("spcname") ?? "?", link.Ok ? link.Value : null, names.Ok ? [.. names.Value.Where(n => n.StartsWith("PG_", StringComparison.Ordinal))] : []);
    }
}
