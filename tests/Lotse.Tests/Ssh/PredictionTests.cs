using System.Text.Json;
using CsCheck;
using Lotse.Ssh;
using Xunit;

namespace Lotse.Tests.Ssh;

/// <summary>What is predicted against what real clients and servers did (tests/data/ssh/logins.tsv).</summary>
public class PredictionTests
{
    [Fact]
    public void Is_what_real_logins_did()
    {
        var path = LotseProgram.Data("ssh", "logins.tsv");
        var rows = File.ReadLines(path).Where(l => l[0] != '#' && !l.StartsWith("client\t", StringComparison.Ordinal)).Select(l => l.Split('\t')).ToArray();
        var lines = LotseProgram.Run("ssh", "predict", "--batch", path, "--json").Output.TrimEnd('\n').Split('\n');
        Assert.Equal(rows.Length, lines.Length);
        foreach (var (row, line) in rows.Zip(lines))
        {
            var answer = JsonDocument.Parse(line).RootElement;
            var told = string.Join(' ', row);
            Assert.True(row[4] == answer.GetProperty("result").GetString() && row[5] == answer.GetProperty("stage").GetString(), $"{told}: {line}");
            Assert.True(row[6].Length == 0 || row[6] == answer.GetProperty("sigalg").GetString(), $"{told}: {line}");
            Assert.True(row[7].Length == 0 || row[7] == answer.GetProperty("kex").GetString(), $"{told}: {line}");
        }
    }

    /// <summary>Options of every kind, spelled out, at random: what the client agreed on with the server, and whether it got in.</summary>
    [Fact]
    public void Is_what_real_logins_with_options_did()
    {
        var path = LotseProgram.Data("ssh", "logins-options.tsv");
        var rows = File.ReadLines(path).Where(l => l[0] != '#').Skip(1).Select(l => l.Split('\t')).ToArray();
        foreach (var (row, answer) in rows.Zip(PredictionBatch.Of(File.ReadAllText(path)), (r, a) => (r, a.Answer!)))
        {
            Assert.True(row[4] == answer.Result && (row[5].Length == 0 || row[5] == answer.Hostkeyalg) && (row[6].Length == 0 || row[6] == answer.Kex), $"{string.Join(' ', row)}: {answer}");
        }
    }

    /// <summary>What a build has of its own, such as a distribution's key exchange, is no fault of the next version.</summary>
    [Fact]
    public void A_name_of_the_build_s_own_does_not_end_the_next_version()
    {
        var now = ClientModel.Defaults(new(9, 2));
        var own = now with { Kex = [.. now.Kex, "gss-group14-sha256-of-this-build"] };
        Assert.Null(own.Upgraded(new(10, 0), now).Refused);
        Assert.NotNull((now with { HostKeys = [.. now.HostKeys, "ssh-dss"] }).Upgraded(new(10, 0), now).Refused);
    }

    [Theory]
    [InlineData("dropbear:2016.73", "as dropbear:2015.71")]
    [InlineData("SSH-2.0-dropbear_2018.76", "measured")]
    [InlineData("SSH-2.0-OpenSSH_9.7p1 Ubuntu-7", "as openssh:9.2")]
    public void A_release_that_is_not_listed_behaves_as_the_one_before_it(string name, string basis) => Assert.Equal(basis, ServerModel.Of(name)!.Basis);

    [Theory]
    [InlineData("SSH-2.0-libssh_0.10")]
    [InlineData("dropbear:0.1")]
    [InlineData("openssh:")]
    public void What_is_not_in_the_table_is_not_guessed(string name) => Assert.Null(ServerModel.Of(name));

    [Theory]
    [InlineData("8.7", "ssh-rsa", true)]
    [InlineData("8.8", "ssh-rsa", false)]
    public void Ssh_rsa_left_the_defaults_with_8_8(string version, string name, bool there) =>
        Assert.Equal(there, ClientModel.Defaults(SshVersion.Parse(version)!.Value).UserKeys.Contains(name));

    [Theory]
    [InlineData("a,b,c", "+d,a", "a,b,c,d")]
    [InlineData("a,b,c", "-b,x", "a,c")]
    [InlineData("aes-1,aes-2,b", "-aes-*", "b")]
    [InlineData("a,b,c", "^c,d", "c,d,a,b")]
    [InlineData("a,b,c", "x", "x")]
    [InlineData("a", "", "a")]
    public void A_list_is_changed_as_ssh_config_says(string list, string value, string expected) =>
        Assert.Equal(expected, string.Join(',', AlgorithmList.Apply(list.Split(','), value)));

    [Theory]
    [InlineData("8.4", "PubkeyAcceptedAlgorithms", "+ssh-rsa", true)]
    [InlineData("8.5", "PubkeyAcceptedAlgorithms", "+ssh-rsa", false)]
    [InlineData("7.5", "PubkeyAcceptedKeyTypes", "+ssh-rsa", false)]
    [InlineData("10.6", "PubkeyAcceptedKeyTypes", "+ssh-rsa", false)]
    [InlineData("10.0", "PubkeyAcceptedKeyTypes", "+ssh-dss", true)]
    [InlineData("7.9", "HostKeyAlgorithms", "^ssh-rsa", true)]
    [InlineData("8.4", "HostKeyAlgorithms", "^ssh-rsa", false)]
    [InlineData("7.9", "Ciphers", "+arcfour", true)]
    [InlineData("9.0", "RequiredRSASize", "1024", true)]
    [InlineData("8.4", "KexAlgorithms", "^sntrup761x25519-sha512@openssh.com", true)]
    [InlineData("8.9", "KexAlgorithms", "^sntrup761x25519-sha512@openssh.com", false)]
    [InlineData("9.2", "KexAlgorithms", "mlkem768x25519-sha256", true)]
    [InlineData("9.2", "KexAlgorithms", "-mlkem768x25519-sha256", false)]
    [InlineData("9.2", "KexAlgorithms", "+curve25519*", true)]
    [InlineData("9.2", "HostKeyAlgorithms", "ssh-*", false)]
    [InlineData("9.2", "HostKeyAlgorithms", "foo*", true)]
    [InlineData("8.9", "MACs", "+hmac-ripemd160", true)]
    [InlineData("7.5", "MACs", "+hmac-ripemd160", false)]
    [InlineData("11.0", "KexAlgorithms", "+not-yet-invented", false)]
    [InlineData("8.4", "Ciphers", "rijndael-cbc@lysator.liu.se", false)]
    [InlineData("8.9", "Ciphers", "rijndael-cbc@lysator.liu.se", true)]
    public void An_option_ends_the_client_where_it_did(string version, string option, string value, bool refused) =>
        Assert.Equal(refused, ClientModel.Defaults(SshVersion.Parse(version)!.Value).With([new(option, value)]).Refused is not null);

    [Fact]
    public void All_layers_are_seen_at_once()
    {
        var login = LoginPrediction.Of(ClientModel.Defaults(new(9, 2)), ServerModel.Of("dropbear:2012.55")!, UserKeyType.Parse("rsa2048")!);
        Assert.Equal(["kex", "hostkey", "signature"], login.Obstacles.Select(o => o.What));
    }

    [Fact]
    public void Any_table_is_read() => Gen.String.Sample(text => PredictionBatch.Of(text).Count() >= 0);
}
