//! Simultaneous runs and lost answers never lead to two pools with one label.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use runnerctl::event::{SilentListener, StepOutcome};
use runnerctl::garm::{Request, ResponseFuture, Transport};
use runnerctl::plan::{Action, Operation, Plan};
use runnerctl::reconcile::apply::apply;
use runnerctl::reconcile::options::ApplyOptions;
use runnerctl::sim::{Fault, FaultRule};

use serde_json::Value;

use super::wire::{Delays, Tripwire};
use crate::support::apply::{ApplyRig, plan, step, told};

/// The number of seeds: 8, or `RUNNERCTL_SEEDS`.
pub(crate) fn seeds() -> u64 {
    std::env::var("RUNNERCTL_SEEDS").ok().and_then(|it| it.parse().ok()).unwrap_or(8)
}

async fn run(rig: &ApplyRig, door: Arc<dyn Transport>, plan: &Plan) -> Vec<StepOutcome> {
    let writer = rig.writer(door);
    apply(plan, &writer, &ApplyOptions::default(), &SilentListener).await
}

fn is_good(outcomes: &[StepOutcome]) -> bool {
    outcomes.iter().all(|it| it.kind.is_good())
}

const ONE: [&str; 1] = ["default,runnerctl=acme/default on 2/20 0"];

async fn pools(rig: &ApplyRig) -> Vec<String> {
    // Runners have been created meanwhile; their number does not matter here.
    let pools = rig.pools().await.into_iter();
    pools.map(|it| format!("{} 0", it.rsplit_once(' ').unwrap().0)).collect()
}

