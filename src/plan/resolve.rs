//! Compares a declared pool with the fleet: which pool it refers to, and what kind of step follows.

use std::collections::BTreeSet;

use super::adopt::Adoptions;
use super::blocker::Blocker;
use super::index::Index;
use super::systems;
use super::wanted_spec::Ids;
use crate::domain::desired::{Desired, DesiredPool};
use crate::domain::entity::{Entity, EntityKey, EntityRef};
use crate::domain::fleet::Fleet;
use crate::domain::name::{FleetName, PoolKind, PoolName};
use crate::domain::owners::{AdoptedSets, Claims, NameResolution, Owners, age};
use crate::domain::pool::Pool;
use crate::domain::text::code;

/// How a pool that is kept came to this fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PoolOrigin {
    /// It has the pool's label.
    Owned,
    /// Created by hand: it has no reserved label.
    ByHand,
    /// Owned by this fleet under a former name.
    Renamed,
    /// Retired by a replace, but the file is again as it was.
    Retired,
    /// Created by a replace whose old pool is gone.
    Replacement,
}

/// What a declared pool requires.
#[derive(Debug)]
pub(super) enum Resolution<'a> {
    /// No pool in GARM has its label.
    Create { entity: EntityKey },
    /// It exists, with the right provider, entity and kind.
    Keep { pool: &'a Pool, origin: PoolOrigin },
    /// It exists, with another provider or entity.
    Replace(Replacing<'a>),
    /// It cannot or must not be changed.
    Blocked(Blocker<'a>),
}

/// The replacement of a pool whose provider or entity is to change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replacing<'a> {
    pub(super) old: &'a Pool,
    /// The entity of its successor.
    pub(super) entity: &'a Entity,
    /// The new pool if it already exists: created by an interrupted replace, or retired by an
    /// earlier one.
    pub(super) successor: Option<&'a Pool>,
    pub(super) begun: ReplaceProgress,
}

/// How far an earlier run of the replace has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReplaceProgress {
    /// The old pool is in force.
    NotStarted,
    /// The old pool is retired and its replacement is ready: exactly this was consented to.
    ReplacementReady,
    /// The old pool is retired, but its replacement does not exist or is not declared any more.
    SuccessorMissing,
}

/// A declared pool and what it requires.
#[derive(Debug)]
pub(super) struct ResolvedPool<'a> {
    pub(super) desired: &'a DesiredPool,
    pub(super) ids: Ids,
    /// Pools left over from a create or a replace that are not needed.
    pub(super) leftovers: Vec<&'a Pool>,
    pub(super) case: Resolution<'a>,
}

impl ResolvedPool<'_> {
    /// Whether the step for this pool decides what becomes of a retired pool: it is kept, or
    /// deleted by a replace.
    pub(super) fn uses(&self, retired: &Pool) -> bool {
        match &self.case {
            Resolution::Keep { pool, .. } => pool.id == retired.id,
            Resolution::Replace(replacement) => {
                replacement.old.id == retired.id
                    || replacement.successor.is_some_and(|successor| successor.id == retired.id)
            }
            Resolution::Create { .. } | Resolution::Blocked(_) => false,
        }
    }
}

/// The data for resolving declared pools.
pub(super) struct Resolver<'a> {
    pub(super) desired: &'a Desired,
    pub(super) index: Index<'a>,
    pub(super) owners: Owners<'a>,
    pub(super) adoptions: Adoptions<'a>,
    pub(super) declared: BTreeSet<&'a PoolName>,
}

/// Whether a create of this fleet is in flight: there are unused pools beside one with the same
/// label. The caller reads again for 10 s before it trusts a plan made from such a fleet.
pub fn has_create_in_flight(fleet: &Fleet, name: &FleetName) -> bool {
    let owners = Owners::new(&fleet.pools, name);
    let runners = |id: &_| fleet.runners_of(id).count();
    let mut holders = owners.named.values().map(|claims| claims.holder(runners));
    holders.any(
        |holder| matches!(holder, NameResolution::Pool { leftovers, .. } if !leftovers.is_empty()),
    )
}

impl<'a> Resolver<'a> {
    pub(super) fn new(desired: &'a Desired, fleet: &'a Fleet) -> Self {
        let index = Index::new(fleet);
        let sets = AdoptedSets::of(desired.pools.iter().map(|pool| &pool.settings));
        let owners = Owners::with_adopted(&fleet.pools, &desired.fleet, &sets);
        let adoptions = Adoptions::new(desired, &owners, &index);
        let declared = desired.pools.iter().map(|pool| &pool.name).collect();
        Self { desired, index, owners, adoptions, declared }
    }

