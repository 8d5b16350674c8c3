//! What is printed where: stdout has only results, in three formats.

use std::fs::File;
use std::process::{Command, Stdio};

use assert_cmd::cargo::cargo_bin;

use super::bench::{Bench, finish, settled};

/// A fleet with one pool that differs and one that does not exist.
fn changed() -> Bench {
    let bench = Bench::new();
    bench.declare(&["a"]);
    bench.apply();
    bench.declare(&["b"]);
    let text = bench.read("pools/a.yaml");
    bench.write("pools/a.yaml", &text.replace("max_runners: 4", "max_runners: 6"));
    bench
}

#[test]
fn json_of_plan_apply_and_status_keeps_its_documented_shape() {
    let bench = changed();
    // A `watch` at the default address would not belong to this test.
    let file = bench.read("rc.yaml").replace("listen: 127.0.0.1:9477", "listen: 127.0.0.1:1");
    bench.write("rc.yaml", &file);
    let plan = bench.run(&["plan", "-o", "json"]).ends(0);
    insta::assert_snapshot!("plan", format!("{:#}", settled(plan.json())));
    let apply = bench.run(&["apply", "--auto-approve", "-o", "json"]).ends(0);
    insta::assert_snapshot!("apply", format!("{:#}", settled(apply.json())));
    let status = bench.run(&["status", "-o", "json"]).ends(0);
    insta::assert_snapshot!("status", format!("{:#}", settled(status.json())));
}

#[test]
fn a_failure_under_json_output_is_a_document_too() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    let refused = bench.run(&["apply", "-o", "json"]).ends(6);
    insta::assert_snapshot!("refused", refused.out);
    let usage = bench.run(&["plan", "--target", "x", "-o", "json"]).ends(64);
    insta::assert_snapshot!("usage", usage.out);
    let line = bench.run(&["plan", "--frobnicate", "-o", "json"]).ends(64).json();
    assert_eq!((&line["command"], &line["error"]["exit_code"]), (&"plan".into(), &64.into()));
}

#[test]
fn stdout_carries_the_result_and_stderr_everything_else() {
    let bench = changed();
    let apply = bench.run(&["apply", "--auto-approve"]).ends(0);
    assert!(apply.out.starts_with("fleet sandbox on http://127.0.0.1:"), "{}", apply.out);
    assert!(apply.err.contains("b: create done\n"), "progress: {}", apply.err);
    assert!(!apply.out.contains("b: create done\n"), "{}", apply.out);
    let markdown = bench.run(&["plan", "-o", "markdown", "-v"]).ends(0);
    assert!(!markdown.out.contains("warning"), "{}", markdown.out);
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let bench = changed();
    for line in [&["plan"][..], &["plan", "-o", "json"], &["status"], &["apply", "--auto-approve"]]
    {
        let mut child = bench.start(line, "pipe.err");
        drop(child.stdout.take());
        finish(child).ends(0);
    }
    assert_eq!(bench.owned(), ["a", "b"], "an apply whose reader has gone still does its work");
    // `status --follow` ends when stdout is closed.
    let mut child = bench.start(&["status", "--follow", "--interval", "1s"], "pipe.err");
    drop(child.stdout.take());
    finish(child).ends(0);
}

#[test]
fn colour_is_for_terminals_unless_requested() {
    let bench = changed();
    let plain = bench.run(&["plan"]).ends(0);
    assert!(!plain.out.contains('\u{1b}') && !plain.err.contains('\u{1b}'));
    let coloured = bench.run(&["plan", "--color", "always"]).ends(0);
    assert!(coloured.out.contains("\u{1b}["), "{}", coloured.out);
    let stripped = anstream::adapter::strip_str(&coloured.out).to_string();
    assert_eq!(stripped, plain.out, "colour changes no letter");
}

#[test]
fn on_github_actions_plan_and_apply_write_the_step_summary() {
    let bench = changed();
    let summary = bench.path("summary.md");
    let here = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())];
    let shown = bench.run(&["plan", "-o", "markdown"]).ends(0).out;
    bench.run_with(&["plan"], &here).ends(0);
    assert_eq!(bench.read("summary.md"), shown);
    assert!(shown.contains("- `max_runners`: `4` → `6`\n"), "{shown}");
    bench.remove("summary.md");
    let apply = bench.run_with(&["apply", "--auto-approve"], &here).ends(0);
    let written = bench.read("summary.md");
    assert!(
        written.contains("| `b` | create | done |") && written.contains("`max_runners`"),
        "{written}"
    );
    // Quoted text is printed where GitHub executes no commands.
    assert!(apply.out.starts_with("::stop-commands::"), "{}", apply.out);
    let failed = [here[0], ("GITHUB_STEP_SUMMARY", "/no/such/folder/summary.md")];
    let said = bench.run_with(&["plan"], &failed).ends(0);
    assert!(said.err.contains("cannot write `$GITHUB_STEP_SUMMARY`"), "{}", said.err);
}

