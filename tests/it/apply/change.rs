//! Changes of a pool in place, adoption, and GARM's own settings.

use std::sync::Arc;
use std::time::Duration;

use runnerctl::domain::label::Labels;
use runnerctl::domain::name::PoolId;
use runnerctl::domain::pool::{PoolChange, PoolSpec};
use runnerctl::plan::{Action, FieldChange, Operation, ShownValue, Step};
use runnerctl::sim::{Fault, FaultRule};

use crate::support::apply::{ApplyRig, SlowLists, change, labels, step};

fn image(to: &str) -> PoolChange {
    PoolChange { image: Some(to.into()), ..PoolChange::default() }
}

fn controller(backoff_s: u64) -> Step {
    step(Action::Update, "", None, Operation::Controller { backoff_s })
}

#[tokio::test(start_paused = true)]
async fn only_what_changes_is_sent_and_both_records_are_kept() {
    let rig = ApplyRig::new().await;
    let pool = rig.make(&rig.spec("default")).await;
    rig.forget();
    let told = rig.apply(vec![change("default", &pool.id, image("new"))]).await;
    assert_eq!(told, ["default update done"]);
    assert_eq!(rig.writes(), [format!(r#"PUT /pools/{} {{"image":"new"}}"#, pool.id)]);
    let log = rig.log();
    let intent: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(intent["before"], serde_json::json!({ "image": "ubuntu:24.04" }));
    assert_eq!(intent["after"], serde_json::json!({ "image": "new" }));
    assert_eq!(intent["cause"]["plan"], "d1");
    let outcome: serde_json::Value = serde_json::from_str(log.lines().nth(1).unwrap()).unwrap();
    assert_eq!((&outcome["intent"], &outcome["verdict"]), (&1.into(), &"done".into()));
}

#[tokio::test(start_paused = true)]
async fn what_is_in_force_already_is_not_written() {
    let rig = ApplyRig::new().await;
    let pool = rig.make(&rig.spec("default")).await;
    rig.forget();
    let told = rig.apply(vec![change("default", &pool.id, image("ubuntu:24.04"))]).await;
    assert_eq!(told, ["default update already done: already up to date"]);
    assert_eq!((rig.writes(), rig.records()), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_field_that_garm_ignores_is_named() {
    let rig = ApplyRig::new().await;
    let pool = rig.make(&rig.spec("default")).await;
    // GARM treats an empty string as "unchanged". No plan requests it.
    let told = rig.apply(vec![change("default", &pool.id, image(""))]).await;
    assert_eq!(told, ["default update failed: GARM answered 200 and did not set `image`"]);
    assert_eq!(rig.records(), ["intent update pool", "outcome update pool ignored"]);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_lost_its_label_is_not_touched() {
    let rig = ApplyRig::new().await;
    let mut spec = rig.spec("default");
    for (other, reason) in [
        (Labels::from_iter(["x"]), "the pool no longer bears this fleet's label"),
        (
            Labels::from_iter(["x", "runnerctl=other/default"]),
            "the pool now bears `runnerctl=other/default`",
        ),
        (
            Labels::from_iter(["x", "runnerctl=acme/default", "runnerctl=acme/b"]),
            "the pool now bears `runnerctl=acme/b` and `runnerctl=acme/default`",
        ),
    ] {
        spec.labels = other;
        let pool = rig.make(&spec).await;
        rig.forget();
        let told = rig.apply(vec![change("default", &pool.id, image("new"))]).await;
        assert_eq!(told, [format!("default update blocked: {reason}")]);
        assert_eq!(rig.writes(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pool_is_not_created_again() {
    let rig = ApplyRig::new().await;
    let gone = PoolId::new("00000000-0000-4000-8000-000000000000");
    let told = rig.apply(vec![change("default", &gone, image("new"))]).await;
    assert_eq!(told, ["default update failed: the pool no longer exists"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_ends_the_pools_own_steps_and_no_others() {
    let rig = ApplyRig::new().await;
    let pool = rig.make(&rig.spec("a")).await;
    rig.memory
        .with(|it| it.faults.add(FaultRule::always("PUT", pool.id.as_str(), Fault::Status(400))));
    let steps = vec![
        controller(300),
        change("a", &pool.id, image("one")),
        rig.create("b"),
        change("a", &pool.id, image("two")),
    ];
    let told = rig.apply(steps).await;
    assert_eq!(told[0], "- update done");
    assert!(told[1].starts_with("a update failed: PUT /pools/"), "{told:?}");
    assert_eq!(told[2], "b create done");
    assert_eq!(told[3], "a update blocked: not started: an earlier step of the pool failed");
}

#[tokio::test(start_paused = true)]
async fn the_controller_is_changed_first_and_once() {
    let rig = ApplyRig::new().await;
    let steps = vec![rig.create("b"), controller(300)];
    assert_eq!(rig.apply(steps).await, ["b create done", "- update done"]);
    assert_eq!(rig.writes()[0], r#"PUT /controller {"minimum_job_age_backoff":300}"#);
    let again = rig.apply(vec![controller(300)]).await;
    assert_eq!(again, ["- update already done: already up to date"]);
    rig.memory.with(|it| {
        it.faults.add(FaultRule::once("PUT", "/controller", Fault::LoseAnswer));
        it.faults.add(FaultRule::once("PUT", "/controller", Fault::Drop));
    });
    assert_eq!(rig.apply(vec![controller(60)]).await, ["- update done"]);
    let dropped = rig.apply(vec![controller(90)]).await;
    assert!(dropped[0].starts_with("- update failed: PUT /controller at "), "{dropped:?}");
}

#[tokio::test(start_paused = true)]
async fn a_blocked_step_is_reported_and_writes_nothing() {
    let rig = ApplyRig::new().await;
    let told = rig.apply(vec![step(Action::Blocked, "a", None, Operation::Nothing)]).await;
    assert_eq!(told, ["a blocked blocked: a reason"]);
    assert_eq!(rig.writes(), [""; 0]);
}

fn adopt(pool: &str, id: &PoolId) -> Step {
    let labels = PoolChange { labels: Some(labels(pool)), ..PoolChange::default() };
    step(Action::Adopt, pool, Some(id), Operation::Change { id: id.clone(), change: labels })
}

#[tokio::test(start_paused = true)]
async fn a_pool_made_by_hand_is_adopted_and_one_of_ours_renamed() {
    let rig = ApplyRig::new().await;
    let mut spec = rig.spec("default");
    spec.labels = Labels::from_iter(["default"]);
    let pool = rig.make(&spec).await;
    assert_eq!(rig.apply(vec![adopt("default", &pool.id)]).await, ["default adopt done"]);
    assert_eq!(rig.apply(vec![adopt("linux", &pool.id)]).await, ["linux adopt done"]);
    assert_eq!(rig.pools().await, ["linux,runnerctl=acme/linux on 2/20 0"]);
    let again = rig.apply(vec![adopt("linux", &pool.id)]).await;
    assert_eq!(again, ["linux adopt already done: already up to date"]);
}

#[tokio::test(start_paused = true)]
async fn a_pool_of_another_fleet_or_a_taken_name_is_not_adopted() {
    let rig = ApplyRig::new().await;
    let mut spec = rig.spec("default");
    spec.labels = Labels::from_iter(["default", "runnerctl=other/default"]);
    let foreign = rig.make(&spec).await;
    let told = rig.apply(vec![adopt("default", &foreign.id)]).await;
    assert_eq!(told, ["default adopt blocked: the pool now bears `runnerctl=other/default`"]);
    spec.labels = Labels::from_iter(["default"]);
    let free = rig.make(&spec).await;
    let taken = rig.make(&rig.spec("default")).await;
    let told = rig.apply(vec![adopt("default", &free.id)]).await;
    let expected = format!("default adopt blocked: pool {} bears this label now", taken.id);
    assert_eq!(told, [expected]);
}

#[tokio::test(start_paused = true)]
async fn a_level_that_watch_has_raised_meanwhile_is_not_lowered() {
    let rig = ApplyRig::new().await;
    let mut spec = rig.spec("default");
    spec.min_idle_runners = 9;
    let pool = rig.make(&spec).await;
    let raise = PoolChange {
        min_idle_runners: Some(4),
        image: Some("new".into()),
        ..PoolChange::default()
    };
    let mut scaled = change("default", &pool.id, raise.clone());
    scaled.changes = vec![FieldChange {
        field: "min_idle_runners".into(),
        before: ShownValue::Level(2),
        after: ShownValue::Level(4),
    }];
    rig.forget();
    assert_eq!(rig.apply(vec![scaled]).await, ["default update done"]);
    assert_eq!(rig.writes(), [format!(r#"PUT /pools/{} {{"image":"new"}}"#, pool.id)]);
    assert_eq!(rig.apply(vec![change("default", &pool.id, raise)]).await, ["default update done"]);
    assert_eq!(rig.pools().await, ["default,runnerctl=acme/default on 4/20 0"]);
    // GARM validates the pair: a level above the new maximum is lowered with it.
    let max = PoolChange { max_runners: Some(3), ..PoolChange::default() };
    assert_eq!(rig.apply(vec![change("default", &pool.id, max)]).await, ["default update done"]);
    assert_eq!(rig.pools().await, ["default,runnerctl=acme/default on 3/3 0"]);
}

/// The list was once read for each step: 2.4 s for 1,000 pools and 32 s for 4,000.
#[tokio::test(start_paused = true)]
async fn four_times_as_many_adoptions_take_at_most_4_4_times_as_long() {
    let mut took = Vec::new();
    for pools in [400, 1_600] {
        let rig = ApplyRig::new().await;
        let mut steps = Vec::new();
        for number in 0..pools {
            let spec = PoolSpec {
                labels: Labels::from_iter([format!("p{number}"), "x".repeat(1_000)]),
                enabled: false,
                min_idle_runners: 0,
                ..rig.spec("p")
            };
            let pool = rig.make(&spec).await;
            steps.push(adopt(&format!("p{number}"), &pool.id));
        }
        // `import` reads the same list as one document; a limit of 2 MiB was too low for 4,000
        // pools, whose list was as large as that of 1,600 with such a label.
        rig.client.unknown_of_pools().await.unwrap();
        let door = Arc::new(SlowLists::new(&rig, Duration::from_nanos(200)));
        let began = tokio::time::Instant::now();
        let told = rig.apply_through(door, steps).await;
        assert!(told.iter().all(|it| it.ends_with("adopt done")));
        took.push(began.elapsed());
    }
    assert!(took[1] <= took[0].mul_f64(4.4), "{took:?}");
}
