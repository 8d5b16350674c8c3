//! Runs the services of all GARMs in one process: starts, stops and restarts them, serves their
//! pages, and handles signals and systemd.
//!
//! Each service has its own loop, so a GARM that is slow or does not answer delays no other. With
//! several GARMs, a service that cannot start is tried again; a single one ends the process.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, interval, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::files::{FileReloader, GarmChange, GarmRegistry, ReloadTrigger};
use super::process::{OpenedProcess, ProcessParts};
use super::server_cert::ServerCertReloader;
use super::service::{self, STOPPING, ServiceControl};
use super::setup::DaemonConfig;
use super::startup;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::log::{LogLine, spans};
use crate::domain::name::GarmName;
use crate::domain::text::{code, list};
use crate::host::signals::{Hangups, Signal, Signals};
use crate::host::systemd::{self, SystemdNotice};
use crate::metrics::{MetricsServer, ProcessMetrics, serve as answer};
use crate::reconcile::watch::{Rivals, RunMode, SharedGroups};
use crate::render::words::{count, span};

/// The first pause before a service that could not start is tried again; it doubles each time.
const RETRY_MIN: Duration = Duration::from_secs(15);

/// The longest pause.
const RETRY_MAX: Duration = Duration::from_mins(5);

/// How long the pages may take to end after the services, and this process to leave the record of
/// those that share the GARMs.
const PAGES_PATIENCE: Duration = Duration::from_millis(500);

/// The most GARMs that a failure names.
const NAMES_MAX: usize = 5;

/// The end of the service of a GARM.
struct ServiceEnd {
    garm: Option<GarmName>,
    result: Result<Exit, Failure>,
}

type RunningService<'a> = Pin<Box<dyn Future<Output = ServiceEnd> + 'a>>;

/// The services of all GARMs.
struct Supervisor<'a> {
    process: Arc<ProcessParts>,
    cx: Context<'a>,
    control: ServiceControl,
    services: FuturesUnordered<RunningService<'a>>,
    /// Stops the service of one GARM.
    stops: BTreeMap<Option<GarmName>, CancellationToken>,
    ended: Vec<ServiceEnd>,
}

/// Runs until all services have ended, by themselves or after a signal.
pub(super) async fn supervise(opened: OpenedProcess, cx: Context<'_>) -> Result<Exit, Failure> {
    let mut signals = Signals::catch().map_err(|error| no_signals(&error))?;
    let mut hangups = Hangups::catch().map_err(|error| no_signals(&error))?;
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let (reload_triggers, causes) = mpsc::channel(1);
    let (changes, mut changed) = mpsc::unbounded_channel();
    let OpenedProcess { parts, listener, garms } = opened;
    let control = ServiceControl {
        stop: CancellationToken::new(),
        abandon: CancellationToken::new(),
        signal: Arc::new(OnceLock::new()),
        first_read: Arc::new(Notify::new()),
        reload_triggers: reload_triggers.clone(),
        garms: Arc::new(GarmRegistry::default()),
        groups: shared_groups(&parts),
    };
    control.garms.declare(&garms);
    let services = FuturesUnordered::new();
    let (stops, ended) = (BTreeMap::new(), Vec::new());
    let mut all = Supervisor { process: parts, cx, control, services, stops, ended };
    let files = all.files(&garms, changes);
    garms.into_iter().for_each(|garm| all.start(garm));
    if let Some(listener) = listener {
        let (metrics, certificates) =
            (Arc::clone(&all.process.metrics), all.process.certificates.clone());
        tasks.spawn(answer(MetricsServer { listener, metrics, certificates }, stop.clone()));
    }
    tasks.spawn(keep_alive(Arc::clone(&all.process.metrics), stop.clone()));
    tasks.spawn(announce(Arc::clone(&all.control.first_read), stop.clone()));
    if let Some(election) = &all.process.election {
        election.start(&tasks, &stop)?;
    }
    if all.process.course == RunMode::Steady {
        tasks.spawn(files.run(causes, stop.clone()));
    }
    loop {
        tokio::select! {
            Some(end) = all.services.next() => {
                all.ended(end);
                if all.services.is_empty() {
                    break;
                }
            }
            signal = signals.next() => all.signalled(signal),
            () = hangups.next() => {
                let triggers = reload_triggers.clone();
                // Waits for room: a check under way may have read the files before the change.
                tokio::spawn(async move { triggers.send(ReloadTrigger::Hangup).await });
            }
            Some(change) = changed.recv() => match change {
                GarmChange::Added(garm) => all.start(*garm),
                GarmChange::Removed(name) => all.stop(name.as_ref()),
            },
        }
    }
    systemd::tell(&SystemdNotice::Stopping);
    stop.cancel();
    tasks.close();
    // Tasks that have not ended by then end with the process.
    let _ = tokio::time::timeout(PAGES_PATIENCE, tasks.wait()).await;
    all.result()
}

/// What the services share; absent with `--release`, which restores the `max_runners` of the files.
fn shared_groups(parts: &ProcessParts) -> Option<SharedGroups> {
    let rivals = if parts.election.is_some() { Rivals::Possible } else { Rivals::None };
    (parts.course != RunMode::Release).then(|| SharedGroups::new(rivals))
}

fn no_signals(error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot catch signals: {error}"))
}

