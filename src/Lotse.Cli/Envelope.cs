using System.Text.Encodings.Web;
using System.Text.Json;

namespace Lotse.Cli;

/// <summary>Writes the JSON envelope, schema <c>lotse/1</c> (docs/schema/lotse-1.json). Fields are only ever added.</summary>
internal static class Envelope
{
    /// <summary>Prints one envelope and a newline.</summary>
    /// <param name="call">Names area and verb.</param>
    /// <param name="report">What is said.</param>
    /// <param name="exit">The exit code, which the envelope repeats.</param>
    /// <param name="indented">Pretty; streaming commands print one line each.</param>
    public static void Write(Invocation call, Report report, int exit, bool indented = true)
    {
        using var memory = new MemoryStream();
        using (var json = new Utf8JsonWriter(memory, new() { Indented = indented, NewLine = "\n", Encoder = JavaScriptEncoder.Default }))
        {
            var words = call.Command.Name.Split(' ');
            json.WriteStartObject();
            json.WriteString("schema"u8, "lotse/1"u8);
            json.WriteString("area"u8, Area.All.Any(a => a.Name == words[0]) ? words[0] : null);
            json.WriteString("verb"u8, words.Length > 1 ? words[1] : Area.All.Any(a => a.Name == words[0]) ? "show" : words[0]);
            json.WriteString("verdict"u8, Plain(report.Verdict));
            Body(json, report);
            Part(json, "plan"u8, report.Plan);
            if (report.Proof is { } proof)
            {
                json.WriteStartObject("proof"u8);
                json.WriteString("verdict"u8, Plain(proof.Verdict));
                Body(json, proof);
                json.WriteEndObject();
            }
            else
            {
                json.WriteNull("proof"u8);
            }

            json.WriteNumber("exit"u8, exit);
            json.WriteEndObject();
        }

        call.Output.Write(memory.GetBuffer().AsSpan(0, (int)memory.Length));
        call.Output.Line();
    }

    /// <summary>What an envelope and the proof inside it share.</summary>
    private static void Body(Utf8JsonWriter json, Report report)
    {
        Part(json, "answer"u8, report.Answer);
        Part(json, "facts"u8, report.Facts);
        Reasons(json, report.Reasons);
        json.WriteStartArray("findings"u8);
        foreach (var finding in report.Findings)
        {
            Finding(json, finding);
        }

        json.WriteEndArray();
        json.WriteStartArray("unknowns"u8);
        foreach (var unknown in report.Unknowns)
        {
            json.WriteStartObject();
            json.WriteString("what"u8, Plain(unknown.What));
            json.WriteString("why"u8, Plain(unknown.Why));
            json.WriteString("how"u8, Plain(unknown.HowToFindOut));
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void Finding(Utf8JsonWriter json, Finding finding)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, finding.Id);
        json.WriteString("severity"u8, Name(finding.Severity));
        json.WriteString("certainty"u8, finding.Certainty == Certainty.Proven ? "proven"u8 : "inferred"u8);
        json.WriteString("subject"u8, ByteText.Lossy(finding.Subject.Content));
        json.WriteString("title"u8, Plain(finding.Title));
        Reasons(json, finding.Reasons);
        json.WriteStartArray("remedies"u8);
        foreach (var remedy in finding.Remedies)
        {
            json.WriteStartObject();
            json.WriteString("text"u8, Plain(remedy.Text));
            json.WriteStartArray("command"u8);
            foreach (var word in remedy.Command)
            {
                json.WriteStringValue(ByteText.Lossy(word));
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Reasons(Utf8JsonWriter json, Reason[] reasons)
    {
        json.WriteStartArray("reasons"u8);
        foreach (var reason in reasons)
        {
            json.WriteStartObject();
            json.WriteString("text"u8, Plain(reason.Text));
            json.WriteString("rule"u8, reason.Rule);
            json.WriteStartArray("seen"u8);
            foreach (var seen in reason.Seen)
            {
                json.WriteStartObject();
                json.WriteString("what"u8, Plain(seen.What));
                json.WriteString("where"u8, ByteText.Lossy(seen.Where));
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteString("verdict"u8, reason.Verdict switch { Verdict.Yes => "yes"u8, Verdict.No => "no"u8, _ => "unknown"u8 });
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void Part(Utf8JsonWriter json, ReadOnlySpan<byte> name, JsonPart? part)
    {
        if (part is null)
        {
            json.WriteNull(name);
            return;
        }

        json.WritePropertyName(name);
        JsonSerializer.Serialize(json, part.Value, part.Shape());
    }

    /// <summary>The severity as every output spells it.</summary>
    public static string Name(Severity severity) => severity switch { Severity.Info => "info", Severity.Warning => "warning", _ => "error" };

    private static string Plain(Text text) => ByteText.Lossy(string.Concat(text.Parts.Select(p => p.Content)));
}
