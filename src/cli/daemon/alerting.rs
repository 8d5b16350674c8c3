//! Evaluates the alert rules once a second while the loop runs, and notifies the receivers.

mod handover;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;

use crate::cli::log::{LogFields, LogLine};
use crate::domain::poison::IgnorePoison;
use tracing::Level;

use super::setup::DaemonConfig;
use crate::cli::failure::Failure;
use crate::config::{AlertSeries, Receiver, ReceiverKind, WebhookUrl};
use crate::domain::name::{GarmName, PoolName};
use crate::domain::text::code;
use crate::host::clock::Clock;
use crate::metrics::{Counter, MetricsState, PoolGauges, Snapshot};
use crate::monitor::{
    AlertRules, AlertStatus, AlertTransition, RollingCount, SeriesValue, SeriesValues,
};
use crate::notify::{
    Attachment, Delivery, DeliveryOutcome, Notification, Notifier, ReceiverApi, ReceiverEndpoint,
    ReceiverError,
};
use crate::render::page::PageAlert;
use crate::secrets;

/// Interval at which the rules are evaluated.
const EVERY: Duration = Duration::from_secs(1);

/// The values that the alert rules are evaluated on. The loop writes them.
pub(super) struct AlertInputs {
    began: Instant,
    known: Mutex<AlertInputState>,
}

#[derive(Default)]
struct AlertInputState {
    pools: BTreeMap<PoolName, PoolGauges>,
    read_at: Option<Instant>,
    /// The age from which observations of the pools count as unknown.
    stale_after: Duration,
    violations: RollingCount,
    rescues: BTreeMap<PoolName, RollingCount>,
    gaps: RollingCount,
    breaks: RollingCount,
    /// Absent if the audit log is not anchored.
    anchored_at: Option<Timestamp>,
    client_cert_expires_at: Option<Timestamp>,
    /// Absent until the probes have a result.
    is_mtls_enforced: Option<bool>,
}

impl AlertInputs {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, AlertInputState> {
        self.known.lock().ignoring_poison()
    }

    /// Replaces the values of all pools.
    pub(super) fn take(&self, snapshot: &Snapshot) {
        let mut known = self.known();
        known.read_at = Some(snapshot.read_at);
        known.stale_after = snapshot.stale_after;
        known.pools.clone_from(&snapshot.pools);
    }

    /// Counts a finding of the isolation auditor.
    pub(super) fn note_violation(&self, at: Timestamp) {
        self.known().violations.note(at);
    }

    /// Counts a rescue of a scale set.
    pub(super) fn note_rescue(&self, pool: &PoolName, at: Timestamp) {
        self.known().rescues.entry(pool.clone()).or_default().note(at);
    }

    /// Sets the expiry of the client certificate for GARM; absent without a certificate.
    pub(super) fn note_client_cert(&self, expires_at: Option<Timestamp>) {
        self.known().client_cert_expires_at = expires_at;
    }

    /// Sets the result of the mTLS probes; absent if they could not tell.
    pub(super) fn note_mtls(&self, is_enforced: Option<bool>) {
        self.known().is_mtls_enforced = is_enforced;
    }

    /// Counts a gap of the audit log.
    pub(super) fn note_gap(&self, at: Timestamp) {
        self.known().gaps.note(at);
    }

    /// Counts a change to records of the audit log.
    pub(super) fn note_break(&self, at: Timestamp) {
        self.known().breaks.note(at);
    }

    /// Sets the time of the last statement about the audit log that reached every place.
    pub(super) fn note_anchor(&self, at: Timestamp) {
        self.known().anchored_at = Some(at);
    }

    /// The value of every series at `now`.
    fn readings(&self, now: Timestamp) -> SeriesValues {
        let mut known = self.known();
        let age = known.read_at.unwrap_or(self.began).elapsed();
        let is_fresh = known.read_at.is_some() && age <= known.stale_after;
        let reading = |series: &AlertSeries| (*series, known.value(*series, now, (age, is_fresh)));
        AlertSeries::ALL.iter().map(reading).collect()
    }
}

