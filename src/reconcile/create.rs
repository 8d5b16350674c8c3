//! Creates a pool. The creation is one unit, which a stop signal does not interrupt.
//!
//! GARM enforces no unique names (GARM.md §b): two simultaneous runs, or a POST whose answer was
//! lost, could create two pools with the same label. A pool is therefore created disabled and at
//! level 0. Then the list is read, and only the pool that ranks first of all that bear the label is
//! enabled. All runs rank alike, so exactly one pool stays, whatever the order of the requests.
//!
//! The pool created by a replace bears a label of its own until it is put in force. Until then the
//! old pool is unchanged, and a refusal by GARM has no effect.

use std::future::Future;

use tokio::time::Instant;

use super::context::{StepContext, target};
use super::duplicate_pools::{self, DUPLICATE_POLL, DUPLICATE_TIMEOUT};
use super::level_rule::{LevelRule, fitted};
use super::preconditions::Precondition;
use super::retire::{self, Retired};
use super::write_outcome::{WriteError, WriteOutcome};
use super::writer::PoolRef;
use crate::audit::pool_fields;
use crate::domain::label::OwnerMark;
use crate::domain::name::{PoolId, PoolKind, PoolName};
use crate::domain::owners::is_switched_off;
use crate::domain::pool::{Pool, PoolChange, PoolSpec};
use crate::garm::{ErrorKind, GarmError};
use crate::plan::{Creation, Promotion};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CreateEnd {
    /// The pool exists, and this run created it.
    Created,
    /// The pool exists, and another run created it.
    ByAnother,
}

/// Which pool bears the label in the end.
enum SettledPool {
    /// The pool that this run created, or must treat as such.
    Ours(Pool),
    /// The pool of another run.
    Theirs(Pool),
}

/// Creates the pool, or finds that another run has created it.
pub(super) async fn create(
    context: &StepContext<'_>,
    name: &PoolName,
    creation: &Creation,
) -> Result<CreateEnd, WriteError> {
    // If another run makes a pool meanwhile, the check after the POST finds it.
    let mark = context.mark(name);
    let earlier = context.writer.pool_list.recently_bearing(&mark).await;
    let earlier = earlier.map_err(WriteError::Garm)?;
    if let Some(first) = earlier.into_iter().next() {
        return follow(context, name, creation, first).await;
    }
    let first = Creation { entity: creation.entity.clone(), spec: begun(&creation.spec) };
    let settled = match context.writer.create(name, &first).await {
        Ok(pool) => settle(context, name, pool).await?,
        Err(WriteError::Unknown(error)) => look_for(context, name, creation, error).await?,
        Err(trouble) => return Err(trouble),
    };
    match settled {
        SettledPool::Ours(pool) => finish(context, name, creation, pool).await,
        SettledPool::Theirs(pool) => follow(context, name, creation, pool).await,
    }
}

/// The pool as the POST creates it.
fn begun(spec: &PoolSpec) -> PoolSpec {
    PoolSpec { enabled: false, min_idle_runners: 0, ..spec.clone() }
}

/// The last write of a creation.
fn last_write(spec: &PoolSpec) -> PoolChange {
    PoolChange {
        enabled: Some(spec.enabled),
        min_idle_runners: Some(spec.min_idle_runners),
        ..PoolChange::default()
    }
}

async fn bearing(context: &StepContext<'_>, name: &PoolName) -> Result<Vec<Pool>, WriteError> {
    duplicate_pools::bearing(context, &context.mark(name)).await
}

/// After an answered POST: checks whether our pool ranks first.
async fn settle(
    context: &StepContext<'_>,
    name: &PoolName,
    mine: Pool,
) -> Result<SettledPool, WriteError> {
    // The pool's next write has to wait anyway. After this time every POST that GARM has dated
    // earlier is in the list.
    let check = async {
        context.writer.keep_pace(&mine.id).await;
        bearing(context, name).await
    };
    let duplicates = context.without_slot(check).await?;
    match duplicates.into_iter().next() {
        None => Err(WriteError::Gone),
        Some(first) if first.id == mine.id => Ok(SettledPool::Ours(mine)),
        Some(first) => {
            duplicate_pools::remove_unused(context, &target(name, &mine.id)).await?;
            Ok(SettledPool::Theirs(first))
        }
    }
}

/// After a POST without an answer: finds the pool that bears the label in the end.
async fn look_for(
    context: &StepContext<'_>,
    name: &PoolName,
    creation: &Creation,
    error: GarmError,
) -> Result<SettledPool, WriteError> {
    let first = found_after(context, name, error, || bearing(context, name)).await?;
    let is_ours = pool_fields::missing_of_new(&begun(&creation.spec), &first).is_empty();
    Ok(if is_ours { SettledPool::Ours(first) } else { SettledPool::Theirs(first) })
}

