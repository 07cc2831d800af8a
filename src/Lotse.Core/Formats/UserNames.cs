using System.Globalization;
using System.Text;

namespace Lotse.Formats;

/// <summary>
/// User names by number: from /etc/passwd, and for numbers that are not in it (LDAP, systemd-homed) from
/// <c>getent passwd</c>, asked once for each; a number without a name is its own name.
/// </summary>
public sealed class UserNames(Host host)
{
    /// <summary>So many numbers are asked of getent at most: a machine whose directory does not answer must not hang us.</summary>
    private const int MostAsked = 16;

    private readonly Dictionary<uint, string> names = [];
    private bool isRead;
    private int asked;

    /// <summary>The name of a user.</summary>
    public string this[uint uid]
    {
        get
        {
            if (!isRead)
            {
                isRead = true;
                Add(host.ReadFile("/etc/passwd") is { Ok: true } read ? read.Value : []);
            }

            if (!names.TryGetValue(uid, out var name))
            {
                if (asked++ < MostAsked && host.Run(["getent", "passwd", uid.ToString(CultureInfo.InvariantCulture)], TimeSpan.FromSeconds(2)) is { Ok: true, Value.ExitCode: 0 } ran)
                {
                    Add(ran.Value.Output);
                }

                names.TryAdd(uid, uid.ToString(CultureInfo.InvariantCulture));
                name = names[uid];
            }

            return name;
        }
    }

    /// <summary>Lines <c>name:password:uid:…</c> (passwd(5)); the first line of a number holds.</summary>
    private void Add(ReadOnlySpan<byte> passwd)
    {
        foreach (var range in passwd.Split((byte)'\n'))
        {
            var line = passwd[range];
            var nameEnd = line.IndexOf((byte)':');
            var passwordEnd = nameEnd < 0 ? -1 : line[(nameEnd + 1)..].IndexOf((byte)':');
            if (nameEnd > 0 && passwordEnd >= 0 && System.Buffers.Text.Utf8Parser.TryParse(line[(nameEnd + passwordEnd + 2)..], out uint uid, out var used)
                && used > 0 && line[(nameEnd + passwordEnd + 2 + used)..].StartsWith(":"u8))
            {
                names.TryAdd(uid, ByteText.Decode(line[..nameEnd]));
            }
        }
    }
}
