namespace Lotse.Ssh;

/// <summary>Will somebody get in after the reboot? Pure.</summary>
public static class InitrdDiagnosis
{
    /// <summary>The verdict, every step that decides it, and what would keep everybody out.</summary>
    public static Report Of(InitrdFacts facts)
    {
        var reasons = new List<Reason>();
        var findings = new List<Finding>();
        void Step(bool? holds, Text text, string rule, Text seen, Func<Finding>? finding)
        {
            reasons.Add(new(text, holds switch { true => Verdict.Yes, false => Verdict.No, _ => Verdict.Unknown }, rule, new Seen(seen, facts.Image)));
            if (holds == false && finding is not null)
            {
                findings.Add(finding());
            }
        }

        if (facts.Broken is { } broken)
        {
            Step(false, "the image can be unpacked", "unmkinitramfs(8)", broken, () => Error("ssh/initrd-broken", facts, "the image cannot be unpacked: it is cut off or damaged, and the kernel will not start from it either", new Remedy("make room in /boot and build it again", "update-initramfs", "-u")));
            return Report(facts, reasons, findings, []);
        }

        if (facts is { Dropbear: null, OtherServer: { } other })
        {
            reasons.Add(new("the image has an ssh server that is asked here", Verdict.Unknown, "dropbear-initramfs", new Seen(other, facts.Image)));
            return Report(facts, reasons, findings, [new("whether somebody gets in after the reboot", $"the image has {Value.Path(other)}, and only dropbear is run and asked", $"look at its authorized_keys and host keys. {HowToLook(facts)}")]);
        }

        if (facts.MadeBy is not null)
        {
            return Foreign(facts, reasons, findings, Step);
        }

        Step(facts.Dropbear is not null, "the image has an ssh server", "dropbear-initramfs", facts.Dropbear ?? "no dropbear", () => Error("ssh/initrd-no-dropbear", facts, "there is no dropbear in the image", new Remedy("install dropbear-initramfs and rebuild the image", "update-initramfs", "-u")));
        if (facts.Dropbear is not null)
        {
            Step(facts.HostKeys.Length > 0, "the server has host keys", "dropbear(8) -r", facts.HostKeys.Length > 0 ? string.Join(' ', facts.HostKeys) : "none in /etc/dropbear",
                () => Error("ssh/initrd-no-host-keys", facts, "the image has no host key, so its dropbear does not start", new Remedy("reconfigure dropbear-initramfs, which makes them, and rebuild the image", "dpkg-reconfigure", "dropbear-initramfs")));
            Step(facts.Keys.Any(k => k.Type is not null), "somebody's key is installed", "sshd(8) AUTHORIZED_KEYS FILE FORMAT", facts.AuthorizedKeys is { } file ? (Text)$"{Value.Path(file)}: {facts.Keys.Count(k => k.Type is not null)} keys" : "no authorized_keys",
                () => Error("ssh/initrd-no-key", facts, facts.AuthorizedKeys is null ? "the image has no authorized_keys" : "authorized_keys of the image has no key", new Remedy("put a public key into /etc/dropbear/initramfs/authorized_keys (/etc/dropbear-initramfs before Debian 12) and rebuild the image", "update-initramfs", "-u")));
            Starts(facts, Step);
            Keys(facts, Step);
        }

        Step(facts.Network is not null, "the network of the initrd is configured", "initramfs-tools(7) ip=", facts.Network ?? "no ip= and no IP=: DHCP is tried on every interface",
            () => new("ssh/initrd-no-address", Severity.Warning, Certainty.Inferred, Value.Path(facts.Image), "the initrd has no address of its own: it is reachable only where DHCP gives it one", [], [new("add ip=ADDRESS::GATEWAY:NETMASK::INTERFACE to the kernel's command line, or IP= to /etc/initramfs-tools/initramfs.conf", "update-initramfs", "-u")]));
        Step(facts.Unlock, "the disk can be unlocked", "cryptsetup-initramfs: cryptroot-unlock", facts.Unlock ? "cryptroot-unlock" : "no cryptroot-unlock",
            () => Error("ssh/initrd-no-unlock", facts, "there is no cryptroot-unlock in the image: one gets in and cannot unlock the disk", new Remedy("install cryptsetup-initramfs and rebuild the image", "update-initramfs", "-u")));
        Step(facts.Crypttab > 0 ? true : facts.Unlock ? null : false, "the image knows an encrypted disk", "crypttab(5) initramfs", $"{facts.Crypttab} lines in /cryptroot/crypttab", null);
        return Report(facts, reasons, findings, NotAsked(facts));
    }

