//! `watch.leader`: takes part in the election of the one `watch` that writes and sends alerts, and
//! passes its result on to the loop, the alerts, the audit log and the metrics.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::alerting::Alerting;
use super::audit_feed::AuditFeed;
use super::setup::{DaemonConfig, joined_leases};
use super::startup::DaemonParts;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::log::{LogLine, spans};
use crate::domain::name::GarmName;
use crate::election::{DURATION, FiredAlert, Membership, OwnNotes, StoreFault};
use crate::host::boot_clock::BootClock;
use crate::host::clock::Clock;
use crate::host::state_dir;
use crate::lease_store::{LeaseStores, StoreSecret};
use crate::metrics::MetricsState;
use crate::reconcile::leadership::{
    Campaign, Fence, LeadershipState, LeaseOfCampaign, LeaseShares, LedTerm,
};
use crate::reconcile::watch::{HoldReason, RunMode, WatchCommand};
use crate::reconcile::writer::Writer;
use crate::render::leadership::LeadershipJson;
use crate::render::words::count;
use crate::secrets;

/// How often the delivered alerts are noted; the next renewal of the lease carries them.
const NOTES_EVERY: Duration = Duration::from_secs(1);

/// How long `--once` and `--release` wait to become the leader: until the lease of one that was killed
/// can be taken.
const LEAD_PATIENCE: Duration = Duration::from_secs(DURATION.as_secs() + 3);

/// The store of the leases, which all GARMs share.
pub(super) struct ElectionParts {
    stores: LeaseStores,
    /// The shares of this process; absent without `garms`, and with `--once` and `--release`, which
    /// need all leases.
    shares: Option<Arc<LeaseShares>>,
    /// The name of the record of all processes.
    members: String,
}

impl ElectionParts {
    /// Opens the store; `None` without `watch.leader`. Sends no request. Fails (3) if a file of the
    /// store is missing or invalid.
    pub(super) fn open(
        garms: &[DaemonConfig],
        course: RunMode,
        allowed: &secrets::ResolveOptions,
    ) -> Result<Option<Self>, Failure> {
        let Some(first) = garms.first() else { return Ok(None) };
        let Some(settings) = &first.watch.leader else { return Ok(None) };
        let secret = settings.secret().map(|reference| -> StoreSecret {
            let (reference, allowed) = (reference.clone(), allowed.clone());
            Arc::new(move || {
                let (reference, allowed) = (reference.clone(), allowed.clone());
                Box::pin(async move {
                    let resolved = secrets::resolve(&reference, &allowed).await;
                    resolved.map_err(|error| error.to_string())
                })
            })
        });
        let stores = LeaseStores::open(settings, secret).map_err(|fault| unusable(&fault))?;
        let is_shared = first.garm.is_some() && course == RunMode::Steady;
        let shares = is_shared.then(|| LeaseShares::new(BootClock::Real));
        // The name of each lease is the common name and that of the GARM.
        let own = first.garm.as_ref().map(|garm| format!("-{garm}")).unwrap_or_default();
        let common = settings.name.strip_suffix(&own).unwrap_or(&settings.name);
        let parts = Self { stores, shares, members: format!("{common}.members") };
        parts.reload(garms);
        Ok(Some(parts))
    }

    /// Takes the GARMs of reloaded files.
    pub(super) fn reload(&self, garms: &[DaemonConfig]) {
        if let Some(shares) = &self.shares {
            shares.set_leases(garms.len(), joined_leases(garms), group(garms));
        }
    }

    /// Shares the leases out among the processes until `stop`. Fails (1) if the system has no random
    /// bytes.
    pub(super) fn start(
        &self,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let Some(shares) = &self.shares else { return Ok(()) };
        let membership = Membership::new(process_id()?, String::new());
        let members = self.stores.members(self.members.clone());
        let (live, stopped) = (shares.live(), stop.clone());
        tasks.spawn(Arc::clone(shares).run(membership, members, stop.clone()));
        tasks.spawn(async move {
            tokio::select! {
                () = log_members(live) => {}
                () = stopped.cancelled() => {}
            }
        });
        Ok(())
    }
}

