//! Runs the service of one GARM: starts its tasks, and shuts everything down in time.

use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch::{Receiver, Sender};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client_cert::ClientCertReloader;
use super::files::{GarmRegistry, ReloadTrigger};
use super::leadership;
use super::mtls_probe::{result_reporter, round};
use super::mtls_schedule::{MtlsProber, MtlsRequirement, MtlsRound};
use super::observer::{LoopObserver, ObserverOutputs};
use super::reload::GarmReloader;
use super::startup::DaemonParts;
use super::status_page::StatusPages;
use crate::audit;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::log::{LogLine, spans};
use crate::cli::policies::PolicySet;
use crate::cli::require_mtls;
use crate::domain::fleet::{Controller, ReleaseLine as GarmLine};
use crate::domain::name::PoolName;
use crate::garm::events;
use crate::host::clock::Clock;
use crate::host::signals::Signal;
use crate::host::state_dir;
use crate::monitor::mtls_state::MtlsState;
use crate::reconcile::audit_trail::AuditContext;
use crate::reconcile::watch::{
    HoldReason, LoopIo, RunMode, SharedGroups, WatchCommand, WatchEnd, watch,
};
use crate::reconcile::writer::Writer;

/// How long the loop may take to finish after the first signal. The rest of the 10 s that a stop
/// may take is for the alerts and the audit file.
const LOOP_PATIENCE: Duration = Duration::from_secs(7);

/// What is logged when the loop is asked to stop.
pub(super) const STOPPING: &str =
    "stopping: finishing the write in flight and lowering raised levels";

/// How long the shutdown may take after the end of the loop.
const REST_PATIENCE: Duration = Duration::from_secs(2);

/// What the process tells the service of a GARM, and is told by it.
#[derive(Clone)]
pub(super) struct ServiceControl {
    /// Cancelled when the service is to stop: by the first signal, or because its GARM is no longer
    /// declared.
    pub(super) stop: CancellationToken,
    /// Cancelled by the second signal: the loop is abandoned.
    pub(super) abandon: CancellationToken,
    /// The first signal, if there was one.
    pub(super) signal: Arc<OnceLock<Signal>>,
    /// Notified after the first full read, even if it failed.
    pub(super) first_read: Arc<Notify>,
    /// Requests a check of the files.
    pub(super) reload_triggers: mpsc::Sender<ReloadTrigger>,
    pub(super) garms: Arc<GarmRegistry>,
    pub(super) groups: Option<SharedGroups>,
}

/// Runs until the loop ends, by itself or because it is told to stop.
pub(super) async fn serve(
    mut opened: DaemonParts,
    control: &ServiceControl,
) -> Result<Exit, Failure> {
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let orders = opened.orders.clone();
    let taken = opened.taken.take().expect("set by `startup::open` and taken only here");
    let (controllers, known) = tokio::sync::watch::channel(None);
    let (policies, policies_in_force) = tokio::sync::watch::channel(opened.setup.policies.clone());
    let observer = observer(&opened, (controllers, policies_in_force));
    let channels = LoopChannels { orders: orders.clone(), known, policies };
    let read_done = Arc::clone(&observer.read_done);
    let refused = begin(&mut opened, (&tasks, &stop), channels, (control, read_done)).await;
    let DaemonParts { settings, setup, client, .. } = &opened;
    let writer = Writer::new(Arc::clone(client), audit_context(&opened));
    let writer = leadership::fenced(writer, &opened);
    let io = LoopIo {
        client: Arc::clone(client),
        writer: &writer,
        feed: client.events(events::StreamLimits::default()),
        orders: taken,
        observer: &observer,
        clock: Clock::Real,
        groups: control.groups.clone().zip(setup.garm.clone()).map(|(all, garm)| all.seat(garm)),
    };
    let running = RunningLoop { orders, refused };
    let ended = running.until_ended(watch(io, *settings, setup.declared_pools()), control).await;
    control.garms.end(setup.garm.as_ref());
    observer.end();
    drop((observer, writer));
    close(opened, (stop, tasks), ended).await
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
    known: Receiver<Option<Controller>>,
    policies: Sender<PolicySet>,
}

