//! The commands and examples in `docs/`.

use std::fs;

use super::blocks::{block, blocks, document};
use super::stage::Stage;
use crate::cli::bench::root;

/// Documents with a test that runs all their shell blocks and has its own list of exceptions.
pub(super) const WHOLE: [&str; 3] = ["docs/operations.md", "docs/scaling.md", "docs/garm.md"];

/// The other blocks of commands that tests run, by document and first words.
const RUN: [(&str, &str); 1] = [("docs/audit.md", "prev=$(printf")];

/// The blocks that no test runs, with the reason.
const LEFT: [(&str, &str, &str); 9] = [
    (
        "docs/audit.md",
        "runnerctl audit show",
        "names a runner of an example; `service::shown` shows the log of a `watch`",
    ),
    (
        "docs/audit.md",
        "runnerctl audit verify",
        "names hashes and keys of an example; \
      `the_audit_log_is_rotated_by_logrotate_and_verified_as_printed` verifies a rotated log",
    ),
    ("docs/many-garms.md", "runnerctl plan\n", "needs two GARMs; `cli::garms` runs its lines"),
    ("docs/many-garms.md", "runnerctl plan --garm", "the same"),
    (
        "docs/runner-kit.md",
        "extra_specs.pre_install_scripts",
        "a line of a plan, which the snapshots of `render::plan` hold",
    ),
    ("docs/secrets.md", "vault kv put", "needs a Vault; `secrets::vault` speaks with its double"),
    (
        "docs/secrets.md",
        "credentials:",
        "no command: `the_parts_of_a_fleet_file_are_valid_as_printed`",
    ),
    ("docs/security.md", "cargo deny check", "needs cargo-deny; `.ci/run` has the same line"),
    ("docs/status-page.md", "ssh -L", "needs an SSH server"),
];

#[test]
fn every_block_of_commands_is_run_or_says_why_it_is_not() {
    let mut fates: Vec<(&str, &str)> = RUN.into_iter().chain(LEFT.map(|it| (it.0, it.1))).collect();
    for name in documents().iter().filter(|it| !WHOLE.contains(&it.as_str())) {
        let all = blocks(&document(name));
        // The language of an indented block is unknown.
        for block in all.iter().filter(|it| matches!(it.language.as_str(), "" | "sh")) {
            let found = fates.iter().position(|it| it.0 == name && block.text.starts_with(it.1));
            let why = "needs a test that runs it and a row in `RUN`, or a row in `LEFT`";
            let found =
                found.unwrap_or_else(|| panic!("{name}:{} {why}:\n{}", block.line, block.text));
            fates.remove(found);
        }
    }
    assert_eq!(fates, [], "a row is for a block that is not printed any more");
}

/// The documents of a folder of the repository, by path.
pub(super) fn documents() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|it| format!("docs/{}", it.unwrap().file_name().to_string_lossy()))
        .filter(|it| it.ends_with(".md"))
        .collect();
    names.sort();
    assert!(!names.is_empty());
    names
}

#[test]
fn every_printed_command_line_is_understood() {
    let stage = Stage::new();
    let mut count = 0;
    for name in documents() {
        for block in blocks(&document(&name)) {
            let commands = block.text.lines().map(|it| it.trim_start_matches("- run: ").trim());
            // A line with an omitted value cannot be parsed.
            for line in commands.filter(|it| it.starts_with("runnerctl ") && !it.contains('…')) {
                // Unknown commands and flags are reported before this error.
                let line = line.split(" #").next().unwrap();
                let said = stage.type_in(&format!("{line} --help"), &[]);
                assert_eq!(said.code, 0, "{name}:{}: {line}\n{}", block.line, said.err);
                count += 1;
            }
        }
    }
    assert!(count > 1, "{count}");
}

#[test]
fn the_chain_of_the_audit_log_is_checked_by_other_tools_as_printed() {
    let mut stage = Stage::new();
    stage.start_sandbox("runnerctl sandbox --write-config runnerctl.yaml &", &[]);
    stage.bench.write("pools/a.yaml", &crate::cli::bench::pool("a"));
    stage.type_in("runnerctl apply --auto-approve --audit audit.jsonl", &[]).ends(0);
    let script = block("docs/audit.md", "prev=$(printf");
    let whole = stage.type_in(&script, &[]).ends(0);
    assert_eq!((whole.out.as_str(), whole.err.as_str()), ("", ""));
    let text = stage.bench.read("audit.jsonl");
    stage.bench.write("audit.jsonl", &text.replacen("create", "delete", 1));
    let broken = stage.type_in(&script, &[]).ends(0);
    assert!(broken.out.starts_with("broken: "), "{}", broken.out);
}

#[test]
fn the_parts_of_a_fleet_file_are_valid_as_printed() {
    let stage = Stage::new();
    stage.bench.write("pools/default.yaml", &block("README.md", "# pools/default.yaml"));
    let fleet_file = block("README.md", "fleet: acme");
    for (name, first) in
        [("docs/runner-kit.md", "# runnerctl.yaml"), ("docs/secrets.md", "credentials:")]
    {
        let part = block(name, first);
        stage.bench.write("runnerctl.yaml", &format!("{fleet_file}{part}"));
        let said = stage.type_in("runnerctl validate", &[]);
        assert_eq!(said.code, 0, "{name}: {}", said.out);
    }
}
