//! Reloads files that change while the loop runs: checks them at each full read of GARM and on
//! SIGHUP. If the files have errors, the previous configuration stays in use.

use std::sync::Arc;

use tokio::sync::watch::Sender;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::alerting::Alerting;
use super::client_cert::ClientCertReloader;
use super::compliance::ComplianceReport;
use super::drift::DriftDetector;
use super::mtls_schedule::MtlsRequirement;
use super::server_cert::ServerCertReloader;
use super::setup::{ConfigError, DaemonConfig, digest, read};
use crate::cli::connect::expect;
use crate::cli::context::RunSettings;
use crate::cli::log::{LogFields, LogLine};
use crate::cli::policies::PolicySet;
use crate::garm::GarmClient;
use crate::host::systemd::{self, SystemdNotice};
use crate::metrics::{MetricsState, ReloadResult};
use crate::reconcile::watch::{DeclaredPools, WatchCommand, Writes};
use crate::render::words::count;

/// Why the files are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReloadTrigger {
    /// A full read: only changes are logged.
    Read,
    /// SIGHUP: logged even if nothing has changed.
    Hangup,
}

const ANEW: &str = "reloaded the changed files";
const AS_BEFORE: &str = "the files are unchanged";

/// Checks the files and applies their changes.
pub(super) struct Reloader {
    /// The global options of the command line.
    pub(super) run: RunSettings,
    pub(super) metrics: Arc<MetricsState>,
    pub(super) orders: mpsc::Sender<WatchCommand>,
    pub(super) client: Arc<GarmClient>,
    pub(super) alerting: Arc<Alerting>,
    /// Reloads the listener's certificate; absent if it serves plain HTTP.
    pub(super) listening: Option<ServerCertReloader>,
    /// Receives the mTLS requirement of the policy, for the probes.
    pub(super) requirement_sender: Sender<MtlsRequirement>,
    /// Notified to request a round of probes.
    pub(super) probe_now: Arc<Notify>,
    pub(super) writes: Writes,
    /// Reloads the client certificate and the CA for GARM.
    pub(super) identity: ClientCertReloader,
    /// The report on the requirements.
    pub(super) compliance: Arc<ComplianceReport>,
    pub(super) policies: Sender<PolicySet>,
    /// The configuration at the start. Its settings that need a restart are still in use.
    pub(super) started: DaemonConfig,
    /// The configuration in use, except for settings that need a restart.
    pub(super) taken: DaemonConfig,
    /// The result of the last read of the files.
    pub(super) read: Result<DaemonConfig, ConfigError>,
    /// Why the last read configuration was refused, if it was.
    pub(super) refused: Option<ConfigError>,
    /// The digest of the files at the last read.
    pub(super) digest: [u8; 32],
    /// Compares the pools with their files.
    pub(super) drifts: DriftDetector,
}

impl Reloader {
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
        self.identity.look(&self.started).await;
        if let Some(listening) = &mut self.listening {
            listening.look().await;
        }
        let (run, before) = (self.run.clone(), self.digest);
        let is_refused = self.refused.is_some();
        let looking = tokio::task::spawn_blocking(move || {
            let digest = digest(&run);
            let is_settled = cause == ReloadTrigger::Read && before == digest && !is_refused;
            (!is_settled).then(|| (digest, read(&run)))
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
            self.probe_now.notify_one();
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

    fn refuse(&self, refused: &ConfigError) {
        self.metrics.config(ReloadResult::Rejected);
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

    async fn take(&mut self, fresh: &DaemonConfig, said: &str) -> Result<(), ConfigError> {
        self.take_beside(fresh).await?;
        self.metrics.config(ReloadResult::Applied);
        expect(&self.client, &fresh.pools);
        self.drifts.reload(fresh);
        self.policies.send_replace(fresh.policies.clone());
        self.compliance.files(fresh);
        self.requirement_sender.send_if_modified(|requirement| {
            let before = std::mem::replace(
                requirement,
                MtlsRequirement::of(&fresh.file.policy, self.writes),
            );
            before != *requirement
        });
        let pools = count(fresh.pools.len(), "pool");
        let text = format!("{said}: {pools}");
        LogLine::info("reload", text).with(&LogFields::Reload { outcome: "done" }).emit();
        for name in self.started.needs_restart(fresh) {
            let text = format!("`{name}` has changed: restart `watch` to apply the change");
            LogLine::warn("reload", text).emit();
        }
        for name in self.taken.needs_apply(fresh) {
            let text = format!("`{name}` has changed: run `apply` to change it in GARM");
            LogLine::info("reload", text).help("run `runnerctl plan` to see the changes").emit();
        }
        self.taken = fresh.clone();
        let declared_pools =
            DeclaredPools { fleet: self.started.file.fleet.clone(), ..fresh.declared_pools() };
        // The receiver is dropped once the loop has ended; then there is nothing to reload.
        let _ = self.orders.send(WatchCommand::Reload(declared_pools)).await;
        Ok(())
    }

    /// Applies changes of the listener's certificate, the alert rules and the receivers; an error
    /// leaves the previous ones in use.
    async fn take_beside(&mut self, fresh: &DaemonConfig) -> Result<(), ConfigError> {
        let refused = |message: String, help: Option<String>| ConfigError {
            message,
            report: String::new(),
            help: help.unwrap_or_default(),
        };
        if let (Some(listening), Some(files)) = (&mut self.listening, &fresh.watch.tls) {
            let taken = listening.take(files);
            taken.map_err(|error| refused(error.to_string(), error.help))?;
        }
        let reloaded = self.alerting.reload(fresh, &fresh.allowed(&self.run)).await;
        reloaded.map_err(|failure| refused(failure.message, failure.help))
    }
}
