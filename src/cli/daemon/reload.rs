//! Reloads files that change while the loop runs: checks them at each full read of GARM and on
//! SIGHUP. Files that cannot be used leave the previous ones in force.

use std::sync::Arc;

use serde_json::json;
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
use crate::cli::log::LogLine;
use crate::cli::policies::PolicySet;
use crate::garm::GarmClient;
use crate::host::systemd::{self, Notice};
use crate::metrics::{MetricsState, ReloadResult};
use crate::reconcile::watch::{DeclaredPools, WatchCommand, Writes};
use crate::render::words::count;

/// Why the files are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReloadTrigger {
    /// A full read: said is only what has changed.
    Read,
    /// SIGHUP: also said when nothing has.
    Hangup,
}

const ANEW: &str = "the files have changed, and watch follows them now";
const AS_BEFORE: &str = "the files are as they were";

/// Checks the files and applies their changes.
pub(super) struct Reloader {
    /// The global options of the command line.
    pub(super) run: RunSettings,
    pub(super) metrics: Arc<MetricsState>,
    pub(super) orders: mpsc::Sender<WatchCommand>,
    pub(super) client: Arc<GarmClient>,
    pub(super) alerting: Arc<Alerting>,
    /// The listener's own certificate; absent: it speaks plain HTTP.
    pub(super) listening: Option<ServerCertReloader>,
    /// What the policy asks of mTLS, for the probes.
    pub(super) demands: Sender<MtlsRequirement>,
    /// A round of probes is wanted.
    pub(super) again: Arc<Notify>,
    pub(super) writes: Writes,
    /// Our certificate for GARM, and what it is trusted by.
    pub(super) identity: ClientCertReloader,
    /// The report on the requirements.
    pub(super) verdicts: Arc<ComplianceReport>,
    pub(super) policies: Sender<PolicySet>,
    /// As it was at the start: what of it needs a restart is still in force.
    pub(super) started: DaemonConfig,
    /// What is in force, but for what needs a restart.
    pub(super) taken: DaemonConfig,
    /// As it was read last.
    pub(super) read: Result<DaemonConfig, ConfigError>,
    /// Why that is not in force, if it is not.
    pub(super) refused: Option<ConfigError>,
    /// What the files held then.
    pub(super) digest: [u8; 32],
    /// What the pools are held against.
    pub(super) drifts: DriftDetector,
}

impl Reloader {
    /// Looks whenever it is asked to, until `stop`.
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

    /// Looks at the files, and takes over what has changed in them. What was refused is tried again
    /// each time: its cause may lie outside the files, as a secret does that a receiver refers to.
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
        // Reading files does not panic, and nothing but the end of the program aborts it.
        let Ok(Some((digest, found))) = looking.await else { return };
        self.digest = digest;
        let is_new = found != self.read;
        if cause == ReloadTrigger::Read && !is_new && !is_refused {
            return;
        }
        if cause == ReloadTrigger::Hangup {
            systemd::tell(&Notice::Reloading);
            self.again.notify_one();
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
            systemd::tell(&Notice::Ready);
        }
    }

    fn refuse(&self, refused: &ConfigError) {
        self.metrics.config(ReloadResult::Rejected);
        let text = format!("{}: what was in force stays in force", refused.message);
        let line = LogLine::error("reload", text).with(json!({ "outcome": "refused" }));
        let line = match refused.help.as_str() {
            "" => line,
            help => line.help(help),
        };
        line.emit();
        for line in refused.report.lines().filter(|it| !it.trim().is_empty()) {
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
        self.verdicts.files(fresh);
        self.demands.send_if_modified(|it| {
            let before =
                std::mem::replace(it, MtlsRequirement::of(&fresh.file.policy, self.writes));
            before != *it
        });
        let pools = count(fresh.pools.len(), "pool");
        let text = format!("{said}: {pools}");
        LogLine::info("reload", text).with(json!({ "outcome": "done" })).emit();
        for name in self.started.needs_restart(fresh) {
            let text = format!("`{name}` has changed and takes a restart to be in force");
            LogLine::warn("reload", text).emit();
        }
        for name in self.taken.needs_apply(fresh) {
            let text = format!("`{name}` has changed: GARM knows it after the next `apply`");
            LogLine::info("reload", text).help("`runnerctl plan`").emit();
        }
        self.taken = fresh.clone();
        let roll = DeclaredPools { fleet: self.started.file.fleet.clone(), ..fresh.roll() };
        // The receiver is gone once the loop has ended; then there is nothing to reload.
        let _ = self.orders.send(WatchCommand::Reload(roll)).await;
        Ok(())
    }

    /// The listener's certificate, alert rules and receivers; on an error the old ones stay.
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