impl AlertInputState {
    fn value(
        &mut self,
        series: AlertSeries,
        now: Timestamp,
        (age, is_fresh): (Duration, bool),
    ) -> SeriesValue {
        let pools = |value: fn(&PoolGauges) -> f64| match is_fresh {
            false => SeriesValue::Unknown,
            true => SeriesValue::Pools(
                self.pools.iter().map(|(name, pool)| (name.clone(), Some(value(pool)))).collect(),
            ),
        };
        let fleet = |value: f64| SeriesValue::Fleet(Some(value));
        let seconds = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs_f64();
        match series {
            AlertSeries::QueueDepth => pools(|pool| pool.queue_depth.into()),
            AlertSeries::UnservedJobs => pools(|pool| pool.unserved_jobs.into()),
            AlertSeries::OldestQueuedJobAgeSeconds => pools(|pool| pool.oldest_wait.as_secs_f64()),
            AlertSeries::CircuitOpen => pools(|pool| pool.is_circuit_open.into()),
            AlertSeries::LevelNotFollowed => pools(|pool| pool.is_stalled.into()),
            AlertSeries::Rescues => {
                let mut count = |pool: &PoolName| {
                    self.rescues.get_mut(pool).map_or(0, |rescues| rescues.count(now))
                };
                let value = |pool: &PoolName| (pool.clone(), Some(count(pool).into()));
                SeriesValue::Pools(self.pools.keys().map(value).collect())
            }
            AlertSeries::ObservationAgeSeconds => fleet(age.as_secs_f64()),
            AlertSeries::EphemeralViolations => fleet(self.violations.count(now).into()),
            AlertSeries::AuditGaps => fleet(self.gaps.count(now).into()),
            AlertSeries::AuditBreaks => fleet(self.breaks.count(now).into()),
            AlertSeries::MtlsEnforced => SeriesValue::Fleet(self.is_mtls_enforced.map(Into::into)),
            AlertSeries::AuditAnchorAgeSeconds => {
                SeriesValue::Fleet(self.anchored_at.map(|at| seconds(at, now)))
            }
            AlertSeries::ClientCertExpiresInSeconds => {
                SeriesValue::Fleet(self.client_cert_expires_at.map(|at| seconds(now, at)))
            }
        }
    }
}

/// Evaluates the rules and owns the receivers.
pub(super) struct Alerting {
    fleet: String,
    /// The name of the GARM in the fleet file; absent without `garms`.
    garm: Option<GarmName>,
    /// The URL of the status page; empty where no pages are served.
    page: String,
    alert_inputs: Arc<AlertInputs>,
    /// Monotonic: changes of the system clock do not affect it.
    clock: Clock,
    rules: Mutex<AlertRules>,
    /// False on a standby, whose rules are evaluated for the page and for the day it leads.
    is_sending: AtomicBool,
    /// Absent once it is closed.
    notifier: tokio::sync::Mutex<Option<Notifier>>,
}

/// What the alerts and the audit feed share.
#[derive(Clone)]
pub(super) struct AlertWiring {
    pub(super) metrics: Arc<MetricsState>,
    pub(super) alert_inputs: Arc<AlertInputs>,
    /// The last signed statement about the audit log; every alert carries it.
    pub(super) attachment: Attachment,
    /// The URL of the status page; empty where no pages are served.
    pub(super) page: String,
}

impl Alerting {
    /// Starts a task for each receiver. Fails (3) if a receiver is invalid.
    pub(super) fn start(
        setup: &DaemonConfig,
        receivers: Vec<ReceiverEndpoint>,
        wiring: AlertWiring,
    ) -> Result<Self, Failure> {
        let AlertWiring { metrics, alert_inputs, attachment, page } = wiring;
        for receiver in &setup.file.receivers {
            let delivery = |outcome: DeliveryOutcome| Counter::AlertDelivery {
                receiver: receiver.name.clone(),
                outcome: outcome.word(),
            };
            metrics.declare(DeliveryOutcome::ALL.map(delivery));
        }
        let report = report(metrics);
        let notifier =
            Notifier::enclosing(receivers, report, attachment).map_err(|error| unusable(&error))?;
        Ok(Self {
            fleet: setup.file.fleet.to_string(),
            garm: setup.garm.clone(),
            page,
            alert_inputs,
            clock: Clock::starting_at(Clock::Real.now()),
            rules: Mutex::new(AlertRules::new(&setup.file.alerts)),
            is_sending: AtomicBool::new(setup.watch.leader.is_none()),
            notifier: tokio::sync::Mutex::new(Some(notifier)),
        })
    }

