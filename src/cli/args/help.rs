//! The end of each help text: examples, the global options in short, and where the exit codes are.

use clap::Command;

use crate::cli::exit::{Exit, HELP_WIDTH};
use crate::render::wrap::hanging;

/// A command line and a remark, which may be empty.
type Example = (&'static str, &'static str);

/// The examples of a command, named by its path.
fn examples(path: &str) -> &'static [Example] {
    match path {
        "runnerctl" => &[
            ("runnerctl init", "the files of a new fleet"),
            ("runnerctl plan", "what `runnerctl apply` would change"),
            ("runnerctl help plan", "the options of a command"),
        ],
        "runnerctl init" => &[
            ("runnerctl init", "asks for what GARM leaves open"),
            ("runnerctl init fleet --url https://garm.example.com", ""),
            ("runnerctl init --url http://garm:9997 --insecure-http", "GARM without TLS"),
        ],
        "runnerctl validate" => &[
            ("runnerctl validate", "the files that `plan` reads"),
            ("runnerctl validate pools/web.yaml", ""),
            ("runnerctl validate --online --strict", "against GARM, too"),
        ],
        "runnerctl plan" => &[
            ("runnerctl plan", ""),
            ("runnerctl plan --policy-since main", "and the changed policies"),
            ("runnerctl plan --out fleet.plan", "for `apply fleet.plan`"),
        ],
        "runnerctl show" => &[
            ("runnerctl show fleet.plan", "as `plan` printed it"),
            ("runnerctl show fleet.plan -o markdown", ""),
        ],
        "runnerctl apply" => &[
            ("runnerctl apply", "asks before it changes anything"),
            ("runnerctl apply fleet.plan --auto-approve", "in CI"),
            ("runnerctl apply --allow-destroy --rotate", ""),
        ],
        "runnerctl status" => &[
            ("runnerctl status", ""),
            ("runnerctl status web --runners", "one pool, each runner"),
            ("runnerctl status --follow --interval 2s", ""),
        ],
        "runnerctl watch" => &[
            ("runnerctl watch", "until stopped"),
            ("runnerctl watch --dry-run", "decides and writes nothing"),
            ("runnerctl watch --release", "when `watch` is not used any more"),
        ],
        "runnerctl import" => &[
            ("runnerctl import", ""),
            ("runnerctl import > pools/imported.yaml", "then `runnerctl plan`"),
        ],
        "runnerctl audit verify" => &[
            ("runnerctl audit verify audit.jsonl", ""),
            ("runnerctl audit verify audit.jsonl.* audit.jsonl", "with rotated files"),
            ("runnerctl audit verify audit.jsonl --key env:AUDIT_KEY", ""),
        ],
        "runnerctl sandbox" => &[
            ("runnerctl sandbox --write-config runnerctl.yaml", ""),
            ("runnerctl sandbox --pools 3 --arrivals 30/m", "with pools and jobs"),
        ],
        _ => &[],
    }
}

/// The last line of every long help text.
const EXIT_CODES: &str = "`runnerctl help exit-codes` lists the exit codes";

/// The command with examples, and a pointer to the exit codes at the end of each help text.
pub(super) fn with_examples(command: Command) -> Command {
    ended(command, "", &|_, examples| format!("{examples}{EXIT_CODES}"))
}

/// The same for `-h`: the global options are only named, and the exit codes are left out.
pub(super) fn shortened(command: Command) -> Command {
    let globals: Vec<(String, String)> = command
        .get_arguments()
        .filter(|arg| arg.is_global_set())
        .map(|arg| {
            let long = format!("--{}", arg.get_long().unwrap_or_default());
            let short = arg.get_short().map_or_else(String::new, |short| format!("-{short}/"));
            (arg.get_id().to_string(), format!("{short}{long}"))
        })
        .collect();
    let hidden = command.mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg });
    ended(hidden, "", &|command, examples| {
        // `sandbox` has a `--pools` of its own.
        let is_own = |id: &str| {
            command.get_arguments().any(|arg| arg.get_id() == id && !arg.is_global_set())
        };
        let named = globals.iter().filter(|(id, _)| !is_own(id)).map(|(_, name)| name.as_str());
        let named = named.collect::<Vec<_>>().join(", ");
        let options = format!("Global options: {named}; `--help` describes them");
        format!("{}\n\n{examples}", hanging("", &options, HELP_WIDTH)).trim_end().to_owned()
    })
}

/// Appends a text to the help of a command and of all its subcommands. `end` makes the text from
/// the command and its examples, which end with an empty line if there are any.
fn ended(command: Command, above: &str, end: &dyn Fn(&Command, String) -> String) -> Command {
    let path = format!("{above} {}", command.get_name()).trim_start().to_owned();
    if path == "runnerctl exit-codes" {
        return command.override_help(Exit::help_table());
    }
    let text = end(&command, section(examples(&path)));
    command.after_help(text).mut_subcommands(|below| ended(below, &path, end))
}

/// The text of the examples, with their remarks in a column.
fn section(examples: &[Example]) -> String {
    if examples.is_empty() {
        return String::new();
    }
    let width = examples.iter().map(|(line, _)| line.len()).max().unwrap_or(0);
    let row = |(line, remark): &Example| match *remark {
        "" => format!("  {line}\n"),
        remark => format!("  {line:width$}  # {remark}\n"),
    };
    format!("Examples:\n{}\n", examples.iter().map(row).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::super::{command, read};
    use super::*;

    /// Every command, with its path.
    fn paths(command: &Command, above: &str) -> Vec<String> {
        let path = format!("{above} {}", command.get_name()).trim_start().to_owned();
        let below = command.get_subcommands().flat_map(|below| paths(below, &path));
        [path.clone()].into_iter().chain(below).collect()
    }

    #[test]
    fn every_example_is_a_valid_command_line_of_its_command() {
        let mut with_examples = 0;
        for path in paths(&command(), "") {
            for (line, _) in examples(&path) {
                // The redirection is for the shell, not for the program.
                let line = line.split(" > ").next().unwrap();
                assert!(line.starts_with(&path), "{line}");
                let words: Vec<_> = line.split(' ').map(Into::into).collect();
                let is_help = line.starts_with("runnerctl help ");
                assert!(is_help || read(&words).is_ok(), "{line}: {:?}", read(&words).err());
                with_examples += 1;
            }
        }
        // Every entry of `examples` belongs to an existing command.
        assert_eq!(with_examples, 30);
    }
}