/// A digest of the names of the GARMs: processes with other GARMs do not share them out.
fn group(garms: &[DaemonConfig]) -> String {
    let names: Vec<&str> =
        garms.iter().filter_map(|garm| garm.garm.as_ref()).map(GarmName::as_str).collect();
    let digest = Sha256::digest(names.join(" "));
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

async fn log_members(mut live: watch::Receiver<Option<usize>>) {
    while live.changed().await.is_ok() {
        let Some(live) = *live.borrow_and_update() else { continue };
        let text = match live {
            1 => "no other process shares the GARMs".to_owned(),
            others => format!("shares the GARMs with {}", count(others - 1, "other process")),
        };
        LogLine::info("leader", text).emit();
    }
}

/// The part of this process in the election for one GARM.
pub(super) struct Leadership {
    pub(super) fence: Fence,
    states: watch::Receiver<LeadershipState>,
    /// See [`OwnNotes::alerts`].
    delivered: watch::Sender<Option<Vec<FiredAlert>>>,
    stop: CancellationToken,
    /// Present until the campaign is started, and from then on its task.
    campaign: Option<Campaign>,
    task: Option<JoinHandle<()>>,
}

/// What follows the state of leadership.
pub(super) struct LeadershipFollower {
    pub(super) orders: mpsc::Sender<WatchCommand>,
    pub(super) alerting: Arc<Alerting>,
    pub(super) records: AuditFeed,
    pub(super) metrics: Arc<MetricsState>,
    states: watch::Receiver<LeadershipState>,
    delivered: watch::Sender<Option<Vec<FiredAlert>>>,
    last: LeadershipState,
    /// The last term whose begin was recorded.
    recorded: Option<u64>,
}

impl Leadership {
    /// Prepares the campaign; `None` without `watch.leader`. Sends no request. Fails (1) if the system
    /// has no random bytes.
    pub(super) fn open(
        setup: &DaemonConfig,
        election: Option<&ElectionParts>,
    ) -> Result<Option<Self>, Failure> {
        let (Some(election), Some(settings)) = (election, &setup.watch.leader) else {
            return Ok(None);
        };
        let store = election.stores.lease(settings.name.clone());
        let clock = BootClock::Real;
        let fence = Fence::new(clock);
        LogLine::info("leader", format!("takes part in the election by {}", store.describe()))
            .emit();
        let shares = election.shares.clone().map(|shares| (shares, settings.name.clone()));
        let lease = LeaseOfCampaign { store, shares };
        let io = (fence.clone(), clock, Clock::Real);
        let campaign = Campaign::new(process_id()?, lease, io);
        let (states, stop) = (campaign.states(), CancellationToken::new());
        let delivered = watch::Sender::default();
        Ok(Some(Self { fence, states, delivered, stop, campaign: Some(campaign), task: None }))
    }

    /// Starts the campaign. Each write of the lease names the head that the audit log has by then.
    pub(super) fn start(&mut self, records: AuditFeed) {
        if let Some(campaign) = self.campaign.take() {
            let delivered = self.delivered.subscribe();
            let notes = move || OwnNotes {
                audit_head: records.head().map(|head| head.to_string()),
                alerts: delivered.borrow().clone(),
            };
            let work = campaign.run(notes, self.stop.clone()).in_current_span();
            self.task = Some(tokio::spawn(work));
        }
    }

    /// Waits until this process leads. Fails (6) if another one still leads after [`LEAD_PATIENCE`].
    pub(super) async fn lead(&mut self) -> Result<(), Failure> {
        let leads = self.states.wait_for(|state| state.leading.is_some());
        if let Ok(Ok(_)) = tokio::time::timeout(LEAD_PATIENCE, leads).await {
            return Ok(());
        }
        self.end().await;
        let state = self.states.borrow().clone();
        Err(match &state.fault {
            Some(fault) => {
                Failure::new(Exit::Refused, format!("cannot become the leader: {fault}"))
            }
            None => Failure::new(Exit::Refused, view(&state).sentence())
                .help("stop that `watch` first; only the leader writes to GARM"),
        })
    }

    /// Whether this process still leads.
    pub(super) fn is_leading(&self) -> bool {
        self.fence.term().is_some()
    }

    /// Shows who leads at any time.
    pub(super) fn states(&self) -> watch::Receiver<LeadershipState> {
        self.states.clone()
    }

    /// The task that follows the state.
    pub(super) fn follower(
        &self,
        orders: mpsc::Sender<WatchCommand>,
        alerting: Arc<Alerting>,
        records: AuditFeed,
        metrics: Arc<MetricsState>,
    ) -> LeadershipFollower {
        let (states, delivered) = (self.states.clone(), self.delivered.clone());
        let (last, recorded) = (LeadershipState::default(), None);
        LeadershipFollower { orders, alerting, records, metrics, states, delivered, last, recorded }
    }

    /// Notes the delivered alerts, which the release of the lease carries.
    pub(super) async fn note(&self, alerting: &Alerting) {
        if self.is_leading() {
            self.delivered.send_replace(Some(alerting.delivered().await));
        }
    }

    /// Ends the campaign: the lease is released if this process holds it.
    pub(super) async fn end(&mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            // It ends by itself within the time that it has for the release.
            let _ = task.await;
        }
    }
}

