//! What happens to a leader: killed, stopped, put to sleep, cut off; and to its store.
//!
//! In real time with the true durations, since no clock is shared. The machine may be busy, so upper
//! bounds have room; the properties of the election have the exact ones.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::engines::{Etcd, LeaseApi, Postgres, TOKEN};
use super::pair::{Load, Pair, released};
use super::proxy::one_writes_at_a_time;
use super::stores;
use crate::service::stage::{Stage, eventually, receiver};

/// A takeover after the leader was killed: ten seconds, and room.
const TAKEOVER: Duration = Duration::from_secs(15);

/// Longer than the lease.
const SLEEP: Duration = Duration::from_secs(14);

/// Writes a secret and returns its reference.
fn secret(stage: &Stage, name: &str, text: &str) -> String {
    stage.write(name, text);
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(stage.path(name), private).unwrap();
    format!("file:{name}")
}

/// `watch.leader` for the stand-in of Kubernetes.
pub(super) fn kubernetes(stage: &Stage, address: SocketAddr) -> String {
    let token = secret(stage, "token", TOKEN);
    format!(
        "{{ kubernetes: {{ namespace: ci, name: ci-leader, server: \"http://{address}\", \
         token: \"{token}\" }} }}"
    )
}

/// A store that can be away for a while.
trait Restarts {
    fn stop(&mut self);
    fn begin(&mut self);
}

impl Restarts for Etcd {
    fn stop(&mut self) {
        Self::stop(self);
    }

    fn begin(&mut self) {
        Self::begin(self);
    }
}

impl Restarts for Postgres {
    fn stop(&mut self) {
        Self::stop(self);
    }

    fn begin(&mut self) {
        Self::begin(self);
    }
}

/// All faults in turn; the leader has something to write all the time.
fn survives(mut pair: Pair, store: Option<&mut dyn Restarts>, pages: &Mutex<Vec<String>>) {
    let held = pair.stage.queue_held(1);
    pair.start_both();
    let load = Load::start(&pair.stage);
    eventually("the page", || (!pages.lock().unwrap().is_empty()).then_some(()));
    // The record names it with the next renewal.
    std::thread::sleep(Duration::from_secs(3));
    pair.until_writes(0, Instant::now());
    let first = pair.term(0);
    assert_eq!((pair.leader(1), pair.term(1)), (Some(0), first));

    // A stop hands over; the new leader does not wait for the lease to expire.
    let mut stopped = pair.both[0].process.take().unwrap();
    assert_eq!(stopped.end("-TERM"), Some(0));
    let took = pair.until_leads(1);
    assert!(took < Duration::from_secs(5), "handed over after {took:?}");
    assert_eq!(pair.term(1), first + 1);
    pair.start(0);
    pair.until_writes(1, Instant::now());

    // Killed.
    pair.signal(1, "-KILL");
    let took = pair.until_leads(0);
    assert!((Duration::from_secs(6)..TAKEOVER).contains(&took), "taken over after {took:?}");
    pair.until_writes(0, Instant::now());
    pair.start(1);

    // Asleep for longer than the lease: it writes nothing when it wakes.
    let term = pair.term(0);
    pair.signal(0, "-STOP");
    let asleep = Instant::now();
    let took = pair.until_leads(1);
    assert!(took < TAKEOVER, "taken over after {took:?}");
    pair.until_writes(1, Instant::now());
    std::thread::sleep(SLEEP.saturating_sub(asleep.elapsed()));
    let woken = Instant::now();
    pair.signal(0, "-CONT");
    pair.until_stands_by(0);
    pair.until_writes(1, woken);
    pair.until_writes(1, Instant::now());
    assert_eq!(pair.writes_since(0, asleep + Duration::from_millis(500)), [""; 0]);
    assert_eq!((pair.term(0), pair.term(1)), (term + 1, term + 1));

    // Cut off from the store, but not from GARM: it stops before another begins.
    pair.both[1].store.cut();
    let cut = Instant::now();
    pair.until_stands_by(1);
    let stopped = Instant::now();
    assert_eq!(pair.leader(0), Some(0), "none leads yet");
    assert!(pair.until_leads(0) + (stopped - cut) < TAKEOVER);
    let led = Instant::now();
    pair.both[1].store.heal();
    pair.until_writes(0, led);
    assert_eq!(pair.writes_since(1, stopped), [""; 0]);

    if let Some(store) = store {
        goes_away(&pair, store);
    }
    drop(load);
    let pages = pages.lock().unwrap().clone();
    assert_eq!(pages.len(), 1, "the page is sent once: {pages:#?}");
    pair.stage.cancel(&held);
    each_term_has_one_writer(&pair);
}

