//! Reads GARM: the whole fleet for a plan, the lists for the scaling loop without what it already
//! knows ([`resync`]), and the names that files may refer to ([`names`]). No other module reads
//! GARM's lists, except [`reread`](super::reread), which shares the list of pools among the creates
//! of an apply.

pub mod names;
mod request;
pub(super) mod resync;
mod specs;

use std::collections::{BTreeSet, HashSet};
use std::pin::pin;

use futures_util::stream::StreamExt;

use crate::domain::entity::{Entity, EntityKey, EntityKind, EntityRef};
use crate::domain::fleet::{Fleet, ReleaseLine};
use crate::domain::job::Job;
use crate::domain::name::{FleetName, PoolId};
use crate::domain::pool::{Pool, PoolDetail};
use crate::domain::runner::Runner;
use crate::garm::{GarmClient, GarmError, SpecsByPool};
use crate::host::clock::Clock;
pub use request::{DeclaredIdentity, FleetRequest, SpecsRequest, TemplatesRequest};
use specs::{fill, read_entities_by_id, read_rest};

/// Reads everything that a plan needs: the controller, proxies and credentials if requested, the
/// pools, the templates and providers if requested, and then the pools' entities, instances and
/// jobs. The time is GARM's own (its `Date`), otherwise this machine's.
pub async fn read_fleet(
    client: &GarmClient,
    ask: &FleetRequest,
    clock: &Clock,
) -> Result<Fleet, GarmError> {
    let (controller, date) = client.controller().await?;
    let observed_at = date.unwrap_or_else(|| clock.now());
    let proxies = if ask.proxies { client.proxies().await? } else { Vec::new() };
    let credentials = match ask.credentials {
        true => Some(client.credentials().await?),
        false => None,
    };
    let (mut pools, _) = client.pools_of_all_kinds().await?;
    let has_use = match ask.templates {
        TemplatesRequest::IfMoved => ask.specs.moves(&pools),
        TemplatesRequest::Named => true,
        TemplatesRequest::IfSupported => {
            ReleaseLine::of(&controller, &pools) == ReleaseLine::Current
        }
    };
    let templates = if has_use { client.templates().await? } else { Vec::new() };
    let providers = match ask.providers || ask.specs.has_new_provider(&pools) {
        true => Some(client.providers().await?.into_iter().map(|provider| provider.name).collect()),
        false => None,
    };
    let wanted = ask.specs.wanted(&pools);
    let mut entities = Vec::new();
    for kind in &ask.kinds {
        let refs = ask.specs.refs(*kind);
        entities.extend(read_entities(client, *kind, (&refs, &wanted), &mut pools).await?);
    }
    read_rest(client, &wanted, &mut pools).await?;
    let (runners, jobs) = read_instances_and_jobs(client).await?;
    Ok(Fleet {
        observed_at,
        controller,
        entities,
        entity_kinds: ask.kinds.clone(),
        pools,
        runners,
        jobs,
        templates,
        proxies,
        providers,
        credentials,
    })
}

/// Reads instances, then jobs. Every full read calls this after it has read the pools: the pool of
/// an instance is then known already, and a job that was queued last is merely missing.
async fn read_instances_and_jobs(
    client: &GarmClient,
) -> Result<(Vec<Runner>, Vec<Job>), GarmError> {
    Ok((client.runners().await?, client.jobs().await?))
}

/// Reads the pools that bear this fleet's mark, with their `extra_specs`.
pub async fn read_owned(client: &GarmClient, fleet: &FleetName) -> Result<Vec<Pool>, GarmError> {
    let (mut pools, _) = client.pools_of_all_kinds().await?;
    pools.retain(|pool| pool.is_owned_by(fleet));
    let listed = pools.iter().filter(|pool| pool.detail == PoolDetail::Listed);
    let keys: BTreeSet<EntityKey> = listed.map(|pool| pool.entity.clone()).collect();
    let mut found = SpecsByPool::new();
    let mut answers = pin!(read_entities_by_id(client, keys.into_iter().collect()));
    while let Some(answer) = answers.next().await {
        found.extend(answer?.into_iter().flat_map(|answer| answer.1));
    }
    fill(&mut pools, found);
    let wanted: HashSet<PoolId> = pools.iter().map(|pool| pool.id.clone()).collect();
    read_rest(client, &wanted, &mut pools).await?;
    Ok(pools)
}

/// Reads the entities of one kind and the requested `extra_specs` of their pools. Omits the list if
/// the existing pools already show which entities the files mean.
async fn read_entities(
    client: &GarmClient,
    kind: EntityKind,
    (refs, wanted): (&BTreeSet<&EntityRef>, &HashSet<PoolId>),
    pools: &mut [Pool],
) -> Result<Vec<Entity>, GarmError> {
    let keys: BTreeSet<EntityKey> = pools
        .iter()
        .filter(|pool| pool.entity.kind == kind && wanted.contains(&pool.id))
        .map(|pool| pool.entity.clone())
        .collect();
    let need_list = refs.is_empty() || !refs.iter().all(|entity| stands_for(entity, &keys, pools));
    let mut entities = if need_list { client.entities(kind).await? } else { Vec::new() };
    let mut found = SpecsByPool::new();
    let mut answers = pin!(read_entities_by_id(client, keys.into_iter().collect()));
    while let Some(answer) = answers.next().await {
        let Some((entity, specs)) = answer? else { continue };
        found.extend(specs);
        if !need_list {
            entities.push(entity);
        }
    }
    fill(pools, found);
    Ok(entities)
}

/// Whether exactly one of the entities with pools is the one that a file names, and is in `keys`.
/// If a second entity of that name exists at another endpoint without a pool, the fleet's own pools
/// have decided between the two.
fn stands_for(named: &EntityRef, keys: &BTreeSet<EntityKey>, pools: &[Pool]) -> bool {
    let found: BTreeSet<&EntityKey> = pools
        .iter()
        .filter(|pool| {
            pool.entity.kind == named.kind
                && pool.entity_name.eq_ignore_ascii_case(&named.name)
                && named.endpoint.as_ref().is_none_or(|at| *at == pool.endpoint)
        })
        .map(|pool| &pool.entity)
        .collect();
    found.len() == 1 && found.iter().all(|key| keys.contains(*key))
}
