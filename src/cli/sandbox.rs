//! `sandbox`: the simulated GARM as a local server, so that every other command can be tried
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
use crate::sim::{InitialLoad, SimConfig, World};

/// `minimum_job_age_backoff` of the fleet file, as every example sets it: GARM leaves scaling to
/// the pool's own policy and stays the safety net.
const BACKOFF: &str = "5m";

/// So many requests, log entries and ended jobs are remembered, for `/_lab`: a sandbox may run for
/// weeks.
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
        ..SimConfig::default()
    };
    let password = config.password.clone();
    let pools = pools_wanted(args.pools.as_deref())?;
    let mut world = World::new(config.clone());
    world.load(InitialLoad { pools, runners: args.runners, jobs: args.jobs });
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
                "A simulated GARM listens on {url} (Ctrl-C ends it).\nTry: runnerctl plan --config {}",
                text::escape(&file.display().to_string())
            ));
        }
        None => cx.print.say(&format!(
            "A simulated GARM listens on {url} (Ctrl-C ends it).\nLog in as `{}` with password `{password}`.",
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

/// The one loopback address behind `listen`. There is nothing worth the name of a password behind
/// it, so no other machine may reach it.
async fn address(listen: &str) -> Result<SocketAddr, Failure> {
    let quoted = text::quote(listen);
    let found: Vec<_> = tokio::net::lookup_host(listen)
        .await
        .map_err(|_| {
            Failure::usage(format!("`--listen {quoted}` is no address with a port"))
                .help("write it like `127.0.0.1:9997`")
        })?
        .collect();
    match found.first() {
        Some(first) if found.iter().all(|it| it.ip().is_loopback()) => Ok(*first),
        Some(_) | None => Err(Failure::usage(format!(
            "`sandbox` listens on loopback addresses only, and {quoted} is none"
        ))
        .help("write it like `127.0.0.1:9997`")),
    }
}

/// Most pools to start with.
const POOLS_MAX: u32 = 100_000;

/// The number of `--pools N`. What `RUNNERCTL_POOLS` says is meant for the other commands.
fn pools_wanted(given: Option<&Path>) -> Result<u32, Failure> {
    let given =
        given.filter(|it| std::env::var_os("RUNNERCTL_POOLS").as_deref() != Some(it.as_os_str()));
    let Some(given) = given else {
        return Ok(0);
    };
    let text = given.to_string_lossy();
    text.parse::<u32>().ok().filter(|it| *it <= POOLS_MAX).ok_or_else(|| {
        Failure::usage(format!("`--pools` of `sandbox` takes a number, not {}", text::quote(&text)))
            .help(format!("write a number up to {POOLS_MAX}"))
    })
}

/// The address as it was given, with the port that was had.
fn with_port(listen: &str, port: u16) -> String {
    let host = listen.rsplit_once(':').map_or(listen, |it| it.0);
    format!("{host}:{port}")
}

/// A number that differs from run to run: the standard library keys its hashers from the
/// operating system.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn password_file(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".password");
    PathBuf::from(name)
}

/// The fleet file: block style, one plain key a line.
fn fleet_file(url: &str, file: &Path, config: &SimConfig) -> String {
    let password = password_file(file);
    let name = password.file_name().map(|it| it.to_string_lossy().into_owned());
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

/// A YAML scalar: plain where that is safe.
fn plain_or_quoted(value: &str) -> String {
    let is_plain = value.chars().all(|it| it.is_ascii_alphanumeric() || "-_./:".contains(it))
        && !value.ends_with(':');
    if is_plain { value.to_owned() } else { serde_json::Value::from(value).to_string() }
}

/// Refuses a fleet file that would be written to a terminal, a pipe or a device: the password's file
/// stands beside it.
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

/// Readable by its owner only, from the first byte on.
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
    fn the_fleet_file_has_one_plain_key_a_line() {
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
    fn pools_to_start_with_are_a_number() {
        assert_eq!(pools_wanted(None), Ok(0));
        assert_eq!(pools_wanted(Some(Path::new("12"))), Ok(12));
        let failure = pools_wanted(Some(Path::new("pools/"))).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
    }

    #[test]
    fn the_address_stays_as_given_but_for_the_port() {
        assert_eq!(with_port("127.0.0.1:0", 4321), "127.0.0.1:4321");
        assert_eq!(with_port("[::1]:80", 80), "[::1]:80");
        assert_eq!(with_port("localhost:80", 80), "localhost:80");
    }
}
