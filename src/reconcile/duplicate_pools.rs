//! Unused pools beside another one with the same label: creations in flight or interrupted.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use super::context::{StepContext, target};
use super::preconditions::Precondition;
use super::step_end::{ALREADY_GONE, StepEnd};
use super::write_outcome::{WriteError, WriteOutcome};
use super::writer::PoolRef;
use crate::domain::label::OwnerMark;
use crate::domain::name::PoolName;
use crate::domain::owners::is_switched_off;
use crate::domain::pool::Pool;
use crate::event::StepResult;

/// How long a create in flight may take before its duplicate counts as abandoned.
pub(super) const DUPLICATE_TIMEOUT: Duration = Duration::from_secs(10);

/// The time between two reads of the list.
pub(super) const DUPLICATE_POLL: Duration = Duration::from_millis(500);

/// Waits until one pool bears the label, and deletes abandoned duplicates. Starts with a list that
/// was just read and calls `again` to read it again; returns nothing if there is no pool.
pub(super) async fn wait_for_one<F>(
    context: &StepContext<'_>,
    name: &PoolName,
    mut duplicates: Vec<Pool>,
    again: impl Fn() -> F,
) -> Result<Option<Pool>, WriteError>
where
    F: Future<Output = Result<Vec<Pool>, WriteError>>,
{
    let deadline = Instant::now() + DUPLICATE_TIMEOUT;
    while duplicates.len() > 1 && Instant::now() < deadline {
        tokio::time::sleep(DUPLICATE_POLL).await;
        duplicates = again().await?;
    }
    remove_leftovers(context, name, &duplicates).await?;
    Ok(duplicates.into_iter().next())
}

/// Deletes all but the first of these pools, provided that they are not in use.
pub(super) async fn remove_leftovers(
    context: &StepContext<'_>,
    name: &PoolName,
    duplicates: &[Pool],
) -> Result<(), WriteError> {
    for left in duplicates.iter().skip(1) {
        remove_unused(context, &target(name, &left.id)).await?;
    }
    Ok(())
}

/// Deletes a duplicate pool, provided that it is not in use.
pub(super) async fn remove_unused(
    context: &StepContext<'_>,
    left: &PoolRef,
) -> Result<(), WriteError> {
    let precondition = Precondition::unused(context.fleet, &left.name);
    match context.writer.remove_pool(left, &precondition).await? {
        WriteOutcome::Done | WriteOutcome::AlreadyDone => Ok(()),
        WriteOutcome::Refused => Err(WriteError::Changed(format!(
            "two pools bear this label, and {} has runners",
            left.id
        ))),
    }
}

/// Removes what an interrupted create or replace has left, provided that it is unused and not the
/// pool in force itself. First waits for [`DUPLICATE_TIMEOUT`], since its creator may still be
/// running.
pub(super) async fn remove(
    context: &StepContext<'_>,
    left: &PoolRef,
) -> Result<StepEnd, WriteError> {
    let deadline = Instant::now() + DUPLICATE_TIMEOUT;
    loop {
        match find(context, left).await? {
            None => return Ok(StepEnd::new(StepResult::AlreadyDone, ALREADY_GONE)),
            Some(pool) if !is_switched_off(&pool) => {
                return Err(WriteError::Changed("it is in use now".into()));
            }
            Some(_) => {}
        }
        if Instant::now() >= deadline {
            break;
        }
        if context.is_stopped() {
            return Ok(StepEnd::new(StepResult::Interrupted, "the next run removes it"));
        }
        context.pause(DUPLICATE_POLL).await;
    }
    let precondition = Precondition::unused(context.fleet, &left.name);
    let outcome = context.writer.remove_pool(left, &precondition).await?;
    Ok(StepEnd::of(outcome, ALREADY_GONE))
}

/// The pool, if it still bears the label of this name or of its replacement. Fails if it is now the
/// pool in force.
async fn find(context: &StepContext<'_>, left: &PoolRef) -> Result<Option<Pool>, WriteError> {
    let in_force = bearing(context, &context.mark(&left.name)).await?;
    match in_force.into_iter().enumerate().find(|(_, pool)| pool.id == left.id) {
        Some((0, pool)) if is_switched_off(&pool) => {
            Err(WriteError::Changed("it is the pool in force now".into()))
        }
        Some((_, pool)) => Ok(Some(pool)),
        None => {
            let replacements =
                bearing(context, &OwnerMark::replacement(context.fleet, &left.name)).await?;
            Ok(replacements.into_iter().find(|pool| pool.id == left.id))
        }
    }
}

/// The pools that bear a mark, by rank.
pub(super) async fn bearing(
    context: &StepContext<'_>,
    mark: &OwnerMark,
) -> Result<Vec<Pool>, WriteError> {
    context.writer.pool_list.bearing(mark).await.map_err(WriteError::Garm)
}