    pub(super) fn resolve(&self, pool: &'a DesiredPool) -> ResolvedPool<'a> {
        self.try_resolve(pool).unwrap_or_else(|blocker| ResolvedPool {
            desired: pool,
            ids: Ids::default(),
            leftovers: Vec::new(),
            case: Resolution::Blocked(blocker),
        })
    }

    fn try_resolve(&self, pool: &'a DesiredPool) -> Result<ResolvedPool<'a>, Blocker<'a>> {
        let found = self.find(&pool.name)?;
        let at_live = |blocker: Blocker<'a>| match found.live {
            Some(live) => blocker.at(live.pool),
            None => blocker,
        };
        let entity = self.entity(&pool.entity).map_err(at_live)?;
        let ids = self.ids(pool, &entity.forge).map_err(at_live)?;
        let case = found.case(pool, entity)?;
        let live = found.live.map(|live| live.pool);
        systems::check(pool, live).map_err(at_live)?;
        let creates = matches!(
            case,
            Resolution::Create { .. } | Resolution::Replace(Replacing { successor: None, .. })
        );
        if creates {
            self.provider(&pool.provider).map_err(at_live)?;
            let old = match &case {
                Resolution::Replace(replacing) => Some(replacing.old),
                Resolution::Create { .. } | Resolution::Keep { .. } | Resolution::Blocked(_) => {
                    None
                }
            };
            self.set_name_is_free(pool, entity, old).map_err(at_live)?;
        }
        let mut resolved = ResolvedPool { desired: pool, ids, leftovers: Vec::new(), case };
        let left = found.leftovers.into_iter().chain(found.claims.replacements);
        resolved.leftovers = left.filter(|pool| !resolved.uses(pool)).collect();
        Ok(resolved)
    }

    /// The pools that a name refers to.
    fn find(&self, name: &PoolName) -> Result<Candidates<'a>, Blocker<'a>> {
        let claims = self.owners.of(name).cloned().unwrap_or_default();
        if let Some(adopted) = self.adoptions.of(name, &self.desired.fleet, &self.declared)? {
            let origin = if adopted.renamed { PoolOrigin::Renamed } else { PoolOrigin::ByHand };
            let live = Some(LivePool { pool: adopted.pool, origin });
            return Ok(Candidates { live, leftovers: Vec::new(), claims });
        }
        let (live, leftovers) = in_force(&claims, &self.index)?;
        let live = live.map(|pool| LivePool { pool, origin: PoolOrigin::Owned });
        Ok(Candidates { live, leftovers, claims })
    }

    /// Checks that GARM has a provider. If providers were not requested, some pool uses it.
    fn provider(&self, wanted: &str) -> Result<(), Blocker<'a>> {
        let fleet = self.index.fleet();
        let Some(known) = &fleet.providers else { return Ok(()) };
        if known.iter().any(|provider| provider == wanted) {
            return Ok(());
        }
        let known: Vec<String> = known.iter().map(code).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Err(Blocker::new(format!("GARM has no provider {}", code(wanted)))
            .help(format!("correct `provider`; the providers in GARM are: {known}")))
    }

    fn entity(&self, wanted: &EntityRef) -> Result<&'a Entity, Blocker<'a>> {
        let name = code(&wanted.name);
        let kind = wanted.kind.word();
        match self.index.entities(wanted).as_slice() {
            [entity] => Ok(*entity),
            [] => {
                let at = wanted
                    .endpoint
                    .as_ref()
                    .map(|endpoint| format!(" at endpoint {}", code(endpoint)));
                let reason = format!("GARM has no {kind} {name}{}", at.unwrap_or_default());
                Err(Blocker::new(reason).help(format!(
                    "add it to GARM with `garm-cli {kind} add`, or correct `{kind}`"
                )))
            }
            several => {
                let endpoints: Vec<String> =
                    several.iter().map(|entity| code(&entity.endpoint)).collect();
                let reason = format!(
                    "GARM has {kind} {name} at several endpoints: {}",
                    endpoints.join(", ")
                );
                Err(Blocker::new(reason).help("choose one with `endpoint`"))
            }
        }
    }

    fn ids(&self, pool: &DesiredPool, forge: &str) -> Result<Ids, Blocker<'a>> {
        Ok(Ids {
            template: systems::declared_template(&self.index, pool, forge)?,
            proxy: self.proxy(pool)?,
        })
    }

    fn proxy(&self, pool: &DesiredPool) -> Result<Option<u64>, Blocker<'a>> {
        let Some(name) = pool.proxy.as_ref().filter(|proxy| !proxy.is_empty()) else {
            return Ok(None);
        };
        match self.index.proxy(name) {
            Some(proxy) => Ok(Some(proxy.id)),
            None => Err(Blocker::new(format!("GARM has no proxy {}", code(name)))
                .help("`garm-cli proxy list` shows the proxies; versions up to v0.2.1 have none")),
        }
    }
}

/// The pool in force, if there is one, and the unused pools beside it.
pub(super) fn in_force<'a>(
    claims: &Claims<'a>,
    index: &Index<'a>,
) -> Result<(Option<&'a Pool>, Vec<&'a Pool>), Blocker<'a>> {
    match claims.holder(|id| index.counts(id).live) {
        NameResolution::NoPool => Ok((None, Vec::new())),
        NameResolution::Pool { pool, leftovers } => Ok((Some(pool), leftovers)),
        NameResolution::Conflicting(conflicting) => Err(Blocker::conflicting(conflicting)),
        NameResolution::SeveralInUse(pools) => Err(Blocker::twins(&pools)),
    }
}