    /// <summary>An image of another maker: without an ssh server nobody gets in whoever made it; with one, its keys are asked, and the rest is not known.</summary>
    private static Report Foreign(InitrdFacts facts, List<Reason> reasons, List<Finding> findings, Action<bool?, Text, string, Text, Func<Finding>?> step)
    {
        var maker = facts.MadeBy == "systemd" ? "systemd runs in it" : $"it was made by {facts.MadeBy}";
        step(facts.Dropbear is not null, "the image has an ssh server", maker, facts.Dropbear ?? "neither dropbear nor sshd nor tinysshd", () => Error("ssh/initrd-no-dropbear", facts, "there is no ssh server in the image", new Remedy($"where the disk is to be unlocked over the network, add one to the image in {facts.MadeBy}'s way, and rebuild it")));
        if (facts.Dropbear is null)
        {
            return Report(facts, reasons, findings, []);
        }

        Starts(facts, step);
        Keys(facts, step);
        step(null, "its server is started, with these host keys and this authorized_keys", maker, facts.AuthorizedKeys is { } file ? (Text)$"{string.Join(' ', facts.HostKeys)} {Value.Path(file)}" : "no authorized_keys where dropbear looks for it", null);
        if (facts.Hooks.Length > 0)
        {
            step(null, "its hooks bring up the network, then the server, then ask for the passphrase", maker, $"HOOKS={facts.Hooks}", null);
        }

        step(facts.Network is null ? null : true, "the network of the initrd is configured", $"{maker}", facts.Network ?? "no ip= on the command line", null);
        step(facts.Unlock ? true : null, "the disk can be unlocked", maker, facts.Unlock ? "cryptroot-unlock" : "no cryptroot-unlock", null);
        return Report(facts, reasons, findings, [.. NotAsked(facts), new("whether its server and network are started, and whether the disk can be unlocked there", $"{maker}: only the ways of initramfs-tools are known here", HowToLook(facts))]);
    }

    /// <summary>The maker's own way to look into its images.</summary>
    private static string HowToLook(InitrdFacts facts) => facts.MadeBy switch
    {
        "mkinitcpio" => $"lsinitcpio -a {ByteText.Escape(facts.Image)}: whether its hooks bring up the network (netconf), then start the server (dropbear, tinyssh) and then ask it for the passphrase (encryptssh), in this order; ip= on the command line; then one reboot with a console at hand",
        null => $"lsinitramfs {ByteText.Escape(facts.Image)}; then one reboot with a console at hand",
        _ => $"lsinitrd {ByteText.Escape(facts.Image)}: what starts the server, ip= (and rd.neednet=1) on the command line, and what hands the passphrase on, such as systemd-tty-ask-password-agent; then one reboot with a console at hand",
    };

    private static void Starts(InitrdFacts facts, Action<bool?, Text, string, Text, Func<Finding>?> step)
    {
        if (facts.DoesNotStart)
        {
            step(false, "its dropbear starts", "ld.so(8)", facts.NotRun ?? "", () => Error("ssh/initrd-no-dropbear", facts, $"the image's dropbear does not start: {facts.NotRun}", new Remedy("rebuild the image", "update-initramfs", "-u")));
        }
    }

    private static Unknown[] NotAsked(InitrdFacts facts) => facts is not { Dropbear: not null, Probe: null, DoesNotStart: false } ? []
        : [new("whether its dropbear would let anybody in", facts.NotRun ?? "it was not run", "run lotse ssh preflight as root on the machine itself")];