impl LeadershipFollower {
    /// Follows the state until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut beat = interval(NOTES_EVERY);
        let mut is_news = true;
        loop {
            if is_news {
                let state = self.states.borrow_and_update().clone();
                self.follow(state).await;
            }
            is_news = tokio::select! {
                biased;
                // The end of this term is no news then: the release carries the delivered alerts.
                () = stop.cancelled() => return,
                changed = self.states.changed() => match changed {
                    Ok(()) => true,
                    Err(_) => return,
                },
                _ = beat.tick() => {
                    self.note().await;
                    false
                }
            };
        }
    }

    /// Notes the delivered alerts for the next leader.
    async fn note(&self) {
        if self.last.leading.is_some() {
            self.delivered.send_replace(Some(self.alerting.delivered().await));
        }
    }

    async fn follow(&mut self, state: LeadershipState) {
        let before = std::mem::replace(&mut self.last, state.clone());
        let shown = view(&state);
        self.metrics.process(|process| {
            process.is_leader = Some(state.leading.is_some());
            process.leader_term = state.leader.as_ref().map(|leader| leader.term);
        });
        report_fault(before.fault.as_ref(), state.fault.as_ref());
        let term = |state: &LeadershipState| state.leading.as_ref().map(|leading| leading.term);
        match &state.leading {
            Some(leading) if term(&before) != Some(leading.term) => {
                if before.leading.is_some() {
                    // Between the two terms, another process may have led.
                    self.hold(&shown).await;
                }
                self.lead(leading).await;
            }
            Some(_) => {}
            None => {
                self.delivered.send_replace(None);
                self.alerting.stand_by().await;
                if before.leading.is_some() {
                    let text = format!(
                        "no longer leads, and writes nothing to GARM: {}",
                        shown.sentence()
                    );
                    LogLine::warn("leader", text).emit();
                } else if before.leader != state.leader {
                    LogLine::info("leader", format!("a standby: {}", shown.sentence())).emit();
                }
                self.hold(&shown).await;
            }
        }
    }

    async fn hold(&self, shown: &LeadershipJson) {
        // The receiver is gone once the loop has ended; then there is nothing to hold.
        let hold = WatchCommand::Hold(HoldReason::Standby, shown.sentence());
        let _ = self.orders.send(hold).await;
    }

    async fn lead(&mut self, leading: &LedTerm) {
        if self.recorded.replace(leading.term) != Some(leading.term) {
            self.records.term_began(leading);
        }
        self.alerting.take_over(&leading.notes.alerts).await;
        let text = format!("leads in term {}: writes to GARM and sends alerts", leading.term);
        LogLine::info("leader", text).emit();
        let _ = self.orders.send(WatchCommand::Go(HoldReason::Standby)).await;
    }
}

/// Holds the loop until this process leads, and follows the state of leadership until `stop`.
pub(super) fn follow(
    opened: &DaemonParts,
    tasks: &TaskTracker,
    stop: &CancellationToken,
    orders: mpsc::Sender<WatchCommand>,
) {
    let Some(leadership) = &opened.leadership else { return };
    if !leadership.is_leading() {
        // The loop has not begun, so the queue has room.
        let why = "the election has just begun".to_owned();
        let _ = orders.try_send(WatchCommand::Hold(HoldReason::Standby, why));
    }
    let (alerting, records) = (Arc::clone(&opened.alerting), opened.records.clone());
    let metrics = Arc::clone(&opened.metrics);
    let follower = leadership.follower(orders, alerting, records, metrics);
    spans::spawn(tasks, follower.run(stop.clone()));
}

/// The writer, which writes only while this process leads.
pub(super) fn fenced(writer: Writer, opened: &DaemonParts) -> Writer {
    match &opened.leadership {
        Some(leadership) => writer.behind(leadership.fence.clone()),
        None => writer,
    }
}

/// The state as it is shown.
pub(super) fn view(state: &LeadershipState) -> LeadershipJson {
    LeadershipJson {
        leading: state.leading.is_some(),
        holder: state.leader.as_ref().map(|leader| leader.holder.clone()),
        term: state.leader.as_ref().map(|leader| leader.term),
        since: state.leader.as_ref().map(|leader| leader.since.to_string()),
    }
}

fn report_fault(before: Option<&StoreFault>, now: Option<&StoreFault>) {
    match (before, now) {
        (None, Some(fault)) => {
            let text = format!("the lease cannot be read or renewed: {fault}");
            let line = LogLine::warn("leader", text);
            if fault.help.is_empty() { line } else { line.help(fault.help) }.emit();
        }
        (Some(_), None) => LogLine::info("leader", "the lease can be read again").emit(),
        (None, None) | (Some(_), Some(_)) => {}
    }
}

/// An id of this start of this process, which no other start has: `HOST:PID:NONCE`.
fn process_id() -> Result<String, Failure> {
    let actor = state_dir::actor();
    let mut nonce = [0; 8];
    aws_lc_rs::rand::fill(&mut nonce)
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot get random bytes: {error}")))?;
    Ok(format!("{}:{}:{:016x}", actor.host, actor.pid, u64::from_be_bytes(nonce)))
}

fn unusable(fault: &StoreFault) -> Failure {
    let failure = Failure::input(format!("`watch.leader`: {fault}"));
    if fault.help.is_empty() { failure } else { failure.help(fault.help) }
}
