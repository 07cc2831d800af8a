using Lotse.Addresses;
using Lotse.Formats;
using Lotse.Formats.AddressSelection;

namespace Lotse.Cli.Areas;

/// <summary><c>lotse addr plan</c>.</summary>
internal static class AddressPlanning
{
    public static int Run(Invocation call)
    {
        if (call["--facts"] is { } file && Hosting.ReadInput(file) is var bytes && bytes.AsSpan().TrimStart(" \t\r\n"u8) is [(byte)'{', ..])
        {
            return Case(call, AddressCommands.ReadCase(bytes, file == "-" ? "standard input" : Path.GetFullPath(file)));
        }

        var by = call.OnlyOneOf("--want", "--prefer") ?? throw new UsageException("name the order that is wanted", "lotse addr plan --want \"ipv6 before ipv4\", lotse addr plan --prefer ADDRESS NAME");
        return Planning.Make(call, "addr", host =>
        {
            var facts = AddressFacts.Read(host);
            if (facts.Network is null)
            {
                throw new NotKnownException(facts.NetworkError ?? "the addresses of the host are not known", "run lotse addr plan on the host itself");
            }

            if (facts.Library.Name == "musl")
            {
                throw new NotKnownException("the C library of this host is musl: it reads no gai.conf", "a router that announces a global prefix helps every program");
            }

            OrderGoal goal;
            if (by == "--want")
            {
                goal = OrderGoal.Parse(call[by]!, facts.Network) ?? throw new UsageException($"\"{ByteText.Escape(call[by]!)}\" is no order", "A before B; each of them ipv6, ipv4, ula, an address or a prefix");
            }
            else
            {
                var wanted = Address(call[by]!);
                facts = AddressCommands.Named(facts, host, call.Arguments is [var name] ? name : throw new UsageException("--prefer needs a name", "lotse addr plan --prefer ADDRESS NAME"));
                goal = facts.Destinations.Any(d => d.Address == wanted) ? new($"{wanted} first of {name}", wanted, [.. facts.Destinations.Select(d => d.Address).Where(a => a != wanted)])
                    : throw new NotKnownException($"{wanted} is no address of {ByteText.Escape(name)}", $"its addresses: {string.Join(", ", facts.Destinations.Select(d => d.Address))}");
            }

            facts = facts.WithClasses(host, goal);
            var ways = AddressPlan.Find(facts.Network!, facts.GaiConf, facts.Library.Glibc, goal, facts.SourceOf);
            if (call.Has("--kernel"))
            {
                return AddressPlan.DecideKernel(facts.SourceOf(goal.First) is { } source ? facts.WithNetworkFile(host, source) : facts, ways)
                    ?? throw new NotKnownException("no label of the kernel gives that order: no own address would be taken as source by it that changes the rule which decides", "lotse addr plan without --kernel");
            }

            var proofs = new Dictionary<Solution, Reading<IpAddress[]>>();
            foreach (var solution in host.IsThisMachine ? ways.Solutions : [])
            {
                // The name service gives the wanted one last: what comes first then does so by a rule.
                proofs[solution] = AddressProof.Order(host, [.. goal.Others, goal.First], solution.Text);
            }

            // Ways that the real getaddrinfo has confirmed come first, one that it has refuted last.
            ways = ways with { Solutions = [.. ways.Solutions.OrderBy(s => !proofs.TryGetValue(s, out var proof) || !proof.Ok ? 1 : AddressPlan.Holds(proof.Value, goal) ? 0 : 2)] };
            var chosen = (call.Number("--choose") ?? 1) - 1;
            return chosen < 0 || (ways.Solutions.Length > 0 && chosen >= ways.Solutions.Length)
                ? throw new UsageException($"--choose {chosen + 1}: there are {ways.Solutions.Length} ways") : AddressPlan.Decide(facts, ways, chosen, proofs);
        });
    }

    /// <summary>A host written down as JSON: the answer alone, for there is nothing to apply it to.</summary>
    private static int Case(Invocation call, AddressCase @case)
    {
        var wanted = Address(call["--first"] ?? throw new UsageException("a case needs --first", "lotse addr plan --facts CASE.json --first ADDRESS --json"));
        if (!@case.Destinations.Contains(wanted))
        {
            throw new NotKnownException($"{wanted} is no destination of the case");
        }

        var goal = new OrderGoal($"{wanted} first", wanted, [.. @case.Destinations.Where(d => d != wanted)]);
        var version = GlibcVersion.Default;
        var selection = new SourceSelection(@case.Network);
        var ways = AddressPlan.Find(@case.Network, @case.GaiConf, version, goal, d => selection.Select(d).Source);
        var facts = new AddressFacts { Network = @case.Network, GaiConf = @case.GaiConf, Library = new("glibc", version.ToString(), "assumed") };
        var report = AddressPlan.Decide(facts, ways, 0, new Dictionary<Solution, Reading<IpAddress[]>>()).Report;
        return General.Print(call, report);
    }

    private static IpAddress Address(string text) => IpAddress.TryParse(text, out var address) ? address : throw new UsageException($"\"{ByteText.Escape(text)}\" is not an address");
}
