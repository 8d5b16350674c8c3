//! Applies a plan: orders its steps and returns one outcome for each.
//!
//! Pools are independent of one another and are changed in parallel. The steps of one pool run one
//! after another, and the first that does not succeed ends them. GARM's own settings and
//! credentials come first.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::Semaphore;

use super::context::StepContext;
use super::options::ApplyOptions;
use super::rotate;
use super::step;
use super::step_end::StepEnd;
use super::writer::Writer;
use crate::domain::name::{PoolId, PoolName};
use crate::event::{ApplyEvent, ApplyListener, StepOutcome, StepResult};
use crate::plan::{Action, Plan, Resource, Step};

/// The largest number of pools in progress: those that are being changed, and those that wait
/// together for one list of all pools. With a lower limit an apply would read more lists.
const BEGUN_MAX: usize = 512;

/// Applies the plan. Returns one outcome for each step, in the plan's order, followed by one for
/// each rotated pool.
pub async fn apply(
    plan: &Plan,
    writer: &Writer,
    options: &ApplyOptions,
    listener: &dyn ApplyListener,
) -> Vec<StepOutcome> {
    let slots = Semaphore::new(options.parallelism.max(1));
    let context = StepContext { writer, options, listener, fleet: &plan.fleet, slots };
    let mut ended: Vec<(usize, StepOutcome)> = Vec::new();
    let (first, rest): (Vec<_>, Vec<_>) =
        groups(plan, &options.rotate).into_iter().partition(|step| step.about.pool().is_none());
    for group in &first {
        ended.extend(carry_out(&context, group).await);
    }
    let pools: Vec<BoxedFuture<'_, _>> = rest
        .iter()
        .map(|group| Box::pin(carry_out(&context, group)) as BoxedFuture<'_, _>)
        .collect();
    let mut pools = stream::iter(pools).buffer_unordered(BEGUN_MAX);
    while let Some(outcomes) = pools.next().await {
        ended.extend(outcomes);
    }
    ended.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.about.cmp(&b.1.about)));
    ended.into_iter().map(|entry| entry.1).collect()
}

type BoxedFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The steps that concern one resource, with their positions in the plan.
struct StepGroup<'a> {
    about: Resource,
    steps: Vec<(usize, &'a Step)>,
    is_rotated: bool,
}

impl StepGroup<'_> {
    /// The pool whose existing runners one of the steps makes outdated.
    fn outdated_pool(&self) -> Option<&PoolId> {
        let step = self.steps.iter().find(|(_, step)| step.outdates_runners());
        step.and_then(|(_, step)| step.pool_id.as_ref())
    }
}

/// Groups the steps by resource, in the order in which the plan first names it.
fn groups<'a>(plan: &'a Plan, rotated: &[PoolName]) -> Vec<StepGroup<'a>> {
    let mut places: BTreeMap<Resource, usize> = BTreeMap::new();
    let mut groups: Vec<StepGroup<'a>> = Vec::new();
    let mut place_of = |groups: &mut Vec<StepGroup<'a>>, about: &Resource| -> usize {
        *places.entry(about.clone()).or_insert_with(|| {
            groups.push(StepGroup { about: about.clone(), steps: Vec::new(), is_rotated: false });
            groups.len() - 1
        })
    };
    for (index, step) in plan.steps.iter().enumerate() {
        let place = place_of(&mut groups, &step.about);
        groups[place].steps.push((index, step));
    }
    for pool in rotated {
        let place = place_of(&mut groups, &Resource::Pool(pool.clone()));
        groups[place].is_rotated = true;
    }
    groups
}

/// Runs the steps of one resource as soon as a slot is free.
async fn carry_out(context: &StepContext<'_>, group: &StepGroup<'_>) -> Vec<(usize, StepOutcome)> {
    context.acquire_slot().await;
    let outcomes = one_by_one(context, group).await;
    context.release_slot();
    outcomes
}

/// Runs the steps of one resource one after another.
async fn one_by_one(context: &StepContext<'_>, group: &StepGroup<'_>) -> Vec<(usize, StepOutcome)> {
    let mut outcomes = Vec::new();
    let mut is_good = true;
    for (index, step) in &group.steps {
        let end = if step.action == Action::Blocked {
            StepEnd::blocked(step)
        } else if context.is_stopped() {
            StepEnd::new(StepResult::Interrupted, "not begun")
        } else if is_good {
            let about = step.about.clone();
            context.listener.hear(&ApplyEvent::StepBegan { about, action: step.action });
            step::carry_out(context, step).await
        } else {
            StepEnd::new(StepResult::Blocked, "not started: an earlier step of the pool failed")
        };
        is_good &= end.kind.is_good();
        outcomes.push((*index, report(context, step.about.clone(), step.action, end)));
    }
    if let Some(pool) = group.about.pool().filter(|_| group.is_rotated && is_good)
        && let Some(end) = rotate::rotate(context, pool, group.outdated_pool()).await
    {
        let outcome = report(context, Resource::Pool(pool.clone()), Action::Update, end);
        outcomes.push((usize::MAX, outcome));
    }
    outcomes
}

fn report(context: &StepContext<'_>, about: Resource, action: Action, end: StepEnd) -> StepOutcome {
    let outcome = StepOutcome { about, action, kind: end.kind, detail: end.detail, help: end.help };
    context.listener.hear(&ApplyEvent::StepEnded(outcome.clone()));
    outcome
}
