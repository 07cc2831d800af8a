using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Serialization.Metadata;
using Lotse.Postgres;

namespace Lotse.Fuzz;

/// <summary>The readers of the area of PostgreSQL: control file, pages of catalogs, write-ahead log, configuration, logs, and text out of the catalogs.</summary>
internal static class PgReaders
{
    private const string Conf = "# comment\nport = 5433\nshared_preload_libraries 'pg_cron, \"a b\"'\ninclude_if_exists 'more.conf'\nlc_messages = 'en_US.UTF-8' # end\nsearch_path = '\"$user\", public\\''\n";
    private const string Hba = "local all all peer map=m\nhost \"all\",db @users 10.0.0.0/8 md5 # words\nhostssl all +staff ::1/128 scram-sha-256 clientcert=verify-full\nhost all /^x.*$ samenet trust\n";
    private const string Tree = "({QUERY :commandType 1 :rtable ({RTE :alias <> :eref {ALIAS :aliasname s :colnames (\"a\" \"b\")} :rtekind 0 :relid 12150 :relkind v :selectedCols (b 8 9) :insertedCols (b)}) :targetList ({TARGETENTRY :expr {FUNCEXPR :funcid 3813 :funcresulttype 16}})})";
    private const string Body = "WITH x AS (SELECT 'it''s' || E'\\'', $q$from l$q$ FROM public.l) /* a /* b */ */ SELECT \"F\"(v)::my_type <-> 1 -- end\n FROM x JOIN s.t ON t.a = $1";

    public static IEnumerable<byte[]> Trees() => [Encoding.ASCII.GetBytes(Tree)];

    public static IEnumerable<byte[]> Configurations() => [Encoding.ASCII.GetBytes(Conf), Encoding.ASCII.GetBytes(Hba), "4711\n/srv/pg\n1700000000\n5432\n/tmp\n*\n 1 2\nready\n"u8.ToArray()];

    public static IEnumerable<byte[]> Bodies() => [Encoding.UTF8.GetBytes(Body), "dictfile = 'english', StopWords = 'x''y'"u8.ToArray(), "{n_distinct=5,a_b=1}"u8.ToArray()];

    public static IEnumerable<byte[]> Logs() =>
    [
        Encoding.UTF8.GetBytes("Performing Consistency Checks\nChecking cluster versions   ok\nencodings for database \"template1\" do not match: old \"UTF8\", new \"SQL_ASCII\"\nFailure, exiting\n"),
        Encoding.UTF8.GetBytes("2026-01-12 08:00:01.123 UTC [211] FATAL:  password authentication failed for user \"web\"\n2026-01-12 08:00:01.123 UTC [211] DETAIL:  User \"web\" does not have a valid SCRAM secret.\n"),
        Encoding.UTF8.GetBytes("If pg_upgrade fails after this point\npg_restore: error: could not execute query: ERROR:  column \"op_bytes\" does not exist\n"),
    ];

    /// <summary>What a running server's psql answers: numbers, names and vectors of two questions.</summary>
    public static IEnumerable<byte[]> AnswersOfServers() => [Encoding.UTF8.GetBytes("10\tboss\tt\t23 25\n16384\t\\N\tf\t{1,2}\n\\.\na\\tb\\\\\n\\.\n")];

    /// <summary>Takes such answers apart and reads each field as every kind of value.</summary>
    public static string Answered(byte[] bytes)
    {
        if (CatalogQueries.Parse(ByteText.Decode(bytes), 2) is not { } answers)
        {
            return "none";
        }

        var shape = new CatalogShape([.. "oid name flag numbers".Split(' ').Select((n, i) => new CatalogColumn(n, i + 1, -1, 1))]);
        var rows = answers[0].Where(r => r.Length == 4).Select(r => new CatalogRow(r, shape)).ToArray();
        return $"{rows.Count(r => r.Oid > 0)} {rows.Count(r => r.Text("name") is not null)} {rows.Count(r => r.Bool("flag") == true)} {rows.Sum(r => r.Oids("numbers").Length + (r.Int("numbers") is null ? 0 : 1) + (r.Char("flag") is null ? 0 : 1))} {Catalogs.By(rows, r => r.Oid, r => r.Bytes("name")).Count}";
    }

    /// <summary>A control file.</summary>
    public static string Control(byte[] bytes) =>
        PgControl.Parse("pg_control", bytes) is { Ok: true, Value: var c } ? $"{c.ControlVersion} {c.State.Length} {c.CrcFits} {c.IsShutDown} {c.ChecksumVersion != 0}" : "none";

