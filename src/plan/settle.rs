//! One declared pool against the fleet: which pool it means, and what kind of step that makes.

use std::collections::BTreeSet;

use super::adopt::{Adopted, Adoptions};
use super::index::Index;
use super::obstacle::Obstacle;
use super::owners::{self, Claims, Owners, age};
use crate::domain::desired::{Desired, DesiredPool};
use crate::domain::entity::{Entity, EntityKey, EntityRef};
use crate::domain::fleet::Fleet;
use crate::domain::name::PoolName;
use crate::domain::pool::Pool;
use crate::domain::text::code;

/// How a pool that stays has become ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It bears the name.
    Owned,
    /// Made by hand.
    ByHand,
    /// Ours under an old name.
    Renamed,
}

/// What a declared pool comes to.
#[derive(Debug)]
pub(super) enum Case<'a> {
    /// Not there. A predecessor is one that a replace has retired already.
    Create { entity: EntityKey, predecessor: Option<&'a Pool> },
    /// There, with the right provider and entity.
    Keep { pool: &'a Pool, origin: Origin },
    /// There, with another provider or entity.
    Replace { pool: &'a Pool, entity: &'a Entity },
    /// Must not or cannot be.
    Blocked(Obstacle<'a>),
}

/// A declared pool, settled.
#[derive(Debug)]
pub(super) struct Settled<'a> {
    pub(super) desired: &'a DesiredPool,
    pub(super) template_id: Option<u64>,
    /// Later twins, each a create in flight.
    pub(super) twins: Vec<&'a Pool>,
    pub(super) case: Case<'a>,
}

/// Everything that is looked up while pools are settled.
pub(super) struct Picture<'a> {
    pub(super) desired: &'a Desired,
    pub(super) index: Index<'a>,
    pub(super) owners: Owners<'a>,
    pub(super) adoptions: Adoptions<'a>,
    pub(super) declared: BTreeSet<&'a PoolName>,
}

impl<'a> Picture<'a> {
    /// Reads both sides once.
    pub(super) fn new(desired: &'a Desired, fleet: &'a Fleet) -> Self {
        let index = Index::new(fleet);
        let owners = Owners::new(fleet, &desired.fleet);
        let adoptions = Adoptions::new(desired, &owners, &index);
        let declared = desired.pools.iter().map(|it| &it.name).collect();
        Self { desired, index, owners, adoptions, declared }
    }

    /// What `pool` comes to.
    pub(super) fn settle(&self, pool: &'a DesiredPool) -> Settled<'a> {
        let blocked = |obstacle| Settled {
            desired: pool,
            template_id: None,
            twins: Vec::new(),
            case: Case::Blocked(obstacle),
        };
        let found = match self.find(&pool.name) {
            Ok(found) => found,
            Err(obstacle) => return blocked(obstacle),
        };
        let live = found.live.map(|it| it.pool);
        let at_live = |obstacle: Obstacle<'a>| match live {
            Some(live) => obstacle.at(live),
            None => obstacle,
        };
        let entity = match self.entity(&pool.entity) {
            Ok(entity) => entity,
            Err(obstacle) => return blocked(at_live(obstacle)),
        };
        let template_id = match self.template(pool) {
            Ok(id) => id,
            Err(obstacle) => return blocked(at_live(obstacle)),
        };
        let case = found.case(pool, entity);
        Settled { desired: pool, template_id, twins: found.twins, case }
    }

    /// The pool that a name means today.
    fn find(&self, name: &PoolName) -> Result<Found<'a>, Obstacle<'a>> {
        let Some(claims) = self.owners.of(name) else {
            let adopted = self.adoptions.of(name, &self.desired.fleet, &self.declared)?;
            let origin =
                |it: &Adopted<'_>| if it.renamed { Origin::Renamed } else { Origin::ByHand };
            let live = adopted.map(|it| Live { pool: it.pool, origin: origin(&it) });
            return Ok(Found { live, predecessor: None, twins: Vec::new() });
        };
        let (live, twins) = in_force(claims, &self.index)?;
        Ok(Found {
            live: live.map(|pool| Live { pool, origin: Origin::Owned }),
            // The one whose retirement is the last thing that was written.
            predecessor: claims.retired.iter().copied().max_by_key(|it| (it.updated_at, age(it))),
            twins,
        })
    }

    fn entity(&self, wanted: &EntityRef) -> Result<&'a Entity, Obstacle<'a>> {
        let name = code(&wanted.name);
        let kind = wanted.kind.word();
        match self.index.entities(wanted).as_slice() {
            [entity] => Ok(*entity),
            [] => {
                let at = wanted.endpoint.as_ref().map(|it| format!(" at endpoint {}", code(it)));
                let reason = format!("GARM does not know {kind} {name}{}", at.unwrap_or_default());
                Err(Obstacle::new(reason).help(format!(
                    "add it to GARM with `garm-cli {kind} add`, or correct `{kind}`"
                )))
            }
            several => {
                let endpoints: Vec<String> = several.iter().map(|it| code(&it.endpoint)).collect();
                let reason = format!(
                    "{kind} {name} is known to GARM at several endpoints: {}",
                    endpoints.join(", ")
                );
                Err(Obstacle::new(reason).help("say which one with `endpoint`"))
            }
        }
    }

    fn template(&self, pool: &DesiredPool) -> Result<Option<u64>, Obstacle<'a>> {
        let Some(name) = &pool.template else { return Ok(None) };
        match self.index.template(name) {
            Some(id) => Ok(Some(id)),
            None => Err(Obstacle::new(format!("GARM does not know the template {}", code(name)))
                .help("`garm-cli template list` names those it knows")),
        }
    }
}

/// The one pool in force, if there is one, and the later twins that are a create in flight.
pub(super) fn in_force<'a>(
    claims: &Claims<'a>,
    index: &Index<'a>,
) -> Result<(Option<&'a Pool>, Vec<&'a Pool>), Obstacle<'a>> {
    if let Some(torn) = claims.torn.first() {
        return Err(Obstacle::torn(torn));
    }
    match claims.owned.as_slice() {
        [] => Ok((None, Vec::new())),
        [only] => Ok((Some(only), Vec::new())),
        [oldest, later @ ..] if owners::are_in_flight(&claims.owned, index) => {
            Ok((Some(oldest), later.to_vec()))
        }
        several => Err(Obstacle::twins(several)),
    }
}

#[derive(Clone, Copy)]
struct Live<'a> {
    pool: &'a Pool,
    origin: Origin,
}

struct Found<'a> {
    live: Option<Live<'a>>,
    predecessor: Option<&'a Pool>,
    twins: Vec<&'a Pool>,
}

impl<'a> Found<'a> {
    fn case(&self, pool: &DesiredPool, entity: &'a Entity) -> Case<'a> {
        let Some(live) = self.live else {
            return Case::Create { entity: entity.key.clone(), predecessor: self.predecessor };
        };
        let other_entity = live.pool.entity != entity.key;
        let other_provider = live.pool.spec.provider != pool.provider;
        match (other_entity || other_provider, live.origin) {
            (false, origin) => Case::Keep { pool: live.pool, origin },
            (true, Origin::Owned) => Case::Replace { pool: live.pool, entity },
            (true, Origin::ByHand | Origin::Renamed) => {
                let what = if other_provider { "provider" } else { pool.entity.kind.word() };
                Case::Blocked(
                    Obstacle::new(format!(
                        "`adopt` names a pool with another `{what}`, which GARM cannot change"
                    ))
                    .at(live.pool)
                    .help("adopt it as it is first; a later change of this field then replaces it"),
                )
            }
        }
    }
}
