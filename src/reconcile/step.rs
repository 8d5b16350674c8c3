//! Carries out one step of a plan.

use super::context::{StepContext, target};
use super::create::{self, CreateEnd, Successor};
use super::duplicate_pools;
use super::level_rule::{LevelRule, fitted};
use super::preconditions::Precondition;
use super::retire::{self, Retired};
use super::step_end::{ALREADY_GONE, ALREADY_SO, BY_ANOTHER_RUN, StepEnd};
use super::write_outcome::WriteError;
use super::writer::{CredentialOrder, PoolRef};
use crate::domain::credential::DesiredCredential;
use crate::domain::label::Labels;
use crate::domain::name::{PoolId, PoolKind, PoolName};
use crate::domain::pool::PoolChange;
use crate::event::StepResult;
use crate::plan::{Action, Creation, Operation, Step};
use crate::render::progress::undeletable;
use crate::render::words;

/// Carries out one step completely.
pub(super) async fn carry_out(context: &StepContext<'_>, step: &Step) -> StepEnd {
    work(context, step).await.unwrap_or_else(StepEnd::from)
}

async fn work(context: &StepContext<'_>, step: &Step) -> Result<StepEnd, WriteError> {
    let Some(name) = step.about.pool() else { return without_pool(context, &step.work).await };
    match &step.work {
        Operation::Nothing
        | Operation::Shown(_)
        | Operation::Controller { .. }
        | Operation::Credential { .. } => Ok(StepEnd::blocked(step)),
        Operation::Create(creation) => {
            context.say(name, "create");
            Ok(made(&create::create(context, name, creation).await?))
        }
        Operation::Change { id, change } => {
            context.say(name, step.action.word());
            let rule = LevelRule::of(step);
            self::change(context, step.action, &target(name, id), (change, rule)).await
        }
        Operation::Promote(promotion) => {
            context.say(name, step.action.word());
            Ok(made(&create::promote(context, name, promotion).await?))
        }
        Operation::Replace { old, retired_labels, new, successor } => {
            let old = target(name, old);
            let comes = match successor {
                Some(promotion) => Successor::Waiting(promotion.clone()),
                None => {
                    context.say(name, "create the new pool");
                    create::replacement(context, &old, new).await?
                }
            };
            replace(context, &old, retired_labels, comes).await
        }
        Operation::Rebuild { old, new, is_retired } => {
            rebuild(context, &target(name, old), new, *is_retired).await
        }
        Operation::Retire { id, is_retired } => {
            let precondition = leaving(context, name, *is_retired);
            let pool = target(name, id);
            Ok(retired(&pool.id, retire::retire(context, &pool, &precondition).await?))
        }
        Operation::RemoveLeftover { id } => {
            context.say(name, "remove the leftovers of an interrupted run");
            duplicate_pools::remove(context, &target(name, id)).await
        }
    }
}

async fn without_pool(context: &StepContext<'_>, work: &Operation) -> Result<StepEnd, WriteError> {
    match work {
        Operation::Controller { backoff_s } => {
            Ok(StepEnd::of(context.writer.set_backoff(*backoff_s).await?, ALREADY_SO))
        }
        Operation::Credential { id, wanted } => credential(context, *id, wanted).await,
        Operation::Nothing
        | Operation::Shown(_)
        | Operation::Create(_)
        | Operation::Change { .. }
        | Operation::Promote(_)
        | Operation::Replace { .. }
        | Operation::Rebuild { .. }
        | Operation::Retire { .. }
        | Operation::RemoveLeftover { .. } => {
            Ok(StepEnd::new(StepResult::Blocked, "the step names no pool"))
        }
    }
}

/// Creates or updates a credential with the key from which the plan was made.
async fn credential(
    context: &StepContext<'_>,
    id: Option<u64>,
    wanted: &DesiredCredential,
) -> Result<StepEnd, WriteError> {
    let key = context.options.keys.get(&wanted.name).filter(|key| key.fingerprint == wanted.key);
    let Some(key) = key else {
        return Ok(StepEnd::new(StepResult::Blocked, "the planned key is not available"));
    };
    let order = CredentialOrder { fleet: context.fleet, wanted, key: &key.pem };
    Ok(match id {
        None => StepEnd::of(context.writer.add_credential(order).await?, BY_ANOTHER_RUN),
        Some(id) => StepEnd::of(context.writer.replace_credential(id, order).await?, ALREADY_SO),
    })
}

fn made(made: &CreateEnd) -> StepEnd {
    match made {
        CreateEnd::Created => StepEnd::done(),
        CreateEnd::ByAnother => StepEnd::new(StepResult::AlreadyDone, BY_ANOTHER_RUN),
    }
}

