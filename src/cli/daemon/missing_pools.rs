//! The numbers of declared pools that the loop does not steer, because GARM has none of their label
//! or not one alone: without series of their own their alerts could only end.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::drift::DriftDetector;
use super::gauges::PoolQueue;
use crate::domain::desired::DesiredPool;
use crate::domain::entity::{EntityKey, EntityKind};
use crate::domain::job::{Job, JobStatus};
use crate::domain::label::Labels;
use crate::domain::name::{PoolId, PoolName};
use crate::domain::owners::Owners;
use crate::domain::pool::Pool;
use crate::metrics::PoolGauges;
use crate::reconcile::watch::LoopSnapshot;
use crate::scaling::{EntityIndex, EvaluationClock, RunnerStateCounts};

/// The numbers of each. Jobs of a pool that is not there are those that no enabled pool of GARM
/// serves, and that this one would.
pub(super) fn unsteered(
    sight: &LoopSnapshot<'_>,
    queues: &BTreeMap<&PoolId, PoolQueue>,
    drifts: &DriftDetector,
) -> Vec<(PoolName, PoolGauges)> {
    if sight.unmanaged.is_empty() {
        return Vec::new();
    }
    let orphans = orphans(sight);
    drifts.with(|fleet, desired| {
        let owners = Owners::new(sight.fleet_index.pools().values(), fleet);
        let names = sight.unmanaged.keys();
        let gauges = |name: &PoolName| {
            let desired = desired.get(name)?;
            let claims = owners.of(name).into_iter();
            let claims = claims.flat_map(|it| it.owned.iter().chain(&it.conflicting)).copied();
            let seen = ClaimedPools { claims: claims.collect(), queues, orphans: &orphans };
            Some((name.clone(), gauges(sight, desired, &seen)))
        };
        names.filter_map(gauges).collect()
    })
}

/// What may be of one pool.
struct ClaimedPools<'a> {
    /// The pools that bear its label.
    claims: Vec<&'a Pool>,
    /// The jobs that wait for each pool of GARM.
    queues: &'a BTreeMap<&'a PoolId, PoolQueue>,
    /// The jobs that no pool of GARM serves.
    orphans: &'a [&'a Job],
}

fn gauges(sight: &LoopSnapshot<'_>, desired: &DesiredPool, seen: &ClaimedPools<'_>) -> PoolGauges {
    let scale = &desired.scale;
    let mut all = PoolGauges {
        min_runners: scale.min_runners,
        max_runners: scale.max_runners,
        has_drift: Some(true),
        ..PoolGauges::default()
    };
    let mut oldest: Option<Timestamp> = None;
    for claim in &seen.claims {
        let stock =
            sight.fleet_index.entities().get(&claim.entity).and_then(|it| it.pool(&claim.id));
        let Some(stock) = stock else { continue };
        let (counts, queue) =
            (stock.counts(), seen.queues.get(&claim.id).copied().unwrap_or_default());
        all.active += counts.active;
        all.idle += counts.idle;
        all.runners = sum(all.runners, stock.states(sight.now));
        all.queue_depth += queue.depth;
        all.unserved_jobs += queue.depth.saturating_sub(counts.supply());
        oldest = oldest.into_iter().chain(queue.oldest()).min();
    }
    let is_ours = |it: &&&Job| is_for(it, desired) && desired.labels.covers(&it.labels);
    if seen.claims.is_empty() {
        let jobs = || seen.orphans.iter().filter(is_ours);
        all.queue_depth = u32::try_from(jobs().count()).unwrap_or(u32::MAX);
        all.unserved_jobs = all.queue_depth;
        oldest = jobs().map(|it| it.created_at).min();
    }
    all.oldest_wait = oldest.map(|it| EvaluationClock::new(sight.now).age(it)).unwrap_or_default();
    all.is_below_min = desired.may_be_enabled() && all.active + all.idle < scale.min_runners;
    all
}

fn sum(a: RunnerStateCounts, b: RunnerStateCounts) -> RunnerStateCounts {
    RunnerStateCounts {
        pending: a.pending + b.pending,
        creating: a.creating + b.creating,
        installing: a.installing + b.installing,
        idle: a.idle + b.idle,
        suspect: a.suspect + b.suspect,
        active: a.active + b.active,
        failed: a.failed + b.failed,
        deleting: a.deleting + b.deleting,
    }
}

/// The queued jobs that no enabled pool of GARM fits.
fn orphans<'a>(sight: &LoopSnapshot<'a>) -> Vec<&'a Job> {
    let mut known: HashMap<(&EntityKey, &Labels), bool> = HashMap::new();
    let mut is_served = |entity: &'a EntityKey, labels: &'a Labels| {
        *known.entry((entity, labels)).or_insert_with(|| {
            let site: Option<&EntityIndex> = sight.fleet_index.entities().get(entity);
            site.is_some_and(|it| it.serves(labels))
        })
    };
    let queued = sight.fleet_index.jobs().filter(|it| it.status == JobStatus::Queued);
    let orphans =
        queued.filter(|it| it.entities.iter().all(|entity| !is_served(entity, &it.labels)));
    orphans.collect()
}

/// Whether the job is one of the pool's entity, as far as its row tells: the entity of a pool that
/// is not there may be one that nobody has read.
fn is_for(job: &Job, desired: &DesiredPool) -> bool {
    let wanted = &desired.entity;
    let is_of_kind = job.entities.iter().any(|it| it.kind == wanted.kind);
    let owner = job.repository.split('/').next().unwrap_or_default();
    is_of_kind
        && match wanted.kind {
            EntityKind::Organization => owner.eq_ignore_ascii_case(&wanted.name),
            EntityKind::Repository => job.repository.eq_ignore_ascii_case(&wanted.name),
            EntityKind::Enterprise => true,
        }
}
