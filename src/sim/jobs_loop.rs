//! GARM's handling of recorded jobs: it creates a runner for each that has waited, and deletes old
//! rows (GARM.md §d, §f).

use std::collections::HashMap;
use std::time::Duration;

use super::job::JobRow;
use super::pool::{CachedPool, LowercaseLabels};
use super::rest_view::Depth;
use super::row_key::{EntityRowKey, PoolRowKey};
use super::world::World;

/// A job that is queued for this long after its row was written is unlocked and retried. A job that
/// is this old is deleted when a scale-down removes a runner for it.
const STALE: Duration = Duration::from_secs(600);

/// Age at which an unneeded row is deleted.
const GRACE: Duration = Duration::from_secs(300);

/// Age at which a job is looked up at GitHub.
const CHECKED: Duration = Duration::from_secs(3600);

impl World {
    /// GARM's ids of an entity's queued jobs, in order of arrival.
    pub(super) fn queued_jobs(&self, entity: EntityRowKey) -> Vec<i64> {
        self.jobs
            .iter()
            .filter(|(_, job)| job.status == "queued" && job.is_of(entity))
            .map(|found| *found.0)
            .collect()
    }

    /// The enabled pools of an entity that serve these labels, highest priority first.
    pub(super) fn pools_serving(&self, entity: EntityRowKey, labels: &[String]) -> Vec<PoolRowKey> {
        let labels = LowercaseLabels::new(labels);
        let mut pools: Vec<_> = self
            .pools
            .iter()
            .filter(|(_, pool)| pool.entity == entity && pool.is_enabled)
            .filter(|(_, pool)| self.tags.serve(&pool.tags, &labels))
            .map(|(key, pool)| (std::cmp::Reverse(pool.priority), *key))
            .collect();
        pools.sort();
        pools.into_iter().map(|ranked| ranked.1).collect()
    }

    /// GARM's own scaling: creates a runner for each job whose row is older than the backoff.
    pub(super) fn consume_jobs(&mut self, entity: EntityRowKey) {
        let is_round_robin =
            self.entities.get(&entity).is_some_and(|entity| entity.balancer == "roundrobin");
        // GARM remembers the pools of each label set, and the next in turn, for one run.
        let mut turns: HashMap<Vec<String>, (Vec<PoolRowKey>, usize)> = HashMap::new();
        for id in self.queued_jobs(entity) {
            let Some(labels) = self.labels_to_serve(entity, id) else {
                continue;
            };
            let (pools, turn) = turns
                .entry(labels)
                .or_insert_with_key(|labels| (self.pools_serving(entity, labels), 0));
            if pools.is_empty() {
                continue;
            }
            self.lock_job(id, Some(entity));
            let mut is_made = false;
            for step in 0..pools.len() {
                let place = if is_round_robin { *turn % pools.len() } else { step };
                *turn += 1;
                let job = self.jobs.get(&id).map(|job| job.workflow_job_id);
                if self.add_runner(pools[place], job).is_ok() {
                    is_made = true;
                    break;
                }
            }
            if !is_made {
                self.lock_job(id, None);
            }
        }
        self.drop_inactionable_jobs();
    }

    /// The labels of a job that this entity has to serve now.
    fn labels_to_serve(&mut self, entity: EntityRowKey, id: i64) -> Option<Vec<String>> {
        let job = self.jobs.get(&id)?;
        if job.locked_by.is_some_and(|other| other != entity) {
            return None;
        }
        let waited = self.now.duration_since(job.updated_at).unsigned_abs();
        if waited < Duration::from_secs(self.controller.backoff_s()) {
            return None;
        }
        let (is_ours, labels) = (job.locked_by == Some(entity), job.labels.clone());
        if waited >= STALE {
            self.lock_job(id, None);
        }
        // GARM uses the lock as it was before this loop, so a job that was just unlocked waits for
        // the next round.
        if is_ours { None } else { Some(labels) }
    }

    /// GARM looks up a job by its webhook's id. Jobs of scale sets have none, so GARM locks the
    /// first of them in place of each of the others, and serves those others again at every tick
    /// (measured).
    fn lock_job(&mut self, id: i64, by: Option<EntityRowKey>) {
        let now = self.now;
        let webhook_id = self.jobs.get(&id).map(|job| job.workflow_job_id);
        let first = self.jobs.values().find(|job| Some(job.workflow_job_id) == webhook_id);
        let id = first.map_or(id, |job| job.id);
        if let Some(job) = self.jobs.get_mut(&id).filter(|job| job.locked_by != by) {
            job.locked_by = by;
            job.updated_at = now;
            self.emit_job("update", id, Depth::List);
        }
    }

    /// Deletes unneeded rows 5 minutes after their creation: completed jobs, and jobs that were
    /// cancelled in the queue or taken by a runner outside GARM (GARM.md §f).
    fn drop_inactionable_jobs(&mut self) {
        let edge = self.now - GRACE;
        let going: Vec<_> = self
            .jobs
            .iter()
            .filter(|(_, job)| job.created_at < edge)
            .filter(|(_, job)| match job.instance {
                None => job.status != "queued",
                Some(_) => job.status == "completed",
            })
            .map(|found| *found.0)
            .collect();
        for id in going {
            self.drop_job(id);
        }
    }

    /// Deletes the jobs that a scale-down makes GARM forget (GARM.md §d).
    pub(super) fn forget_jobs(&mut self, entity: EntityRowKey, cached: &CachedPool) {
        let edge = self.now - STALE;
        let going: Vec<_> = self
            .queued_jobs(entity)
            .into_iter()
            .filter(|id| {
                self.jobs.get(id).is_some_and(|job| {
                    job.created_at < edge
                        && self.tags.serve(&cached.tags, &LowercaseLabels::new(&job.labels))
                })
            })
            .collect();
        for id in going {
            self.drop_job(id);
        }
    }

    /// Every 5 minutes GARM asks GitHub about up to five jobs that have been queued for over an
    /// hour, and deletes those that are no longer queued there.
    pub(super) fn drop_stale_jobs(&mut self, entity: EntityRowKey) {
        let edge = self.now - CHECKED;
        let old: Vec<_> = self
            .queued_jobs(entity)
            .into_iter()
            .filter_map(|id| self.jobs.get(&id).filter(|job| job.created_at <= edge))
            .map(|job| (job.id, job.workflow_job_id))
            .take(5)
            .collect();
        for (id, workflow_job_id) in old {
            if self.call_github().is_err() {
                return;
            }
            let status = self.github.jobs.get(&workflow_job_id).map(|job| job.status);
            if status != Some("queued") {
                self.drop_job(id);
            }
        }
    }

    /// Deletes a row without an event.
    pub(super) fn remove_job_row(&mut self, id: i64) -> Option<JobRow> {
        let job = self.jobs.remove(&id)?;
        self.job_ids.remove(&job.workflow_job_id);
        if let Ok(github_id) = job.scale_set_job_id.parse() {
            self.scale_set_job_ids.remove(&github_id);
        }
        Some(job)
    }

    /// Deletes a row with an event. A row deleted with its instance has none (GARM.md §g).
    fn drop_job(&mut self, id: i64) {
        self.emit_job("delete", id, Depth::List);
        if let Some(job) = self.remove_job_row(id)
            && let Some(instance) =
                job.instance.and_then(|instance| self.instances.get_mut(&instance))
        {
            instance.job = None;
        }
    }
}
