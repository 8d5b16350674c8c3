//! The commands and their arguments.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use url::Url;

use super::init::InitArgs;
use super::schema::SchemaArgs;
use super::{AuditArgs, GarmArgs, OneGarmArgs, Output};
use crate::domain::duration;
use crate::domain::name::PoolName;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write the files of a new fleet; ask GARM and the user for missing values
    Init(InitArgs),
    /// Check the pool files and the fleet file; with --online also against GARM
    Validate(ValidateArgs),
    /// Show the difference between the files and GARM
    Plan(PlanArgs),
    /// Show a plan that `plan --out` has saved
    Show(SavedPlanArgs),
    /// Apply the planned changes after confirmation
    Apply(ApplyArgs),
    /// Show the state of the pools
    Status(StatusArgs),
    /// Scale the pools until stopped; serve metrics, send alerts, keep the audit log
    Watch(WatchArgs),
    /// Ask a running `watch` whether it is healthy, for a container or a script
    Healthcheck(HealthcheckArgs),
    /// Show or verify the audit log
    Audit(AuditArgs),
    /// Print unmanaged pools as YAML with `adopt`
    Import(ImportArgs),
    /// Run a demonstration on a simulated GARM, in seconds
    Demo,
    /// Serve a simulated GARM on this machine for trying out the commands
    Sandbox(SandboxArgs),
    /// Explain a pool field or a key of the fleet file
    Explain(ExplainArgs),
    /// Print the JSON Schema of a file or of a JSON output
    Schema(SchemaArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print the version
    Version,
    /// Print the names that may end a command line, for the completion scripts
    #[command(hide = true)]
    Complete(CompleteArgs),
    /// List the exit codes
    #[command(hide = true)]
    ExitCodes,
    /// Print the manual page
    #[command(hide = true)]
    Man,
    /// Print the reference of the pool files or of the fleet file
    #[command(hide = true)]
    Reference(ReferenceArgs),
}

impl Command {
    /// The name of the command, on the command line and in JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Init(_) => "init",
            Self::Validate(_) => "validate",
            Self::Plan(_) => "plan",
            Self::Show(_) => "show",
            Self::Apply(_) => "apply",
            Self::Status(_) => "status",
            Self::Watch(_) => "watch",
            Self::Healthcheck(_) => "healthcheck",
            Self::Audit(_) => "audit",
            Self::Import(_) => "import",
            Self::Demo => "demo",
            Self::Sandbox(_) => "sandbox",
            Self::Explain(_) => "explain",
            Self::Schema(_) => "schema",
            Self::Completions(_) => "completions",
            Self::Version => "version",
            Self::Complete(_) => "complete",
            Self::ExitCodes => "exit-codes",
            Self::Man => "man",
            Self::Reference(_) => "reference",
        }
    }

    /// The output formats of the command; any other is a usage error.
    pub fn offers(&self) -> &'static [Output] {
        match self {
            Self::Validate(_)
            | Self::Status(_)
            | Self::Watch(_)
            | Self::Audit(_)
            | Self::Explain(_)
            | Self::Schema(_)
            | Self::Version => &[Output::Text, Output::Json],
            Self::Plan(_) | Self::Show(_) | Self::Apply(_) => {
                &[Output::Text, Output::Json, Output::Markdown]
            }
            Self::Init(_)
            | Self::Healthcheck(_)
            | Self::Import(_)
            | Self::Demo
            | Self::Sandbox(_)
            | Self::Complete(_)
            | Self::Completions(_)
            | Self::ExitCodes
            | Self::Man
            | Self::Reference(_) => &[Output::Text],
        }
    }
}

#[derive(Debug, Args)]
pub struct CompleteArgs {
    /// Words of the line after the program, up to the one to complete
    #[arg(value_name = "WORD", last = true)]
    pub words: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Pool field, such as `scale_up_delay`; key of the fleet file, such as `watch.listen`; or
    /// `pool` or `fleet` for all of them
    #[arg(value_name = "KEY")]
    pub key: String,
}

#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Save the plan for `apply FILE`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Exit with code 2 if there are changes or blocked steps
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Plan only for this pool; repeatable. Deletes no pool
    #[arg(long = "target", value_name = "POOL", value_parser = PoolName::new)]
    pub targets: Vec<PoolName>,
    /// Also show what has changed in the files since this git revision and is not stored in GARM
    #[arg(long, value_name = "REV")]
    pub policy_since: Option<String>,
    #[command(flatten)]
    pub garm: GarmArgs,
}

#[derive(Debug, Args)]
pub struct ImportArgs {
    #[command(flatten)]
    pub garm: OneGarmArgs,
}

#[derive(Debug, Args)]
pub struct SavedPlanArgs {
    /// Plan saved by `plan --out`
    #[arg(value_name = "PLANFILE")]
    pub plan_file: PathBuf,
}

