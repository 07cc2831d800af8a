using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Xunit;

namespace Lotse.LabTests.Mail;

/// <summary>The policy of MTA-STS (RFC 8461), fetched with curl(1) from a web server on loopback whose authority is the test's.</summary>
[Trait("lane", "waiting")]
public sealed class StsPolicyTests : IClassFixture<StsPolicyTests.Servers>
{
    private const string Host = "mta-sts.x.example";
    private const string Policy = "version: STSv1\r\nmode: enforce\r\nmx: mx1.x.example\r\nmx: *.mail.x.example\r\nmax_age: 86400\r\n";

    private readonly Servers servers;

    public StsPolicyTests(Servers servers) => this.servers = servers;

    [Fact]
    public void A_policy_that_lists_every_host_is_fine() => Assert.Equal([], Ids(Answer(Policy)));

    [Fact]
    public void A_host_that_the_policy_does_not_list_is_named()
    {
        // A star stands for one label.
        Assert.Equal(["mail/mtasts-mx-mismatch"], Ids(Answer(Policy.Replace("mx: *.mail", "mx: *", StringComparison.Ordinal))));
        Assert.Equal([], Ids(Answer(Policy.Replace("mx: *.mail", "mx: *", StringComparison.Ordinal).Replace("enforce", "testing", StringComparison.Ordinal))));
    }

    [Theory]
    [InlineData("404 Not Found", Policy)]
    [InlineData("500 Internal Server Error", Policy)]
    [InlineData("301 Moved Permanently\r\nLocation: https://www.x.example/policy", Policy)]
    [InlineData("204 No Content", "")]
    [InlineData("200 OK", "<html>welcome</html>")]
    [InlineData("200 OK", "version: STSv1\nmode: enforce\nmx: mx1.x.example\n")]
    public void What_is_no_policy_is_named(string status, string body) => Assert.Equal(["mail/mtasts-policy-host"], Ids(Answer(body, status)));

    [Fact]
    public void More_than_a_policy_can_be_is_not_read() => Assert.Equal(["mail/mtasts-policy-host"], Ids(Answer(Policy + new string('#', 100_000))));

    [Fact]
    public void A_certificate_of_another_host_or_authority_is_named()
    {
        Assert.Equal(["mail/mtasts-policy-host"], Ids(Answer(Policy, certificate: servers.Other)));
        Assert.Equal(["mail/mtasts-policy-host"], Ids(Answer(Policy, certificate: servers.Strange)));
    }

    [Fact]
    public void A_server_that_says_nothing_is_not_known()
    {
        // Whether others reach it, this machine cannot tell: no finding, and not "fine" either.
        using var silent = new TcpListener(IPAddress.Parse(Servers.Silent), 443);
        silent.Start();
        foreach (var address in new[] { Servers.Silent, Servers.Nobody })
        {
            var ran = servers.Why(address);
            Assert.Empty(Ids(ran));
            using var envelope = JsonDocument.Parse(ran.Text);
            Assert.Contains(envelope.RootElement.GetProperty("unknowns").EnumerateArray(), u => u.GetProperty("what").GetString() == "the MTA-STS policy");
        }
    }

    private static string[] Ids(Lab.Ran ran)
    {
        using var envelope = JsonDocument.Parse(ran.Text);
        return [.. envelope.RootElement.GetProperty("findings").EnumerateArray().Select(f => f.GetProperty("id").GetString()!).Where(i => i.StartsWith("mail/mtasts", StringComparison.Ordinal))];
    }

    private Lab.Ran Answer(string body, string status = "200 OK", X509Certificate2? certificate = null)
    {
        servers.Answer = Encoding.ASCII.GetBytes($"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n{body}");
        servers.Shown = certificate ?? servers.Right;
        var ran = servers.Why(Servers.Web);
        Assert.True(servers.Asked == Host, servers.Failure?.ToString() ?? ran.Text + ran.ErrorText);
        return ran;
    }

    /// <summary>The name server, the web server, and the authority whose certificates curl is told to trust.</summary>
    public sealed class Servers : IDisposable
    {
        // Addresses of loopback that nothing else uses: the port of HTTPS cannot be chosen.
        public const string Web = "127.83.84.1";
        public const string Silent = "127.83.84.2";
        public const string Nobody = "127.83.84.3";

