//! The command line, as clap reads it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{BoolishValueParser, PossibleValue};
use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use super::audit::AuditArgs;
use super::daemon::WatchArgs;
use super::exit::Exit;
use super::reference::ReferenceArgs;
use super::sandbox::SandboxArgs;
use super::validate::ValidateArgs;
use crate::domain::duration;
use crate::domain::name::PoolName;

/// Declare, plan, apply and scale a fleet of self-hosted GitHub Actions runners run by GARM.
#[derive(Debug, Parser)]
#[command(name = "runnerctl", version, propagate_version = false)]
#[command(disable_help_subcommand = true)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command; each is also an environment variable.
#[derive(Debug, Clone, Args)]
#[command(
    next_help_heading = "Global options (each is also RUNNERCTL_<OPTION> in the environment)"
)]
pub struct Globals {
    /// Fleet file [default: ./runnerctl.yaml, else the user's, else the system's]
    #[arg(long, global = true, value_name = "FILE", env = "RUNNERCTL_CONFIG", hide_env = true)]
    pub config: Option<PathBuf>,
    /// Pool file or folder of them [default: `pools` beside the fleet file]
    #[arg(
        short = 'f',
        long,
        global = true,
        value_name = "PATH",
        env = "RUNNERCTL_POOLS",
        hide_env = true
    )]
    pub pools: Option<PathBuf>,
    /// Whether `--pools` stands on the command line, and not only in the environment.
    #[arg(skip)]
    pub pools_are_on_the_line: bool,
    /// Policy file, laid over the fleet file's policy and never loosening it
    #[arg(long, global = true, value_name = "FILE", env = "RUNNERCTL_POLICY", hide_env = true)]
    pub policy: Option<PathBuf>,
    /// Whether `--policy` stands on the command line, and not only in the environment.
    #[arg(skip)]
    pub policy_is_on_the_line: bool,
    /// Let `exec:` secret references run their commands
    #[arg(long, global = true, env = "RUNNERCTL_ALLOW_EXEC", hide_env = true, value_parser = BoolishValueParser::new())]
    pub allow_exec: bool,
    /// Form of the result
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORM",
        env = "RUNNERCTL_OUTPUT",
        hide_env = true
    )]
    pub output: Output,
    /// When to colour
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
    /// Log what is done to stderr; repeat for more
    #[arg(short, long, global = true, action = clap::ArgAction::Count, env = "RUNNERCTL_VERBOSE", hide_env = true)]
    pub verbose: u8,
}

/// Form of the result on stdout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For a comment on a pull request.
    Markdown,
}

impl Output {
    /// The word that chooses it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Markdown => "markdown",
        }
    }
}

/// When to colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Color {
    /// At a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// The word that chooses it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

// By hand: what clap derives takes the docstrings into `--help`, which then no longer fits a page.
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

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check pool files and fleet file; ask GARM only with --online
    Validate(ValidateArgs),
    /// Show the difference between the files and GARM
    Plan(PlanArgs),
    /// Carry a plan out, after asking
    Apply(ApplyArgs),
    /// Show what the pools are doing
    Status(StatusArgs),
    /// Scale the pools until stopped; serve metrics, send alerts, keep the audit log
    Watch(WatchArgs),
    /// Check the audit log
    Audit(AuditArgs),
    /// Write the pools that nobody owns as YAML that adopts them
    Import,
    /// See the whole thing on a simulated GARM, in seconds
    Demo,
    /// Serve a simulated GARM on this machine, to try every command on
    Sandbox(SandboxArgs),
    /// Print the JSON Schema of the files
    Schema,
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print the manual page
    #[command(hide = true)]
    Man,
    /// Print the reference of the pool files or of the fleet file
    #[command(hide = true)]
    Reference(ReferenceArgs),
}

impl Command {
    /// The word that chooses it, also in JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Validate(_) => "validate",
            Self::Plan(_) => "plan",
            Self::Apply(_) => "apply",
            Self::Status(_) => "status",
            Self::Watch(_) => "watch",
            Self::Audit(_) => "audit",
            Self::Import => "import",
            Self::Demo => "demo",
            Self::Sandbox(_) => "sandbox",
            Self::Schema => "schema",
            Self::Completions(_) => "completions",
            Self::Man => "man",
            Self::Reference(_) => "reference",
        }
    }

    /// The forms of output that it offers; another one is a usage error.
    pub fn offers(&self) -> &'static [Output] {
        match self {
            Self::Validate(_)
            | Self::Status(_)
            | Self::Watch(_)
            | Self::Audit(_)
            | Self::Schema => &[Output::Text, Output::Json],
            Self::Plan(_) | Self::Apply(_) => &[Output::Text, Output::Json, Output::Markdown],
            Self::Import
            | Self::Demo
            | Self::Sandbox(_)
            | Self::Completions(_)
            | Self::Man
            | Self::Reference(_) => &[Output::Text],
        }
    }
}

