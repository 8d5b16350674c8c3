//! Several `watch` share the GARMs of one fleet file.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::engines::{Etcd, LeaseApi, Postgres, TOKEN};
use super::proxy::{Proxy, one_writes_at_a_time};
use crate::service::fleet_of_garms::Garms;
use crate::service::stage::{Process, eventually, free_address, get};

/// The number of GARMs of the fleet: those that can be read, and one that cannot.
const GARMS: usize = READ.len() + 1;

const READ: [&str; 3] = ["a", "b", "c"];

fn fleet(leader: String) -> Garms {
    let mut garms = Garms::start(&READ);
    garms.add("dead", "127.0.0.1:9".parse().unwrap());
    garms.leader = Some(leader);
    garms.write_fleet("receivers: {}\n");
    garms
}

/// A process, and its own way to each GARM.
struct Sharer {
    process: Process,
    proxies: Vec<Proxy>,
}

/// Starts a process with an audit log of its own.
fn start(garms: &Garms, name: &str, listen: SocketAddr) -> Sharer {
    let mut text = garms.read("runnerctl.yaml").replace("audit.jsonl", &format!("{name}.jsonl"));
    let proxies = READ.map(|garm| Proxy::start(garms.address(garm)));
    for (garm, proxy) in READ.iter().zip(&proxies) {
        text = text.replace(&garms.address(garm).to_string(), &proxy.address.to_string());
    }
    garms.write(&format!("{name}.yaml"), &text);
    let config = format!("{name}.yaml");
    let process = garms.watch(name, &["--config", &config, "--listen", &listen.to_string()]);
    Sharer { process, proxies: proxies.into() }
}

/// Ends the load when it is dropped, also by a failure.
struct EndOfLoad<'a>(&'a AtomicBool);

impl Drop for EndOfLoad<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Lets jobs come and go on each GARM until `is_over`, so that each leader has something to write.
fn load(garms: &Garms, is_over: &AtomicBool) {
    while !is_over.load(Ordering::SeqCst) {
        let jobs = READ.map(|garm| garms.queue_held(garm, 9));
        std::thread::sleep(Duration::from_millis(1_500));
        READ.iter().zip(jobs).for_each(|(garm, jobs)| garms.cancel(garm, &jobs));
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// The names of the GARMs that the process at this address leads.
fn led(address: SocketAddr) -> Vec<String> {
    let (_, page) = get(address, "/metrics").unwrap_or_default();
    let leads = |line: &str| {
        let rest = line.strip_prefix("runnerctl_leader{garm=\"")?;
        rest.strip_suffix("\"} 1").map(str::to_owned)
    };
    page.lines().filter_map(leads).collect()
}

/// Waits until each process leads as many GARMs as given, together all of them.
fn until_shared(addresses: &[SocketAddr], counts: &[usize]) {
    eventually(&format!("the shares {counts:?}"), || {
        let led: Vec<Vec<String>> = addresses.iter().map(|address| led(*address)).collect();
        let found: Vec<usize> = led.iter().map(Vec::len).collect();
        (found == counts).then_some(())
    });
}

fn shares_are_even_and_taken_over(garms: &Garms) {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| load(garms, &is_over));
        let end = EndOfLoad(&is_over);
        let sharers = hand_over_in_turn(garms);
        drop(end);
        // A lease that is released to another process changes hands between two writes, too.
        for (at, garm) in READ.iter().enumerate() {
            let proxies: Vec<&Proxy> = sharers.iter().map(|one| &one.proxies[at]).collect();
            assert_eq!(one_writes_at_a_time(&proxies), [0, 1, 2], "{garm}");
        }
    });
}

/// Waits until a process has written to each GARM.
fn until_writes(sharer: &Sharer) {
    let writes = || sharer.proxies.iter().all(|proxy| !proxy.writes().is_empty());
    eventually("a write to each GARM", || writes().then_some(()));
}

/// Three processes: the first is killed, the second is stopped.
fn hand_over_in_turn(garms: &Garms) -> Vec<Sharer> {
    let (first, second) = (free_address(), free_address());
    let mut killed = start(garms, "first", first);
    until_shared(&[first], &[GARMS]);
    until_writes(&killed);
    // A process that arrives gets its half, one GARM at a time.
    let mut stopped = start(garms, "second", second);
    until_shared(&[first, second], &[GARMS / 2, GARMS / 2]);
    let log = garms.read("first.err");
    assert!(log.contains("shares the GARMs with 1 other process"), "{log}");
    std::thread::sleep(Duration::from_secs(3));
    until_shared(&[first, second], &[GARMS / 2, GARMS / 2]);
    // One that is killed is replaced within 15 s.
    let began = Instant::now();
    killed.process.end("-KILL");
    until_shared(&[second], &[GARMS]);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    until_writes(&stopped);
    // One that is stopped gives back its GARMs at once.
    let third = start(garms, "third", first);
    until_shared(&[first, second], &[GARMS / 2, GARMS / 2]);
    let began = Instant::now();
    assert_eq!(stopped.process.end("-TERM"), Some(0));
    until_shared(&[first], &[GARMS]);
    assert!(began.elapsed() < Duration::from_secs(13), "{:?}", began.elapsed());
    until_writes(&third);
    vec![killed, stopped, third]
}

#[test]
fn processes_share_the_garms_by_postgresql_over_one_connection_each() {
    let server = Postgres::start();
    let garms = fleet("{ postgresql: { url: 'file:leader.url' } }".into());
    garms.write("leader.url", &format!("{}\n", server.url(server.address)));
    shares_are_even_and_taken_over(&garms);
}

#[test]
fn processes_share_the_garms_by_etcd() {
    let etcd = Etcd::start();
    let garms = fleet(format!("{{ etcd: {{ endpoints: ['{}'] }} }}", etcd.url()));
    shares_are_even_and_taken_over(&garms);
}

#[test]
fn processes_share_the_garms_by_leases_of_kubernetes() {
    let api = LeaseApi::start();
    let garms = fleet(format!(
        "{{ kubernetes: {{ namespace: ci, server: 'http://{}', token: 'file:leader.password' }} }}",
        api.address
    ));
    garms.write("leader.password", TOKEN);
    shares_are_even_and_taken_over(&garms);
}
