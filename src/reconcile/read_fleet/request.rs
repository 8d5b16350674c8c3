//! What a read of the fleet includes.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::domain::entity::{EntityKind, EntityRef};
use crate::domain::name::{FleetName, PoolId, PoolName};
use crate::domain::pool::{Pool, PoolDetail};

/// What to read besides pools, instances and jobs; by default, nothing. Each kind of entity costs
/// one request, and so do the templates, the providers, the proxies and the credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FleetRequest {
    /// The kinds of entities to read.
    pub kinds: Vec<EntityKind>,
    /// When to read the install templates.
    pub templates: TemplatesRequest,
    /// Whether to read the providers in any case. Otherwise they are read only if the files name
    /// one that no pool uses.
    pub providers: bool,
    /// Whether to read the proxies, because a file names one.
    pub proxies: bool,
    /// Whether to read GARM's credentials for GitHub, because the fleet file declares some.
    pub credentials: bool,
    /// The pools whose `extra_specs` to read, because GARM's lists omit them.
    pub specs: SpecsRequest,
}

/// When to read the install templates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TemplatesRequest {
    /// If a declared pool moves to another system, provider or entity, where its present template
    /// may not fit.
    #[default]
    IfMoved,
    /// In any case, because a file names one.
    Named,
    /// If this GARM has templates.
    IfSupported,
}

/// The pools whose `extra_specs` to read. An entity that is read by its id contains them for all
/// its pools (measured), so each entity with such a pool costs one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SpecsRequest {
    #[default]
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
    pub(super) fn wanted(&self, listed: &[Pool]) -> HashSet<PoolId> {
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
    pub(super) fn has_new_provider(&self, listed: &[Pool]) -> bool {
        let Self::Declared { pools, .. } = self else { return false };
        let known: HashSet<&str> = listed.iter().map(|pool| pool.spec.provider.as_str()).collect();
        pools
            .iter()
            .filter_map(|pool| pool.provider.as_deref())
            .any(|provider| !known.contains(provider))
    }

    /// Whether a declared pool moves away from what its install template was made for.
    pub(super) fn moves(&self, listed: &[Pool]) -> bool {
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
    pub(super) fn refs(&self, kind: EntityKind) -> BTreeSet<&EntityRef> {
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
