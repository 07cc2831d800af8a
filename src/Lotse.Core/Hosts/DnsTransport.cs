using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Lotse.Formats;

namespace Lotse.Hosts;

/// <summary>
/// DNS over UDP and TCP. An answer counts only when it comes from the server that was asked, with the id and the
/// question that were sent (RFC 5452 section 9); anything else is ignored and the wait goes on.
/// </summary>
internal static class DnsTransport
{
    /// <summary>After how long a question is sent again, first, second, … time.</summary>
    private static readonly int[] Patience = [600, 1000, 1600, 3000];

    /// <summary>Asks one question of the servers in turn until one answers.</summary>
    /// <param name="servers">Whom, in order.</param>
    /// <param name="question">What.</param>
    /// <param name="recursion">Whether they are resolvers.</param>
    /// <param name="end">When nobody is waited for any more.</param>
    public static async Task<DnsAnswer> Ask(IReadOnlyList<IPEndPoint> servers, DnsQuestion question, bool recursion, CancellationToken end)
    {
        DnsAnswer? worst = null;
        for (var attempt = 0; attempt < Patience.Length * servers.Count && !end.IsCancellationRequested; attempt++)
        {
            var server = servers[attempt % servers.Count];
            var answer = await Once(server, question, recursion, false, Patience[attempt / servers.Count], end).ConfigureAwait(false);
            if (answer.Outcome == DnsOutcome.ServerFailure && recursion && !end.IsCancellationRequested)
            {
                answer = await Bogus(server, question, answer, end).ConfigureAwait(false);
            }

            if (answer.Known || answer.Outcome == DnsOutcome.Bogus)
            {
                return answer;
            }

            // A failure is an answer too: another server may know better, but the same one is not asked again.
            worst = worst is null || worst.Outcome == DnsOutcome.Timeout ? answer : worst;
            if (answer.Outcome != DnsOutcome.Timeout && attempt >= servers.Count - 1)
            {
                break;
            }
        }

        return worst ?? new(DnsOutcome.Timeout, [], Shown(servers[0]));
    }

    /// <summary>Sends a whole message over TCP and reads whole messages until <paramref name="enough"/> says so.</summary>
    /// <exception cref="SocketException">The connection failed.</exception>
    /// <exception cref="OperationCanceledException">It took too long.</exception>
    /// <exception cref="IOException">The server closed the connection.</exception>
    public static async Task Exchange(IPEndPoint server, byte[] message, Func<byte[], bool> enough, CancellationToken end)
    {
        using var socket = new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(server, end).ConfigureAwait(false);
        var framed = new byte[message.Length + 2];
        BinaryPrimitives.WriteUInt16BigEndian(framed, (ushort)message.Length);
        message.CopyTo(framed, 2);
        await socket.SendAsync(framed, end).ConfigureAwait(false);
        var head = new byte[2];
        do
        {
            await Fill(socket, head, end).ConfigureAwait(false);
            var body = new byte[BinaryPrimitives.ReadUInt16BigEndian(head)];
            await Fill(socket, body, end).ConfigureAwait(false);
            if (enough(body))
            {
                return;
            }
        }
        while (true);
    }

    /// <summary>A server as messages name it.</summary>
    public static string Shown(IPEndPoint server) => server.Port == 53 ? server.Address.ToString() : $"{server.Address}#{server.Port}";

    private static async Task<DnsAnswer> Bogus(IPEndPoint server, DnsQuestion question, DnsAnswer failure, CancellationToken end)
    {
        // RFC 4035 section 5.5: the resolver hides what does not check out behind SERVFAIL, and shows it with CD set.
        var unchecked_ = await Once(server, question, true, true, Patience[1], end).ConfigureAwait(false);
        return unchecked_.Known ? failure with { Outcome = DnsOutcome.Bogus, Note = failure.Note ?? $"with CD set: {unchecked_.Words}" } : failure;
    }

