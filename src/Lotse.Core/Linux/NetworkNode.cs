using System.Collections.Concurrent;
using Lotse.Hosts;

namespace Lotse.Linux;

/// <summary>
/// A network of its own (network_namespaces(7)), held by one thread: sockets made and programs started by what
/// <see cref="Do{T}"/> runs are in it. Needs CAP_SYS_ADMIN, which an ordinary user has in a user namespace.
/// </summary>
internal sealed class NetworkNode : IDisposable
{
    private const int NewNetwork = 0x40000000;
    private readonly BlockingCollection<Action> work = [];
    private readonly Thread thread;

    public NetworkNode(string name)
    {
        Name = name;
        using var ready = new ManualResetEventSlim();
        var error = 0;
        thread = new(() =>
        {
            error = Libc.Unshare(NewNetwork) == 0 ? 0 : Errno.Last;
            Path = $"/proc/{Environment.ProcessId}/task/{Libc.GetThreadId()}/ns/net";
            ready.Set();
            if (error == 0)
            {
                foreach (var action in work.GetConsumingEnumerable())
                {
                    action();
                }
            }
        })
        { IsBackground = true, Name = name };
        thread.Start();
        ready.Wait();
        if (error != 0)
        {
            throw new ChangeFailedException("make a network of its own", Errno.Words(error));
        }
    }

    /// <summary>What it stands for.</summary>
    public string Name { get; }

    /// <summary>The file by which ip(8) may put a device into it.</summary>
    public string Path { get; private set; } = "";

    /// <summary>Runs something in this network and waits for it.</summary>
    public T Do<T>(Func<T> action)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        work.Add(() =>
        {
            try
            {
                done.SetResult(action());
            }
#pragma warning disable CA1031 // Handed on to the caller.
            catch (Exception e)
#pragma warning restore CA1031
            {
                done.SetException(e);
            }
        });
        return done.Task.GetAwaiter().GetResult();
    }

    /// <summary>Runs a program in this network.</summary>
    /// <returns>What it said on standard error when it failed; null: it did not.</returns>
    public string? Run(string input, params string[] arguments) => Do(() =>
    {
        var ran = Programs.Run(arguments, TimeSpan.FromSeconds(10), ByteText.Encode(input));
        return !ran.Ok ? ran.Error!.Message : ran.Value.ExitCode == 0 ? null : ByteText.Decode(ran.Value.Errors).Trim();
    });

    /// <summary>What a program prints in this network; empty where it failed.</summary>
    public string Print(params string[] arguments) => Do(() => Programs.Run(arguments, TimeSpan.FromSeconds(10), default) is { Ok: true } ran ? ByteText.Decode(ran.Value.Output) : "");

    /// <summary>Writes a setting below /proc/sys/net, which is that of the network whose thread opens it.</summary>
    public void Set(string name, string value) => Do(() =>
    {
        File.WriteAllText("/proc/sys/net/" + name, value);
        return true;
    });

    /// <summary>Lets packets arrive.</summary>
    public static void Pause(TimeSpan time) => Thread.Sleep(time);

    public void Dispose()
    {
        work.CompleteAdding();
        thread.Join(TimeSpan.FromSeconds(2));
        work.Dispose();
    }
}