/// `plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Save the plan, for `apply FILE` to hold the later one against
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Exit 2 when there are changes or blocked steps
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Only this pool; may be repeated. Deletes nothing
    #[arg(long = "target", value_name = "POOL", value_parser = PoolName::new)]
    pub targets: Vec<PoolName>,
}

/// `apply`
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// A plan saved by `plan --out`: carried out only if nothing has changed since
    #[arg(value_name = "PLANFILE")]
    pub plan_file: Option<PathBuf>,
    /// Do not ask. Never implies --allow-destroy
    #[arg(long)]
    pub auto_approve: bool,
    /// Leave to delete and replace pools; `=all` when that is most of the fleet
    #[arg(long, value_name = "all", num_args = 0..=1, require_equals = true, default_missing_value = "", value_parser = destroy)]
    pub allow_destroy: Option<AllowDestroy>,
    /// Pools worked on at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub parallelism: u8,
    /// How long to wait for busy runners of a pool that goes
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = duration::parse)]
    pub drain_timeout: Duration,
    /// Replace idle runners that were made before their pool was changed
    #[arg(long)]
    pub rotate: bool,
    /// Only this pool; may be repeated. Deletes nothing
    #[arg(long = "target", value_name = "POOL", value_parser = PoolName::new)]
    pub targets: Vec<PoolName>,
    /// Where every write is recorded [default: `watch.audit` of the fleet file, then the state folder]
    #[arg(long, value_name = "FILE", conflicts_with = "no_audit")]
    pub audit: Option<PathBuf>,
    /// Record nothing
    #[arg(long)]
    pub no_audit: bool,
}

/// How much `--allow-destroy` allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowDestroy {
    /// Deletes and replaces, unless they are most of the fleet.
    Some,
    /// Any number.
    All,
}

fn destroy(text: &str) -> Result<AllowDestroy, String> {
    match text {
        "" => Ok(AllowDestroy::Some),
        "all" => Ok(AllowDestroy::All),
        _ => Err("write `--allow-destroy` or `--allow-destroy=all`".into()),
    }
}

/// `status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Only these pools
    #[arg(value_name = "POOL")]
    pub only: Vec<String>,
    /// Show every runner, too
    #[arg(long)]
    pub runners: bool,
    /// Show it again and again, until stopped
    #[arg(long)]
    pub follow: bool,
    /// How long between two looks of --follow
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = interval, requires = "follow")]
    pub interval: Duration,
}

fn interval(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(it) if it < Duration::from_secs(1) => Err("the interval is at least 1s".into()),
        Ok(it) => Ok(it),
        Err(error) => Err(error.to_string()),
    }
}

/// `completions`
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// ReferenceFile shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Reads a command line. Errors with what clap has to say, which may also be the help.
pub fn read(line: &[OsString]) -> Result<Cli, clap::Error> {
    let matches = command().try_get_matches_from(line)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    // A global flag may stand before the command or after it. `sandbox` has a `--pools` of its own
    // kind, which is no path and asks for no plan.
    let stands = |it: &clap::ArgMatches, name: &str| {
        matches!(it.try_contains_id(name), Ok(true))
            && it.value_source(name) == Some(ValueSource::CommandLine)
    };
    let below = matches.subcommand().map(|(_, it)| it);
    let is_named = |name| stands(&matches, name) || below.is_some_and(|it| stands(it, name));
    cli.globals.pools_are_on_the_line = is_named("pools");
    cli.globals.policy_is_on_the_line = is_named("policy");
    Ok(cli)
}

/// The whole command line: what clap derives, the table of exit codes in every help, and an
/// empty environment variable read as none.
pub fn command() -> clap::Command {
    let codes = Exit::help_table();
    let mut command = Cli::command().after_help(codes.clone());
    command = command.mut_subcommands(|it| it.after_help(codes.clone()));
    let unset: Vec<clap::Id> = command
        .get_arguments()
        // An empty `RUNNERCTL_POLICY` stays: a policy that was meant to bind would be none.
        .filter(|it| it.get_id() != "policy")
        .filter(|it| it.get_env().and_then(std::env::var_os).is_some_and(|it| it.is_empty()))
        .map(|it| it.get_id().clone())
        .collect();
    for id in unset {
        command = command.mut_arg(id, |it| it.env(clap::builder::Resettable::Reset));
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_finds_no_fault_in_the_command_line() {
        command().debug_assert();
    }

    #[test]
    fn global_flags_stand_before_and_behind_every_command() {
        for command in command().get_subcommands().map(clap::Command::get_name) {
            let last: &[&str] = match command {
                "completions" => &["bash"],
                "reference" => &["pools"],
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
        for arg in command().get_arguments().filter(|it| it.is_global_set()) {
            let flag = arg.get_long().unwrap().to_uppercase().replace('-', "_");
            let variable = arg.get_env().unwrap().to_str().unwrap().to_owned();
            assert_eq!(variable, format!("RUNNERCTL_{flag}"));
        }
    }
}