#[test]
fn on_github_actions_the_step_summary_contains_a_failure_and_its_problems() {
    let bench = Bench::new();
    bench.write("pools/a.yaml", "pools:\n  - name: a\n    max_runers: 4\n    instance_type: m5\n");
    let summary = bench.path("summary.md");
    let here = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())];
    let problem = "- **error** `pools/a.yaml:3:5`: unknown key `max_runers` in a pool\n";
    bench.run_with(&["validate"], &here).ends(3);
    let page = bench.read("summary.md");
    assert!(
        page.starts_with("### 1 error, 1 warning in 2 files\n\n") && page.contains(problem),
        "{page}"
    );
    for line in [&["plan"][..], &["apply", "--auto-approve"]] {
        bench.remove("summary.md");
        bench.run_with(line, &here).ends(3);
        let page = bench.read("summary.md");
        assert!(page.starts_with("### 1 problem in the files\n\n"), "{page}");
        assert!(page.contains(problem), "{page}");
        let failed = format!("### `runnerctl {}` has failed\n\n1 problem in the files\n", line[0]);
        assert!(page.contains(&failed), "{page}");
    }
    // Failures without a problem in a file: a refusal, and an unreachable GARM.
    bench.write("pools/a.yaml", &super::bench::pool("a"));
    let url = bench.read("rc.yaml").lines().find(|it| it.contains("url:")).unwrap().to_owned();
    bench.write("rc.yaml", &bench.read("rc.yaml").replace(&url, "  url: http://127.0.0.1:1"));
    for line in [&["plan"][..], &["validate", "--online"]] {
        bench.remove("summary.md");
        bench.run_with(line, &here).ends(4);
        let page = bench.read("summary.md");
        assert!(page.starts_with(&format!("### `runnerctl {}` has failed\n", line[0])), "{page}");
        assert!(page.contains("http://127.0.0.1:1"), "{page}");
    }
}

#[test]
fn help_names_every_command_and_fits_a_terminal() {
    let help = Bench::bare().run(&["--help"]).ends(0);
    assert_eq!(help.err, "");
    for command in ["validate", "plan", "apply", "status", "import", "demo", "sandbox", "schema"] {
        assert!(help.out.contains(&format!("\n  {command} ")), "{command}");
        let own = Bench::bare().run(&[command, "--help"]).ends(0).out;
        assert!(own.ends_with("\n`runnerctl help exit-codes` lists the exit codes\n"), "{own}");
        assert_eq!(Bench::bare().run(&["help", command]).ends(0).out, own);
        let longest = own.lines().map(|it| it.chars().count()).max();
        assert!(longest <= Some(100), "{command}: {longest:?}");
    }
}

#[test]
fn the_short_help_has_the_commands_own_options_and_examples() {
    let bench = Bench::bare();
    for command in [
        "init",
        "validate",
        "plan",
        "apply",
        "status",
        "watch",
        "import",
        "sandbox",
        "audit verify",
    ] {
        let line: Vec<&str> = command.split(' ').chain(["-h"]).collect();
        let short = bench.run(&line).ends(0).out;
        let examples = short.split_once("\nExamples:\n").unwrap().1.lines();
        assert!((2..=3).contains(&examples.count()), "{short}");
        assert!(short.contains("\nGlobal options: --config, "), "{short}");
        assert!(!short.contains("exit-codes") && !short.contains("--color <WHEN>"), "{short}");
        assert!(short.lines().count() <= 40, "{short}");
    }
    let short = bench.run(&["apply", "-h"]).ends(0).out;
    insta::assert_snapshot!("short_help", short);
}

#[test]
fn version_prints_what_the_option_prints() {
    let bench = Bench::bare();
    let said = bench.run(&["version"]).ends(0);
    assert_eq!(said.out, bench.run(&["--version"]).ends(0).out);
    let document = bench.run(&["version", "-o", "json"]).ends(0).json();
    assert_eq!(said.out, format!("runnerctl {}\n", document["version"].as_str().unwrap()));
}

#[test]
fn a_flag_overrides_the_environment_which_overrides_the_default() {
    let bench = Bench::new();
    bench.write("elsewhere/a.yaml", &super::bench::pool("a"));
    bench.write("third/b.yaml", &super::bench::pool("b"));
    bench.run(&["plan"]).ends(3);
    let from = [("RUNNERCTL_POOLS", "elsewhere"), ("RUNNERCTL_OUTPUT", "json")];
    let plan = bench.run_with(&["plan"], &from).ends(0).json();
    assert_eq!(plan["steps"][1]["pool"], "a");
    let plan = bench.run_with(&["plan", "-f", "third"], &from).ends(0).json();
    assert_eq!(plan["steps"][1]["pool"], "b");
}

#[test]
fn the_demo_runs_to_its_end() {
    let mut command = Command::new(cargo_bin("runnerctl"));
    command.arg("demo").env_clear().stdin(Stdio::null());
    let said =
        finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()).ends(0);
    assert!(said.out.contains("0 lost their VM"), "{}", said.out);
    assert_eq!(said.err, "");
}

#[test]
fn an_apply_says_that_it_waits_for_a_locked_audit_file() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    bench.apply();
    let audit = bench.path(".local/state/runnerctl/audit.jsonl");
    let file = File::options().append(true).open(audit).unwrap();
    file.lock().unwrap();
    bench.declare(&["b"]);
    let child = bench.start(&["apply", "--auto-approve"], "apply.err");
    bench.wait_for_text("apply.err", "note: another process has locked the audit file `");
    assert_eq!(bench.owned(), ["a"]);
    file.unlock().unwrap();
    finish(child).ends(0);
    assert_eq!(bench.owned(), ["a", "b"]);
}
