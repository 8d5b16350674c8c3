//! Reads the `extra_specs` of pools, which GARM's lists omit.

use std::collections::{HashMap, HashSet};

use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};

use crate::domain::entity::{Entity, EntityKey};
use crate::domain::name::PoolId;
use crate::domain::pool::{Pool, PoolDetail};
use crate::garm::{GarmClient, GarmError, SpecsByPool};
use crate::reconcile::reread::if_there;

/// The number of concurrent reads of entities or pools.
const AT_ONCE: usize = 8;

/// Reads entities by id, several at once. Each answer contains the `extra_specs` of the entity's
/// pools; it is empty if the entity was deleted meanwhile.
pub(super) fn read_entities_by_id(
    client: &GarmClient,
    keys: Vec<EntityKey>,
) -> impl Stream<Item = Result<Option<(Entity, SpecsByPool)>, GarmError>> {
    stream::iter(keys)
        .map(move |key| async move { if_there(client.entity(&key).await) })
        .buffered(AT_ONCE)
}

/// Reads one by one the requested pools that no entity contained: they belong to an entity of a
/// kind that was not requested, or this GARM returns less.
pub(super) async fn read_rest(
    client: &GarmClient,
    wanted: &HashSet<PoolId>,
    pools: &mut [Pool],
) -> Result<(), GarmError> {
    let rest: Vec<_> = pools
        .iter()
        .filter(|pool| pool.detail == PoolDetail::Listed && wanted.contains(&pool.id))
        .map(|pool| pool.id.clone())
        .collect();
    let answers: Vec<_> = stream::iter(&rest)
        .map(|id| async move { if_there(client.pool(id).await) })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let found = answers.into_iter().flatten().map(|(pool, _)| (pool.id, pool.spec.extra_specs));
    fill(pools, found.collect());
    Ok(())
}

/// Completes the pools of a list with the `extra_specs` of single answers.
pub(super) fn fill(pools: &mut [Pool], found: SpecsByPool) {
    let mut found: HashMap<_, _> = found.into_iter().collect();
    for pool in pools.iter_mut().filter(|pool| pool.detail == PoolDetail::Listed) {
        if let Some(specs) = found.remove(&pool.id) {
            pool.complete(specs);
        }
    }
}
