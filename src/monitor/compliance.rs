//! The report on the safety requirements: each of R3, R4 and R8 to R11 is met or not met, or the
//! reporting command cannot tell (DESIGN §1).
//!
//! Each command fills in the facts that it has. A requirement without facts is reported as "cannot
//! tell", with the command that can.

use std::collections::BTreeSet;

use super::finding::IsolationSummary;
use super::finding::{FindingKind, RequirementImpact};
use crate::domain::proof::Proof;
use crate::domain::text::{LISTED_MAX, code, count, list};

/// A requirement of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Requirement {
    /// A clean environment for each job.
    R3,
    /// A job cannot reach anything of an earlier job.
    R4,
    /// Runners cannot reach production networks.
    R8,
    /// GitHub App credentials come from a secrets manager.
    R9,
    /// Runners connect to GARM with mTLS.
    R10,
    /// The audit log records the life of every runner.
    R11,
}

impl Requirement {
    /// All requirements, in the order of the report.
    pub const ALL: [Self; 6] = [Self::R3, Self::R4, Self::R8, Self::R9, Self::R10, Self::R11];

    /// The name used in `policy.accept`.
    pub const fn id(self) -> &'static str {
        match self {
            Self::R3 => "R3",
            Self::R4 => "R4",
            Self::R8 => "R8",
            Self::R9 => "R9",
            Self::R10 => "R10",
            Self::R11 => "R11",
        }
    }

    /// The requirement in a few words.
    pub const fn title(self) -> &'static str {
        match self {
            Self::R3 => "a fresh VM for each job",
            Self::R4 => "no traces of earlier jobs",
            Self::R8 => "no way into production networks",
            Self::R9 => "credentials from a secrets manager",
            Self::R10 => "mTLS from runners to GARM",
            Self::R11 => "an audit log of all runners",
        }
    }

    /// The command that can tell whether the requirement is met.
    pub const fn teller(self) -> &'static str {
        match self {
            Self::R3 | Self::R4 | Self::R11 => "runnerctl watch",
            Self::R8 => "runnerctl plan",
            Self::R9 | Self::R10 => "runnerctl validate --online",
        }
    }
}

/// Whether a requirement is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequirementAnswer {
    Met,
    NotMet,
    CannotTell,
}

impl RequirementAnswer {
    pub const ALL: [Self; 3] = [Self::Met, Self::NotMet, Self::CannotTell];

    /// The word used in output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::NotMet => "not met",
            Self::CannotTell => "cannot tell",
        }
    }
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequirementVerdict {
    pub requirement: Requirement,
    pub answer: RequirementAnswer,
    /// The reason, as one sentence without a full stop.
    pub evidence: String,
    /// The command that can tell; `None` if this command could.
    pub teller: Option<&'static str>,
    /// Whether `policy.accept` lists the requirement, so that it causes no warning if it is not
    /// met.
    pub is_accepted: bool,
}

impl RequirementVerdict {
    /// Whether it is not met and not accepted.
    pub fn is_warning(&self) -> bool {
        self.answer == RequirementAnswer::NotMet && !self.is_accepted
    }
}

/// The facts that a command has found; `None` for those that it does not check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ComplianceFacts<'a> {
    pub isolation: Option<&'a IsolationSummary>,
    pub networks: Option<NetworkFacts>,
    pub credentials: Option<Vec<CredentialFact>>,
    pub mtls: Option<MtlsFact>,
    pub audit: Option<AuditFact>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkFacts {
    pub providers: BTreeSet<String>,
    /// The providers for which `policy.networks` has a rule.
    pub ruled: BTreeSet<String>,
    /// The pools that break a rule.
    pub violations: BTreeSet<String>,
}

/// A GitHub credential in GARM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialFact {
    pub name: String,
    pub origin: CredentialSource,
}

