using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Lotse.Linux;
using Lotse.Ssh.Transport;

namespace Lotse.Ssh;

/// <summary>Unpacks an image, looks into it, and runs its own dropbear on loopback to ask it.</summary>
internal static class InitrdReader
{
    private static readonly string[] CommandLines = ["/etc/default/grub", "/etc/kernel/cmdline", "/proc/cmdline"];

    /// <summary>Programs that unmkinitramfs(8) needs, by the first bytes of what they unpack (linux lib/decompress.c).</summary>
    private static readonly (byte[] Magic, string Program)[] Compressions =
    [
        ([0x1F, 0x8B], "gzip"), ([0x28, 0xB5, 0x2F, 0xFD], "zstd"), ([0xFD, 0x37, 0x7A, 0x58, 0x5A], "xzcat"), ([0x02, 0x21, 0x4C, 0x18], "lz4cat"), ([0x42, 0x5A, 0x68], "bzip2"), ([0x5D, 0x00, 0x00], "xzcat"), ([0x89, 0x4C, 0x5A, 0x4F], "lzop"),
    ];

    private static readonly TimeSpan Long = TimeSpan.FromSeconds(90);

    /// <summary>SIGTERM (signal(7)).</summary>
    private const int Terminate = 15;

    /// <summary>Everything; the folder that was made is removed again.</summary>
    /// <param name="host">This machine.</param>
    /// <param name="image">An image, or a folder that holds one unpacked.</param>
    /// <param name="commandLine">The kernel's command line at the next boot; null: the present one and GRUB's.</param>
    /// <param name="run">Whether its dropbear is run (needs root).</param>
    public static Reading<InitrdFacts> Read(Host host, string image, string? commandLine, bool run)
    {
        var status = host.Status(image);
        if (!status.Ok)
        {
            return new(default!, new(status.Error!.Kind, $"cannot read {ByteText.Escape(image)}: {status.Error.Message}"));
        }

        if (status.Value.Kind == FileKind.Directory)
        {
            // As unmkinitramfs unpacks it: what stands in front, such as microcode, beside main.
            var unpackedTo = Array.Find([image, image.TrimEnd('/') + "/main"], r => host.List(r) is { Ok: true, Value: var inside } && inside.Contains("init"));
            return unpackedTo is null ? new(default!, new(HostErrorKind.Failed, $"{ByteText.Escape(image)} holds no unpacked initrd image: there is no init in it")) : Look(host, image, unpackedTo, commandLine, run);
        }

        var made = host.Run(["mktemp", "-d", "/var/tmp/lotse-initrd-XXXXXXXX"], Long);
        if (!made.Ok || made.Value.ExitCode != 0)
        {
            return new(default!, made.Error ?? new(HostErrorKind.Failed, "mktemp made no folder in /var/tmp"));
        }

        var folder = Encoding.UTF8.GetString(made.Value.Output).Trim();
        try
        {
            var unpacked = host.Run(["unmkinitramfs", image, folder], Long);
            if (!unpacked.Ok)
            {
                return new(default!, unpacked.Error);
            }

            // What stands in front uncompressed, microcode and since Debian 13 modules, is unpacked to early, early2 …, the rest to main.
            string[] parts = host.List(folder) is { Ok: true, Value: var names } ? [.. names.Where(n => n is "main" || n.StartsWith("early", StringComparison.Ordinal)).OrderByDescending(n => n == "main").ThenByDescending(n => n, StringComparer.Ordinal)] : [];
            var root = parts.Select(n => $"{folder}/{n}").FirstOrDefault(p => host.Status(p + "/init").Ok) ?? (parts is ["main", ..] ? folder + "/main" : folder);
            if (unpacked.Value.ExitCode == 0 || (!root.EndsWith("/main", StringComparison.Ordinal) && root != folder && IsWhole(host, image)))
            {
                return Look(host, image, root, commandLine, run);
            }

            var said = Encoding.UTF8.GetString(unpacked.Value.Errors).Trim();
            return Missing(host, image) is { } program ? new(default!, new(HostErrorKind.Failed, $"unmkinitramfs cannot unpack {ByteText.Escape(image)} without {program}, which is not installed"))
                : new(new InitrdFacts { Image = image, Broken = said.Length == 0 ? $"unmkinitramfs ended with {unpacked.Value.ExitCode}" : ByteText.Escape(said.Split('\n')[^1]) } is var broken && IsOfNoForm(host, image) ? broken with { Broken = $"{broken.Broken}; it begins neither as an archive nor as something compressed" } : broken, null);
        }
        finally
        {
            host.Run(["rm", "-rf", "--one-file-system", "--", folder], Long);
        }
    }

