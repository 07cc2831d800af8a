using System.Text.RegularExpressions;
using Lotse.Postgres;
using Xunit;

namespace Lotse.Tests.Postgres;

/// <summary>Logs of servers that speak another language. The foreign lines are what PostgreSQL 15 printed with that LC_MESSAGES.</summary>
public partial class TranslatedMessagesTests
{
    [Theory]
    [InlineData("pg/md5-scram-line", "2026-01-12 08:00:01.123 CET [211] FATAL:  Passwort-Authentifizierung für Benutzer »web« fehlgeschlagen\n2026-01-12 08:00:01.123 CET [211] DETAIL:  Benutzer »web« hat kein gültiges SCRAM-Geheimnis.\n")]
    [InlineData("pg/role-missing", "psql: Fehler: Verbindung zum Server auf Socket »/run/postgresql/.s.PGSQL.5432« fehlgeschlagen: FATAL:  Rolle »root« existiert nicht\n")]
    [InlineData("pg/no-server", "psql: Fehler: Verbindung zum Server auf Socket »/run/postgresql/.s.PGSQL.54999« fehlgeschlagen: Datei oder Verzeichnis nicht gefunden\n\tLäuft der Server lokal und akzeptiert er Verbindungen auf diesem Socket?\n")]
    [InlineData("pg/no-server", "psql: ошибка: подключиться к серверу через сокет \"/run/postgresql/.s.PGSQL.54999\" не удалось: Нет такого файла или каталога\n")]
    [InlineData("pg/lc-collate", "Führe Konsistenzprüfungen durch\n-------------------------------\nPrüfe Cluster-Versionen                                     ok\nlc_collate-Werte für Datenbank »template1« stimmen nicht überein: alt »de_DE.UTF-8«, neu »C.UTF-8«\nFehlgeschlagen, Programm wird beendet\n")]
    [InlineData("pg/preload-missing", "2026-01-12 08:00:01 CET [1] FATAL:  konnte nicht auf Datei »pg_cron« zugreifen: Datei oder Verzeichnis nicht gefunden\n")]
    [InlineData("pg/password-failed", "FATAL:  authentification par mot de passe échouée pour l'utilisateur  « web »\n")]
    [InlineData("pg/no-checkpoint", "2026-01-12 08:00:01 MSK [34] ПАНИКА:  не удалось считать правильную запись контрольной точки\n")]
    [InlineData("pg/files-of-other-version", "db-1  | 2026-01-12 08:00:01 JST [1] FATAL:  データベースファイルがサーバーと互換性がありません\n")]
    public void A_message_is_known_in_its_language(string id, string log) =>
        Assert.Equal(id, LogDiagnosis.Explain([new("log", log)]).Findings[0].Id);

    [Fact]
    public void Values_stay_as_they_are_and_what_was_said_is_shown()
    {
        var finding = LogDiagnosis.Explain([new("log", "FATAL:  Passwort-Authentifizierung für Benutzer »jörg ärger« fehlgeschlagen")]).Findings[0];
        Assert.Equal("jörg ärger", finding.Subject.Content);
        Assert.Contains("Passwort-Authentifizierung", finding.Reasons[0].Seen[0].What.ToString(), StringComparison.Ordinal);
    }

    /// <summary>The longest part of a message may stand in a line that is not that message.</summary>
    [Fact]
    public void A_part_of_a_message_is_no_message_and_no_fault()
    {
        foreach (var row in VersionTables.Rows("translations.tsv"))
        {
            var part = Conversion().Split(row[2]).MaxBy(p => p.Length)!.Trim();
            var line = $"x{part}";
            string? language = null;
            _ = TranslatedMessages.English(part, ref language);
            language = "none";
            Assert.Equal(line, TranslatedMessages.English(line, ref language));
        }
    }

    /// <summary>Some languages say two messages with one sentence, so what counts is what it means.</summary>
    [Fact]
    public void Each_translation_means_what_its_message_means()
    {
        var (known, wrong) = (0, new List<string>());
        foreach (var row in VersionTables.Rows("translations.tsv").Where(r => r[1].Length > 20 && !TranslatedMessages.IsWord(r[1]) && !r[2].Contains('$', StringComparison.Ordinal)))
        {
            // printf's conversions filled with values that no catalogue has, the last as the errors of the system stand.
            string Filled(string text)
            {
                var values = 0;
                return Conversion().Replace(text, c => c.Value is "%m" ? "No such file or directory" : $"q{(char)('a' + values++)}z");
            }

            var english = Ids(Filled(row[1]));
            known += english.Length;
            if (!english.SequenceEqual(Ids(Filled(row[2]))))
            {
                wrong.Add(string.Join(" | ", row));
            }
        }

        Assert.Empty(wrong);

        Assert.InRange(known, 300, 5000);
    }

    private static string[] Ids(string line) => [.. LogDiagnosis.Explain([new("log", $"pg_upgrade\n{line}\n")]).Findings.Select(f => f.Id)];

    [GeneratedRegex("%[-+ #0-9.*]*(hh|h|ll|l|z|j)?[a-zA-Z]")]
    private static partial Regex Conversion();

    [Fact]
    public void English_stays_as_it_is()
    {
        foreach (var line in File.ReadLines(LotseProgram.Data("pg", "messages", "lines.tsv")).Select(l => l.Split('\t')[1]))
        {
            string? language = null;
            Assert.Equal(line, TranslatedMessages.English(line, ref language));
            Assert.Null(language);
        }
    }
}
