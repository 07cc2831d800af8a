using Xunit;

namespace Lotse.LabTests;

/// <summary>
/// The watcher's program itself, with a tunnel, a clock and routes that are functions of the shell: an hour in a few seconds.
/// ExitsTunnelTests has the real ones.
/// </summary>
public sealed class ExitsGuardTests
{
    /// <summary>Each turn has a number; a packet is lost by a hash of it. What the guard does to the routes is printed with the turn.</summary>
    private const string World = """
        guard=$1 last=$2 loss=$3 from=$4 to=$5 seed=$6 gone=$7
        now=0
        ip() {
            case "$*" in
                *"route show"*) [ -e "$gone" ] || echo "default metric 1024"; return ;;
                *"replace unreachable"*) echo "$now refused"; return ;;
                *"route del default"*) echo "$now withdrawn"; : >"$gone"; return ;;
                *"replace default metric"*) rm "$gone"; return ;;
                *"route del unreachable"*) echo "$now back"; return ;;
            esac
            now=$((now + 1)) seed=$(((seed * 1103515245 + 12345) % 2147483648))
            [ "$now" -le "$last" ] || exit 0
        }
        ping() {
            [ "$now" -le "$from" ] || [ "$now" -gt "$to" ] || return 1
            [ $(((seed + ${left:-0} * 1664525) * 22695477 % 2147483648 / 65536 % 100)) -ge "$loss" ]
        }
        sleep() { :; }
        logger() { :; }
        wg() { :; }
        set -- wg0 2001:db8:1:2::1
        . "$guard"
        """;

    /// <summary>Fifty minutes; with one packet a turn there were three outages in these that were none.</summary>
    [Fact]
    public void One_lost_packet_in_ten_changes_nothing() => Assert.Equal("", Live(3000, loss: 10, 0, 0));

    [Fact]
    public void Silence_of_three_turns_withdraws_and_two_answers_bring_it_back() =>
        Assert.Equal("103 refused\n105 withdrawn\n122 back\n", Live(400, loss: 0, 100, 120));

    /// <summary>Answers before the route has gone: it never goes.</summary>
    [Fact]
    public void A_short_silence_leaves_the_route_where_it_is() =>
        Assert.Equal("103 refused\n106 back\n", Live(200, loss: 0, 100, 104));

    private static string Live(int turns, int loss, int from, int to)
    {
        Lab.Needs("sh");
        var folder = Directory.CreateTempSubdirectory("lotse-guard-").FullName;
        try
        {
            var guard = Path.Combine(Lab.Checkout(), "src", "Lotse.Core", "Exits", "Guard", "lotse-guard");
            var ran = Lab.Run(TimeSpan.FromSeconds(120), ["sh", "-c", World, "sh", guard, $"{turns}", $"{loss}", $"{from}", $"{to}", "1", Path.Combine(folder, "gone")]);
            Assert.True(ran.ExitCode == 0, ran.ErrorText);
            return ran.Text;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
