mod first_sight;
mod properties;
mod rows;

use jiff::Timestamp;

use super::super::entry::{Actor, Entry, Fidelity, RecordKind, Subject};
use super::{LastSign, Lifecycle, StreamChange};
use crate::domain::fleet::Fleet;
use crate::domain::name::FleetName;
use crate::domain::runner::Runner;
use crate::scaling::RowChange;
use crate::scaling::testing::{at, fleet, pool, runner};

fn actor() -> Actor {
    Actor { user: "ada".into(), host: "box".into(), pid: 7, version: "0.1.0".into() }
}

/// The states of a runner as GARM's event stream showed them (GARM.md §e).
/// Runners that are removed early skip some.
const LIFE: [&str; 9] = [
    "pending_create/pending",
    "creating/pending",
    "running/pending",
    "running/installing",
    "running/idle",
    "running/active",
    "running/terminated",
    "pending_delete/terminated",
    "deleting/terminated",
];

/// A lifecycle at the start of an empty log.
fn fresh() -> Lifecycle {
    let mut log = Lifecycle::new(actor(), FleetName::new("acme").unwrap());
    assert_eq!(told(&log.begin(LastSign::None, at(0))), ["event watch started"]);
    log
}

/// A lifecycle with an event stream, after a read of the pool `default` with these runners.
fn watching(runners: Vec<Runner>) -> Lifecycle {
    let mut log = fresh();
    assert_eq!(log.stream(&StreamChange::Connected, at(0)), []);
    log.read(&listed(0, runners), at(0));
    log
}

fn listed(now: i64, runners: Vec<Runner>) -> Fleet {
    fleet(now, vec![pool("default", &["default"])], runners, vec![])
}

/// The runner `a` of the pool `default`; its row was last written at `second`.
fn row(state: &str, second: i64) -> Runner {
    Runner { created_at: at(1), ..runner("default", "a", state, second) }
}

fn event(log: &mut Lifecycle, runner: Runner) -> Vec<Entry> {
    let now = runner.updated_at;
    log.changed(&RowChange::Runner(runner), now)
}

fn gone(log: &mut Lifecycle, now: Timestamp) -> Vec<Entry> {
    log.changed(&RowChange::RunnerGone("id-a".into()), now)
}

/// Each entry as a line: kind, act, cause, source.
fn told(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(line).collect()
}

fn line(entry: &Entry) -> String {
    let mut line = format!("{} {}", entry.kind.word(), entry.act);
    if let Subject::Instance { name, .. } = &entry.subject {
        line.push_str(&format!(" {name}"));
    }
    if let Some(seen) = entry.seen {
        line.push_str(&format!(" by {} from {}", seen.by.word(), seen.source.word()));
        line.push_str(match seen.sight {
            Fidelity::Exact => "",
            Fidelity::Reconstructed => ", reconstructed",
            Fidelity::Late => ", late",
        });
    }
    if entry.kind == RecordKind::Gap {
        let until = &entry.after.as_ref().unwrap()["until"];
        line.push_str(if until.is_null() { ", open" } else { "" });
    }
    line
}
