//! A full read for the scaling loop, which leaves out what the loop already knows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::pin;
use std::time::Duration;

use futures_util::stream::StreamExt;
use jiff::Timestamp;
use tokio::time::Instant;

use super::read_instances_and_jobs;
use super::specs::{fill, read_entities_by_id};
use crate::domain::credential::RateLimit;
use crate::domain::entity::{Entity, EntityKey, EntityKind};
use crate::domain::fleet::{Controller, Fleet};
use crate::domain::name::{FleetName, PoolId};
use crate::domain::pool::{Pool, PoolDetail, SpecsVersion};
use crate::garm::{GarmClient, GarmError};

/// The largest number of entities read by id in one full read, for the `extra_specs` of their
/// pools. They are read at the start and after changes without an event; an idle fleet needs none.
const ASKED_MAX: usize = 64;

/// The result of one full read.
pub(in crate::reconcile) struct FullRead {
    /// The fleet; GARM's settings and entities may be those of an earlier read.
    pub(in crate::reconcile) fleet: Fleet,
    /// Whether settings and entities were read this time.
    pub(in crate::reconcile) scope: ReadScope,
    /// GitHub's rate limits; empty if they were not read this time.
    pub(in crate::reconcile) limits: BTreeMap<String, RateLimit>,
    /// The time on GARM's clock, if the answer with the pools contained it.
    pub(in crate::reconcile) date: Option<Timestamp>,
    /// When the pools were requested and received.
    pub(in crate::reconcile) span: RequestSpan,
    /// The duration of the whole read.
    pub(in crate::reconcile) took: Duration,
}

/// What a full read covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reconcile) enum ReadScope {
    /// Pools, scale sets, instances and jobs: four requests, or three where GARM has no scale sets.
    Lists,
    /// In addition, GARM's settings, the entities of our pools, and those `extra_specs` of our
    /// pools that are not known yet.
    Health,
}

/// What is known already and need not be read again.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::reconcile) enum KnownState {
    /// GARM's settings and entities, for [`ReadScope::Lists`].
    Health(Health),
    /// The version of each pool whose `extra_specs` are known, for [`ReadScope::Health`].
    Specs(HashMap<PoolId, SpecsVersion>, RateLimitRead),
}

/// Whether GitHub's rate limits are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reconcile) enum RateLimitRead {
    /// GARM creates no runners somewhere, and the limits may explain it.
    Wanted,
    /// No pool needs the explanation.
    Unwanted,
}

/// The state of GARM itself as it was last read.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::reconcile) struct Health {
    pub(in crate::reconcile) controller: Controller,
    pub(in crate::reconcile) entities: Vec<Entity>,
    pub(in crate::reconcile) kinds: Vec<EntityKind>,
    /// GitHub's rate limit for each of GARM's credentials, by name, where it was read.
    pub(in crate::reconcile) limits: BTreeMap<String, RateLimit>,
}

/// When a request was sent and when it was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reconcile) struct RequestSpan {
    pub(in crate::reconcile) sent: Instant,
    pub(in crate::reconcile) answered: Instant,
}

/// Reads pools, instances and jobs and, before or after them, what is not known yet.
pub(in crate::reconcile) async fn full_read(
    client: &GarmClient,
    owner: &FleetName,
    known: KnownState,
) -> Result<FullRead, GarmError> {
    let began = Instant::now();
    let controller = match &known {
        KnownState::Health(health) => health.controller.clone(),
        KnownState::Specs(..) => client.controller().await?.0,
    };
    let sent = Instant::now();
    let (mut pools, date) = client.pools_of_all_kinds().await?;
    let span = RequestSpan { sent, answered: Instant::now() };
    if let KnownState::Specs(known, _) = &known {
        read_specs(client, lacking(&pools, owner, known), &mut pools).await;
    }
    let (runners, jobs) = read_instances_and_jobs(client).await?;
    let mut limits = BTreeMap::new();
    let (scope, entities, entity_kinds) = match known {
        KnownState::Health(health) => (ReadScope::Lists, health.entities, health.kinds),
        KnownState::Specs(_, wanted) => {
            let (entities, kinds) = entities(client, owner, &pools).await?;
            if wanted == RateLimitRead::Wanted {
                // They only explain problems, so a read without them is complete.
                limits = client.rate_limits().await.unwrap_or_default();
            }
            (ReadScope::Health, entities, kinds)
        }
    };
    let fleet = Fleet {
        providers: None,
        credentials: None,
        observed_at: Timestamp::UNIX_EPOCH,
        controller,
        entities,
        entity_kinds,
        pools,
        runners,
        jobs,
        templates: Vec::new(),
        proxies: Vec::new(),
    };
    Ok(FullRead { fleet, scope, limits, date, span, took: began.elapsed() })
}

/// Reads the entities of every kind that has a pool of this fleet.
async fn entities(
    client: &GarmClient,
    owner: &FleetName,
    pools: &[Pool],
) -> Result<(Vec<Entity>, Vec<EntityKind>), GarmError> {
    let is_used = |kind: &EntityKind| {
        pools.iter().any(|pool| pool.entity.kind == *kind && pool.is_owned_by(owner))
    };
    let kinds: Vec<EntityKind> = EntityKind::ALL.into_iter().filter(is_used).collect();
    let mut entities = Vec::new();
    for kind in &kinds {
        entities.extend(client.entities(*kind).await?);
    }
    Ok((entities, kinds))
}

/// The entities with a pool of this fleet whose `extra_specs` are not known, at most [`ASKED_MAX`].
/// The others follow in later reads.
fn lacking(
    pools: &[Pool],
    owner: &FleetName,
    known: &HashMap<PoolId, SpecsVersion>,
) -> Vec<EntityKey> {
    let lacks = |pool: &&Pool| {
        pool.detail == PoolDetail::Listed
            && pool.is_owned_by(owner)
            && known.get(&pool.id) != Some(&pool.specs_version())
    };
    let entities: BTreeSet<&EntityKey> =
        pools.iter().filter(lacks).map(|pool| &pool.entity).collect();
    entities.into_iter().take(ASKED_MAX).cloned().collect()
}

/// Completes the pools of these entities. A failed read is ignored: scaling does not need the
/// `extra_specs`, unknown ones are not checked, and the next read of this scope tries again.
async fn read_specs(client: &GarmClient, entities: Vec<EntityKey>, pools: &mut [Pool]) {
    let mut answers = pin!(read_entities_by_id(client, entities));
    while let Some(answer) = answers.next().await {
        if let Ok(Some((_, specs))) = answer {
            fill(pools, specs);
        }
    }
}