#[derive(Clone, Copy)]
struct LivePool<'a> {
    pool: &'a Pool,
    origin: PoolOrigin,
}

struct Candidates<'a> {
    live: Option<LivePool<'a>>,
    leftovers: Vec<&'a Pool>,
    claims: Claims<'a>,
}

impl<'a> Candidates<'a> {
    /// | in force | retired | replacement | case |
    /// |---|---|---|---|
    /// | fits | any | any | keep |
    /// | does not fit | one fits | any | replace by the retired pool |
    /// | does not fit | none fits | one fits | replace by the replacement |
    /// | does not fit | none fits | none fits | replace by a new pool |
    /// | none | one fits | any | take the retired pool back |
    /// | none | some | one fits | go on with the replace |
    /// | none | some, none fits | none fits | replace the last one retired |
    /// | none | none | one fits | put the replacement in force |
    /// | none | none | none fits | create |
    fn case(&self, pool: &DesiredPool, entity: &'a Entity) -> Result<Resolution<'a>, Blocker<'a>> {
        let fits = |live: &&Pool| {
            live.entity == entity.key && live.spec.provider == pool.provider && is_same(pool, live)
        };
        let retired = last_written(self.claims.retired.iter().copied().filter(fits));
        // The scale set that replaces a pool bears the label of the name from the start.
        let new_set =
            |left: &&Pool| left.kind() == PoolKind::ScaleSet && pool.kind == PoolKind::ScaleSet;
        let replacement = (self.claims.replacements.iter().copied().find(fits))
            .or_else(|| self.leftovers.iter().copied().filter(new_set).find(fits));
        let replace = |old, successor, begun| {
            Ok(Resolution::Replace(Replacing { old, entity, successor, begun }))
        };
        match self.live {
            Some(LivePool { pool: set, origin: PoolOrigin::Renamed })
                if set.kind() == PoolKind::ScaleSet =>
            {
                let reason = "GARM cannot change the label of a scale set, so it keeps its name";
                Err(Blocker::new(reason).at(set).help(
                    "declare both pools until the jobs of the old one have moved, then remove the old one",
                ))
            }
            // Its predecessor is a pool that is retired already, so this is the rest of a replace.
            Some(LivePool { pool: set, origin: PoolOrigin::Owned })
                if fits(&set) && set.kind() == PoolKind::ScaleSet && set.is_unfinished() =>
            {
                let old = self.claims.retired.iter().copied();
                match last_written(old.filter(|old| old.kind() == PoolKind::Pool)) {
                    Some(old) => replace(old, Some(set), ReplaceProgress::ReplacementReady),
                    None => Ok(Resolution::Keep { pool: set, origin: PoolOrigin::Owned }),
                }
            }
            Some(LivePool { pool, origin }) if fits(&pool) => Ok(Resolution::Keep { pool, origin }),
            Some(LivePool { pool: old, origin: PoolOrigin::Owned }) => {
                replace(old, retired.or(replacement), ReplaceProgress::NotStarted)
            }
            Some(LivePool { pool: live, .. }) => {
                let other_provider = live.spec.provider != pool.provider;
                let what = match (other_provider, live.kind() == pool.kind) {
                    (true, _) => "provider",
                    (false, false) => "kind",
                    (false, true) => pool.entity.kind.word(),
                };
                Err(Blocker::new(format!(
                    "`adopt` refers to a pool with another `{what}`, which GARM cannot change"
                ))
                .at(live)
                .help("first adopt it as it is, then change this field to replace it"))
            }
            None => match (retired, last_written(self.claims.retired.iter().copied())) {
                (Some(pool), _) => Ok(Resolution::Keep { pool, origin: PoolOrigin::Retired }),
                (None, Some(old)) if replacement.is_some() => {
                    replace(old, replacement, ReplaceProgress::ReplacementReady)
                }
                (None, Some(old)) => replace(old, None, ReplaceProgress::SuccessorMissing),
                (None, None) => Ok(match replacement {
                    Some(pool) => Resolution::Keep { pool, origin: PoolOrigin::Replacement },
                    None => Resolution::Create { entity: entity.key.clone() },
                }),
            },
        }
    }
}

/// Whether the pool is of the declared kind and, if it is a scale set, has what no write changes.
fn is_same(declared: &DesiredPool, live: &Pool) -> bool {
    live.kind() == declared.kind
        && match declared.requested_as() {
            None => true,
            Some(name) => {
                live.spec.scale_set_name.as_deref() == Some(name)
                    && live.spec.labels.without_marks() == declared.labels.without_marks()
            }
        }
}

/// The pool that was retired last.
fn last_written<'a>(retired: impl Iterator<Item = &'a Pool>) -> Option<&'a Pool> {
    retired.max_by_key(|pool| (pool.updated_at, age(pool)))
}
