//! Pools that move from one GARM to another: the files declare them for another GARM than before.
//!
//! A move is a creation at the new GARM and a deletion at the old one. So that the fleet never lacks
//! the pool, the deletion waits for the creation. A scale set is deleted first, since GitHub accepts
//! its name once.

use std::collections::BTreeMap;

use crate::domain::name::{GarmName, PoolKind, PoolName};
use crate::event::{StepOutcome, StepResult};
use crate::plan::{Action, Consent, Operation, Plan, Step};

/// A step of one GARM that begins only after one of another GARM has succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deferral {
    pool: PoolName,
    action: Action,
    /// The GARM that must have succeeded before.
    after: GarmName,
}

/// The deferred steps of each GARM.
pub(super) type Deferrals = BTreeMap<GarmName, Vec<Deferral>>;

/// Finds the moves in the plans of several GARMs, says in their steps what each is part of, and
/// returns which steps wait. `declared` gives the GARM of each pool in the files, also of GARMs
/// that have no plan. `failed` are the GARMs that have none because they could not be read.
pub(super) fn find(
    plans: &mut [(&GarmName, &mut Plan)],
    declared: &BTreeMap<PoolName, GarmName>,
    failed: &[&GarmName],
) -> Deferrals {
    let mut deferrals = Deferrals::new();
    for (from, pool, kind) in leaving(plans) {
        let Some(to) = declared.get(&pool).filter(|to| **to != from) else { continue };
        let departure = match arrival(plans, to, &pool, kind) {
            AtDestination::ScaleSet(creation) => {
                creation.consequences.push(format!(
                    "it moves here from the GARM `{from}`, and is created after it is deleted there: \
                     GitHub accepts the name of a scale set once"
                ));
                defer(&mut deferrals, to, &pool, (Action::Create, &from));
                format!("then it is created at the GARM `{to}`")
            }
            AtDestination::Pool(creation) => {
                creation.consequences.push(format!(
                    "it moves here from the GARM `{from}`, which keeps it until it is created"
                ));
                defer(&mut deferrals, &from, &pool, (Action::Delete, to));
                format!("it is deleted after it is created at the GARM `{to}`")
            }
            AtDestination::OtherStep => {
                defer(&mut deferrals, &from, &pool, (Action::Delete, to));
                format!("it is deleted after the step for it at the GARM `{to}`")
            }
            AtDestination::Nothing => format!("it is already at the GARM `{to}`"),
            AtDestination::NotPlanned if failed.contains(&to) => {
                defer(&mut deferrals, &from, &pool, (Action::Delete, to));
                format!("it is not deleted while the GARM `{to}` cannot be read")
            }
            AtDestination::NotPlanned => format!(
                "the GARM `{to}` is not part of this plan: the pool is deleted whether or not it \
                 exists there"
            ),
        };
        add_to_departure(plans, (&from, &pool), departure);
    }
    deferrals
}

/// What the plan of the new GARM does for a pool that moves there.
enum AtDestination<'p> {
    Pool(&'p mut Step),
    /// A scale set takes the place of a scale set.
    ScaleSet(&'p mut Step),
    OtherStep,
    Nothing,
    NotPlanned,
}

fn arrival<'p>(
    plans: &'p mut [(&GarmName, &mut Plan)],
    to: &GarmName,
    pool: &PoolName,
    kind: PoolKind,
) -> AtDestination<'p> {
    let Some((_, plan)) = plans.iter_mut().find(|(garm, _)| *garm == to) else {
        return AtDestination::NotPlanned;
    };
    let mut steps = plan.steps.iter_mut().filter(|step| step.about.pool() == Some(pool));
    match steps.next() {
        None => AtDestination::Nothing,
        Some(step) if step.action != Action::Create => AtDestination::OtherStep,
        Some(step) if (kind, step.kind()) == (PoolKind::ScaleSet, Some(PoolKind::ScaleSet)) => {
            AtDestination::ScaleSet(step)
        }
        Some(step) => AtDestination::Pool(step),
    }
}