    private static Report Report(InitrdFacts facts, List<Reason> reasons, List<Finding> findings, Unknown[] unknowns)
    {
        Text verdict = findings.Any(f => f.Severity == Severity.Error) ? (Text)$"after the reboot you will not get in: {findings.First(f => f.Severity == Severity.Error).Title}"
            : unknowns.Length > 0 ? "not known whether you will get in after the reboot"
            : findings.Count > 0 ? (Text)$"you will get in after the reboot, if {(facts.Network is null ? "DHCP gives the initrd an address" : "the warning below does not hold")}"
            : $"you will get in after the reboot: {facts.Probe!.Banner} takes {facts.Keys.Count(k => k.Accepted == true)} of {facts.Keys.Length} keys";
        return new(verdict, [.. reasons], [.. findings.OrderByDescending(f => f.Severity)], unknowns) { Answer = new(facts, () => InitrdJson.Default.InitrdFacts), Facts = new(facts, () => InitrdJson.Default.InitrdFacts) };
    }

    /// <summary>The same of the configuration that the next image is made from.</summary>
    public static Finding NoKey(string folder) => new("ssh/initrd-no-key", Severity.Warning, Certainty.Proven, Value.Path(folder), $"dropbear-initramfs is installed, and no key is in {Value.Path(folder)}: nobody gets into the next initrd", [new("a public key is there", Verdict.No, "dropbear-initramfs: authorized_keys, else id_*.pub", new Seen("none", folder))], [new($"put a public key into {Value.Path(folder + "/authorized_keys")} and rebuild the image", "update-initramfs", "-u")]);

    /// <summary>What the image's own server said to each key, and whether this client could sign with it.</summary>
    private static void Keys(InitrdFacts facts, Action<bool?, Text, string, Text, Func<Finding>?> step)
    {
        var client = SshVersion.Parse(facts.Client ?? "") is { } version ? ClientModel.Defaults(version) : null;
        var server = facts.Probe is null ? null : ServerModel.Probed(facts.Probe);
        var ways = 0;
        foreach (var key in facts.Keys)
        {
            var signs = key.Accepted == true && client is not null && server is not null && key.Type is not null ? LoginPrediction.Of(client, server with { Accepts = [.. server.Accepts.Append(key.Algorithm!)] }, new(key.Type, 0)) : null;
            ways += key.Accepted == true && signs?.Stage is null or LoginStage.Ok ? 1 : 0;
            step(key.Type is null ? false : key.Accepted, key.Accepted == true ? (Text)$"line {key.Line} ({key.Type}) would be taken, as {key.Algorithm}" : $"line {key.Line} ({key.Type ?? "no key"}) would be taken", "asked of the image's own dropbear", key.Options.Length > 0 ? (Text)$"options: {string.Join(',', key.Options)}" : (Text)$"{key.Fingerprint ?? "cannot be read"}", null);
            if (signs is { Stage: not LoginStage.Ok })
            {
                step(false, $"OpenSSH {facts.Client} logs in with it by default: {signs.Stage}", "RFC 8308, RFC 8332", $"{facts.Probe!.Banner}", null);
            }
        }

        if (facts.Probe is not null && facts.Keys.Any(k => k.Type is not null) && ways == 0)
        {
            var refused = facts.Keys.All(k => k.Accepted != true);
            step(false, "one of them opens the door", "asked of the image's own dropbear", facts.Probe.Banner, () => Error(
                refused ? "ssh/initrd-key-refused" : "ssh/initrd-client-too-new", facts,
                refused ? "the image's own dropbear takes none of the installed keys" : $"the image's dropbear takes the key only with a signature that OpenSSH {facts.Client} does not make by default",
                refused ? new("install a key of a type that this dropbear knows, without options that it does not know", "ssh-keygen", "-t", "ecdsa") : new("upgrade dropbear-initramfs and rebuild the image, or install an ECDSA key", "update-initramfs", "-u"),
                new Remedy("or let the client in with one block", "lotse", "ssh", "plan", "HOST", "--server", facts.Probe.Banner)));
        }
    }

    private static Finding Error(string id, InitrdFacts facts, Text title, params Remedy[] remedies) => new(id, Severity.Error, Certainty.Proven, Value.Path(facts.Image), title, [], remedies);
}
