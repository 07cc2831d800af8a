using Lotse.Hosts;
using Lotse.Linux;

namespace Lotse.Cli;

/// <summary>Which host a command looks at.</summary>
internal static class Hosting
{
    /// <summary>The host that the options name; this machine without one.</summary>
    /// <exception cref="NotKnownException">It cannot be reached or read.</exception>
    public static Host Open(Invocation call)
    {
        var chosen = call.OnlyOneOf("--root", "--host", "--facts");
        var opened = chosen switch
        {
            "--root" => FolderHost.Open(Path.GetFullPath(call[chosen]!)),
            "--host" when call.Has("--offline") => throw new UsageException("--host and --offline exclude each other"),
            "--host" => SshHost.Open(call[chosen]!),
            "--facts" => OpenRecording(call[chosen]!),
            _ => new(new LocalHost(), null),
        };
        var host = opened.Ok ? opened.Value : throw new NotKnownException(opened.Error!.Message);
        return call.Has("--record") ? new RecordingHost(host) : host;
    }

    /// <summary>Runs a command's work on its host, and writes the recording when one was wanted.</summary>
    public static int With(Invocation call, Func<Host, int> work)
    {
        using var host = Open(call);
        var code = work(host);
        if (host is RecordingHost recording && NewFile.Write(Path.GetFullPath(call["--record"]!), recording.ToBytes()) is { } error)
        {
            throw new NotKnownException(error.Message, error.Message.EndsWith("file exists", StringComparison.Ordinal) ? "a recording is never written over another file: name a new one" : null);
        }

        return code;
    }

    /// <summary>Reads a file named on the command line: the chosen host's, standard input for <c>-</c>.</summary>
    /// <exception cref="NotKnownException">It cannot be read.</exception>
    public static byte[] ReadInput(Host host, string path)
    {
        if (path == "-" || host.IsThisMachine)
        {
            return ReadInput(path);
        }

        var read = host.ReadFile(path);
        return read.Ok ? read.Value : throw new NotKnownException(read.Error!.Message);
    }

    /// <summary>Reads a file of this machine, or standard input for <c>-</c>.</summary>
    /// <exception cref="NotKnownException">It cannot be read.</exception>
    public static byte[] ReadInput(string path, int limit = Host.DefaultLimit)
    {
        if (path == "-")
        {
            var all = Descriptor.ReadAll(0, limit);
            return all.Length <= limit ? all : throw new NotKnownException($"standard input is longer than {limit} bytes");
        }

        using var here = new LocalHost();
        var read = here.ReadFile(Path.GetFullPath(path), limit);
        return read.Ok ? read.Value : throw new NotKnownException(read.Error!.Message);
    }

    private static Reading<Host> OpenRecording(string path) => RecordedHost.Open(path == "-" ? "standard input" : Path.GetFullPath(path), ReadInput(path));
}
