//! One pool with the specification's policy, in one situation for each reason.

use jiff::Timestamp;

use super::*;
use crate::domain::desired::ScalePolicy;
use crate::domain::fleet::Fleet;
use crate::domain::job::{Job, JobStatus};
use crate::domain::name::{PoolId, PoolName};
use crate::domain::runner::Runner;
use crate::render::leadership::LeadershipJson;
use crate::scaling::testing::{at, fleet, job, policy, pool, runner, secs};
use crate::scaling::{
    Decision, FleetIndex, Freeze, ScaledPool, ScalingState, evaluate_fleet, forecast,
};

fn decide(fleet: &Fleet, policy: &ScalePolicy) -> Decision {
    let managed = ScaledPool { pool: &fleet.pools[0], policy };
    forecast(fleet, &[managed])[&PoolId::new("default")].as_ref().clone()
}

fn seen(policy: &ScalePolicy, runners: Vec<Runner>, jobs: Vec<Job>) -> Decision {
    decide(&fleet(0, vec![pool("default", &["x"])], runners, jobs), policy)
}

fn waiting(n: i64, since: i64) -> Vec<Job> {
    (0..n).map(|it| job(it, &["x"], since)).collect()
}

fn many(n: usize, state: &str, since: i64) -> Vec<Runner> {
    (0..n).map(|it| runner("default", &format!("r{it}"), state, since)).collect()
}

/// One paragraph per decision: name, word, sentence, limit, and what would change it.
fn told(decisions: &[Decision]) -> String {
    let mut text = String::new();
    for it in decisions {
        let bound =
            binding(it).map_or_else(|| "-".into(), |it| format!("{} = {}", it.name, it.value));
        text.push_str(&format!(
            "{} | {} | {}\n    bound by {bound}; changed by {}\n",
            it.reason.word(),
            short(it),
            sentence(it, Mood::Does),
            next(it)
        ));
    }
    text
}

#[test]
fn every_reason_has_its_sentence() {
    let idle = |n, since| many(n, "running/idle", since);
    let plain = policy();
    let free = ScalePolicy { min_runners: 0, ..policy() };
    let mut hasty = fleet(0, vec![pool("default", &["x"])], vec![], waiting(8, -31));
    hasty.controller.backoff = secs(30);
    let decisions = [
        seen(&plain, idle(2, 0), waiting(9, -40)),
        seen(&ScalePolicy { max_runners: 4, ..policy() }, idle(2, 0), waiting(9, -40)),
        seen(&plain, idle(2, 0), waiting(3, -121)),
        seen(&plain, vec![], vec![]),
        seen(&ScalePolicy { min_idle_runners: 3, ..policy() }, idle(1, 0), vec![]),
        seen(
            &ScalePolicy { max_runners: 2, ..policy() },
            many(2, "running/active", 0),
            waiting(9, -40),
        ),
        decide(&hasty, &free),
        seen(&ScalePolicy { scale_up_target: 8, ..free.clone() }, vec![], waiting(6, -40)),
        seen(&free, vec![], waiting(3, -40)),
        seen(&free, vec![], waiting(9, -4)),
        seen(&plain, idle(4, -10), waiting(3, -4)),
        seen(&plain, idle(6, -700), vec![]),
        seen(&plain, idle(6, -10), vec![]),
        seen(&plain, idle(2, -700), vec![]),
    ];
    insta::assert_snapshot!(told(&decisions));
}

/// Two idle runners. Three minutes ago, a younger runner started job 1, which had waited beside
/// them.
fn passed_over() -> Decision {
    let mut runners = many(2, "running/idle", -400);
    let busy = runner("default", "busy", "running/active", -200);
    runners.push(Runner { job: Some(1_001), updated_at: at(-180), ..busy });
    let begun = Job { status: JobStatus::InProgress, ..job(1, &["x"], -300) };
    seen(&ScalePolicy { min_runners: 0, ..policy() }, runners, vec![begun])
}

#[test]
fn jobs_not_handed_out_and_suspect_runners_have_their_sentences() {
    let idle = |n| many(n, "running/idle", -400);
    let decisions = [
        seen(&policy(), idle(2), waiting(1, -70)),
        seen(&policy(), idle(2), waiting(3, -70)),
        seen(&policy(), idle(2), waiting(2, -130)),
        passed_over(),
    ];
    insta::assert_snapshot!(told(&decisions));
}

/// A runner that its provider refuses for lack of quota.
fn refused() -> Runner {
    let fault = Some("sim: Quota exceeded for instances".to_owned());
    Runner { provider_fault: fault, ..runner("default", "r0", "error/pending", 0) }
}

