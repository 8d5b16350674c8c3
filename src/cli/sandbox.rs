//! `sandbox`: serves the simulated GARM on this machine, so that every other command can be tried
//! without a GARM.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tracing::info;

use super::args::SandboxArgs;
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use crate::domain::text;
use crate::host;
use crate::host::atomic_write::{WriteTarget, end_of};
use crate::host::clock::Clock;
use crate::host::signals::{Signal, Signals};
use crate::render::words::count;
use crate::sim::http::SimServer;
use crate::sim::{InitialLoad, Knobs, SimConfig, World};

/// `minimum_job_age_backoff` in the written fleet file, as in every example: `watch` scales by the
/// pools' policies, and GARM's own scaling is the safety net.
const BACKOFF: &str = "5m";

/// Fraction of scale sets whose first burst of jobs GARM leaves without a runner, as measured.
const STALL_RATE: f64 = 0.07;

/// The largest number each of requests, log entries and ended jobs that are kept for `/_lab`: a
/// sandbox may run for weeks.
const HISTORY: usize = 10_000;

/// Serves the simulated GARM until a signal.
pub async fn run(args: &SandboxArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    let address = address(&args.listen).await?;
    if let Some(file) = &args.write_config {
        check_files(file)?;
    }
    let mut signals = Signals::catch().context("cannot catch signals")?;
    let config = SimConfig {
        seed: random(),
        start: Clock::Real.now(),
        history: HISTORY,
        password: format!("{:016x}{:016x}", random(), random()),
        knobs: Knobs { first_burst_stall_rate: STALL_RATE, ..Knobs::default() },
        ..SimConfig::default()
    };
    let password = config.password.clone();
    let pools = pools_wanted(args.pools.as_deref())?;
    let mut world = World::new(config.clone());
    world.load(InitialLoad {
        pools,
        runners: args.runners,
        jobs: args.jobs,
        scale_sets: args.scale_sets,
    });
    if let Some(every) = args.arrivals {
        world.keep_arriving(every);
    }
    let server = SimServer::bind(address, world, 1)
        .await
        .with_context(|| format!("cannot listen on {}", text::quote(&args.listen)))?;
    info!(event = "step", "the simulated GARM has {}", count(pools as usize, "pool"));
    let url = format!("http://{}", with_port(&args.listen, server.address().port()));
    match &args.write_config {
        Some(file) => {
            write_password(&password_file(file), &password)?;
            write_config(file, &fleet_file(&url, file, &config))?;
            cx.print.say(&format!(
                "A simulated GARM listens on {url}; press Ctrl-C to stop it.\nTry: runnerctl plan --config {}",
                text::escape(&file.display().to_string())
            ));
        }
        None => cx.print.say(&format!(
            "A simulated GARM listens on {url}; press Ctrl-C to stop it.\nLog in as `{}` with the password `{password}`.",
            config.username
        )),
    }
    let mut ended = Signal::Terminate;
    server.serve(async { ended = signals.next().await }).await;
    Ok(match ended {
        Signal::Interrupt => Exit::Interrupted,
        Signal::Terminate => Exit::Terminated,
    })
}

/// Resolves `listen` to a loopback address. Other addresses are refused: `/_lab` needs no password,
/// so other machines must not reach it.
async fn address(listen: &str) -> Result<SocketAddr, Failure> {
    let quoted = text::quote(listen);
    let found: Vec<_> = tokio::net::lookup_host(listen)
        .await
        .map_err(|_| {
            Failure::usage(format!("invalid address `{quoted}` for `--listen`"))
                .help("write it like `127.0.0.1:9997`")
        })?
        .collect();
    match found.first() {
        Some(first) if found.iter().all(|address| address.ip().is_loopback()) => Ok(*first),
        Some(_) | None => Err(Failure::usage(format!(
            "`sandbox` listens on loopback addresses only, not on {quoted}"
        ))
        .help("write it like `127.0.0.1:9997`")),
    }
}

/// The largest number that `--pools` accepts.
const POOLS_MAX: u32 = 100_000;