    /// <summary>Whether an image that is not compressed ends as an archive does (cpio newc): unmkinitramfs looks for something compressed behind it, and complains.</summary>
    private static bool IsWhole(Host host, string image) => host.Run(["tail", "-c", "4096", image], Long) is { Ok: true, Value: { ExitCode: 0, Output: var end } } && end.AsSpan().IndexOf("TRAILER!!!"u8) >= 0;

    /// <summary>The program that the image's compression needs and that is not here.</summary>
    private static string? Missing(Host host, string image)
    {
        var head = host.Run(["head", "-c", "8", image], Long) is { Ok: true, Value.Output: var bytes } ? bytes : [];
        return Array.Find(Compressions, c => head.AsSpan().StartsWith(c.Magic)).Program is { } program && host.Run([program, "--version"], Long) is { Error.Kind: HostErrorKind.NotFound } ? program : null;
    }

    /// <summary>Whether an image begins with none of what the kernel knows: cpio's magic number or a compression's.</summary>
    private static bool IsOfNoForm(Host host, string image) =>
        host.Run(["head", "-c", "8", image], Long) is { Ok: true, Value.Output: { Length: > 0 } head } && !head.AsSpan().StartsWith("07070"u8) && !Array.Exists(Compressions, c => head.AsSpan().StartsWith(c.Magic));

    private static Reading<InitrdFacts> Look(Host host, string image, string root, string? commandLine, bool run)
    {
        string? First(params string[] paths) => paths.FirstOrDefault(p => host.Status(root + p).Ok);
        string Text(string path) => host.ReadFile(root + path, 1 << 20) is { Ok: true, Value: var bytes } ? ByteText.Decode(bytes) : "";
        string[] Names(string path) => host.List(root + path) is { Ok: true, Value: var names } ? names : [];

        // The root user's home has a random name there (Debian: /root-XXXXXXXXXX); /etc/passwd of the image knows it.
        var home = Text("/etc/passwd").Split('\n').FirstOrDefault(l => l.StartsWith("root:", StringComparison.Ordinal))?.Split(':') is [_, _, _, _, _, var at, ..] ? at : "/root";
        var keyFile = First($"{home}/.ssh/authorized_keys", "/root/.ssh/authorized_keys", "/etc/dropbear/authorized_keys");
        var lines = keyFile is null ? [] : AuthorizedKeys.Read(Text(keyFile)).ToArray();
        var settings = string.Concat(Names("/conf/conf.d").Select(n => Text($"/conf/conf.d/{n}") + "\n")) + Text("/conf/initramfs.conf") + "\n" + Text("/etc/dropbear/dropbear.conf") + "\n" + Text("/etc/dropbear/config");
        string Setting(string name) => settings.Split('\n').Select(l => l.Trim()).LastOrDefault(l => l.StartsWith(name + "=", StringComparison.Ordinal))?[(name.Length + 1)..].Trim('"', '\'') ?? "";
        var facts = new InitrdFacts
        {
            Image = image,
            MadeBy = First("/usr/lib/dracut", "/lib/dracut") is not null ? "dracut" : First("/usr/lib/systemd/systemd", "/lib/systemd/systemd", "/etc/initrd-release") is not null ? "systemd" : First("/init_functions") is not null ? "mkinitcpio" : null,
            Dropbear = First("/sbin/dropbear", "/usr/sbin/dropbear", "/bin/dropbear", "/usr/bin/dropbear"),
            OtherServer = First("/usr/sbin/sshd", "/sbin/sshd", "/usr/bin/sshd", "/usr/sbin/tinysshd", "/usr/bin/tinysshd", "/bin/tinysshd"),
            Hooks = First("/init_functions") is null ? "" : Text("/config").Split('\n').LastOrDefault(l => l.StartsWith("HOOKS=", StringComparison.Ordinal))?["HOOKS=".Length..].Trim('"', '\'') ?? "",
            Options = Setting("DROPBEAR_OPTIONS"),
            HostKeys = [.. Names("/etc/dropbear").Where(n => n.StartsWith("dropbear_", StringComparison.Ordinal) && n.EndsWith("_host_key", StringComparison.Ordinal))],
            AuthorizedKeys = keyFile,
            Keys = [.. lines.Select(l => new InitrdKey(l.Line, l.Key?.Type, l.Key?.Fingerprint, [.. l.Options.Select(o => o.Key)], null, null))],
            Unlock = First("/bin/cryptroot-unlock", "/usr/bin/cryptroot-unlock", "/sbin/cryptroot-unlock", "/usr/sbin/cryptroot-unlock") is not null,
            Crypttab = Text("/cryptroot/crypttab").Split('\n').Count(l => l.Trim() is { Length: > 0 } line && line[0] != '#'),
            Network = Network(host, commandLine, Setting("IP")),
            Client = SshSettings.ClientVersion(host)?.ToString(),
        };
        return new(facts.Dropbear is null ? facts with { NotRun = "there is no dropbear in the image" } : !run ? facts with { NotRun = "it was not to be run" } : Run(host, facts, root, lines), null);
    }

