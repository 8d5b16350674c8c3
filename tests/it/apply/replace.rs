//! A replace creates the new pool before the old one loses anything, and continues from wherever it
//! was interrupted.

use std::sync::Arc;

use runnerctl::domain::desired::Desired;
use runnerctl::domain::name::PoolId;
use runnerctl::domain::pool::PoolSpec;
use runnerctl::event::SilentListener;
use runnerctl::garm::Transport;
use runnerctl::plan::consent::{Permission, need};
use runnerctl::plan::{Action, Operation, Plan, Promotion};
use runnerctl::reconcile::apply::apply;
use runnerctl::reconcile::options::ApplyOptions;
use runnerctl::sim::{Fault, FaultRule};

use super::converge::{Dice, declared, planned, whole_fleet};
use super::twins::seeds;
use super::wire::{Delays, Last, Tripwire};
use crate::support::apply::{ApplyRig, labels, step, told, wait};

/// The pool `default` of the provider `sim`, with two idle runners.
async fn idle_pool() -> (ApplyRig, PoolId) {
    let rig = ApplyRig::new().await;
    let pool = rig.make(&rig.spec("default")).await;
    wait(30).await;
    rig.forget();
    (rig, pool.id)
}

fn moved(rig: &ApplyRig) -> PoolSpec {
    PoolSpec { provider: "sim2".into(), ..rig.spec("default") }
}

/// The writes to pools so far: the method and the distinguishing part of the body.
fn pool_writes(rig: &ApplyRig) -> Vec<String> {
    let writes = rig.writes();
    let told = |it: &String| {
        let (method, rest) = it.split_once(' ').unwrap();
        let (path, body) = rest.split_once(' ').unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        let tags = body["tags"].as_array().into_iter().flatten();
        let mark = tags.filter_map(|it| it.as_str()).find(|it| it.starts_with("runnerctl"));
        let enabled = body["enabled"].as_bool().map(|it| if it { "on" } else { "off" });
        path.contains("/pools").then(|| {
            let words = [Some(method), mark, enabled];
            words.into_iter().flatten().collect::<Vec<_>>().join(" ")
        })
    };
    writes.iter().filter_map(told).collect()
}