/// The origin of a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialSource {
    /// A secrets manager, through runnerctl: the credential has our mark, and its key is a `vault:`
    /// or `exec:` reference.
    SecretsManager,
    /// Another source, through runnerctl. Contains the kind of the reference: `file` or `env`.
    Elsewhere(String),
    /// The credential does not have our mark.
    Unmarked,
}

/// The result of the negative probes, each with a sentence as evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MtlsFact {
    /// All requests without the right certificate were refused.
    Enforced(String),
    /// At least one such request was accepted.
    NotEnforced(String),
    Unproven(String),
}

impl MtlsFact {
    /// The fact for this result of the probes, with `sentence` as evidence.
    pub fn of(outcome: Proof, sentence: String) -> Self {
        match outcome {
            Proof::Enforced => Self::Enforced(sentence),
            Proof::NotEnforced => Self::NotEnforced(sentence),
            Proof::Unreachable | Proof::CannotTell => Self::Unproven(sentence),
        }
    }
}

/// The state of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditFact {
    Whole {
        records: u64,
        open_gaps: u64,
        lost: u64,
    },
    /// The chain does not verify. Contains the place and the reason.
    Broken(String),
    /// The chain verifies, but earlier records are missing. Contains a sentence about them.
    Headless(String),
    /// The chain verified, but the file cannot be written at the moment.
    Unwritable,
    /// The chain verified, but so many runners are still to be recorded.
    Unrecorded(u64),
}

/// The current state of audit logging.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AuditLogState {
    /// Whether the log has an open gap.
    pub has_open_gap: bool,
    /// The number of records that could not be written and are not covered by a gap record yet.
    pub missing: u64,
    /// The number of runners whose first sight is still to be recorded.
    pub unrecorded: u64,
    /// Whether the file cannot be written at the moment; records are queued.
    pub is_unwritable: bool,
    /// Whether records that this process wrote were found changed or missing.
    pub is_altered: bool,
}

impl AuditFact {
    /// Takes into account what has happened since the file was read.
    #[must_use]
    pub fn since(self, recording: Option<AuditLogState>) -> Self {
        let Some(recording) = recording else { return self };
        let AuditLogState { has_open_gap, missing, unrecorded, is_unwritable, is_altered } =
            recording;
        match self {
            Self::Whole { .. } | Self::Headless(_) if is_altered => {
                Self::Broken("records that this process had written were cut or changed".to_owned())
            }
            Self::Whole { .. } | Self::Headless(_) if is_unwritable => Self::Unwritable,
            Self::Whole { .. } if unrecorded > 0 => Self::Unrecorded(unrecorded),
            Self::Whole { records, lost, .. } => {
                Self::Whole { records, open_gaps: has_open_gap.into(), lost: lost + missing }
            }
            Self::Broken(_) | Self::Headless(_) | Self::Unwritable | Self::Unrecorded(_) => self,
        }
    }
}

/// A verdict on each requirement, in order. `accepted` is `policy.accept`.
pub fn report(facts: &ComplianceFacts<'_>, accepted: &[String]) -> Vec<RequirementVerdict> {
    let verdict = |requirement: Requirement| {
        let (answer, evidence) = judge(requirement, facts)
            .unwrap_or_else(|| (RequirementAnswer::CannotTell, "not checked here".to_owned()));
        let is_told = is_asked(requirement, facts);
        let is_accepted = accepted.iter().any(|id| id == requirement.id());
        let teller = Some(requirement.teller()).filter(|_| !is_told);
        RequirementVerdict { requirement, answer, evidence, teller, is_accepted }
    };
    Requirement::ALL.into_iter().map(verdict).collect()
}

fn is_asked(requirement: Requirement, facts: &ComplianceFacts<'_>) -> bool {
    match requirement {
        Requirement::R3 | Requirement::R4 => facts.isolation.is_some(),
        Requirement::R8 => facts.networks.is_some(),
        Requirement::R9 => facts.credentials.is_some(),
        Requirement::R10 => facts.mtls.is_some(),
        Requirement::R11 => facts.audit.is_some(),
    }
}

