using NJsonSchema;
using Xunit;

namespace Lotse.Tests;

/// <summary>Every envelope that the recordings make fits docs/schema/lotse-1.json and repeats the exit code.</summary>
public class EnvelopeTests
{
    public static TheoryData<string> Recordings() =>
        [.. Directory.GetFiles(LotseProgram.Data("findings"), "*.host", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(LotseProgram.Data(), f)).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Recordings))]
    public async Task Fits_the_schema(string recording)
    {
        var schema = await JsonSchema.FromFileAsync(Path.Combine(LotseProgram.Checkout, "docs", "schema", "lotse-1.json"), TestContext.Current.CancellationToken);
        var path = LotseProgram.Data(recording);
        var (code, output, errors) = LotseProgram.Run([.. LotseProgram.CommandOf(path), "--facts", path, "--json"]);
        Assert.Empty(errors);
        Assert.Empty(schema.Validate(output));
        Assert.Equal(code, System.Text.Json.JsonDocument.Parse(output).RootElement.GetProperty("exit").GetInt32());
    }

    [Fact]
    public async Task A_field_that_is_missing_or_new_is_noticed()
    {
        var schema = await JsonSchema.FromFileAsync(Path.Combine(LotseProgram.Checkout, "docs", "schema", "lotse-1.json"), TestContext.Current.CancellationToken);
        var (_, output, _) = LotseProgram.Run("doctor", "--facts", LotseProgram.Data("findings", "swap", "nearly-full", "triggers.host"), "--json");
        Assert.NotEmpty(schema.Validate(output.Replace("\"severity\"", "\"severeness\"", StringComparison.Ordinal)));
        Assert.NotEmpty(schema.Validate(output.Replace("\"exit\"", "\"code\"", StringComparison.Ordinal)));
    }
}