#[test]
fn a_circuit_that_is_open_for_lack_of_quota_says_so() {
    let free = ScalePolicy { min_runners: 0, ..policy() };
    let decision = seen(&free, vec![refused()], waiting(9, -40));
    assert_eq!(
        told(std::slice::from_ref(&decision)),
        "circuit_open | suspended | starts none, because the provider has no quota or capacity \
         left; tries one in 15s\n    bound by circuit = no quota or capacity; changed by a VM \
         that the provider creates; by time alone not before 2026-09-21T14:13:35Z\n"
    );
    let verdict = rule_verdicts(&decision).into_iter().find(|it| it.rule == "circuit").unwrap();
    assert_eq!(verdict.verdict, "open");
    assert!(verdict.says.contains("1 failure for lack of quota or capacity"), "{}", verdict.says);
}

/// The decisions about a pool whose provider fails, evaluated at these times in turn.
fn failing(moments: &[i64]) -> Vec<Decision> {
    let free = ScalePolicy { min_runners: 0, ..policy() };
    let pools = || vec![pool("default", &["x"])];
    let read = |now| fleet(now, pools(), many(3, "error/pending", -80), waiting(9, -40));
    let policies = [(PoolId::new("default"), free)].into_iter().collect();
    let mut fleet_index = FleetIndex::new(read(0), policies);
    let mut memory = ScalingState::new();
    let mut decisions = Vec::new();
    for moment in moments {
        fleet_index.read(read(*moment));
        let (turn, after) = evaluate_fleet(&mut fleet_index, memory, at(*moment));
        memory = after;
        decisions.extend(turn.decisions.iter().map(|it| it.as_ref().clone()));
    }
    decisions
}

#[test]
fn a_failing_provider_has_its_sentence() {
    insta::assert_snapshot!(told(&failing(&[0, 60, 125])));
}

#[test]
fn the_object_holds_every_input_and_every_verdict() {
    let decision = seen(&policy(), many(2, "running/idle", -10), waiting(9, -40));
    let frozen = Freeze::ManagerStopped("bad\u{1b} credentials".into());
    let name = PoolName::new("default").unwrap();
    let value = json(&name, &decision, DecisionEffect::Frozen(&frozen), None);
    insta::assert_snapshot!(format!("{value:#}"));
    let page = DecisionsDocument::default().value(&[value], Some(&[]), None);
    crate::render::document::check(&schema(), &page);
}

#[test]
fn a_frozen_pool_says_why() {
    let said = [
        Freeze::Stale(secs(75)),
        Freeze::Unread,
        Freeze::Unreachable,
        Freeze::Refused,
        Freeze::ManagerStopped(String::new()),
        Freeze::Unproven("mTLS is not enforced".into()),
        Freeze::Unrecorded("the disk is full".into()),
        Freeze::Standby("no `watch` leads".into()),
    ]
    .map(|it| freeze(&it));
    let expected = [
        "GARM was last read 1m 15s ago",
        "GARM has not been read yet",
        "GARM does not answer",
        "GARM refuses to be read",
        "GARM's worker for the entity has stopped and does not say why",
        "`policy.require_mtls` is set, and mTLS is not enforced",
        "`watch.audit_required` is set, and writes cannot be recorded: the disk is full",
        "this `watch` is a standby: no `watch` leads",
    ];
    assert_eq!(said, expected);
}

#[test]
fn the_document_names_its_fleet_and_the_pools_that_are_not_scaled() {
    let report = DecisionsDocument {
        fleet: "acme".into(),
        garm: "https://garm".into(),
        controller_id: Some("c-1".into()),
        at: Timestamp::UNIX_EPOCH,
        is_applied: true,
        not_scaled: vec![("new".into(), "not in GARM".into())],
    };
    let expected = serde_json::json!({
        "format_version": "1", "command": "watch", "version": env!("CARGO_PKG_VERSION"),
        "fleet": "acme", "garm": "https://garm", "controller_id": "c-1",
        "at": "1970-01-01T00:00:00Z", "applied": true,
        "pools": [], "not_scaled": [{ "pool": "new", "why": "not in GARM" }],
    });
    assert_eq!(report.value(&[], None, None), expected);
    let leader = LeadershipJson { term: Some(7), ..LeadershipJson::default() };
    let document = report.value(&[], None, Some(&leader));
    let expected = serde_json::json!({
        "leading": false, "holder": null, "term": 7, "since": null,
    });
    assert_eq!(document["leader"], expected);
}

