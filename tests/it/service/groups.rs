//! A group with pools in two GARMs, under one `watch`.

use serde_json::Value;

use super::fleet_of_garms::Garms;
use super::stage::{eventually, get};

const GROUP: &str = "groups: { licence: { max_runners: 6, pools: [pool-a, pool-b] } }\n";

/// `max_runners` in GARM and the number of runners of the pool of each GARM, as `watch` sees them.
fn pools(garms: &Garms) -> Option<[(u64, u64); 2]> {
    let mut pools = [(0, 0); 2];
    for (at, name) in ["a", "b"].iter().enumerate() {
        let (_, page) = get(garms.watch, &format!("/decisions?garm={name}"))?;
        let page: Value = serde_json::from_str(&page).ok()?;
        let inputs = &page["pools"][0]["inputs"];
        pools[at] = (inputs["garm"]["max_runners"].as_u64()?, inputs["runners"]["live"].as_u64()?);
    }
    Some(pools)
}

#[test]
fn a_group_in_two_garms_keeps_one_limit() {
    let mut garms = Garms::start(&["a", "b"]);
    garms.write_fleet(GROUP);
    let mut watch = garms.watch("watch", &[]);
    eventually("a division of the limit", || {
        let [a, b] = pools(&garms)?;
        (a.0 + b.0 <= 6).then_some(())
    });
    let jobs = garms.queue_held("a", 30);
    eventually("the places of the other GARM", || {
        let [a, b] = pools(&garms)?;
        assert!(a.0 + b.0 <= 6 && a.1 + b.1 <= 6, "{a:?} {b:?}");
        // The other pool keeps its floor of two.
        (a == (4, 4) && b == (2, 2)).then_some(())
    });
    let status = garms.run(&["status"]);
    let said = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(said.contains("group `licence`: 6 runners of at most 6 in `a` and `b`"), "{said}");
    let (_, page) = get(garms.watch, "/metrics").unwrap();
    for line in [
        "runnerctl_group_runners{garm=\"a\",group=\"licence\"} 4",
        "runnerctl_group_runners{garm=\"b\",group=\"licence\"} 2",
        "runnerctl_group_max_runners{garm=\"a\",group=\"licence\"} 6",
        "runnerctl_group_max_runners{garm=\"b\",group=\"licence\"} 6",
    ] {
        assert!(page.lines().any(|it| it == line), "{line}\n{page}");
    }
    garms.cancel("a", &jobs);
    // The other GARM is removed from the files, and with it its part of the group.
    garms.forget("b");
    garms.write_fleet("groups: { licence: { max_runners: 6, pools: [pool-a] } }\n");
    watch.signal("-HUP");
    garms.queue_held("a", 30);
    eventually("the whole limit", || {
        let (_, page) = get(garms.watch, "/decisions?garm=a")?;
        let page: Value = serde_json::from_str(&page).ok()?;
        (page["pools"][0]["inputs"]["garm"]["max_runners"] == 6).then_some(())
    });
    assert_eq!(watch.end("-TERM"), Some(0));
}

#[test]
fn a_watch_of_a_part_of_a_group_is_refused() {
    let mut garms = Garms::start(&["a", "b"]);
    garms.write_fleet(GROUP);
    let refused = garms.run(&["watch", "--once", "--garm", "a"]);
    assert_eq!(refused.status.code(), Some(64), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("group `licence` also has pools of GARM `b`"), "{said}");
    let free = garms.run(&["watch", "--release", "--garm", "a"]);
    assert_eq!(free.status.code(), Some(0), "{free:?}");
    garms.forget("b");
}
