//! The global options, and how a command line is parsed.

mod audit;
mod commands;
mod garm;
mod help;
mod init;
mod schema;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{BoolishValueParser, PossibleValue};
use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, ValueEnum};

pub use audit::{AuditArgs, AuditCommand, ShowArgs, Since, VerifyArgs};
pub use commands::{
    AllowDestroy, ApplyArgs, Command, CompleteArgs, CompletionsArgs, ExplainArgs, HealthcheckArgs,
    ImportArgs, PlanArgs, ReferenceArgs, ReferenceFile, SandboxArgs, SavedPlanArgs, StatusArgs,
    ValidateArgs, WatchArgs,
};
pub use garm::{GarmArgs, OneGarmArgs};
pub use init::InitArgs;
pub use schema::{SchemaArgs, SchemaKind};

/// Declare, plan, apply and scale a fleet of self-hosted GitHub Actions runners run by GARM.
#[derive(Debug, Parser)]
#[command(name = "runnerctl", version, propagate_version = false)]
pub struct Cli {
    #[command(flatten)]
    pub globals: Globals,
    #[command(subcommand)]
    pub command: Command,
}

/// The options of every command; each is also an environment variable.
#[derive(Debug, Clone, Args)]
#[command(
    next_help_heading = "Global options (each is also RUNNERCTL_<OPTION> in the environment)"
)]
pub struct Globals {
    /// Fleet file [default: ./runnerctl.yaml, else the user's, else the system's]
    #[arg(long, global = true, value_name = "FILE", env = "RUNNERCTL_CONFIG", hide_env = true)]
    pub config: Option<PathBuf>,
    /// `--config` is on the command line, not only in the environment.
    #[arg(skip)]
    pub config_is_on_the_line: bool,
    /// Pool file or folder of pool files [default: `pools` beside the fleet file]
    #[arg(
        short = 'f',
        long,
        global = true,
        value_name = "PATH",
        env = "RUNNERCTL_POOLS",
        hide_env = true
    )]
    pub pools: Option<PathBuf>,
    /// `--pools` is on the command line, not only in the environment.
    #[arg(skip)]
    pub pools_are_on_the_line: bool,
    /// Policy file, added to the policy of the fleet file; it can only tighten it
    #[arg(long, global = true, value_name = "FILE", env = "RUNNERCTL_POLICY", hide_env = true)]
    pub policy: Option<PathBuf>,
    /// `--policy` is on the command line, not only in the environment.
    #[arg(skip)]
    pub policy_is_on_the_line: bool,
    /// Allow `exec:` secret references to run their commands
    #[arg(long, global = true, env = "RUNNERCTL_ALLOW_EXEC", hide_env = true, value_parser = BoolishValueParser::new())]
    pub allow_exec: bool,
    /// Output format
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        env = "RUNNERCTL_OUTPUT",
        hide_env = true
    )]
    pub output: Output,
    /// When to use colour
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        env = "RUNNERCTL_COLOR",
        hide_env = true
    )]
    pub color: Color,
    /// Log steps to stderr; -vv adds requests to GARM, -vvv decisions
    #[arg(short, long, global = true, action = clap::ArgAction::Count, env = "RUNNERCTL_VERBOSE", hide_env = true)]
    pub verbose: u8,
}

/// Format of the result on stdout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Output {
    #[default]
    Text,
    Json,
    /// For a comment on a pull request or a step summary.
    Markdown,
}

impl Output {
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Markdown => "markdown",
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Color {
    /// At a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    Always,
    Never,
}

impl Color {
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

// Implemented by hand: the derived implementation puts the docstrings into `--help`, which then
// exceeds a page.
impl ValueEnum for Output {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Text, Self::Json, Self::Markdown]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.word()))
    }
}

impl ValueEnum for Color {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Auto, Self::Always, Self::Never]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.word()))
    }
}

/// Parses a command line. `--help` and `--version` are errors, too, as clap reports them.
pub fn read(line: &[OsString]) -> Result<Cli, clap::Error> {
    // Clap's own short help would make the long one three times as long: a blank line and a line of
    // its own for each text.
    let is_short = line.iter().any(|word| word == "-h");
    let command = if is_short { help::shortened(command()) } else { command() };
    let matches = command.try_get_matches_from(line)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    // A global flag may precede or follow the command. The `--pools` of `sandbox` is a number.
    let stands = |parsed: &clap::ArgMatches, name: &str| {
        matches!(parsed.try_contains_id(name), Ok(true))
            && parsed.value_source(name) == Some(ValueSource::CommandLine)
    };
    let below = matches.subcommand().map(|(_, subcommand)| subcommand);
    let is_named =
        |name| stands(&matches, name) || below.is_some_and(|parsed| stands(parsed, name));
    cli.globals.config_is_on_the_line = is_named("config");
    cli.globals.pools_are_on_the_line = is_named("pools");
    cli.globals.policy_is_on_the_line = is_named("policy");
    Ok(cli)
}

/// The command line as clap derives it, with examples in the help. An empty environment variable
/// counts as unset.
pub fn command() -> clap::Command {
    let mut command = help::with_examples(Cli::command());
    let unset: Vec<clap::Id> = command
        .get_arguments()
        // Except `RUNNERCTL_POLICY`: an empty value is an error, since ignoring it would drop a
        // policy that was meant to be enforced.
        .filter(|arg| arg.get_id() != "policy")
        .filter(|arg| {
            arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty())
        })
        .map(|arg| arg.get_id().clone())
        .collect();
    for id in unset {
        command = command.mut_arg(id, |arg| arg.env(clap::builder::Resettable::Reset));
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_passes_the_checks_of_clap() {
        command().debug_assert();
    }

    #[test]
    fn global_flags_may_precede_or_follow_every_command() {
        for command in command().get_subcommands().map(clap::Command::get_name) {
            let last: &[&str] = match command {
                "completions" => &["bash"],
                "reference" => &["pools"],
                "explain" => &["labels"],
                "show" => &["fleet.plan"],
                "audit" => &["verify", "some/file"],
                _ => &[],
            };
            // `sandbox` has `--pools N`, which is no path.
            let flags: &[&str] = if command == "sandbox" { &[] } else { &["-f", "some/path"] };
            for line in [[flags, &[command]].concat(), [&[command], flags].concat()] {
                let line =
                    line.into_iter().chain(["-v", "--config", "x"]).chain(last.iter().copied());
                let line: Vec<OsString> =
                    ["runnerctl"].into_iter().chain(line).map(OsString::from).collect();
                assert!(read(&line).is_ok(), "{line:?}: {}", read(&line).unwrap_err());
            }
        }
    }

    #[test]
    fn every_global_flag_is_also_an_environment_variable() {
        for arg in command().get_arguments().filter(|arg| arg.is_global_set()) {
            let flag = arg.get_long().unwrap().to_uppercase().replace('-', "_");
            let variable = arg.get_env().unwrap().to_str().unwrap().to_owned();
            assert_eq!(variable, format!("RUNNERCTL_{flag}"));
        }
    }
}