fn judge(
    requirement: Requirement,
    facts: &ComplianceFacts<'_>,
) -> Option<(RequirementAnswer, String)> {
    match requirement {
        Requirement::R3 => {
            facts.isolation.map(|summary| isolation(summary, FindingKind::concerns_fresh_vms))
        }
        Requirement::R4 => {
            facts.isolation.map(|summary| isolation(summary, FindingKind::concerns_traces))
        }
        Requirement::R8 => facts.networks.as_ref().map(networks),
        Requirement::R9 => facts.credentials.as_deref().map(credentials),
        Requirement::R10 => facts.mtls.as_ref().map(mtls),
        Requirement::R11 => facts.audit.as_ref().map(audit),
    }
}

/// Met if at least one finished job was observed and there was no finding.
fn isolation(
    watched: &IsolationSummary,
    concerns: fn(FindingKind) -> bool,
) -> (RequirementAnswer, String) {
    let found = |impact: RequirementImpact| -> Vec<String> {
        let found = watched
            .findings
            .iter()
            .filter(|finding| concerns(*finding.0) && finding.0.impact() == impact);
        found.map(|(kind, n)| format!("{} ({n})", code(kind.word()))).collect()
    };
    let (broken, unknown) =
        (found(RequirementImpact::Violated), found(RequirementImpact::Undetermined));
    let jobs = count(usize::try_from(watched.jobs).unwrap_or(usize::MAX), "finished job");
    if !broken.is_empty() {
        return (
            RequirementAnswer::NotMet,
            format!("found: {}; {jobs} watched", broken.join(", ")),
        );
    }
    if !unknown.is_empty() {
        return (
            RequirementAnswer::CannotTell,
            format!("found: {}; {jobs} watched", unknown.join(", ")),
        );
    }
    match watched.jobs {
        0 => (RequirementAnswer::CannotTell, "no finished job has been observed yet".to_owned()),
        _ => (RequirementAnswer::Met, format!("{jobs} watched, nothing found")),
    }
}

/// Met if every provider in use has a rule and no pool violates one.
fn networks(networks: &NetworkFacts) -> (RequirementAnswer, String) {
    let unruled: Vec<&String> = networks.providers.difference(&networks.ruled).collect();
    if !networks.violations.is_empty() {
        let pools = code_list(&networks.violations);
        return (RequirementAnswer::NotMet, format!("pools that break `policy.networks`: {pools}"));
    }
    if !unruled.is_empty() {
        let providers = code_list(unruled);
        return (
            RequirementAnswer::NotMet,
            format!("providers without `policy.networks`: {providers}"),
        );
    }
    match networks.providers.is_empty() {
        true => (RequirementAnswer::CannotTell, "no provider is in use".to_owned()),
        false => {
            let providers = code_list(&networks.providers);
            (
                RequirementAnswer::Met,
                format!("every pool keeps to `policy.networks` of {providers}"),
            )
        }
    }
}

/// Met if every credential comes from a secrets manager through runnerctl.
fn credentials(all: &[CredentialFact]) -> (RequirementAnswer, String) {
    if all.is_empty() {
        return (RequirementAnswer::CannotTell, "GARM has no GitHub credentials".to_owned());
    }
    let bad = all.iter().filter_map(|credential| match &credential.origin {
        CredentialSource::SecretsManager => None,
        CredentialSource::Elsewhere(kind) => {
            Some(format!("{} comes from {}", code(&credential.name), code(format!("{kind}:"))))
        }
        CredentialSource::Unmarked => {
            Some(format!("{} was put into GARM by hand", code(&credential.name)))
        }
    });
    let bad: Vec<String> = bad.collect();
    match bad.is_empty() {
        true => {
            let all = count(all.len(), "credential");
            (RequirementAnswer::Met, format!("{all} handed to GARM from a secrets manager"))
        }
        false => (RequirementAnswer::NotMet, list(&bad, LISTED_MAX)),
    }
}

