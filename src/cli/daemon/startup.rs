//! Prepares the service of one GARM. Finds every problem with certificate, secrets and audit file
//! before the loop makes its first request to GARM.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tracing::Level;

use super::alerting::{AlertInputs, AlertWiring, Alerting};
use super::anchoring::AnchorSchedule;
use super::audit_feed::{AuditFeed, AuditFeedContext, AuditHeadTask};
use super::compliance::ComplianceReport;
use super::drift::DriftDetector;
use super::leadership::Leadership;
use super::process::ProcessParts;
use super::setup::DaemonConfig;
use crate::cli::audit_log::{self, AuditFileSettings};
use crate::cli::connect::{ENCRYPT, RENEW, connect_through, expect, expiry, unencrypted};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::log::LogLine;
use crate::cli::require_mtls;
use crate::config::WatchSettings;
use crate::election::LINGER;
use crate::garm::http::Timeouts;
use crate::garm::{GarmClient, Http, Transport, tls};
use crate::host::audit_destination::AuditDestination;
use crate::host::audit_sink::RecordPolicy;
use crate::host::clock::Clock;
use crate::metrics::{Counter, HealthLimits, InstrumentedTransport, MetricsState};
use crate::monitor;
use crate::notify::Attachment;
use crate::reconcile::leadership::{Fence, FencedTransport};
use crate::reconcile::watch::{LoopSettings, RunMode, WatchCommand, Writes};
use crate::render::words::count;
use crate::secrets;

/// The largest number of commands that may wait for the loop, which takes all of them at each turn.
const ORDERS_MAX: usize = 8;

/// The opened parts of the service of one GARM.
pub(super) struct DaemonParts {
    pub(super) process: Arc<ProcessParts>,
    pub(super) setup: DaemonConfig,
    pub(super) drifts: DriftDetector,
    pub(super) settings: LoopSettings,
    pub(super) metrics: Arc<MetricsState>,
    pub(super) client: Arc<GarmClient>,
    /// The client's transport, into which renewed certificates are loaded.
    pub(super) http: Arc<Http>,
    pub(super) destination: AuditDestination,
    pub(super) records: AuditFeed,
    /// The task that reports and anchors the head of the audit log; taken by the service.
    pub(super) work: Option<AuditHeadTask>,
    /// Sends commands to the loop.
    pub(super) orders: mpsc::Sender<WatchCommand>,
    /// Receives the commands; taken by the service for the loop.
    pub(super) taken: Option<mpsc::Receiver<WatchCommand>>,
    pub(super) alerting: Arc<Alerting>,
    pub(super) alert_inputs: Arc<AlertInputs>,
    pub(super) compliance: Arc<ComplianceReport>,
    /// Absent without `watch.leader`, and in a dry run.
    pub(super) leadership: Option<Leadership>,
}

/// Opens all parts. `metrics` are those of this GARM.
pub(super) async fn open(
    setup: DaemonConfig,
    (process, metrics): (&Arc<ProcessParts>, Arc<MetricsState>),
    cx: Context<'_>,
) -> Result<DaemonParts, Failure> {
    let (course, writes) = (process.course, process.writes);
    let drifts = DriftDetector::new(&setup);
    let destination = destination(writes, &setup, cx).await?;
    let allowed = setup.allowed(cx.settings);
    let mut leadership = Leadership::open(&setup, process.election.as_ref())?;
    let fence = leadership.as_ref().map(|leadership| leadership.fence.clone());
    let (client, http) = client(&setup, cx, (&metrics, fence.clone()))?;
    require_proof((course, writes), &setup, &client).await?;
    let page = process.page_of(setup.garm.as_ref());
    let wiring = AlertWiring { page, ..wiring(&setup, &metrics) };
    let (orders, taken) = mpsc::channel(ORDERS_MAX);
    let (records, destination, work) =
        record(destination, (&setup, &allowed), &wiring, (orders.clone(), fence)).await?;
    let alert_inputs = Arc::clone(&wiring.alert_inputs);
    let alerting = Alerting::start(&setup, process.receivers(), wiring)?;
    let settings = LoopSettings { resync: setup.watch.resync, course, writes };
    let compliance = Arc::new(ComplianceReport::new(&setup));
    if let Some(leadership) = &mut leadership {
        leadership.start(records.clone());
        if course != RunMode::Steady {
            leadership.lead().await?;
        }
    }
    let opened = DaemonParts {
        process: Arc::clone(process),
        setup,
        drifts,
        settings,
        metrics,
        client,
        http,
        destination,
        records,
        work,
        orders,
        taken: Some(taken),
        alerting: Arc::new(alerting),
        alert_inputs,
        compliance,
        leadership,
    };
    opened.log_start();
    Ok(opened)
}

/// The client of GARM: counted, and fenced where only the leader writes.
fn client(
    setup: &DaemonConfig,
    cx: Context<'_>,
    (metrics, fence): (&Arc<MetricsState>, Option<Fence>),
) -> Result<(Arc<GarmClient>, Arc<Http>), Failure> {
    let metrics = Arc::clone(metrics);
    let mut timeouts = Timeouts::default();
    if fence.is_some() {
        timeouts.unacknowledged = LINGER;
    }
    let wrap = |inner| {
        let counted: Arc<dyn Transport> = Arc::new(InstrumentedTransport::new(inner, metrics));
        match fence {
            Some(fence) => Arc::new(FencedTransport::new(counted, fence)),
            None => counted,
        }
    };
    let connected = connect_through(&setup.file, setup.base.clone(), cx, (timeouts, wrap))?;
    expect(&connected.0, &setup.pools);
    Ok(connected)
}

