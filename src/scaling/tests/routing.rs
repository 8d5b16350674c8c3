//! Which pool a job is assigned to if one of them is cheaper, or does not start runners because its
//! circuit is open or it is not scaled; and jobs that wait in two entities.

use super::scene::Scene;
use crate::domain::entity::{EntityKey, EntityKind};
use crate::domain::name::{EntityId, PoolId};
use crate::domain::pool::Pool;
use crate::domain::price::Price;
use crate::scaling::testing::{job, pool, runner};

/// Jobs that wait for the pools `a` and `b`.
fn queued(scene: &mut Scene, now: i64) -> (u32, u32) {
    (scene.look_at("a", now).inputs.queued, scene.look_at("b", now).inputs.queued)
}

/// The pool `a` is preferred, but three of its runners have failed; `b` bears the same labels.
fn failing() -> Scene {
    let mut scene = Scene::without_floor();
    scene.pools[0].spec.priority = 1;
    scene.add_pool(pool("b", &["x"]));
    scene.queue(8, -40);
    scene.look(0);
    scene.add(3, "running/failed", 0);
    scene
}

#[test]
fn a_pool_whose_circuit_opens_gives_its_jobs_to_the_next_in_the_same_evaluation() {
    let mut scene = failing();
    assert_eq!(queued(&mut scene, 1), (0, 8));
    assert_eq!(scene.look_at("b", 1).rules.need, 8);
}

#[test]
fn its_probe_takes_a_job_only_when_no_other_pool_has_room() {
    let mut scene = failing();
    scene.look(1);
    assert_eq!(queued(&mut scene, 61), (0, 8), "the probe is due");
    scene.pools[1].spec.max_runners = 3;
    let seen = queued(&mut scene, 62);
    assert_eq!(seen, (1, 7), "what finds room nowhere waits for the pool that does not fail");
}

#[test]
fn with_no_other_pool_the_jobs_stay() {
    let mut scene = failing();
    scene.pools.pop();
    scene.policies.remove(&PoolId::new("b"));
    assert_eq!(scene.look(1).inputs.queued, 8);
}

#[test]
fn when_it_closes_jobs_without_a_runner_come_back_job_by_job() {
    let mut scene = failing();
    queued(&mut scene, 1);
    scene.add_to("b", 8, "running/installing", 10);
    scene.add(1, "creating/pending", 61);
    queued(&mut scene, 61);
    scene.set("a12", "running/idle", 70);
    assert_eq!(queued(&mut scene, 70), (0, 8), "each has its runner where it is");
    scene.queue(2, 71);
    assert_eq!(queued(&mut scene, 71), (2, 8));
}

/// `b` bears the same labels as our pool `a` and comes first, but is not ours.
fn unsteered() -> Scene {
    let mut scene = Scene::without_floor();
    let first = Pool { id: PoolId::new("b"), ..pool("b", &["x"]) };
    scene.pools.push(first);
    scene.pools[1].spec.priority = 1;
    scene.queue(8, 0);
    scene
}

#[test]
fn with_a_raised_backoff_a_pool_that_is_not_scaled_gets_no_jobs() {
    let mut scene = unsteered();
    assert_eq!(scene.look(0).inputs.queued, 8);
    scene.pools[0].spec.max_runners = 5;
    assert_eq!(scene.look(1).inputs.queued, 5, "the rest has room there");
    let mut scene = unsteered();
    scene.backoff = 30;
    assert_eq!(scene.look(0).inputs.queued, 0, "GARM acts first anyway");
}

#[test]
fn a_pool_of_ours_that_is_not_autoscaled_gets_no_jobs_either() {
    let mut scene = unsteered();
    scene.pools[1] = pool("b", &["x"]);
    scene.pools[1].spec.priority = 1;
    let policy = scene.policy().clone();
    let still = crate::domain::desired::ScalePolicy { autoscale: false, ..policy };
    scene.policies.insert(PoolId::new("b"), still);
    assert_eq!(scene.look(0).inputs.queued, 8);
}

#[test]
fn its_runners_take_jobs_for_a_minute_beside_them() {
    let mut scene = unsteered();
    scene.add_to("b", 3, "running/idle", 0);
    assert_eq!(scene.look(0).inputs.queued, 5);
    assert_eq!(scene.look(59).inputs.queued, 5);
    assert_eq!(scene.wait(60).inputs.queued, 8, "GitHub does not give them these jobs");
    scene.queue(1, 61);
    assert_eq!(scene.look(61).inputs.queued, 8, "one that has just come may be");
}

fn repository() -> EntityKey {
    EntityKey { kind: EntityKind::Repository, id: EntityId::new("acme/app") }
}

/// The pool `a` of the organization and `b` of the repository, both ours, and jobs that name both.
fn both() -> Scene {
    let mut scene = Scene::without_floor();
    scene.add_pool(Pool { entity: repository(), ..pool("b", &["x"]) });
    scene.queue(8, 0);
    scene.jobs.iter_mut().for_each(|job| job.entities.push(repository()));
    scene
}

#[test]
fn a_job_of_two_entities_waits_for_the_one_whose_pool_fits() {
    let mut scene = both();
    scene.pools[0] = pool("a", &["y"]);
    assert_eq!(queued(&mut scene, 0), (0, 8));
    let decision = scene.look_at("b", 30);
    assert_eq!((decision.rules.need, decision.level), (8, 8));
}

