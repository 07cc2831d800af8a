namespace Lotse.Formats;

/// <summary>
/// What has been asked and answered. A pure rule looks answers up here; what it misses is noted, asked in one go, and the
/// rule runs again. So rules know no network, every answer is a fact, and questions that do not depend on each other
/// are asked at the same time.
/// </summary>
public sealed class DnsLookups
{
    private static readonly DnsAnswer Pending = DnsAnswer.NotAsked("not yet");

    private readonly Dictionary<DnsQuestion, DnsAnswer> known = [];
    private readonly HashSet<DnsQuestion> wanted = [];
    private readonly List<DnsQuestion> order = [];

    /// <summary>What was answered, in the order in which it was asked.</summary>
    public IEnumerable<(DnsQuestion Question, DnsAnswer Answer)> All => order.Where(known.ContainsKey).Select(q => (q, known[q]));

    /// <summary>What was looked up and is not known yet.</summary>
    public IReadOnlyCollection<DnsQuestion> Wanted => wanted;

    /// <summary>Looks an answer up; one that is not there yet is <see cref="DnsOutcome.NotAsked"/>, and wanted from now on.</summary>
    public DnsAnswer this[DnsQuestion question]
    {
        get
        {
            if (known.TryGetValue(question, out var answer))
            {
                return answer;
            }

            if (wanted.Add(question))
            {
                order.Add(question);
            }

            return Pending;
        }
    }

    /// <summary>Looks an answer up.</summary>
    public DnsAnswer this[string name, DnsType type] => this[new DnsQuestion(name, type)];

    /// <summary>Whether an answer is only missing because it has not been asked yet.</summary>
    public static bool IsPending(DnsAnswer answer) => ReferenceEquals(answer, Pending);

    /// <summary>Adds an answer.</summary>
    public void Add(DnsQuestion question, DnsAnswer answer)
    {
        if (!wanted.Remove(question) && !known.ContainsKey(question))
        {
            order.Add(question);
        }

        known[question] = answer;
    }

    /// <summary>Runs a rule until it misses nothing.</summary>
    /// <param name="rule">Pure: looks up what it needs.</param>
    /// <param name="ask">Answers many questions at once.</param>
    public T Complete<T>(Func<DnsLookups, T> rule, Func<DnsQuestion[], DnsAnswer[]> ask) => CompleteAll([(this, rule)], ask)[0];

    /// <summary>Runs several rules until none misses anything; what they want is asked together.</summary>
    /// <param name="rules">Each with what it knows.</param>
    /// <param name="ask">Answers many questions at once.</param>
    /// <param name="rounds">How often at most; a rule that always wants more is not followed for ever.</param>
    public static T[] CompleteAll<T>(IReadOnlyList<(DnsLookups Known, Func<DnsLookups, T> Rule)> rules, Func<DnsQuestion[], DnsAnswer[]> ask, int rounds = 64)
    {
        var results = new T[rules.Count];
        var open = Enumerable.Range(0, rules.Count).ToArray();
        var asked = new Dictionary<DnsQuestion, DnsAnswer>();
        for (; ; rounds--)
        {
            foreach (var i in open)
            {
                results[i] = rules[i].Rule(rules[i].Known);
            }

            open = [.. open.Where(i => rules[i].Known.wanted.Count > 0)];
            if (open.Length == 0)
            {
                return results;
            }

            var questions = open.SelectMany(i => rules[i].Known.wanted).Distinct().Where(q => !asked.ContainsKey(q)).ToArray();
            var answers = rounds > 0 ? ask(questions) : [.. questions.Select(_ => DnsAnswer.NotAsked("too many questions"))];
            for (var i = 0; i < questions.Length; i++)
            {
                asked[questions[i]] = answers[i];
            }

            foreach (var i in open)
            {
                foreach (var question in rules[i].Known.wanted.ToArray())
                {
                    rules[i].Known.Add(question, asked[question]);
                }
            }
        }
    }
}
