//! Two `watch` beside one simulated GARM, each behind a proxy of its own to GARM and to the store.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use runnerctl::election::{LeaseNotes, LeaseRecord};
use serde_json::Value;

use super::proxy::Proxy;
use crate::service::stage::{Process, Stage, eventually, free_address, get};

/// A lease that was released in term 5, so that the first leader need not wait.
pub(super) fn released() -> LeaseRecord {
    let at: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    let (holder, notes) = (String::new(), LeaseNotes::default());
    LeaseRecord { holder, term: 5, number: 1, since: at, written_at: at, notes }
}

/// A `watch` and its way to GARM and to the store.
pub(super) struct Candidate {
    name: &'static str,
    pub(super) listen: SocketAddr,
    pub(super) garm: Proxy,
    pub(super) store: Proxy,
    /// Variables of its environment.
    pub(super) variables: Vec<(&'static str, String)>,
    pub(super) process: Option<Process>,
}

pub(super) struct Pair {
    pub(super) stage: Arc<Stage>,
    pub(super) both: [Candidate; 2],
}

impl Pair {
    /// Writes the files of both. `leader` is the YAML of `watch.leader` for the address of the store.
    pub(super) fn set(
        store: SocketAddr,
        leader: impl Fn(&Stage, SocketAddr) -> String,
        more: impl Fn(&Stage) -> String,
    ) -> Self {
        let stage = Stage::set();
        let both = ["a", "b"].map(|name| {
            let (garm, store) = (Proxy::start(stage.garm()), Proxy::start(store));
            let listen = free_address();
            let text = stage
                .read("runnerctl.yaml")
                .replace(&stage.garm().to_string(), &garm.address.to_string())
                .replace(&stage.watch.to_string(), &listen.to_string())
                .replace("audit.jsonl", &format!("audit-{name}.jsonl"));
            let leader = format!("  leader: {}\n", leader(&stage, store.address));
            let text = text.replace("  resync: 5s\n", &format!("  resync: 5s\n{leader}"));
            stage.write(&format!("{name}.yaml"), &format!("{text}{}", more(&stage)));
            Candidate { name, listen, garm, store, variables: Vec::new(), process: None }
        });
        Self { stage: Arc::new(stage), both }
    }

    /// Starts one of them and waits until it is ready.
    pub(super) fn start(&mut self, which: usize) {
        let candidate = &mut self.both[which];
        let config = format!("{}.yaml", candidate.name);
        let variables: Vec<(&str, &str)> =
            candidate.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let arguments = ["--config", &config];
        let process = self.stage.start_watch_with(candidate.name, &arguments, &variables);
        candidate.process = Some(process);
        self.stage.until_ready(candidate.listen);
    }

    /// Starts the first, which leads, and then the second.
    pub(super) fn start_both(&mut self) {
        self.start(0);
        self.until_leads(0);
        self.start(1);
    }

    pub(super) fn signal(&self, which: usize, name: &str) {
        self.both[which].process.as_ref().unwrap().signal(name);
    }

    /// Waits until one leads, and returns how long that took.
    pub(super) fn until_leads(&self, which: usize) -> Duration {
        let began = Instant::now();
        eventually("the leader", || (self.leader(which)? == 1).then_some(()));
        began.elapsed()
    }

    pub(super) fn until_stands_by(&self, which: usize) {
        eventually("the standby", || (self.leader(which)? == 0).then_some(()));
    }

    /// The value of `runnerctl_leader`.
    pub(super) fn leader(&self, which: usize) -> Option<u32> {
        self.gauge(which, "runnerctl_leader")
    }

    pub(super) fn gauge(&self, which: usize, name: &str) -> Option<u32> {
        let (_, page) = get(self.both[which].listen, "/metrics")?;
        let line = page.lines().find_map(|line| line.strip_prefix(&format!("{name} ")))?;
        line.parse().ok()
    }

    pub(super) fn term(&self, which: usize) -> u32 {
        self.gauge(which, "runnerctl_leader_term").unwrap()
    }

    /// The writes to GARM of one of them since then.
    pub(super) fn writes_since(&self, which: usize, since: Instant) -> Vec<String> {
        let writes = self.both[which].garm.writes().into_iter();
        writes.filter(|write| write.sent >= since).map(|write| write.line).collect()
    }

    /// Waits until one of them writes to GARM.
    pub(super) fn until_writes(&self, which: usize, since: Instant) {
        eventually("a write", || (!self.writes_since(which, since).is_empty()).then_some(()));
    }

    /// The records of an audit log that belong to writes: term, process and time.
    pub(super) fn recorded_writes(&self, which: usize) -> Vec<Value> {
        let text = self.stage.read(&format!("audit-{}.jsonl", self.both[which].name));
        let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        records.filter(|record| record["kind"] == "intent").collect()
    }
}

/// Lets jobs come and go, so that the leader has something to write all the time.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Load {
    pub(super) fn start(stage: &Arc<Stage>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stage, is_over) = (Arc::clone(stage), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !is_over.load(Ordering::SeqCst) {
                let jobs = stage.queue_held(9);
                std::thread::sleep(Duration::from_millis(1_700));
                stage.cancel(&jobs);
                std::thread::sleep(Duration::from_millis(700));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
