//! Completion of names in real shells, with the scripts in `completions/`.

use std::path::Path;
use std::process::Command;

use assert_cmd::cargo::cargo_bin;

use super::bench::Bench;

fn fleet() -> Bench {
    let bench = Bench::bare();
    bench.declare(&["web", "worker", "gpu"]);
    bench.write("other/pools/elsewhere.yaml", &super::bench::pool("elsewhere"));
    bench.write(
        "other/rc.yaml",
        "fleet: other\ngarm: { url: \"https://garm.example.com\", password: \"env:P\" }\n",
    );
    bench
}

/// The candidates that the shell prints, one per line, sorted.
fn candidates(bench: &Bench, shell: &str, script: &str) -> Vec<String> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions");
    let folder = cargo_bin("runnerctl").parent().unwrap().display().to_string();
    let said = Command::new(shell)
        .args(["-c", script])
        .current_dir(bench.path(""))
        .env_clear()
        .env("HOME", bench.path(""))
        .env("PATH", format!("{folder}:/usr/bin:/bin"))
        .env("SCRIPTS", scripts)
        .output()
        .unwrap();
    assert!(said.status.success(), "{shell}: {}", String::from_utf8_lossy(&said.stderr));
    let text = String::from_utf8(said.stdout).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// The candidates of bash at the end of the line. Bash treats `=` as a separate word.
fn bash(bench: &Bench, line: &str) -> Vec<String> {
    let words = line.replace('=', " = ").replace("=  ", "= ");
    let words: Vec<String> = words.split(' ').map(|word| format!("'{word}'")).collect();
    let script = format!(
        "source \"$SCRIPTS/runnerctl.bash\"\nCOMP_WORDS=({})\nCOMP_CWORD={}\n\
         _runnerctl_names runnerctl \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        words.join(" "),
        words.len() - 1
    );
    candidates(bench, "bash", &script)
}

#[test]
fn bash_completes_pools_and_keys_and_still_options() {
    let bench = fleet();
    let pools = ["gpu", "web", "worker"];
    assert_eq!(bash(&bench, "runnerctl status "), pools);
    assert_eq!(bash(&bench, "runnerctl status w"), ["web", "worker"]);
    assert_eq!(bash(&bench, "runnerctl status web "), ["gpu", "worker"]);
    assert_eq!(bash(&bench, "runnerctl plan --target "), pools);
    assert_eq!(bash(&bench, "runnerctl apply --target=g"), ["gpu"]);
    assert_eq!(bash(&bench, "runnerctl --config other/rc.yaml status "), ["elsewhere"]);
    assert_eq!(bash(&bench, "runnerctl status --config=other/rc.yaml "), ["elsewhere"]);
    assert_eq!(
        bash(&bench, "runnerctl explain scale_up_"),
        ["scale_up_delay", "scale_up_target", "scale_up_threshold"]
    );
    assert_eq!(bash(&bench, "runnerctl explain watch.lis"), ["watch.listen"]);
    assert_eq!(bash(&bench, "runnerctl status --fol"), ["--follow"]);
    assert!(bash(&bench, "runnerctl ").contains(&"plan".to_owned()));
    assert!(bash(&bench, "runnerctl schema --kind ").contains(&"fleet".to_owned()));
}

#[test]
fn bash_completes_the_names_of_garms() {
    let bench = fleet();
    bench.write(
        "runnerctl.yaml",
        "fleet: a\ngarms:\n  east: { url: https://e, password: env:P }\n  \
         west: { url: https://w, password: env:P }\n",
    );
    assert_eq!(bash(&bench, "runnerctl plan --garm "), ["east", "west"]);
    assert_eq!(bash(&bench, "runnerctl status --garm w"), ["west"]);
}

#[test]
fn files_with_problems_still_give_their_pools() {
    let bench = fleet();
    bench.write("pools/broken.yaml", "pools:\n  - name: half\n");
    assert_eq!(bash(&bench, "runnerctl status "), ["gpu", "web", "worker"]);
    let bare = Bench::bare();
    let said = bare.run(&["complete", "--", "status", ""]).ends(0);
    assert_eq!((said.out.as_str(), said.err.as_str()), ("", ""));
}

/// A shell that is not installed is skipped. Debian has packages of both.
#[test]
fn zsh_and_fish_complete_pools_and_keys() {
    let bench = fleet();
    let is_here = |shell: &str| Path::new("/usr/bin").join(shell).exists();
    if is_here("fish") {
        let fish = |line: &str| {
            let script = format!(
                "source $SCRIPTS/runnerctl.fish; complete --do-complete '{line}' | string replace -r '\\t.*' '' ; true"
            );
            candidates(&bench, "/usr/bin/fish", &script)
        };
        assert_eq!(fish("runnerctl status "), ["gpu", "web", "worker"]);
        assert_eq!(fish("runnerctl plan --target w"), ["web", "worker"]);
        assert_eq!(fish("runnerctl apply --target=g"), ["--target=gpu"]);
        assert_eq!(fish("runnerctl explain watch.lis"), ["watch.listen"]);
        assert_eq!(fish("runnerctl --config other/rc.yaml status e"), ["elsewhere"]);
    }
    if is_here("zsh") {
        // Completion needs a line editor, so its built-ins are replaced by functions that print
        // their arguments.
        let zsh = |line: &str| {
            let words: Vec<String> = line.split(' ').map(|word| format!("'{word}'")).collect();
            let script = format!(
                "compdef() {{ :; }}; compset() {{ print prefix $2; }}; compadd() {{ shift; print -l -- ${{(P)1}}; }}\n\
                 source $SCRIPTS/_runnerctl\n_runnerctl_options() {{ print options; }}\n\
                 words=({}); CURRENT={}\n_runnerctl\n",
                words.join(" "),
                words.len()
            );
            candidates(&bench, "/usr/bin/zsh", &script)
        };
        assert_eq!(zsh("runnerctl status w"), ["gpu", "web", "worker"]);
        assert_eq!(zsh("runnerctl apply --target=g"), ["gpu", "prefix *=", "web", "worker"]);
        assert!(zsh("runnerctl explain w").contains(&"watch.listen".to_owned()));
        assert_eq!(zsh("runnerctl plan --o"), ["options"]);
    }
}
