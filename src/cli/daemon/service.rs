//! The service while it runs, and how it ends.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch::{Receiver, Sender};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client_cert::ClientCertReloader;
use super::decisions_page::WatchedFleet;
use super::log_throttle::ThrottleMode;
use super::mtls_probe::{herald, round};
use super::mtls_schedule::{MtlsProber, MtlsRequirement, MtlsRound};
use super::observer::{LoopObserver, ObserverOutputs, ObserverSettings};
use super::reload::{ReloadTrigger, Reloader};
use super::server_cert::ServerCertReloader;
use super::startup::DaemonParts;
use crate::audit;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::log::LogLine;
use crate::cli::policies::PolicySet;
use crate::cli::require_mtls;
use crate::domain::fleet::{Controller, ReleaseLine as GarmLine};
use crate::domain::name::PoolName;
use crate::garm::events;
use crate::host::clock::Clock;
use crate::host::signals::{Hangups, Signal, Signals};
use crate::host::state_dir;
use crate::host::systemd::{self, Notice};
use crate::metrics::{MetricsServer, MetricsState, serve as answer};
use crate::monitor::mtls_state::MtlsState;
use crate::reconcile::audit_trail::AuditContext;
use crate::reconcile::watch::{HoldReason, LoopIo, RunMode, WatchCommand, WatchEnd, watch};
use crate::reconcile::writer::Writer;

/// How long the loop has to finish after the first signal; the rest of the ten seconds is for the
/// alerts and the audit file.
const LOOP_PATIENCE: Duration = Duration::from_secs(7);

/// How long what comes after the loop has.
const REST_PATIENCE: Duration = Duration::from_secs(2);

/// Runs until the loop ends, by itself or because a signal asks for it.
pub(super) async fn serve(mut opened: DaemonParts) -> Result<Exit, Failure> {
    let signals = Signals::catch().map_err(|it| no_signals(&it))?;
    let hangups = Hangups::catch().map_err(|it| no_signals(&it))?;
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let orders = opened.orders.clone();
    let taken = opened.taken.take().expect("it was put there at the opening, for this");
    let (controllers, known) = tokio::sync::watch::channel(None);
    let (policies, policies_in_force) = tokio::sync::watch::channel(opened.setup.policies.clone());
    let reporter = reporter(&opened, (controllers, policies_in_force));
    let (looks, look) = mpsc::channel(1);
    let refused = begin(
        &mut opened,
        &tasks,
        &stop,
        LoopChannels { orders: orders.clone(), look, known, policies },
    );
    let DaemonParts { settings, setup, client, .. } = &opened;
    tasks.spawn(announce(Arc::clone(&reporter.looked), looks.clone(), stop.clone()));
    let writer = Writer::new(Arc::clone(client), warrant(&opened));
    let doors = LoopIo {
        client: Arc::clone(client),
        writer: &writer,
        feed: client.events(events::StreamLimits::default()),
        orders: taken,
        observer: &reporter,
        clock: Clock::Real,
    };
    let running = RunningLoop { signals, hangups, orders, looks, refused };
    let ended = running.until_ended(watch(doors, *settings, setup.roll())).await;
    systemd::tell(&Notice::Stopping);
    drop((reporter, writer));
    close(opened, (stop, tasks), ended).await
}

fn no_signals(error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot catch signals: {error}"))
}

fn warrant(opened: &DaemonParts) -> AuditContext {
    AuditContext {
        book: opened.book.clone(),
        actor: state_dir::actor(),
        cause: audit::Cause {
            command: "watch".into(),
            plan: None,
            fleet: Some(opened.setup.file.fleet.to_string()),
            decision: None,
        },
        clock: Clock::Real,
        // Before each write the pool is read, and its row tells which line of GARM it is.
        line: GarmLine::Current,
    }
}

fn reporter(
    opened: &DaemonParts,
    (controllers, policies): (Sender<Option<Controller>>, Receiver<PolicySet>),
) -> LoopObserver {
    let outlets = ObserverOutputs {
        client: Arc::clone(&opened.client),
        metrics: Arc::clone(&opened.metrics),
        facts: Arc::clone(&opened.facts),
        records: opened.records.clone(),
        drifts: opened.drifts.clone(),
        controllers,
        policies,
        verdicts: Arc::clone(&opened.verdicts),
    };
    let profile = ObserverSettings {
        origin: WatchedFleet {
            fleet: opened.setup.file.fleet.clone(),
            garm: opened.client.address(),
        },
        writes: opened.settings.writes,
        volume: if opened.run.verbose > 0 { ThrottleMode::All } else { ThrottleMode::Usual },
    };
    LoopObserver::new(profile, outlets)
}

