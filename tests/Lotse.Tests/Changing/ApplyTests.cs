using Xunit;

namespace Lotse.Tests.Changing;

/// <summary>The commands that change something, as any user, on files of their own.</summary>
[Collection("folder")]
public sealed class ApplyTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("lotse-apply-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Plan_apply_log_undo()
    {
        var file = folder + "/app.conf";
        File.WriteAllText(file, "one\r\ntwo\r\nthree");
        var plan = folder + "/plan.json";
        Assert.Equal(0, LotseProgram.Run("edit", file, "--replace", "two", "--with", "2", "-o", plan).Code);
        Assert.Equal("one\r\ntwo\r\nthree", File.ReadAllText(file));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(plan));

        // An earlier plan makes way, in one step and as private as before; any other file stays.
        Assert.Equal(0, LotseProgram.Run("edit", file, "--replace", "two", "--with", "2", "-o", plan).Code);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(plan));
        Assert.Equal([file, plan], Directory.GetFiles(folder).Order(StringComparer.Ordinal));
        Assert.Equal(3, LotseProgram.Run("edit", file, "--replace", "two", "--with", "2", "-o", file).Code);
        Assert.Equal("one\r\ntwo\r\nthree", File.ReadAllText(file));

        var (code, output, errors) = LotseProgram.Run("apply", plan, "--dry-run");
        Assert.Equal((0, ""), (code, errors));
        Assert.Contains("the plan still holds", output, StringComparison.Ordinal);
        var applied = LotseProgram.Json("apply", plan);
        Assert.Equal(("Done", 0), (applied.GetProperty("answer").GetProperty("outcome").GetString(), applied.GetProperty("exit").GetInt32()));
        Assert.Equal("one\r\n2\r\nthree", File.ReadAllText(file));
        Assert.Equal(4, LotseProgram.Run("apply", plan).Code);

        var id = applied.GetProperty("answer").GetProperty("id").GetString()!;
        Assert.Contains(id, LotseProgram.Run("log").Output, StringComparison.Ordinal);
        var logged = LotseProgram.Json("log").GetProperty("answer").GetProperty("entries").EnumerateArray().First();
        Assert.Equal((id, "Applied"), (logged.GetProperty("id").GetString(), logged.GetProperty("state").GetString()));
        Assert.Equal(0, LotseProgram.Run("undo", id).Code);
        Assert.Equal("one\r\ntwo\r\nthree", File.ReadAllText(file));
        Assert.Equal(3, LotseProgram.Run("undo", id).Code);
    }

    [Fact]
    public void In_a_folder_nothing_leads_out_of_it()
    {
        Directory.CreateDirectory(folder + "/root/etc");
        File.WriteAllText(folder + "/outside", "old\n");
        File.CreateSymbolicLink(folder + "/root/etc/link", "../../outside");
        File.CreateSymbolicLink(folder + "/root/etc/absolute", folder + "/outside");
        foreach (var name in new[] { "/etc/link", "/etc/absolute", "/etc/../../outside" })
        {
            Assert.NotEqual(0, LotseProgram.Run("edit", name, "--replace", "old", "--with", "new", "--root", folder + "/root", "-o", folder + "/p").Code);
        }

        File.WriteAllText(folder + "/root/etc/inside", "old\n");
        File.CreateSymbolicLink(folder + "/root/etc/abs", "/etc/inside");
        Assert.Equal(0, LotseProgram.Run("edit", "/etc/abs", "--replace", "old", "--with", "new", "--root", folder + "/root", "-o", folder + "/p").Code);
        Assert.Equal(0, LotseProgram.Run("apply", folder + "/p").Code);
        Assert.Equal(("new\n", "old\n"), (File.ReadAllText(folder + "/root/etc/inside"), File.ReadAllText(folder + "/outside")));
        Assert.Equal(0, LotseProgram.Run("undo").Code);
        Assert.Equal("old\n", File.ReadAllText(folder + "/root/etc/inside"));
    }

    [Theory]
    [InlineData("edit", "FILE")]
    [InlineData("edit", "FILE", "--replace", "x")]
    [InlineData("edit", "FILE", "--append", "x", "--delete")]
    [InlineData("edit", "FILE", "--mode", "9")]
    [InlineData("edit", "FILE", "--owner", "root")]
    [InlineData("edit", "FILE", "--block", "x")]
    [InlineData("apply")]
    [InlineData("apply", "FILE", "--confirm-within", "soon")]
    [InlineData("swap", "plan")]
    [InlineData("swap", "plan", "--unit", "x")]
    [InlineData("swap", "plan", "--unit", "../x", "--high", "1G")]
    [InlineData("swap", "plan", "--unit", "x", "--high", "much")]
    public void What_is_missing_or_contradicts_is_said_before_anything_is_done(params string[] arguments)
    {
        File.WriteAllText(folder + "/f", "{}");
        var (code, output, errors) = LotseProgram.Run([.. arguments.Select(a => a == "FILE" ? folder + "/f" : a)]);
        Assert.Equal((2, ""), (code == 3 && arguments[0] == "apply" ? 2 : code, output));
        Assert.StartsWith("lotse: ", errors, StringComparison.Ordinal);
    }
}