    /// <summary><c>ip=</c> of the kernel's command line goes before IP= of the image (initramfs-tools(7)).</summary>
    private static string? Network(Host host, string? commandLine, string image)
    {
        var sources = commandLine is not null ? [("the command line", commandLine)]
            : BootEntry.Read(host) is { CommandLine: { } next, Source: var loader } ? [(loader, next)] : CommandLines.Select(f => (Where: f, Text: host.ReadFile(f, 1 << 16) is { Ok: true, Value: var bytes } ? ByteText.Decode(bytes) : ""));
        foreach (var (where, text) in sources)
        {
            if (text.Split((char[])[' ', '\n', '"', '\'', '\t'], StringSplitOptions.RemoveEmptyEntries).FirstOrDefault(w => w.StartsWith("ip=", StringComparison.Ordinal)) is { } word)
            {
                return $"{word} ({where})";
            }
        }

        return image.Length > 0 ? $"IP={image} (the image's configuration)" : null;
    }

    /// <summary>Runs the image's own program on a free port of loopback, asks it about every installed key, and ends it by its process id.</summary>
    private static InitrdFacts Run(Host host, InitrdFacts facts, string root, AuthorizedKey[] lines)
    {
        foreach (var folder in new[] { "dev", "proc", "run" })
        {
            host.Run(["mkdir", "-p", $"{root}/{folder}"], Long);
        }

        foreach (var (device, minor) in new[] { ("null", "3"), ("urandom", "9"), ("random", "8") })
        {
            if (!host.Status($"{root}/dev/{device}").Ok)
            {
                host.Run(["mknod", "-m", "666", $"{root}/dev/{device}", "c", "1", minor], Long);
            }
        }

        var port = FreePort();
        string[] given = [.. facts.Options.Split(' ', StringSplitOptions.RemoveEmptyEntries).Where(o => o is "-w" or "-g" or "-s" or "-t")];
        string[] keys = [.. facts.HostKeys.SelectMany(k => new[] { "-r", "/etc/dropbear/" + k })];

        // -j -k: nothing may be forwarded; timeout(1) ends it should this process be killed.
        var server = Task.Run(() => host.Run(["timeout", "--kill-after=2", "30", "chroot", root, facts.Dropbear!, "-F", "-E", "-j", "-k", "-P", "/run/lotse-dropbear.pid", .. given, .. keys, "-p", $"127.0.0.1:{port}"], TimeSpan.FromSeconds(40)));
        try
        {
            var asked = lines.Where(l => l.Key is not null).Select(l => (File: $"{facts.AuthorizedKeys}:{l.Line}", l.Key!)).ToArray();
            ProbeFacts? probe = null;
            for (var tries = 0; tries < 40 && !server.IsCompleted; tries++)
            {
                probe = ServerProbe.Ask("127.0.0.1", port, "root", asked, budget: 12, TimeSpan.FromSeconds(10));
                if (probe.Trouble != "connection refused")
                {
                    break;
                }

                host.Wait(TimeSpan.FromMilliseconds(100));
            }

            return probe is null || probe.Kex.Length == 0
                ? server.IsCompleted && ForeignArchitecture(host, root + facts.Dropbear) is { } architecture ? facts with { NotRun = $"the image's dropbear is a program for {architecture}, which this machine cannot run" }
                : facts with { DoesNotStart = server.IsCompleted && Encoding.UTF8.GetString(server.Result.Ok ? server.Result.Value.Errors : []).Contains("error while loading shared libraries", StringComparison.Ordinal), NotRun = server.IsCompleted ? Words(server.Result) : $"it did not answer: {probe?.Trouble}" }
                : facts with { Probe = probe, Keys = [.. facts.Keys.Select(k => Array.Find(probe.Keys, p => p.File == $"{facts.AuthorizedKeys}:{k.Line}") is { } said ? k with { Accepted = said.Accepted, Algorithm = said.Algorithm } : k)] };
        }
        finally
        {
            if (host.ReadFile($"{root}/run/lotse-dropbear.pid", 64) is { Ok: true, Value: var pid } && int.TryParse(Encoding.ASCII.GetString(pid).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 1)
            {
                // Not by a program: a system without procps has no kill.
                _ = Libc.Kill(number, Terminate);
            }

            server.Wait(TimeSpan.FromSeconds(35));
            host.Run(["rm", "-f", $"{root}/run/lotse-dropbear.pid"], Long);
        }
    }

    /// <summary>The architecture of a program that is not this process's own; null: it is, or is no ELF file (elf(5) e_machine).</summary>
    private static string? ForeignArchitecture(Host host, string program)
    {
        if (host.Run(["head", "-c", "20", program], Long) is not { Ok: true, Value.Output: [0x7F, (byte)'E', (byte)'L', (byte)'F', var width, var order, ..] head } || head.Length < 20)
        {
            return null;
        }

        var machine = order == 2 ? (head[18] << 8) | head[19] : (head[19] << 8) | head[18];
        Architecture? architecture = machine switch { 3 => Architecture.X86, 40 => Architecture.Arm, 62 => Architecture.X64, 183 => Architecture.Arm64, 243 => Architecture.RiscV64, 21 => Architecture.Ppc64le, 22 => Architecture.S390x, 258 => Architecture.LoongArch64, _ => null };

        // A kernel for x86-64 mostly runs programs for x86 as well, and one for arm64 those for arm: then it has answered, and nobody asks.
        return architecture == RuntimeInformation.ProcessArchitecture ? null : architecture is { } name ? $"{name.ToString().ToLowerInvariant()}" : $"another architecture (ELF machine {machine}, {(width == 2 ? 64 : 32)} bits)";
    }

    private static string Words(Reading<Ran> ran) => !ran.Ok ? ran.Error!.Message : Encoding.UTF8.GetString(ran.Value.Errors).Trim() is { Length: > 0 } said ? ByteText.Escape(said.Length > 300 ? said[..300] : said) : $"it ended with {ran.Value.ExitCode}";

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
