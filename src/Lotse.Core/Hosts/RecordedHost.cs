using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Lotse.Hosts;

/// <summary>
/// Plays a recording back. A question asked several times gets the recorded answers in order, then the last again.
/// What was never asked is refused as not recorded, which is not the same as missing; a recording written by hand may
/// say <c>-- otherwise missing</c>: then an unrecorded path does not exist, and folders hold what is recorded in them.
/// </summary>
public sealed class RecordedHost : Host
{
    private readonly Dictionary<string, Queue<RecordedAnswer>> answers = [];
    private readonly HashSet<string> severalTimes = [];
    private readonly string name;
    private readonly bool otherwiseMissing;
    private TimeSpan waited;

    private RecordedHost(string name, List<RecordedAnswer> recorded)
    {
        this.name = name;
        otherwiseMissing = recorded.Any(a => a is { Kind: "otherwise", Subject: "missing" });
        for (var i = 0; i < recorded.Count; i++)
        {
            var answer = recorded[i];
            var key = answer.Kind switch
            {
                "now" or "uptime" => answer.Kind,
                "run" => "run " + answer.Subject[(answer.Subject.IndexOf(' ', StringComparison.Ordinal) + 1)..],
                "stderr" when i > 0 => "stderr " + recorded[i - 1].Subject[(recorded[i - 1].Subject.IndexOf(' ', StringComparison.Ordinal) + 1)..],
                _ => $"{answer.Kind} {answer.Subject}",
            };
            if (!answers.TryGetValue(key, out var queue))
            {
                answers[key] = queue = new();
            }

            queue.Enqueue(answer);
            if (queue.Count > 1)
            {
                severalTimes.Add(key);
            }
        }
    }

    /// <inheritdoc/>
    public override string Name => name;

    /// <inheritdoc/>
    public override DateTimeOffset Now =>
        (Next("now") is { } answer && DateTimeOffset.TryParse(answer.Subject, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var now) ? now : DateTimeOffset.UnixEpoch) + Passed("now");

    /// <inheritdoc/>
    public override TimeSpan Uptime =>
        (Next("uptime") is { } answer && double.TryParse(answer.Subject, CultureInfo.InvariantCulture, out var seconds) ? TimeSpan.FromSeconds(seconds) : TimeSpan.Zero) + Passed("uptime");

    /// <summary>Opens a recording; <paramref name="name"/> is used in messages.</summary>
    public static Reading<Host> Open(string name, ReadOnlySpan<byte> file)
    {
        var (recorded, error) = Recording.Read(file);
        return error is null
            ? new(new RecordedHost($"the recording {ByteText.Escape(name)}", recorded), null)
            : Refused<Host>(HostErrorKind.Failed, $"cannot read {ByteText.Escape(name)}: {error}");
    }

    /// <summary>An argument vector as it stands in a recording: a JSON array.</summary>
    public static string Key(IReadOnlyList<string> arguments) => JsonSerializer.Serialize(arguments.Select(ByteText.Escape).ToArray(), RecordingJson.Default.StringArray);

    /// <summary>Time passes only for the clocks.</summary>
    public override void Wait(TimeSpan time) => waited += time;

    /// <inheritdoc/>
    public override Reading<byte[]> ReadFile(string path, int limit = DefaultLimit) =>
        Answer("read", path, "read", a => a.Body.Length <= limit ? new(a.Body, null) : Refused<byte[]>(HostErrorKind.TooLarge, $"cannot read {ByteText.Escape(path)}: larger than {limit} bytes"));

    /// <inheritdoc/>
    public override Reading<string[]> List(string path) =>
        Has("list", path) || !otherwiseMissing
            ? Answer<string[]>("list", path, "list", a => new(Lines(a.Body), null))
            : Children(path) is { Length: > 0 } names ? new(names, null) : Missing<string[]>("list", path);

    /// <inheritdoc/>
    public override Reading<string> ReadLink(string path) => Answer<string>("link", path, "read the link", a => new(Lines(a.Body).FirstOrDefault() ?? "", null));