fn retired(id: &PoolId, retired: Retired) -> StepEnd {
    let stays = match id.kind() {
        PoolKind::Pool => "the pool stays disabled",
        PoolKind::ScaleSet => "the scale set starts no runners",
    };
    match retired {
        Retired::Deleted { removed: 0 } => StepEnd::done(),
        Retired::Deleted { removed } => {
            StepEnd::new(StepResult::Done, format!("{} removed", words::count(removed, "runner")))
        }
        Retired::WasGone => StepEnd::new(StepResult::AlreadyDone, ALREADY_GONE),
        Retired::TimedOut { left, after, fault } => {
            let fault = fault
                .map(|(runner, fault)| format!("; {}", undeletable(&runner, &fault)))
                .unwrap_or_default();
            let (left, after) = (words::count(left, "runner"), words::span(after));
            let goes_on = format!("{stays}, and the next run continues");
            StepEnd::new(
                StepResult::TimedOut,
                format!("{left} left after {after}; {goes_on}{fault}"),
            )
        }
        Retired::OwnRunner(runner) => StepEnd::new(
            StepResult::Blocked,
            format!(
                "this run is itself a job on `{}`, a runner of the pool, and does not wait for \
                 it; {stays}, and the next run elsewhere continues",
                crate::domain::text::quote(runner.as_str())
            ),
        ),
        Retired::Stopped => {
            StepEnd::new(StepResult::Interrupted, format!("{stays}, and the next run continues"))
        }
    }
}

/// Updates or adopts a pool.
async fn change(
    context: &StepContext<'_>,
    action: Action,
    target: &PoolRef,
    (change, rule): (&PoolChange, LevelRule),
) -> Result<StepEnd, WriteError> {
    let precondition = match action {
        Action::Adopt => {
            unclaimed(context, &target.name, &target.id).await?;
            Precondition::adoptable(context.fleet, &target.name)
        }
        Action::Create | Action::Update | Action::Replace | Action::Delete | Action::Blocked => {
            Precondition::owned(context.fleet, &target.name)
        }
    };
    let outcome =
        context.writer.change(target, &precondition, |live| fitted(change, rule, live)).await?;
    Ok(StepEnd::of(outcome, ALREADY_SO))
}

/// Checks that no other pool bears the label that is about to be put on this one.
async fn unclaimed(
    context: &StepContext<'_>,
    name: &PoolName,
    id: &PoolId,
) -> Result<(), WriteError> {
    let bearing = context.writer.pool_list.recently_bearing(&context.mark(name)).await;
    match bearing.map_err(WriteError::Garm)?.iter().find(|pool| pool.id != *id) {
        None => Ok(()),
        Some(other) => Err(create::taken(&other.id)),
    }
}

/// The precondition for deleting a pool. One that was retired when the plan was made must still be
/// retired. One that was in force may have been retired by another run since.
fn leaving(context: &StepContext<'_>, name: &PoolName, was_retired: bool) -> Precondition {
    match was_retired {
        true => Precondition::retired(context.fleet, name),
        false => Precondition::leaving(context.fleet, name),
    }
}

/// Drains and deletes a scale set, and creates the one that takes its name. The next run can continue
/// after any write.
async fn rebuild(
    context: &StepContext<'_>,
    old: &PoolRef,
    new: &Creation,
    was_retired: bool,
) -> Result<StepEnd, WriteError> {
    let precondition = leaving(context, &old.name, was_retired);
    match retire::retire(context, old, &precondition).await? {
        Retired::Deleted { .. } | Retired::WasGone => {}
        end @ (Retired::TimedOut { .. } | Retired::OwnRunner(_) | Retired::Stopped) => {
            return Ok(retired(&old.id, end));
        }
    }
    // No stop between the two: jobs that request the name wait.
    context.say(&old.name, "create the new scale set");
    Ok(made(&create::create(context, &old.name, new).await?))
}

/// Relabels the old pool, puts the new one in force, and drains the old one. The next run can
/// continue after any of these.
async fn replace(
    context: &StepContext<'_>,
    old: &PoolRef,
    retired_labels: &Labels,
    comes: Successor,
) -> Result<StepEnd, WriteError> {
    if context.is_stopped() {
        let said = "the old pool is unchanged, and the next run continues with the new one";
        return Ok(StepEnd::new(StepResult::Interrupted, said));
    }
    context.say(&old.name, "retire the old pool's label");
    let precondition = Precondition::leaving(context.fleet, &old.name);
    let relabel = match old.id.kind() {
        PoolKind::Pool => {
            PoolChange { labels: Some(retired_labels.clone()), ..PoolChange::default() }
        }
        // Its labels never change: it is retired by what begins to drain it.
        PoolKind::ScaleSet => retire::drained(),
    };
    match context.writer.change(old, &precondition, |_| relabel.clone()).await {
        // The old pool is gone: another run has already continued the replacement.
        Ok(_) | Err(WriteError::Gone) => {}
        Err(trouble) => return Err(trouble),
    }
    // No stop is checked between these two writes: one pool must bear the name.
    context.say(&old.name, "put the new pool in force");
    let made = match comes {
        Successor::Waiting(promotion) => create::promote(context, &old.name, &promotion).await?,
        Successor::InForce => CreateEnd::ByAnother,
    };
    if context.is_stopped() {
        return Ok(StepEnd::new(StepResult::Interrupted, "the next run drains the old pool"));
    }
    let precondition = Precondition::retired(context.fleet, &old.name);
    Ok(match (retire::retire(context, old, &precondition).await?, made) {
        // An old pool that no longer exists counts as deleted.
        (Retired::WasGone, CreateEnd::Created) => StepEnd::done(),
        (Retired::WasGone, CreateEnd::ByAnother) => self::made(&CreateEnd::ByAnother),
        (end, _) => retired(&old.id, end),
    })
}
