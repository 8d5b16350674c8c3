//! The README from top to bottom.

use std::process::Stdio;

use super::blocks::block;
use super::stage::Stage;
use crate::cli::bench::{Bench, Said, eventually, finish, pool, signal};
use crate::cli::terminal::{Streams, Terminal};

/// The README's command for a sandbox, without arriving jobs.
const QUIET: &str = "runnerctl sandbox --write-config runnerctl.yaml &";

/// A folder with the README's pool file and a sandbox.
fn tried(more: &[&str]) -> Stage {
    with_sandbox(QUIET, more)
}

fn with_sandbox(line: &str, more: &[&str]) -> Stage {
    let mut stage = Stage::new();
    stage.bench.write("pools/default.yaml", &block("README.md", "# pools/default.yaml"));
    stage.start_sandbox(line, more);
    stage
}

/// Runs a line that must succeed. `apply` prompts for confirmation at a terminal.
fn type_in(stage: &Stage, line: &str) -> Said {
    if !line.starts_with("runnerctl apply ") {
        return stage.type_in(line, &[]).ends(0);
    }
    let mut command = stage.bench.command(&["apply"]);
    command.stdout(Stdio::piped());
    let (mut terminal, child) = Terminal::start(command, Streams::InAndErr);
    terminal.answer("yes");
    terminal.end(child).ends(0)
}

#[test]
fn the_demo_prints_what_readme_shows_of_it() {
    let said = Stage::new().type_in("runnerctl demo", &[]).ends(0);
    for line in block("README.md", "$ runnerctl watch").lines() {
        let is_shown = said.out.lines().any(|it| it.trim_end() == line.trim_end());
        assert!(line.trim() == "…" || is_shown, "not printed by the demo: {line}\n{}", said.out);
    }
}

#[test]
fn the_first_commands_go_as_they_are_printed() {
    let stage = with_sandbox(&block("README.md", "runnerctl sandbox"), &[]);
    let (mut left, mut commands) = (Vec::new(), Vec::new());
    for line in block("README.md", "runnerctl validate              # every problem").lines() {
        let command = line.split('#').next().unwrap().trim();
        commands.push(command.to_owned());
        match command.strip_suffix('&') {
            Some(in_background) => left.push(stage.leave(in_background.trim())),
            None if command.ends_with("--follow") => left.push(stage.leave(command)),
            None => drop(type_in(&stage, line)),
        }
    }
    let all = ["validate", "plan", "apply", "watch &", "status --follow"];
    assert_eq!(commands, all.map(|command| format!("runnerctl {command}")));
    // Jobs arrive, so `watch` starts runners for them.
    let status = || stage.type_in("runnerctl status", &[]).ends(0).out;
    eventually("a runner that `watch` started", || status().contains("1 active").then_some(()));
    for child in left {
        signal(&child, "-TERM");
        finish(child);
    }
}

#[test]
fn init_writes_files_that_can_be_planned() {
    let bench = Bench::with(&["--pools", "1"]);
    let line = block("README.md", "runnerctl init");
    let words: Vec<&str> = line.split_whitespace().skip(1).collect();
    let (mut terminal, child) = Terminal::start(bench.command(&words), Streams::InAndErr);
    let file = bench.read("rc.yaml");
    let url = file.lines().find_map(|line| line.trim().strip_prefix("url: ")).unwrap();
    terminal.answer_to("GARM's URL: ", url);
    terminal.answer_to("[env:GARM_PASSWORD]: ", "file:rc.yaml.password");
    terminal.answer_to("Organization, repository or enterprise: ", "organization acme");
    terminal.answer_to("Provider: ", "sim");
    terminal.answer_to("Image of the VMs [", "");
    terminal.answer_to("Instance type (GARM's flavor) [", "");
    terminal.end(child).ends(0);
    bench.run(&["plan"]).ends(0);
}

#[test]
fn the_fleet_file_is_valid_and_strictly_so() {
    let stage = Stage::new();
    stage.bench.write("pools/default.yaml", &block("README.md", "# pools/default.yaml"));
    stage.bench.write("runnerctl.yaml", &block("README.md", "fleet: acme"));
    stage.type_in("runnerctl validate --strict", &[]).ends(0);
}