/// Finds, through `read`, the pool that a POST without an answer may have created or may still be
/// creating. With a duplicate in flight it is unknown which one is ours, and it does not matter:
/// the one that ranks first stays, and the duplicate is removed by its creator or by us.
async fn found_after<F>(
    context: &StepContext<'_>,
    name: &PoolName,
    error: GarmError,
    read: impl Fn() -> F,
) -> Result<Pool, WriteError>
where
    F: Future<Output = Result<Vec<Pool>, WriteError>>,
{
    context.say(name, "check whether the pool was created");
    let deadline = Instant::now() + DUPLICATE_TIMEOUT;
    loop {
        let found = read().await?;
        if let Some(first) = duplicate_pools::wait_for_one(context, name, found, &read).await? {
            return Ok(first);
        }
        // A 500 by GARM itself is an answer: no request is in flight any more.
        if error.kind == ErrorKind::Server(500) || Instant::now() >= deadline {
            return Err(WriteError::Garm(error));
        }
        tokio::time::sleep(DUPLICATE_POLL).await;
    }
}

/// Enables our pool and checks the ranking once more.
async fn finish(
    context: &StepContext<'_>,
    name: &PoolName,
    creation: &Creation,
    mine: Pool,
) -> Result<CreateEnd, WriteError> {
    let mine = target(name, &mine.id);
    let precondition = Precondition::owned(context.fleet, name);
    let switched =
        context.writer.change(&mine, &precondition, |_| last_write(&creation.spec)).await;
    if matches!(switched, Err(WriteError::Gone)) {
        // Another run has removed it as an abandoned duplicate.
        return match bearing(context, name).await?.is_empty() {
            false => Ok(CreateEnd::ByAnother),
            true => Err(WriteError::Gone),
        };
    }
    switched?;
    stand(context, &mine).await
}

/// Checks that our enabled pool still ranks first, until it is the only one. A pool with an earlier
/// date may become visible only now. After [`DUPLICATE_TIMEOUT`] it removes unused duplicates.
async fn stand(context: &StepContext<'_>, mine: &PoolRef) -> Result<CreateEnd, WriteError> {
    let deadline = Instant::now() + DUPLICATE_TIMEOUT;
    loop {
        let duplicates = context.without_slot(bearing(context, &mine.name)).await?;
        if duplicates.first().is_some_and(|oldest| oldest.id != mine.id) {
            return take_back(context, mine).await;
        }
        if duplicates.len() <= 1 {
            return Ok(CreateEnd::Created);
        }
        if Instant::now() >= deadline {
            return match duplicate_pools::remove_leftovers(context, &mine.name, &duplicates).await {
                // A duplicate that is in use is removed by its own creator; our pool stays.
                Ok(()) | Err(WriteError::Changed(_)) => Ok(CreateEnd::Created),
                Err(trouble) => Err(trouble),
            };
        }
        tokio::time::sleep(DUPLICATE_POLL).await;
    }
}

/// Retires our own pool, which is in use and does not rank first, in the same way as any other pool
/// in use.
async fn take_back(context: &StepContext<'_>, mine: &PoolRef) -> Result<CreateEnd, WriteError> {
    let precondition = Precondition::owned(context.fleet, &mine.name);
    match retire::retire(context, mine, &precondition).await? {
        Retired::Deleted { .. } | Retired::WasGone => Ok(CreateEnd::ByAnother),
        Retired::TimedOut { .. } | Retired::OwnRunner(_) | Retired::Stopped => {
            Err(WriteError::Changed("two pools bear this label".into()))
        }
    }
}

/// Waits until another run has enabled its pool. Enables it after [`DUPLICATE_TIMEOUT`], since that
/// run has then probably ended.
async fn follow(
    context: &StepContext<'_>,
    name: &PoolName,
    creation: &Creation,
    first: Pool,
) -> Result<CreateEnd, WriteError> {
    let wants_more = pool_fields::missing(&last_write(&creation.spec), &begun(&creation.spec));
    let mut seen = first;
    let deadline = Instant::now() + DUPLICATE_TIMEOUT;
    while is_switched_off(&seen) && !wants_more.is_empty() {
        if Instant::now() >= deadline {
            let precondition = Precondition::unused(context.fleet, name);
            let left = target(name, &seen.id);
            context.writer.change(&left, &precondition, |_| last_write(&creation.spec)).await?;
            break;
        }
        tokio::time::sleep(DUPLICATE_POLL).await;
        match bearing(context, name).await?.into_iter().next() {
            Some(pool) => seen = pool,
            None => return Err(WriteError::Gone),
        }
    }
    Ok(CreateEnd::ByAnother)
}

/// The state of the pool that replaces another one.
pub(super) enum Successor {
    /// It waits, and this promotion puts it in force.
    Waiting(Box<Promotion>),
    /// Another run has put it in force.
    InForce,
}