#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// Plan saved by `plan --out`; refused if anything has changed since
    #[arg(value_name = "PLANFILE")]
    pub plan_file: Option<PathBuf>,
    /// Skip the confirmation. Does not imply --allow-destroy
    #[arg(long)]
    pub auto_approve: bool,
    /// Allow deleting and replacing pools; `=all` if more than half of the fleet
    #[arg(long, value_name = "all", num_args = 0..=1, require_equals = true, default_missing_value = "", value_parser = destroy)]
    pub allow_destroy: Option<AllowDestroy>,
    /// Number of pools changed at the same time at one GARM
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub parallelism: u8,
    /// How long to wait for the busy runners of a pool to be deleted
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = duration::parse)]
    pub drain_timeout: Duration,
    /// Replace idle runners that were created before their pool was changed
    #[arg(long)]
    pub rotate: bool,
    /// Plan only for this pool; repeatable. Deletes no pool
    #[arg(long = "target", value_name = "POOL", value_parser = PoolName::new)]
    pub targets: Vec<PoolName>,
    /// Audit log file [default: `watch.audit` of the fleet file, else in the state folder]
    #[arg(long, value_name = "FILE", conflicts_with = "no_audit")]
    pub audit: Option<PathBuf>,
    /// Do not write an audit log
    #[arg(long)]
    pub no_audit: bool,
    #[command(flatten)]
    pub garm: GarmArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowDestroy {
    /// Deletions and replacements of at most half of the fleet.
    Some,
    /// Any number of deletions and replacements.
    All,
}

fn destroy(text: &str) -> Result<AllowDestroy, String> {
    match text {
        "" => Ok(AllowDestroy::Some),
        "all" => Ok(AllowDestroy::All),
        _ => Err("write `--allow-destroy` or `--allow-destroy=all`".into()),
    }
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Show only these pools
    #[arg(value_name = "POOL")]
    pub only: Vec<String>,
    /// Also show each runner
    #[arg(long)]
    pub runners: bool,
    /// Also show each queued job and why it waits
    #[arg(long)]
    pub jobs: bool,
    /// Refresh until stopped
    #[arg(long)]
    pub follow: bool,
    /// Time between two refreshes of --follow
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = interval, requires = "follow")]
    pub interval: Duration,
    #[command(flatten)]
    pub garm: GarmArgs,
}

fn interval(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(interval) if interval < Duration::from_secs(1) => {
            Err("the shortest interval is 1s".into())
        }
        Ok(interval) => Ok(interval),
        Err(error) => Err(error.to_string()),
    }
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Shell to complete for
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Pool files or folders to check instead of --pools
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Also check against GARM: providers, entities, templates, live pools, and whether mTLS is
    /// enforced
    #[arg(long)]
    pub online: bool,
    /// Treat warnings as errors
    #[arg(long)]
    pub strict: bool,
    #[command(flatten)]
    pub garm: GarmArgs,
}

#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Address for status page, metrics, health and decisions [default: `watch.listen` of the fleet file]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Log decisions without writing to GARM
    #[arg(long)]
    pub dry_run: bool,
    /// Read, decide and write once; end when the requested runners have been created
    #[arg(long, conflicts_with = "release")]
    pub once: bool,
    /// Lower every raised level to its floor and end
    #[arg(long)]
    pub release: bool,
    #[command(flatten)]
    pub garm: GarmArgs,
}

#[derive(Debug, Args)]
pub struct HealthcheckArgs {
    /// `http://HOST:PORT` or `https://HOST:PORT` [default: `watch.listen` of the fleet file]
    #[arg(long, value_name = "URL", value_parser = Url::parse)]
    pub url: Option<Url>,
}

#[derive(Debug, Args)]
pub struct SandboxArgs {
    /// Loopback address to listen on; port 0 selects a free port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9997")]
    pub listen: String,
    /// Write a fleet file that connects to the sandbox, and FILE.password beside it
    #[arg(long, value_name = "FILE")]
    pub write_config: Option<PathBuf>,
    // The global `--pools PATH` has the same name, and clap keeps one type per name: `pools_wanted`
    // parses the number.
    /// Number of pools to start with, as if created by hand
    #[arg(long, value_name = "N")]
    pub pools: Option<PathBuf>,
    /// Number of idle runners to start with in these pools
    #[arg(long, value_name = "N", default_value_t = 0, requires = "pools", value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub runners: u32,
    /// Number of jobs to start with that wait for these pools and are not assigned
    #[arg(long, value_name = "N", default_value_t = 0, requires = "pools", value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub jobs: u32,
    /// Number of scale sets to start with, as if created by hand
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub scale_sets: u32,
    /// Rate of new jobs for the existing pools and scale sets: `30/m`, `2/s`, `100/h`
    #[arg(long, value_name = "RATE", value_parser = pause)]
    pub arrivals: Option<Duration>,
}

/// The pause between two jobs at a rate such as `30/m`, of at most 1000 jobs per second.
fn pause(rate: &str) -> Result<Duration, String> {
    let hint = || "write a number and s, m or h, like `30/m`".to_owned();
    let (count, unit) = rate.split_once('/').ok_or_else(hint)?;
    let count: u32 = count.parse().ok().filter(|count| *count > 0).ok_or_else(hint)?;
    let unit = match unit {
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3600),
        _ => return Err(hint()),
    };
    let pause = unit / count;
    if pause < Duration::from_millis(1) {
        return Err("the highest rate is 1000 jobs a second".into());
    }
    Ok(pause)
}

#[derive(Debug, Args)]
pub struct ReferenceArgs {
    /// File to describe
    #[arg(value_enum)]
    pub file: ReferenceFile,
}

/// The files that `reference` documents.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum ReferenceFile {
    Pools,
    Fleet,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_over_a_unit() {
        assert_eq!(pause("30/m"), Ok(Duration::from_secs(2)));
        assert_eq!(pause("2/s"), Ok(Duration::from_millis(500)));
        for bad in ["", "30", "0/m", "30/d", "-1/m", "2000/s"] {
            assert!(pause(bad).is_err(), "{bad}");
        }
    }
}
