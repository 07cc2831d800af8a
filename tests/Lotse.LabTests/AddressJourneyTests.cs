using System.Text.Json;
using Xunit;

namespace Lotse.LabTests;

/// <summary>
/// The whole way: a host with unique local and private addresses prefers IPv4; why, what a mistyped line does, the plan,
/// its proof by the real getaddrinfo, apply, and undo. In network and mount namespaces, with an /etc of its own.
/// </summary>
public sealed class AddressJourneyTests : IDisposable
{
    private const string Four = "93.184.216.34", Six = "2606:2800:220:1:248:1893:25c8:1946", Prefix = "fd00:11:22::/48";
    private readonly string folder = Directory.CreateTempSubdirectory("lotse-addr-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_host_with_unique_local_addresses_learns_to_prefer_ipv6_and_forgets_it_again()
    {
        Play("""
            lotse addr why dual.test --json >why.json
            cp /etc/gai.conf before
            printf 'precedence fd:11:22::/48 45\n' >>/etc/gai.conf
            lotse addr --json >mistyped.json
            getent ahosts dual.test >mistyped
            cp before /etc/gai.conf
            lotse addr plan --want 'ipv6 before ipv4' --output fix.plan --json >plan.json
            cmp /etc/gai.conf before || exit 9
            lotse apply fix.plan --json >apply.json
            getent ahosts dual.test >after
            lotse addr prove dual.test --json >prove.json
            cp /etc/gai.conf applied
            lotse undo --json >undo.json
            cp /etc/gai.conf undone
            getent ahosts dual.test >last
            """);

        // Why: rule 5, with both labels.
        var why = Read("why.json");
        Assert.Equal([Four, Six], Strings(why.GetProperty("answer").GetProperty("glibc")));
        Assert.Equal(5, why.GetProperty("answer").GetProperty("pairs")[0].GetProperty("rule").GetInt32());
        Assert.Contains("rule 5 decides", why.GetProperty("verdict").GetString(), StringComparison.Ordinal);
        var seen = why.GetProperty("reasons").EnumerateArray().Single(r => r.GetProperty("rule").GetString()!.Contains("section 6 rule 5", StringComparison.Ordinal)).GetProperty("seen").EnumerateArray().Select(s => s.GetProperty("what").GetString()).ToArray();
        Assert.Contains(seen, s => s!.StartsWith($"label 1 of {Six}", StringComparison.Ordinal));
        Assert.Contains(seen, s => s!.StartsWith("label 6 of fd00:11:22:1::20", StringComparison.Ordinal));

        // The mistyped line is found, with what it does: it matches nothing, asks the wrong table, and drops the defaults.
        var mistyped = Read("mistyped.json").GetProperty("findings").EnumerateArray().ToDictionary(f => f.GetProperty("id").GetString()!, f => f.GetProperty("title").GetString()!);
        Assert.Contains($"did you mean {Prefix}", mistyped["addr/prefix-matches-nothing"], StringComparison.Ordinal);
        Assert.Contains("whichever DNS answer arrives first", mistyped["addr/defaults-lost"], StringComparison.Ordinal);
        Assert.Contains("rule 5", mistyped["addr/precedence-cannot-help"], StringComparison.Ordinal);
        Assert.Equal(Four, First("mistyped"));

        // The plan: one line, proved before anything is changed.
        var best = Read("plan.json").GetProperty("answer").GetProperty("alternatives")[0];
        Assert.Equal([$"label {Prefix} 1"], Strings(best.GetProperty("lines")));
        Assert.True(best.GetProperty("proved").GetBoolean(), File.ReadAllText(Path.Combine(folder, "plan.json")));

        // Applied and proved again; the distribution's comments stay.
        Assert.Equal(0, Read("apply.json").GetProperty("exit").GetInt32());
        Assert.Equal(Six, First("after"));
        Assert.Equal(0, Read("prove.json").GetProperty("exit").GetInt32());
        var applied = File.ReadAllText(Path.Combine(folder, "applied"));
        Assert.StartsWith(File.ReadAllText(Path.Combine(folder, "before")), applied, StringComparison.Ordinal);
        Assert.Contains($"label {Prefix} 1\n", applied, StringComparison.Ordinal);

        // Undone: byte by byte.
        Assert.Equal(0, Read("undo.json").GetProperty("exit").GetInt32());
        Assert.Equal(File.ReadAllBytes(Path.Combine(folder, "before")), File.ReadAllBytes(Path.Combine(folder, "undone")));
        Assert.Equal(Four, First("last"));
    }

    /// <summary>Without rights the proof runs in a user namespace, or the plan says that it is the model's word alone.</summary>
    [Fact]
    public void A_user_without_rights_gets_the_proof_where_user_namespaces_are_allowed()
    {
        Lab.NeedsRoot();
        Lab.Needs("setpriv");
        Play("""
            chmod 755 .
            user='setpriv --reuid=65534 --regid=65534 --clear-groups'
            $user unshare -U -r -m true && echo yes >allowed
            $user lotse addr plan --want 'ipv6 before ipv4' --json >plan.json
            """);
        var best = Read("plan.json").GetProperty("answer").GetProperty("alternatives")[0];
        Assert.Equal(File.Exists(Path.Combine(folder, "allowed")), best.GetProperty("proved").GetBoolean());
    }

    /// <summary>A scopev4 line without a length ends programs before glibc 2.41: it is named, and a plan takes it out of effect.</summary>
    [Fact]
    public void A_line_that_ends_every_program_is_named_and_disarmed()
    {
        Play("""
            printf 'scopev4 192.168.1.20 2\n' >>/etc/gai.conf
            getent ahosts dual.test >crash; echo $? >code
            lotse addr --json >lint.json
            lotse addr why dual.test >why.txt 2>&1; echo $? >why.code
            lotse addr plan --want 'ipv6 before ipv4' --output fix.plan --json >plan.json
            lotse apply fix.plan --json >apply.json
            getent ahosts dual.test >after
            """);
        var finding = Read("lint.json").GetProperty("findings").EnumerateArray().Single(f => f.GetProperty("id").GetString() == "addr/no-prefix-length");
        if (File.ReadAllText(Path.Combine(folder, "code")).Trim() == "0")
        {
            // This machine's glibc reads it.
            return;
        }

        Assert.Equal("error", finding.GetProperty("severity").GetString());
        Assert.Equal("3", File.ReadAllText(Path.Combine(folder, "why.code")).Trim());
        Assert.Contains("signal 11", File.ReadAllText(Path.Combine(folder, "why.txt")), StringComparison.Ordinal);
        Assert.Equal(0, Read("apply.json").GetProperty("exit").GetInt32());
        Assert.Equal(Six, First("after"));
    }

    /// <summary>Where a label of the kernel gives the wrong source, a row of the kernel's table is planned, proved, and taken back.</summary>
    [Fact]
    public void A_source_that_a_label_of_the_kernel_spoils_is_cured_in_the_kernel()
    {
        // The kernel is told that this destination is like a unique local one: so is the source then, and glibc goes for IPv4.
        Play($"""
            ip addr add 2001:db8:1:1::20/64 dev eth0 nodad
            ip addrlabel add prefix 2606:2800::/32 label 5
            ip addrlabel list >labels
            lotse addr why dual.test --json >why.json
            lotse addr plan --prefer {Six} dual.test --kernel --output fix.plan --json >plan.json
            lotse apply fix.plan --json >apply.json
            getent ahosts dual.test >after
            ip addrlabel list >labels.applied
            lotse undo --json >undo.json
            ip addrlabel list >labels.undone
            getent ahosts dual.test >last
            """);
        Assert.Equal([Four, Six], Strings(Read("why.json").GetProperty("answer").GetProperty("glibc")));
        Assert.Contains($"ip addrlabel add prefix {Six}/128 label 1", Read("plan.json").GetProperty("verdict").GetString(), StringComparison.Ordinal);
        Assert.Equal(0, Read("apply.json").GetProperty("exit").GetInt32());
        Assert.Equal(Six, First("after"));
        Assert.NotEqual(File.ReadAllText(Path.Combine(folder, "labels")), File.ReadAllText(Path.Combine(folder, "labels.applied")));
        Assert.Equal(0, Read("undo.json").GetProperty("exit").GetInt32());
        Assert.Equal(File.ReadAllText(Path.Combine(folder, "labels")), File.ReadAllText(Path.Combine(folder, "labels.undone")));
        Assert.Equal(Four, First("last"));
    }

    /// <summary>Over ssh the network is read by ip, and the sources are the model's: the answer is the same, and so is the plan.</summary>
    [Fact]
    public void Another_machine_is_explained_and_changed_as_this_one()
    {
        // What would be ssh runs the command at once.
        File.WriteAllText(Path.Combine(folder, "ssh"), "#!/bin/sh\nfor last; do :; done\n[ \"$1\" = -G ] || exec sh -c \"$last\"\n");
        File.SetUnixFileMode(Path.Combine(folder, "ssh"), (UnixFileMode)0b111_101_101);
        Play($"""
            ip addr add 2001:db8:1:1::20/64 dev eth0 nodad preferred_lft 0
            ip addr add 10.9.9.1 peer 10.9.9.2/32 dev eth0
            ip -6 route add unreachable 2001:db8:dead::/48
            ip addrlabel add prefix 2001:db8:2::/48 label 77
            for where in '' '--host lab'; do
                lotse addr --json $where >"show$where.json"
                lotse addr why dual.test --json $where >"why$where.json"
                lotse addr why {Six} {Four} fd00:11:22:1::99 2001:db8:dead::1 10.9.9.2 2001:db8:2::1 --json $where >"many$where.json"
            done
            lotse addr plan --prefer {Six} dual.test --host lab --output far.plan --json >plan.json
            lotse apply far.plan --host lab --plain --json >apply.json
            getent ahosts dual.test >after
            lotse undo --host lab --json >undo.json
            """);
        foreach (var what in new[] { "show", "why", "many" })
        {
            Assert.Equal($"{Read(what + ".json").GetProperty("answer")}", $"{Read(what + "--host lab.json").GetProperty("answer")}");
        }

        Assert.Equal(0, Read("apply.json").GetProperty("exit").GetInt32());
        Assert.Equal(Six, First("after"));
        Assert.Equal(0, Read("undo.json").GetProperty("exit").GetInt32());
    }

    /// <summary>Runs the lines of a script on the host of the journey.</summary>
    private void Play(string script)
    {
        Lab.NeedsRoot();
        Lab.Needs("gcc", "ip", "unshare");
        if (!File.Exists("/dev/net/tun"))
        {
            Assert.Skip("needs /dev/net/tun");
        }

        var holder = Lab.Compile(folder, "address");
        Directory.CreateDirectory(Path.Combine(folder, "etc"));
        void Write(string name, string text) => File.WriteAllText(Path.Combine(folder, name), text);
        Write("etc/nsswitch.conf", "hosts: files\n");
        Write("etc/host.conf", "multi on\n");
        Write("etc/hosts", $"{Four} dual.test\n{Six} dual.test\n");
        Write("etc/gai.conf", "# Configuration for getaddrinfo(3).\n#\n#label ::1/128       0\n#label ::/0          1\n#precedence ::ffff:0:0/96  10\n");
        Write("devices", "eth0 tap 1\n");
        Write("batch", "link set lo up\nlink set eth0 up\naddr add 192.168.1.20/24 dev eth0\nroute add default via 192.168.1.1\naddr add fd00:11:22:1::20/64 dev eth0 nodad\naddr add fe80::20/64 dev eth0 nodad\nroute add default via fe80::1 dev eth0\n");
        Write("run", $"""
            cd {folder}
            export LOTSE_STATE={folder}/state PATH={folder}:$PATH
            cp {Lab.Lotse} lotse && chmod 755 lotse
            ip -force -batch batch || exit 8
            {script}
            exit 0

            """);
        var ran = Lab.Run(TimeSpan.FromSeconds(60), "unshare", "-n", "-m", "--", holder, "hold", folder);
        Assert.True(ran.ExitCode == 0, ran.ErrorText + ran.Text);
    }

    private JsonElement Read(string name) => JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, name))).RootElement;

    private string First(string name) => File.ReadAllText(Path.Combine(folder, name)).Split(' ')[0];

    private static string[] Strings(JsonElement list) => [.. list.EnumerateArray().Select(s => s.GetString()!)];
}