    /// <inheritdoc/>
    public override Reading<FileStatus> Status(string path) =>
        Answer("stat", path, "look at", a => Recording.ReadStatus(a.Body) is { } status ? new(status, null) : Refused<FileStatus>(HostErrorKind.Failed, $"cannot look at {ByteText.Escape(path)}: {Name} is damaged"));

    /// <inheritdoc/>
    public override Reading<Ran> Run(IReadOnlyList<string> arguments, TimeSpan timeout, ReadOnlyMemory<byte> input = default)
    {
        var key = Key(arguments);
        if (Next("run " + key) is not { } answer)
        {
            return Refused<Ran>(otherwiseMissing ? HostErrorKind.NotFound : HostErrorKind.Unsupported, $"cannot run {ByteText.Escape(arguments[0])}: {Name} does not hold it");
        }

        return answer.Refused ? Error<Ran>(answer)
            : int.TryParse(answer.Subject.AsSpan(0, answer.Subject.IndexOf(' ', StringComparison.Ordinal)), out var exit) ? new(new(exit, answer.Body, Next("stderr " + key)?.Body ?? []), null)
            : Refused<Ran>(HostErrorKind.Failed, $"cannot run {ByteText.Escape(arguments[0])}: {Name} is damaged");
    }

    /// <inheritdoc/>
    public override Reading<T> Ask<T>(string question, Func<JsonTypeInfo<T>> shape, Func<Reading<T>> ask)
    {
        if (Next("ask " + ByteText.Escape(question)) is not { } answer)
        {
            return Refused<T>(HostErrorKind.Unsupported, $"cannot ask the kernel about {question}: {Name} does not hold it");
        }

        if (answer.Refused)
        {
            return Error<T>(answer);
        }

        try
        {
            return new(JsonSerializer.Deserialize(answer.Body, shape())!, null);
        }
        catch (JsonException)
        {
            return Refused<T>(HostErrorKind.Failed, $"cannot ask the kernel about {question}: {Name} is damaged");
        }
    }

    private static string[] Lines(byte[] body) =>
        [.. Encoding.UTF8.GetString(body).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(ByteText.Unescape)];

    private bool Has(string kind, string path) => answers.ContainsKey($"{kind} {ByteText.Escape(path)}");

    private string[] Children(string path)
    {
        var prefix = path.TrimEnd('/') + "/";
        return [.. answers.Keys
            .Select(k => k.Split(' ', 2))
            .Where(k => k is ["read" or "link" or "list" or "stat", var p] && ByteText.Unescape(p).StartsWith(prefix, StringComparison.Ordinal))
            .Select(k => ByteText.Unescape(k[1])[prefix.Length..].Split('/')[0])
            .Where(n => n.Length > 0)
            .Distinct()
            .Order(StringComparer.Ordinal)];
    }

    /// <summary>What a clock gains by waiting: one that was recorded more than once has it in its recorded values.</summary>
    private TimeSpan Passed(string clock) => severalTimes.Contains(clock) ? TimeSpan.Zero : waited;

    private RecordedAnswer? Next(string key) =>
        !answers.TryGetValue(key, out var queue) ? null : queue.Count > 1 ? queue.Dequeue() : queue.Peek();

    private Reading<T> Answer<T>(string kind, string path, string verb, Func<RecordedAnswer, Reading<T>> read)
    {
        if (Next($"{kind} {ByteText.Escape(path)}") is { } answer)
        {
            return answer.Refused ? Error<T>(answer) : read(answer);
        }

        return otherwiseMissing ? Missing<T>(verb, path) : Refused<T>(HostErrorKind.Unsupported, $"cannot {verb} {ByteText.Escape(path)}: {Name} does not hold it");
    }

    private static Reading<T> Missing<T>(string verb, string path) => Refused<T>(HostErrorKind.NotFound, $"cannot {verb} {ByteText.Escape(path)}: no such file or directory");

    private static Reading<T> Error<T>(RecordedAnswer answer)
    {
        var words = Encoding.UTF8.GetString(answer.Body).TrimEnd('\n').Split(' ', 2);
        return Refused<T>(Enum.TryParse<HostErrorKind>(words[0], out var kind) ? kind : HostErrorKind.Failed, words.Length > 1 ? words[1] : answer.Subject);
    }
}