/// The ends of what leads from and to the loop.
struct LoopChannels {
    orders: mpsc::Sender<WatchCommand>,
    look: mpsc::Receiver<ReloadTrigger>,
    known: Receiver<Option<Controller>>,
    policies: Sender<PolicySet>,
}

/// Starts the tasks beside the loop: the listener, the alerts, the systemd watchdog, the reloader and
/// the mTLS probes. Returns the channel on which the probes refuse to go on.
fn begin(
    opened: &mut DaemonParts,
    tasks: &TaskTracker,
    stop: &CancellationToken,
    begun: LoopChannels,
) -> Option<oneshot::Receiver<MtlsRound>> {
    let LoopChannels { orders, look, known, policies } = begun;
    let metrics = &opened.metrics;
    tasks.spawn(keep_alive(Arc::clone(metrics), stop.clone()));
    tasks.spawn(Arc::clone(&opened.alerting).run(stop.clone()));
    if let Some(work) = opened.work.take() {
        tasks.spawn(work.run(stop.clone()));
    }
    if let Some(listener) = opened.listener.take() {
        let certificates = opened.certificates.clone();
        let door = MetricsServer { listener, metrics: Arc::clone(metrics), certificates };
        tasks.spawn(answer(door, stop.clone()));
    }
    if opened.settings.course != RunMode::Steady {
        return None;
    }
    let demand = MtlsRequirement::of(&opened.setup.file.policy, opened.settings.writes);
    if let Some(why) = demand.at_start() {
        // The queue is empty, and the loop has not begun.
        let _ = orders.try_send(WatchCommand::Hold(HoldReason::Unproven, why.to_owned()));
    }
    let (demands, demanded) = tokio::sync::watch::channel(demand);
    let (refuse, refused) = oneshot::channel();
    let again = Arc::new(Notify::new());
    let prover = MtlsProber {
        probe: round(opened),
        tell: Box::new(herald(opened)),
        controllers: known,
        demand: demanded,
        again: Arc::clone(&again),
        orders: orders.clone(),
        refuse: Some(refuse),
        began: Instant::now(),
        standing: MtlsState::default(),
        held: demand.at_start(),
    };
    tasks.spawn(prover.run(stop.clone()));
    let reloader = Reloader {
        run: opened.run.clone(),
        metrics: Arc::clone(metrics),
        orders,
        client: Arc::clone(&opened.client),
        alerting: Arc::clone(&opened.alerting),
        listening: listening(opened),
        started: opened.setup.clone(),
        taken: opened.setup.clone(),
        read: Ok(opened.setup.clone()),
        refused: None,
        digest: opened.digest,
        drifts: opened.drifts.clone(),
        demands,
        again,
        writes: opened.settings.writes,
        identity: ClientCertReloader::new(opened),
        verdicts: Arc::clone(&opened.verdicts),
        policies,
    };
    tasks.spawn(reloader.run(look, stop.clone()));
    Some(refused)
}

fn listening(opened: &DaemonParts) -> Option<ServerCertReloader> {
    let certificates = opened.certificates.clone()?;
    let files = opened.setup.watch.tls.clone()?;
    Some(ServerCertReloader::new(certificates, files))
}

/// Says `Ready` at the first word of the loop, be it that GARM does not answer: the service runs
/// then, and tells so. Asks for a look at the files at each full read.
async fn announce(
    looked: Arc<Notify>,
    looks: mpsc::Sender<ReloadTrigger>,
    stop: CancellationToken,
) {
    let mut is_ready = false;
    loop {
        tokio::select! {
            () = looked.notified() => {}
            () = stop.cancelled() => return,
        }
        if !is_ready {
            systemd::tell(&Notice::Ready);
            is_ready = true;
        }
        // A look that is under way or about to be will do.
        let _ = looks.try_send(ReloadTrigger::Read);
    }
}

/// Tells systemd that the loop turns, for as long as it does.
async fn keep_alive(metrics: Arc<MetricsState>, stop: CancellationToken) {
    let Some(every) = systemd::watchdog() else { return };
    let mut beat = interval(every.max(Duration::from_millis(100)));
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            () = stop.cancelled() => return,
        }
        if metrics.health().is_ok() {
            systemd::tell(&Notice::Alive);
        }
    }
}

/// The loop as it runs, and what may reach it.
struct RunningLoop {
    signals: Signals,
    hangups: Hangups,
    orders: mpsc::Sender<WatchCommand>,
    looks: mpsc::Sender<ReloadTrigger>,
    refused: Option<oneshot::Receiver<MtlsRound>>,
}

