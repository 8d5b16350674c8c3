//! Runs the service: starts its tasks, handles signals, and shuts everything down in time.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch::{Receiver, Sender};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client_cert::ClientCertReloader;
use super::leadership;
use super::mtls_probe::{result_reporter, round};
use super::mtls_schedule::{MtlsProber, MtlsRequirement, MtlsRound};
use super::observer::{LoopObserver, ObserverOutputs};
use super::reload::{ReloadTrigger, Reloader};
use super::server_cert::ServerCertReloader;
use super::startup::DaemonParts;
use super::status_page::StatusPages;
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
use crate::host::systemd::{self, SystemdNotice};
use crate::metrics::{MetricsServer, MetricsState, serve as answer};
use crate::monitor::mtls_state::MtlsState;
use crate::reconcile::audit_trail::AuditContext;
use crate::reconcile::watch::{HoldReason, LoopIo, RunMode, WatchCommand, WatchEnd, watch};
use crate::reconcile::writer::Writer;

/// How long the loop may take to finish after the first signal. The rest of the 10 s that a stop
/// may take is for the alerts and the audit file.
const LOOP_PATIENCE: Duration = Duration::from_secs(7);

/// How long the shutdown may take after the end of the loop.
const REST_PATIENCE: Duration = Duration::from_secs(2);

/// Runs until the loop ends, by itself or after a signal.
pub(super) async fn serve(mut opened: DaemonParts) -> Result<Exit, Failure> {
    let signals = Signals::catch().map_err(|error| no_signals(&error))?;
    let hangups = Hangups::catch().map_err(|error| no_signals(&error))?;
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let orders = opened.orders.clone();
    let taken = opened.taken.take().expect("set by `startup::open` and taken only here");
    let (controllers, known) = tokio::sync::watch::channel(None);
    let (policies, policies_in_force) = tokio::sync::watch::channel(opened.setup.policies.clone());
    let observer = observer(&opened, (controllers, policies_in_force));
    let (reload_triggers, look) = mpsc::channel(1);
    let refused = begin(
        &mut opened,
        &tasks,
        &stop,
        LoopChannels { orders: orders.clone(), look, known, policies },
    );
    let DaemonParts { settings, setup, client, .. } = &opened;
    tasks.spawn(announce(Arc::clone(&observer.read_done), reload_triggers.clone(), stop.clone()));
    let writer = Writer::new(Arc::clone(client), audit_context(&opened));
    let writer = leadership::fenced(writer, &opened);
    let io = LoopIo {
        client: Arc::clone(client),
        writer: &writer,
        feed: client.events(events::StreamLimits::default()),
        orders: taken,
        observer: &observer,
        clock: Clock::Real,
    };
    let running = RunningLoop { signals, hangups, orders, reload_triggers, refused };
    let ended = running.until_ended(watch(io, *settings, setup.declared_pools())).await;
    observer.end();
    systemd::tell(&SystemdNotice::Stopping);
    drop((observer, writer));
    close(opened, (stop, tasks), ended).await
}

fn no_signals(error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot catch signals: {error}"))
}

fn audit_context(opened: &DaemonParts) -> AuditContext {
    AuditContext {
        book: opened.destination.clone(),
        actor: state_dir::actor(),
        cause: audit::Cause {
            command: "watch".into(),
            plan: None,
            fleet: Some(opened.setup.file.fleet.to_string()),
            ..audit::Cause::default()
        },
        clock: Clock::Real,
        // The writer reads the pool before each write and takes the release line from its row.
        line: GarmLine::Current,
    }
}

fn observer(
    opened: &DaemonParts,
    (controllers, policies): (Sender<Option<Controller>>, Receiver<PolicySet>),
) -> LoopObserver {
    let outputs = ObserverOutputs {
        client: Arc::clone(&opened.client),
        metrics: Arc::clone(&opened.metrics),
        alert_inputs: Arc::clone(&opened.alert_inputs),
        records: opened.records.clone(),
        drifts: opened.drifts.clone(),
        controllers,
        policies,
        compliance: Arc::clone(&opened.compliance),
        pages: StatusPages::open(opened),
    };
    LoopObserver::new(outputs)
}

/// The channels between the loop and the tasks beside it.
struct LoopChannels {
    orders: mpsc::Sender<WatchCommand>,
    look: mpsc::Receiver<ReloadTrigger>,
    known: Receiver<Option<Controller>>,
    policies: Sender<PolicySet>,
}

/// Starts the tasks beside the loop: the listener, the alerts, the systemd watchdog, the reloader
/// and the mTLS probes. The returned channel receives the first round of probes if it must end the
/// service.
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
    leadership::follow(opened, tasks, stop, orders.clone());
    if opened.settings.course != RunMode::Steady {
        return None;
    }
    let requirement = MtlsRequirement::of(&opened.setup.file.policy, opened.settings.writes);
    if let Some(why) = requirement.at_start() {
        // The loop has not begun, so the queue has room.
        let _ = orders.try_send(WatchCommand::Hold(HoldReason::Unproven, why.to_owned()));
    }
    let (requirement_sender, requirement_receiver) = tokio::sync::watch::channel(requirement);
    let (refuse, refused) = oneshot::channel();
    let probe_now = Arc::new(Notify::new());
    let prober = MtlsProber {
        probe: round(opened),
        tell: Box::new(result_reporter(opened)),
        controllers: known,
        requirement: requirement_receiver,
        probe_now: Arc::clone(&probe_now),
        orders: orders.clone(),
        refuse: Some(refuse),
        began: Instant::now(),
        standing: MtlsState::default(),
        held: requirement.at_start(),
    };
    tasks.spawn(prober.run(stop.clone()));
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
        requirement_sender,
        probe_now,
        writes: opened.settings.writes,
        identity: ClientCertReloader::new(opened),
        compliance: Arc::clone(&opened.compliance),
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