#[test]
fn where_both_fit_each_job_counts_once() {
    let mut scene = both();
    assert_eq!(queued(&mut scene, 0), (8, 0));
    scene.pools[0].spec.max_runners = 3;
    assert_eq!(queued(&mut scene, 1), (3, 5), "what finds no room goes to the other");
    scene.pools[1].spec.max_runners = 1;
    assert_eq!(queued(&mut scene, 2), (3, 5), "what finds room nowhere stays where it is");
    scene.pools[0].spec.max_runners = 20;
    assert_eq!(queued(&mut scene, 3), (7, 1));
}

#[test]
fn a_runner_of_the_other_entity_takes_a_job_from_both() {
    let mut scene = both();
    scene.jobs.truncate(1);
    assert_eq!(queued(&mut scene, 0), (1, 0));
    scene.runners.push(runner("b", "b01", "running/active", 1));
    scene.start(1, "b01", 1);
    assert_eq!(queued(&mut scene, 1), (0, 0));
}

#[test]
fn a_job_that_begins_in_one_entity_does_not_wait_in_the_other() {
    let mut scene = both();
    scene.jobs.truncate(1);
    scene.runners.push(runner("a", "a01", "running/idle", 0));
    assert_eq!(queued(&mut scene, 10), (1, 0));
    // The job's row arrives first, without the runner's name.
    scene.jobs[0].status = crate::domain::job::JobStatus::InProgress;
    scene.jobs[0].updated_at = crate::scaling::testing::at(11);
    assert_eq!(queued(&mut scene, 11), (1, 0));
    scene.set("a01", "running/active", 11);
    scene.runner("a01").job = Some(1_001);
    assert_eq!(queued(&mut scene, 11), (0, 0));
}

#[test]
fn a_job_of_a_scale_set_waits_for_no_pool() {
    let mut scene = Scene::without_floor();
    scene
        .jobs
        .push(crate::domain::job::Job { scale_set_job: Some("5a1c".into()), ..job(1, &["x"], 0) });
    let decision = scene.look(200);
    assert_eq!((decision.inputs.queued, decision.inputs.fits, decision.rules.need), (0, 0, 0));
}

/// The pools `a` and `b` with equal labels, at these prices.
fn priced(prices: [Option<f64>; 2]) -> Scene {
    let mut scene = Scene::without_floor();
    scene.add_pool(pool("b", &["x"]));
    set_prices(&mut scene, prices);
    scene
}

fn set_prices(scene: &mut Scene, prices: [Option<f64>; 2]) {
    for (name, price) in ["a", "b"].into_iter().zip(prices) {
        let policy = scene.policies.get_mut(&PoolId::new(name)).unwrap();
        policy.price = price.and_then(Price::new);
    }
}

#[test]
fn at_equal_priority_the_cheaper_pool_comes_first_and_one_without_a_price_last() {
    let a_first = [
        [None, None],
        [Some(1.0), Some(1.0)],
        [Some(0.0464), Some(0.05)],
        [Some(0.0), Some(0.1)],
        [Some(9.0), None],
    ];
    let b_first = [[Some(0.1), Some(0.09)], [None, Some(100.0)]];
    for (prices, expected) in
        a_first.map(|it| (it, (8, 0))).into_iter().chain(b_first.map(|it| (it, (0, 8))))
    {
        let mut scene = priced(prices);
        scene.queue(8, -40);
        assert_eq!(queued(&mut scene, 0), expected, "{prices:?}");
    }
}

#[test]
fn a_full_cheap_pool_is_followed_by_the_next_cheaper() {
    let mut scene = priced([Some(2.0), Some(1.0)]);
    scene.policies.get_mut(&PoolId::new("b")).unwrap().max_runners = 3;
    scene.queue(8, -40);
    assert_eq!(queued(&mut scene, 0), (5, 3));
    assert_eq!((scene.look_at("a", 0).rules.need, scene.look_at("b", 0).rules.need), (5, 3));
}

#[test]
fn priority_outweighs_any_price() {
    let mut scene = priced([Some(100.0), Some(0.01)]);
    scene.pools[0].spec.priority = 1;
    scene.queue(8, -40);
    assert_eq!(queued(&mut scene, 0), (8, 0));
}

#[test]
fn a_runner_that_is_there_gets_its_job_before_a_cheaper_one_is_started() {
    let mut scene = priced([Some(2.0), Some(1.0)]);
    scene.add(3, "running/idle", -60);
    scene.add(2, "running/installing", -20);
    scene.queue(8, -40);
    assert_eq!(queued(&mut scene, 0), (5, 3));
}

#[test]
fn a_changed_price_applies_to_jobs_that_come_later() {
    let mut scene = priced([None, None]);
    scene.queue(6, -40);
    assert_eq!(queued(&mut scene, 0), (6, 0));
    set_prices(&mut scene, [Some(2.0), Some(1.0)]);
    scene.queue(2, 1);
    assert_eq!(scene.reload(1).inputs.queued, 6, "the new jobs are not known yet");
    assert_eq!(queued(&mut scene, 2), (6, 2), "a job with a place keeps it");
}