    /// <summary>A whole data directory whose catalogs, map of files, commit log and slots are all these bytes: control file first, then the pages.</summary>
    public static string Directory(byte[] bytes)
    {
        const int ControlBytes = 512;
        if (bytes.Length < ControlBytes)
        {
            return "short";
        }

        // The checksum of the control file is mended, or nothing behind it would ever be read.
        var control = bytes[..ControlBytes];
        foreach (var end in new[] { 284, 288, 292, 296, 300, 304 })
        {
            BinaryPrimitives.WriteUInt32LittleEndian(control.AsSpan(end), ~PgControl.Crc32C(uint.MaxValue, control.AsSpan(0, end)));
            if (PgControl.Parse("pg_control", control) is { Ok: true, Value.CrcFits: true })
            {
                break;
            }
        }

        using var host = new Bytes(control, bytes[ControlBytes..]);
        var read = ClusterReader.Read(host, "/d", deep: true);
        return read.Ok ? $"{read.Value.Roles.Length} {read.Value.Databases.Length} {read.Value.Slots.Length} {Math.Min(read.Value.Damages.Length, 8)} {read.Value.Damages.FirstOrDefault()?.What[..12]} {read.Value.Faults.Length}" : "none";
    }

    /// <summary>Pages of a catalog, as a heap file with checksums and without.</summary>
    public static string Pages(byte[] bytes)
    {
        var control = new PgControl { BlockBytes = 8192, SegmentBlocks = 131072, ControlVersion = 1300, ChecksumVersion = bytes.Length > 0 ? (uint)(bytes[0] & 1) : 0 };
        using var host = new Bytes([], bytes);
        var damages = new List<Damage>();
        var log = new CommitLog(host, "/d", control);
        var shape = new CatalogShape([new("oid", 1, 4, 4), new("name", 2, 64, 1), new("text", 3, -1, 4), new("many", 4, -1, 4), new("flag", 5, 1, 1), new("last", 6, -1, 4)]);
        var (rows, broken, pointers) = (0, 0, 0);
        foreach (var row in HeapFile.Rows(host, "/d", "base/1/1", control, log, damages))
        {
            var taken = new CatalogRow(row, shape);
            rows++;
            broken += taken.IsBroken ? 1 : 0;
            pointers += taken.Pointer("last") is null ? 0 : 1;
            _ = $"{taken.Oid} {taken.Text("name")} {taken.Text("text")?.Length} {taken.Oids("many").Length} {taken.Bool("flag")} {taken.Bytes("last")?.Length}";
        }

        return $"{Math.Min(rows, 20)} {Math.Min(broken, 3)} {Math.Min(pointers, 3)} {Math.Min(damages.Count, 4)}";
    }

    /// <summary>Segments of the write-ahead log, from a place in them on.</summary>
    public static string Log(byte[] bytes)
    {
        var control = new PgControl { BlockBytes = 8192, WalBlockBytes = 8192, WalSegmentBytes = 16 << 20, Timeline = 1, Checkpoint = (1UL << 24) + (ulong)(bytes.Length & ~7), ControlVersion = 1700 };
        using var host = new Bytes([], bytes);
        return $"{WriteAheadLog.HasChange(host, "/d", control, (1UL << 24) + 40, (1UL << 24) + 40, 5)}";
    }

