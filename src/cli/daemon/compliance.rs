//! Reports on the safety requirements while the loop runs: logs all answers after the first round
//! of probes, later the answers that change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::cli::log::{LogFields, LogLine};
use crate::domain::poison::IgnorePoison;
use tracing::Level;

use super::setup::DaemonConfig;
use crate::cli::requirements;
use crate::host::audit_destination::AuditDestination;
use crate::host::self_check;
use crate::monitor::IsolationSummary;
use crate::monitor::compliance::{
    AuditFact, AuditLogState, ComplianceFacts, CredentialFact, MtlsFact, NetworkFacts, Requirement,
    RequirementAnswer, RequirementVerdict, report,
};
use crate::render::requirements as render;

/// Size in bytes above which the audit file is not verified here, but only by `audit verify`.
const AUDIT_MAX: u64 = 256 << 20;

/// Collects the facts behind the report.
pub(super) struct ComplianceReport {
    state: Mutex<ComplianceState>,
}

#[derive(Default)]
struct ComplianceState {
    accepted: Vec<String>,
    networks: NetworkFacts,
    isolation: IsolationSummary,
    credentials: Option<Vec<CredentialFact>>,
    mtls: Option<MtlsFact>,
    audit: Option<AuditFact>,
    /// The state of the recording since the last verification.
    recording: Option<AuditLogState>,
    /// The answers that were logged; empty before the first round.
    said: BTreeMap<Requirement, RequirementAnswer>,
}

impl ComplianceState {
    fn report(&self) -> Vec<RequirementVerdict> {
        let facts = ComplianceFacts {
            isolation: Some(&self.isolation),
            networks: Some(self.networks.clone()),
            credentials: self.credentials.clone(),
            mtls: self.mtls.clone(),
            audit: self.audit.clone().map(|audit| audit.since(self.recording)),
        };
        report(&facts, &self.accepted)
    }
}

impl ComplianceReport {
    pub(super) fn new(setup: &DaemonConfig) -> Self {
        let report_state = Self { state: Mutex::default() };
        report_state.files(setup);
        report_state
    }

    fn state(&self) -> MutexGuard<'_, ComplianceState> {
        self.state.lock().ignoring_poison()
    }

    /// Sets the facts of reloaded files.
    pub(super) fn files(&self, setup: &DaemonConfig) {
        let mut state = self.state();
        let violations = std::mem::take(&mut state.networks.violations);
        state.networks = requirements::networks(&setup.pools, &setup.file, violations);
        state.accepted.clone_from(&setup.file.policy.accept);
        self.say(&mut state);
    }

    /// Sets the pools whose runners are in a network that the policy does not allow.
    pub(super) fn networks(&self, violations: BTreeSet<String>) {
        let mut state = self.state();
        if state.networks.violations != violations {
            state.networks.violations = violations;
            self.say(&mut state);
        }
    }

    /// Sets what the isolation auditor has watched.
    pub(super) fn watched(&self, watched: &IsolationSummary) {
        let mut state = self.state();
        if state.isolation != *watched {
            state.isolation = watched.clone();
            self.say(&mut state);
        }
    }

    /// Sets the state of the recording.
    pub(super) fn recording(&self, recording: Option<AuditLogState>) {
        let mut state = self.state();
        if state.recording != recording {
            state.recording = recording;
            self.say(&mut state);
        }
    }

    /// Sets the facts that were read along with the probes, before the probes end.
    pub(super) fn asked(&self, credentials: Option<Vec<CredentialFact>>, audit: Option<AuditFact>) {
        let mut state = self.state();
        (state.credentials, state.audit) = (credentials, audit);
    }

    /// Sets the result of a round of probes and logs changed answers.
    pub(super) fn proven(&self, mtls: MtlsFact) {
        let mut state = self.state();
        state.mtls = Some(mtls);
        self.say(&mut state);
    }

    /// The verdict on one requirement.
    pub(super) fn verdict(&self, requirement: Requirement) -> Option<RequirementVerdict> {
        self.state().report().into_iter().find(|verdict| verdict.requirement == requirement)
    }

    /// The report on the current facts.
    pub(super) fn report(&self) -> Vec<RequirementVerdict> {
        self.state().report()
    }

    /// Logs the requirements whose answer has changed, once a round of probes has ended.
    fn say(&self, state: &mut ComplianceState) {
        if state.mtls.is_none() {
            return;
        }
        for verdict in state.report() {
            let before = state.said.insert(verdict.requirement, verdict.answer);
            if before != Some(verdict.answer) {
                self.tell(&verdict);
            }
        }
    }

    fn tell(&self, verdict: &RequirementVerdict) {
        let level = if verdict.is_warning() { Level::WARN } else { Level::INFO };
        let (id, answer) = (verdict.requirement.id(), verdict.answer.word());
        LogLine::new(level, "requirement", render::log_line(verdict))
            .with(&LogFields::Requirement { id, answer })
            .emit();
    }
}

/// Verifies the audit log; absent if there is none or it exceeds [`AUDIT_MAX`].
pub(super) async fn audited(destination: &AuditDestination) -> Option<AuditFact> {
    let AuditDestination::Sink(sink) = destination else { return None };
    let sink = Arc::clone(sink);
    let work = move || {
        let Ok(own) = self_check::check(sink.audit_file(), AUDIT_MAX) else { return None };
        let own = own?;
        Some(match (own.report.broken, own.missing, own.unvouched) {
            (Some(broken), _, _) => {
                AuditFact::Broken(format!("line {}: {}", broken.line, broken.reason))
            }
            (None, Some(name), _) => AuditFact::Broken(format!(
                "the segment `{name}` is missing or has another size: run `audit verify`"
            )),
            (None, None, Some(before)) => AuditFact::Headless(format!(
                "the chain verifies, but records 1 to {before} are not in the files beside it: \
                 run `audit verify` with all files"
            )),
            (None, None, None) => AuditFact::Whole {
                records: own.report.records,
                open_gaps: own.report.open_gaps.len() as u64,
                lost: own.report.lost,
            },
        })
    };
    // Reading a file does not panic, and only the end of the program aborts it.
    tokio::task::spawn_blocking(work).await.ok().flatten()
}
