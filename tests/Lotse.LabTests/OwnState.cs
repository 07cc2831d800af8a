using System.Runtime.CompilerServices;

namespace Lotse.LabTests;

/// <summary>The tests have a journal and a cache of their own: no command that they run puts right what was interrupted on this machine, or keeps what it was told.</summary>
internal static class OwnState
{
    [ModuleInitializer]
    internal static void Set()
    {
        var folder = Directory.CreateTempSubdirectory("lotse-state-").FullName;
        Environment.SetEnvironmentVariable("LOTSE_STATE", folder);
        Environment.SetEnvironmentVariable("XDG_CACHE_HOME", folder);
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
    }
}
