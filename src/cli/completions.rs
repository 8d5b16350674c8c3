//! `completions`: shell completion scripts, generated from the command line that clap knows.

use clap_complete::Shell;

use super::args;
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;

/// Prints the completion script of one shell.
pub fn run(shell: Shell, cx: Context<'_>) -> Result<Exit, Failure> {
    cx.print.raw(&script(shell))?;
    Ok(Exit::Done)
}

/// Generates the completion script of one shell.
pub fn script(shell: Shell) -> String {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "runnerctl", &mut bytes);
    String::from_utf8(bytes).expect("clap writes UTF-8")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use clap::ValueEnum;

    use crate::cli::args::{ReferenceFile, SchemaKind};
    use crate::cli::{manual, reference, schema};

    #[test]
    fn generated_files_are_fresh() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (file, text) in [
            ("completions/runnerctl.bash", script(Shell::Bash)),
            ("completions/_runnerctl", script(Shell::Zsh)),
            ("completions/runnerctl.fish", script(Shell::Fish)),
            ("completions/_runnerctl.ps1", script(Shell::PowerShell)),
            ("completions/runnerctl.elv", script(Shell::Elvish)),
            ("completions/runnerctl.1", manual::page().unwrap()),
            ("docs/pools.md", reference::page(ReferenceFile::Pools)),
            ("docs/fleet.md", reference::page(ReferenceFile::Fleet)),
        ] {
            let there = fs::read_to_string(root.join(file)).unwrap_or_default();
            assert!(there == text, "{file} is stale: run `.ci/generate` and commit what it writes");
        }
        for kind in SchemaKind::OUTPUTS {
            let value = kind.to_possible_value().unwrap();
            let file = format!("docs/schema/{}.json", value.get_name());
            let there = fs::read_to_string(root.join(&file)).unwrap_or_default();
            let text = schema::text(&schema::of(kind));
            assert!(there == text, "{file} is stale: run `.ci/generate` and commit what it writes");
        }
    }
}
