using Lotse.Hosts;
using Lotse.Postgres;
using Xunit;

namespace Lotse.Tests.Postgres;

/// <summary>Where clusters may be that this user cannot see, nothing is called fine.</summary>
public class ClusterListTests
{
    [Theory]
    [InlineData("", 0)]
    [InlineData("-- list /var/lib/postgresql\n15\n-- list /var/lib/postgresql/15\nmain\n-- stat! /var/lib/postgresql/15/main/PG_VERSION\nDenied permission denied\n", 1)]
    [InlineData("-- list! /var/lib/postgresql\nDenied permission denied\n", 1)]
    [InlineData("-- list! /var/lib/docker/volumes\nDenied permission denied\n", 0)]
    public void A_check_says_what_it_may_not_look_into(string recorded, int unknowns)
    {
        using var host = RecordedHost.Open("test", System.Text.Encoding.UTF8.GetBytes($"lotse recording 1\n-- otherwise missing\n{recorded}")).Value;
        var report = PgArea.Area.Check(host);
        Assert.Equal(unknowns, report.Unknowns.Length);
        Assert.Empty(report.Findings);
    }
}
