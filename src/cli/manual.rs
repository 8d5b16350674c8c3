//! `man`: the manual page, generated from the command line that clap knows.

use super::args;
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;

pub fn run(cx: Context<'_>) -> Result<Exit, Failure> {
    cx.print.raw(&page()?)?;
    Ok(Exit::Done)
}

/// The manual page in roff: one page with a section for each command.
pub fn page() -> anyhow::Result<String> {
    let command = args::command();
    let man = clap_mangen::Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    let mut page = String::from_utf8(page)?;
    page.push_str(
        ".SH SYNOPSIS\n\\fBrunnerctl\\fR [\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n",
    );
    let shown = || command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set());
    page.push_str(".SH COMMANDS\n");
    for each in shown() {
        let about = each.get_about().map(ToString::to_string).unwrap_or_default();
        page.push_str(&row(each.get_name(), &about));
    }
    for each in shown() {
        page.push_str(&section(each)?);
    }
    let mut options = Vec::new();
    man.render_options_section(&mut options)?;
    page.push_str(&String::from_utf8(options)?);
    page.push_str(".SH \"EXIT STATUS\"\n");
    for exit in Exit::ALL {
        page.push_str(&row(&exit.code().to_string(), exit.meaning()));
    }
    page.push_str(FILES);
    Ok(page)
}

const FILES: &str = "\
.SH FILES
.TP
\\fBrunnerctl.yaml\\fR
The fleet file: in the working folder, else $XDG_CONFIG_HOME/runnerctl/, else /etc/runnerctl/.
.TP
\\fBpools/\\fR
The pool files, beside the fleet file.
.TP
\\fBaudit.jsonl\\fR
What was written to GARM: in $STATE_DIRECTORY, else $XDG_STATE_HOME/runnerctl, else
~/.local/state/runnerctl, unless the fleet file or \\fB\\-\\-audit\\fR names another.
";

/// The section of one command.
fn section(command: &clap::Command) -> anyhow::Result<String> {
    let name = format!("runnerctl {}", command.get_name());
    let man = clap_mangen::Man::new(command.clone().bin_name(&name));
    let mut bytes = Vec::new();
    man.render_synopsis_section(&mut bytes)?;
    man.render_options_section(&mut bytes)?;
    let text = String::from_utf8(bytes)?.replace(".SH ", ".SS ");
    Ok(format!(".SH \"{}\"\n{text}", name.to_uppercase()))
}

/// A term and its description (`.TP`).
fn row(term: &str, meaning: &str) -> String {
    format!(".TP\n\\fB{}\\fR\n{}\n", escape(term), escape(meaning))
}

/// Escapes text so that roff prints it unchanged.
fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}
