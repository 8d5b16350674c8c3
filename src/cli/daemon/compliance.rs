//! The report on the requirements while the loop runs. It is logged after the first round of probes;
//! later, a requirement is logged when its answer changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use crate::cli::log::LogLine;
use crate::domain::poison::IgnorePoison;
use tracing::Level;

use super::setup::DaemonConfig;
use crate::cli::requirements;
use crate::host::audit_destination::AuditDestination;
use crate::host::self_check;
use crate::monitor::IsolationSummary;
use crate::monitor::compliance::{
    AuditFact, ComplianceFacts, CredentialFact, MtlsFact, NetworkFacts, Recording, Requirement,
    RequirementAnswer, RequirementVerdict, report,
};
use crate::render::requirements as render;

/// Size in bytes above which the audit file is not verified here; `audit verify` can take its time.
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
    /// How the recording stands since then.
    recording: Option<Recording>,
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
            audit: self.audit.clone().map(|it| it.since(self.recording)),
        };
        report(&facts, &self.accepted)
    }
}

impl ComplianceReport {
    pub(super) fn new(setup: &DaemonConfig) -> Self {
        let verdicts = Self { state: Mutex::default() };
        verdicts.files(setup);
        verdicts
    }

    fn state(&self) -> MutexGuard<'_, ComplianceState> {
        self.state.lock().ignoring_poison()
    }

    /// Other files are in force.
    pub(super) fn files(&self, setup: &DaemonConfig) {
        let mut state = self.state();
        let violations = std::mem::take(&mut state.networks.violations);
        state.networks = requirements::networks(&setup.pools, &setup.file, violations);
        state.accepted.clone_from(&setup.file.policy.accept);
        self.say(&mut state);
    }

    /// The pools whose runners are in a network that the policy does not allow.
    pub(super) fn networks(&self, violations: BTreeSet<String>) {
        let mut state = self.state();
        if state.networks.violations != violations {
            state.networks.violations = violations;
            self.say(&mut state);
        }
    }

    /// What the isolation auditor has watched.
    pub(super) fn watched(&self, watched: &IsolationSummary) {
        let mut state = self.state();
        if state.isolation != *watched {
            state.isolation = watched.clone();
            self.say(&mut state);
        }
    }

    /// How the recording stands.
    pub(super) fn recording(&self, recording: Option<Recording>) {
        let mut state = self.state();
        if state.recording != recording {
            state.recording = recording;
            self.say(&mut state);
        }
    }

    /// What was asked beside the probes; they have not ended yet.
    pub(super) fn asked(&self, credentials: Option<Vec<CredentialFact>>, audit: Option<AuditFact>) {
        let mut state = self.state();
        (state.credentials, state.audit) = (credentials, audit);
    }

    /// A round of probes has ended.
    pub(super) fn proven(&self, mtls: MtlsFact) {
        let mut state = self.state();
        state.mtls = Some(mtls);
        self.say(&mut state);
    }

    /// The report as it stands.
    pub(super) fn json(&self) -> Value {
        render::json(&self.state().report())
    }

    /// Logs the requirements whose answer has changed; nothing before the first round.
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
        let fields = json!({ "id": verdict.requirement.id(), "answer": verdict.answer.word() });
        let line = LogLine::new(level, "requirement", render::log_line(verdict)).with(fields);
        line.emit();
    }
}

/// Verifies the audit log; nothing if there is none or it exceeds [`AUDIT_MAX`].
pub(super) async fn audited(book: &AuditDestination) -> Option<AuditFact> {
    let AuditDestination::Sink(sink) = book else { return None };
    let sink = Arc::clone(sink);
    let work = move || {
        let Ok(own) = self_check::check(sink.audit_file(), AUDIT_MAX) else { return None };
        let own = own?;
        Some(match (own.report.broken, own.unvouched) {
            (Some(it), _) => AuditFact::Broken(format!("line {}: {}", it.line, it.reason)),
            (None, Some(before)) => AuditFact::Headless(format!(
                "the chain verifies, but records 1 to {before} are in no file beside it: \
                 `audit verify` with all of them tells"
            )),
            (None, None) => AuditFact::Whole {
                records: own.report.records,
                open_gaps: own.report.open_gaps.len() as u64,
                lost: own.report.lost,
            },
        })
    };
    // Reading a file does not panic, and nothing but the end of the program aborts it.
    tokio::task::spawn_blocking(work).await.ok().flatten()
}
