//! What happens to a leader: killed, stopped, put to sleep, cut off; and to its store.
//!
//! In real time with the true durations, since no clock is shared. The machine may be busy, so upper
//! bounds have room; the properties of the election have the exact ones.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::engines::{Etcd, LeaseApi, Postgres, TOKEN};
use super::pair::{Load, Pair, released};
use super::stores;
use crate::service::stage::Stage;

/// A takeover after the leader was killed: ten seconds, a renewal and a read, and room.
const TAKEOVER: Duration = Duration::from_secs(16);

/// Longer than the lease.
const SLEEP: Duration = Duration::from_secs(14);

/// Writes a secret and returns its reference.
fn secret(stage: &Stage, name: &str, text: &str) -> String {
    stage.write(name, text);
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(stage.path(name), private).unwrap();
    format!("file:{name}")
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
fn survives(mut pair: Pair, store: Option<&mut dyn Restarts>) {
    pair.start_both();
    let load = Load::start(&pair.stage);
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
    assert_eq!(pair.leader(0), Some(0), "there is no other leader yet");
    assert!(pair.until_leads(0) + (stopped - cut) < TAKEOVER);
    let led = Instant::now();
    pair.both[1].store.heal();
    pair.until_writes(0, led);
    assert_eq!(pair.writes_since(1, stopped), [""; 0]);

    // The store is away for less than a renewal lasts.
    if let Some(store) = store {
        let term = pair.term(0);
        store.stop();
        std::thread::sleep(Duration::from_secs(1));
        store.begin();
        pair.until_writes(0, Instant::now());
        assert_eq!((pair.term(0), pair.leader(1)), (term, Some(0)));
    }
    drop(load);
    each_term_has_one_writer(&pair);
}

/// Every write is recorded with the term in which it was made, and its log verifies.
fn each_term_has_one_writer(pair: &Pair) {
    let mut writers: BTreeMap<u64, u64> = BTreeMap::new();
    for which in 0..2 {
        for record in pair.recorded_writes(which) {
            let term = record["cause"]["term"].as_u64().expect("each write has a term");
            let process = record["actor"]["pid"].as_u64().unwrap();
            assert_eq!(*writers.entry(term).or_insert(process), process, "term {term}");
        }
    }
    assert!(writers.len() >= 4, "{writers:?}");
    // The first record of each term names the head of the log of the leader before, the other one.
    // A leader that is killed within its first second has not named its head yet.
    let mut named = 0;
    for (file, other) in [("audit-a.jsonl", "audit-b.jsonl"), ("audit-b.jsonl", "audit-a.jsonl")] {
        let text = pair.stage.read(file);
        let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let began = records.filter(|record| record["act"] == "term began");
        let heads: Vec<String> = began
            .filter_map(|record| Some(record["before"]["audit_head"].as_str()?.to_owned()))
            .collect();
        assert!(!heads.is_empty(), "{file}");
        named += heads.len();
        for head in heads {
            let checked = pair.stage.run(&["audit", "verify", other, "--head", &head]);
            assert!(checked.status.success(), "{checked:?}");
        }
    }
    assert!(named >= 3, "{named}");
}

#[tokio::test]
async fn no_fault_of_a_leader_on_etcd_leaves_two_writers_or_none() {
    let mut etcd = Etcd::start();
    stores::etcd("runnerctl-sandbox", vec![etcd.url()]).swap(None, &released()).await.unwrap();
    let pair = Pair::set(
        etcd.address,
        |_, address| format!("{{ etcd: {{ endpoints: [\"http://{address}\"] }} }}"),
        |_| String::new(),
    );
    tokio::task::spawn_blocking(move || survives(pair, Some(&mut etcd))).await.unwrap();
}

#[tokio::test]
async fn no_fault_of_a_leader_on_postgresql_leaves_two_writers_or_none() {
    let mut server = Postgres::start();
    let store = stores::postgresql("runnerctl-sandbox", server.url(server.address), None);
    store.swap(None, &released()).await.unwrap();
    let pair = Pair::set(
        server.address,
        |stage, address| {
            let url = secret(stage, &format!("url-{}", address.port()), &server.url(address));
            format!("{{ postgresql: {{ url: \"{url}\" }} }}")
        },
        |_| String::new(),
    );
    tokio::task::spawn_blocking(move || survives(pair, Some(&mut server))).await.unwrap();
}

#[tokio::test]
async fn no_fault_of_a_leader_on_kubernetes_leaves_two_writers_or_none() {
    let api = LeaseApi::start();
    let pair = Pair::set(
        api.address,
        |stage, address| {
            let token = secret(stage, "token", TOKEN);
            format!(
                "{{ kubernetes: {{ namespace: ci, name: ci-leader, server: \"http://{address}\", \
                 token: \"{token}\" }} }}"
            )
        },
        |_| String::new(),
    );
    tokio::task::spawn_blocking(move || survives(pair, None)).await.unwrap();
}
