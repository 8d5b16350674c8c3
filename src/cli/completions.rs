//! `completions`, and the manual page: both are made from the command line that clap knows.

use clap_complete::Shell;

use super::Context;
use super::args;
use super::exit::Exit;
use super::failure::Failure;

/// Prints the completion script of one shell.
pub fn run(shell: Shell, cx: Context<'_>) -> Result<Exit, Failure> {
    cx.print.raw(&script(shell))?;
    Ok(Exit::Done)
}

/// The completion script of one shell.
pub fn script(shell: Shell) -> String {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "runnerctl", &mut bytes);
    String::from_utf8(bytes).expect("clap writes UTF-8")
}

/// Prints the manual page.
pub fn manual(cx: Context<'_>) -> Result<Exit, Failure> {
    cx.print.raw(&manual_page()?)?;
    Ok(Exit::Done)
}

/// The manual page in roff: one page for the program, its commands as subsections.
pub fn manual_page() -> anyhow::Result<String> {
    let command = args::command();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for each in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        page.extend_from_slice(section(each)?.as_bytes());
    }
    String::from_utf8(page).map_err(Into::into)
}

/// One command as a section; its own sections become subsections.
fn section(command: &clap::Command) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let man = clap_mangen::Man::new(
        command.clone().bin_name(format!("runnerctl {}", command.get_name())),
    );
    man.render_synopsis_section(&mut bytes)?;
    man.render_description_section(&mut bytes)?;
    man.render_options_section(&mut bytes)?;
    let text = String::from_utf8(bytes)?.replace(".SH ", ".SS ");
    Ok(format!(".SH \"RUNNERCTL {}\"\n{text}", command.get_name().to_uppercase()))
}
