//! Writes `$GITHUB_STEP_SUMMARY`: markdown that GitHub shows on the page of a workflow run.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;

use crate::domain::name::GarmName;
use crate::render::style::{WARNING, paint};
use crate::render::words::count;

use super::args::Command;
use super::context::Context;
use super::failure::Failure;
use crate::config::Problem;
use crate::render;
use crate::render::problem::WorkflowStep;

/// The largest number of characters to write. GitHub accepts 1 MiB per step and shows nothing of a
/// larger summary; a page of this size is still readable.
const CHARACTERS_MAX: usize = 60_000;

/// Appends the text of `markdown` to the summary on GitHub Actions; does nothing elsewhere. A
/// failure to write is a warning: the command has done its work.
pub fn write(markdown: impl FnOnce() -> String, cx: Context<'_>) {
    let Some(path) =
        std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path: &OsString| !path.is_empty())
    else {
        return;
    };
    let text = cut(&markdown(), CHARACTERS_MAX);
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    if let Err(error) = written {
        let warning = paint(WARNING, "warning:");
        cx.print.say(&format!("{warning} cannot write `$GITHUB_STEP_SUMMARY`: {error}"));
    }
}

/// Appends the failure of a command that also writes its results to the summary.
pub fn failed(failure: &Failure, command: &Command, cx: Context<'_>) {
    if matches!(command, Command::Validate(_) | Command::Plan(_) | Command::Apply(_)) {
        write(|| failure_text(failure, command.word(), None), cx);
    }
}

/// The text of a failure, at one of several GARMs if it is named.
pub fn failure_text(failure: &Failure, command: &str, garm: Option<&GarmName>) -> String {
    let garm = garm.map_or_else(String::new, |garm| format!("{garm}: "));
    let message = format!("{garm}{}", failure.message);
    render::problem::failure(command, &message, failure.help.as_deref())
}

/// Appends the problems of the files.
pub fn problems(problems: &[Problem], heading: &str, cx: Context<'_>) {
    if !problems.is_empty() {
        write(|| render::problem::markdown(problems, heading), cx);
    }
}

/// The workspace of this step; absent outside GitHub Actions.
pub fn step(cx: Context<'_>) -> Option<WorkflowStep> {
    let workspace = std::env::var_os("GITHUB_WORKSPACE")
        .filter(|path| cx.print.is_on_actions() && !path.is_empty())?;
    let working = std::env::current_dir().ok()?;
    Some(WorkflowStep { workspace: workspace.into(), working })
}

/// Whole lines of up to `most` characters, and a note of how many lines are left out.
fn cut(markdown: &str, most: usize) -> String {
    if markdown.chars().count() <= most {
        return with_newline(markdown.to_owned());
    }
    let lines: Vec<&str> = markdown.lines().collect();
    // Room for the note about the rest and for the end of an open code block.
    let mut room = most.saturating_sub(80);
    let mut kept = Vec::new();
    for line in &lines {
        let Some(left) = room.checked_sub(line.chars().count() + 1) else { break };
        room = left;
        kept.push(*line);
    }
    let is_open = kept.iter().filter(|line| line.trim_start().starts_with("```")).count() % 2 == 1;
    let rest = count(lines.len() - kept.len(), "more line");
    let end = if is_open { "\n```" } else { "" };
    with_newline(format!("{}{end}\n\n… {rest} not shown", kept.join("\n")))
}

fn with_newline(text: String) -> String {
    if text.ends_with('\n') { text } else { text + "\n" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_stays_whole() {
        assert_eq!(cut("# a\nb", 100), "# a\nb\n");
    }

    #[test]
    fn a_long_text_is_cut_between_lines_and_the_rest_is_counted() {
        let text = format!("```diff\n{}```\n", "+ line\n".repeat(100));
        let short = cut(&text, 150);
        assert!(short.chars().count() <= 150, "{short}");
        assert!(short.ends_with("+ line\n```\n\n… 93 more lines not shown\n"), "{short}");
    }
}
