using Xunit;

namespace Lotse.Tests;

/// <summary>
/// The terminal sessions of tests/data/transcripts, played again and compared. Below a line <c>-- PATH --</c> a session
/// carries the files that its commands find. LOTSE_GOLDEN=write rewrites what the commands print.
/// </summary>
[Collection("folder")]
public class TranscriptTests
{
    public static TheoryData<string> Sessions() =>
        [.. Directory.GetFiles(LotseProgram.Data("transcripts"), "*.txt").Select(f => Path.GetFileName(f)!).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Sessions))]
    public void Prints_what_the_session_shows(string name)
    {
        var path = LotseProgram.Data("transcripts", name);
        var text = File.ReadAllText(path);
        var files = text.IndexOf("\n-- ", StringComparison.Ordinal) is var at and >= 0 ? text[at..] : "";
        using var folder = new TemporaryFolder();
        foreach (var file in files.Split("\n-- ", StringSplitOptions.RemoveEmptyEntries))
        {
            var header = file.IndexOf(" --\n", StringComparison.Ordinal);
            folder.Write(file[..header], file[(header + 4)..]);
        }

        var played = Transcript.Play(text[..^files.Length], folder.Path) + files;
        if (Transcript.Rewrites)
        {
            File.WriteAllText(path, played);
        }

        Assert.Equal(text, played);
    }

    [Fact]
    public void A_session_that_prints_something_else_is_noticed()
    {
        const string Session = "$ lotse swop\nlotse: there is no command \"swap\"\n[2]\n";
        Assert.NotEqual(Session, Transcript.Play(Session, "/"));
    }
}
