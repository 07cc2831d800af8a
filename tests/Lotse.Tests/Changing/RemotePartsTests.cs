using System.Diagnostics;
using System.Text;
using Lotse.Changing.Remote;
using Lotse.Hosts;
using Lotse.Linux;
using Xunit;

namespace Lotse.Tests.Changing;

/// <summary>The parts of a change on another machine that need no other machine.</summary>
public class RemotePartsTests
{
    [Fact]
    public void Every_word_of_an_order_comes_back_through_printf_as_it_was()
    {
        var random = new Random(20261125);
        var words = Enumerable.Range(0, 200).Select(_ =>
        {
            var bytes = new byte[random.Next(0, 40)];
            random.NextBytes(bytes);
            return ByteText.Decode([.. bytes.Where(b => b != 0)]);
        }).Concat(["", "-n", "it's $(touch x) `touch x` \"$x\" %s \\n \\c * ~", "\n", "a\n\n", "=", "{}", "\\0101"]).ToArray();
        var order = string.Concat(words.Select(w => PlainOrder.Word(w) + "\n"));
        Assert.DoesNotMatch("[^-A-Za-z0-9/._=\\\\\n]", order);

        // As the script does it: the words are data on standard input.
        const string Script = "while read -r a; do w=$(printf '%b.' \"${a#=}\"); w=${w%.}; printf '%s\\0' \"$w\"; done";
        using var shell = Process.Start(new ProcessStartInfo("sh", ["-c", Script]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        shell.StandardInput.Write(order);
        shell.StandardInput.Close();
        var back = new MemoryStream();
        shell.StandardOutput.BaseStream.CopyTo(back);
        Assert.Equal(words, ByteText.Decode(back.ToArray()).Split('\0')[..^1]);
    }

    [Theory]
    [InlineData(0x1a4, "-rw-r--r--")]
    [InlineData(0x9ed, "-rwsr-xr-x")]
    [InlineData(0x9a0, "-rwSr-----")]
    [InlineData(0x5ed, "-rwxr-sr-x")]
    [InlineData(0x3ff, "-rwxrwxrwt")]
    [InlineData(0xe00, "---S--S--T")]
    [InlineData(0, "----------")]
    public void A_mode_is_written_as_ls_writes_it(int mode, string letters) => Assert.Equal(letters, PlainOrder.Letters(mode));

    [Theory]
    [InlineData("router", true)]
    [InlineData("root@router.example", true)]
    [InlineData("root@[fd00::1%eth0]", true)]
    [InlineData("ssh://root@router:2222", true)]
    [InlineData("büro", true)]
    [InlineData("", false)]
    [InlineData("-oProxyCommand=x", false)]
    [InlineData("root@-oProxyCommand=x", false)]
    [InlineData("a b", false)]
    [InlineData("a\nb", false)]
    [InlineData("$(x)", false)]
    [InlineData("a;b", false)]
    [InlineData("a'b", false)]
    [InlineData("a|b", false)]
    public void Only_what_host_names_are_made_of_is_one(string name, bool fine) => Assert.Equal(fine, SshClient.Fault(name) is null);

    [Fact]
    public void A_program_with_a_loader_or_of_another_machine_is_not_copied()
    {
        byte[] Elf(ushort machine, params uint[] headers)
        {
            var all = new byte[64 + (headers.Length * 56)];
            Encoding.Latin1.GetBytes("\u007fELF\u0002\u0001").CopyTo(all, 0);
            BitConverter.TryWriteBytes(all.AsSpan(18), machine);
            all[32] = 64;
            (all[54], all[56]) = (56, (byte)headers.Length);
            for (var i = 0; i < headers.Length; i++)
            {
                BitConverter.TryWriteBytes(all.AsSpan(64 + (i * 56)), headers[i]);
            }

            return all;
        }

        Assert.True(RemoteProgram.IsStatic(Elf(62, 1, 1, 7), 62));
        Assert.True(RemoteProgram.IsStatic(Elf(183, 1), 183));
        Assert.False(RemoteProgram.IsStatic(Elf(183, 1), 62));
        Assert.False(RemoteProgram.IsStatic(Elf(62, 1, 3), 62));
        Assert.False(RemoteProgram.IsStatic(Elf(62), 62));
        Assert.False(RemoteProgram.IsStatic(Elf(62, 1, 1).AsSpan(0, 100), 62));
        Assert.False(RemoteProgram.IsStatic("#!/bin/sh\n"u8, 62));
        Assert.False(RemoteProgram.IsStatic([], 62));
    }

    [Fact]
    public void A_path_is_followed_name_by_name_and_nobody_else_may_write_on_the_way()
    {
        using var folder = new TemporaryFolder();
        folder.Write("etc/conf", "x");
        folder.Write("open/conf", "x");
        File.CreateSymbolicLink(folder.Path + "/etc/relative", "../etc/./conf");
        File.CreateSymbolicLink(folder.Path + "/etc/absolute", "/etc/conf");
        File.CreateSymbolicLink(folder.Path + "/etc/round", "round");
        File.CreateSymbolicLink(folder.Path + "/folder", "etc");
        File.SetUnixFileMode(folder.Path + "/open", (UnixFileMode)0b111_111_111);
        using var host = FolderHost.Open(folder.Path).Value;
        var user = host.Status("/etc").Value.Uid;
        RealPath Of(string path) => RealPath.Of(host, path, user);

        foreach (var path in new[] { "/etc/conf", "/etc/relative", "/etc/absolute", "/folder/conf", "//folder/../etc//conf" })
        {
            Assert.Equal(("/etc", "conf"), (Of(path).Folder, Of(path).Name));
            Assert.NotNull(Of(path).Status);
        }

        Assert.True(Of("/etc/relative").IsLink);
        Assert.False(Of("/folder/conf").IsLink);
        var missing = Of("/etc/a/b/c");
        Assert.Equal(("/etc/a/b", "c", null), (missing.Folder, missing.Name, missing.Status));
        Assert.Equal(["/etc/a", "/etc/a/b"], missing.Missing);
        foreach (var (path, why) in new[] { ("/etc/round", "too many levels"), ("/etc", "is a directory"), ("/open/conf", "others may write to /open"), ("/etc/conf/x", "not a directory"), ("/etc/a/../x", "is not there") })
        {
            Assert.Contains(why, Assert.Throws<ChangeFailedException>(() => Of(path)).Message, StringComparison.Ordinal);
        }
    }
}
