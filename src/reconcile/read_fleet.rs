//! Reads GARM: the whole fleet for a plan, and the parts that the scaling loop shares with it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::pin::pin;

use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};

use crate::domain::entity::{Entity, EntityKey, EntityKind, EntityRef};
use crate::domain::fleet::Fleet;
use crate::domain::job::Job;
use crate::domain::name::{FleetName, PoolId, PoolName};
use crate::domain::pool::{Pool, PoolDetail};
use crate::domain::runner::Runner;
use crate::garm::{ErrorKind, GarmClient, GarmError, SpecsByPool};
use crate::host::clock::Clock;

/// The number of concurrent reads of entities or pools.
const AT_ONCE: usize = 8;

/// What to read besides pools, instances and jobs. Each kind of entity, the templates, the proxies
/// and the credentials cost one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetRequest {
    /// The kinds of entities to read.
    pub kinds: Vec<EntityKind>,
    /// Whether to read the install templates, because a file names one. Without it they are read
    /// only if a declared pool moves to another system, provider or entity, where its present
    /// template may not fit.
    pub templates: bool,
    /// Whether to read the proxies, because a file names one.
    pub proxies: bool,
    /// Whether to read GARM's credentials for GitHub, because the fleet file declares some.
    pub credentials: bool,
    /// The pools whose `extra_specs` to read, because GARM's lists omit them.
    pub specs: SpecsRequest,
}

/// The pools whose `extra_specs` to read. An entity that is read by its id contains them for all its
/// pools (measured), so each entity with such a pool costs one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpecsRequest {
    /// No `extra_specs` are needed.
    Unwanted,
    /// Those of pools that bear no fleet's mark.
    Unowned,
    /// Those of the declared pools.
    Declared {
        /// The fleet that declares them.
        fleet: FleetName,
        /// The identities of the declared pools.
        pools: Vec<DeclaredIdentity>,
    },
}

/// The settings of a declared pool that identify it in GARM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredIdentity {
    /// The name of the pool in the fleet.
    pub name: PoolName,
    /// GARM's id, or the former name, of a pool to adopt.
    pub adopt: Option<String>,
    /// The entity whose jobs it serves; absent while the files leave it open.
    pub entity: Option<EntityRef>,
    /// GARM's provider that creates its runners; absent while the files leave it open.
    pub provider: Option<String>,
    /// The operating system of its runners.
    pub os_type: String,
}

impl DeclaredIdentity {
    /// Whether this pool would move to another system, provider or entity.
    fn moves(&self, pool: &Pool) -> bool {
        let is_elsewhere = |entity: &EntityRef| {
            pool.entity.kind != entity.kind
                || !pool.entity_name.eq_ignore_ascii_case(&entity.name)
                || entity.endpoint.as_ref().is_some_and(|at| *at != pool.endpoint)
        };
        pool.spec.os_type != self.os_type
            || self.provider.as_ref().is_some_and(|provider| *provider != pool.spec.provider)
            || self.entity.as_ref().is_some_and(is_elsewhere)
    }
}

impl SpecsRequest {
    /// Those of the listed pools whose `extra_specs` are requested.
    fn wanted(&self, listed: &[Pool]) -> HashSet<PoolId> {
        let lacking = listed.iter().filter(|pool| pool.detail == PoolDetail::Listed);
        let is_wanted: Box<dyn Fn(&Pool) -> bool> = match self {
            Self::Unwanted => Box::new(|_| false),
            Self::Unowned => Box::new(|pool| pool.spec.labels.marks().is_empty()),
            Self::Declared { fleet, pools } => {
                let adopts = pools.iter().filter_map(|pool| pool.adopt.as_deref());
                let names = pools.iter().map(|pool| pool.name.as_str());
                let names: HashSet<String> =
                    names.chain(adopts).map(str::to_ascii_lowercase).collect();
                Box::new(move |pool| {
                    let marks = pool.spec.labels.marks();
                    let mut ours = marks.iter().filter(|mark| mark.fleet() == fleet.as_str());
                    ours.any(|mark| names.contains(mark.pool()))
                        || names.contains(&pool.id.as_str().to_ascii_lowercase())
                })
            }
        };
        lacking.filter(|pool| is_wanted(pool)).map(|pool| pool.id.clone()).collect()
    }

