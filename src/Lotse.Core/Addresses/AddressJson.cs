using System.Text.Json.Serialization;
using Lotse.Formats;
using Lotse.Formats.AddressSelection;

namespace Lotse.Addresses;

/// <summary>A row of an active table.</summary>
/// <param name="Prefix">The prefix.</param>
/// <param name="Value">Label, precedence or scope.</param>
/// <param name="Origin">built-in, implied, or file:line.</param>
public sealed record TableRow(string Prefix, int Value, string Origin);

/// <summary>An own address as address selection sees it.</summary>
/// <param name="Address">The address.</param>
/// <param name="Length">Prefix length.</param>
/// <param name="Interface">Its interface.</param>
/// <param name="Scope">2 link, 5 site, 14 global.</param>
/// <param name="Label">glibc's label.</param>
/// <param name="KernelLabel">The kernel's label; null for IPv4.</param>
/// <param name="Notes">deprecated, temporary …</param>
public sealed record OwnAddress(IpAddress Address, int Length, string Interface, int Scope, int Label, int? KernelLabel, string[] Notes);

/// <summary>The answer of <c>lotse addr</c>.</summary>
/// <param name="First">ipv6, ipv4, none, or arrival: whichever answer arrives first.</param>
/// <param name="Addresses">Own addresses.</param>
/// <param name="Labels">The active label table, longest prefix first.</param>
/// <param name="Precedences">The active precedence table.</param>
/// <param name="ScopesV4">The active scopes of IPv4 addresses.</param>
public sealed record ShowAnswer(string First, OwnAddress[] Addresses, TableRow[] Labels, TableRow[] Precedences, TableRow[] ScopesV4);

/// <summary>What decided between two neighbours.</summary>
/// <param name="First">The one that goes first.</param>
/// <param name="Second">The other.</param>
/// <param name="Rule">Rule of RFC 6724 section 6.</param>
public sealed record DecidedPair(IpAddress First, IpAddress Second, int Rule);

/// <summary>The answer of <c>lotse addr why</c>.</summary>
/// <param name="Asked">The words on the command line.</param>
/// <param name="Destinations">With their sources.</param>
/// <param name="Observed">What the real getaddrinfo said; null: it was not asked.</param>
/// <param name="Glibc">glibc's order.</param>
/// <param name="Pairs">What decided between neighbours of it.</param>
/// <param name="Musl">musl's order.</param>
/// <param name="Go">Go's order.</param>
/// <param name="Rfc6724Update">The order if glibc took over the tables of draft-ietf-6man-rfc6724-update.</param>
public sealed record WhyAnswer(
    string[] Asked, DestinationSource[] Destinations, IpAddress[]? Observed, IpAddress[] Glibc, DecidedPair[] Pairs, IpAddress[] Musl, IpAddress[] Go, IpAddress[] Rfc6724Update);

/// <summary>One way to get the wanted order.</summary>
/// <param name="Scope">narrow, own-prefix, all-ula or other.</param>
/// <param name="GaiConf">The whole file afterwards.</param>
/// <param name="Lines">The lines that make the difference; default rows that had to be written too are not among them.</param>
/// <param name="ChangedClassesPercent">The share of pairs of other classes of destinations whose order changes.</param>
/// <param name="Changes">Those pairs, as people name them.</param>
/// <param name="Proved">Whether the real getaddrinfo gave the wanted order with this file.</param>
public sealed record Alternative(string Scope, string GaiConf, string[] Lines, double ChangedClassesPercent, string[] Changes, bool Proved);

/// <summary>Why no change of gai.conf gives the wanted order.</summary>
/// <param name="Rule">Rule of RFC 6724 section 6 that decides.</param>
/// <param name="Because">In words, with what would help instead.</param>
public sealed record Impossible(int Rule, string Because);

/// <summary>The answer of <c>lotse addr plan</c>.</summary>
/// <param name="Goal">What was wanted.</param>
/// <param name="Holds">Whether it is so already.</param>
/// <param name="Alternatives">Ways to get there, the best first.</param>
/// <param name="Impossible">Why there is none.</param>
public sealed record PlanAnswer(string Goal, bool Holds, Alternative[] Alternatives, Impossible? Impossible);

/// <summary>The JSON form of this area's facts and answers.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, UseStringEnumConverter = true)]
[JsonSerializable(typeof(AddressFacts))]
[JsonSerializable(typeof(HostNetwork))]
[JsonSerializable(typeof(CLibrary))]
[JsonSerializable(typeof(DestinationSource[]))]
[JsonSerializable(typeof(OlderProcess[]))]
[JsonSerializable(typeof(IpAddress[]))]
[JsonSerializable(typeof(ShowAnswer))]
[JsonSerializable(typeof(WhyAnswer))]
[JsonSerializable(typeof(PlanAnswer))]
internal sealed partial class AddressJson : JsonSerializerContext
{
    public static JsonPart Part(AddressFacts facts) => new(facts, static () => Default.AddressFacts);

    public static JsonPart Part(ShowAnswer answer) => new(answer, static () => Default.ShowAnswer);

    public static JsonPart Part(WhyAnswer answer) => new(answer, static () => Default.WhyAnswer);

    public static JsonPart Part(PlanAnswer answer) => new(answer, static () => Default.PlanAnswer);
}
