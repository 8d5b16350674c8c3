//! `docs/requirements.md`: the requirements, and the wording of the report on them.

use std::collections::{BTreeMap, BTreeSet};

use runnerctl::domain::proof::{Attempt, Probe, Proof};
use runnerctl::monitor::compliance::{
    AuditFact, ComplianceFacts, CredentialFact, CredentialSource, MtlsFact, NetworkFacts,
    Requirement, RequirementAnswer, report,
};
use runnerctl::monitor::{FindingKind, IsolationSummary};
use runnerctl::render::proof::sentence;

use super::{keep, origin, table};

const HEAD: &str = "\
The specification that runnerctl meets has eleven requirements. R1, R2 and R5 to R7 say what it does; each
has tests of its name in `tests/it/specification.rs`, with the specification's own numbers.

| id | requirement | met by |
|---|---|---|
| R1 | **Scale up on queue pressure.** More than `scale_up_threshold` jobs queued for over `scale_up_delay`: runners are provisioned until the queue is served or `max_runners` is reached | [`watch`](scaling.md) |
| R2 | **Scale down on idle.** Runners idle for more than `scale_down_delay`, while there are more than the minimum: they are terminated, down to the minimum | [`watch`](scaling.md#release) |
| R3 | **A clean environment for each job.** After its job, whatever its result, the VM is destroyed and a fresh one provisioned | GARM's ephemeral runners, watched over by the isolation auditor |
| R4 | **No state is kept.** No file, variable or credential of an earlier job can be reached from a later one | one runner, one job; the isolation auditor |
| R5 | **Metrics.** `/metrics` has the gauges `runner_active`, `runner_idle` and `queue_depth` for each pool | [`watch`](metrics.md) |
| R6 | **Alerting.** A queue depth above 20 for more than five minutes reaches the channel of those on call | [`QueueDepthHigh`](operations.md#queuedepthhigh), built in and as a rule for Prometheus |
| R7 | **Configuration** by `name`, `min_runners`, `max_runners`, `scale_up_threshold`, `scale_up_delay`, `scale_down_delay`, `instance_type` | [pool files](pools.md) |
| R8 | **Runner VMs cannot reach production networks** | `policy.networks`, `must_not_reach`: [the runner kit](runner-kit.md) |
| R9 | **GitHub App credentials are stored in a secrets manager** | [secret references](secrets.md#github-apps) |
| R10 | **All communication from runners to GARM uses mTLS** | [the front, the kit and the probes](security.md) |
| R11 | **The audit log holds every event in the life of every runner** | [the audit log](audit.md) |

## The report

`plan`, `validate --online` and `watch` (in its log and in `/decisions`) end with one line for each requirement
about safety. A command that has not looked says *cannot tell*, and which command tells. *Not met* is a warning,
unless `policy.accept: [R8]` says that it is known.

";

/// The result of one probe of GARM's callback URL.
fn mtls(proof: Proof, evidence: &str) -> MtlsFact {
    let probe = Probe {
        place: "callbacks",
        url: "https://garm.example.com/api/v1/callbacks".to_owned(),
        attempt: Attempt::NoCertificate,
        proof,
        evidence: evidence.to_owned(),
    };
    MtlsFact::of(proof, sentence(&[probe]))
}

/// Facts that lead to one line of each result.
fn facts<'a>(clean: &'a IsolationSummary, used: &'a IsolationSummary) -> [ComplianceFacts<'a>; 2] {
    let names =
        |names: &[&str]| -> BTreeSet<String> { names.iter().map(|it| (*it).to_owned()).collect() };
    let networks = |ruled: &[&str]| NetworkFacts {
        providers: names(&["aws"]),
        ruled: names(ruled),
        violations: BTreeSet::new(),
    };
    let credential = |origin| CredentialFact { name: "acme-app".to_owned(), origin };
    let met = ComplianceFacts {
        isolation: Some(clean),
        networks: Some(networks(&["aws"])),
        credentials: Some(vec![credential(CredentialSource::SecretsManager)]),
        mtls: Some(mtls(Proof::Enforced, "the handshake was refused")),
        audit: Some(AuditFact::Whole { records: 1742, open_gaps: 0, lost: 0 }),
    };
    let not_met = ComplianceFacts {
        isolation: Some(used),
        networks: Some(networks(&[])),
        credentials: Some(vec![credential(CredentialSource::Elsewhere("env".to_owned()))]),
        mtls: Some(mtls(Proof::NotEnforced, "GARM answered 401")),
        audit: Some(AuditFact::Whole { records: 1742, open_gaps: 1, lost: 0 }),
    };
    [met, not_met]
}

#[test]
fn the_page_of_the_requirements_is_fresh() {
    let clean = IsolationSummary { since: None, jobs: 12, findings: BTreeMap::new() };
    let found = [(FindingKind::TwoJobs, 1), (FindingKind::ShellAccess, 1)];
    let used = IsolationSummary { findings: found.into(), ..clean.clone() };
    let [met, not_met] = facts(&clean, &used);
    let (met, not_met) = (report(&met, &[]), report(&not_met, &[]));
    let unasked = report(&ComplianceFacts::default(), &[]);
    let rows = Requirement::ALL.iter().enumerate().map(|(i, requirement)| {
        assert_eq!(met[i].answer, RequirementAnswer::Met, "{}", requirement.id());
        assert_eq!(not_met[i].answer, RequirementAnswer::NotMet, "{}", requirement.id());
        [
            format!("{}: {}", requirement.id(), requirement.title()),
            met[i].evidence.clone(),
            not_met[i].evidence.clone(),
            format!("`{}`", unasked[i].teller.unwrap()),
        ]
    });
    let from = "the report in `src/monitor/compliance.rs`";
    let mut page = format!("# Requirements\n\n{}\n{HEAD}", origin(from));
    page.push_str(&table(
        ["requirement", "met, for example", "not met, for example", "told by"],
        rows,
    ));
    keep("docs/requirements.md", &page);
}