fn mtls(mtls: &MtlsFact) -> (RequirementAnswer, String) {
    match mtls {
        MtlsFact::Enforced(how) => (RequirementAnswer::Met, how.clone()),
        MtlsFact::NotEnforced(how) => (RequirementAnswer::NotMet, how.clone()),
        MtlsFact::Unproven(why) => (RequirementAnswer::CannotTell, why.clone()),
    }
}

/// Met if the chain verifies, no gap is open, and no record is lost.
fn audit(audit: &AuditFact) -> (RequirementAnswer, String) {
    match audit {
        AuditFact::Whole { records, open_gaps: 0, lost: 0 } => (
            RequirementAnswer::Met,
            format!("the chain of the last {records} records verifies, no gap is open"),
        ),
        AuditFact::Whole { lost: lost @ 1.., .. } => {
            let lost = count(usize::try_from(*lost).unwrap_or(usize::MAX), "record");
            (
                RequirementAnswer::NotMet,
                format!("the chain verifies, but {lost} could not be written"),
            )
        }
        AuditFact::Headless(what) => (RequirementAnswer::CannotTell, what.clone()),
        AuditFact::Unrecorded(runners) => {
            let runners = count(usize::try_from(*runners).unwrap_or(usize::MAX), "runner");
            (RequirementAnswer::CannotTell, format!("{runners} are still to be recorded"))
        }
        AuditFact::Unwritable => {
            (RequirementAnswer::NotMet, "the audit file cannot be written at the moment".to_owned())
        }
        AuditFact::Whole { open_gaps, .. } => {
            let gaps = count(usize::try_from(*open_gaps).unwrap_or(usize::MAX), "open gap");
            (RequirementAnswer::NotMet, format!("the chain verifies, but has {gaps}"))
        }
        AuditFact::Broken(how) => (RequirementAnswer::NotMet, how.clone()),
    }
}

