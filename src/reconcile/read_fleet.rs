//! One reading of GARM.

use std::collections::{BTreeSet, HashMap, HashSet};

use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::domain::entity::{Entity, EntityKey, EntityKind, EntityRef};
use crate::domain::fleet::Fleet;
use crate::domain::name::{FleetName, PoolId, PoolName};
use crate::domain::pool::{Pool, PoolDetail};
use crate::garm::{ErrorKind, GarmClient, GarmError, SpecsByPool};
use crate::host::clock::Clock;

/// How many entities or pools are read at once.
const AT_ONCE: usize = 8;

/// What of GARM is wanted besides pools, instances and jobs. Each kind, the templates, the proxies
/// and the credentials cost one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetRequest {
    /// The kinds of entities.
    pub kinds: Vec<EntityKind>,
    /// The install templates.
    pub templates: Templates,
    /// The proxies.
    pub proxies: Proxies,
    /// GARM's credentials for GitHub.
    pub credentials: Credentials,
    /// Whose `extra_specs`, which GARM's lists leave out.
    pub specs: SpecsRequest,
}

/// Whether the install templates are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Templates {
    /// A manifest names one.
    Wanted,
    /// None does: they are read only if a declared pool moves to another system, provider or
    /// entity, where the template that it has may not fit.
    Unwanted,
}

/// Whether the proxies are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proxies {
    /// A manifest names one.
    Wanted,
    /// None does.
    Unwanted,
}

/// Whether GARM's credentials for GitHub are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// The fleet file has some.
    Wanted,
    /// It has none, or they do not matter here.
    Unwanted,
}

/// The pools whose `extra_specs` are read. An entity read by its id tells them for all its pools
/// at once (measured), so that each entity with such a pool costs one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpecsRequest {
    /// None.
    Unwanted,
    /// Those that bear nobody's mark.
    Unowned,
    /// Those that manifests declare.
    Declared {
        /// Whose manifests.
        fleet: FleetName,
        /// What they declare.
        pools: Vec<DeclaredIdentity>,
    },
}

/// What a declared pool says about which pool it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredIdentity {
    /// Its name in the fleet.
    pub name: PoolName,
    /// GARM's id, or the former name, of a pool to take over.
    pub adopt: Option<String>,
    /// Whose jobs it serves; absent while the manifests leave it open.
    pub entity: Option<EntityRef>,
    /// GARM's provider that it is to be made by; absent while the manifests leave it open.
    pub provider: Option<String>,
    /// The system of its runners.
    pub os_type: String,
}

impl DeclaredIdentity {
    /// Whether this pool would come to another system, provider or entity.
    fn moves(&self, pool: &Pool) -> bool {
        let is_elsewhere = |it: &EntityRef| {
            pool.entity.kind != it.kind
                || !pool.entity_name.eq_ignore_ascii_case(&it.name)
                || it.endpoint.as_ref().is_some_and(|at| *at != pool.endpoint)
        };
        pool.spec.os_type != self.os_type
            || self.provider.as_ref().is_some_and(|it| *it != pool.spec.provider)
            || self.entity.as_ref().is_some_and(is_elsewhere)
    }
}

impl SpecsRequest {
    /// The pools, of those that were listed, that a declared one may be.
    fn wanted(&self, listed: &[Pool]) -> HashSet<PoolId> {
        let lacking = listed.iter().filter(|it| it.detail == PoolDetail::Listed);
        let is_wanted: Box<dyn Fn(&Pool) -> bool> = match self {
            Self::Unwanted => Box::new(|_| false),
            Self::Unowned => Box::new(|pool| pool.spec.labels.marks().is_empty()),
            Self::Declared { fleet, pools } => {
                let adopts = pools.iter().filter_map(|it| it.adopt.as_deref());
                let names = pools.iter().map(|it| it.name.as_str());
                let names: HashSet<String> =
                    names.chain(adopts).map(str::to_ascii_lowercase).collect();
                Box::new(move |pool| {
                    let marks = pool.spec.labels.marks();
                    let mut ours = marks.iter().filter(|it| it.fleet() == fleet.as_str());
                    ours.any(|it| names.contains(it.pool()))
                        || names.contains(&pool.id.as_str().to_ascii_lowercase())
                })
            }
        };
        lacking.filter(|it| is_wanted(it)).map(|it| it.id.clone()).collect()
    }

