using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Lotse.Ssh.Transport;

/// <summary>
/// Asks a server in one connection what it offers and which public keys it would take. The question is RFC 4252
/// section 7 without a signature: no private key is needed, and none is opened. Refused questions count as failed
/// tries on most servers, so there is a budget.
/// </summary>
internal static class ServerProbe
{
    /// <summary>Refused questions: sshd hangs up at six, and looks at the address from then on (MaxAuthTries, PerSourcePenalties).</summary>
    public const int DefaultBudget = 4;

    /// <summary>The most addresses of a name that are tried.</summary>
    private const int MostAddresses = 16;

    /// <summary>Asks.</summary>
    /// <param name="host">Name or address.</param>
    /// <param name="port">Port.</param>
    /// <param name="user">The user; empty: keys are not asked about.</param>
    /// <param name="keys">Files and the keys in them, likeliest first.</param>
    /// <param name="budget">The most refused questions.</param>
    /// <param name="patience">For all of it.</param>
    public static ProbeFacts Ask(string host, int port, string user, IReadOnlyList<(string File, PublicKey Key)> keys, int budget, TimeSpan patience)
    {
        var facts = new ProbeFacts { Address = $"{host}:{port}", User = user, Keys = [.. keys.Select(k => new ProbedKey(k.File, k.Key.Type, null, null, []))] };
        var start = Stopwatch.GetTimestamp();
        using var socket = Connected(host, port, patience, out var error);
        if (socket is null)
        {
            var (words, cause) = Words(error);
            return facts with { Trouble = words, Cause = cause };
        }

        patience -= Stopwatch.GetElapsedTime(start);
        facts = facts with { Connections = 1 };
        using var stream = new NetworkStream(socket);
        var connection = new SshConnection(stream, patience);
        try
        {
            connection.Identify();
            connection.ExchangeKeys(user.Length == 0 ? [] : new SshWriter().Byte(5).String("ssh-userauth").ToArray());
            facts = Described(facts, connection);
            return user.Length == 0 ? facts : AskKeys(facts, connection, keys, budget);
        }
        catch (SshProtocolException e)
        {
            return Described(facts, connection) with { Trouble = e.Message, Cause = e.Cause == SshProtocolException.HungUp ? HungUp(connection) : e.Cause };
        }
    }

    /// <summary>A connection to the first of the host's addresses that takes one; all of them share the time.</summary>
    private static Socket? Connected(string host, int port, TimeSpan patience, out SocketError error)
    {
        error = SocketError.HostNotFound;
        var start = Stopwatch.GetTimestamp();
        try
        {
            foreach (var address in Dns.GetHostAddresses(host).Take(MostAddresses))
            {
                var left = (int)(patience - Stopwatch.GetElapsedTime(start)).TotalMilliseconds;
                if (left <= 0)
                {
                    error = SocketError.TimedOut;
                    break;
                }

                // Blocking calls with SO_SNDTIMEO and SO_RCVTIMEO (socket(7)): no thread is needed for one connection.
                var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
                try
                {
                    (socket.NoDelay, socket.SendTimeout, socket.ReceiveTimeout) = (true, left, left);
                    socket.Connect(address, port);
                    return socket;
                }
                catch (SocketException e)
                {
                    socket.Dispose();
                    error = e.SocketErrorCode;
                }
            }
        }
        catch (SocketException e)
        {
            error = e.SocketErrorCode;
        }

        return null;
    }

    /// <summary>What it means that the server hung up: a line in place of an identification is its reason (sshd.c, since OpenSSH 8.3 and 9.8).</summary>
    private static string HungUp(SshConnection connection) => connection.Banner switch
    {
        "Not allowed at this time" => "source-penalty",
        "" or "Exceeded MaxStartups" => "closed-before-banner",
        ['S', 'S', 'H', '-', ..] => "closed-during-handshake",
        _ => "not-ssh-server",
    };

    private static ProbeFacts Described(ProbeFacts facts, SshConnection connection) => connection.Offer.Length == 0 ? facts with { Banner = connection.Banner } : facts with
    {
        Banner = connection.Banner,
        Kex = connection.Offer[0],
        HostKeys = connection.Offer[1],
        Ciphers = connection.Offer[3],
        Macs = connection.Offer[5],
        HostKeyType = connection.HostKey.Length == 0 ? null : PublicKey.TypeOf(connection.HostKey),
        HostKeyFingerprint = connection.HostKey.Length == 0 ? null : new PublicKey("", connection.HostKey, "").Fingerprint,
    };

