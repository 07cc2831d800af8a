using System.Text.Json;
using Xunit;

namespace Lotse.Tests.Mail;

/// <summary>Messages: signatures of RFC 8463's own example, a bounce after forwarding.</summary>
public class MessageTests
{
    private static string Stored(string name) => LotseProgram.Data("mail", "messages", name);

    [Fact]
    public void The_example_of_RFC_8463_verifies_with_both_keys()
    {
        var answer = LotseProgram.Json("mail", "why", Stored("rfc8463.eml"), "--zone", Stored("rfc8463.zone")).GetProperty("answer");
        Assert.Equal(["football.example.com brisbane pass", "football.example.com test pass"], Strings(answer, "dkim"));
        Assert.Equal("pass", answer.GetProperty("dmarc").GetString());
    }

    [Theory]
    [InlineData("hungry", "angry", "fail")]
    [InlineData("Is dinner", "Was dinner", "fail")]
    [InlineData("s=brisbane", "s=sydney", "permerror")]
    public void A_changed_message_does_not(string old, string changed, string result)
    {
        using var folder = new TemporaryFolder();
        folder.Write("changed.eml", File.ReadAllText(Stored("rfc8463.eml")).Replace(old, changed, StringComparison.Ordinal));
        var answer = LotseProgram.Json("mail", "why", Path.Combine(folder.Path, "changed.eml"), "--zone", Stored("rfc8463.zone")).GetProperty("answer");
        Assert.Equal($"football.example.com {(result == "permerror" ? "sydney" : "brisbane")} {result}", Strings(answer, "dkim")[0]);
    }

    [Fact]
    public void A_bounce_says_who_refused_and_why()
    {
        var envelope = LotseProgram.Json("mail", "why", Stored("bounce.eml"), "--zone", LotseProgram.Data("mail", "demo.zone"));
        var answer = envelope.GetProperty("answer");
        Assert.Contains("mx.recipient.example refused it for friend@university.example", envelope.GetProperty("verdict").GetString(), StringComparison.Ordinal);
        Assert.Equal(("203.0.113.9", "softfail", "fail"), (answer.GetProperty("client").GetString(), answer.GetProperty("spf").GetString(), answer.GetProperty("dmarc").GetString()));
        Assert.Equal("mail/dmarc-reject-spf-only", envelope.GetProperty("findings")[0].GetProperty("id").GetString());
    }

    [Fact]
    public void What_is_no_message_is_said_to_be_none() => Assert.Equal(3, LotseProgram.Run("mail", "why", LotseProgram.Data("mail", "demo.zone"), "--offline").Code);

    private static string[] Strings(JsonElement answer, string name) => [.. answer.GetProperty(name).EnumerateArray().Select(e => e.GetString()!)];
}
