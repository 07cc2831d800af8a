using System.Text;
using System.Text.Json;
using Xunit;

namespace Lotse.Tests.Addresses;

/// <summary>Recorded hosts with what the real programs answered (tests/data/addr/README.md).</summary>
public class OrderTests
{
    private static readonly JsonElement[] Cases = [.. File.ReadLines(LotseProgram.Data("addr", "cases.jsonl")).Select(l => JsonDocument.Parse(l).RootElement)];

    [Theory]
    [InlineData("2.36")]
    [InlineData("2.41")]
    [InlineData("2.43")]
    public void Every_engine_agrees_with_the_real_program(string glibc)
    {
        var (code, output, errors) = LotseProgram.Run("addr", "order", "--facts", LotseProgram.Data("addr", "cases.jsonl"), "--json", "--glibc", glibc);
        Assert.Equal((0, ""), (code, errors));
        var answers = output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonDocument.Parse(l).RootElement).ToArray();
        Assert.Equal(Cases.Length, answers.Length);
        foreach (var (real, mine) in Cases.Zip(answers))
        {
            var id = real.GetProperty("id").GetString();
            var other = real.TryGetProperty("glibc_other", out var others) && others.TryGetProperty(glibc, out var own) ? own : default;
            Assert.Equal($"{id} {(other.ValueKind == JsonValueKind.Undefined ? real.GetProperty("glibc") : other)}", $"{id} {mine.GetProperty("glibc")}");
            foreach (var column in (ReadOnlySpan<string>)["musl", "go", "sources"])
            {
                Assert.Equal($"{id} {column} {real.GetProperty(column)}", $"{id} {column} {mine.GetProperty(column)}");
            }

            if (real.TryGetProperty("why", out var why) && other.ValueKind == JsonValueKind.Undefined)
            {
                Assert.Equal($"{id} {why}", $"{id} {mine.GetProperty("why")}");
            }
        }
    }

    [Theory]
    [InlineData("[]", "an object is expected")]
    [InlineData("{\"ifaces\":[{}]}", "there is no name")]
    [InlineData("{\"dests\":[\"fe80::1%eth0\"]}", "is not an address")]
    [InlineData("{\"routes\":[{\"dst\":\"fd00::/129\"}]}", "is not a prefix")]
    [InlineData("{\"dests\":7}", "dests is not a list")]
    [InlineData("{", "it is not JSON")]
    public void What_is_no_case_is_refused_with_its_line(string text, string words)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("cases.jsonl", "\n" + text + "\n");
        var (code, _, errors) = LotseProgram.Run("addr", "order", "--facts", path, "--json");
        Assert.Equal(3, code);
        Assert.Contains($"{path}:2 is not a case", errors, StringComparison.Ordinal);
        Assert.Contains(words, errors, StringComparison.Ordinal);
    }
}