/// The number of `--pools N`. `RUNNERCTL_POOLS` is for the other commands and is ignored.
fn pools_wanted(given: Option<&Path>) -> Result<u32, Failure> {
    let given = given.filter(|number| {
        std::env::var_os("RUNNERCTL_POOLS").as_deref() != Some(number.as_os_str())
    });
    let Some(given) = given else {
        return Ok(0);
    };
    let text = given.to_string_lossy();
    text.parse::<u32>().ok().filter(|number| *number <= POOLS_MAX).ok_or_else(|| {
        Failure::usage(format!("`--pools` of `sandbox` takes a number, not {}", text::quote(&text)))
            .help(format!("write a number up to {POOLS_MAX}"))
    })
}

/// The address as given, with the port that was bound.
fn with_port(listen: &str, port: u16) -> String {
    let host = listen.rsplit_once(':').map_or(listen, |split| split.0);
    format!("{host}:{port}")
}

/// A number that differs from run to run: the standard library seeds its hashers from the operating
/// system's random numbers.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn password_file(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".password");
    PathBuf::from(name)
}

/// The text of the fleet file.
fn fleet_file(url: &str, file: &Path, config: &SimConfig) -> String {
    let password = password_file(file);
    let name = password.file_name().map(|name| name.to_string_lossy().into_owned());
    let reference = format!("file:{}", name.unwrap_or_default());
    let organization = config.organizations.first().map_or("", String::as_str);
    let provider = config.providers.first().map_or("", String::as_str);
    format!(
        "# Written by `runnerctl sandbox`; connects to the simulated GARM for as long as it runs.\n\
         fleet: sandbox\n\
         garm:\n  url: {url}\n  username: {}\n  password: {}\n\
         controller:\n  minimum_job_age_backoff: {BACKOFF}\n\
         defaults:\n  organization: {organization}\n  provider: {provider}\n  image: ubuntu-24.04\n\
         watch:\n  listen: 127.0.0.1:9477\n",
        config.username,
        plain_or_quoted(&reference),
    )
}

/// A YAML scalar, plain if that is safe, else quoted.
fn plain_or_quoted(value: &str) -> String {
    let is_plain = value.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:".contains(c))
        && !value.ends_with(':');
    if is_plain { value.to_owned() } else { serde_json::Value::from(value).to_string() }
}

/// Fails (64) if the fleet file is a terminal, a pipe or a device: the password is written to a
/// file beside it.
fn check_files(file: &Path) -> Result<(), Failure> {
    for path in [file, &password_file(file)] {
        let quoted = text::quote(&path.display().to_string());
        match end_of(path).with_context(|| format!("cannot write {quoted}"))? {
            WriteTarget::File(_) => {}
            WriteTarget::Stream(_) => {
                return Err(Failure::usage(format!("`--write-config` cannot write to {quoted}"))
                    .help("name a file: the password is written to FILE.password beside it"));
            }
        }
    }
    Ok(())
}

/// Writes a file that is readable by its owner only from the first byte on.
fn write_password(file: &Path, password: &str) -> anyhow::Result<()> {
    replace(file, &format!("{password}\n"), 0o600)
}

fn write_config(file: &Path, text: &str) -> anyhow::Result<()> {
    replace(file, text, 0o644)
}

fn replace(file: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    host::atomic_write::replace(file, text, mode)
        .with_context(|| format!("cannot write {}", text::quote(&file.display().to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fleet_file_has_one_plain_key_per_line() {
        let config = SimConfig::default();
        let text = fleet_file("http://127.0.0.1:9997", Path::new("x/rc.yaml"), &config);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_strange_file_name_is_quoted() {
        let config = SimConfig::default();
        let text = fleet_file("http://127.0.0.1:9997", Path::new("x/r c#.yaml"), &config);
        assert!(text.contains("\n  password: \"file:r c#.yaml.password\"\n"), "{text}");
    }

    #[test]
    fn the_pools_to_start_with_are_a_number() {
        assert_eq!(pools_wanted(None), Ok(0));
        assert_eq!(pools_wanted(Some(Path::new("12"))), Ok(12));
        let failure = pools_wanted(Some(Path::new("pools/"))).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
    }

    #[test]
    fn the_printed_address_differs_from_the_given_one_only_in_the_port() {
        assert_eq!(with_port("127.0.0.1:0", 4321), "127.0.0.1:4321");
        assert_eq!(with_port("[::1]:80", 80), "[::1]:80");
        assert_eq!(with_port("localhost:80", 80), "localhost:80");
    }
}
