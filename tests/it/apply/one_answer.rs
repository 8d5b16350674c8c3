//! Which of several pools with one label is in force: `plan`, `apply`, `status` and `watch` give
//! the same answer, in whatever order the pools were created.

use std::collections::BTreeMap;

use runnerctl::config;
use runnerctl::domain::desired::{Desired, DesiredPool};
use runnerctl::domain::fleet::Fleet;
use runnerctl::domain::name::PoolId;
use runnerctl::domain::owners::AdoptedSets;
use runnerctl::domain::pool::{PoolChange, PoolSpec};
use runnerctl::event::SilentListener;
use runnerctl::plan::{self, Operation};
use runnerctl::reconcile::apply::apply;
use runnerctl::reconcile::options::ApplyOptions;
use runnerctl::reconcile::watch::{
    DeclaredPools, DeclaredScaling, UnresolvedReason, first_decisions,
};
use runnerctl::render::decision::{DecisionEffect, DecisionView};
use runnerctl::render::status::{PoolDecisions, PoolStanding, StatusInputs, fleet_status};

use super::converge::{Dice, declared, whole_fleet};
use crate::support::apply::{ApplyRig, fleet, name, plan as plan_of, told, wait};

/// In use, disabled with runners, unused.
const KINDS: [char; 3] = ['u', 'r', 'f'];

/// A world with one pool of each of these kinds, in this order, all with the same label.
async fn world(kinds: &[char]) -> (ApplyRig, Vec<PoolId>) {
    let rig = ApplyRig::new().await;
    let mut ids = Vec::new();
    for kind in kinds {
        let spec = match kind {
            'f' => PoolSpec { enabled: false, min_idle_runners: 0, ..rig.spec("default") },
            _ => rig.spec("default"),
        };
        ids.push(rig.make(&spec).await.id);
        wait(1).await;
    }
    wait(30).await;
    for (kind, id) in kinds.iter().zip(&ids) {
        if *kind == 'r' {
            let off = PoolChange {
                enabled: Some(false),
                min_idle_runners: Some(0),
                ..PoolChange::default()
            };
            rig.client.update_pool(id, &off).await.unwrap();
        }
    }
    (rig, ids)
}

fn wish() -> Desired {
    let pool = DesiredPool { provider: "sim".into(), ..declared("default", &mut Dice(1)) };
    whole_fleet(vec![pool])
}

/// The pool that `plan` considers to be in force; none if it is blocked. All others are removed.
fn planned(fleet: &Fleet) -> Option<PoolId> {
    let plan = plan::plan(&wish(), fleet, &plan::PlanOptions::default());
    if plan.summary().blocked > 0 {
        assert_eq!(plan.steps.len(), 1);
        return None;
    }
    let removed: Vec<&PoolId> = (plan.steps.iter())
        .filter_map(|it| match &it.work {
            Operation::RemoveLeftover { id } => Some(id),
            _ => None,
        })
        .collect();
    let mut left = fleet.pools.iter().map(|it| &it.id).filter(|it| !removed.contains(it));
    let only = left.next().cloned();
    assert_eq!(left.next(), None, "one is in force, all others go");
    only
}

fn roll() -> DeclaredPools {
    let policy = wish().pools.remove(0).settings.scale;
    let enrolled = DeclaredScaling { enabled: true, policy };
    DeclaredPools {
        fleet: fleet(),
        pools: [(name("default"), enrolled)].into(),
        adopted: AdoptedSets::default(),
        is_whole: true,
    }
}

/// The pool that `watch` scales.
fn watched(fleet: &Fleet) -> Option<PoolId> {
    let found = roll().find(fleet.pools.iter(), |it| fleet.runners_of(it).count());
    match found.unmanaged.get(&name("default")) {
        None => Some(found.managed[&name("default")].id.clone()),
        Some(UnresolvedReason::Twins(_)) => None,
        Some(other) => panic!("{other:?}"),
    }
}

/// The pool that `status` shows; none if it shows that no pool is certain.
fn shown(fleet: &Fleet) -> Option<PoolId> {
    let file = "pools: [{ name: default, instance_type: small, max_runners: 4 }]";
    let source = config::SourceFile { path: "pools.yaml".into(), text: file.into(), folder: None };
    let declared = config::load(None, &[source]).pools;
    let owner = crate::support::apply::fleet();
    let first = first_decisions(&roll(), fleet).into_iter();
    let told = first.map(|(name, it)| {
        let told = DecisionView::of(&name, &it, DecisionEffect::NotWritten);
        (name, told)
    });
    let decisions = PoolDecisions { source: None, by_pool: told.collect() };
    let inputs = StatusInputs {
        owner: &owner,
        declared: &declared,
        fleet,
        plan: None,
        decisions: &decisions,
    };
    let lines = fleet_status(inputs).pools;
    let mut by: BTreeMap<PoolStanding, Vec<_>> = BTreeMap::new();
    for line in lines {
        by.entry(line.standing).or_default().push(line);
    }
    let ours = by.remove(&PoolStanding::Declared).unwrap_or_default();
    let others = by.into_keys().filter(|it| *it != PoolStanding::Leftover).count();
    assert_eq!(others, 0);
    match ours.as_slice() {
        [only] => only.pool_id.clone(),
        several => {
            assert!(several.iter().all(|it| it.decision.is_none()), "none is scaled");
            None
        }
    }
}

fn orders() -> Vec<Vec<char>> {
    let mut all: Vec<Vec<char>> = KINDS.iter().map(|it| vec![*it]).collect();
    for length in 2..=3 {
        let longer: Vec<Vec<char>> = all
            .iter()
            .filter(|it| it.len() == length - 1)
            .flat_map(|it| KINDS.map(|kind| it.iter().copied().chain([kind]).collect()))
            .collect();
        all.extend(longer);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn plan_apply_status_and_watch_agree_in_every_order_of_twins() {
    for kinds in orders() {
        let (rig, ids) = world(&kinds).await;
        let fleet = rig.fleet().await;
        let in_use = kinds.iter().filter(|it| **it != 'f').count();
        let expected = match (in_use, kinds.iter().position(|it| *it != 'f')) {
            (0, _) => Some(ids[0].clone()),
            (1, Some(at)) => Some(ids[at].clone()),
            _ => None,
        };
        assert_eq!(planned(&fleet), expected, "plan, {kinds:?}");
        assert_eq!(watched(&fleet), expected, "watch, {kinds:?}");
        assert_eq!(shown(&fleet), expected, "status, {kinds:?}");
        let Some(expected) = expected else { continue };
        // A create by another run follows the same pool, and `apply` leaves it alone.
        let followed = rig.apply(vec![rig.create("default")]).await;
        assert_eq!(followed, ["default create already done: created by another run"], "{kinds:?}");
        let plan = plan::plan(&wish(), &fleet, &plan::PlanOptions::default());
        let steps = plan_of(plan.steps);
        let writer = rig.writer(rig.door());
        let outcomes = apply(&steps, &writer, &ApplyOptions::default(), &SilentListener).await;
        let told = told(&outcomes);
        assert!(outcomes.iter().all(|it| it.kind.is_good()), "{kinds:?}: {told:?}");
        let left = rig.fleet().await.pools;
        assert_eq!(left.iter().map(|it| &it.id).collect::<Vec<_>>(), [&expected], "{kinds:?}");
    }
}