#[test]
fn pools_that_are_there_are_taken_over_without_a_change() {
    let stage = tried(&["--pools", "3"]);
    stage.bench.remove("pools/default.yaml");
    let said: Vec<_> = block("README.md", "runnerctl import > pools/imported.yaml")
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("runnerctl "))
        .map(|line| type_in(&stage, line))
        .collect();
    let last = &said.last().unwrap().out;
    assert_eq!(last.matches(": adopt (").count(), 3, "{last}");
    assert!(!last.contains(": create"), "{last}");
}

#[test]
fn watch_runs_until_it_is_stopped() {
    let stage = tried(&[]);
    stage.type_in("runnerctl apply --auto-approve", &[]).ends(0);
    let line = block("README.md", "runnerctl watch                 # until stopped");
    let child = stage.leave(line.trim());
    let status = || stage.type_in("runnerctl status", &[]).out;
    eventually("two runners at work", || status().contains("2 idle").then_some(()));
    signal(&child, "-TERM");
    finish(child).ends(0);
}

#[test]
fn the_steps_of_the_workflow_go_as_they_are_printed() {
    let stage = tried(&[]);
    let fleet_file = stage.with_sandbox(&block("README.md", "fleet: acme"));
    let password = stage.password();
    stage.bench.write("runnerctl.yaml", &fleet_file);
    let workflow = block("README.md", "# .github/workflows/runners.yaml");
    let steps: Vec<&str> =
        workflow.lines().filter_map(|it| it.trim_start().strip_prefix("- run: ")).collect();
    assert_eq!(steps.len(), 3, "{workflow}");
    for step in steps {
        let set = [("GITHUB_ACTIONS", "true"), ("GARM_PASSWORD", password.as_str())];
        // The job that checks pull requests contains no secret.
        let set = if step.contains("validate") { &set[..1] } else { &set[..] };
        stage.type_in(step, set).ends(0);
    }
    let plan = stage.type_in("runnerctl plan --detailed-exitcode", &[("GARM_PASSWORD", &password)]);
    plan.ends(0);
}

#[test]
fn the_line_of_cron_mails_drift_for_drift_alone() {
    let stage = tried(&[]);
    stage.tool("mail", "#!/bin/sh\necho \"$@\" >> mails\ncat >> mails\n");
    let fleet_file = stage.with_sandbox(&block("README.md", "fleet: acme"));
    let password = stage.password();
    stage.bench.write("runnerctl.yaml", &fleet_file);
    let printed = block("README.md", "0 * * * *");
    let command = printed.trim().strip_prefix("0 * * * *").unwrap();
    assert!(!command.contains('%'), "cron takes it for a line break");
    let here = stage.bench.path("").display().to_string();
    let command = command.replace("/srv/fleet", &here);
    let mails = |set: &[(&str, &str)]| {
        let said = stage.type_in(&command, set);
        assert_eq!((said.out.as_str(), said.err.as_str()), ("", ""));
        let mails = stage.bench.path("mails");
        let text = std::fs::read_to_string(&mails).unwrap_or_default();
        let _ = std::fs::remove_file(mails);
        text
    };
    let set = [("GARM_PASSWORD", password.as_str())];
    let drift = mails(&set);
    assert!(drift.starts_with("-s drift ops\n") && drift.contains("default"), "{drift}");
    stage.type_in("runnerctl apply --auto-approve", &set).ends(0);
    assert_eq!(mails(&set), "");
    let unset = mails(&[]);
    assert!(unset.starts_with("-s runnerctl plan has failed ops\n"), "{unset}");
    assert!(unset.contains("GARM_PASSWORD"), "{unset}");
    stage.bench.write("pools/b.yaml", &pool("b"));
    let text = fleet_file.lines().map(|it| match it.starts_with("  url: ") {
        true => "  url: http://127.0.0.1:1",
        false => it,
    });
    stage.bench.write("runnerctl.yaml", &text.collect::<Vec<_>>().join("\n"));
    let absent = mails(&set);
    assert!(absent.starts_with("-s runnerctl plan has failed ops\n"), "{absent}");
}
