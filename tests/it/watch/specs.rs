//! `extra_specs` of our own pools, which GARM's lists omit, are read where they are not known.

use runnerctl::domain::pool::{PoolChange, PoolDetail};
use serde_json::{Map, Value, json};

use crate::support::scaling_loop::{LoopRig, policy, steady, wait};

fn zone(name: &str) -> Map<String, Value> {
    Map::from_iter([("zone".to_owned(), json!(name))])
}

async fn set(rig: &LoopRig, zone_of: &str) {
    let extra_specs = Some(zone(zone_of));
    rig.change("default", PoolChange { extra_specs, ..PoolChange::default() }).await;
}

/// The number of requests for single entities since they were last forgotten.
fn asked(rig: &LoopRig) -> usize {
    rig.asked().iter().filter(|it| it.starts_with("GET /organizations/")).count()
}

#[tokio::test(start_paused = true)]
async fn extra_specs_are_read_once_and_stay_known() {
    let rig = LoopRig::new(policy()).await;
    set(&rig, "a").await;
    let watch = rig.start(steady());
    wait(1).await;
    let known = Some((PoolDetail::Whole, zone("a")));
    assert_eq!((watch.heard.specs(), asked(&rig)), (known.clone(), 1));
    rig.forget();
    wait(3_600).await;
    rig.set_level(3).await;
    wait(3_600).await;
    assert_eq!((watch.heard.specs(), asked(&rig)), (known, 0));
}

#[tokio::test(start_paused = true)]
async fn a_change_is_known_from_its_event() {
    let rig = LoopRig::new(policy()).await;
    let watch = rig.start(steady());
    wait(1).await;
    rig.forget();
    set(&rig, "b").await;
    wait(600).await;
    assert_eq!((watch.heard.specs(), asked(&rig)), (Some((PoolDetail::Whole, zone("b"))), 0));
}

#[tokio::test(start_paused = true)]
async fn a_change_without_an_event_is_unknown_until_it_is_read_within_five_minutes() {
    let rig = LoopRig::new(policy()).await;
    rig.mute();
    let watch = rig.start(steady());
    wait(1).await;
    rig.forget();
    set(&rig, "b").await;
    wait(60).await;
    assert_eq!(watch.heard.specs(), Some((PoolDetail::Listed, Map::new())));
    wait(300).await;
    assert_eq!((watch.heard.specs(), asked(&rig)), (Some((PoolDetail::Whole, zone("b"))), 1));
}

/// Scaling does not need any `extra_specs`.
#[tokio::test(start_paused = true)]
async fn an_entity_that_cannot_be_read_leaves_them_unknown_and_holds_nothing_up() {
    let rig = LoopRig::new(policy()).await;
    set(&rig, "a").await;
    let one = format!("/organizations/{}", rig.entity.id);
    rig.fault(runnerctl::sim::FaultRule::always("GET", &one, runnerctl::sim::Fault::Refuse));
    let watch = rig.start(steady());
    wait(40).await;
    assert_eq!(watch.heard.specs(), Some((PoolDetail::Listed, Map::new())));
    rig.jobs(12, 20);
    wait(120).await;
    assert_eq!(rig.tally().done, 12);
    rig.come_back();
    wait(300).await;
    assert_eq!(watch.heard.specs(), Some((PoolDetail::Whole, zone("a"))));
}
