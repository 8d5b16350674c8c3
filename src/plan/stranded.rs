//! Queued jobs that a step leaves without a matching pool.

use std::collections::{BTreeMap, HashMap};

use super::step::{Operation, Promotion, Step};
use crate::domain::entity::EntityKey;
use crate::domain::fleet::Fleet;
use crate::domain::job::{Job, JobStatus};
use crate::domain::label::Labels;
use crate::domain::name::{PoolId, PoolKind};
use crate::domain::pool::{Pool, PoolChange};
use crate::domain::text::{code, count, list_and_more};

/// How many kinds of jobs a message lists.
const KINDS_MAX: usize = 5;

/// Adds to each step that removes labels the queued jobs that then match no other pool.
pub(super) fn add_consequences(steps: &mut [Step], fleet: &Fleet) {
    let by_id: HashMap<&PoolId, &Pool> = fleet.pools.iter().map(|pool| (&pool.id, pool)).collect();
    let losers: Vec<(usize, &Pool)> = steps
        .iter()
        .enumerate()
        .filter_map(|(at, step)| Some((at, loser(step, &by_id)?)))
        .filter(|(_, pool)| pool.kind() == PoolKind::Pool)
        .collect();
    if losers.is_empty() {
        return;
    }
    let supply = supply(steps, fleet);
    let losing =
        LabelIndex::new(losers.iter().map(|(at, pool)| (&pool.entity, &pool.spec.labels, *at)));
    let mut stranded: BTreeMap<usize, Vec<&Job>> = BTreeMap::new();
    for ((entities, labels), jobs) in queued(fleet) {
        if entities.iter().any(|entity| supply.fitting((entity, labels)).next().is_some()) {
            continue;
        }
        for at in entities.iter().flat_map(|entity| losing.fitting((entity, labels))) {
            stranded.entry(at).or_default().extend(&jobs);
        }
    }
    drop(supply);
    for (at, mut jobs) in stranded {
        jobs.sort_by_key(|job| job.id);
        steps[at].consequences.push(sentence(&jobs));
    }
}

/// The pool that a step disables, deletes or takes labels from.
fn loser<'a>(step: &Step, by_id: &HashMap<&PoolId, &'a Pool>) -> Option<&'a Pool> {
    match &step.work {
        Operation::Retire { id, .. } | Operation::Replace { old: id, .. } => by_id.get(id).copied(),
        Operation::Change { id, change } => {
            let pool = *by_id.get(id)?;
            let keeps = |labels: &Labels| labels.covers(&pool.spec.labels);
            let loses_labels = change.labels.as_ref().is_some_and(|labels| !keeps(labels));
            (loses_labels || change.enabled == Some(false)).then_some(pool)
        }
        Operation::Rebuild { .. }
        | Operation::Nothing
        | Operation::Shown(_)
        | Operation::Controller { .. }
        | Operation::Credential { .. }
        | Operation::Create(_)
        | Operation::Promote(_)
        | Operation::RemoveLeftover { .. } => None,
    }
}

/// The enabled pools after the plan.
fn supply<'a>(steps: &'a [Step], fleet: &'a Fleet) -> LabelIndex<'a> {
    let mut touched: HashMap<&PoolId, Option<&PoolChange>> = HashMap::new();
    let mut new = Vec::new();
    for step in steps {
        match &step.work {
            Operation::Retire { id, .. } | Operation::RemoveLeftover { id } => {
                touched.insert(id, None);
            }
            Operation::Replace { old, new: creation, successor, .. } => {
                touched.insert(old, None);
                touched.extend(successor.iter().map(|successor| (&successor.id, None)));
                new.push(creation);
            }
            Operation::Change { id, change } | Operation::Promote(Promotion { id, change, .. }) => {
                touched.insert(id, Some(change));
            }
            Operation::Create(creation) => new.push(creation),
            Operation::Rebuild { old, new: creation, .. } => {
                touched.insert(old, None);
                new.push(creation);
            }
            Operation::Nothing
            | Operation::Shown(_)
            | Operation::Controller { .. }
            | Operation::Credential { .. } => {}
        }
    }
    let stays = fleet.pools.iter().filter_map(|pool| match touched.get(&pool.id) {
        None => Some((pool, pool.spec.enabled, &pool.spec.labels)),
        Some(None) => None,
        Some(Some(change)) => Some((
            pool,
            change.enabled.unwrap_or(pool.spec.enabled),
            change.labels.as_ref().unwrap_or(&pool.spec.labels),
        )),
    });
    // GitHub assigns jobs to scale sets by itself; none of these jobs goes to one.
    let stays = stays.filter(|(pool, _, _)| pool.kind() == PoolKind::Pool);
    let stays =
        stays.filter(|(_, enabled, _)| *enabled).map(|(pool, _, labels)| (&pool.entity, labels));
    let comes = new
        .iter()
        .filter(|creation| creation.spec.enabled && creation.spec.kind() == PoolKind::Pool)
        .map(|creation| (&creation.entity, &creation.spec.labels));
    LabelIndex::new(stays.chain(comes).map(|(entity, labels)| (entity, labels, 0)))
}