/// The pools that plans delete with consent: where, which, and of which kind.
fn leaving(plans: &[(&GarmName, &mut Plan)]) -> Vec<(GarmName, PoolName, PoolKind)> {
    let mut found = Vec::new();
    for (garm, plan) in plans {
        for step in plan.steps.iter().filter(|step| is_departure(step)) {
            let kind = step.kind().unwrap_or_default();
            found.extend(step.about.pool().map(|pool| ((*garm).clone(), pool.clone(), kind)));
        }
    }
    found
}

fn is_departure(step: &Step) -> bool {
    step.action == Action::Delete
        && step.consent == Consent::Destroy
        && matches!(step.work, Operation::Retire { .. })
}

fn defer(
    deferrals: &mut Deferrals,
    garm: &GarmName,
    pool: &PoolName,
    (action, after): (Action, &GarmName),
) {
    let deferral = Deferral { pool: pool.clone(), action, after: after.clone() };
    deferrals.entry(garm.clone()).or_default().push(deferral);
}

fn add_to_departure(
    plans: &mut [(&GarmName, &mut Plan)],
    (garm, pool): (&GarmName, &PoolName),
    consequence: String,
) {
    let steps =
        plans.iter_mut().filter(|(own, _)| *own == garm).flat_map(|(_, plan)| &mut plan.steps);
    let found =
        steps.filter(|step| is_departure(step)).find(|step| step.about.pool() == Some(pool));
    if let Some(step) = found {
        step.consequences.push(consequence);
    }
}

impl Deferral {
    fn is_of(&self, step: &Step) -> bool {
        step.about.pool() == Some(&self.pool) && step.action == self.action
    }

    /// Whether the steps for the pool at the other GARM have succeeded; true if there were none.
    fn is_due(&self, ended: &BTreeMap<GarmName, Vec<StepOutcome>>) -> bool {
        ended.get(&self.after).is_some_and(|outcomes| {
            let own = outcomes.iter().filter(|outcome| outcome.about.pool() == Some(&self.pool));
            own.into_iter().all(|outcome| outcome.kind.is_good())
        })
    }

    /// The outcome of a step that was not begun.
    fn held_back(&self, step: &Step) -> StepOutcome {
        let done = if self.action == Action::Delete { "created" } else { "deleted" };
        StepOutcome {
            about: step.about.clone(),
            action: step.action,
            kind: StepResult::Blocked,
            detail: format!("not started: it was not {done} at the GARM `{}`", self.after),
            help: Some("correct what failed there, then run `runnerctl apply` again".to_owned()),
        }
    }
}

/// A plan in two parts: the steps that begin at once, and the deferred ones.
pub(super) fn split(plan: &Plan, deferred: &[Deferral]) -> (Plan, Plan) {
    let is_deferred = |step: &&Step| deferred.iter().any(|deferral| deferral.is_of(step));
    let (later, first): (Vec<&Step>, Vec<&Step>) = plan.steps.iter().partition(is_deferred);
    let with =
        |steps: Vec<&Step>| Plan { steps: steps.into_iter().cloned().collect(), ..plan.clone() };
    (with(first), with(later))
}

