using System.Net;
using System.Net.Sockets;
using System.Text;
using Lotse.Formats;
using Lotse.Hosts;
using Lotse.Linux;

namespace Lotse.Changing;

/// <summary>Records of a zone, changed at its server. The backup is the whole zone where the server hands it out (AXFR), else the sets that are touched.</summary>
internal sealed class ZoneStep(int number, UpdateZone change, Host host) : Step(number)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly IPEndPoint server = DnsSource.ParseServer(change.Server)!;

    public override (StepBefore Before, byte[]? Bytes) Look()
    {
        _ = Key();
        if (Stands() != Standing.Before)
        {
            throw new ChangeFailedException($"change the zone {ByteText.Escape(change.Zone)}", "its records are not as they were when the plan was made");
        }

        var records = Transfer() ?? [.. Sets().SelectMany(s => s.Records)];
        return (new(), Encoding.UTF8.GetBytes(string.Concat(records.Select(r => r.Line + "\n"))));
    }

    public override void Do(JournalEntry entry) => Send(change.Remove, change.Add);

    public override Standing Stands(JournalEntry entry) => Stands();

    public override void PutBack(JournalEntry entry, bool force)
    {
        switch (Stands())
        {
            case Standing.After:
                Send(change.Add, change.Remove);
                break;
            case Standing.Other when force:
                var now = Sets().SelectMany(s => s.Records).ToArray();
                Send([.. change.Add.Where(now.Contains)], [.. change.Remove.Where(r => !now.Contains(r))]);
                break;
            case Standing.Other:
                throw new ChangeFailedException($"put back the zone {ByteText.Escape(change.Zone)}", "somebody changed these records since");
        }
    }

    private Standing Stands()
    {
        var now = Sets().SelectMany(s => s.Records).ToArray();
        return change.Add.All(now.Contains) && !change.Remove.Any(now.Contains) ? Standing.After
            : change.Remove.All(now.Contains) && !change.Add.Any(now.Contains) ? Standing.Before
            : Standing.Other;
    }

    /// <summary>The sets that are touched, as the server has them now.</summary>
    private List<(string Name, DnsType Type, DnsRecord[] Records)> Sets()
    {
        var sets = new List<(string, DnsType, DnsRecord[])>();
        foreach (var set in change.Remove.Concat(change.Add).Select(r => (r.Name, r.Type)).Distinct())
        {
            using var end = new CancellationTokenSource(Patience);
            var answer = DnsTransport.Ask([server], new(set.Name, set.Type), false, end.Token).GetAwaiter().GetResult();
            sets.Add((set.Name, set.Type, answer.Known ? [.. answer.Of(set.Type).Where(r => r.Name == set.Name)] : throw new ChangeFailedException($"ask {change.Server} for {ByteText.Escape(set.Name)}", answer.Words)));
        }

        return sets;
    }

    private void Send(DnsRecord[] remove, DnsRecord[] add)
    {
        var message = DnsUpdate.Message((ushort)Random.Shared.Next(65536), change.Zone, Sets(), remove, add);
        var key = Key();
        var (signed, mac) = key is null ? (message, []) : key.Sign(message, Clock.Now);
        byte[]? answer = null;
        Exchange(signed, body =>
        {
            answer = body;
            return true;
        });
        if (DnsMessage.Parse(answer) is not { IsResponse: true } read || answer![0] != message[0] || answer[1] != message[1])
        {
            throw new ChangeFailedException($"change the zone {ByteText.Escape(change.Zone)}", "the server's answer is broken");
        }

        if (read.ResponseCode != 0 || (key is not null && !key.Verifies(answer, mac)))
        {
            throw new ChangeFailedException($"change the zone {ByteText.Escape(change.Zone)}", read.ResponseCode == 0 ? "the answer is not signed with the key" : DnsUpdate.Words(read.ResponseCode));
        }
    }

    /// <summary>The whole zone (RFC 5936); null where the server does not hand it out.</summary>
    private DnsRecord[]? Transfer()
    {
        var query = DnsMessage.Query((ushort)Random.Shared.Next(65536), new(change.Zone, DnsType.AXFR), false, false, false);
        var (signed, _) = Key() is { } key ? key.Sign(query, Clock.Now) : (query, []);
        var records = new List<DnsRecord>();
        var refused = false;
        try
        {
            Exchange(signed, body =>
            {
                var message = DnsMessage.Parse(body);
                refused = message is not { ResponseCode: 0, Answers.Length: > 0 } || (records.Count == 0 && message.Answers[0].Type != DnsType.SOA);
                records.AddRange(message?.Answers ?? []);
                return refused || (records.Count > 1 && records[^1].Type == DnsType.SOA);
            });
        }
        catch (ChangeFailedException)
        {
            return null;
        }

        return refused ? null : [.. records.SkipLast(1)];
    }

    private void Exchange(byte[] message, Func<byte[], bool> enough)
    {
        try
        {
            using var end = new CancellationTokenSource(Patience);
            DnsTransport.Exchange(server, message, enough, end.Token).GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is SocketException or IOException or OperationCanceledException)
        {
            throw new ChangeFailedException($"reach {change.Server}", e is OperationCanceledException ? "it did not answer in time" : e.Message);
        }
    }

    private TransactionKey? Key()
    {
        if (change.KeyFile is not { } file)
        {
            return null;
        }

        var read = host.ReadFile(file, 65536);
        return read.Ok ? TransactionKey.Parse(ByteText.Decode(read.Value)) ?? throw new ChangeFailedException($"read the key {ByteText.Escape(file)}", "it holds no key of hmac-sha256")
            : throw new ChangeFailedException($"read the key {ByteText.Escape(file)}", read.Error!.Message);
    }
}