/// What a job requires: its entity and its labels.
type JobDemand<'a> = (&'a EntityKey, &'a Labels);

/// Queued jobs by their entities and labels.
type JobGroups<'a> = BTreeMap<(&'a [EntityKey], &'a Labels), Vec<&'a Job>>;

fn queued(fleet: &Fleet) -> JobGroups<'_> {
    let mut groups = JobGroups::new();
    let is_for_pools = |job: &&Job| job.status == JobStatus::Queued && !job.is_of_scale_set();
    for job in fleet.jobs.iter().filter(is_for_pools) {
        groups.entry((job.entities.as_slice(), &job.labels)).or_default().push(job);
    }
    groups
}

/// Sets of labels, indexed so that a search starts from the rarest label.
struct LabelIndex<'a> {
    items: Vec<(&'a EntityKey, &'a Labels, usize)>,
    by_label: HashMap<(&'a EntityKey, &'a str), Vec<usize>>,
    by_entity: HashMap<&'a EntityKey, Vec<usize>>,
}

impl<'a> LabelIndex<'a> {
    fn new(items: impl Iterator<Item = (&'a EntityKey, &'a Labels, usize)>) -> Self {
        let items: Vec<_> = items.collect();
        let mut by_label: HashMap<_, Vec<usize>> = HashMap::new();
        let mut by_entity: HashMap<_, Vec<usize>> = HashMap::new();
        for (at, (entity, labels, _)) in items.iter().enumerate() {
            by_entity.entry(*entity).or_default().push(at);
            for key in labels.keys() {
                by_label.entry((*entity, key)).or_default().push(at);
            }
        }
        Self { items, by_label, by_entity }
    }

    /// The tags of the sets that have all labels of the job.
    fn fitting<'s>(&'s self, (entity, labels): JobDemand<'s>) -> impl Iterator<Item = usize> + 's {
        let lists = labels.keys().map(|key| self.by_label.get(&(entity, key)));
        let rarest = lists.min_by_key(|list| list.map_or(0, Vec::len));
        let candidates = rarest.unwrap_or_else(|| self.by_entity.get(entity));
        candidates
            .into_iter()
            .flatten()
            .map(|at| self.items[*at])
            .filter(move |(_, has, _)| has.covers(labels))
            .map(|(_, _, tag)| tag)
    }
}

/// Lists jobs in the order of their ids; jobs with the same name and repository are listed once.
fn sentence(jobs: &[&Job]) -> String {
    let mut kinds: Vec<(&Job, usize)> = Vec::new();
    for job in jobs {
        // At most `KINDS_MAX` kinds are kept, so this search is short.
        let is_same = |kind: &(&Job, usize)| {
            (&kind.0.name, &kind.0.repository) == (&job.name, &job.repository)
        };
        match kinds.iter().position(is_same) {
            Some(at) => kinds[at].1 += 1,
            None if kinds.len() < KINDS_MAX => kinds.push((job, 1)),
            None => {}
        }
    }
    let named: usize = kinds.iter().map(|kind| kind.1).sum();
    let listed = kinds.iter().map(|(job, many)| kind(job, *many)).collect();
    let listed = list_and_more(listed, jobs.len() - named);
    let verb = if jobs.len() == 1 { "matches" } else { "match" };
    format!("{} {verb} no other pool: {listed}", count(jobs.len(), "queued job"))
}

fn kind(job: &Job, many: usize) -> String {
    let name = code(&job.name);
    let of = match job.repository.as_str() {
        "" => name,
        repository => format!("{name} of {}", code(repository)),
    };
    if many == 1 { of } else { format!("{of} ({many} times)") }
}
