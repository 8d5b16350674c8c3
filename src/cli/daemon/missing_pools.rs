//! The gauges of declared pools that the loop does not scale, because GARM has no pool or several
//! pools with their mark. Without these series their alerts could never fire.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::drift::DriftDetector;
use super::pool_queue::PoolQueue;
use crate::domain::desired::DesiredPool;
use crate::domain::entity::{EntityKey, EntityKind};
use crate::domain::job::{Job, JobStatus};
use crate::domain::label::Labels;
use crate::domain::name::{PoolId, PoolName};
use crate::domain::owners::{AdoptedSets, Owners};
use crate::domain::pool::Pool;
use crate::metrics::PoolGauges;
use crate::reconcile::watch::LoopSnapshot;
use crate::scaling::{EntityIndex, EvaluationClock};

/// The gauges of each such pool. The queue of a pool that GARM does not have consists of the jobs
/// that no enabled pool serves and this one would.
pub(super) fn unsteered(
    snapshot: &LoopSnapshot<'_>,
    queues: &BTreeMap<&PoolId, PoolQueue>,
    drifts: &DriftDetector,
) -> Vec<(PoolName, PoolGauges)> {
    if snapshot.unmanaged.is_empty() {
        return Vec::new();
    }
    let orphans = orphans(snapshot);
    drifts.with(|fleet, desired| {
        let sets = AdoptedSets::of(desired.values().map(|pool| &pool.settings));
        let owners = Owners::with_adopted(snapshot.fleet_index.pools().values(), fleet, &sets);
        let names = snapshot.unmanaged.keys();
        let gauges = |name: &PoolName| {
            let desired = desired.get(name)?;
            let claims = owners.of(name).into_iter();
            let claims =
                claims.flat_map(|owner| owner.owned.iter().chain(&owner.conflicting)).copied();
            let seen = ClaimedPools { claims: claims.collect(), queues, orphans: &orphans };
            Some((name.clone(), gauges(snapshot, desired, &seen)))
        };
        names.filter_map(gauges).collect()
    })
}

/// The pools and jobs that the gauges of one declared pool are computed from.
struct ClaimedPools<'a> {
    /// The pools in GARM with its mark.
    claims: Vec<&'a Pool>,
    /// The queue of each pool in GARM.
    queues: &'a BTreeMap<&'a PoolId, PoolQueue>,
    /// The queued jobs that no enabled pool in GARM serves.
    orphans: &'a [&'a Job],
}

fn gauges(
    snapshot: &LoopSnapshot<'_>,
    desired: &DesiredPool,
    seen: &ClaimedPools<'_>,
) -> PoolGauges {
    let scale = &desired.scale;
    let mut all = PoolGauges {
        min_runners: scale.min_runners,
        max_runners: scale.max_runners,
        has_drift: Some(true),
        ..PoolGauges::default()
    };
    let mut oldest: Option<Timestamp> = None;
    for claim in &seen.claims {
        let pool_index = snapshot
            .fleet_index
            .entities()
            .get(&claim.entity)
            .and_then(|entity| entity.pool(&claim.id));
        let Some(pool_index) = pool_index else { continue };
        let (counts, queue) =
            (pool_index.counts(), seen.queues.get(&claim.id).copied().unwrap_or_default());
        all.active += counts.active;
        all.idle += counts.idle;
        all.runners = all.runners.plus(pool_index.states(snapshot.now));
        all.queue_depth += queue.depth;
        all.unserved_jobs += queue.depth.saturating_sub(counts.supply());
        oldest = oldest.into_iter().chain(queue.oldest()).min();
    }
    let is_ours = |job: &&&Job| is_for(job, desired) && desired.labels.covers(&job.labels);
    if seen.claims.is_empty() {
        let jobs = || seen.orphans.iter().filter(is_ours);
        all.queue_depth = u32::try_from(jobs().count()).unwrap_or(u32::MAX);
        all.unserved_jobs = all.queue_depth;
        oldest = jobs().map(|job| job.created_at).min();
    }
    all.oldest_wait =
        oldest.map(|since| EvaluationClock::new(snapshot.now).age(since)).unwrap_or_default();
    all.is_below_min = desired.may_be_enabled() && all.active + all.idle < scale.min_runners;
    all
}

/// The queued jobs that no enabled pool in GARM serves.
fn orphans<'a>(snapshot: &LoopSnapshot<'a>) -> Vec<&'a Job> {
    let mut known: HashMap<(&EntityKey, &Labels), bool> = HashMap::new();
    let mut is_served = |entity: &'a EntityKey, labels: &'a Labels| {
        *known.entry((entity, labels)).or_insert_with(|| {
            let entity_index: Option<&EntityIndex> = snapshot.fleet_index.entities().get(entity);
            entity_index.is_some_and(|entity| entity.serves(labels))
        })
    };
    let queued = snapshot.fleet_index.jobs().filter(|job| job.status == JobStatus::Queued);
    let orphans =
        queued.filter(|job| job.entities.iter().all(|entity| !is_served(entity, &job.labels)));
    orphans.collect()
}

/// Whether the job belongs to the pool's entity, judged by its row alone: the entity of a pool that
/// GARM does not have may not have been read.
fn is_for(job: &Job, desired: &DesiredPool) -> bool {
    let wanted = &desired.entity;
    let is_of_kind = job.entities.iter().any(|entity| entity.kind == wanted.kind);
    let owner = job.repository.split('/').next().unwrap_or_default();
    is_of_kind
        && match wanted.kind {
            EntityKind::Organization => owner.eq_ignore_ascii_case(&wanted.name),
            EntityKind::Repository => job.repository.eq_ignore_ascii_case(&wanted.name),
            EntityKind::Enterprise => true,
        }
}
