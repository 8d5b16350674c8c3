//! The parts that all GARMs share: the listener, the metrics and the receivers of alerts.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;

use super::WatchArgs;
use super::alerting::receivers;
use super::leadership::ElectionParts;
use super::setup::{self, DaemonConfig};
use crate::cli::context::{Context, RunSettings};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::log::LogLine;
use crate::config::WatchSettings;
use crate::domain::name::GarmName;
use crate::domain::poison::IgnorePoison;
use crate::host::state_dir::actor;
use crate::metrics::{Certificates, ProcessMetrics, bind};
use crate::notify::ReceiverEndpoint;
use crate::reconcile::watch::{RunMode, Writes};
use crate::render::words::count;

/// The opened parts of the process.
pub(super) struct ProcessParts {
    /// The global options of the command line.
    pub(super) run: RunSettings,
    /// The GARMs that `--garm` names; all if it is empty.
    pub(super) selected: Vec<GarmName>,
    pub(super) course: RunMode,
    pub(super) writes: Writes,
    /// The digest of the files just before they were read.
    pub(super) digest: [u8; 32],
    pub(super) metrics: Arc<ProcessMetrics>,
    /// Where the pages are served, if they are.
    address: Option<SocketAddr>,
    pub(super) certificates: Option<Arc<Certificates>>,
    /// The receivers of alerts, with their secrets resolved; a reload replaces them.
    receivers: Mutex<Vec<ReceiverEndpoint>>,
    /// The URL of the status page, which alerts link to; empty where no pages are served.
    page: String,
    /// Absent without `watch.leader`, and in a dry run.
    pub(super) election: Option<ElectionParts>,
}

/// The parts of the process, and what is done with them.
pub(super) struct OpenedProcess {
    pub(super) parts: Arc<ProcessParts>,
    pub(super) listener: Option<TcpListener>,
    /// The configuration of each GARM; at least one.
    pub(super) garms: Vec<DaemonConfig>,
}

/// Reads the files and opens the shared parts. Binds the address first, so that a second `watch` on
/// it changes nothing.
pub(super) async fn open(args: &WatchArgs, cx: Context<'_>) -> Result<OpenedProcess, Failure> {
    let digest = setup::digest(cx.settings);
    let garms = DaemonConfig::load(&args.garm.names, cx)?;
    let keeps_groups = args.writes() == Writes::Sent && args.course() != RunMode::Release;
    if let Some(partial) = setup::partial_group(&garms).filter(|_| keeps_groups) {
        return Err(Failure::usage(partial.message).help(partial.help));
    }
    let first = garms.first().expect("`load` returns at least one");
    let listener = listen(args, &first.watch).await?;
    let certificates = match &first.watch.tls {
        Some(files) => Some(Arc::new(Certificates::read(files)?)),
        None => None,
    };
    let allowed = first.allowed(cx.settings);
    let receivers = receivers(first, &allowed).await?;
    let election = match args.writes() {
        Writes::Sent => ElectionParts::open(&garms, args.course(), &allowed)?,
        Writes::Withheld => None,
    };
    let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
    let page = address.map_or_else(String::new, |address| page(address, certificates.is_some()));
    let parts = ProcessParts {
        run: cx.settings.clone(),
        selected: args.garm.names.clone(),
        course: args.course(),
        writes: args.writes(),
        digest,
        metrics: Arc::new(ProcessMetrics::new(first.file.fleet.to_string())),
        address,
        certificates,
        receivers: Mutex::new(receivers),
        page,
        election,
    };
    if first.garm.is_some() {
        parts.log_garms(&garms);
        parts.log_listener();
        parts.log_files(first);
    }
    Ok(OpenedProcess { parts: Arc::new(parts), listener, garms })
}

/// Binds the address. `--once` and `--release` end before a client could connect, and may run
/// beside a `watch` that has bound it, so they listen only with `--listen`.
async fn listen(args: &WatchArgs, watch: &WatchSettings) -> Result<Option<TcpListener>, Failure> {
    let address = match (args.listen, args.course()) {
        (Some(address), _) => address,
        (None, RunMode::Steady) => watch.listen,
        (None, RunMode::Once | RunMode::Release) => return Ok(None),
    };
    bind(address)
        .await
        .map(Some)
        .map_err(|error| Failure::new(Exit::Failed, error.to_string()).help(error.help))
}

/// The URL of the status page.
fn page(address: SocketAddr, is_tls: bool) -> String {
    let scheme = if is_tls { "https" } else { "http" };
    match address.ip().is_unspecified() {
        true => format!("{scheme}://{}:{}/", actor().host, address.port()),
        false => format!("{scheme}://{address}/"),
    }
}

impl ProcessParts {
    /// The URL of the status page of a GARM; empty where no pages are served.
    pub(super) fn page_of(&self, garm: Option<&GarmName>) -> String {
        match garm {
            Some(garm) if !self.page.is_empty() => format!("{}garms/{garm}", self.page),
            Some(_) | None => self.page.clone(),
        }
    }

    pub(super) fn receivers(&self) -> Vec<ReceiverEndpoint> {
        self.receivers.lock().ignoring_poison().clone()
    }

    pub(super) fn set_receivers(&self, receivers: Vec<ReceiverEndpoint>) {
        *self.receivers.lock().ignoring_poison() = receivers;
    }

    fn log_garms(&self, garms: &[DaemonConfig]) {
        let pools: usize = garms.iter().map(|garm| garm.pools.len()).sum();
        let fleet = &garms[0].file.fleet;
        let (garms, pools) = (count(garms.len(), "GARM"), count(pools, "pool"));
        let version = env!("CARGO_PKG_VERSION");
        let text = format!("runnerctl {version}: fleet `{fleet}` has {garms} with {pools}");
        LogLine::info("start", text).emit();
    }

    /// Warns about what concerns all GARMs.
    pub(super) fn log_files(&self, setup: &DaemonConfig) {
        if setup.file.receivers.is_empty() && self.course == RunMode::Steady {
            LogLine::warn("start", "alerts are not sent, since the fleet file has no receivers")
                .help("add one under `receivers` in the fleet file")
                .emit();
        }
        if setup.warnings > 0 {
            let text = count(setup.warnings, "warning");
            LogLine::warn("start", format!("{text} about the files"))
                .help("run `runnerctl validate` to see them")
                .emit();
        }
    }

    /// Logs where the pages are served.
    pub(super) fn log_listener(&self) {
        let Some(address) = self.address else { return };
        let scheme = if self.certificates.is_some() { "https" } else { "http" };
        LogLine::info(
            "start",
            format!(
                "serves the status page at {scheme}://{address}/, and /metrics /healthz /readyz \
                 /decisions"
            ),
        )
        .emit();
        if !address.ip().is_loopback() && self.certificates.is_none() {
            let text = "other machines can read metrics and decisions without a certificate";
            LogLine::warn("start", text).help("add `watch.tls`, or listen on 127.0.0.1").emit();
        }
    }
}
