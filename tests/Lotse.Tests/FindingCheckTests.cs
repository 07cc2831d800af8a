using System.Diagnostics;
using Xunit;

namespace Lotse.Tests;

/// <summary>The build's own check of findings, on copies of the sources with one thing missing.</summary>
public sealed class FindingCheckTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public FindingCheckTests()
    {
        foreach (var part in new[] { "eng", "src/Lotse.Core/Swap", "tests/data/findings/swap" })
        {
            foreach (var file in Directory.GetFiles(Path.Combine(LotseProgram.Checkout, part), "*", SearchOption.AllDirectories))
            {
                folder.Write(Path.GetRelativePath(LotseProgram.Checkout, file), File.ReadAllText(file));
            }
        }
    }

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Sources_as_they_are_pass() => Assert.Equal((0, ""), Check());

    [Theory]
    [InlineData("src/Lotse.Core/Swap/Findings/thrashing.md", "SwapFindings.cs(", "the finding swap/thrashing has no page")]
    [InlineData("tests/data/findings/swap/full-soon/near-miss.host", "full-soon.md(2)", "lacks its recording tests/data/findings/swap/full-soon/near-miss.host")]
    [InlineData("tests/data/findings/swap/full-soon/cured.host", "full-soon.md(2)", "lacks its recording tests/data/findings/swap/full-soon/cured.host")]
    public void What_is_missing_stops_the_build_with_file_and_line(string missing, string place, string message)
    {
        File.Delete(Path.Combine(folder.Path, missing));
        var (code, output) = Check();
        Assert.Equal(1, code);
        Assert.Contains(place, output, StringComparison.Ordinal);
        Assert.Contains(message, output, StringComparison.Ordinal);
        Assert.Contains(": error LOTSE001: ", output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_page_that_nothing_raises_stops_the_build()
    {
        folder.Write("src/Lotse.Core/Swap/Findings/imagined.md", "---\nid: swap/imagined\n---\n");
        Assert.Contains("no source raises the finding swap/imagined", Check().Output, StringComparison.Ordinal);
    }

    private (int Code, string Output) Check()
    {
        using var process = Process.Start(new ProcessStartInfo("sh", [Path.Combine(folder.Path, "eng", "check-findings")]) { RedirectStandardOutput = true })!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output);
    }
}
