//! argv → settings → one command → exit code.
//!
//! Decides what a command line means, what is printed where, and how the program ends. Each command
//! is one file with one function that returns an [`exit::Exit`] or a [`failure::Failure`]; only
//! this file prints the failure that ends a command and picks the code. A runtime is built only for
//! commands that wait for I/O.

pub mod anchor;
pub mod apply;
pub mod args;
pub mod audit;
pub mod audit_log;
pub mod audit_show;
pub mod complete;
pub mod completions;
pub mod connect;
pub mod consent;
mod context;
pub mod credentials;
pub mod daemon;
pub mod demo;
pub mod exit;
pub mod explain;
pub mod failure;
mod garms;
pub mod healthcheck;
pub mod import;
pub mod init;
pub mod load;
mod log;
pub mod manual;
pub mod online;
pub mod paths;
pub mod plan;
mod plan_report;
pub mod policies;
mod policy_since;
pub mod prepare;
pub mod print;
pub mod progress;
pub mod prompt;
pub mod reference;
mod require_mtls;
mod requirements;
pub mod runner_kit;
mod runtime;
pub mod sandbox;
pub mod saved_plan;
pub mod schema;
pub mod show;
mod spinner;
pub mod status;
pub mod step_summary;
pub mod validate;
pub mod version;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use clap::error::ErrorKind;

use crate::host::malloc_tuning;
use crate::host::signals::Signals;
use crate::secrets;
use args::{Cli, Color, Command, Output};
use context::{Context, RunSettings};
use exit::Exit;
use failure::Failure;
use log::LogSource;
use paths::PathEnvironment;
use print::Printer;
use runtime::{wait, wait_in_virtual_time, wait_on_threads};

/// Runs the program and returns its exit code.
pub fn main() -> ExitCode {
    // If the system refuses, the default limit stays, which suffices for most fleets.
    let _ = secrets::harden();
    let line: Vec<OsString> = std::env::args_os().collect();
    match args::read(&line) {
        Ok(cli) => run(&cli).into(),
        Err(error) => refuse(&error, &line).into(),
    }
}

/// Runs one command and returns its exit code.
fn run(cli: &Cli) -> Exit {
    if matches!(cli.command, Command::Watch(_)) {
        // This may re-execute the program, so it precedes the start of the log's thread.
        malloc_tuning::settle();
    }
    let print = Arc::new(Printer::new(cli.globals.color));
    let settings = RunSettings::resolve(&cli.globals, &PathEnvironment::read());
    let cx = Context { settings: &settings, print: &print };
    let ended = offered(cli).and_then(|()| {
        let log = log::start(source(cli), cli.globals.verbose, &print)?;
        let ended = dispatch(&cli.command, cx);
        log.close();
        ended
    });
    ended.unwrap_or_else(|failure| {
        step_summary::failed(&failure, &cli.command, cx);
        report(&failure, cli.command.word(), cx)
    })
}

/// The kind of log that this command writes.
fn source(cli: &Cli) -> LogSource {
    match (&cli.command, cli.globals.output) {
        (Command::Watch(_), Output::Json) => LogSource::WatchJson,
        (Command::Watch(_), Output::Text | Output::Markdown) => LogSource::WatchText,
        _ => LogSource::OneShot,
    }
}

/// Fails (64) if the command does not have the output format.
fn offered(cli: &Cli) -> Result<(), Failure> {
    let wanted = cli.globals.output;
    if cli.command.offers().contains(&wanted) {
        return Ok(());
    }
    let word = cli.command.word();
    Err(Failure::usage(format!("`{word}` does not support `--output {}`", wanted.word())))
}

fn dispatch(command: &Command, cx: Context<'_>) -> Result<Exit, Failure> {
    match command {
        Command::Validate(args) if args.online => {
            wait(until_stopped(validate::run_online(args, cx)))
        }
        Command::Validate(args) => validate::run(args, cx),
        Command::Plan(args) => wait(until_stopped(plan::run(args, cx))),
        Command::Apply(args) => wait(apply::run(args, cx)),
        Command::Status(args) => wait(until_stopped(status::run(args, cx))),
        Command::Healthcheck(args) => wait(until_stopped(healthcheck::run(args, cx))),
        Command::Watch(args) => wait_on_threads(daemon::run(args, cx)),
        Command::Audit(args) => wait(audit::run(args, cx)),
        Command::Import(args) => wait(until_stopped(import::run(args, cx))),
        Command::Init(args) => wait(until_stopped(init::run(args, cx))),
        Command::Demo => wait_in_virtual_time(until_stopped(demo::run(cx))),
        Command::Sandbox(args) => wait(sandbox::run(args, cx)),
        Command::Show(args) => show::run(args, cx),
        Command::Explain(args) => explain::run(args, cx),
        Command::Schema(args) => schema::run(args, cx),
        Command::Completions(args) => completions::run(args.shell, cx),
        Command::Complete(args) => complete::run(args, cx),
        Command::Version => version::run(cx),
        Command::ExitCodes => {
            cx.print.result(&format!("{}\n", Exit::help_table()))?;
            Ok(Exit::Done)
        }
        Command::Man => manual::run(cx),
        Command::Reference(args) => reference::run(args.file, cx),
    }
}

/// Runs work that only reads, and so may stop anywhere: the first signal stops it with the code of
/// that signal.
async fn until_stopped(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let mut signals = Signals::catch()
        .map_err(|error| anyhow::Error::new(error).context("cannot catch signals"))?;
    tokio::select! {
        ended = work => ended,
        signal = signals.next() => Ok(Exit::of(signal)),
    }
}

/// Prints the failure to stderr and, under `-o json`, as the document on stdout.
fn report(failure: &Failure, command: &str, cx: Context<'_>) -> Exit {
    cx.print.say(&failure.text());
    if cx.settings.output == Output::Json
        && let Err(second) = cx.print.document(command, failure.value())
    {
        cx.print.say(&second.text());
    }
    failure.exit
}

/// Prints an error of clap, or `--help` and `--version`, which clap reports in the same way.
fn refuse(error: &clap::Error, line: &[OsString]) -> Exit {
    let print = Printer::new(Color::Auto);
    let text = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            match print.result(&text.ansi().to_string()) {
                Ok(()) => Exit::Done,
                Err(failure) => failure.exit,
            }
        }
        _ => {
            print.say(&text.ansi().to_string());
            if wants_json(line) {
                let said = text.to_string();
                let message = said.trim().trim_start_matches("error: ").to_owned();
                let failure = Failure::usage(message);
                // If stdout is closed, the exit code still reports the error.
                let _ = print.document(command_word(line), failure.value());
            }
            Exit::Usage
        }
    }
}

/// Whether a command line that could not be parsed asks for JSON.
fn wants_json(line: &[OsString]) -> bool {
    let words: Vec<&str> = line.iter().filter_map(|word| word.to_str()).collect();
    words.iter().any(|word| matches!(*word, "-ojson" | "-o=json" | "--output=json"))
        || words.windows(2).any(|pair| matches!(pair, ["-o" | "--output", "json"]))
        || std::env::var_os("RUNNERCTL_OUTPUT").is_some_and(|value| value == "json")
}

/// The command of a line that could not be parsed.
fn command_word(line: &[OsString]) -> &str {
    let command = args::command();
    line.iter()
        .skip(1)
        .filter_map(|word| word.to_str())
        .find(|word| command.find_subcommand(word).is_some())
        .unwrap_or("runnerctl")
}