    private static async Task<DnsAnswer> Once(IPEndPoint server, DnsQuestion question, bool recursion, bool checkingDisabled, int patience, CancellationToken end)
    {
        using var time = CancellationTokenSource.CreateLinkedTokenSource(end);
        time.CancelAfter(patience);
        try
        {
            var answer = await Udp(server, question, recursion, checkingDisabled, true, time.Token).ConfigureAwait(false);
            if (answer is { ResponseCode: 1 or 4 })
            {
                // FORMERR, NOTIMP: perhaps only OPT is not understood (RFC 6891 section 7).
                answer = await Udp(server, question, recursion, checkingDisabled, false, time.Token).ConfigureAwait(false);
            }

            var truncated = answer.Truncated;
            if (truncated)
            {
                time.CancelAfter(Math.Max(patience, 2000));
                answer = await Tcp(server, question, recursion, checkingDisabled, time.Token).ConfigureAwait(false);
            }

            return Answer(server, question, answer, truncated);
        }
        catch (OperationCanceledException)
        {
            return new(DnsOutcome.Timeout, [], Shown(server));
        }
        catch (SocketException e)
        {
            return new(DnsOutcome.Timeout, [], Shown(server)) { Note = e.SocketErrorCode == SocketError.ConnectionRefused ? "nothing listens there" : e.SocketErrorCode.ToString() };
        }
        catch (IOException e)
        {
            return new(DnsOutcome.Malformed, [], Shown(server)) { Note = e.Message };
        }
    }

    private static async Task<DnsMessage> Udp(IPEndPoint server, DnsQuestion question, bool recursion, bool checkingDisabled, bool extensions, CancellationToken end)
    {
        using var socket = new Socket(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        var id = (ushort)Random.Shared.Next(65536);
        await socket.ConnectAsync(server, end).ConfigureAwait(false);
        await socket.SendAsync(DnsMessage.Query(id, question, recursion, checkingDisabled, extensions), end).ConfigureAwait(false);
        var buffer = new byte[DnsMessage.Limit];
        while (true)
        {
            var length = await socket.ReceiveAsync(buffer, end).ConfigureAwait(false);
            if (DnsMessage.Parse(buffer.AsSpan(0, length)) is { } answer && Answers(answer, id, question))
            {
                return answer;
            }
        }
    }

    private static async Task<DnsMessage> Tcp(IPEndPoint server, DnsQuestion question, bool recursion, bool checkingDisabled, CancellationToken end)
    {
        var id = (ushort)Random.Shared.Next(65536);
        DnsMessage? answer = null;
        await Exchange(
            server,
            DnsMessage.Query(id, question, recursion, checkingDisabled, true),
            body => (answer = DnsMessage.Parse(body)) is not { } read ? throw new IOException("the answer over TCP is broken") : Answers(read, id, question) ? true : throw new IOException("the answer over TCP is to another question"),
            end).ConfigureAwait(false);
        return answer!;
    }

    /// <summary>Whether an answer is to this question. A server that understood nothing may leave the question out.</summary>
    private static bool Answers(DnsMessage answer, ushort id, DnsQuestion question) =>
        answer.IsResponse && answer.Id == id && (answer.Question == (question.Name, question.Type) || (answer.Question is null && answer.ResponseCode is 1 or 4 or 5));

    private static DnsAnswer Answer(IPEndPoint server, DnsQuestion question, DnsMessage message, bool overTcp)
    {
        var (records, _) = DnsAnswer.Chain(question, message.Answers);
        var outcome = message.ResponseCode switch
        {
            0 when message.Truncated => DnsOutcome.Malformed,
            0 => records.Any(r => r.Type == question.Type) ? DnsOutcome.Records : DnsOutcome.NoData,
            2 => DnsOutcome.ServerFailure,
            3 => DnsOutcome.NoName,
            5 => DnsOutcome.Refused,
            _ => DnsOutcome.Malformed,
        };
        var note = message.ExtendedError is { } error ? $"extended error {error.Code}{(error.Text.Length > 0 ? ": " + ByteText.Escape(error.Text) : "")}"
            : outcome == DnsOutcome.Malformed ? message.Truncated ? "cut short even over TCP" : $"response code {message.ResponseCode}" : null;
        return new(outcome, outcome is DnsOutcome.Records or DnsOutcome.NoData or DnsOutcome.NoName ? records : [], Shown(server))
        {
            Authentic = message.Authentic,
            Size = message.Size,
            OverTcp = overTcp,
            Note = note,
        };
    }

    private static async Task Fill(Socket socket, Memory<byte> buffer, CancellationToken end)
    {
        while (!buffer.IsEmpty)
        {
            var read = await socket.ReceiveAsync(buffer, end).ConfigureAwait(false);
            buffer = read > 0 ? buffer[read..] : throw new IOException("the server closed the connection");
        }
    }
}