/// The same decisions, applied and not applied.
#[test]
fn decisions_that_are_not_applied_say_what_would_be_done() {
    let idle = |n, since| many(n, "running/idle", since);
    let free = ScalePolicy { min_runners: 0, ..policy() };
    let decisions = [
        seen(&policy(), idle(2, 0), waiting(9, -40)),
        seen(&policy(), idle(6, -700), vec![]),
        seen(&policy(), idle(6, -10), vec![]),
        seen(&free, vec![], waiting(3, -40)),
    ];
    let said: Vec<String> = decisions.iter().map(|it| sentence(it, Mood::Would)).collect();
    let expected = [
        "would start 7 runners: 9 jobs wait and 2 runners are idle or booting",
        "would remove 1 idle runner: idle for 10m and more than the floor of 2",
        "would hold 4 idle runners beyond the floor of 2, until idle for 10m",
        "would start none yet: 3 jobs have no runner, and no more than 5 wait \
         (`scale_up_threshold`)",
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_full_pool_says_how_many_runners_are_being_deleted_and_since_when() {
    let small = ScalePolicy { max_runners: 3, ..policy() };
    let leaving = many(3, "pending_delete/terminated", -240);
    let decision = seen(&small, leaving, waiting(9, -40));
    assert_eq!(
        sentence(&decision, Mood::Does),
        "starts none: 9 more are wanted, and all 3 that `max_runners` allows are there, each of \
         them `deleting`, for up to 4m"
    );
    let one = Occupancy { limit: 1, live: 1, leaving: 1, leaving_since: Some(at(-5)) };
    let few = Occupancy { limit: 20, live: 20, leaving: 2, leaving_since: Some(at(-5)) };
    let none = Occupancy { leaving: 0, leaving_since: None, ..few };
    assert_eq!(
        [one, few, none].map(|it| occupied(&it, at(0))),
        [
            "the one that `max_runners` allows is there, `deleting` for 5s",
            "all 20 that `max_runners` allows are there, 2 of them `deleting`, for up to 5s",
            "all 20 that `max_runners` allows are there",
        ]
    );
}

/// `status` and `/decisions` use identical texts.
#[test]
fn a_decision_read_from_the_page_has_the_words_of_the_original() {
    let decision = seen(&policy(), many(2, "running/idle", -10), waiting(9, -40));
    let name = PoolName::new("default").unwrap();
    let told = DecisionView::of(&name, &decision, DecisionEffect::Applied);
    let page =
        serde_json::to_string(&json(&name, &decision, DecisionEffect::Applied, None)).unwrap();
    let read = DecisionView::read(serde_json::from_str(&page).unwrap()).unwrap();
    assert_eq!(told, read);
    let (short, sentence) = (short(&decision), sentence(&decision, Mood::Does));
    assert_eq!((read.short, read.sentence, read.queued), (short, sentence, 9));
    assert_eq!(read.oldest, Some(at(-40)));
    assert_eq!(DecisionView::read(serde_json::json!({ "pool": "default" })), None);
}

/// Every key of a document, at any depth.
fn keys(value: &serde_json::Value, found: &mut std::collections::BTreeSet<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                found.insert(key.clone());
                keys(value, found);
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

#[test]
fn the_glossary_defines_every_word_of_a_decision() {
    use crate::event::StepResult;
    use crate::render::status::{JobReason, PoolStanding};
    use crate::scaling::{Direction, LifeState, Reason};

    let decision = seen(&policy(), many(2, "running/idle", -10), waiting(9, -40));
    let name = PoolName::new("default").unwrap();
    let stall = Stall {
        since: at(0),
        level: 3,
        counted: 0,
        runner_group: String::new(),
        provider: "aws".into(),
        credentials: None,
        rate_limit: Some(crate::domain::credential::RateLimit {
            limit: 1,
            remaining: 0,
            resets_at: None,
        }),
    };
    let value = json(&name, &decision, DecisionEffect::Applied, Some(&stall));
    let document =
        DecisionsDocument { not_scaled: vec![("a".into(), "b".into())], ..Default::default() };
    let mut words = std::collections::BTreeSet::new();
    keys(&document.value(&[value], None, None), &mut words);
    assert!(words.len() > 70, "{words:?}");
    words.extend(LifeState::ALL.map(|it| it.word().to_owned()));
    words.extend(Reason::ALL.map(|it| it.word().to_owned()));
    words.extend(Direction::ALL.map(|it| it.word().to_owned()));
    words.extend(PoolStanding::ALL.map(|it| it.word().to_owned()));
    words.extend(JobReason::ALL.map(|it| it.word().to_owned()));
    words.extend(StepResult::ALL.map(|it| it.word().to_owned()));
    let glossary = include_str!("../../../docs/glossary.md");
    let missing: Vec<_> =
        words.into_iter().filter(|it| !glossary.contains(&format!("`{it}`"))).collect();
    assert!(missing.is_empty(), "docs/glossary.md does not define {missing:?}");
}
