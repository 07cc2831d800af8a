namespace Lotse.Addresses;

/// <summary>In which order programs try the addresses of a name, and why.</summary>
public static class AddressArea
{
    /// <summary>This area's line in the table of areas.</summary>
    public static Area Area { get; } = new("addr", "everything prefers IPv4 although IPv6 works, or the other way round", Check, _ => null) { Prove = AddressProof.Prove };

    private static Report Check(Host host)
    {
        var facts = AddressFacts.Read(host).WithInternet(host);
        return AddressDiagnosis.Host(facts) with { Unknowns = [] };
    }
}
