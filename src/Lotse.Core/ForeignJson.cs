using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lotse;

/// <summary>Foreign bytes in JSON, escaped without loss.</summary>
internal sealed class ForeignText : JsonConverter<string>
{
    public override string Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String ? ByteText.Unescape(reader.GetString()!) : throw new JsonException("a string is expected");

    public override void Write(Utf8JsonWriter writer, string value, JsonSerializerOptions options) => writer.WriteStringValue(ByteText.Escape(value));
}

/// <summary>A list of <see cref="ForeignText"/>.</summary>
internal sealed class ForeignTexts : JsonConverter<string[]>
{
    public override string[] Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            throw new JsonException("a list of strings is expected");
        }

        var all = new List<string>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            all.Add(reader.TokenType == JsonTokenType.String ? ByteText.Unescape(reader.GetString()!) : throw new JsonException("a string is expected"));
        }

        return [.. all];
    }

    public override void Write(Utf8JsonWriter writer, string[] value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        foreach (var text in value)
        {
            writer.WriteStringValue(ByteText.Escape(text));
        }

        writer.WriteEndArray();
    }
}

/// <summary>Permission bits in JSON as people write them: <c>"0644"</c>.</summary>
internal sealed class OctalMode : JsonConverter<int>
{
    public override int Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String && reader.GetString() is { Length: > 0 and <= 6 } text && text.All(c => c is >= '0' and <= '7')
            ? Convert.ToInt32(text, 8) : throw new JsonException("a mode is a string of octal digits");

    public override void Write(Utf8JsonWriter writer, int value, JsonSerializerOptions options) => writer.WriteStringValue(Words(value));

    /// <summary>Four octal digits.</summary>
    public static string Words(int mode) => Convert.ToString(mode, 8).PadLeft(4, '0');
}
