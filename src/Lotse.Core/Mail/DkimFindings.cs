using Lotse.Formats;
using static Lotse.Mail.MailFindings;

namespace Lotse.Mail;

/// <summary>What is wrong with the keys for DKIM.</summary>
internal static class DkimFindings
{
    private const string Rule = "RFC 6376 section 3.6.1";
    private const int LeastBits = 1024;
    private const int GoodBits = 2048;

    /// <summary>Whether there are keys at all, then each.</summary>
    public static IEnumerable<Finding> Of(DomainView view)
    {
        if (!view.Readable || view.IsAlias || view.SendsNothing)
        {
            return [];
        }

        Finding?[] all = [None(view), .. Missing(view), .. view.Selectors.SelectMany(s => Selector(view, s)), Ed25519Only(view)];
        return all.OfType<Finding>();
    }

    private static string Name(DomainView view, DkimSelector selector) => $"{selector.Selector}._domainkey.{view.Domain}";

    private static Finding? None(DomainView view)
    {
        if (view.HasKey || view.Selectors.Any(s => s.Keys.Length > 0) || view.WildcardKey.Outcome == DnsOutcome.Records)
        {
            return null;
        }

        Reason proof = view.DomainKeys.Outcome == DnsOutcome.NoName
            ? Because($"_domainkey.{Value.Domain(view.Domain)} does not exist, hence no selector below it", "RFC 8020", DomainView.Seen(view.DomainKeys, $"_domainkey.{view.Domain}", DnsType.TXT))
            : new($"keys stand at names that cannot be listed", Verdict.Unknown, "RFC 6376 section 3.6.2", DomainView.Seen(view.DomainKeys, $"_domainkey.{view.Domain}", DnsType.TXT));
        if (view.Senders.Length > 0 && view.Senders.All(s => s.Provider.SignsCustom == false))
        {
            return Make("mail/dkim-none-expected", Severity.Info, view.Domain, $"no message is signed for {Value.Domain(view.Domain)}: {view.Senders[0].Provider.Name} cannot; DMARC stands on SPF alone",
                [Because($"{view.Senders[0].Provider.Name} sends, and does not sign for other domains than its own", view.Senders[0].Provider.Sources[0]), proof], new Remedy("keep p=none, or send through a provider that signs"));
        }

        return view.DomainKeys.Outcome != DnsOutcome.NoName || view.Spf.Records.Length == 0 ? null
            : Make("mail/dkim-none", Severity.Warning, view.Domain, $"{Value.Domain(view.Domain)} has no key for DKIM: nothing that a recipient forwards can pass DMARC", [proof], new Remedy("let the provider that sends sign, and publish its key", "lotse", "mail", "plan", view.Domain));
    }

    private static IEnumerable<Finding?> Missing(DomainView view)
    {
        foreach (var selector in view.Selectors.Where(s => s.Origin == "you" && s.Answer.Missing && !IsDangling(view, s)))
        {
            yield return Absent(view, selector, "you name it");
        }

        // The guide's selectors: when some key is there, but none of them.
        foreach (var sender in view.Senders.Where(s => s.Provider.SignsCustom == true && s.Certain && s.Provider.Selectors.Length > 0))
        {
            var own = view.Selectors.Where(s => s.Origin == sender.Provider.Id).ToArray();
            if (view.DomainKeys is { Known: true, Outcome: not DnsOutcome.NoName } && own.Length > 0 && own.All(s => s.Answer.Missing && !IsDangling(view, s)) && !view.HasKey)
            {
                yield return Absent(view, own[0], $"the guide of {sender.Provider.Name} names it");
            }
        }
    }

    private static Finding Absent(DomainView view, DkimSelector selector, string who) =>
        Make("mail/dkim-selector-missing", Severity.Error, Name(view, selector), $"there is no key at {Value.Domain(Name(view, selector))}: signatures with this selector fail", [Because(who, "RFC 6376 section 3.6.2", DomainView.Seen(selector.Answer, Name(view, selector), DnsType.TXT))], new Remedy("publish the key as the provider's page shows it"));