    /// <summary>
    /// Asks about keys on a connection whose keys are exchanged and on which the service was asked for. A round is one question
    /// about every key that is still open, sent together (RFC 4252 section 5.1 lets a client; the server answers in order), and
    /// never more than may be refused: a server's delay after each refusal is then all that is waited for.
    /// </summary>
    internal static ProbeFacts AskKeys(ProbeFacts facts, SshConnection connection, IReadOnlyList<(string File, PublicKey Key)> keys, int budget)
    {
        var results = facts.Keys;
        var queries = 0;
        string[]? signatures = null;
        string[]? methods = null;
        string? trouble = null;
        try
        {
            while (connection.Next() is var message && message[0] != 6)
            {
                signatures = Extensions(message) ?? signatures;
            }

            if (keys.Count == 0)
            {
                connection.Send(Request(facts.User, "none").ToArray());
                methods = Answer(connection, ref signatures) is [51, ..] failure ? Methods(failure) : [];
            }

            var names = keys.Select(k => new Queue<string>(Algorithms(k.Key, facts.Banner, signatures))).ToArray();
            while (methods?.Contains("publickey") != false && Enumerable.Range(0, keys.Count).Where(i => results[i].Accepted != true && names[i].Count > 0).Take(budget).ToArray() is { Length: > 0 } round)
            {
                var asked = round.Select(i => names[i].Dequeue()).ToArray();
                foreach (var (i, algorithm) in round.Zip(asked))
                {
                    connection.Send(Request(facts.User, "publickey").Byte(0).String(algorithm).String(keys[i].Key.Blob).ToArray());
                    queries++;
                }

                foreach (var (i, algorithm) in round.Zip(asked))
                {
                    var answer = Answer(connection, ref signatures);
                    if (answer[0] == 52)
                    {
                        // Nobody is asked for a key here, and nothing is answered any more.
                        methods = [];
                        break;
                    }

                    if (answer[0] == 60 && !IsAbout(answer, keys[i].Key.Blob))
                    {
                        throw new SshProtocolException("the server says yes to a key that it was not asked about");
                    }

                    methods = answer[0] == 51 ? Methods(answer) : methods ?? ["publickey"];
                    budget -= answer[0] == 51 ? 1 : 0;
                    if (methods.Contains("publickey"))
                    {
                        string[] refused = answer[0] == 51 ? [.. results[i].Refused, algorithm] : results[i].Refused;
                        results[i] = new(keys[i].File, keys[i].Key.Type, answer[0] == 60, answer[0] == 60 ? algorithm : null, refused);
                    }
                }
            }
        }
        catch (SshProtocolException e)
        {
            trouble = e.Message;
        }

        return facts with { ServerSigAlgs = signatures, Methods = methods, Keys = results, Queries = queries, Trouble = trouble };
    }

    /// <summary>
    /// The names under which a key is asked. An RSA key has three; the server's list spares the questions that
    /// it would refuse.
    /// </summary>
    private static IEnumerable<string> Algorithms(PublicKey key, string banner, string[]? listed)
    {
        if (key.Type != "ssh-rsa")
        {
            return key.KeyType.IsRsa ? key.KeyType.Certified : [key.Type];
        }

        var (program, version) = ServerModel.Identify(banner);
        return listed is null && program is not null ? version == new SshVersion(7, 4) && program == "openssh" ? ["rsa-sha2-512", "ssh-rsa"] : ["ssh-rsa"]
            : listed is null ? ["ssh-rsa", "rsa-sha2-512", "rsa-sha2-256"]

            // OpenSSH before 9.6 lists all that it knows, not what it takes: each name has to be asked.
            : UserKeyType.RsaSignatures.Where(listed.Contains);
    }

    private static SshWriter Request(string user, string method) => new SshWriter().Byte(50).String(ByteText.Encode(user)).String("ssh-connection").String(method);

    /// <summary>The answer to a request: greetings and extensions may come before it (RFC 4252 section 5.4, RFC 8308).</summary>
    private static byte[] Answer(SshConnection connection, ref string[]? signatures)
    {
        while (true)
        {
            var message = connection.Next();
            switch (message[0])
            {
                case 7:
                    signatures = Extensions(message) ?? signatures;
                    break;
                case 53 or 80:
                    break;
                case 51 or 52 or 60:
                    return message;
                default:
                    throw new SshProtocolException($"message {message[0]} came where an answer was expected");
            }
        }
    }

    /// <summary>Whether SSH_MSG_USERAUTH_PK_OK names this key (RFC 4252 section 7). The algorithm is not compared: OpenSSH 7.0 to 7.7 names another one for certificates.</summary>
    private static bool IsAbout(ReadOnlySpan<byte> answer, ReadOnlySpan<byte> key)
    {
        var reader = new SshReader(answer);
        reader.Byte();
        reader.String();
        return reader.String().SequenceEqual(key);
    }

    private static string[] Methods(ReadOnlySpan<byte> failure)
    {
        var reader = new SshReader(failure);
        reader.Byte();
        return reader.Names();
    }

    private static string[]? Extensions(ReadOnlySpan<byte> message)
    {
        if (message[0] != 7)
        {
            return null;
        }

        var reader = new SshReader(message);
        reader.Byte();
        for (var left = Math.Min(reader.UInt32(), 64); left > 0; left--)
        {
            var name = Encoding.ASCII.GetString(reader.String());
            var value = reader.String();
            if (name == "server-sig-algs")
            {
                var text = ByteText.Decode(value);
                return text.Length == 0 ? [] : text.Split(',');
            }
        }

        return null;
    }

    private static (string Words, string? Cause) Words(SocketError error) => error switch
    {
        SocketError.ConnectionRefused => ("connection refused", "connection-refused"),
        SocketError.TimedOut or SocketError.WouldBlock or SocketError.InProgress or SocketError.AlreadyInProgress => ("connection timed out", "connection-timeout"),
        SocketError.HostUnreachable => ("no route to host", "no-route-to-host"),
        SocketError.NetworkUnreachable => ("network is unreachable", "network-unreachable"),
        SocketError.HostNotFound or SocketError.TryAgain or SocketError.NoData => ("name not known", "name-unknown"),
        _ => ("cannot connect", null),
    };
}
