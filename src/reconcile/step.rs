//! Carries out one step of a plan.

use super::context::{StepContext, target};
use super::create::{self, CreateEnd, Successor};
use super::duplicate_pools;
use super::preconditions::Precondition;
use super::retire::{self, Retired};
use super::write_outcome::{WriteError, WriteOutcome};
use super::writer::{CredentialOrder, PoolRef};
use crate::domain::credential::DesiredCredential;
use crate::domain::label::Labels;
use crate::domain::name::{PoolId, PoolName};
use crate::domain::pool::{Pool, PoolChange};
use crate::event::StepResult;
use crate::plan::{Action, Operation, ShownValue, Step};
use crate::render::progress::undeletable;
use crate::render::words;

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StepEnd {
    pub(super) kind: StepResult,
    pub(super) detail: String,
    pub(super) help: Option<String>,
}

impl StepEnd {
    pub(super) fn new(kind: StepResult, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), help: None }
    }

    /// The end of a step that the plan has blocked.
    pub(super) fn blocked(step: &Step) -> Self {
        Self { help: step.help.clone(), ..Self::new(StepResult::Blocked, step.reason.clone()) }
    }

    fn done() -> Self {
        Self::new(StepResult::Done, "")
    }

    /// The end of a step whose last write had this outcome; `already` is the text for a write that
    /// was not needed.
    pub(super) fn of(outcome: WriteOutcome, already: &str) -> Self {
        match outcome {
            WriteOutcome::Done => Self::done(),
            WriteOutcome::AlreadyDone => Self::new(StepResult::AlreadyDone, already),
            WriteOutcome::Refused => Self::new(StepResult::Blocked, "it has runners now"),
        }
    }
}

impl From<WriteError> for StepEnd {
    fn from(trouble: WriteError) -> Self {
        Self { help: trouble.help(), ..Self::new(trouble.kind(), trouble.to_string()) }
    }
}

/// Carries out one step completely.
pub(super) async fn carry_out(site: &StepContext<'_>, step: &Step) -> StepEnd {
    work(site, step).await.unwrap_or_else(StepEnd::from)
}

async fn work(site: &StepContext<'_>, step: &Step) -> Result<StepEnd, WriteError> {
    let Some(name) = step.about.pool() else { return without_pool(site, &step.work).await };
    match &step.work {
        Operation::Nothing | Operation::Controller { .. } | Operation::Credential { .. } => {
            Ok(StepEnd::blocked(step))
        }
        Operation::Create(creation) => {
            site.say(name, "create");
            Ok(made(&create::create(site, name, creation).await?))
        }
        Operation::Change { id, change } => {
            site.say(name, step.action.word());
            let rule = LevelRule::of(step);
            self::change(site, step.action, &target(name, id), (change, rule)).await
        }
        Operation::Promote(promotion) => {
            site.say(name, step.action.word());
            Ok(made(&create::promote(site, name, promotion).await?))
        }
        Operation::Replace { old, retired_labels, new, successor } => {
            let old = target(name, old);
            let comes = match successor {
                Some(promotion) => Successor::Waiting(promotion.clone()),
                None => {
                    site.say(name, "create the new pool");
                    create::replacement(site, &old, new).await?
                }
            };
            replace(site, &old, retired_labels, comes).await
        }
        Operation::Retire { id, is_retired } => {
            // A pool that was retired when the plan was made must still be retired. One that was in
            // force may have been retired by another run since.
            let guard = match is_retired {
                true => Precondition::retired(site.fleet, name),
                false => Precondition::leaving(site.fleet, name),
            };
            Ok(retired(retire::retire(site, &target(name, id), &guard).await?))
        }
        Operation::RemoveLeftover { id } => {
            site.say(name, "remove the leftovers of an interrupted run");
            duplicate_pools::remove(site, &target(name, id)).await
        }
    }
}

async fn without_pool(site: &StepContext<'_>, work: &Operation) -> Result<StepEnd, WriteError> {
    match work {
        Operation::Controller { backoff_s } => {
            Ok(StepEnd::of(site.writer.set_backoff(*backoff_s).await?, ALREADY_SO))
        }
        Operation::Credential { id, wanted } => credential(site, *id, wanted).await,
        Operation::Nothing
        | Operation::Create(_)
        | Operation::Change { .. }
        | Operation::Promote(_)
        | Operation::Replace { .. }
        | Operation::Retire { .. }
        | Operation::RemoveLeftover { .. } => {
            Ok(StepEnd::new(StepResult::Blocked, "the step names no pool"))
        }
    }
}

/// Creates or updates a credential with the key from which the plan was made.
async fn credential(
    site: &StepContext<'_>,
    id: Option<u64>,
    wanted: &DesiredCredential,
) -> Result<StepEnd, WriteError> {
    let key = site.options.keys.get(&wanted.name).filter(|it| it.fingerprint == wanted.key);
    let Some(key) = key else {
        return Ok(StepEnd::new(StepResult::Blocked, "the planned key is not available"));
    };
    let order = CredentialOrder { fleet: site.fleet, wanted, key: &key.pem };
    Ok(match id {
        None => StepEnd::of(site.writer.create_credential(order).await?, BY_ANOTHER_RUN),
        Some(id) => StepEnd::of(site.writer.update_credential(id, order).await?, ALREADY_SO),
    })
}

