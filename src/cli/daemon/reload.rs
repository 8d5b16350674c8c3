//! Applies changed files to the running service of one GARM.

use std::sync::Arc;

use tokio::sync::watch::Sender;
use tokio::sync::{Notify, mpsc};

use super::alerting::Alerting;
use super::client_cert::ClientCertReloader;
use super::compliance::ComplianceReport;
use super::drift::DriftDetector;
use super::mtls_schedule::MtlsRequirement;
use super::setup::DaemonConfig;
use crate::cli::connect::expect;
use crate::cli::failure::Failure;
use crate::cli::log::LogLine;
use crate::cli::policies::PolicySet;
use crate::garm::GarmClient;
use crate::notify::ReceiverEndpoint;
use crate::reconcile::watch::{DeclaredPools, WatchCommand, Writes};

/// Applies changed files to the parts of the service.
pub(super) struct GarmReloader {
    pub(super) orders: mpsc::Sender<WatchCommand>,
    pub(super) client: Arc<GarmClient>,
    pub(super) alerting: Arc<Alerting>,
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
    /// Compares the pools with their files.
    pub(super) drifts: DriftDetector,
}

/// Lines about changes that need a restart or an `apply`.
pub(super) struct ReloadNotes(pub(super) Vec<LogLine>);

impl GarmReloader {
    /// Loads changed certificate files.
    pub(super) async fn look_at_certificates(&mut self) {
        self.identity.look(&self.started).await;
    }

    /// SIGHUP: loads changed certificate files, and requests a round of probes.
    pub(super) async fn hangup(&mut self) {
        self.look_at_certificates().await;
        self.probe_now.notify_one();
    }

    /// Applies changes of the alert rules and the receivers; an error leaves the previous ones in use.
    pub(super) async fn prepare(
        &self,
        fresh: &DaemonConfig,
        receivers: Vec<ReceiverEndpoint>,
    ) -> Result<(), Failure> {
        self.alerting.reload(fresh, receivers).await
    }

    /// Applies everything else.
    pub(super) async fn take(&mut self, fresh: &DaemonConfig) -> ReloadNotes {
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
        let mut notes = Vec::new();
        for name in self.started.needs_restart(fresh) {
            let name = match &fresh.garm {
                Some(garm) if name == "garm" => format!("garms.{garm}"),
                Some(_) | None => name.to_owned(),
            };
            let text = format!("`{name}` has changed: restart `watch` to apply the change");
            notes.push(LogLine::warn("reload", text));
        }
        for name in self.taken.needs_apply(fresh) {
            let text = format!("`{name}` has changed: run `apply` to change it in GARM");
            let help = "run `runnerctl plan` to see the changes";
            notes.push(LogLine::info("reload", text).help(help));
        }
        self.taken = fresh.clone();
        let declared_pools =
            DeclaredPools { fleet: self.started.file.fleet.clone(), ..fresh.declared_pools() };
        // The receiver is dropped once the loop has ended; then there is nothing to reload.
        let _ = self.orders.send(WatchCommand::Reload(declared_pools)).await;
        ReloadNotes(notes)
    }
}
