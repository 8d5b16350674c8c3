//! The records of single situations.

use serde_json::json;

use super::*;
use crate::audit::{Cause, Head, Verdict, seal};
use crate::domain::job::{Job, JobStatus};
use crate::domain::name::{PoolId, PoolName, RunnerName};
use crate::domain::pool::Pool;
use crate::scaling::testing::job;

fn life() -> Vec<Runner> {
    (1..).zip(LIFE).map(|(second, state)| row(state, second)).collect()
}

/// A write of this process to a runner or a pool, as it is recorded.
fn write(kind: RecordKind, subject: Subject, after: Option<serde_json::Value>) -> Entry {
    Entry {
        time: at(5),
        actor: actor(),
        kind,
        act: "write".into(),
        subject,
        before: None,
        after,
        cause: Cause::default(),
        seen: None,
        intent: None,
        verdict: None,
        detail: String::new(),
    }
}

fn removal(kind: RecordKind) -> Entry {
    let subject = Subject::Runner {
        name: RunnerName::new("a"),
        pool: PoolName::new("default").unwrap(),
        pool_id: PoolId::new("default"),
    };
    write(kind, subject, None)
}

#[test]
fn every_state_of_a_runner_is_recorded_in_order() {
    let mut log = watching(vec![]);
    let mut entries: Vec<Entry> = life().into_iter().flat_map(|row| event(&mut log, row)).collect();
    entries.extend(gone(&mut log, at(10)));
    insta::assert_snapshot!(told(&entries).join("\n"), @r"
    event runner created a by GARM from event
    event runner creating a by GARM from event
    event runner running a by GARM from event
    event runner installing a by GARM from event
    event runner idle a by GARM from event
    event runner active a by GARM from event
    event runner terminated a by GARM from event
    event runner marked for deletion a by GARM from event
    event runner deleting a by GARM from event
    event runner gone a by GARM from event
    ");
    assert_eq!(told(&log.read(&listed(40, vec![]), at(40))), Vec::<String>::new());
}

#[test]
fn a_record_has_owner_states_time_and_source() {
    let mut log = watching(vec![row("running/idle", 5)]);
    let active = Runner {
        job: Some(77),
        provider_id: Some("vm-1".into()),
        provider_fault: Some("no\u{1b}quota".into()),
        ..row("running/active", 6)
    };
    let entries = event(&mut log, active);
    let (line, _) = seal(&entries[0], &Head::start(), None);
    insta::assert_snapshot!(line);
}

#[test]
fn duplicates_and_heartbeats_are_not_recorded() {
    let mut log = watching(vec![]);
    for step in life() {
        event(&mut log, step.clone());
        assert_eq!(event(&mut log, step), []);
    }
    for (second, state) in [(3, "running/pending"), (5, "running/idle")] {
        assert_eq!(event(&mut log, row(state, second)), [], "older");
    }
    let mut log = watching(vec![row("running/idle", 5)]);
    assert_eq!(event(&mut log, row("running/idle", 9)), [], "heartbeat");
    assert_eq!(event(&mut log, row("running/idle", 7)), [], "older heartbeat");
    assert_eq!(event(&mut log, row("running/idle", 4)), [], "idle earlier than was known");
}

#[test]
fn an_older_row_is_recorded_once_and_marked_late() {
    let mut log = watching(vec![]);
    event(&mut log, row("pending_create/pending", 1));
    let jump = event(&mut log, row("running/pending", 3));
    assert_eq!(told(&jump), ["event runner running a by GARM from event, reconstructed"]);
    let late = event(&mut log, row("creating/pending", 2));
    assert_eq!(told(&late), ["event runner creating a by GARM from event, late"]);
    assert_eq!(event(&mut log, row("creating/pending", 2)), []);
    // The same holds after the runner is gone.
    gone(&mut log, at(9));
    let late = event(&mut log, row("deleting/pending", 8));
    assert_eq!(told(&late), ["event runner deleting a by GARM from event, late"]);
    assert_eq!(event(&mut log, row("deleting/pending", 8)), []);
    assert_eq!(gone(&mut log, at(9)), []);
}

#[test]
fn the_party_that_removed_a_runner_is_recorded_if_it_is_known() {
    let leaving = || row("pending_delete/idle", 8);
    let check = |log: &mut Lifecycle, runner: Runner, by: &str| {
        let entries = [event(log, runner), gone(log, at(9))].concat();
        assert_eq!(
            told(&entries),
            [
                format!("event runner marked for deletion a by {by} from event"),
                format!("event runner gone a by {by} from event, reconstructed"),
            ]
        );
    };
    let idle = || vec![row("running/idle", 5)];
    check(&mut watching(idle()), leaving(), "unknown");
    let mut ours = watching(idle());
    ours.wrote(&removal(RecordKind::Intent));
    check(&mut ours, leaving(), "us");
    let mut refused = watching(idle());
    refused.wrote(&removal(RecordKind::Intent));
    refused.wrote(&Entry { verdict: Some(Verdict::Refused), ..removal(RecordKind::Outcome) });
    check(&mut refused, leaving(), "unknown");
    let mut done = watching(vec![row("running/terminated", 5)]);
    check(&mut done, row("pending_delete/terminated", 8), "GARM");
    // The end of the job is known, but the runner's row about it was lost.
    let mut done = watching(vec![Runner { job: Some(1_001), ..row("running/active", 5) }]);
    let ended = Job {
        status: JobStatus::Completed,
        conclusion: "failure".into(),
        runner: Some(RunnerName::new("a")),
        ..job(1, &[], 2)
    };
    assert_eq!(done.changed(&RowChange::Job(ended), at(7)), []);
    let last = gone(&mut done, at(9));
    assert_eq!(told(&last), ["event runner gone a by GARM from event, reconstructed"]);
    assert_eq!(
        last[0].before,
        Some(json!({
            "status": "running", "runner_status": "active", "job": 1_001, "last_job": 1_001,
            "conclusion": "failure",
        }))
    );
}

#[test]
fn changes_that_the_stream_missed_are_recorded_at_the_next_read() {
    let other = |state: &str, second| Runner {
        created_at: at(1),
        ..runner("elsewhere", "b", state, second)
    };
    let mut log = watching(vec![row("running/idle", 5)]);
    let entries = log.read(&listed(30, vec![other("creating/pending", 20)]), at(30));
    insta::assert_snapshot!(told(&entries).join("\n"), @r"
    event runner created b by GARM from resync, reconstructed
    event runner gone a by unknown from resync, reconstructed
    ");
    let owner = |entry: &Entry| entry.seen.unwrap().owner.unwrap();
    use crate::audit::PoolOwner;
    assert_eq!((owner(&entries[0]), owner(&entries[1])), (PoolOwner::Others, PoolOwner::Ours));
}

#[test]
fn missed_events_are_a_gap_and_delayed_events_are_not() {
    let gap = "gap events missed";
    let mut log = watching(vec![]);
    log.read(&listed(30, vec![row("creating/pending", 20)]), at(30));
    // The next read comes at once, before the event.
    let idle = || vec![row("creating/pending", 20)];
    assert_eq!(log.read(&listed(31, idle()), at(31)), []);
    let entries = log.read(&listed(60, idle()), at(60));
    assert_eq!(told(&entries), [gap]);
    assert_eq!(
        entries[0].after,
        Some(json!({ "from": at(0).to_string(), "until": at(30).to_string() }))
    );
    assert_eq!(log.read(&listed(90, idle()), at(90)), []);
    // The event comes in time.
    let mut log = watching(vec![]);
    log.read(&listed(30, idle()), at(30));
    assert_eq!(event(&mut log, row("creating/pending", 20)), []);
    assert_eq!(log.read(&listed(60, vec![]), at(60)).len(), 1, "it is gone");
    assert_eq!(gone(&mut log, at(61)), []);
    assert_eq!(log.read(&listed(90, vec![]), at(90)), []);
}

#[test]
fn a_lost_stream_is_an_open_gap_until_the_first_read_after_its_return() {
    let mut log = watching(vec![]);
    let lost = log.stream(&StreamChange::Lost("closed"), at(40));
    assert_eq!(told(&lost), ["gap stream lost, open"]);
    assert_eq!(log.stream(&StreamChange::Lost("refused"), at(41)), []);
    assert_eq!(log.read(&listed(60, vec![]), at(60)), []);
    assert_eq!(log.stream(&StreamChange::Connected, at(70)), []);
    let closed = log.read(&listed(71, vec![]), at(71));
    assert_eq!(told(&closed), ["event gap closed"]);
    let span = json!({ "from": at(-5).to_string(), "until": at(71).to_string() });
    assert_eq!(closed[0].after, Some(span));
    assert_eq!(log.read(&listed(90, vec![]), at(90)), []);
    assert_eq!(told(&log.stream(&StreamChange::Overflow, at(95))), ["gap events lost, open"]);
    assert_eq!(told(&log.read(&listed(96, vec![]), at(96))), ["event gap closed"]);
}

#[test]
fn the_time_before_the_start_is_a_gap_that_the_first_read_closes() {
    let mut log = Lifecycle::new(actor(), FleetName::new("acme").unwrap());
    assert_eq!(told(&log.begin(LastSign::At(at(-500)), at(0))), ["event watch started"]);
    assert_eq!(log.stream(&StreamChange::Connected, at(1)), []);
    // An overflow before the first read.
    assert_eq!(log.stream(&StreamChange::Overflow, at(1)), []);
    let found = log.read(&listed(2, vec![row("running/idle", -900)]), at(2));
    assert_eq!(
        told(&found),
        ["event runner found a by unknown from resync, reconstructed", "gap not watched"]
    );
    let span = json!({ "from": at(-500).to_string(), "until": at(2).to_string() });
    assert_eq!(found[1].after, Some(span));
    assert!(!log.has_open_gap());
    assert_eq!(told(&log.end(at(9))), ["event watch stopped"]);
}

#[test]
fn a_first_read_without_a_stream_closes_one_gap_and_opens_another() {
    let mut log = Lifecycle::new(actor(), FleetName::new("acme").unwrap());
    log.begin(LastSign::Unknown, at(0));
    log.stream(&StreamChange::Connected, at(1));
    assert_eq!(log.stream(&StreamChange::Lost("gone"), at(1)), []);
    let found = log.read(&listed(2, vec![]), at(2));
    assert_eq!(told(&found), ["gap not watched", "gap stream lost, open"]);
    assert!(log.has_open_gap());
    log.stream(&StreamChange::Connected, at(3));
    log.read(&listed(4, vec![]), at(4));
    assert!(!log.has_open_gap());
}

#[test]
fn records_before_the_first_read_do_not_show_that_the_fleet_was_observed() {
    let mut log = Lifecycle::new(actor(), FleetName::new("acme").unwrap());
    let fleet = FleetName::new("acme").unwrap();
    let shows = |entry: &Entry| {
        let (line, _) = seal(entry, &Head::start(), None);
        super::super::shows_watching(&serde_json::from_str(&line).unwrap(), &fleet)
    };
    let started = log.begin(LastSign::At(at(-500)), at(0));
    assert!(!shows(&started[0]));
    log.stream(&StreamChange::Connected, at(1));
    let read = log.read(&listed(2, vec![]), at(2));
    assert!(shows(&read[0]));
    assert!(shows(&log.end(at(3))[0]));
}

#[test]
fn without_a_stream_the_gap_begins_with_the_first_read() {
    let mut log = fresh();
    assert_eq!(told(&log.read(&listed(1, vec![]), at(1))), ["gap stream lost, open"]);
    log.stream(&StreamChange::Connected, at(2));
    assert_eq!(told(&log.read(&listed(3, vec![]), at(3))), ["event gap closed"]);
}

#[test]
fn a_runner_that_only_a_job_names_is_a_gap() {
    let named = |id, name: &str| Job {
        status: JobStatus::InProgress,
        runner: Some(RunnerName::new(name)),
        ..job(id, &[], 2)
    };
    let mut log = fresh();
    log.stream(&StreamChange::Connected, at(0));
    let before = fleet(0, vec![], vec![], vec![named(1, "old")]);
    assert_eq!(log.read(&before, at(0)), [], "before anything was watched");
    log.changed(&RowChange::Job(named(2, "ghost")), at(5));
    log.changed(&RowChange::Job(named(3, "a")), at(5));
    event(&mut log, row("pending_create/pending", 6));
    let after = fleet(30, vec![], vec![row("pending_create/pending", 6)], vec![named(2, "ghost")]);
    let entries = log.read(&after, at(30));
    assert_eq!(told(&entries), ["gap runner unseen, open"]);
    assert_eq!(entries[0].after, Some(json!({ "runner": "ghost", "job": 1_002 })));
    assert_eq!(log.read(&after, at(60)), []);
}

#[test]
fn a_read_older_than_an_event_does_not_restore_a_runner() {
    let mut log = watching(vec![row("deleting/terminated", 5)]);
    gone(&mut log, at(20));
    let lags = || listed(30, vec![row("deleting/terminated", 5)]);
    assert_eq!(log.read(&lags(), at(30)), []);
    // A runner that is listed twice exists.
    let entries = log.read(&lags(), at(60));
    assert_eq!(told(&entries), ["event runner created a by GARM from resync, reconstructed"]);
}

#[test]
fn foreign_changes_of_pools_are_recorded_and_our_own_writes_only_once() {
    let changed = |second, level: u32, image: &str| {
        let mut pool = pool("default", &["default"]);
        pool.updated_at = at(second);
        pool.spec.min_idle_runners = level;
        pool.spec.image = image.into();
        RowChange::Pool(pool)
    };
    let mut log = watching(vec![]);
    let subject =
        Subject::Pool { name: PoolName::new("default").unwrap(), id: Some(PoolId::new("default")) };
    log.wrote(&write(RecordKind::Intent, subject, Some(json!({ "min_idle_runners": 3 }))));
    assert_eq!(log.changed(&changed(6, 3, "image"), at(6)), []);
    let entries = log.changed(&changed(7, 4, "other"), at(7));
    assert_eq!(told(&entries), ["event pool changed by unknown from event"]);
    assert_eq!(entries[0].before, Some(json!({ "image": "image", "min_idle_runners": 3 })));
    assert_eq!(entries[0].after, Some(json!({ "image": "other", "min_idle_runners": 4 })));
    assert_eq!(log.changed(&changed(6, 3, "image"), at(8)), [], "older");
    let foreign = Pool { spec: pool("x", &[]).spec, ..pool("theirs", &[]) };
    let created = log.changed(&RowChange::Pool(foreign), at(9));
    assert_eq!(told(&created), ["event pool created by unknown from event"]);
    let gone = log.changed(&RowChange::PoolGone(PoolId::new("theirs")), at(9));
    assert_eq!(told(&gone), ["event pool gone by unknown from event"]);
    assert_eq!(log.changed(&RowChange::PoolGone(PoolId::new("theirs")), at(9)), []);
}

#[test]
fn changes_of_garms_own_settings_are_recorded() {
    let mut log = watching(vec![]);
    let mut other = listed(30, vec![]);
    other.controller.backoff = std::time::Duration::from_secs(30);
    let entries = log.read(&other, at(30));
    assert_eq!(told(&entries), ["event controller changed by unknown from resync"]);
    assert_eq!(entries[0].after, Some(json!({ "minimum_job_age_backoff_s": 30 })));
    assert_eq!(entries[0].seen.unwrap().owner, None);
}

#[test]
fn memory_grows_only_with_what_garm_lists() {
    let mut log = watching(vec![]);
    for round in 0..100 {
        for index in 0..200 {
            let name = format!("r{round}-{index}");
            let new = runner("default", &name, "pending_create/pending", round);
            log.changed(&RowChange::Runner(new), at(round));
            log.changed(&RowChange::RunnerGone(format!("id-{name}")), at(round));
        }
        log.read(&listed(round, vec![]), at(round));
    }
    assert!(log.gone.len() <= super::super::PAST_MAX, "{}", log.gone.len());
    assert_eq!((log.runners.len(), log.ids.len()), (0, log.gone.len()));
    assert_eq!((log.awaited.len(), log.deletions.len(), log.unobserved.len()), (0, 0, 0));
}
