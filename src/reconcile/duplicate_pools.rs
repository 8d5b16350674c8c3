//! Unused pools beside another one with the same label: creations in flight or interrupted.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use super::context::{StepContext, target};
use super::preconditions::Precondition;
use super::step::{ALREADY_GONE, StepEnd};
use super::write_outcome::{WriteError, WriteOutcome};
use super::writer::PoolRef;
use crate::domain::label::OwnerMark;
use crate::domain::name::PoolName;
use crate::domain::owners::is_switched_off;
use crate::domain::pool::Pool;
use crate::event::StepResult;

/// How long a create in flight may take before its duplicate counts as abandoned.
pub(super) const TWIN_PATIENCE: Duration = Duration::from_secs(10);

/// The time between two reads of the list.
pub(super) const TWIN_WAIT: Duration = Duration::from_millis(500);

/// Waits until one pool bears the label, and deletes abandoned duplicates. Starts with a list that
/// was just read and calls `again` to read it again; returns nothing if there is no pool.
pub(super) async fn wait_for_one<F>(
    site: &StepContext<'_>,
    name: &PoolName,
    mut twins: Vec<Pool>,
    again: impl Fn() -> F,
) -> Result<Option<Pool>, WriteError>
where
    F: Future<Output = Result<Vec<Pool>, WriteError>>,
{
    let deadline = Instant::now() + TWIN_PATIENCE;
    while twins.len() > 1 && Instant::now() < deadline {
        tokio::time::sleep(TWIN_WAIT).await;
        twins = again().await?;
    }
    remove_leftovers(site, name, &twins).await?;
    Ok(twins.into_iter().next())
}

/// Deletes all but the first of these pools, provided that they are not in use.
pub(super) async fn remove_leftovers(
    site: &StepContext<'_>,
    name: &PoolName,
    twins: &[Pool],
) -> Result<(), WriteError> {
    for left in twins.iter().skip(1) {
        remove_unused(site, &target(name, &left.id)).await?;
    }
    Ok(())
}

/// Deletes a duplicate pool, provided that it is not in use.
pub(super) async fn remove_unused(
    site: &StepContext<'_>,
    left: &PoolRef,
) -> Result<(), WriteError> {
    let guard = Precondition::unused(site.fleet, &left.name);
    match site.writer.remove_pool(left, &guard).await? {
        WriteOutcome::Done | WriteOutcome::AlreadyDone => Ok(()),
        WriteOutcome::Refused => Err(WriteError::Changed(format!(
            "two pools bear this label, and {} has runners",
            left.id
        ))),
    }
}

/// Removes what an interrupted create or replace has left, provided that it is unused and not the
/// pool in force itself.
pub(super) async fn remove(site: &StepContext<'_>, left: &PoolRef) -> Result<StepEnd, WriteError> {
    let deadline = Instant::now() + TWIN_PATIENCE;
    loop {
        match find(site, left).await? {
            None => return Ok(StepEnd::new(StepResult::AlreadyDone, ALREADY_GONE)),
            Some(pool) if !is_switched_off(&pool) => {
                return Err(WriteError::Changed("it is in use now".into()));
            }
            Some(_) => {}
        }
        if Instant::now() >= deadline {
            break;
        }
        if site.is_stopped() {
            return Ok(StepEnd::new(StepResult::Interrupted, "the next run removes it"));
        }
        site.pause(TWIN_WAIT).await;
    }
    let guard = Precondition::unused(site.fleet, &left.name);
    let outcome = site.writer.remove_pool(left, &guard).await?;
    Ok(StepEnd::of(outcome, ALREADY_GONE))
}

/// The pool, if it bears a label of this name and another pool is in force or none is to be.
async fn find(site: &StepContext<'_>, left: &PoolRef) -> Result<Option<Pool>, WriteError> {
    let in_force = bearing(site, &site.mark(&left.name)).await?;
    match in_force.into_iter().enumerate().find(|(_, it)| it.id == left.id) {
        Some((0, pool)) if is_switched_off(&pool) => {
            Err(WriteError::Changed("it is the pool in force now".into()))
        }
        Some((_, pool)) => Ok(Some(pool)),
        None => {
            let replacements =
                bearing(site, &OwnerMark::replacement(site.fleet, &left.name)).await?;
            Ok(replacements.into_iter().find(|it| it.id == left.id))
        }
    }
}

/// The pools that bear a mark, by rank.
pub(super) async fn bearing(
    site: &StepContext<'_>,
    mark: &OwnerMark,
) -> Result<Vec<Pool>, WriteError> {
    site.writer.roster.bearing(mark).await.map_err(WriteError::Garm)
}
