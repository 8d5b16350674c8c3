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

/// Generates the completion script of one shell. For bash, zsh and fish it also completes the names
/// of pools and keys, which `runnerctl complete` prints.
pub fn script(shell: Shell) -> String {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "runnerctl", &mut bytes);
    let script = String::from_utf8(bytes).expect("clap writes UTF-8");
    match shell {
        Shell::Bash => {
            script.replace("complete -F _runnerctl ", "complete -F _runnerctl_names ") + BASH
        }
        // Before the lines that start or register the function.
        Shell::Zsh => match script.rfind(ZSH_END) {
            Some(end) => format!("{}{ZSH}{}", &script[..end], &script[end..]),
            None => script,
        },
        Shell::Fish => script + FISH,
        _ => script,
    }
}

/// Completes names if there are any, else as clap does. Bash makes each `=` a word of its own.
const BASH: &str = r#"
_runnerctl_names() {
    local names
    names=$("${COMP_WORDS[0]}" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    if [[ -n "$names" ]]; then
        local current="${COMP_WORDS[COMP_CWORD]}"
        COMPREPLY=( $(compgen -W "$names" -- "${current#=}") )
    else
        _runnerctl "$@"
    fi
}
"#;

/// The first of the lines that end zsh's script.
const ZSH_END: &str = "if [ \"$funcstack[1]\" = \"_runnerctl\" ]; then";

const ZSH: &str = r#"functions[_runnerctl_options]="$functions[_runnerctl]"
_runnerctl() {
    local -a names
    names=(${(f)"$("${words[1]}" complete -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)"})
    if (( ${#names} )); then
        [[ "${words[CURRENT]}" == --*=* ]] && compset -P "*="
        compadd -a names
    else
        _runnerctl_options "$@"
    fi
}

"#;

const FISH: &str = r#"
function __runnerctl_names
    set -l words (commandline -opc) (commandline -ct)
    $words[1] complete -- $words[2..] 2>/dev/null
end
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -f -a "(__runnerctl_names)"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand explain" -f -a "(__runnerctl_names)"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -l target -x -a "(__runnerctl_names)"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l target -x -a "(__runnerctl_names)"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit" -l pool -x -a "(__runnerctl_names)"
"#;

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
