using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Lotse.Hosts;

/// <summary>Passes every question on to another host and keeps the answers, refusals included.</summary>
public sealed class RecordingHost(Host inner) : Host
{
    private readonly List<RecordedAnswer> answers = [];

    /// <inheritdoc/>
    public override string Name => inner.Name;

    /// <inheritdoc/>
    public override bool IsThisMachine => inner.IsThisMachine;

    /// <inheritdoc/>
    public override DateTimeOffset Now
    {
        get
        {
            var now = inner.Now;
            answers.Add(new("now", Recording.Write(now), []));
            return now;
        }
    }

    /// <inheritdoc/>
    public override TimeSpan Uptime
    {
        get
        {
            var uptime = inner.Uptime;
            answers.Add(new("uptime", Recording.Write(uptime), []));
            return uptime;
        }
    }

    /// <summary>The recording so far, in the form that <see cref="RecordedHost"/> reads.</summary>
    public byte[] ToBytes() => Recording.Write(answers);

    /// <inheritdoc/>
    public override void Wait(TimeSpan time) => inner.Wait(time);

    /// <inheritdoc/>
    public override Reading<byte[]> ReadFile(string path, int limit = DefaultLimit) => Keep("read", path, inner.ReadFile(path, limit), b => b);

    /// <inheritdoc/>
    public override Reading<byte[]>[] ReadFiles(IReadOnlyList<string> paths, int limit = DefaultLimit)
    {
        var all = inner.ReadFiles(paths, limit);
        for (var i = 0; i < all.Length; i++)
        {
            Keep("read", paths[i], all[i], b => b);
        }

        return all;
    }

    /// <inheritdoc/>
    public override Reading<string[]> List(string path) =>
        Keep("list", path, inner.List(path), names => Encoding.UTF8.GetBytes(string.Concat(names.Select(n => ByteText.Escape(n) + "\n"))));

    /// <inheritdoc/>
    public override Reading<string> ReadLink(string path) => Keep("link", path, inner.ReadLink(path), target => Encoding.UTF8.GetBytes(ByteText.Escape(target) + "\n"));

    /// <inheritdoc/>
    public override Reading<FileStatus> Status(string path) => Keep("stat", path, inner.Status(path), s => Encoding.UTF8.GetBytes(Recording.Write(s)));

    /// <inheritdoc/>
    public override Reading<Ran> Run(IReadOnlyList<string> arguments, TimeSpan timeout, ReadOnlyMemory<byte> input = default)
    {
        var ran = inner.Run(arguments, timeout, input);
        Keep("run", ran.Ok ? $"{ran.Value.ExitCode} {RecordedHost.Key(arguments)}" : $"0 {RecordedHost.Key(arguments)}", ran, r => r.Output, escape: false);
        if (ran.Ok)
        {
            answers.Add(new("stderr", "", ran.Value.Errors));
        }

        return ran;
    }

    /// <inheritdoc/>
    public override Reading<T> Ask<T>(string question, Func<JsonTypeInfo<T>> shape, Func<Reading<T>> ask) =>
        Keep("ask", question, inner.Ask(question, shape, ask), answer => JsonSerializer.SerializeToUtf8Bytes(answer, shape()));

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        inner.Dispose();
        base.Dispose(disposing);
    }

    private Reading<T> Keep<T>(string kind, string subject, Reading<T> reading, Func<T, byte[]> body, bool escape = true)
    {
        var shown = escape ? ByteText.Escape(subject) : subject;
        answers.Add(reading.Error is { } error
            ? new(kind, shown, Encoding.UTF8.GetBytes($"{error.Kind} {error.Message}\n"), Refused: true)
            : new(kind, shown, body(reading.Value)));
        return reading;
    }
}