/// Of the deferred steps, those that may begin now, and the outcomes of the others.
pub(super) fn due(
    plan: &Plan,
    deferred: &[Deferral],
    ended: &BTreeMap<GarmName, Vec<StepOutcome>>,
) -> (Plan, Vec<StepOutcome>) {
    let held_back = |step: &Step| {
        let deferral = deferred.iter().find(|deferral| deferral.is_of(step))?;
        (!deferral.is_due(ended)).then(|| deferral.held_back(step))
    };
    let outcomes: Vec<StepOutcome> = plan.steps.iter().filter_map(held_back).collect();
    let steps = plan.steps.iter().filter(|step| held_back(step).is_none()).cloned().collect();
    (Plan { steps, ..plan.clone() }, outcomes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fleet::Fleet;
    use crate::plan::tests::build::{desired, fleet, live, name, pool};
    use crate::plan::{PlanOptions, plan};

    fn garm(text: &str) -> GarmName {
        GarmName::new(text).unwrap()
    }

    /// `web` is at `east`, and the files declare it for `west`.
    fn plans() -> (Plan, Plan) {
        let elsewhere = BTreeMap::from([(name("web"), garm("west"))]);
        let options = PlanOptions { elsewhere, ..PlanOptions::default() };
        let there = Fleet { pools: vec![live(&pool("web")), live(&pool("b"))], ..fleet() };
        let east = plan(&desired([pool("b")]), &there, &options);
        let west = plan(&desired([pool("web")]), &fleet(), &PlanOptions::default());
        (east, west)
    }

    fn actions(plan: &Plan) -> Vec<&'static str> {
        plan.steps.iter().map(|step| step.action.word()).collect()
    }

    fn outcome(step: &Step, kind: StepResult) -> StepOutcome {
        StepOutcome {
            about: step.about.clone(),
            action: step.action,
            kind,
            detail: String::new(),
            help: None,
        }
    }

    #[test]
    fn the_old_pool_is_deleted_only_after_the_new_one_is_created() {
        let (mut east, mut west) = plans();
        let (e, w) = (garm("east"), garm("west"));
        let declared = BTreeMap::from([(name("web"), w.clone())]);
        let deferrals = find(&mut [(&e, &mut east), (&w, &mut west)], &declared, &[]);
        assert_eq!(east.steps[0].reason, "the files declare it for the GARM `west` now");
        let last = east.steps[0].consequences.last().unwrap();
        assert_eq!(last, "it is deleted after it is created at the GARM `west`");
        let last = west.steps[0].consequences.last().unwrap();
        assert_eq!(last, "it moves here from the GARM `east`, which keeps it until it is created");
        assert_eq!(deferrals.keys().collect::<Vec<_>>(), [&e]);
        let (first, later) = split(&east, &deferrals[&e]);
        assert_eq!((actions(&first), actions(&later)), (vec![], vec!["delete"]));
        for (kind, begun, held_back) in
            [(StepResult::Done, 1, 0), (StepResult::Failed, 0, 1), (StepResult::Interrupted, 0, 1)]
        {
            let ended = BTreeMap::from([(w.clone(), vec![outcome(&west.steps[0], kind)])]);
            let (plan, outcomes) = due(&later, &deferrals[&e], &ended);
            assert_eq!((plan.steps.len(), outcomes.len()), (begun, held_back), "{kind:?}");
        }
        let (plan, outcomes) = due(&later, &deferrals[&e], &BTreeMap::new());
        assert_eq!((plan.steps.len(), outcomes.len()), (0, 1), "the other GARM was left out");
    }

    #[test]
    fn without_the_other_garm_the_deletion_says_so_and_waits_for_nothing() {
        let (mut east, _) = plans();
        let (e, w) = (garm("east"), garm("west"));
        let declared = BTreeMap::from([(name("web"), w)]);
        let deferrals = find(&mut [(&e, &mut east)], &declared, &[]);
        assert!(deferrals.is_empty());
        let last = east.steps[0].consequences.last().unwrap();
        assert!(last.starts_with("the GARM `west` is not part of this plan"), "{last}");
    }

    #[test]
    fn a_garm_that_cannot_be_read_keeps_the_pool_at_the_old_one() {
        let (mut east, west) = plans();
        let (e, w) = (garm("east"), garm("west"));
        let declared = BTreeMap::from([(name("web"), w.clone())]);
        let deferrals = find(&mut [(&e, &mut east)], &declared, &[&w]);
        let (first, later) = split(&east, &deferrals[&e]);
        let (plan, outcomes) = due(&later, &deferrals[&e], &BTreeMap::new());
        assert_eq!((first.steps.len(), plan.steps.len()), (0, 0));
        assert_eq!(outcomes[0].detail, "not started: it was not created at the GARM `west`");
        assert_eq!(actions(&west), ["create"]);
    }

    #[test]
    fn a_pool_that_the_files_do_not_declare_is_just_deleted() {
        let (mut east, mut west) = plans();
        let before = east.clone();
        let (e, w) = (garm("east"), garm("west"));
        let deferrals = find(&mut [(&e, &mut east), (&w, &mut west)], &BTreeMap::new(), &[]);
        assert_eq!((deferrals.len(), east), (0, before));
    }
}
