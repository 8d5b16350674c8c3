//! Reloads files that change while `watch` runs: checks them at each full read of a GARM and on
//! SIGHUP. If the files have errors, the previous configuration stays in use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::alerting::receivers;
use super::process::ProcessParts;
use super::reload::{GarmReloader, ReloadNotes};
use super::server_cert::ServerCertReloader;
use super::setup::{ConfigError, DaemonConfig, digest, partial_group, read};
use crate::cli::log::{LogFields, LogLine, spans};
use crate::domain::name::GarmName;
use crate::domain::poison::IgnorePoison;
use crate::host::systemd::{self, SystemdNotice};
use crate::metrics::ReloadResult;
use crate::reconcile::watch::Writes;
use crate::render::words::count;

/// Why the files are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReloadTrigger {
    /// A full read: only changes are logged.
    Read,
    /// SIGHUP: logged even if nothing has changed.
    Hangup,
}

/// A GARM that was added to the files, or removed from them.
#[derive(Debug)]
pub(super) enum GarmChange {
    Added(Box<DaemonConfig>),
    Removed(Option<GarmName>),
}

const ANEW: &str = "reloaded the changed files";
const AS_BEFORE: &str = "the files are unchanged";

/// The declared GARMs, and those whose service runs.
#[derive(Default)]
pub(super) struct GarmRegistry {
    configs: Mutex<BTreeMap<Option<GarmName>, DaemonConfig>>,
    running: Mutex<BTreeMap<Option<GarmName>, Arc<tokio::sync::Mutex<GarmReloader>>>>,
    /// Notified when the files were applied anew, and at SIGHUP.
    pub(super) reloaded: Notify,
}

impl GarmRegistry {
    /// Replaces the declared GARMs.
    pub(super) fn declare(&self, garms: &[DaemonConfig]) {
        let garms = garms.iter().map(|garm| (garm.garm.clone(), garm.clone()));
        *self.configs.lock().ignoring_poison() = garms.collect();
    }

    /// The configuration of a GARM in the files as they are in use; absent if it is not declared.
    pub(super) fn config(&self, garm: Option<&GarmName>) -> Option<DaemonConfig> {
        self.configs.lock().ignoring_poison().get(&garm.cloned()).cloned()
    }

    fn names(&self) -> BTreeSet<Option<GarmName>> {
        self.configs.lock().ignoring_poison().keys().cloned().collect()
    }

    /// The service of a GARM begins.
    pub(super) fn begin(
        &self,
        garm: Option<GarmName>,
        reloader: Arc<tokio::sync::Mutex<GarmReloader>>,
    ) {
        self.running().insert(garm, reloader);
    }

    /// The service of a GARM ends.
    pub(super) fn end(&self, garm: Option<&GarmName>) {
        self.running().remove(&garm.cloned());
    }

    fn running(
        &self,
    ) -> MutexGuard<'_, BTreeMap<Option<GarmName>, Arc<tokio::sync::Mutex<GarmReloader>>>> {
        self.running.lock().ignoring_poison()
    }
}

/// Checks the files and applies their changes.
pub(super) struct FileReloader {
    pub(super) process: Arc<ProcessParts>,
    pub(super) garms: Arc<GarmRegistry>,
    /// Receives the GARMs that were added or removed.
    pub(super) changes: mpsc::UnboundedSender<GarmChange>,
    /// Reloads the listener's certificate; absent if it serves plain HTTP.
    pub(super) listening: Option<ServerCertReloader>,
    /// The result of the last read of the files.
    pub(super) read: Result<Vec<DaemonConfig>, ConfigError>,
    /// Why the last read configuration was refused, if it was.
    pub(super) refused: Option<ConfigError>,
    /// The digest of the files at the last read.
    pub(super) digest: [u8; 32],
}

impl FileReloader {
    /// Checks the files on each trigger until `stop`.
    pub(super) async fn run(
        mut self,
        mut causes: mpsc::Receiver<ReloadTrigger>,
        stop: CancellationToken,
    ) {
        loop {
            tokio::select! {
                cause = causes.recv() => match cause {
                    Some(cause) => self.look(cause).await,
                    None => return,
                },
                () = stop.cancelled() => return,
            }
        }
    }

    /// Checks the files and applies their changes. A refused configuration is tried again each
    /// time: the cause may be outside the files, for example in the secret of a receiver.
    async fn look(&mut self, cause: ReloadTrigger) {
        if let Some(listening) = &mut self.listening {
            listening.look().await;
        }
        let (process, before) = (Arc::clone(&self.process), self.digest);
        let is_refused = self.refused.is_some();
        let looking = tokio::task::spawn_blocking(move || {
            let digest = digest(&process.run);
            let is_settled = cause == ReloadTrigger::Read && before == digest && !is_refused;
            (!is_settled).then(|| (digest, read(&process.run, &process.selected)))
        });
        // Reading files does not panic, and only the end of the program aborts it.
        let Ok(Some((digest, found))) = looking.await else { return };
        self.digest = digest;
        let is_new = found != self.read;
        if cause == ReloadTrigger::Read && !is_new && !is_refused {
            return;
        }
        if cause == ReloadTrigger::Hangup {
            systemd::tell(&SystemdNotice::Reloading);
            self.hangup().await;
        }
        self.read = found;
        let said = if is_new || is_refused { ANEW } else { AS_BEFORE };
        let tried = match self.read.clone() {
            Ok(fresh) => self.take(&fresh, said).await,
            Err(refused) => Err(refused),
        };
        if let Err(refused) = &tried
            && (cause == ReloadTrigger::Hangup || is_new || self.refused.as_ref() != Some(refused))
        {
            self.refuse(refused);
        }
        self.refused = tried.err();
        if cause == ReloadTrigger::Hangup {
            systemd::tell(&SystemdNotice::Ready);
        }
    }