impl<'a> Supervisor<'a> {
    fn files(
        &self,
        garms: &[DaemonConfig],
        changes: mpsc::UnboundedSender<GarmChange>,
    ) -> FileReloader {
        let files = garms.first().and_then(|garm| garm.watch.tls.clone());
        let listening = self.process.certificates.clone().zip(files);
        FileReloader {
            process: Arc::clone(&self.process),
            garms: Arc::clone(&self.control.garms),
            changes,
            listening: listening
                .map(|(certificates, files)| ServerCertReloader::new(certificates, files)),
            read: Ok(garms.to_vec()),
            refused: None,
            digest: self.process.digest,
        }
    }

    fn start(&mut self, garm: DaemonConfig) {
        let stop = self.control.stop.child_token();
        self.stops.insert(garm.garm.clone(), stop.clone());
        let control = ServiceControl { stop, ..self.control.clone() };
        let (process, cx) = (Arc::clone(&self.process), self.cx);
        self.services.push(Box::pin(async move {
            let name = garm.garm.clone();
            let result = spans::within(name.as_ref(), keep(garm, &process, &control, cx)).await;
            ServiceEnd { garm: name, result }
        }));
    }

    /// Stops the service of a GARM that is no longer declared.
    fn stop(&mut self, garm: Option<&GarmName>) {
        if let Some(stop) = self.stops.get(&garm.cloned()) {
            let text = format!("no longer in the files: {STOPPING}");
            spans::of(garm).in_scope(|| LogLine::info("stop", text).emit());
            stop.cancel();
        }
    }

    /// The first signal stops all services, the second one abandons their loops.
    fn signalled(&mut self, signal: Signal) {
        if self.control.signal.set(signal).is_err() {
            self.control.abandon.cancel();
            return;
        }
        LogLine::info("stop", STOPPING).emit();
        systemd::tell(&SystemdNotice::Stopping);
        self.control.stop.cancel();
    }

    fn ended(&mut self, end: ServiceEnd) {
        self.stops.remove(&end.garm);
        let is_declared = self.control.garms.config(end.garm.as_ref()).is_some();
        if is_declared {
            self.ended.push(end);
        } else {
            self.process.metrics.remove(end.garm.as_ref());
            if let (Some(groups), Some(garm)) = (&self.control.groups, &end.garm) {
                groups.remove(garm);
            }
        }
    }

    /// The result of the only service, or the worst result of several.
    fn result(mut self) -> Result<Exit, Failure> {
        if let [ServiceEnd { garm: None, .. }] = self.ended.as_slice()
            && let Some(only) = self.ended.pop()
        {
            return only.result;
        }
        let exit = |end: &ServiceEnd| *end.result.as_ref().unwrap_or_else(|failure| &failure.exit);
        let worst = Exit::worst(self.ended.iter().map(exit));
        let mut failed = Vec::new();
        for end in &self.ended {
            if let Err(failure) = &end.result {
                failed.extend(end.garm.as_ref().map(|name| code(name.as_str())));
                spans::of(end.garm.as_ref()).in_scope(|| report(failure, ""));
            }
        }
        if failed.is_empty() {
            return Ok(worst);
        }
        let all = count(self.ended.len(), "GARM");
        let names = list(failed.iter(), NAMES_MAX);
        Err(Failure::new(worst, format!("{} of {all} failed: {names}", failed.len())))
    }
}

/// Runs the service of a GARM until it is told to stop, or, with `--once` and `--release`, until its
/// work is done. One of several that fails is started again after a pause.
async fn keep(
    first: DaemonConfig,
    process: &Arc<ProcessParts>,
    control: &ServiceControl,
    cx: Context<'_>,
) -> Result<Exit, Failure> {
    let name = first.garm.clone();
    let metrics = startup::empty_board(&first.watch);
    process.metrics.insert(name.clone(), Arc::clone(&metrics));
    let mut pause = RETRY_MIN;
    loop {
        let config = control.garms.config(name.as_ref()).unwrap_or_else(|| first.clone());
        metrics.begin();
        let began = Instant::now();
        let result = match startup::open(config, (process, Arc::clone(&metrics)), cx).await {
            Ok(opened) => service::serve(opened, control).await,
            Err(failure) => Err(failure),
        };
        let result = match &name {
            Some(name) => result.map_err(|failure| failure.at(name)),
            None => result,
        };
        let failure = match result {
            Err(failure)
                if name.is_some()
                    && process.course == RunMode::Steady
                    && !control.stop.is_cancelled() =>
            {
                failure
            }
            result => return result,
        };
        if began.elapsed() > RETRY_MAX {
            pause = RETRY_MIN;
        }
        report(&failure, &format!("; tries again in {}", span(pause)));
        metrics.stop(failure.message);
        control.first_read.notify_one();
        tokio::select! {
            () = sleep(pause) => {}
            () = control.garms.reloaded.notified() => {}
            () = control.stop.cancelled() => {
                return Ok(match control.signal.get() {
                    Some(Signal::Interrupt) => Exit::Interrupted,
                    Some(Signal::Terminate) | None => Exit::Done,
                });
            }
        }
        pause = (pause * 2).min(RETRY_MAX);
    }
}

fn report(failure: &Failure, next: &str) {
    let line = LogLine::error("stop", format!("{}{next}", failure.message));
    failure.help.as_ref().map_or(line.clone(), |help| line.help(help.clone())).emit();
}

/// Notifies systemd after the first full read of a GARM, even if it failed: the process runs then
/// and reports the failure.
async fn announce(first_read: Arc<Notify>, stop: CancellationToken) {
    tokio::select! {
        () = first_read.notified() => systemd::tell(&SystemdNotice::Ready),
        () = stop.cancelled() => {}
    }
}

/// Notifies the systemd watchdog while all loops are healthy.
async fn keep_alive(metrics: Arc<ProcessMetrics>, stop: CancellationToken) {
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