    /// Whether manifests name a provider that no pool has. One that has a pool is known to GARM.
    fn has_new_provider(&self, listed: &[Pool]) -> bool {
        let Self::Declared { pools, .. } = self else { return false };
        let known: HashSet<&str> = listed.iter().map(|it| it.spec.provider.as_str()).collect();
        pools.iter().filter_map(|it| it.provider.as_deref()).any(|it| !known.contains(it))
    }

    /// Whether a declared pool moves away from what its install template was made for.
    fn moves(&self, listed: &[Pool]) -> bool {
        let Self::Declared { fleet, pools } = self else { return false };
        let by_name: HashMap<&str, &DeclaredIdentity> =
            pools.iter().map(|it| (it.name.as_str(), it)).collect();
        let by_id: HashMap<String, &DeclaredIdentity> = pools
            .iter()
            .filter_map(|it| Some((it.adopt.as_ref()?.to_ascii_lowercase(), it)))
            .collect();
        let claims = |pool: &Pool| {
            let marks = pool.spec.labels.marks();
            let ours = marks.iter().filter(|it| it.fleet() == fleet.as_str());
            let named =
                ours.filter_map(|it| by_name.get(it.pool()).or_else(|| by_id.get(it.pool())));
            let named: Vec<&DeclaredIdentity> = named.copied().collect();
            let adopted = by_id.get(&pool.id.as_str().to_ascii_lowercase()).copied();
            named.into_iter().chain(adopted).any(|it| it.moves(pool))
        };
        listed.iter().any(|it| it.spec.template_id.is_some() && claims(it))
    }

    /// The entities that manifests name.
    fn refs(&self, kind: EntityKind) -> BTreeSet<&EntityRef> {
        match self {
            Self::Unwanted | Self::Unowned => BTreeSet::new(),
            Self::Declared { pools, .. } => pools
                .iter()
                .filter_map(|it| it.entity.as_ref())
                .filter(|it| it.kind == kind)
                .collect(),
        }
    }
}

/// Reads all that a plan needs: the controller, proxies and credentials if wanted, then pools,
/// the templates if wanted, the providers if manifests name one that has no pool, then the pools' entities, instances and
/// jobs, in this order: an instance's pool is there already, and a job that came
/// last is merely unknown. The time is GARM's own (its `Date`), else this machine's.
pub async fn read_fleet(
    client: &GarmClient,
    ask: &FleetRequest,
    clock: &Clock,
) -> Result<Fleet, GarmError> {
    let (controller, date) = client.controller().await?;
    let observed_at = date.unwrap_or_else(|| clock.now());
    let proxies = match ask.proxies {
        Proxies::Wanted => client.proxies().await?,
        Proxies::Unwanted => Vec::new(),
    };
    let credentials = match ask.credentials {
        Credentials::Wanted => Some(client.credentials().await?),
        Credentials::Unwanted => None,
    };
    let mut pools = client.pools().await?;
    let templates = match ask.templates {
        Templates::Wanted => client.templates().await?,
        Templates::Unwanted if ask.specs.moves(&pools) => client.templates().await?,
        Templates::Unwanted => Vec::new(),
    };
    let providers = match ask.specs.has_new_provider(&pools) {
        true => Some(client.providers().await?.into_iter().map(|it| it.name).collect()),
        false => None,
    };
    let wanted = ask.specs.wanted(&pools);
    let mut entities = Vec::new();
    for kind in &ask.kinds {
        let refs = ask.specs.refs(*kind);
        entities.extend(read_entities(client, *kind, (&refs, &wanted), &mut pools).await?);
    }
    read_rest(client, &wanted, &mut pools).await?;
    Ok(Fleet {
        observed_at,
        controller,
        entities,
        entity_kinds: ask.kinds.clone(),
        pools,
        runners: client.runners().await?,
        jobs: client.jobs().await?,
        templates,
        proxies,
        providers,
        credentials,
    })
}

