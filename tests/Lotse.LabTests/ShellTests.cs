using Xunit;

namespace Lotse.LabTests;

/// <summary>Completion in the shells themselves, and the man page before the programs that read it.</summary>
public sealed class ShellTests : IDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);
    private readonly string folder = Directory.CreateTempSubdirectory("lotse-shell-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("lotse sw", "swap")]
    [InlineData("lotse swap w", "why")]
    [InlineData("lotse swap --ba", "--backend")]
    [InlineData("lotse swap --by co", "container")]
    [InlineData("lotse swap --all --by u", "unit user")]
    [InlineData("lotse explain swap/thr", "swap/thrashing")]
    [InlineData("lotse completion f", "fish")]
    [InlineData("lotse swap why --inter", "--interval")]
    [InlineData("lotse doctor --fail-on e", "error")]
    public void Bash_completes(string line, string expected)
    {
        Lab.NeedsRoot();
        Lab.Needs("bash");
        var words = line.Split(' ');
        var script = Save("bash");
        var ran = Lab.Run(Soon, "bash", "-c", $"compopt() {{ :; }}; . {script}; COMP_WORDS=({string.Join(' ', words)}); COMP_CWORD={words.Length - 1}; _lotse; echo \"${{COMPREPLY[*]}}\"");
        Assert.Equal(("", expected), (ran.ErrorText, ran.Text.Trim()));
    }

    [Theory]
    [InlineData("lotse sw", "swap")]
    [InlineData("lotse swap w", "why")]
    [InlineData("lotse swap --backe", "--backend")]
    [InlineData("lotse swap --by co", "container")]
    [InlineData("lotse explain swap/thr", "swap/thrashing")]
    [InlineData("lotse swap why --inter", "--interval")]
    public void Fish_completes(string line, string expected)
    {
        Lab.NeedsRoot();
        Lab.Needs("fish");
        var ran = Lab.RunWith(Soon, new() { ["HOME"] = folder, ["XDG_CONFIG_HOME"] = folder }, "fish", "--no-config", "-c", $"source {Save("fish")}; complete -C '{line}'");
        Assert.Equal(("", expected), (ran.ErrorText, string.Join(' ', ran.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split('\t')[0]))));
    }

    [Theory]
    [InlineData("lotse sw", "lotse swap")]
    [InlineData("lotse swap --backe", "lotse swap --backend")]
    [InlineData("lotse swap --by con", "lotse swap --by container")]
    [InlineData("lotse explain swap/thr", "lotse explain swap/thrashing")]
    public void Zsh_completes(string line, string expected)
    {
        Lab.NeedsRoot();
        Lab.Needs("zsh");

        // A zsh inside zsh, typed at: the only way in which its completion works at all.
        File.Move(Save("zsh"), Path.Combine(folder, "_lotse"));
        var typing = $$"""
            zmodload zsh/zpty
            zpty -b inner zsh -f -i
            zpty -w inner "PS1=; fpath=({{folder}} \$fpath); autoload -U compinit; compinit -u -D; zstyle ':completion:*' list-prompt ''; LISTMAX=9999"
            zpty -w inner "show() { print -r -- \"<<\$BUFFER>>\" }; zle -N show; bindkey '^X' show; print prepared"
            for i in {1..100}; do zpty -r -t inner out; [[ $out == *prepared* ]] && break; sleep 0.1; done
            sleep 0.3
            zpty -n -w inner $'{{line}}\t'
            sleep 1.5
            zpty -n -w inner $'\x18'
            for i in {1..60}; do zpty -r -t inner out && all+=$out; sleep 0.05; done
            print -r -- $all
            zpty -d inner
            """;
        var ran = Lab.RunWith(Soon, new() { ["TERM"] = "dumb", ["HOME"] = folder }, "zsh", "-f", "-c", typing);
        Assert.Contains($"<<{expected}", ran.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void The_man_page_has_no_fault()
    {
        Lab.NeedsRoot();
        Lab.Needs("man", "mandoc");
        var page = Path.Combine(folder, "lotse.1");
        File.WriteAllBytes(page, Lab.RunLotse("man").Output);
        var man = Lab.RunWith(Soon, new() { ["MANWIDTH"] = "80", ["LC_ALL"] = "C.UTF-8" }, "man", "--warnings", "-l", page);
        Assert.Equal((0, ""), (man.ExitCode, man.ErrorText));
        Assert.Contains("lotse swap why", man.Text, StringComparison.Ordinal);
        var lint = Lab.Run(Soon, "mandoc", "-Tlint", "-Wwarning", page);
        Assert.Equal((0, ""), (lint.ExitCode, lint.Text));
    }

    private string Save(string shell)
    {
        var path = Path.Combine(folder, shell);
        File.WriteAllBytes(path, Lab.RunLotse("completion", shell).Output);
        return path;
    }
}
