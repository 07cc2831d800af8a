namespace Lotse.Formats;

/// <summary>A line of /proc/swaps.</summary>
/// <param name="Path">Device or file.</param>
/// <param name="Type">partition or file.</param>
/// <param name="SizeKib">Size, KiB.</param>
/// <param name="UsedKib">Slots in use, KiB.</param>
/// <param name="Priority">Higher is filled first.</param>
public sealed record SwapDevice(string Path, string Type, long SizeKib, long UsedKib, int Priority);

/// <summary>/proc/swaps (proc_swaps(5), kernel mm/swapfile.c swap_show).</summary>
public static class SwapTable
{
    /// <summary>Its lines after the header.</summary>
    public static SwapDevice[] Parse(ReadOnlySpan<byte> bytes)
    {
        var devices = new List<SwapDevice>();
        foreach (var line in ByteText.Decode(bytes).Split('\n').Skip(1))
        {
            // Blanks in the path are octal escapes, so the fields are safe to split.
            var f = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (f.Length == 5 && long.TryParse(f[2], out var size) && long.TryParse(f[3], out var used) && int.TryParse(f[4], out var priority))
            {
                devices.Add(new(Unescape(f[0]), f[1], size, used, priority));
            }
        }

        return [.. devices];
    }

    /// <summary>kernel fs/seq_file.c mangle_path: blank, tab, newline and backslash are written as three octal digits.</summary>
    private static string Unescape(string path)
    {
        for (var at = path.IndexOf('\\', StringComparison.Ordinal); at >= 0 && at + 3 < path.Length; at = path.IndexOf('\\', at + 1))
        {
            if (path.AsSpan(at + 1, 3) is [>= '0' and <= '3', >= '0' and <= '7', >= '0' and <= '7'])
            {
                path = path[..at] + (char)Convert.ToInt32(path.Substring(at + 1, 3), 8) + path[(at + 4)..];
            }
        }

        return path;
    }
}