#[tokio::test(start_paused = true)]
async fn three_runs_at_once_make_one_pool_and_all_succeed() {
    for seed in 0..seeds() * 8 {
        let rig = ApplyRig::new().await;
        let plan = plan(vec![rig.create("default")]);
        let door = |n: u64| Delays::new(rig.door(), seed * 3 + n);
        let (a, b, c) = tokio::join!(
            run(&rig, door(0), &plan),
            run(&rig, door(1), &plan),
            run(&rig, door(2), &plan)
        );
        assert_eq!(pools(&rig).await, ONE, "seed {seed}");
        assert!(is_good(&a) && is_good(&b) && is_good(&c), "seed {seed}: {a:?} {b:?} {c:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn lost_answers_among_runs_at_once_leave_one_pool_and_one_success() {
    for seed in 0..seeds() * 8 {
        let rig = ApplyRig::new().await;
        let plan = plan(vec![rig.create("default")]);
        rig.memory.with(|it| {
            for (bit, method, path) in
                [(1, "POST", "/pools"), (2, "DELETE", "/pools/"), (4, "PUT", "/pools/")]
            {
                if seed & bit != 0 {
                    let skip = u32::try_from(seed >> 3 & 1).unwrap();
                    it.faults.add(FaultRule::once(method, path, Fault::LoseAnswer).after(skip));
                }
            }
        });
        let door = |n: u64| Delays::new(rig.door(), seed * 2 + n);
        let (a, b) = tokio::join!(run(&rig, door(0), &plan), run(&rig, door(1), &plan));
        assert_eq!(pools(&rig).await, ONE, "seed {seed}: {:?} {:?}", told(&a), told(&b));
        assert!(is_good(&a) || is_good(&b), "seed {seed}: {:?} {:?}", told(&a), told(&b));
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_dies_at_any_write_leaves_the_pool_to_the_other() {
    for seed in 0..seeds() * 4 {
        let rig = ApplyRig::new().await;
        let plan = plan(vec![rig.create("default")]);
        let last = match seed % 2 {
            0 => super::wire::Last::CarriedOut,
            _ => super::wire::Last::NeverSent,
        };
        let writes = usize::try_from(seed / 2 % 3).unwrap();
        let wire = Tripwire::new(Delays::new(rig.door(), seed), writes, last);
        let doomed = async {
            tokio::select! {
                _ = run(&rig, Arc::<Tripwire>::clone(&wire), &plan) => {}
                () = wire.tripped() => {}
            }
        };
        let other = run(&rig, Delays::new(rig.door(), seed + 1_000), &plan);
        let ((), outcomes) = tokio::join!(doomed, other);
        assert!(is_good(&outcomes), "seed {seed}: {:?}", told(&outcomes));
        let found = pools(&rig).await;
        assert_eq!(found, ONE, "seed {seed}: {:?}", told(&outcomes));
    }
}

/// A list that hides pools of others for a while: GARM dates a row before it commits it, so an
/// earlier pool may become visible after a later one.
struct Blind {
    inner: Arc<dyn Transport>,
    lists: AtomicUsize,
    own: Mutex<Vec<Value>>,
}

impl Transport for Blind {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(async move {
            let is_list = !request.method.is_write() && request.path == "/pools";
            let is_post = request.method.word() == "POST" && request.path.ends_with("/pools");
            let mut answer = self.inner.send(request).await?;
            if is_post {
                let pool: Value = serde_json::from_slice(&answer.body).unwrap();
                self.own.lock().unwrap().push(pool["id"].clone());
            }
            let count = |left: usize| left.checked_sub(1);
            if is_list && self.lists.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count).is_ok()
            {
                let mut pools: Vec<Value> = serde_json::from_slice(&answer.body).unwrap();
                pools.retain(|it| self.own.lock().unwrap().contains(&it["id"]));
                answer.body = serde_json::to_vec(&pools).unwrap();
            }
            Ok(answer)
        })
    }

    fn address(&self) -> String {
        self.inner.address()
    }
}

#[tokio::test(start_paused = true)]
async fn an_earlier_pool_that_comes_to_light_late_still_leaves_one() {
    for seed in 0..seeds() * 4 {
        // Up to the list that decides; the one after the pool is enabled follows 300 ms later.
        for lists in [1, 2] {
            let rig = ApplyRig::new().await;
            let plan = plan(vec![rig.create("default")]);
            let sighted = run(&rig, Delays::new(rig.door(), seed), &plan);
            let blind = async {
                tokio::time::sleep(std::time::Duration::from_millis(seed * 37 % 600)).await;
                let inner = Delays::new(rig.door(), seed + 1_000);
                let door = Arc::new(Blind {
                    inner,
                    lists: AtomicUsize::new(lists),
                    own: Mutex::default(),
                });
                run(&rig, door, &plan).await
            };
            let (a, b) = tokio::join!(sighted, blind);
            let found = pools(&rig).await;
            assert_eq!(found, ONE, "seed {seed}/{lists}: {:?} {:?}", told(&a), told(&b));
            assert!(is_good(&a) || is_good(&b), "seed {seed}: {:?} {:?}", told(&a), told(&b));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_twin_of_an_interrupted_create_is_removed_after_ten_seconds() {
    let rig = ApplyRig::new().await;
    rig.make(&rig.spec("default")).await;
    let mut fresh = rig.spec("default");
    (fresh.enabled, fresh.min_idle_runners) = (false, 0);
    let twin = rig.make(&fresh).await;
    let remove = step(
        Action::Delete,
        "default",
        Some(&twin.id),
        Operation::RemoveLeftover { id: twin.id.clone() },
    );
    let began = tokio::time::Instant::now();
    assert_eq!(rig.apply(vec![remove.clone()]).await, ["default delete done"]);
    assert!(began.elapsed().as_secs() >= 10);
    assert_eq!(pools(&rig).await, ONE);
    let again = rig.apply(vec![remove]).await;
    assert_eq!(again, ["default delete already done: already deleted"]);
}

#[tokio::test(start_paused = true)]
async fn a_twin_that_has_come_into_use_is_left_alone() {
    let rig = ApplyRig::new().await;
    rig.make(&rig.spec("default")).await;
    let twin = rig.make(&rig.spec("default")).await;
    let work = Operation::RemoveLeftover { id: twin.id.clone() };
    let told = rig.apply(vec![step(Action::Delete, "default", Some(&twin.id), work)]).await;
    assert_eq!(told, ["default delete blocked: it is in use now"]);
    assert_eq!(rig.pools().await.len(), 2);
}