const ALREADY_SO: &str = "already up to date";
const BY_ANOTHER_RUN: &str = "created by another run";
pub(super) const ALREADY_GONE: &str = "already deleted";

fn made(made: &CreateEnd) -> StepEnd {
    match made {
        CreateEnd::Created => StepEnd::done(),
        CreateEnd::ByAnother => StepEnd::new(StepResult::AlreadyDone, BY_ANOTHER_RUN),
    }
}

fn retired(retired: Retired) -> StepEnd {
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
            let goes_on = "the pool stays disabled, and the next run continues";
            StepEnd::new(
                StepResult::TimedOut,
                format!("{left} left after {after}; {goes_on}{fault}"),
            )
        }
        Retired::OwnRunner(runner) => StepEnd::new(
            StepResult::Blocked,
            format!(
                "this run is itself a job on `{}`, a runner of the pool, and does not wait for \
                 it; the pool stays disabled, and the next run elsewhere continues",
                crate::domain::text::quote(runner.as_str())
            ),
        ),
        Retired::Stopped => StepEnd::new(
            StepResult::Interrupted,
            "the pool stays disabled, and the next run continues",
        ),
    }
}

/// What to write if the pool's level has changed since the plan was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LevelRule {
    /// The planned level.
    Exact,
    /// `watch` controls the level. A plan only raises it, and a level that was raised above the
    /// plan's since then stays.
    AtLeast,
}

impl LevelRule {
    fn of(step: &Step) -> Self {
        let is_level = |it: &ShownValue| matches!(it, ShownValue::Level(_));
        if step.changes.iter().any(|it| is_level(&it.after)) { Self::AtLeast } else { Self::Exact }
    }
}

/// The change, adjusted to the pool's present state.
pub(super) fn fitted(change: &PoolChange, rule: LevelRule, live: &Pool) -> PoolChange {
    let mut fitted = change.clone();
    let max = fitted.max_runners.unwrap_or(live.spec.max_runners);
    let level = match (fitted.min_idle_runners, rule) {
        (Some(level), LevelRule::AtLeast) => level.max(live.spec.min_idle_runners),
        (Some(level), LevelRule::Exact) => level,
        (None, _) => live.spec.min_idle_runners,
    };
    // GARM validates `min_idle_runners` against `max_runners`, using the stored value of the one
    // that is not sent.
    let level = level.min(max);
    fitted.min_idle_runners = (level != live.spec.min_idle_runners).then_some(level);
    fitted
}

/// Updates or adopts a pool.
async fn change(
    site: &StepContext<'_>,
    action: Action,
    target: &PoolRef,
    (change, rule): (&PoolChange, LevelRule),
) -> Result<StepEnd, WriteError> {
    let guard = match action {
        Action::Adopt => {
            unclaimed(site, &target.name, &target.id).await?;
            Precondition::adoptable(site.fleet, &target.name)
        }
        Action::Create | Action::Update | Action::Replace | Action::Delete | Action::Blocked => {
            Precondition::owned(site.fleet, &target.name)
        }
    };
    let outcome = site.writer.change(target, &guard, |live| fitted(change, rule, live)).await?;
    Ok(StepEnd::of(outcome, ALREADY_SO))
}

/// Checks that no other pool bears the label that is about to be put on this one.
async fn unclaimed(site: &StepContext<'_>, name: &PoolName, id: &PoolId) -> Result<(), WriteError> {
    let bearing = site.writer.roster.lately_bearing(&site.mark(name)).await;
    match bearing.map_err(WriteError::Garm)?.iter().find(|it| it.id != *id) {
        None => Ok(()),
        Some(other) => Err(create::taken(&other.id)),
    }
}

/// Relabels the old pool, puts the new one in force, and drains the old one. The next run can
/// continue after any of these.
async fn replace(
    site: &StepContext<'_>,
    old: &PoolRef,
    retired_labels: &Labels,
    comes: Successor,
) -> Result<StepEnd, WriteError> {
    if site.is_stopped() {
        let said = "the old pool is unchanged, and the next run continues with the new one";
        return Ok(StepEnd::new(StepResult::Interrupted, said));
    }
    site.say(&old.name, "retire the old pool's label");
    let guard = Precondition::leaving(site.fleet, &old.name);
    let relabel = PoolChange { labels: Some(retired_labels.clone()), ..PoolChange::default() };
    match site.writer.change(old, &guard, |_| relabel.clone()).await {
        // The old pool is gone: another run has already continued the replacement.
        Ok(_) | Err(WriteError::Gone) => {}
        Err(trouble) => return Err(trouble),
    }
    // No stop between the two: a pool must bear the name.
    site.say(&old.name, "put the new pool in force");
    let made = match comes {
        Successor::Waiting(promotion) => create::promote(site, &old.name, &promotion).await?,
        Successor::InForce => CreateEnd::ByAnother,
    };
    if site.is_stopped() {
        return Ok(StepEnd::new(StepResult::Interrupted, "the next run drains the old pool"));
    }
    let guard = Precondition::retired(site.fleet, &old.name);
    Ok(match (retire::retire(site, old, &guard).await?, made) {
        // An old pool that no longer exists counts as deleted.
        (Retired::WasGone, CreateEnd::Created) => StepEnd::done(),
        (Retired::WasGone, CreateEnd::ByAnother) => self::made(&CreateEnd::ByAnother),
        (end, _) => retired(end),
    })
}