        private readonly string folder = Directory.CreateTempSubdirectory("lotse-sts-").FullName;
        private readonly TcpListener listener = new(IPAddress.Parse(Web), 443);

        public Servers()
        {
            Lab.NeedsRoot();
            Lab.Needs("curl");
            using var authority = Authority("Test authority");
            using var stranger = Authority("Another authority");
            (Right, Other, Strange) = (Issue(authority, Host), Issue(authority, "www.x.example"), Issue(stranger, Host));
            Shown = Right;
            File.WriteAllText(Path.Combine(folder, "authority.pem"), authority.ExportCertificatePem());
            listener.Start();
            _ = Task.Run(Serve);
        }

        public X509Certificate2 Right { get; }

        public X509Certificate2 Other { get; }

        public X509Certificate2 Strange { get; }

        public X509Certificate2 Shown { get; set; }

        public byte[] Answer { get; set; } = [];

        /// <summary>The name that the client asked for, RFC 6066 section 3.</summary>
        public string? Asked { get; private set; }

        /// <summary>What ended the server, if anything did.</summary>
        public Exception? Failure { get; private set; }

        /// <summary>What the program says of a domain whose policy host has this address.</summary>
        public Lab.Ran Why(string address)
        {
            using var knot = new KnotServer(new Dictionary<string, string>
            {
                ["example"] = "x NS ns1.example.",
                ["x.example"] = $"""
                    @ MX 10 mx1
                    @ MX 20 a.mail
                    mx1 A 192.0.2.1
                    a.mail A 192.0.2.2
                    @ TXT "v=spf1 mx -all"
                    @ CAA 0 issue "ca.example"
                    _dmarc TXT "v=DMARC1; p=reject; rua=mailto:d@x.example"
                    _mta-sts TXT "v=STSv1; id=20260101"
                    mta-sts A {address}
                    """,
            });
            Asked = null;
            return Lab.RunWith(TimeSpan.FromSeconds(60), new() { ["CURL_CA_BUNDLE"] = Path.Combine(folder, "authority.pem") }, Lab.Lotse, "mail", "why", "x.example", "--server", knot.Server, "--json");
        }

        public void Dispose()
        {
            listener.Stop();
            Directory.Delete(folder, recursive: true);
            foreach (var certificate in new[] { Right, Other, Strange })
            {
                certificate.Dispose();
            }
        }

        private static X509Certificate2 Authority(string name)
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
            request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
            return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(2));
        }

        private static X509Certificate2 Issue(X509Certificate2 authority, string host)
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest($"CN={host}", key, HashAlgorithmName.SHA256);
            var names = new SubjectAlternativeNameBuilder();
            names.AddDnsName(host);
            request.CertificateExtensions.Add(names.Build());
            using var issued = request.Create(authority, DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddDays(1), [1, 2, 3]);
            using var paired = issued.CopyWithPrivateKey(key);
            return X509CertificateLoader.LoadPkcs12(paired.Export(X509ContentType.Pkcs12), null);
        }

        private async Task Serve()
        {
            while (true)
            {
                try
                {
                    using var client = await listener.AcceptTcpClientAsync();
                    await using var stream = new SslStream(client.GetStream());
                    await stream.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
                    {
                        ServerCertificateSelectionCallback = (_, name) =>
                        {
                            Asked = name;
                            return Shown;
                        },
                    });
                    var heard = new StringBuilder();
                    var buffer = new byte[4096];
                    while (!heard.ToString().Contains("\r\n\r\n", StringComparison.Ordinal) && await stream.ReadAsync(buffer) is var n and > 0)
                    {
                        heard.Append(Encoding.ASCII.GetString(buffer, 0, n));
                    }

                    // Who does not like the certificate may leave without a word.
                    if (heard.Length > 0)
                    {
                        Assert.StartsWith("GET /.well-known/mta-sts.txt HTTP/1", heard.ToString(), StringComparison.Ordinal);
                        await stream.WriteAsync(Answer);
                    }
                }
                catch (Exception e) when (e is IOException or System.Security.Authentication.AuthenticationException)
                {
                }
                catch (Exception e)
                {
                    Failure = e;
                    return;
                }
            }
        }
    }
}
