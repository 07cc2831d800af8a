using System.Text.Json.Serialization;

namespace Lotse.Hosts;

/// <summary>The JSON inside recordings.</summary>
[JsonSerializable(typeof(string[]))]
internal sealed partial class RecordingJson : JsonSerializerContext;
