//! Whatever interrupts an `apply`, the next run reaches the same end, and no job is lost.

use std::sync::Arc;
use std::time::Duration;

use runnerctl::domain::desired::{
    ControllerSettings, Desired, DesiredPool, PoolSettings, ScalePolicy, Scope,
};
use runnerctl::domain::entity::{EntityKind, EntityRef};
use runnerctl::domain::name::PoolKind;
use runnerctl::event::SilentListener;
use runnerctl::garm::Transport;
use runnerctl::plan::{self, Plan};
use runnerctl::reconcile::apply::apply;
use runnerctl::reconcile::options::ApplyOptions;
use runnerctl::sim::JobBatch;

use super::twins::seeds;
use super::wire::{Delays, Last, Tripwire};
use crate::support::apply::{ApplyRig, fleet, name, told, wait};

/// A small random generator for the choices of the tests.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        self.pick(words)
    }
}

pub(super) fn declared(pool: &str, dice: &mut Dice) -> DesiredPool {
    DesiredPool {
        entity: EntityRef { kind: EntityKind::Organization, name: "acme".into(), endpoint: None },
        provider: dice.one_of(&["sim", "sim2"]).into(),
        image: dice.one_of(&["old", "new"]).into(),
        settings: PoolSettings {
            kind: PoolKind::Pool,
            scale_set_name: None,
            name: name(pool),
            instance_type: dice.one_of(&["small", "large"]).into(),
            labels: [pool, dice.one_of(&["x", "y"])].into_iter().collect(),
            os_type: "linux".into(),
            os_arch: "amd64".into(),
            enabled: dice.pick(&[Some(true), Some(true), Some(true), Some(false), None]),
            runner_prefix: pool.into(),
            runner_group: None,
            bootstrap_timeout_min: 20,
            priority: u32::try_from(dice.below(2)).unwrap(),
            template: None,
            proxy: None,
            enable_shell: false,
            extra_specs: serde_json::Map::new(),
            scale: ScalePolicy {
                min_runners: u32::try_from(dice.below(3)).unwrap(),
                max_runners: 4,
                min_idle_runners: 0,
                scale_up_threshold: 5,
                scale_up_delay: Duration::from_secs(30),
                scale_up_target: 0,
                scale_down_delay: Duration::from_secs(600),
                max_queue_wait: None,
                boot_grace: Duration::from_secs(600),
                failed_runner_grace: Duration::from_secs(120),
                stale_job_age: Duration::from_secs(86_400),
                autoscale: false,
                price: None,
                group: None,
            },
            adopt: None,
        },
    }
}

/// Some of five pools, with random settings.
fn wish(dice: &mut Dice) -> Desired {
    let mut pools = Vec::new();
    for pool in ["a", "b", "c", "d", "e"] {
        let mut it = declared(pool, dice);
        if dice.below(3) == 0 {
            it.settings.kind = PoolKind::ScaleSet;
        }
        if dice.below(3) > 0 {
            pools.push(it);
        }
    }
    let backoff = Duration::from_secs(86_400 + dice.below(2));
    let controller = ControllerSettings { minimum_job_age_backoff: Some(backoff), shared: true };
    Desired { controller, ..whole_fleet(pools) }
}

/// The second wish, without replaces by scale sets that would be blocked: those of disabled pools
/// whose new state is left to GARM.
fn after(first: &Desired, mut second: Desired) -> Desired {
    for pool in &mut second.pools {
        let before = first.pools.iter().find(|before| before.name == pool.name);
        let is_off = before.is_some_and(|before| before.enabled == Some(false));
        let is_kept = before.is_some_and(|before| {
            (before.kind, &before.provider, &before.labels)
                == (pool.kind, &pool.provider, &pool.labels)
        });
        if is_off && !is_kept && pool.kind == PoolKind::ScaleSet && pool.enabled.is_none() {
            pool.settings.enabled = Some(false);
        }
    }
    second
}

/// A fleet that has these pools and changes no setting of GARM.
pub(super) fn whole_fleet(pools: Vec<DesiredPool>) -> Desired {
    Desired {
        fleet: fleet(),
        controller: ControllerSettings::default(),
        credentials: Vec::new(),
        pools,
        scope: Scope::Whole,
    }
}

pub(super) async fn planned(rig: &ApplyRig, desired: &Desired) -> Plan {
    plan::plan(desired, &rig.fleet().await, &plan::PlanOptions::default())
}

