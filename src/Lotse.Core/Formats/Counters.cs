using System.Buffers.Text;

namespace Lotse.Formats;

/// <summary>A number and the line that it stands on, counted from 1.</summary>
public readonly record struct Counter(long Value, int Line);

/// <summary>
/// A file of lines <c>key value</c>, as /proc/meminfo, /proc/vmstat and the files of control groups are. Each number
/// keeps the line it came from. Lines of another form are passed over.
/// </summary>
/// <param name="Path">The file, for the origin of each value.</param>
/// <param name="Values">By key, without the colon that some files put behind it.</param>
public sealed record Counters(string Path, Dictionary<string, Counter> Values)
{
    /// <summary>Reads the keys that are wanted; all of them when none is named.</summary>
    public static Counters Parse(string path, ReadOnlySpan<byte> text, params ReadOnlySpan<string> wanted)
    {
        var values = new Dictionary<string, Counter>(wanted.Length == 0 ? 64 : wanted.Length);
        for (var number = 1; !text.IsEmpty; number++)
        {
            var end = text.IndexOf((byte)'\n');
            var line = end < 0 ? text : text[..end];
            text = end < 0 ? default : text[(end + 1)..];
            var space = line.IndexOfAny((byte)' ', (byte)'\t', (byte)':');
            if (space <= 0 || !Utf8Parser.TryParse(line[space..].TrimStart(": \t"u8), out long value, out _))
            {
                continue;
            }

            if (Key(line[..space], wanted) is { } key)
            {
                // The first one holds, should a key come twice.
                values.TryAdd(key, new(value, number));
            }
        }

        return new(path, values);
    }

    /// <summary>Reads a host's file; null when it cannot be read.</summary>
    public static Counters? Read(Host host, string path, params ReadOnlySpan<string> wanted) =>
        host.ReadFile(path) is { Ok: true } read ? Parse(path, read.Value, wanted) : null;

    /// <summary>The number of a key, or null where the file has none.</summary>
    public long? this[string key] => Values.TryGetValue(key, out var counter) ? counter.Value : null;

    /// <summary>The number of a key, 0 where the file has none: for counters that older kernels lack.</summary>
    public long Or0(string key) => this[key] ?? 0;

    /// <summary>A value with its place; where there is none, that the file has none.</summary>
    public Seen Seen(string key, string unit = "") => Values.TryGetValue(key, out var counter)
        ? new($"{key} {counter.Value}{unit}", $"{Path}:{counter.Line}")
        : new($"no {key}", Path);

    private static string? Key(ReadOnlySpan<byte> name, ReadOnlySpan<string> wanted)
    {
        if (wanted.Length == 0)
        {
            return ByteText.Decode(name);
        }

        foreach (var key in wanted)
        {
            if (System.Text.Ascii.Equals(name, key))
            {
                return key;
            }
        }

        return null;
    }
}