/// The end of the loop and what caused it.
struct LoopResult {
    /// Absent: it did not end in time, or a second signal cut it off.
    result: Option<Result<WatchEnd, crate::garm::GarmError>>,
    /// The first signal, if there was one.
    signal: Option<Signal>,
    /// What the first probes have shown, where the policy ends the service for it.
    refused: Option<MtlsRound>,
}

impl RunningLoop {
    /// Waits for the end of the loop. The first signal asks it to stop, a second one or the end of
    /// patience leaves it where it is.
    async fn until_ended(
        mut self,
        looping: impl Future<Output = Result<WatchEnd, crate::garm::GarmError>>,
    ) -> LoopResult {
        let mut looping = pin!(looping);
        let mut ended = LoopResult { result: None, signal: None, refused: None };
        let mut stopped: Option<Instant> = None;
        loop {
            let patience = stopped.map_or_else(Instant::now, |it| it + LOOP_PATIENCE);
            tokio::select! {
                result = &mut looping => {
                    ended.result = Some(result);
                    return ended;
                }
                signal = self.signals.next() => match ended.signal {
                    Some(_) => return ended,
                    None => {
                        ended.signal = Some(signal);
                        stopped.get_or_insert_with(Instant::now);
                        self.stop();
                    }
                },
                shown = refusal(&mut self.refused) => {
                    ended.refused = Some(shown);
                    stopped.get_or_insert_with(Instant::now);
                    self.stop();
                }
                () = self.hangups.next() => self.look(),
                () = sleep_until(patience), if stopped.is_some() => {
                    let text = "the loop did not end in time: levels may still be raised";
                    LogLine::error("stop", text)
                        .help("`runnerctl watch --release` lowers them").emit();
                    return ended;
                }
            }
        }
    }

    fn stop(&self) {
        let text = "stopping: the write in flight ends, raised levels are lowered";
        LogLine::info("stop", text).emit();
        systemd::tell(&Notice::Stopping);
        // The loop empties the queue at each turn; were it full all the same, patience ends it.
        let _ = self.orders.try_send(WatchCommand::Stop);
    }

    fn look(&self) {
        let looks = self.looks.clone();
        // One look may be under way, at which the change may not have been there yet.
        tokio::spawn(async move { looks.send(ReloadTrigger::Hangup).await });
    }
}

/// Waits until the probes refuse, for ever when they never do.
async fn refusal(refused: &mut Option<oneshot::Receiver<MtlsRound>>) -> MtlsRound {
    if let Some(receiver) = refused
        && let Ok(shown) = receiver.await
    {
        *refused = None;
        return shown;
    }
    *refused = None;
    std::future::pending().await
}

/// Ends everything beside the loop, in time, and picks the code.
async fn close(
    opened: DaemonParts,
    (stop, tasks): (CancellationToken, TaskTracker),
    ended: LoopResult,
) -> Result<Exit, Failure> {
    let DaemonParts { settings, alerting, records, book, verdicts, .. } = opened;
    records.end();
    drop((book, verdicts));
    stop.cancel();
    tasks.close();
    // Whatever has not ended by then is cut off with the process.
    let rest = async { tokio::join!(alerting.close(REST_PATIENCE), tasks.wait()) };
    let _ = tokio::time::timeout(REST_PATIENCE, rest).await;
    outcome(ended, settings.course)
}

fn outcome(ended: LoopResult, course: RunMode) -> Result<Exit, Failure> {
    let end = match ended.result {
        Some(Ok(end)) => end,
        Some(Err(error)) => return Err(error.into()),
        None => WatchEnd::default(),
    };
    if !end.left_raised.is_empty() {
        let names: Vec<&str> = end.left_raised.iter().map(PoolName::as_str).collect();
        let text = format!("left above its floor: {}", names.join(", "));
        LogLine::error("stop", text)
            .help("`runnerctl watch --release` lowers it when GARM answers")
            .emit();
    }
    if let Some(shown) = &ended.refused {
        return Err(require_mtls::refusal(&shown.sentence));
    }
    match (ended.signal, course) {
        (Some(Signal::Interrupt), _) => Ok(Exit::Interrupted),
        (Some(Signal::Terminate), _) | (None, RunMode::Steady) => Ok(Exit::Done),
        (None, RunMode::Once | RunMode::Release) if end.left_raised.is_empty() => Ok(Exit::Done),
        (None, RunMode::Once | RunMode::Release) => Ok(Exit::Failed),
    }
}
