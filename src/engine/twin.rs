//! Two pools with one label, of which the later is disabled, empty and at level 0: a create in
//! flight, or one that was interrupted.

use std::time::Duration;

use tokio::time::Instant;

use super::act::{Deletion, Target};
use super::guard::{Guard, is_fresh};
use super::site::{Site, target};
use super::step::End;
use super::trouble::Trouble;
use crate::domain::name::PoolName;
use crate::domain::pool::Pool;
use crate::event::OutcomeKind;

/// How long a create in flight is given before its twin is taken for a leftover.
pub(super) const TWIN_PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at the list.
pub(super) const TWIN_WAIT: Duration = Duration::from_millis(500);

/// Waits until one pool bears the label, and deletes what a create has left beside it. Begins with
/// the list as it was just read; brings nothing when there is no pool.
pub(super) async fn wait_for_one(
    site: &Site<'_>,
    name: &PoolName,
    mut twins: Vec<Pool>,
) -> Result<Option<Pool>, Trouble> {
    let deadline = Instant::now() + TWIN_PATIENCE;
    while twins.len() > 1 && Instant::now() < deadline {
        tokio::time::sleep(TWIN_WAIT).await;
        twins = bearing(site, name).await?;
    }
    remove_leftovers(site, name, &twins).await?;
    Ok(twins.into_iter().next())
}

/// Deletes all but the first of these pools, as long as they are not in use.
pub(super) async fn remove_leftovers(
    site: &Site<'_>,
    name: &PoolName,
    twins: &[Pool],
) -> Result<(), Trouble> {
    for left in twins.iter().skip(1) {
        let guard = Guard::fresh(site.fleet, name);
        match site.writer.remove_pool(&target(name, &left.id), &guard).await? {
            Deletion::Deleted | Deletion::WasGone => {}
            Deletion::NotEmpty => {
                return Err(Trouble::Changed(format!(
                    "two pools bear this label, and {} has runners",
                    left.id
                )));
            }
        }
    }
    Ok(())
}

/// The step that removes one leftover. It goes only while another pool bears the label and it is
/// not in use itself.
pub(super) async fn remove(site: &Site<'_>, left: &Target) -> Result<End, Trouble> {
    let deadline = Instant::now() + TWIN_PATIENCE;
    loop {
        let twins = bearing(site, &left.name).await?;
        let Some(place) = twins.iter().position(|it| it.id == left.id) else {
            return Ok(End::new(OutcomeKind::AlreadyDone, "it was gone already"));
        };
        if place == 0 || !is_fresh(&twins[place]) {
            return Err(Trouble::Changed("it is not a create in flight any more".into()));
        }
        if Instant::now() >= deadline {
            break;
        }
        if site.is_stopped() {
            return Ok(End::new(OutcomeKind::Interrupted, "the next run removes it"));
        }
        site.pause(TWIN_WAIT).await;
    }
    let guard = Guard::fresh(site.fleet, &left.name);
    site.writer.remove_pool(left, &guard).await.map(End::from)
}

async fn bearing(site: &Site<'_>, name: &PoolName) -> Result<Vec<Pool>, Trouble> {
    site.writer.roster.bearing(&site.mark(name)).await.map_err(Trouble::Garm)
}
