#:project ../src/Lotse.Core/Lotse.Core.csproj
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false
using Lotse.Hosts;
using Lotse.Swap;

// What --watch reads, over and over: the CPU time of the first scan, which loads what it needs, and of each refresh.
Console.WriteLine("| backend | first, ms CPU | a refresh, ms CPU | rows |\n| --- | ---: | ---: | ---: |");
using var host = new LocalHost();
foreach (var backend in new[] { "proc", "bpf" })
{
    using var scan = new SwapScan(host, backend);
    var before = Environment.CpuUsage.TotalTime;
    var rows = scan.Read().Processes.Length;
    var first = Environment.CpuUsage.TotalTime - before;
    const int Refreshes = 20;
    before = Environment.CpuUsage.TotalTime;
    for (var i = 0; i < Refreshes; i++)
    {
        _ = scan.Read();
    }

    var each = (Environment.CpuUsage.TotalTime - before) / Refreshes;
    Console.WriteLine($"| {backend} | {first.TotalMilliseconds:0.0} | {each.TotalMilliseconds:0.0} | {rows} |");
}
