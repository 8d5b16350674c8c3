//! Several `watch` share the GARMs of one fleet file.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::engines::{Etcd, Postgres};
use crate::service::fleet_of_garms::Garms;
use crate::service::stage::{Process, eventually, free_address, get};

/// The number of GARMs of the fleet.
const GARMS: usize = 4;

fn fleet(leader: String) -> Garms {
    let mut garms = Garms::start(&["a", "b", "c", "d"]);
    garms.leader = Some(leader);
    garms.write_fleet("");
    garms
}

fn start(garms: &Garms, name: &str, listen: SocketAddr) -> Process {
    garms.watch(name, &["--listen", &listen.to_string()])
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
    let (first, second) = (free_address(), free_address());
    let mut watch = start(garms, "first", first);
    until_shared(&[first], &[GARMS]);
    // A process that arrives gets its half, one GARM at a time.
    let mut other = start(garms, "second", second);
    until_shared(&[first, second], &[GARMS / 2, GARMS / 2]);
    let log = garms.read("first.err");
    assert!(log.contains("shares the GARMs with 1 other process"), "{log}");
    std::thread::sleep(Duration::from_secs(3));
    until_shared(&[first, second], &[GARMS / 2, GARMS / 2]);
    // One that is killed is replaced within 15 s.
    let killed = Instant::now();
    watch.end("-KILL");
    until_shared(&[second], &[GARMS]);
    assert!(killed.elapsed() < Duration::from_secs(15), "{:?}", killed.elapsed());
    // One that is stopped gives back its GARMs at once.
    let _third = start(garms, "third", first);
    until_shared(&[first, second], &[GARMS / 2, GARMS / 2]);
    let stopped = Instant::now();
    assert_eq!(other.end("-TERM"), Some(0));
    until_shared(&[first], &[GARMS]);
    assert!(stopped.elapsed() < Duration::from_secs(13), "{:?}", stopped.elapsed());
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