/// Starts the tasks beside the loop: the alerts, the audit log, the mTLS probes and the reload. The
/// returned channel receives the first round of probes if it must end the service.
async fn begin(
    opened: &mut DaemonParts,
    (tasks, stop): (&TaskTracker, &CancellationToken),
    channels: LoopChannels,
    (control, read_done): (&ServiceControl, Arc<Notify>),
) -> Option<oneshot::Receiver<MtlsRound>> {
    let LoopChannels { orders, known, policies } = channels;
    spans::spawn(tasks, Arc::clone(&opened.alerting).run(stop.clone()));
    if let Some(work) = opened.work.take() {
        spans::spawn(tasks, work.run(stop.clone()));
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
    spans::spawn(tasks, prober.run(stop.clone()));
    let reloader = GarmReloader {
        orders,
        client: Arc::clone(&opened.client),
        alerting: Arc::clone(&opened.alerting),
        started: opened.setup.clone(),
        taken: opened.setup.clone(),
        drifts: opened.drifts.clone(),
        requirement_sender,
        probe_now,
        writes: opened.settings.writes,
        identity: ClientCertReloader::new(opened),
        compliance: Arc::clone(&opened.compliance),
        policies,
    };
    let reloader = Arc::new(tokio::sync::Mutex::new(reloader));
    control.garms.begin(opened.setup.garm.clone(), Arc::clone(&reloader));
    catch_up(opened, control, &reloader).await;
    spans::spawn(
        tasks,
        announce((read_done, opened.settings.resync), reloader, control.clone(), stop.clone()),
    );
    Some(refused)
}

/// Applies files that were reloaded while the service was opened.
async fn catch_up(
    opened: &DaemonParts,
    control: &ServiceControl,
    reloader: &tokio::sync::Mutex<GarmReloader>,
) {
    let fresh = control.garms.config(opened.setup.garm.as_ref());
    if let Some(fresh) = fresh.filter(|fresh| *fresh != opened.setup) {
        let mut reloader = reloader.lock().await;
        // The receivers were accepted by the reload.
        let _ = reloader.prepare(&fresh, opened.process.receivers()).await;
        reloader.take(&fresh).await;
    }
}

/// After each full read, even if it failed, and at least every `resync`: checks the certificates for
/// GARM, and requests a check of the files.
async fn announce(
    (read_done, resync): (Arc<Notify>, Duration),
    reloader: Arc<tokio::sync::Mutex<GarmReloader>>,
    control: ServiceControl,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = read_done.notified() => control.first_read.notify_one(),
            // A large fleet is read less often.
            () = sleep(resync) => {}
            () = stop.cancelled() => return,
        }
        reloader.lock().await.look_at_certificates().await;
        // If the queue is full, a check is pending already.
        let _ = control.reload_triggers.try_send(ReloadTrigger::Read);
    }
}

/// The inputs of the service while the loop runs.
struct RunningLoop {
    orders: mpsc::Sender<WatchCommand>,
    refused: Option<oneshot::Receiver<MtlsRound>>,
}

/// The end of the loop and what caused it.
struct LoopResult {
    /// Absent if the loop did not end in time, or was abandoned.
    result: Option<Result<WatchEnd, crate::garm::GarmError>>,
    /// The first signal, if there was one.
    signal: Option<Signal>,
    /// The first round of probes, if the policy ends the service because of it.
    refused: Option<MtlsRound>,
}

impl RunningLoop {
    /// Waits for the end of the loop. It is asked to stop when the control or the probes say so, and
    /// abandoned after [`LOOP_PATIENCE`], or at once when the control says so.
    async fn until_ended(
        mut self,
        looping: impl Future<Output = Result<WatchEnd, crate::garm::GarmError>>,
        control: &ServiceControl,
    ) -> LoopResult {
        let mut looping = pin!(looping);
        let mut ended = LoopResult { result: None, signal: None, refused: None };
        let mut stopped: Option<Instant> = None;
        loop {
            let patience = stopped.map_or_else(Instant::now, |since| since + LOOP_PATIENCE);
            tokio::select! {
                result = &mut looping => {
                    ended.result = Some(result);
                    break;
                }
                () = control.stop.cancelled(), if stopped.is_none() => {
                    stopped = Some(Instant::now());
                    self.stop();
                }
                () = control.abandon.cancelled() => break,
                shown = refusal(&mut self.refused) => {
                    ended.refused = Some(shown);
                    if stopped.is_none() {
                        LogLine::info("stop", STOPPING).emit();
                        stopped = Some(Instant::now());
                        self.stop();
                    }
                }
                () = sleep_until(patience), if stopped.is_some() => {
                    let text = "the loop did not end in time: levels may still be raised";
                    LogLine::error("stop", text)
                        .help("run `runnerctl watch --release` to lower them").emit();
                    break;
                }
            }
        }
        ended.signal = control.signal.get().copied();
        ended
    }

    fn stop(&self) {
        // The loop empties the queue at each turn. If it is full nevertheless, the timeout ends the
        // loop.
        let _ = self.orders.try_send(WatchCommand::Stop);
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
    if let Some(leadership) = &leadership {
        leadership.note(&alerting).await;
    }
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