/// The pools that bear this fleet's mark, whole.
pub async fn read_owned(client: &GarmClient, fleet: &FleetName) -> Result<Vec<Pool>, GarmError> {
    let mut pools = client.pools().await?;
    pools.retain(|it| it.is_owned_by(fleet));
    let listed = pools.iter().filter(|it| it.detail == PoolDetail::Listed);
    let keys: BTreeSet<EntityKey> = listed.map(|it| it.entity.clone()).collect();
    let mut found = SpecsByPool::new();
    let mut answers = stream::iter(&keys).map(|it| client.entity(it)).buffered(AT_ONCE);
    while let Some(answer) = answers.next().await {
        found.extend(if_there(answer)?.into_iter().flat_map(|it| it.1));
    }
    drop(answers);
    fill(&mut pools, found);
    let wanted: HashSet<PoolId> = pools.iter().map(|it| it.id.clone()).collect();
    read_rest(client, &wanted, &mut pools).await?;
    Ok(pools)
}

/// The entities of one kind, and the wanted `extra_specs` of their pools. The list is left out
/// where the pools that are there say already which entities the manifests mean.
async fn read_entities(
    client: &GarmClient,
    kind: EntityKind,
    (refs, wanted): (&BTreeSet<&EntityRef>, &HashSet<PoolId>),
    pools: &mut [Pool],
) -> Result<Vec<Entity>, GarmError> {
    let keys: BTreeSet<EntityKey> = pools
        .iter()
        .filter(|it| it.entity.kind == kind && wanted.contains(&it.id))
        .map(|it| it.entity.clone())
        .collect();
    let need_list = refs.is_empty() || !refs.iter().all(|it| stands_for(it, &keys, pools));
    let mut entities = if need_list { client.entities(kind).await? } else { Vec::new() };
    let mut found = SpecsByPool::new();
    let mut answers = stream::iter(&keys).map(|it| client.entity(it)).buffered(AT_ONCE);
    while let Some(answer) = answers.next().await {
        let Some((entity, specs)) = if_there(answer)? else { continue };
        found.extend(specs);
        if !need_list {
            entities.push(entity);
        }
    }
    fill(pools, found);
    Ok(entities)
}

/// Whether of the entities that have pools exactly one is what a manifest names, and is in `keys`.
/// Should a second one of that name stand at another endpoint without a pool, the fleet's own
/// pools have decided between them.
fn stands_for(named: &EntityRef, keys: &BTreeSet<EntityKey>, pools: &[Pool]) -> bool {
    let found: BTreeSet<&EntityKey> = pools
        .iter()
        .filter(|it| {
            it.entity.kind == named.kind
                && it.entity_name.eq_ignore_ascii_case(&named.name)
                && named.endpoint.as_ref().is_none_or(|at| *at == it.endpoint)
        })
        .map(|it| &it.entity)
        .collect();
    found.len() == 1 && found.iter().all(|it| keys.contains(*it))
}

/// Wanted pools that no entity told of, one by one: they stand in an entity of a kind that was not
/// asked for, or this GARM tells less.
async fn read_rest(
    client: &GarmClient,
    wanted: &HashSet<PoolId>,
    pools: &mut [Pool],
) -> Result<(), GarmError> {
    let rest: Vec<_> = pools
        .iter()
        .filter(|it| it.detail == PoolDetail::Listed && wanted.contains(&it.id))
        .map(|it| it.id.clone())
        .collect();
    let answers: Vec<_> = stream::iter(&rest)
        .map(|it| async move { if_there(client.pool(it).await) })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let found = answers.into_iter().flatten().map(|(pool, _)| (pool.id, pool.spec.extra_specs));
    fill(pools, found.collect());
    Ok(())
}

/// Nothing where another one has deleted it meanwhile.
fn if_there<T>(answer: Result<T, GarmError>) -> Result<Option<T>, GarmError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Completes the pools of a list with what single answers told of them.
pub(super) fn fill(pools: &mut [Pool], found: SpecsByPool) {
    let mut found: HashMap<_, _> = found.into_iter().collect();
    for pool in pools.iter_mut().filter(|it| it.detail == PoolDetail::Listed) {
        if let Some(specs) = found.remove(&pool.id) {
            pool.complete(specs);
        }
    }
}