/// Plans and applies until nothing is left to do; returns the pools.
async fn settled(rig: &ApplyRig, desired: &Desired, seed: u64) -> Vec<String> {
    for round in 0..4 {
        let plan = planned(rig, desired).await;
        if plan.is_empty() {
            return ours(rig).await;
        }
        let writer = rig.writer(Delays::new(rig.door(), seed + round));
        let outcomes = apply(&plan, &writer, &ApplyOptions::default(), &SilentListener).await;
        assert!(outcomes.iter().all(|it| it.kind.is_good()), "seed {seed}: {:?}", told(&outcomes));
    }
    panic!("seed {seed}: still not as declared after four runs");
}

/// Every pool, including those of others, without ids and runners.
async fn ours(rig: &ApplyRig) -> Vec<String> {
    let fleet = rig.fleet().await;
    let mut pools: Vec<String> =
        fleet.pools.iter().map(|it| format!("{:?} {:?}", it.entity, it.spec)).collect();
    pools.sort();
    pools.push(format!("{:?}", fleet.controller.backoff));
    pools
}

/// A world in which the first wish is fulfilled, with an unmanaged pool, a pool of another fleet,
/// and jobs.
async fn world(first: &Desired, seed: u64) -> ApplyRig {
    let rig = ApplyRig::new().await;
    let mut other = rig.spec("default");
    other.labels = ["by-hand"].into_iter().collect();
    rig.make(&other).await;
    other.labels = ["theirs", "runnerctl=other/a"].into_iter().collect();
    rig.make(&other).await;
    settled(&rig, first, seed).await;
    wait(30).await;
    for pool in ["a", "b", "c", "d", "e", "by-hand", "theirs"] {
        let order = JobBatch::new(2, &[pool]).lasting(Duration::from_secs(40 + seed % 3 * 40));
        rig.memory.with(|it| it.queue_jobs(&order));
    }
    wait(seed % 7).await;
    rig
}

/// Applies once and dies after this many writes.
pub(super) async fn interrupted(rig: &ApplyRig, desired: &Desired, writes: usize, last: Last) {
    let plan = planned(rig, desired).await;
    let wire = Tripwire::new(rig.door(), writes, last);
    let writer = rig.writer(Arc::<Tripwire>::clone(&wire) as Arc<dyn Transport>);
    let options = ApplyOptions::default();
    tokio::select! {
        _ = apply(&plan, &writer, &options, &SilentListener) => {}
        () = wire.tripped() => {}
    }
}

#[tokio::test(start_paused = true)]
async fn stopped_after_any_write_the_next_run_comes_to_the_same_end() {
    for seed in 0..seeds() {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1);
        let first = wish(&mut dice);
        let second = after(&first, wish(&mut dice));
        let straight = world(&first, seed).await;
        straight.forget();
        let expected = settled(&straight, &second, seed).await;
        let writes = straight.writes().len();
        assert_eq!(straight.killed_jobs(), 0, "seed {seed}");
        for at in 0..writes.min(24) {
            let last = if dice.below(2) == 0 { Last::CarriedOut } else { Last::NeverSent };
            let rig = world(&first, seed).await;
            interrupted(&rig, &second, at, last).await;
            if dice.below(2) == 0 {
                interrupted(&rig, &second, usize::try_from(dice.below(4)).unwrap(), last).await;
            }
            let found = settled(&rig, &second, seed).await;
            assert_eq!(found, expected, "seed {seed}, stopped at write {at}, {last:?}");
            assert_eq!(rig.killed_jobs(), 0, "seed {seed}, stopped at write {at}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_runs_at_once_come_to_the_end_of_one() {
    for seed in 0..seeds() * 2 {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 7);
        let first = wish(&mut dice);
        let second = after(&first, wish(&mut dice));
        let straight = world(&first, seed).await;
        let expected = settled(&straight, &second, seed).await;
        let rig = world(&first, seed).await;
        let plan = planned(&rig, &second).await;
        let run = |n: u64| {
            let writer = rig.writer(Delays::new(rig.door(), seed * 2 + n));
            let plan = &plan;
            async move { apply(plan, &writer, &ApplyOptions::default(), &SilentListener).await }
        };
        let (a, b) = tokio::join!(run(0), run(1));
        let found = settled(&rig, &second, seed).await;
        assert_eq!(found, expected, "seed {seed}: {:?} {:?}", told(&a), told(&b));
        assert_eq!(rig.killed_jobs(), 0, "seed {seed}");
        let good = a.iter().zip(&b).all(|(a, b)| a.kind.is_good() || b.kind.is_good());
        assert!(good, "seed {seed}: {:?} {:?}", told(&a), told(&b));
    }
}
