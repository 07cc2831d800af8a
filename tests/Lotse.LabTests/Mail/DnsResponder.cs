using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Lotse.Formats;

namespace Lotse.LabTests.Mail;

/// <summary>A name server on loopback whose every octet the test decides: over UDP and TCP, on the same free port.</summary>
public sealed class DnsResponder : IDisposable
{
    private readonly Socket udp;
    private readonly TcpListener tcp;
    private readonly CancellationTokenSource stop = new();

    /// <summary>Starts it. The answers are whole messages to a query; none is silence.</summary>
    public DnsResponder(Func<byte[], bool, IEnumerable<byte[]>> answers)
    {
        (udp, tcp) = Bind();
        Port = ((IPEndPoint)udp.LocalEndPoint!).Port;
        _ = Task.Run(() => Udp(answers));
        _ = Task.Run(() => Tcp(answers));
    }

    /// <summary>A port that is free for both: what is free for one may be somebody's for the other.</summary>
    private static (Socket, TcpListener) Bind()
    {
        for (var tries = 0; ; tries++)
        {
            var udp = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            udp.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            var tcp = new TcpListener(IPAddress.Loopback, ((IPEndPoint)udp.LocalEndPoint!).Port);
            try
            {
                tcp.Start();
                return (udp, tcp);
            }
            catch (SocketException) when (tries < 50)
            {
                udp.Dispose();
                tcp.Dispose();
            }
        }
    }

    public int Port { get; }

    public string Server => $"127.0.0.1:{Port}";

    /// <summary>A whole answer to a query.</summary>
    public static byte[] Answer(ReadOnlySpan<byte> query, int code, IEnumerable<DnsRecord> records, bool truncated = false)
    {
        var end = 12;
        while (query[end] != 0)
        {
            end += query[end] + 1;
        }

        var all = records.ToArray();
        var message = new List<byte>(query[..(end + 5)].ToArray());
        foreach (var record in all)
        {
            DnsMessage.Record(message, record.Name, record.Type, 1, record.Ttl, record.Data);
        }

        var bytes = message.ToArray();
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(2), (ushort)(0x8580 | (truncated ? 0x0200 : 0) | code));
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(4), 1);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(6), (ushort)all.Length);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(8), 0);
        return bytes;
    }

    /// <summary>What a query asks.</summary>
    public static DnsQuestion Question(byte[] query) => DnsMessage.Parse(query) is { Question: { } q } ? new(q.Name, q.Type) : new(".", DnsType.ANY);

    /// <summary>An answer as a server sends it: cut over UDP where it does not fit.</summary>
    public static IEnumerable<byte[]> Serve(byte[] query, bool overTcp, int code, DnsRecord[] records)
    {
        var answer = Answer(query, code, records);
        yield return !overTcp && answer.Length > DnsMessage.UdpPayload ? Answer(query, 0, [], truncated: true) : answer;
    }

    public void Dispose()
    {
        stop.Cancel();
        udp.Dispose();
        tcp.Dispose();
        stop.Dispose();
    }

    private async Task Udp(Func<byte[], bool, IEnumerable<byte[]>> answers)
    {
        var buffer = new byte[65536];
        while (!stop.IsCancellationRequested)
        {
            try
            {
                var got = await udp.ReceiveFromAsync(buffer, new IPEndPoint(IPAddress.Any, 0), stop.Token);
                foreach (var answer in answers(buffer[..got.ReceivedBytes], false))
                {
                    await udp.SendToAsync(answer, got.RemoteEndPoint, stop.Token);
                }
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException)
            {
                // A client that has gone; or the end.
            }
        }
    }

    private async Task Tcp(Func<byte[], bool, IEnumerable<byte[]>> answers)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                using var client = await tcp.AcceptSocketAsync(stop.Token);
                var head = new byte[2];
                await Fill(client, head);
                var query = new byte[BinaryPrimitives.ReadUInt16BigEndian(head)];
                await Fill(client, query);
                foreach (var answer in answers(query, true))
                {
                    byte[] framed = [(byte)(answer.Length >> 8), (byte)answer.Length, .. answer];
                    await client.SendAsync(framed, stop.Token);
                }

                await Task.Delay(20, stop.Token);
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException or EndOfStreamException)
            {
                // The same.
            }
        }
    }

    private async Task Fill(Socket client, Memory<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            var read = await client.ReceiveAsync(buffer, stop.Token);
            buffer = read > 0 ? buffer[read..] : throw new EndOfStreamException();
        }
    }
}