    /// Checks the certificates of all GARMs and requests a round of probes from each.
    async fn hangup(&self) {
        for (name, reloader) in self.running() {
            let looking = async { reloader.lock().await.hangup().await };
            spans::within(name.as_ref(), looking).await;
        }
        self.garms.reloaded.notify_waiters();
    }

    fn running(&self) -> BTreeMap<Option<GarmName>, Arc<tokio::sync::Mutex<GarmReloader>>> {
        self.garms.running().clone()
    }

    fn refuse(&self, refused: &ConfigError) {
        self.process.metrics.config(ReloadResult::Rejected);
        let text = format!("{}: the previous configuration stays in use", refused.message);
        let line = LogLine::error("reload", text).with(&LogFields::Reload { outcome: "refused" });
        let line = match refused.help.as_str() {
            "" => line,
            help => line.help(help),
        };
        line.emit();
        for line in refused.report.lines().filter(|line| !line.trim().is_empty()) {
            let line = anstream::adapter::strip_str(line).to_string();
            LogLine::info("reload", line).emit();
        }
    }

    async fn take(&mut self, fresh: &[DaemonConfig], said: &str) -> Result<(), ConfigError> {
        let partial = partial_group(fresh).filter(|_| self.process.writes == Writes::Sent);
        if let Some(partial) = partial {
            return Err(partial);
        }
        let before = self.garms.names();
        self.take_beside(fresh, &before).await?;
        self.process.metrics.config(ReloadResult::Applied);
        self.garms.declare(fresh);
        if let Some(election) = &self.process.election {
            election.reload(fresh);
        }
        self.tell_changes(fresh, before);
        let pools = count(fresh.iter().map(|garm| garm.pools.len()).sum(), "pool");
        let text = match fresh {
            [only] if only.garm.is_none() => format!("{said}: {pools}"),
            garms => format!("{said}: {}, {pools}", count(garms.len(), "GARM")),
        };
        LogLine::info("reload", text).with(&LogFields::Reload { outcome: "done" }).emit();
        let running = self.running();
        let mut notes = Vec::new();
        for garm in fresh {
            let Some(reloader) = running.get(&garm.garm) else { continue };
            let taken =
                spans::within(garm.garm.as_ref(), async { reloader.lock().await.take(garm).await });
            notes.push((garm.garm.as_ref(), taken.await));
        }
        report(&notes);
        self.garms.reloaded.notify_waiters();
        Ok(())
    }

    /// Applies changes of the listener's certificate, the alert rules and the receivers; an error
    /// leaves the previous ones in use.
    async fn take_beside(
        &mut self,
        fresh: &[DaemonConfig],
        before: &BTreeSet<Option<GarmName>>,
    ) -> Result<(), ConfigError> {
        let refused = |message: String, help: Option<String>| ConfigError {
            message,
            report: String::new(),
            help: help.unwrap_or_default(),
        };
        let Some(first) = fresh.first() else { return Ok(()) };
        if before.contains(&None) != first.garm.is_none() {
            let message = "`garms` was added to the fleet file, or removed from it".to_owned();
            return Err(refused(message, Some("restart `watch` to apply the change".to_owned())));
        }
        if let (Some(listening), Some(files)) = (&mut self.listening, &first.watch.tls) {
            let taken = listening.take(files);
            taken.map_err(|error| refused(error.to_string(), error.help))?;
        }
        let receivers = receivers(first, &first.allowed(&self.process.run)).await;
        let receivers = receivers.map_err(|failure| refused(failure.message, failure.help))?;
        let running = self.running();
        for garm in fresh {
            let Some(reloader) = running.get(&garm.garm) else { continue };
            let prepared = spans::within(garm.garm.as_ref(), async {
                reloader.lock().await.prepare(garm, receivers.clone()).await
            });
            prepared.await.map_err(|failure| refused(failure.message, failure.help))?;
        }
        self.process.set_receivers(receivers);
        Ok(())
    }

    /// Starts the services of GARMs that were added, and stops those of GARMs that were removed.
    fn tell_changes(&self, fresh: &[DaemonConfig], before: BTreeSet<Option<GarmName>>) {
        // The receiver is dropped once the process ends; then nothing is to be started or stopped.
        for garm in fresh.iter().filter(|garm| !before.contains(&garm.garm)) {
            let _ = self.changes.send(GarmChange::Added(Box::new(garm.clone())));
        }
        let is_gone = |name: &Option<GarmName>| fresh.iter().all(|garm| garm.garm != *name);
        for name in before.into_iter().filter(is_gone) {
            let _ = self.changes.send(GarmChange::Removed(name));
        }
    }
}

/// Logs what a reload does not change: once if it concerns every GARM.
fn report(notes: &[(Option<&GarmName>, ReloadNotes)]) {
    let Some((_, first)) = notes.first() else { return };
    let is_common =
        |row: &&LogLine| notes.len() > 1 && notes.iter().all(|(_, notes)| notes.0.contains(row));
    let common: Vec<&LogLine> = first.0.iter().filter(is_common).collect();
    common.iter().for_each(|line| line.emit());
    for (name, notes) in notes {
        let own = notes.0.iter().filter(|line| !common.contains(line));
        spans::of(*name).in_scope(|| own.for_each(LogLine::emit));
    }
}