fn code_list<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    list(names.into_iter().map(code), LISTED_MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The answer and the evidence for one requirement.
    #[track_caller]
    fn check(
        requirement: Requirement,
        facts: &ComplianceFacts<'_>,
        answer: RequirementAnswer,
        evidence: &str,
    ) {
        let report = report(facts, &[]);
        let verdict = report.iter().find(|verdict| verdict.requirement == requirement).unwrap();
        assert_eq!((verdict.answer, verdict.evidence.as_str()), (answer, evidence));
        assert_eq!(verdict.teller, None);
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn an_unchecked_requirement_cannot_be_told_and_names_the_command_that_can() {
        let report = report(&ComplianceFacts::default(), &["R8".to_owned()]);
        let lines: Vec<(&str, RequirementAnswer, Option<&str>, bool)> = report
            .iter()
            .map(|verdict| {
                (verdict.requirement.id(), verdict.answer, verdict.teller, verdict.is_accepted)
            })
            .collect();
        let unknown = |id, teller, known| (id, RequirementAnswer::CannotTell, Some(teller), known);
        assert_eq!(
            lines,
            [
                unknown("R3", "runnerctl watch", false),
                unknown("R4", "runnerctl watch", false),
                unknown("R8", "runnerctl plan", true),
                unknown("R9", "runnerctl validate --online", false),
                unknown("R10", "runnerctl validate --online", false),
                unknown("R11", "runnerctl watch", false),
            ]
        );
        assert!(!report.iter().any(RequirementVerdict::is_warning));
    }

    #[test]
    fn isolation_is_met_by_an_observed_job_and_violated_by_a_finding() {
        let watched = |jobs, findings: &[(FindingKind, u64)]| IsolationSummary {
            since: None,
            jobs,
            findings: findings.iter().copied().collect::<BTreeMap<_, _>>(),
        };
        let check = |watched: &IsolationSummary,
                     r3: (RequirementAnswer, &str),
                     r4: (RequirementAnswer, &str)| {
            let facts = ComplianceFacts { isolation: Some(watched), ..ComplianceFacts::default() };
            check(Requirement::R3, &facts, r3.0, r3.1);
            check(Requirement::R4, &facts, r4.0, r4.1);
        };
        let nothing = (RequirementAnswer::CannotTell, "no finished job has been observed yet");
        check(&watched(0, &[]), nothing, nothing);
        let met = (RequirementAnswer::Met, "1 finished job watched, nothing found");
        check(&watched(1, &[]), met, met);
        let shell =
            (RequirementAnswer::NotMet, "found: `shell_access` (2); 1 finished job watched");
        check(&watched(1, &[(FindingKind::ShellAccess, 2)]), met, shell);
        let below = (RequirementAnswer::NotMet, "found: `below_min` (1); 1 finished job watched");
        check(&watched(1, &[(FindingKind::BelowMin, 1)]), below, met);
        let unknown = "found: `registration_unknown` (1); 3 finished jobs watched";
        let unknown = (RequirementAnswer::CannotTell, unknown);
        check(&watched(3, &[(FindingKind::RegistrationUnknown, 1)]), unknown, unknown);
        let two = (RequirementAnswer::NotMet, "found: `two_jobs` (1); 3 finished jobs watched");
        check(
            &watched(3, &[(FindingKind::RegistrationUnknown, 1), (FindingKind::TwoJobs, 1)]),
            two,
            two,
        );
    }

    #[test]
    fn networks_are_met_if_every_provider_has_a_rule_and_no_pool_violates_one() {
        let check = |providers: &[&str], ruled: &[&str], violations: &[&str], answer, evidence| {
            let networks = NetworkFacts {
                providers: names(providers),
                ruled: names(ruled),
                violations: names(violations),
            };
            let facts = ComplianceFacts { networks: Some(networks), ..ComplianceFacts::default() };
            check(Requirement::R8, &facts, answer, evidence);
        };
        check(&[], &["aws"], &[], RequirementAnswer::CannotTell, "no provider is in use");
        let evidence = "every pool keeps to `policy.networks` of `aws` and `gcp`";
        check(&["aws", "gcp"], &["aws", "gcp", "azure"], &[], RequirementAnswer::Met, evidence);
        let evidence = "providers without `policy.networks`: `gcp`";
        check(&["aws", "gcp"], &["aws"], &[], RequirementAnswer::NotMet, evidence);
        let evidence = "pools that break `policy.networks`: `a`, `b`, `c`, `d`, `e` and 2 more";
        let pools = ["a", "b", "c", "d", "e", "f", "g"];
        check(&["aws"], &["aws"], &pools, RequirementAnswer::NotMet, evidence);
    }

    #[test]
    fn credentials_are_met_if_all_come_from_a_secrets_manager() {
        let check = |origins: &[(&str, CredentialSource)], answer, evidence| {
            let all = origins.iter().map(|(name, origin)| CredentialFact {
                name: (*name).to_owned(),
                origin: origin.clone(),
            });
            let facts =
                ComplianceFacts { credentials: Some(all.collect()), ..ComplianceFacts::default() };
            check(Requirement::R9, &facts, answer, evidence);
        };
        check(&[], RequirementAnswer::CannotTell, "GARM has no GitHub credentials");
        let evidence = "1 credential handed to GARM from a secrets manager";
        check(&[("app", CredentialSource::SecretsManager)], RequirementAnswer::Met, evidence);
        let mixed = [
            ("app", CredentialSource::SecretsManager),
            ("old", CredentialSource::Unmarked),
            ("dev`\n", CredentialSource::Elsewhere("file".into())),
        ];
        let evidence = "`old` was put into GARM by hand and `dev'\\n` comes from `file:`";
        check(&mixed, RequirementAnswer::NotMet, evidence);
    }

    #[test]
    fn probes_and_the_audit_log_decide_their_requirements() {
        let probed = |mtls| ComplianceFacts { mtls: Some(mtls), ..ComplianceFacts::default() };
        let facts = probed(MtlsFact::Enforced("4 probes refused".into()));
        check(Requirement::R10, &facts, RequirementAnswer::Met, "4 probes refused");
        let facts = probed(MtlsFact::NotEnforced("GARM answers".into()));
        check(Requirement::R10, &facts, RequirementAnswer::NotMet, "GARM answers");
        let facts = probed(MtlsFact::Unproven("unreachable".into()));
        check(Requirement::R10, &facts, RequirementAnswer::CannotTell, "unreachable");
        let kept = |audit| ComplianceFacts { audit: Some(audit), ..ComplianceFacts::default() };
        let facts = kept(AuditFact::Whole { records: 7, open_gaps: 0, lost: 0 });
        let evidence = "the chain of the last 7 records verifies, no gap is open";
        check(Requirement::R11, &facts, RequirementAnswer::Met, evidence);
        let facts = kept(AuditFact::Whole { records: 7, open_gaps: 2, lost: 0 });
        check(
            Requirement::R11,
            &facts,
            RequirementAnswer::NotMet,
            "the chain verifies, but has 2 open gaps",
        );
        // A lost record cannot be recovered, so the answer is "not met" even if no gap is open.
        let lost = AuditFact::Whole { records: 7, open_gaps: 0, lost: 3 };
        let evidence = "the chain verifies, but 3 records could not be written";
        check(Requirement::R11, &kept(lost), RequirementAnswer::NotMet, evidence);
        let headless = AuditFact::Headless("records 1 to 4 are in no file beside it".into());
        let evidence = "records 1 to 4 are in no file beside it";
        check(Requirement::R11, &kept(headless), RequirementAnswer::CannotTell, evidence);
        let facts = kept(AuditFact::Broken("record 3 does not follow record 2".into()));
        check(
            Requirement::R11,
            &facts,
            RequirementAnswer::NotMet,
            "record 3 does not follow record 2",
        );
    }

    #[test]
    fn events_since_the_file_was_read_count_too() {
        let read = || AuditFact::Whole { records: 7, open_gaps: 1, lost: 1 };
        let now = |has_open_gap, missing| {
            read().since(Some(AuditLogState { has_open_gap, missing, ..AuditLogState::default() }))
        };
        assert_eq!(read().since(None), read());
        assert_eq!(now(false, 0), AuditFact::Whole { records: 7, open_gaps: 0, lost: 1 });
        assert_eq!(now(true, 4), AuditFact::Whole { records: 7, open_gaps: 1, lost: 5 });
        let unwritable = AuditLogState { is_unwritable: true, ..AuditLogState::default() };
        assert_eq!(read().since(Some(unwritable)), AuditFact::Unwritable);
        let facts =
            ComplianceFacts { audit: Some(AuditFact::Unwritable), ..ComplianceFacts::default() };
        let evidence = "the audit file cannot be written at the moment";
        check(Requirement::R11, &facts, RequirementAnswer::NotMet, evidence);
        let altered = Some(AuditLogState { is_altered: true, ..unwritable });
        assert!(matches!(read().since(altered), AuditFact::Broken(_)));
    }

    #[test]
    fn an_accepted_requirement_that_is_not_met_is_no_warning() {
        let facts = ComplianceFacts {
            mtls: Some(MtlsFact::NotEnforced("x".into())),
            ..ComplianceFacts::default()
        };
        let warnings = |id: &[&str]| {
            let id: Vec<String> = id.iter().map(|id| (*id).to_owned()).collect();
            report(&facts, &id).iter().filter(|verdict| verdict.is_warning()).count()
        };
        assert_eq!((warnings(&[]), warnings(&["R8"]), warnings(&["R10"])), (1, 1, 0));
    }
}
