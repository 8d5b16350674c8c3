//! `extra_specs` of our own pools, which GARM's lists leave out: read where they are not known.

use runnerctl::domain::pool::{PoolChange, PoolDetail};
use serde_json::{Map, Value, json};

use super::bench::{Bench, policy, steady, wait};

fn zone(name: &str) -> Map<String, Value> {
    Map::from_iter([("zone".to_owned(), json!(name))])
}

async fn set(bench: &Bench, zone_of: &str) {
    let extra_specs = Some(zone(zone_of));
    bench.change("default", PoolChange { extra_specs, ..PoolChange::default() }).await;
}

/// The requests for single entities since they were forgotten.
fn asked(bench: &Bench) -> usize {
    bench.asked().iter().filter(|it| it.starts_with("GET /organizations/")).count()
}

#[tokio::test(start_paused = true)]
async fn extra_specs_are_read_once_and_stay_known() {
    let bench = Bench::new(policy()).await;
    set(&bench, "a").await;
    let watch = bench.start(steady());
    wait(1).await;
    let known = Some((PoolDetail::Whole, zone("a")));
    assert_eq!((watch.heard.specs(), asked(&bench)), (known.clone(), 1));
    bench.forget();
    wait(3_600).await;
    bench.set_level(3).await;
    wait(3_600).await;
    assert_eq!((watch.heard.specs(), asked(&bench)), (known, 0));
}

#[tokio::test(start_paused = true)]
async fn a_change_is_known_from_its_event() {
    let bench = Bench::new(policy()).await;
    let watch = bench.start(steady());
    wait(1).await;
    bench.forget();
    set(&bench, "b").await;
    wait(600).await;
    assert_eq!((watch.heard.specs(), asked(&bench)), (Some((PoolDetail::Whole, zone("b"))), 0));
}

#[tokio::test(start_paused = true)]
async fn a_change_without_an_event_is_unknown_until_it_is_read_within_five_minutes() {
    let bench = Bench::new(policy()).await;
    bench.mute();
    let watch = bench.start(steady());
    wait(1).await;
    bench.forget();
    set(&bench, "b").await;
    wait(60).await;
    assert_eq!(watch.heard.specs(), Some((PoolDetail::Listed, Map::new())));
    wait(300).await;
    assert_eq!((watch.heard.specs(), asked(&bench)), (Some((PoolDetail::Whole, zone("b"))), 1));
}

/// Scaling needs no `extra_specs`.
#[tokio::test(start_paused = true)]
async fn an_entity_that_cannot_be_read_leaves_them_unknown_and_holds_nothing_up() {
    let bench = Bench::new(policy()).await;
    set(&bench, "a").await;
    let one = format!("/organizations/{}", bench.entity.id);
    bench.fault(runnerctl::sim::FaultRule::always("GET", &one, runnerctl::sim::Fault::Refuse));
    let watch = bench.start(steady());
    wait(40).await;
    assert_eq!(watch.heard.specs(), Some((PoolDetail::Listed, Map::new())));
    bench.jobs(12, 20);
    wait(120).await;
    assert_eq!(bench.tally().done, 12);
    bench.come_back();
    wait(300).await;
    assert_eq!(watch.heard.specs(), Some((PoolDetail::Whole, zone("a"))));
}