/// What the alerts and the audit feed share.
fn wiring(setup: &DaemonConfig, metrics: &Arc<MetricsState>) -> AlertWiring {
    let alert_inputs = Arc::new(AlertInputs::new());
    let expires_at = client_cert(setup);
    alert_inputs.note_client_cert(expires_at);
    metrics.process(|process| process.client_cert_expires_at = expires_at);
    let metrics = Arc::clone(metrics);
    AlertWiring { metrics, alert_inputs, attachment: Attachment::default(), page: String::new() }
}

/// Opens the audit feed and the anchor of the audit log.
async fn record(
    destination: AuditDestination,
    (setup, allowed): (&DaemonConfig, &secrets::ResolveOptions),
    wiring: &AlertWiring,
    (orders, fence): (mpsc::Sender<WatchCommand>, Option<Fence>),
) -> Result<(AuditFeed, AuditDestination, Option<AuditHeadTask>), Failure> {
    let context = AuditFeedContext {
        metrics: Arc::clone(&wiring.metrics),
        alert_inputs: Arc::clone(&wiring.alert_inputs),
        record_policy: if setup.watch.audit_required {
            RecordPolicy::Required
        } else {
            RecordPolicy::BestEffort
        },
        commands: orders,
        fence,
    };
    let (records, destination, mut work) =
        AuditFeed::open(destination, &setup.file.fleet, context)?;
    if let Some(work) = &mut work {
        work.anchor = AnchorSchedule::open(setup, &destination, allowed, wiring.clone()).await?;
    }
    Ok((records, destination, work))
}

/// Probes mTLS before a `--once` that writes, since it would end before the first scheduled round.
async fn require_proof(
    mode: (RunMode, Writes),
    setup: &DaemonConfig,
    client: &GarmClient,
) -> Result<(), Failure> {
    if mode == (RunMode::Once, Writes::Sent) && setup.file.policy.require_mtls {
        let controller = client.controller().await?.0;
        require_mtls::check(require_mtls::probes(&setup.file, &controller).await?.as_deref())?;
    }
    Ok(())
}

/// Metrics without pools, with the counters that exist from the start.
pub(super) fn empty_board(watch: &WatchSettings) -> Arc<MetricsState> {
    let metrics = Arc::new(MetricsState::new(HealthLimits::of(watch.resync)));
    // Declared at 0, so that the first finding is an increase, which raises an alert.
    let violation =
        |kind: monitor::FindingKind| Counter::EphemeralViolation { reason: kind.word() };
    metrics.declare(monitor::FindingKind::ALL.map(violation));
    metrics
}

/// Opens the audit file. A `watch` that does not write to GARM records nothing: the file belongs to
/// the one that does.
async fn destination(
    writes: Writes,
    setup: &DaemonConfig,
    cx: Context<'_>,
) -> Result<AuditDestination, Failure> {
    match writes {
        Writes::Withheld => Ok(AuditDestination::Off),
        Writes::Sent => {
            let named = AuditFileSettings {
                path: setup.watch.audit.clone(),
                garm: setup.garm.as_ref(),
                key: setup.watch.audit_key.as_ref(),
                previous_keys: &setup.watch.previous_audit_keys,
                rotation: setup.watch.audit_rotate,
                help: "name another file with `watch.audit` in the fleet file",
            };
            audit_log::open(named, setup.base.clone(), cx).await
        }
    }
}

/// When the client certificate for GARM expires; absent without one.
pub(super) fn client_cert(setup: &DaemonConfig) -> Option<Timestamp> {
    let client = setup.file.garm.tls.as_ref()?.client.as_ref()?;
    tls::holds_until(&client.cert)
}

impl DaemonParts {
    /// Logs what the service is about to do, and warnings about its configuration.
    fn log_start(&self) {
        let say = |level, text: String| LogLine::new(level, "start", text).emit();
        let file = &self.setup.file;
        let what = match self.settings.course {
            RunMode::Steady => "watches",
            RunMode::Once => "reads and scales once",
            RunMode::Release => "lowers the levels of",
        };
        say(
            Level::INFO,
            format!(
                "runnerctl {} {what} fleet `{}` on {}, declared in {}: {}",
                env!("CARGO_PKG_VERSION"),
                file.fleet,
                self.client.address(),
                file.path,
                self.pools()
            ),
        );
        if self.setup.garm.is_none() {
            self.process.log_listener();
        }
        if let AuditDestination::Sink(sink) = &self.destination
            && !sink.is_unwritable()
        {
            let path = sink.audit_file().path().display();
            say(Level::INFO, format!("records every write and every runner in {path}"));
        }
        if self.settings.writes == Writes::Withheld {
            say(Level::WARN, "writes nothing to GARM (`--dry-run`)".into());
        }
        if let Some(text) = unencrypted(file) {
            LogLine::warn("start", text).help(ENCRYPT).emit();
        }
        if let Some(expiry) = expiry(file, Clock::Real.now()) {
            LogLine::warn("start", expiry).help(RENEW).emit();
        }
        if self.setup.garm.is_none() {
            self.process.log_files(&self.setup);
        }
    }

    fn pools(&self) -> String {
        let pools = &self.setup.pools;
        let scaled =
            pools.iter().filter(|pool| pool.may_be_enabled() && pool.scale.autoscale).count();
        match pools.len() - scaled {
            0 => format!("scales {}", count(scaled, "pool")),
            rest => format!("scales {}, leaves {rest} to GARM", count(scaled, "pool")),
        }
    }
}