/// Notifies systemd after the first full read, even if it failed: the service runs then and reports
/// the failure. Requests a check of the files after each full read.
async fn announce(
    read_done: Arc<Notify>,
    reload_triggers: mpsc::Sender<ReloadTrigger>,
    stop: CancellationToken,
) {
    let mut is_ready = false;
    loop {
        tokio::select! {
            () = read_done.notified() => {}
            () = stop.cancelled() => return,
        }
        if !is_ready {
            systemd::tell(&SystemdNotice::Ready);
            is_ready = true;
        }
        // If the queue is full, a check is pending already.
        let _ = reload_triggers.try_send(ReloadTrigger::Read);
    }
}

/// Notifies the systemd watchdog while the loop is healthy.
async fn keep_alive(metrics: Arc<MetricsState>, stop: CancellationToken) {
    let Some(every) = systemd::watchdog() else { return };
    let mut beat = interval(every.max(Duration::from_millis(100)));
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            () = stop.cancelled() => return,
        }
        if metrics.health().is_ok() {
            systemd::tell(&SystemdNotice::Alive);
        }
    }
}

/// The inputs of the service while the loop runs.
struct RunningLoop {
    signals: Signals,
    hangups: Hangups,
    orders: mpsc::Sender<WatchCommand>,
    reload_triggers: mpsc::Sender<ReloadTrigger>,
    refused: Option<oneshot::Receiver<MtlsRound>>,
}

/// The end of the loop and what caused it.
struct LoopResult {
    /// Absent if the loop did not end in time, or a second signal cut it off.
    result: Option<Result<WatchEnd, crate::garm::GarmError>>,
    /// The first signal, if there was one.
    signal: Option<Signal>,
    /// The first round of probes, if the policy ends the service because of it.
    refused: Option<MtlsRound>,
}

impl RunningLoop {
    /// Waits for the end of the loop. The first signal asks it to stop; a second one or
    /// [`LOOP_PATIENCE`] abandons it.
    async fn until_ended(
        mut self,
        looping: impl Future<Output = Result<WatchEnd, crate::garm::GarmError>>,
    ) -> LoopResult {
        let mut looping = pin!(looping);
        let mut ended = LoopResult { result: None, signal: None, refused: None };
        let mut stopped: Option<Instant> = None;
        loop {
            let patience = stopped.map_or_else(Instant::now, |since| since + LOOP_PATIENCE);
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
                        .help("run `runnerctl watch --release` to lower them").emit();
                    return ended;
                }
            }
        }
    }

    fn stop(&self) {
        let text = "stopping: finishing the write in flight and lowering raised levels";
        LogLine::info("stop", text).emit();
        systemd::tell(&SystemdNotice::Stopping);
        // The loop empties the queue at each turn. If it is full nevertheless, the timeout ends the
        // loop.
        let _ = self.orders.try_send(WatchCommand::Stop);
    }

    fn look(&self) {
        let reload_triggers = self.reload_triggers.clone();
        // Waits for room: a check under way may have read the files before the change.
        tokio::spawn(async move { reload_triggers.send(ReloadTrigger::Hangup).await });
    }
}

/// Waits for the probes to end the service; never returns if they do not.
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

/// Ends the tasks beside the loop within [`REST_PATIENCE`] and returns the exit code.
async fn close(
    opened: DaemonParts,
    (stop, tasks): (CancellationToken, TaskTracker),
    ended: LoopResult,
) -> Result<Exit, Failure> {
    let DaemonParts { settings, alerting, records, destination, compliance, leadership, .. } =
        opened;
    let was_lost = leadership.as_ref().is_some_and(|leadership| !leadership.is_leading());
    records.end();
    drop((destination, compliance));
    stop.cancel();
    tasks.close();
    // Nothing is written any more: the next leader may begin.
    let release = async {
        if let Some(mut leadership) = leadership {
            leadership.end().await;
        }
    };
    // Tasks that have not ended by then end with the process.
    let rest = async { tokio::join!(release, alerting.close(REST_PATIENCE), tasks.wait()) };
    let _ = tokio::time::timeout(REST_PATIENCE, rest).await;
    if was_lost && settings.course != RunMode::Steady {
        let text = "another `watch` leads by now, and not everything may be written";
        return Err(Failure::new(Exit::Failed, text).help("run it again"));
    }
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
        let text = format!("pools left above their floor: {}", names.join(", "));
        LogLine::error("stop", text)
            .help("run `runnerctl watch --release` once GARM responds")
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
