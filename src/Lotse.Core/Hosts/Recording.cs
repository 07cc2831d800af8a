using System.Globalization;
using System.Text;

namespace Lotse.Hosts;

/// <summary>One thing that was asked of a host, and what it answered.</summary>
/// <param name="Kind">read, list, link, stat, run, stderr, ask, now, uptime, otherwise.</param>
/// <param name="Subject">The path, argument vector or question, as <see cref="ByteText.Escape"/> prints it.</param>
/// <param name="Body">The answer's bytes; of a refusal its kind and message.</param>
/// <param name="Refused">Whether the host refused.</param>
internal sealed record RecordedAnswer(string Kind, string Subject, byte[] Body, bool Refused = false);

/// <summary>
/// The text form of a recording: made to be read, written and compared by people. The first line is
/// <c>lotse recording 1</c>; then each answer is a line <c>-- KIND SUBJECT</c> followed by its bytes up to the next
/// such line. <c>KIND!</c> is a refusal, <c>KIND+cut</c> a body without its last newline, <c>KIND+base64</c> one that
/// is no plain text. Lines before the first <c>--</c> are for people.
/// </summary>
internal static class Recording
{
    private const string FirstLine = "lotse recording 1";

    public static byte[] Write(IEnumerable<RecordedAnswer> answers)
    {
        using var file = new MemoryStream();
        file.Write("lotse recording 1\n"u8);
        foreach (var answer in answers)
        {
            var plain = IsPlain(answer.Body);
            var cut = plain && answer.Body.Length > 0 && answer.Body[^1] != '\n';
            var header = $"-- {answer.Kind}{(answer.Refused ? "!" : "")}{(cut ? "+cut" : plain ? "" : "+base64")} {answer.Subject}".TrimEnd();
            file.Write(Encoding.UTF8.GetBytes(header + "\n"));
            file.Write(plain ? answer.Body : Encoding.ASCII.GetBytes(Convert.ToBase64String(answer.Body, Base64FormattingOptions.InsertLineBreaks).Replace("\r", "", StringComparison.Ordinal)));
            if (cut || !plain)
            {
                file.Write("\n"u8);
            }
        }

        return file.ToArray();
    }

    /// <summary>Reads a recording; the error names the line.</summary>
    public static (List<RecordedAnswer> Answers, string? Error) Read(ReadOnlySpan<byte> file)
    {
        var answers = new List<RecordedAnswer>();
        var number = 0;
        var header = "";
        var body = new MemoryStream();
        if (!file.StartsWith("lotse recording "u8))
        {
            return (answers, $"line 1: expected \"{FirstLine}\"");
        }

        while (!file.IsEmpty)
        {
            number++;
            var end = file.IndexOf((byte)'\n');
            var line = end < 0 ? file : file[..end];
            file = end < 0 ? default : file[(end + 1)..];
            if (number == 1 && !line.SequenceEqual("lotse recording 1"u8))
            {
                return (answers, $"line 1: this is not version 1 of the recording format; a newer lotse wrote it");
            }

            if (line.StartsWith("-- "u8))
            {
                if (header.Length > 0 && Close(header, body) is { } closed)
                {
                    answers.Add(closed);
                }
                else if (header.Length > 0)
                {
                    return (answers, $"line {number}: the text before it is not base64");
                }

                header = Encoding.UTF8.GetString(line[3..]);
                body = new();
            }
            else
            {
                body.Write(line);
                body.WriteByte((byte)'\n');
            }
        }

        if (header.Length > 0)
        {
            if (Close(header, body) is not { } last)
            {
                return (answers, $"line {number}: the text before it is not base64");
            }

            answers.Add(last);
        }

        return (answers, null);
    }

    private static RecordedAnswer? Close(string header, MemoryStream body)
    {
        var space = header.IndexOf(' ', StringComparison.Ordinal);
        var (kind, subject) = space < 0 ? (header, "") : (header[..space], header[(space + 1)..]);
        var bytes = body.ToArray();
        if (kind.EndsWith("+cut", StringComparison.Ordinal))
        {
            kind = kind[..^4];
            bytes = bytes[..^1];
        }
        else if (kind.EndsWith("+base64", StringComparison.Ordinal))
        {
            kind = kind[..^7];
            bytes = new byte[body.Length];
            if (!Convert.TryFromBase64String(Encoding.ASCII.GetString(body.ToArray()), bytes, out var length))
            {
                return null;
            }

            bytes = bytes[..length];
        }

        var refused = kind.EndsWith('!');
        return new(refused ? kind[..^1] : kind, subject, bytes, refused);
    }

    private static bool IsPlain(byte[] body)
    {
        if (!System.Text.Unicode.Utf8.IsValid(body) || body.AsSpan().StartsWith("-- "u8) || body.AsSpan().IndexOf("\n-- "u8) >= 0)
        {
            return false;
        }

        return !body.Any(b => b is < 0x20 and not (byte)'\n' and not (byte)'\t' or 0x7f);
    }

    // The numbers and times in headers and bodies.
    public static string Write(DateTimeOffset time) => time.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);

    public static string Write(TimeSpan time) => time.TotalSeconds.ToString("0.#######", CultureInfo.InvariantCulture);

    public static string Write(FileStatus s) =>
        $"{s.Kind} {Convert.ToString(s.Mode, 8).PadLeft(4, '0')} {s.Uid} {s.Gid} {s.Size} {s.Inode} {s.Device} {s.Links}\n";

    public static FileStatus? ReadStatus(byte[] body)
    {
        try
        {
            return Encoding.UTF8.GetString(body).TrimEnd().Split(' ') is [var kind, var mode, var uid, var gid, var size, var inode, var device, var links]
                ? new(Enum.Parse<FileKind>(kind), Convert.ToInt32(mode, 8), uint.Parse(uid), uint.Parse(gid), long.Parse(size), ulong.Parse(inode), device, long.Parse(links))
                : null;
        }
        catch (Exception e) when (e is FormatException or OverflowException or ArgumentException)
        {
            return null;
        }
    }
}