/// The store is away for less than a renewal lasts, and for longer.
fn goes_away(pair: &Pair, store: &mut dyn Restarts) {
    let term = pair.term(0);
    store.stop();
    std::thread::sleep(Duration::from_secs(1));
    store.begin();
    pair.until_writes(0, Instant::now());
    assert_eq!((pair.term(0), pair.leader(1)), (term, Some(0)));
    store.stop();
    pair.until_stands_by(0);
    let stopped = Instant::now();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!((pair.writes_since(0, stopped).len(), pair.leader(1)), (0, Some(0)));
    store.begin();
    // The leader renews what it finds, or the other one, which has seen no change, takes it.
    let writes = |which| !pair.writes_since(which, stopped).is_empty();
    eventually("a write", || (writes(0) || writes(1)).then_some(()));
}

/// Every write is recorded with the term in which it was made, and its log verifies. GARM is written
/// to by one process at a time, in the order of the terms.
pub(super) fn each_term_has_one_writer(pair: &Pair) {
    let mut writers: BTreeMap<u64, (usize, u64)> = BTreeMap::new();
    for which in 0..2 {
        for record in pair.recorded_writes(which) {
            let term = record["cause"]["term"].as_u64().expect("each write has a term");
            let process = (which, record["actor"]["pid"].as_u64().unwrap());
            assert_eq!(*writers.entry(term).or_insert(process), process, "term {term}");
        }
    }
    let turns = one_writes_at_a_time(&[&pair.both[0].garm, &pair.both[1].garm]);
    let mut by_term: Vec<usize> = writers.values().map(|process| process.0).collect();
    by_term.dedup();
    assert_eq!(turns, by_term, "{writers:?}");
    // The first record of each term names the head of the log of the leader before.
    let mut named = 0;
    for (file, other) in [("audit-a.jsonl", "audit-b.jsonl"), ("audit-b.jsonl", "audit-a.jsonl")] {
        let text = pair.stage.read(file);
        let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let began: Vec<Value> = records.filter(|record| record["act"] == "term began").collect();
        // That of the first term has none before it, or the released one of the test.
        let later = began.iter().filter(|record| {
            record["after"]["term"].as_u64().unwrap() > *writers.keys().next().unwrap()
        });
        for record in later {
            let head = record["before"]["audit_head"].as_str();
            let head = head.unwrap_or_else(|| panic!("{file}: {record}"));
            let checked = pair.stage.run(&["audit", "verify", other, "--head", head]);
            assert!(checked.status.success(), "{checked:?}");
            named += 1;
        }
    }
    assert!(named + 1 >= writers.len(), "{named} of {writers:?}");
}

/// An alert that fires as long as a job waits, and its receiver.
fn page_of_a_waiting_job() -> (String, Arc<Mutex<Vec<String>>>) {
    let (url, pages) = receiver();
    let when = "when: oldest_queued_job_age_seconds, above: 3, for: 1s";
    let rule = format!("alerts:\n  - {{ name: JobWaits, {when} }}\n");
    (format!("{rule}receivers:\n  oncall: {{ webhook: {{ url: \"{url}\" }} }}\n"), pages)
}

#[tokio::test]
async fn no_fault_of_a_leader_on_etcd_leaves_two_writers_or_none() {
    let mut etcd = Etcd::start();
    stores::etcd("runnerctl-sandbox", vec![etcd.url()]).swap(None, &released()).await.unwrap();
    let (alert, pages) = page_of_a_waiting_job();
    let pair = Pair::set(
        etcd.address,
        |_, address| format!("{{ etcd: {{ endpoints: [\"http://{address}\"] }} }}"),
        |_| alert.clone(),
    );
    tokio::task::spawn_blocking(move || survives(pair, Some(&mut etcd), &pages)).await.unwrap();
}

#[tokio::test]
async fn no_fault_of_a_leader_on_postgresql_leaves_two_writers_or_none() {
    let mut server = Postgres::start();
    let store = stores::postgresql("runnerctl-sandbox", server.url(server.address), None);
    store.swap(None, &released()).await.unwrap();
    let (alert, pages) = page_of_a_waiting_job();
    let pair = Pair::set(
        server.address,
        |stage, address| {
            let url = secret(stage, &format!("url-{}", address.port()), &server.url(address));
            format!("{{ postgresql: {{ url: \"{url}\" }} }}")
        },
        |_| alert.clone(),
    );
    tokio::task::spawn_blocking(move || survives(pair, Some(&mut server), &pages)).await.unwrap();
}

#[tokio::test]
async fn no_fault_of_a_leader_on_kubernetes_leaves_two_writers_or_none() {
    let api = LeaseApi::start();
    let (alert, pages) = page_of_a_waiting_job();
    let pair = Pair::set(api.address, kubernetes, |_| alert.clone());
    tokio::task::spawn_blocking(move || survives(pair, None, &pages)).await.unwrap();
}