/// Creates the pool that is to replace `old`, or finds the one that another run has created.
pub(super) async fn replacement(
    context: &StepContext<'_>,
    old: &PoolRef,
    creation: &Creation,
) -> Result<Successor, WriteError> {
    let labels = match creation.spec.kind() {
        PoolKind::Pool => Some(creation.spec.labels.clone()),
        PoolKind::ScaleSet => None,
    };
    let waits = |id: &PoolId| {
        let change = PoolChange { labels: labels.clone(), ..last_write(&creation.spec) };
        let promotion = Promotion { id: id.clone(), change, is_retired: false };
        Ok(Successor::Waiting(Box::new(promotion)))
    };
    if replaced_by(context, old).await?.is_some() {
        return Ok(Successor::InForce);
    }
    if let Some(first) = waiting(context, &old.name, creation).await?.first() {
        return waits(&first.id);
    }
    let labels = creation.spec.labels.with_mark(&waiting_mark(context, &old.name, creation));
    let spec = PoolSpec { labels, ..begun(&creation.spec) };
    let begun = Creation { entity: creation.entity.clone(), spec };
    let mine = match context.writer.create(&old.name, &begun).await {
        Ok(pool) => target(&old.name, &pool.id),
        Err(WriteError::Unknown(error)) => {
            let read = || waiting(context, &old.name, creation);
            return waits(&found_after(context, &old.name, error, read).await?.id);
        }
        Err(trouble) => return Err(trouble),
    };
    context.writer.keep_pace(&mine.id).await;
    if let Some(other) = replaced_by(context, old).await? {
        // Another run may have put ours in force.
        if other != mine.id {
            duplicate_pools::remove_unused(context, &mine).await?;
        }
        return Ok(Successor::InForce);
    }
    match waiting(context, &old.name, creation).await?.first() {
        // Another run may have put it in force just now.
        None if replaced_by(context, old).await?.is_some() => Ok(Successor::InForce),
        None => Err(WriteError::Gone),
        Some(first) => {
            if first.id != mine.id {
                duplicate_pools::remove_unused(context, &mine).await?;
            }
            waits(&first.id)
        }
    }
}

/// The pool by which another run has already replaced this one. Fails if two pools are in use under
/// the name, which a replace does not resolve.
async fn replaced_by(
    context: &StepContext<'_>,
    old: &PoolRef,
) -> Result<Option<PoolId>, WriteError> {
    let bearing = bearing(context, &old.name).await?;
    let mut in_use = bearing.iter().filter(|pool| pool.id == old.id || !is_switched_off(pool));
    match (in_use.next(), in_use.next()) {
        (Some(first), Some(second)) => {
            Err(taken(if first.id == old.id { &second.id } else { &first.id }))
        }
        (Some(only), None) => Ok((only.id != old.id).then(|| only.id.clone())),
        (None, _) => Ok(None),
    }
}

/// The label of a pool that waits to be put in force. That of a scale set never changes.
fn waiting_mark(context: &StepContext<'_>, name: &PoolName, creation: &Creation) -> OwnerMark {
    match creation.spec.kind() {
        PoolKind::Pool => OwnerMark::replacement(context.fleet, name),
        PoolKind::ScaleSet => OwnerMark::owned(context.fleet, name),
    }
}

/// The pools of this creation that wait to be put in force, by rank.
async fn waiting(
    context: &StepContext<'_>,
    name: &PoolName,
    creation: &Creation,
) -> Result<Vec<Pool>, WriteError> {
    let mark = waiting_mark(context, name, creation);
    let mut found = duplicate_pools::bearing(context, &mark).await?;
    found.retain(|pool| {
        pool.entity == creation.entity
            && pool.spec.provider == creation.spec.provider
            && pool.kind() == creation.spec.kind()
    });
    Ok(found)
}

/// Puts in force a pool that a replace has created or retired, and checks the ranking once more.
pub(super) async fn promote(
    context: &StepContext<'_>,
    name: &PoolName,
    promotion: &Promotion,
) -> Result<CreateEnd, WriteError> {
    let mine = target(name, &promotion.id);
    if let Some(other) = in_use_beside(context, &mine).await? {
        return outrun(context, &mine, promotion, other).await;
    }
    let precondition = Precondition::promotable(context.fleet, name);
    let change = |live: &Pool| fitted(&promotion.change, LevelRule::Exact, live);
    let deed = context.writer.change(&mine, &precondition, change).await?;
    let made = match promotion.is_retired {
        false => stand(context, &mine).await?,
        true => match in_use_beside(context, &mine).await? {
            None => CreateEnd::Created,
            Some(other) => return Err(taken(&other)),
        },
    };
    Ok(if deed == WriteOutcome::AlreadyDone { CreateEnd::ByAnother } else { made })
}

/// Removes our pool after another run has put its own in force, if ours cannot have been used.
async fn outrun(
    context: &StepContext<'_>,
    mine: &PoolRef,
    promotion: &Promotion,
    other: PoolId,
) -> Result<CreateEnd, WriteError> {
    if promotion.is_retired {
        return Err(taken(&other));
    }
    duplicate_pools::remove_unused(context, mine).await?;
    Ok(CreateEnd::ByAnother)
}

/// Another pool in use that bears the name of `mine`.
async fn in_use_beside(
    context: &StepContext<'_>,
    mine: &PoolRef,
) -> Result<Option<PoolId>, WriteError> {
    let bearing = bearing(context, &mine.name).await?;
    let other = bearing.into_iter().find(|pool| pool.id != mine.id && !is_switched_off(pool));
    Ok(other.map(|pool| pool.id))
}

pub(super) fn taken(other: &PoolId) -> WriteError {
    WriteError::Changed(format!("pool {other} bears this label now"))
}