    /// <summary>A first segment with a few records in it.</summary>
    public static IEnumerable<byte[]> Segments()
    {
        var file = new byte[512];
        BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(8), 1UL << 24);
        foreach (var (at, length, manager) in new[] { (40, 60, 10), (104, 50, 1), (160, 30, 8) })
        {
            BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(at), (uint)length);
            BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(at + 8), at == 40 ? 0 : (1UL << 24) + (ulong)(at == 104 ? 40 : 104));
            file[at + 17] = (byte)manager;
            file[at + 24] = 255;
            file[at + 25] = (byte)(length - 26);
        }

        yield return file;
    }

    /// <summary>postgresql.conf, pg_hba.conf and postmaster.pid.</summary>
    public static string Configuration(byte[] bytes)
    {
        using var host = new Bytes([], bytes);
        var faults = new List<string>();
        var settings = PgConf.Read(host, "/d/postgresql.conf", "/d", faults);
        var hba = HostBasedAuthentication.Read(host, "/d/pg_hba.conf", 17, faults);
        return $"{Math.Min(settings.Length, 9)} {Math.Min(hba.Length, 9)} {hba.Count(l => l.IsAbout("web"))} {Math.Min(faults.Count, 4)} {ServerProcess.Read(host, "/d")?.Port is null}";
    }

    /// <summary>What pg_upgrade, servers and clients print.</summary>
    public static string Messages(byte[] bytes)
    {
        var report = LogDiagnosis.Explain([new("log", ByteText.Decode(bytes))]);
        return $"{string.Join(',', report.Findings.Select(f => f.Id))} {report.Unknowns.Length} {report.Reasons.Length}";
    }

    /// <summary>Stored trees of rules.</summary>
    public static string Rules(byte[] bytes)
    {
        var text = ByteText.Decode(bytes);
        return $"{ViewReader.UsedColumns(text, 13).Take(20).Sum(u => u.Columns.Length)} {ViewReader.UsedFunctions(text).Take(20).Count()}";
    }

    /// <summary>Bodies of functions, options, and compressed values.</summary>
    public static string Texts(byte[] bytes)
    {
        var text = ByteText.Decode(bytes);
        var words = SqlWords.Of(text);
        return $"{Math.Min(words.Count, 30)} {words.Count(w => w.Kind == 'q')} {words.Count(w => w.Kind == 'o')} {ObjectReader.Options(text).Take(9).Count()} {FunctionBody.Assigned(text).Take(9).Count()} {Compressed.Expand(bytes).Length > 0}";
    }

    /// <summary>A host whose control file is one thing and whose every other file is another.</summary>
    private sealed class Bytes(byte[] control, byte[] other) : Host
    {
        public override string Name => "bytes";

        public override DateTimeOffset Now => DateTimeOffset.UnixEpoch;

        public override TimeSpan Uptime => TimeSpan.Zero;

        public override void Wait(TimeSpan time)
        {
        }

        public override Reading<byte[]> ReadFile(string path, int limit = DefaultLimit) => path switch
        {
            _ when path.EndsWith("PG_VERSION", StringComparison.Ordinal) => new(Encoding.ASCII.GetBytes($"{(other.Length == 0 ? 13 : 10 + other[0] % 10)}\n"), null),
            _ when path.EndsWith("pg_control", StringComparison.Ordinal) => new(control, null),
            _ when path.EndsWith("pg_filenode.map", StringComparison.Ordinal) => new(Map(), null),
            _ when path.Contains("/more.conf", StringComparison.Ordinal) || path.EndsWith(".1", StringComparison.Ordinal) || other.Length > limit => new(null!, new(HostErrorKind.NotFound, "absent")),
            _ => new(other, null),
        };

        /// <summary>A map in which every mapped catalog is the file 1.</summary>
        private static byte[] Map()
        {
            uint[] catalogs = [Catalogs.Attribute, Catalogs.Class, Catalogs.Type, Catalogs.Procedure, Catalogs.AuthId, Catalogs.Database, Catalogs.Tablespace];
            var map = new byte[512];
            BinaryPrimitives.WriteInt32LittleEndian(map, 0x592717);
            BinaryPrimitives.WriteInt32LittleEndian(map.AsSpan(4), catalogs.Length);
            for (var i = 0; i < catalogs.Length; i++)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(map.AsSpan(8 + i * 8), catalogs[i]);
                BinaryPrimitives.WriteUInt32LittleEndian(map.AsSpan(12 + i * 8), 1);
            }

            BinaryPrimitives.WriteUInt32LittleEndian(map.AsSpan(504), ~PgControl.Crc32C(uint.MaxValue, map.AsSpan(0, 504)));
            return map;
        }

        public override Reading<string[]> List(string path) =>
            path.EndsWith("/base", StringComparison.Ordinal) ? new(["1"], null) : path.EndsWith("/pg_replslot", StringComparison.Ordinal) ? new(["slot"], null) : new(null!, new(HostErrorKind.NotFound, "absent"));

        public override Reading<string> ReadLink(string path) => new(null!, new(HostErrorKind.NotFound, "absent"));

        public override Reading<FileStatus> Status(string path) => new(new(FileKind.Directory, 0x1c0, 1, 1, 0, 1, "8:1", 1), null);

        public override Reading<Ran> Run(IReadOnlyList<string> arguments, TimeSpan timeout, ReadOnlyMemory<byte> input = default) => new(null!, new(HostErrorKind.NotFound, "absent"));

        public override Reading<T> Ask<T>(string question, Func<JsonTypeInfo<T>> shape, Func<Reading<T>> ask) => new(default!, new(HostErrorKind.Unsupported, "absent"));
    }
}
