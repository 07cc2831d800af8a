using System.Text.Json;

namespace Lotse.Postgres.Containers;

/// <summary>Reads what engines print: a thing that is absent, null or of another kind is empty.</summary>
internal static class Json
{
    public static JsonElement At(JsonElement of, string name) => of.ValueKind == JsonValueKind.Object && of.TryGetProperty(name, out var found) ? found : default;

    public static string Text(JsonElement of, string name) => Text(At(of, name));

    public static string Text(JsonElement of) => of.ValueKind switch { JsonValueKind.String => of.GetString()!, JsonValueKind.Number => of.GetRawText(), JsonValueKind.True => "true", JsonValueKind.False => "false", _ => "" };

    public static bool Is(JsonElement of, string name) => At(of, name).ValueKind == JsonValueKind.True;

    public static long Number(JsonElement of, string name) => At(of, name) is { ValueKind: JsonValueKind.Number } number && number.TryGetInt64(out var value) ? value : 0;

    public static JsonElement[] Items(JsonElement of, string name) => At(of, name) is { ValueKind: JsonValueKind.Array } list ? [.. list.EnumerateArray()] : [];

    /// <summary>A list of texts; a single text counts as a list of one.</summary>
    public static string[] Texts(JsonElement of, string name) => At(of, name) is { ValueKind: JsonValueKind.String } one ? [one.GetString()!] : [.. Items(of, name).Select(Text)];

    public static IReadOnlyDictionary<string, string> Map(JsonElement of, string name)
    {
        var map = new SortedDictionary<string, string>(StringComparer.Ordinal);
        if (At(of, name) is { ValueKind: JsonValueKind.Object } found)
        {
            foreach (var property in found.EnumerateObject())
            {
                map[property.Name] = Text(property.Value);
            }
        }

        return map;
    }
}