    /// Whether the files name a provider without a pool. One with a pool is known to GARM.
    fn has_new_provider(&self, listed: &[Pool]) -> bool {
        let Self::Declared { pools, .. } = self else { return false };
        let known: HashSet<&str> = listed.iter().map(|pool| pool.spec.provider.as_str()).collect();
        pools
            .iter()
            .filter_map(|pool| pool.provider.as_deref())
            .any(|provider| !known.contains(provider))
    }

    /// Whether a declared pool moves away from what its install template was made for.
    fn moves(&self, listed: &[Pool]) -> bool {
        let Self::Declared { fleet, pools } = self else { return false };
        let by_name: HashMap<&str, &DeclaredIdentity> =
            pools.iter().map(|pool| (pool.name.as_str(), pool)).collect();
        let by_id: HashMap<String, &DeclaredIdentity> = pools
            .iter()
            .filter_map(|pool| Some((pool.adopt.as_ref()?.to_ascii_lowercase(), pool)))
            .collect();
        let claims = |pool: &Pool| {
            let marks = pool.spec.labels.marks();
            let ours = marks.iter().filter(|mark| mark.fleet() == fleet.as_str());
            let named =
                ours.filter_map(|mark| by_name.get(mark.pool()).or_else(|| by_id.get(mark.pool())));
            let named: Vec<&DeclaredIdentity> = named.copied().collect();
            let adopted = by_id.get(&pool.id.as_str().to_ascii_lowercase()).copied();
            named.into_iter().chain(adopted).any(|declared| declared.moves(pool))
        };
        listed.iter().any(|pool| pool.spec.template_id.is_some() && claims(pool))
    }

    /// The entities of this kind that the files name.
    fn refs(&self, kind: EntityKind) -> BTreeSet<&EntityRef> {
        match self {
            Self::Unwanted | Self::Unowned => BTreeSet::new(),
            Self::Declared { pools, .. } => pools
                .iter()
                .filter_map(|pool| pool.entity.as_ref())
                .filter(|entity| entity.kind == kind)
                .collect(),
        }
    }
}

/// Reads everything that a plan needs: the controller, proxies and credentials if requested, the
/// pools, the templates if requested, the providers if the files name one that has no pool, and
/// then the pools' entities, instances and jobs. The time is GARM's own (its `Date`), otherwise
/// this machine's.
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
    let mut pools = client.pools().await?;
    let templates = match ask.templates || ask.specs.moves(&pools) {
        true => client.templates().await?,
        false => Vec::new(),
    };
    let providers = match ask.specs.has_new_provider(&pools) {
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
pub(super) async fn read_instances_and_jobs(
    client: &GarmClient,
) -> Result<(Vec<Runner>, Vec<Job>), GarmError> {
    Ok((client.runners().await?, client.jobs().await?))
}

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

/// Reads the pools that bear this fleet's mark, with their `extra_specs`.
pub async fn read_owned(client: &GarmClient, fleet: &FleetName) -> Result<Vec<Pool>, GarmError> {
    let mut pools = client.pools().await?;
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

/// Whether exactly one of the entities with pools is the one that a file names, and is in `keys`. If
/// a second entity of that name exists at another endpoint without a pool, the fleet's own pools
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

/// Reads one by one the requested pools that no entity contained: they belong to an entity of a kind
/// that was not requested, or this GARM returns less.
async fn read_rest(
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

/// Returns nothing for an object that was deleted meanwhile.
fn if_there<T>(answer: Result<T, GarmError>) -> Result<Option<T>, GarmError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
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