#[tokio::test(start_paused = true)]
async fn the_new_pool_is_created_before_the_old_one_loses_its_label() {
    let (rig, old) = idle_pool().await;
    let told = rig.apply(vec![rig.replace("default", &old, moved(&rig))]).await;
    assert_eq!(told, ["default replace done: 2 runners removed"]);
    assert_eq!(
        pool_writes(&rig),
        [
            "POST runnerctl-new=acme/default off",
            "PUT runnerctl-old=acme/default",
            "PUT runnerctl=acme/default on",
            "PUT off",
            "DELETE",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_garm_refuses_changes_nothing() {
    let (rig, old) = idle_pool().await;
    let spec = PoolSpec { provider: "nope".into(), ..rig.spec("default") };
    let told = rig.apply(vec![rig.replace("default", &old, spec)]).await;
    assert!(told[0].starts_with("default replace failed: POST "), "{told:?}");
    assert_eq!(rig.pools().await, ["default,runnerctl=acme/default on 2/20 2"]);
    assert_eq!(rig.writes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_post_whose_answer_is_lost_makes_one_replacement() {
    for fault in [Fault::LoseAnswer, Fault::Truncate] {
        let (rig, old) = idle_pool().await;
        rig.memory.with(|it| it.faults.add(FaultRule::once("POST", "/pools", fault)));
        let told = rig.apply(vec![rig.replace("default", &old, moved(&rig))]).await;
        assert_eq!(told, ["default replace done: 2 runners removed"]);
        assert_eq!(rig.pools().await.len(), 1);
    }
    let (rig, old) = idle_pool().await;
    rig.memory.with(|it| it.faults.add(FaultRule::once("POST", "/pools", Fault::Drop)));
    let told = rig.apply(vec![rig.replace("default", &old, moved(&rig))]).await;
    assert!(told[0].starts_with("default replace failed: POST "), "{told:?}");
    assert_eq!(rig.pools().await, ["default,runnerctl=acme/default on 2/20 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_signal_never_leaves_a_name_without_a_pool() {
    for write in 0..5 {
        let (rig, old) = idle_pool().await;
        let options = ApplyOptions::default();
        let stop = options.stop.clone();
        let door = super::wire::Ambush::new(
            rig.door(),
            |it| it.method.is_write() && it.path.contains("/pools"),
            write,
            move || stop.cancel(),
        );
        let plan = crate::support::apply::plan(vec![rig.replace("default", &old, moved(&rig))]);
        let writer = rig.writer(door);
        let told = told(&apply(&plan, &writer, &options, &SilentListener).await);
        let pools = rig.pools().await;
        let in_force = pools.iter().filter(|it| it.contains(",runnerctl=acme/default on"));
        assert_eq!(in_force.count(), 1, "{write}: {pools:?}: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_was_retired_is_taken_back_with_its_runners() {
    let (rig, old) = idle_pool().await;
    let retired = crate::support::apply::change(
        "default",
        &old,
        runnerctl::domain::pool::PoolChange {
            labels: Some(["default", "runnerctl-old=acme/default"].into_iter().collect()),
            ..Default::default()
        },
    );
    rig.apply(vec![retired]).await;
    let change = runnerctl::domain::pool::PoolChange {
        labels: Some(labels("default")),
        enabled: Some(true),
        ..Default::default()
    };
    let promote = || {
        let it = Promotion { id: old.clone(), change: change.clone(), is_retired: true };
        step(Action::Update, "default", Some(&old), Operation::Promote(it))
    };
    assert_eq!(rig.apply(vec![promote()]).await, ["default update done"]);
    assert_eq!(rig.pools().await, ["default,runnerctl=acme/default on 2/20 2"]);
    let again = rig.apply(vec![promote()]).await;
    assert_eq!(again, ["default update already done: created by another run"]);
    // Beside another pool in use it stays as it is.
    let other = rig.make(&rig.spec("default")).await;
    let told = rig.apply(vec![promote()]).await;
    let taken = format!("default update blocked: pool {} bears this label now", other.id);
    assert_eq!(told, [taken]);
}

/// One pool, of one provider or the other.
fn wish(provider: &str) -> Desired {
    let mut pool = declared("default", &mut Dice(5));
    pool.provider = provider.into();
    pool.settings.enabled = Some(true);
    whole_fleet(vec![pool])
}

async fn carried_out(rig: &ApplyRig, plan: &Plan, seed: u64) -> Vec<String> {
    let writer = rig.writer(Delays::new(rig.door(), seed));
    let outcomes = apply(plan, &writer, &ApplyOptions::default(), &SilentListener).await;
    assert!(outcomes.iter().all(|it| it.kind.is_good()), "seed {seed}: {:?}", told(&outcomes));
    told(&outcomes)
}

/// Interrupts a replace before or after each of its writes, and then applies the former or the
/// present file.
#[tokio::test(start_paused = true)]
async fn stopped_at_any_write_it_goes_on_or_is_taken_back_and_asks_before_anything_goes() {
    for (at, last) in (0..6).flat_map(|at| [(at, Last::CarriedOut), (at, Last::NeverSent)]) {
        for next in ["sim2", "sim"] {
            let rig = ApplyRig::new().await;
            carried_out(&rig, &planned(&rig, &wish("sim")).await, 1).await;
            wait(30).await;
            let plan = planned(&rig, &wish("sim2")).await;
            assert_eq!(need(&plan).permission, Permission::Destroy);
            let wire = Tripwire::new(rig.door(), at, last);
            let writer = rig.writer(Arc::<Tripwire>::clone(&wire) as Arc<dyn Transport>);
            let options = ApplyOptions::default();
            tokio::select! {
                _ = apply(&plan, &writer, &options, &SilentListener) => {}
                () = wire.tripped() => {}
            }
            let resumed = planned(&rig, &wish(next)).await;
            // With the same file no new consent is needed once the old pool is retired. With the
            // former file none is needed as long as the new pool is not in force.
            let (post, relabel, promote) = match last {
                Last::CarriedOut => (at > 0, at > 0, at > 1),
                Last::NeverSent => (at > 1, at > 1, at > 2),
            };
            let leave = match (next, post && relabel, promote) {
                ("sim2", true, _) | ("sim", _, false) => Permission::None,
                _ => Permission::Destroy,
            };
            assert_eq!(
                need(&resumed).permission,
                leave,
                "{at} {last:?} {next}: {:#?}",
                resumed.steps
            );
            carried_out(&rig, &resumed, 2).await;
            let left = planned(&rig, &wish(next)).await;
            assert_eq!(left.steps, [], "{at} {last:?} {next}");
            let pools = rig.fleet().await.pools;
            let providers: Vec<&str> = pools.iter().map(|it| it.spec.provider.as_str()).collect();
            assert_eq!(providers, [next], "{at} {last:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_replaces_at_once_leave_one_pool_whichever_dies() {
    for seed in 0..seeds() * 6 {
        let rig = ApplyRig::new().await;
        carried_out(&rig, &planned(&rig, &wish("sim")).await, seed).await;
        wait(30).await;
        let plan = planned(&rig, &wish("sim2")).await;
        let options = ApplyOptions::default();
        let last = if seed % 2 == 0 { Last::CarriedOut } else { Last::NeverSent };
        let wire = Tripwire::new(Delays::new(rig.door(), seed), (seed / 2 % 7) as usize, last);
        let doomed = async {
            let writer = rig.writer(Arc::<Tripwire>::clone(&wire) as Arc<dyn Transport>);
            tokio::select! {
                _ = apply(&plan, &writer, &options, &SilentListener) => {}
                () = wire.tripped() => {}
            }
        };
        let writer = rig.writer(Delays::new(rig.door(), seed + 1_000));
        let other = apply(&plan, &writer, &options, &SilentListener);
        let ((), outcomes) = tokio::join!(doomed, other);
        assert!(outcomes.iter().all(|it| it.kind.is_good()), "seed {seed}: {:?}", told(&outcomes));
        // What the interrupted run has left behind, if anything, is unused and is removed.
        carried_out(&rig, &planned(&rig, &wish("sim2")).await, seed).await;
        let pools = rig.pools().await;
        assert_eq!(pools.len(), 1, "seed {seed}: {pools:?}");
        let is_on = pools[0].contains(",runnerctl=acme/default,") && pools[0].contains(" on ");
        assert!(is_on, "seed {seed}: {pools:?}");
        assert_eq!(rig.killed_jobs(), 0);
    }
}
