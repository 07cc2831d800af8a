using Lotse.Ssh;

namespace Lotse.Cli.Areas;

/// <summary><c>lotse ssh preflight</c>: will I get in after the reboot?</summary>
internal static class SshPreflight
{
    public static readonly Command Command = new("ssh preflight", "will I get in after the reboot: runs the dropbear out of the initrd and asks it", Run)
    {
        Description = "For machines whose disk is unlocked over ssh at boot. Unpacks the image, starts its own dropbear on loopback in a chroot, asks it about every installed key, and looks at host keys, network, cryptroot-unlock and crypttab. Root; what was unpacked is removed again.",
        Arguments = [new("IMAGE", "an initrd image, or a folder with one unpacked; without it, the one that will boot", Takes: Takes.File)],
        Options =
        [
            new("--cmdline", Takes.Text, "TEXT", "the kernel's command line at the next boot") { Default = "GRUB's and the present one" },
            new("--no-run", Takes.Nothing, "", "look only, run nothing out of the image"),
        ],
        Examples = [new("before every reboot", "ssh preflight"), new("another image", "ssh preflight /boot/initrd.img-6.1.0-41-amd64")],
    };

    private static int Run(Invocation call) => Hosting.With(call, host =>
    {
        var image = call.Arguments is [var given] ? host.IsThisMachine ? Path.GetFullPath(given) : given
            : BootEntry.Read(host)?.Image
            ?? throw new NotKnownException($"there is no initrd image in /boot of {host.Name}", "name one: lotse ssh preflight IMAGE");
        var run = !call.Has("--no-run");
        if (run && host.IsThisMachine && !Environment.IsPrivilegedProcess)
        {
            throw new NotKnownException("running the image's dropbear needs root", "--no-run looks without running it");
        }

        var facts = host.Ask($"ssh/initrd {image}", () => InitrdJson.Default.InitrdFacts, () => InitrdReader.Read(host, image, call["--cmdline"], run));
        return General.Print(call, facts.Ok ? InitrdDiagnosis.Of(facts.Value) : throw new NotKnownException(facts.Error!.Message));
    });
}