    /// <summary>Whether a selector's alias leads nowhere; a wildcard's alias is nobody's selector.</summary>
    private static bool IsDangling(DomainView view, DkimSelector selector) => selector.Answer.Missing && selector.Answer.Records.Any(r => r.Type == DnsType.CNAME) && !view.WildcardKey.Records.Any(r => r.Type == DnsType.CNAME);

    private static IEnumerable<Finding?> Selector(DomainView view, DkimSelector selector)
    {
        var name = Name(view, selector);
        if (IsDangling(view, selector))
        {
            yield return Make("mail/dkim-dangling", Severity.Error, name, $"{Value.Domain(name)} points at a name that does not exist any more: signatures with this selector fail", [Because("the CNAME leads nowhere", "RFC 6376 section 3.6.2", [.. selector.Answer.Records.Select(r => new Seen(r.Line, selector.Answer.Server))])], new Remedy("write the target that the provider's page shows now, or remove the record"));
        }

        Seen[] seen = [.. selector.Keys.Select(k => new Seen(k.Text, $"{name} TXT, {selector.Answer.Server}"))];
        if (selector.Keys.Length > 1)
        {
            yield return Make("mail/dkim-multiple", Severity.Warning, name, $"{selector.Keys.Length} TXT records stand at {Value.Domain(name)}: which one a receiver takes is not defined", [Because("one record a selector", "RFC 6376 section 3.6.2.2", seen)], new Remedy("keep the key that is in use"));
        }

        foreach (var key in selector.Keys)
        {
            if (key.Fault is { } fault)
            {
                yield return Make("mail/dkim-syntax", Severity.Error, name, $"the key at {Value.Domain(name)} is broken: {fault}", [Because(fault, Rule, seen)], new Remedy("publish it again, without quotes or spaces inside"));
            }
            else if (key.Revoked)
            {
                yield return Make("mail/dkim-revoked", Severity.Warning, name, $"the key at {Value.Domain(name)} is revoked: signatures with it fail", [Because("p= is empty", Rule, seen)], new Remedy("remove it if nobody signs with it any more"));
            }

            if (key.Testing)
            {
                yield return Make("mail/dkim-testing", Severity.Warning, name, $"the key at {Value.Domain(name)} is marked as a test: receivers may treat signed mail as unsigned", [Because("t=y", Rule, seen)], new Remedy("remove t=y"));
            }

            if (key is { Algorithm: "rsa", Bits: > 0 and < GoodBits })
            {
                var refused = key.Bits < LeastBits;
                yield return Make("mail/dkim-short-key", refused ? Severity.Error : Severity.Warning, name, refused ? (Text)$"the key at {Value.Domain(name)} has {key.Bits} bits: receivers must not accept it" : $"the key at {Value.Domain(name)} has {key.Bits} bits: it should have {GoodBits}", [Because($"at least {LeastBits} bits, better {GoodBits}", "RFC 8301 section 3.2", seen)], new Remedy($"make a key of {GoodBits} bits with a new selector"));
            }

            if (key.Sha1Only)
            {
                yield return Make("mail/dkim-sha1-only", Severity.Error, name, $"the key at {Value.Domain(name)} allows SHA-1 alone: signatures must not be accepted", [Because("h=sha1", "RFC 8301 section 3.1", seen)], new Remedy("remove h="));
            }
        }
    }

    private static Finding? Ed25519Only(DomainView view)
    {
        var good = view.Selectors.SelectMany(s => s.Keys.Where(k => k.Fault is null && !k.Revoked).Select(k => (s, k))).ToArray();
        return good.Length > 0 && good.All(g => g.k.Algorithm == "ed25519")
            ? Make("mail/dkim-ed25519-only", Severity.Info, Name(view, good[0].s), $"only an Ed25519 key stands at {Value.Domain(Name(view, good[0].s))}: many receivers cannot check it", [Because("k=ed25519", "RFC 8463", new Seen(good[0].k.Text, $"{Name(view, good[0].s)} TXT"))], new Remedy("sign with an RSA key as well")) : null;
    }
}