    /// Evaluates the rules once a second until `stop`.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut beat = interval(EVERY);
        loop {
            tokio::select! {
                _ = beat.tick() => {}
                () = stop.cancelled() => return,
            }
            let now = self.clock.now();
            let turned = self.rules().evaluate(&self.alert_inputs.readings(now), now);
            self.tell(turned).await;
        }
    }

    /// Replaces rules and receivers; an error leaves both unchanged.
    pub(super) async fn reload(
        &self,
        setup: &DaemonConfig,
        receivers: Vec<ReceiverEndpoint>,
    ) -> Result<(), Failure> {
        if let Some(notifier) = self.notifier.lock().await.as_mut() {
            notifier.reload(receivers).map_err(|error| unusable(&error))?;
        }
        let ended = self.rules().reload(&setup.file.alerts, self.clock.now());
        self.tell(ended).await;
        Ok(())
    }

    /// The alerts that are firing.
    pub(super) fn firing(&self) -> Vec<PageAlert> {
        let now = self.clock.now();
        let lasting = |alert: &AlertTransition| {
            Duration::try_from(now.duration_since(alert.status.since())).unwrap_or_default()
        };
        let firing: Vec<AlertTransition> = self.rules().firing().collect();
        firing
            .into_iter()
            .map(|alert| PageAlert { lasting: lasting(&alert), transition: alert })
            .collect()
    }

    /// Delivers pending notifications, for at most `patience`.
    pub(super) async fn close(&self, patience: Duration) {
        let notifier = self.notifier.lock().await.take();
        if let Some(notifier) = notifier {
            notifier.close(patience).await;
        }
    }

    fn rules(&self) -> MutexGuard<'_, AlertRules> {
        self.rules.lock().ignoring_poison()
    }

    async fn tell(&self, turned: Vec<AlertTransition>) {
        if !self.is_sending.load(Ordering::Relaxed) {
            return;
        }
        for transition in turned {
            line(&transition).emit();
            let receivers = transition.receivers.clone();
            let notification = self.notification(transition);
            if let Some(notifier) = self.notifier.lock().await.as_mut() {
                notifier.tell(&notification, &receivers);
            }
        }
    }

    fn notification(&self, transition: AlertTransition) -> Notification {
        let pool = transition.pool.map(|pool| ("pool".to_owned(), pool.to_string()));
        let fleet = ("fleet".to_owned(), self.fleet.clone());
        let garm = self.garm.as_ref().map(|garm| ("garm".to_owned(), garm.to_string()));
        Notification {
            rule: transition.rule,
            labels: [fleet].into_iter().chain(garm).chain(pool).collect(),
            status: transition.status,
            summary: transition.summary,
            description: transition.description,
            runbook: transition.series.runbook(),
            source: self.page.clone(),
            value: transition.value,
        }
    }
}

fn line(transition: &AlertTransition) -> LogLine {
    let (level, word) = match transition.status {
        AlertStatus::Firing { .. } => (Level::WARN, "fires"),
        AlertStatus::Resolved { .. } => (Level::INFO, "is resolved"),
    };
    let text = format!("alert {} {word}: {}", code(&transition.rule), transition.summary);
    let line = LogLine::new(level, "alert", text);
    let line = transition.pool.as_ref().map_or(line.clone(), |pool| line.of(pool));
    line.with(&LogFields::Alert {
        rule: transition.rule.clone(),
        firing: level == Level::WARN,
        value: transition.value,
    })
}

/// Counts each delivery attempt and logs failures.
fn report(metrics: Arc<MetricsState>) -> Arc<dyn Fn(&Delivery) + Send + Sync> {
    Arc::new(move |delivery: &Delivery| {
        let (receiver, outcome) = (delivery.receiver.clone(), delivery.outcome.word());
        metrics.count(Counter::AlertDelivery { receiver, outcome });
        let level = match delivery.outcome {
            DeliveryOutcome::Delivered => Level::DEBUG,
            DeliveryOutcome::Failed | DeliveryOutcome::Refused | DeliveryOutcome::Dropped => {
                Level::WARN
            }
        };
        let text = format!("alerts to {} {outcome}: {}", code(&delivery.receiver), delivery.detail);
        LogLine::new(level, "delivery", text)
            .with(&LogFields::Delivery {
                receiver: delivery.receiver.clone(),
                outcome,
                alerts: delivery.alerts,
            })
            .emit();
    })
}

/// The receivers with their secret URLs resolved. Fails (3) if one cannot be used.
pub(super) async fn receivers(
    setup: &DaemonConfig,
    allowed: &secrets::ResolveOptions,
) -> Result<Vec<ReceiverEndpoint>, Failure> {
    let mut targets = Vec::new();
    for receiver in &setup.file.receivers {
        targets.push(target(receiver, allowed).await?);
    }
    Ok(targets)
}

async fn target(
    receiver: &Receiver,
    options: &secrets::ResolveOptions,
) -> Result<ReceiverEndpoint, Failure> {
    let (kind, url) = match &receiver.kind {
        ReceiverKind::Alertmanager { url } => {
            (ReceiverApi::Alertmanager, SecretString::from(url.clone()))
        }
        ReceiverKind::Webhook { url: WebhookUrl::Plain(url) } => {
            (ReceiverApi::Webhook, SecretString::from(url.clone()))
        }
        ReceiverKind::Webhook { url: WebhookUrl::Secret(reference) } => {
            (ReceiverApi::Webhook, secrets::resolve(reference, options).await?)
        }
    };
    ReceiverEndpoint::new(&receiver.name, kind, &url).map_err(|error| unusable(&error))
}

fn unusable(error: &ReceiverError) -> Failure {
    Failure::input(error.to_string()).help(error.help)
}
