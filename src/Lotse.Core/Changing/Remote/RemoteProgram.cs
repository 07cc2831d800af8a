using System.Buffers.Binary;
using Lotse.Formats;
using Lotse.Hosts;
using Lotse.Linux;

namespace Lotse.Changing.Remote;

/// <summary>This program on the other machine: found for its architecture, copied there, run there.</summary>
internal static class RemoteProgram
{
    private const int Limit = 64 << 20;

    /// <summary>The static program that runs on a machine.</summary>
    /// <param name="target">The machine.</param>
    /// <param name="named">A file that was named for it; null: this program itself, or one beside it.</param>
    /// <returns>Its bytes, or why there is none.</returns>
    public static Reading<byte[]> For(RemoteTarget target, string? named)
    {
        // Elf64_Half e_machine of elf(5): EM_X86_64, EM_AARCH64.
        var (number, architecture) = target.Machine switch { "x86_64" or "amd64" => (62, "x64"), "aarch64" or "arm64" => (183, "arm64"), _ => (0, "") };
        if (number == 0 || target.System != "Linux")
        {
            return Refused($"there is no program of Lotse for {ByteText.Escape(target.System)} on {ByteText.Escape(target.Machine)}");
        }

        var files = new Files();
        if (named is not null)
        {
            var read = files.Read(named, Limit);
            return !read.Ok ? read : IsStatic(read.Value, number) ? read : Refused($"{ByteText.Escape(named)} is no static program for {architecture}");
        }

        var own = Environment.ProcessPath ?? "/proc/self/exe";
        var folder = own[..(own.LastIndexOf('/') + 1)];
        foreach (var path in new[] { own, $"{folder}lotse-{architecture}", $"{folder}../{architecture}/lotse" })
        {
            if (files.Read(path, Limit) is { Ok: true, Value: var bytes } && IsStatic(bytes, number))
            {
                return new(bytes, null);
            }
        }

        return Refused($"there is no static lotse for {architecture} here: {ByteText.Escape(folder)}lotse-{architecture}, or name one with --program");
    }

    /// <summary>Puts the program there, and sees that it runs.</summary>
    /// <returns>Its path there.</returns>
    /// <exception cref="ChangeFailedException">There is no room, it did not arrive, or it does not run there.</exception>
    public static string Install(RemoteTarget target, byte[] program, string version)
    {
        // What is there twice while it is replaced, and room for the journal.
        var needed = (2L * program.Length) + (4 << 20);
        var path = $"{target.State}/bin/lotse-{Sha256.Hex(program)[..16]}";
        if (target.FreeBytes >= 0 && target.FreeBytes < needed && !target.Has(path))
        {
            throw new ChangeFailedException($"copy the program to {target.Host.Name}", $"{ByteText.Escape(target.State)} has room for {target.FreeBytes >> 20} MiB, and it takes {needed >> 20}");
        }

        target.MakeState(target.State + "/bin");
        target.SendOnce(path, program, "700", alone: !target.Has(target.State + "/pending"));
        var ran = target.Host.Run([path, "--version"], TimeSpan.FromSeconds(60));
        var said = ran.Ok ? ByteText.Decode(ran.Value.Output).Trim() : "";
        if (said == $"lotse {version}")
        {
            return path;
        }

        _ = target.Host.Run(["rm", "-f", path], TimeSpan.FromSeconds(60));
        throw new ChangeFailedException($"run {ByteText.Escape(path)} on {target.Host.Name}", !ran.Ok ? ran.Error!.Message : said.Length > 0 ? $"it is {ByteText.Escape(said)}, not lotse {version}" : $"exit code {ran.Value.ExitCode}");
    }

    /// <summary>Runs it there.</summary>
    /// <param name="target">The machine.</param>
    /// <param name="path">Of <see cref="Install"/>.</param>
    /// <param name="arguments">What follows the program's name.</param>
    /// <param name="input">Its standard input.</param>
    /// <param name="time">How long it may be silent.</param>
    /// <param name="output">Is handed each line that it prints; foreign bytes.</param>
    /// <param name="errors">Is handed each line of its standard error, and of ssh's.</param>
    /// <returns>Its exit code; null: the connection was lost, or the time is over.</returns>
    public static int? Run(RemoteTarget target, string path, string[] arguments, byte[] input, TimeSpan time, Action<string> output, Action<string> errors)
    {
        using var session = target.Host.Talk([$"LOTSE_STATE={target.State}", path, .. arguments], errors: true);
        var complaints = session.ReadErrors();
        session.Write(input);
        session.EndInput();
        while (session.ReadLine(time) is { } line)
        {
            output(line);
        }

        var code = session.ExitCode(TimeSpan.FromSeconds(30));
        foreach (var line in complaints.Wait(TimeSpan.FromSeconds(5)) ? ByteText.Decode(complaints.Result).Split('\n')[..^1] : [])
        {
            errors(line);
        }

        return code is null or 255 ? null : code;
    }

    /// <summary>Whether bytes are a program of 64-bit ELF for a machine that asks for no loader (elf(5): no PT_INTERP).</summary>
    internal static bool IsStatic(ReadOnlySpan<byte> bytes, int machine)
    {
        if (bytes.Length < 64 || !bytes.StartsWith("\u007fELF\u0002\u0001"u8) || BinaryPrimitives.ReadUInt16LittleEndian(bytes[18..]) != machine)
        {
            return false;
        }

        var headers = BinaryPrimitives.ReadUInt64LittleEndian(bytes[32..]);
        int size = BinaryPrimitives.ReadUInt16LittleEndian(bytes[54..]), count = BinaryPrimitives.ReadUInt16LittleEndian(bytes[56..]);
        for (var i = 0; i < count; i++)
        {
            var at = headers + (ulong)(i * size);
            if (at + 4 > (ulong)bytes.Length || BinaryPrimitives.ReadUInt32LittleEndian(bytes[(int)at..]) == 3)
            {
                return false;
            }
        }

        return count > 0;
    }

    private static Reading<byte[]> Refused(string why) => new(default!, new(HostErrorKind.Unsupported, why));
}
