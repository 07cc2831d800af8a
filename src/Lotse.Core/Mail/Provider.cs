using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using Lotse.Formats;

namespace Lotse.Mail;

/// <summary>An exchange that a provider asks for.</summary>
/// <param name="Preference">As its guide says.</param>
/// <param name="Host">Its name.</param>
public sealed record ProviderExchange(int Preference, string Host);

/// <summary>What is known of a provider of mail: one entry of Providers.json, each with its sources.</summary>
/// <param name="Id">The word on the command line.</param>
/// <param name="Name">Its name.</param>
/// <param name="Role">mailbox, forwarder or alias.</param>
public sealed record Provider(string Id, string Name, string Role)
{
    /// <summary>Whether it receives for domains of its users.</summary>
    public bool CustomDomain { get; init; }

    /// <summary>Domains in which it gives out addresses.</summary>
    public string[] MailDomains { get; init; } = [];

    /// <summary>The MX records that it asks for.</summary>
    public ProviderExchange[] Mx { get; init; } = [];

    /// <summary>An MX host that depends on the domain: <c>{dashed}</c> is the domain with dashes for dots.</summary>
    public string? MxPattern { get; init; }

    /// <summary>Every host at or below one of these names is its.</summary>
    public string[] MxSuffixes { get; init; } = [];

    /// <summary>Whether all of its hosts have to be there.</summary>
    public bool MxAll { get; init; }

    /// <summary>Whether all of them should have the same preference.</summary>
    public bool MxEqual { get; init; }

    /// <summary>The exchanges of its own domains.</summary>
    public string[] MxOwn { get; init; } = [];

    /// <summary>What a record includes.</summary>
    public string Spf { get; init; } = "";

    /// <summary>What it includes in other regions.</summary>
    public string[] SpfOther { get; init; } = [];

    /// <summary>Whether its include is needed; a forwarder that rewrites the envelope (SRS) needs none.</summary>
    public bool SpfNeeded { get; init; } = true;

    /// <summary>Addresses that it sends from, where they are published.</summary>
    public string[] SendIps { get; init; } = [];

    /// <summary>Whether it signs (DKIM) for its users' own domains; null: not known.</summary>
    public bool? SignsCustom { get; init; }

    /// <summary>Selectors that its guide names.</summary>
    public string[] Selectors { get; init; } = [];

    /// <summary>Where those point as CNAMEs: <c>{s}</c> the selector, <c>{d}</c> the domain with dots; null: TXT records of the user's own.</summary>
    public string? SelectorTarget { get; init; }

    /// <summary>Selectors of its own domains.</summary>
    public string[] OwnSelectors { get; init; } = [];

    /// <summary>How its TXT records begin.</summary>
    public string[] Txt { get; init; } = [];

    /// <summary>Whether it rewrites the envelope sender of what it forwards.</summary>
    public bool Srs { get; init; }

    /// <summary>Days before a new sender identity may be used.</summary>
    public int CoolDownDays { get; init; }

    /// <summary>Where it takes messages from its users.</summary>
    public string? Smtp { get; init; }

    /// <summary>The DMARC record that its guide recommends.</summary>
    public string? DmarcRecommended { get; init; }

    /// <summary>Peculiarities, for people.</summary>
    public string[] Notes { get; init; } = [];

    /// <summary>Where all this was seen.</summary>
    public string[] Sources { get; init; } = [];

    /// <summary>What no source confirms.</summary>
    public string[] Unverified { get; init; } = [];

    /// <summary>The catalogue.</summary>
    public static IReadOnlyList<Provider> All => field ??= Load();

    /// <summary>Whether it keeps mailboxes; the others pass mail on.</summary>
    public bool IsMailbox => Role == "mailbox";

    /// <summary>The provider of an id; null: there is none.</summary>
    public static Provider? Find(string id) => All.FirstOrDefault(p => p.Id == id);

    /// <summary>Whose exchange a host is; null: nobody's in the catalogue.</summary>
    public static Provider? OfExchange(string host) => All.FirstOrDefault(p => p.HasExchange(host));

    /// <summary>In whose mail domain an address is.</summary>
    public static Provider? OfMailDomain(string domain) => All.FirstOrDefault(p => p.MailDomains.Contains(domain));

    /// <summary>Who asks to include a name.</summary>
    public static Provider? OfInclude(string name) => All.FirstOrDefault(p => p.Spf == name || p.SpfOther.Contains(name));

    /// <summary>Whether a host is one of its exchanges.</summary>
    public bool HasExchange(string host) => Mx.Any(m => m.Host == host) || MxOwn.Contains(host) || MxSuffixes.Any(s => DnsName.IsAtOrBelow(host, s));

    /// <summary>The MX records that it asks for, for a domain.</summary>
    public ProviderExchange[] ExchangesFor(string domain) => MxPattern is null ? Mx : [new(0, MxPattern.Replace("{dashed}", domain.Replace('.', '-'), StringComparison.Ordinal))];

    private static Provider[] Load()
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("Mail/Providers.json")!;
        return JsonSerializer.Deserialize(stream, ProviderJson.Default.ProviderArray)!;
    }
}

/// <summary>The JSON form of the catalogue.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(Provider[]))]
internal sealed partial class ProviderJson : JsonSerializerContext;
