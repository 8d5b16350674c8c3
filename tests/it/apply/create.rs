//! The creation of a pool is one unit, whatever happens to its requests.

use std::sync::Arc;
use std::time::Duration;

use runnerctl::domain::fleet::ReleaseLine;
use runnerctl::event::SilentListener;
use runnerctl::reconcile::apply::apply;
use runnerctl::reconcile::options::ApplyOptions;
use runnerctl::sim::{Fault, FaultRule};

use crate::support::apply::{ApplyRig, SlowLists, plan, told};

const ON: &str = "default,runnerctl=acme/default on 2/20 0";
const FRESH: &str = "default,runnerctl=acme/default off 0/20 0";

#[tokio::test(start_paused = true)]
async fn a_pool_is_made_disabled_and_then_switched_on() {
    let rig = ApplyRig::new().await;
    assert_eq!(rig.apply(vec![rig.create("default")]).await, ["default create done"]);
    assert_eq!(rig.pools().await, [ON]);
    let writes = rig.memory.with(|world| {
        let writes = world.requests().iter().filter(|it| it.is_write());
        writes.map(|it| (it.at, it.method.clone(), it.body.clone())).collect::<Vec<_>>()
    });
    assert_eq!(writes.len(), 2);
    let post: serde_json::Value = serde_json::from_str(&writes[0].2).unwrap();
    assert_eq!((&post["enabled"], &post["min_idle_runners"]), (&false.into(), &0.into()));
    assert_eq!((&*writes[1].1, &*writes[1].2), ("PUT", r#"{"enabled":true,"min_idle_runners":2}"#));
    assert!(writes[0].0.duration_until(writes[1].0).as_millis() >= 250);
    let records = ["intent create pool", "outcome create pool done"];
    assert_eq!(rig.records()[..2], records);
    assert_eq!(rig.records()[2..], ["intent update pool", "outcome update pool done"]);
}

/// Each create once waited for three lists, which eight creates shared: 2,000 creates took 43 s.
#[tokio::test(start_paused = true)]
async fn four_times_as_many_creates_take_four_times_as_long_and_few_more_lists() {
    let mut took = Vec::new();
    for pools in [100, 400] {
        let rig = ApplyRig::new().await;
        let steps = (0..pools).map(|it| rig.create(&format!("p{it}"))).collect();
        // 400 pools take 0.35 s to list.
        let door = Arc::new(SlowLists::new(&rig, Duration::from_micros(1)));
        let began = tokio::time::Instant::now();
        let told = rig.apply_through(door, steps).await;
        assert!(told.iter().all(|it| it.ends_with("create done")), "{told:?}");
        let lists = rig.memory.with(|world| {
            world.requests().iter().filter(|it| it.method == "GET" && it.path == "/pools").count()
        });
        took.push((began.elapsed(), lists));
    }
    assert!(took[1].0 <= took[0].0.mul_f64(5.0), "{took:?}");
    assert!(took[1].1 <= 2 * took[0].1, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pool_declared_off_and_empty_takes_one_write() {
    let rig = ApplyRig::new().await;
    let mut spec = rig.spec("default");
    (spec.enabled, spec.min_idle_runners) = (false, 0);
    let told = rig.apply(vec![rig.create_as("default", spec)]).await;
    assert_eq!(told, ["default create done"]);
    assert_eq!((rig.pools().await, rig.writes().len()), (vec![FRESH.to_owned()], 1));
}

async fn with_fault(fault: Fault, on: (&str, &str)) -> (Vec<String>, Vec<String>) {
    let rig = ApplyRig::new().await;
    rig.memory.with(|it| it.faults.add(FaultRule::once(on.0, on.1, fault)));
    let told = rig.apply(vec![rig.create("default")]).await;
    (told, rig.pools().await)
}

#[tokio::test(start_paused = true)]
async fn a_post_whose_answer_is_lost_makes_one_pool() {
    for fault in [Fault::LoseAnswer, Fault::Truncate] {
        let (told, pools) = with_fault(fault, ("POST", "/pools")).await;
        assert_eq!((told, pools), (vec!["default create done".to_owned()], vec![ON.to_owned()]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_that_never_arrived_is_not_sent_again() {
    for fault in [Fault::Drop, Fault::Page(502), Fault::Status(500)] {
        let (told, pools) = with_fault(fault, ("POST", "/pools")).await;
        assert!(told[0].starts_with("default create failed: POST /organizations/"), "{told:?}");
        assert_eq!(pools, [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn reads_that_fail_for_a_moment_are_repeated() {
    for fault in [Fault::Drop, Fault::Refuse, Fault::Page(502), Fault::Status(503)] {
        let (told, pools) = with_fault(fault, ("GET", "/pools")).await;
        assert_eq!((told, pools), (vec!["default create done".to_owned()], vec![ON.to_owned()]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_switch_whose_answer_is_lost_is_read_back() {
    for fault in [Fault::LoseAnswer, Fault::Drop, Fault::Page(502)] {
        let (told, pools) = with_fault(fault, ("PUT", "/pools/")).await;
        assert_eq!((told, pools), (vec!["default create done".to_owned()], vec![ON.to_owned()]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_another_run_has_made_is_taken_as_it_is() {
    let rig = ApplyRig::new().await;
    rig.make(&rig.spec("default")).await;
    rig.forget();
    let told = rig.apply(vec![rig.create("default")]).await;
    assert_eq!(told, ["default create already done: created by another run"]);
    assert_eq!(rig.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_a_dead_run_has_begun_is_finished() {
    let rig = ApplyRig::new().await;
    let mut begun = rig.spec("default");
    (begun.enabled, begun.min_idle_runners) = (false, 0);
    rig.make(&begun).await;
    let began = tokio::time::Instant::now();
    let told = rig.apply(vec![rig.create("default")]).await;
    assert_eq!(told, ["default create already done: created by another run"]);
    assert!(began.elapsed() >= Duration::from_secs(10));
    assert_eq!(rig.pools().await, [ON]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_reported_with_what_garm_says() {
    let rig = ApplyRig::new().await;
    let mut spec = rig.spec("default");
    spec.provider = "nope".into();
    let told = rig.apply(vec![rig.create_as("default", spec)]).await;
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("400 ") && told[0].contains("no such provider nope"), "{told:?}");
    assert_eq!(rig.records(), ["intent create pool", "outcome create pool refused"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_signal_lets_a_create_end_and_begins_no_other() {
    let rig = ApplyRig::new().await;
    let options = ApplyOptions { parallelism: 1, ..ApplyOptions::default() };
    let stop = options.stop.clone();
    let door = super::wire::Ambush::new(
        rig.door(),
        |it| it.path.ends_with("/pools") && it.method.is_write(),
        0,
        move || stop.cancel(),
    );
    let steps = vec![rig.create("one"), rig.create("two")];
    let writer = rig.writer(door);
    let told = told(&apply(&plan(steps), &writer, &options, &SilentListener).await);
    assert_eq!(told, ["one create done", "two create interrupted: not begun"]);
    assert_eq!(rig.pools().await, ["one,runnerctl=acme/one on 2/20 0"]);
}

#[tokio::test(start_paused = true)]
async fn an_old_garm_is_not_written_to() {
    let rig = ApplyRig::new().await;
    let writer = rig.writer_with(rig.door(), ReleaseLine::Old);
    let plan = plan(vec![rig.create("default")]);
    let told = told(&apply(&plan, &writer, &ApplyOptions::default(), &SilentListener).await);
    insta::assert_snapshot!(told.join("\n"), @"default create failed: write to http://garm.example.com: this is GARM 0.1, which runnerctl reads but never writes to");
    assert_eq!((rig.writes(), rig.records()), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn many_pools_are_made_eight_at_a_time_with_few_lists() {
    let rig = ApplyRig::new().await;
    let names: Vec<String> = (0..40).map(|it| format!("p{it}")).collect();
    let steps = names.iter().map(|it| rig.create(it)).collect();
    let door = super::wire::Delays::new(rig.door(), 7);
    let told = rig.apply_through(door, steps).await;
    assert!(told.iter().all(|it| it.ends_with("create done")), "{told:?}");
    let order: Vec<String> = names.iter().map(|it| format!("{it} create done")).collect();
    assert_eq!(told, order);
    let lists = rig.memory.with(|world| {
        world.requests().iter().filter(|it| it.method == "GET" && it.path == "/pools").count()
    });
    assert!(lists < 100, "{lists} lists for 40 pools");
}
