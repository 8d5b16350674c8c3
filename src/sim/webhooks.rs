//! GitHub's webhooks about jobs, and how GARM handles them (GARM.md §f).

use std::time::Duration;

use jiff::Timestamp;

use super::config::GarmVersion;
use super::instance::{RunnerPhase, VmStatus};
use super::job::JobRow;
use super::json::zero_time;
use super::log::LogEvent;
use super::pool::PoolRow;
use super::rest_view::Depth;
use super::row_key::{EntityRowKey, PoolRowKey};
use super::seed::GITHUB_URL;
use super::world::{Due, World};

/// How many webhooks GitHub delivers concurrently; those of one job in order.
pub(crate) const LANES: usize = 4;

/// How long a busy GARM takes for a pick-up (measured: 23 to 62 ms).
const PICK_UP_TAKES: Duration = Duration::from_millis(40);

/// Minimum time from the runner's row to the count of idle runners, and its random addition.
const COUNTED_AFTER: Duration = Duration::from_millis(8);
const COUNTED_SPREAD: Duration = Duration::from_millis(14);

/// From the count to the first new row, and between rows.
const MADE_AFTER: Duration = Duration::from_millis(8);
const MADE_EACH: Duration = Duration::from_millis(6);

fn lane_of(job: i64) -> usize {
    usize::try_from(job.unsigned_abs() % LANES as u64).unwrap_or(0)
}

/// A webhook: the job as it was when the webhook was created.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    entity: EntityRowKey,
    job: i64,
    action: &'static str,
    conclusion: String,
    started_at: Timestamp,
    completed_at: Timestamp,
    runner: Option<(i64, String)>,
}

impl World {
    /// Sends a job's change to every entity that covers its repository.
    pub(super) fn send_hooks(&mut self, job: i64, action: &'static str) {
        let Some(work) = self.github.jobs.get(&job) else {
            return;
        };
        let whole_second = |at: Timestamp| {
            // GitHub's times have whole seconds (GARM.md §f).
            Timestamp::from_second(at.as_second()).unwrap_or(at)
        };
        let conclusion =
            if action == "completed" { work.conclusion.clone() } else { String::new() };
        let hooks: Vec<_> = self
            .entities
            .iter()
            .filter(|(_, entity)| {
                entity.hook.is_some() && entity.covers(&work.owner, &work.repository)
            })
            .map(|(key, _)| Webhook {
                entity: *key,
                job,
                action,
                conclusion: conclusion.clone(),
                started_at: whole_second(work.started_at.unwrap_or(work.queued_at)),
                completed_at: work.completed_at.map_or_else(zero_time, whole_second),
                runner: work.runner.clone(),
            })
            .collect();
        for hook in hooks {
            let knobs = &self.config.knobs;
            if !knobs.webhooks || self.rng.github.chance(knobs.webhook_drop_rate) {
                self.note(LogEvent::WebhookDropped { job, action });
            } else if knobs.webhook_delay.is_zero() {
                self.deliver(hook);
            } else {
                self.scheduler.add(self.now + knobs.webhook_delay, Due::Webhook(hook));
            }
        }
    }

    /// Sends the last webhook of a job again, as GitHub's "Redeliver" does.
    pub fn redeliver(&mut self, job: i64) {
        if let Some(action) = self.github.jobs.get(&job).map(|job| job.status) {
            self.send_hooks(job, action);
        }
    }

    pub(super) fn deliver(&mut self, hook: Webhook) {
        let (job, action) = (hook.job, hook.action);
        if action == "in_progress" {
            // A pick-up keeps a connection busy until its replacements are created.
            let free_at = self.lanes[lane_of(job)];
            if free_at > self.now {
                self.scheduler.add(free_at, Due::Webhook(hook));
                return;
            }
            self.lanes[lane_of(job)] = self.now + PICK_UP_TAKES;
        }
        let status = self.take_hook(hook);
        self.note(LogEvent::WebhookAnswered { job, action, status });
    }

    /// The status of GARM's response to a webhook.
    fn take_hook(&mut self, hook: Webhook) -> u16 {
        let Some(work) = self.github.jobs.get(&hook.job).cloned() else {
            return 200;
        };
        if work.labels.is_empty() {
            return 200;
        }
        match self.job_ids.get(&hook.job).copied() {
            Some(row) => {
                let known = self.jobs.get(&row).map_or("", |job| job.status);
                if JobRow::rank(hook.action) < JobRow::rank(known) {
                    return 400;
                }
                self.update_job(row, &hook);
            }
            None if !self.is_worth_recording(&hook, &work.labels) => {
                return match self.config.variant.version {
                    GarmVersion::V0_1_8 | GarmVersion::V0_2_1 => 500,
                    GarmVersion::Main => 422,
                };
            }
            None => self.record_job(&hook, &work),
        }
        match hook.action {
            "in_progress" if hook.runner.is_some() => {
                // The runner's row follows the job's by 2 to 11 ms (GARM.md §f).
                let gap = Duration::from_millis(2) + self.rng.garm.up_to(Duration::from_millis(9));
                self.scheduler.add(self.now + gap, Due::PickedUp(hook));
            }
            "completed" => self.runner_done(&hook),
            _ => {}
        }
        200
    }

    /// A job that no enabled pool of the entity serves is never recorded (GARM.md §0.9, §f).
    fn is_worth_recording(&self, hook: &Webhook, labels: &[String]) -> bool {
        if hook.action == "queued" {
            return !self.pools_serving(hook.entity, labels).is_empty();
        }
        hook.runner.as_ref().is_some_and(|runner| self.instance_named(&runner.1).is_some())
    }

    fn record_job(&mut self, hook: &Webhook, work: &super::github::GitHubJob) {
        self.jobs_made += 1;
        let id = self.jobs_made;
        let Some(kind) = self.entities.get(&hook.entity).map(|entity| entity.kind) else {
            return;
        };
        let run_id = hook.job / 10;
        let row = JobRow {
            id,
            workflow_job_id: hook.job,
            scale_set_job_id: String::new(),
            run_id,
            status: hook.action,
            conclusion: hook.conclusion.clone(),
            name: work.name.clone(),
            started_at: hook.started_at,
            completed_at: hook.completed_at,
            runner_id: hook.runner.as_ref().map_or(0, |runner| runner.0),
            group: String::new(),
            repository: work.repository.clone(),
            owner: work.owner.clone(),
            run_url: format!(
                "{GITHUB_URL}/{}/{}/actions/runs/{run_id}",
                work.owner, work.repository
            ),
            labels: work.labels.clone(),
            entities: vec![(kind, hook.entity)],
            locked_by: None,
            created_at: self.now,
            updated_at: self.now,
            instance: None,
        };
        self.jobs.insert(id, row);
        self.job_ids.insert(hook.job, id);
        self.link_runner(id, hook);
        self.emit_job("create", id, Depth::Event);
    }

    fn update_job(&mut self, id: i64, hook: &Webhook) {
        let kind = self.entities.get(&hook.entity).map(|entity| entity.kind);
        // GARM also reads the runner's row only if the job had one before this write.
        let mut depth = Depth::Event;
        if let (Some(row), Some(kind)) = (self.jobs.get_mut(&id), kind) {
            row.status = hook.action;
            row.conclusion.clone_from(&hook.conclusion);
            row.started_at = hook.started_at;
            row.completed_at = hook.completed_at;
            row.runner_id = hook.runner.as_ref().map_or(0, |runner| runner.0);
            row.updated_at = self.now;
            row.entities.retain(|entity| entity.0 != kind);
            row.entities.push((kind, hook.entity));
            if row.instance.is_some() {
                depth = Depth::List;
            }
        }
        self.link_runner(id, hook);
        self.emit_job("update", id, depth);
    }

    fn link_runner(&mut self, id: i64, hook: &Webhook) {
        let instance = hook.runner.as_ref().and_then(|runner| self.instance_named(&runner.1));
        if let (Some(key), Some(row)) = (instance, self.jobs.get_mut(&id)) {
            row.instance = Some(key);
            if let Some(instance) = self.instances.get_mut(&key) {
                instance.job = Some(id);
            }
        }
    }

    /// The second half of an `in_progress` webhook: the runner becomes `active`, and GARM creates
    /// the replacement immediately, not in a loop (GARM.md §0.1, §d).
    pub(super) fn picked_up(&mut self, hook: &Webhook) {
        let Some(key) = hook.runner.as_ref().and_then(|runner| self.instance_named(&runner.1))
        else {
            return;
        };
        let Some(instance) = self.instances.get_mut(&key) else {
            return;
        };
        if instance.phase != RunnerPhase::Terminated {
            instance.phase = RunnerPhase::Active;
        }
        instance.fault.clear();
        instance.updated_at = self.now;
        let (owner, made_for) = (instance.owner, instance.made_for);
        self.emit_instance("update", key);
        let Some(pool) = owner.pool() else {
            return;
        };
        if self.pools.get(&pool).is_none_or(|pool| pool.entity != hook.entity) {
            return;
        }
        let pause = COUNTED_AFTER + self.rng.garm.up_to(COUNTED_SPREAD);
        self.scheduler.add(self.now + pause, Due::Replace(pool));
        if let Some(other) = made_for.filter(|other| *other != hook.job) {
            self.unlock_job(other);
        }
    }

    /// Replaces a runner that took a job. GARM counts first and then registers each new runner at
    /// GitHub, so concurrent pick-ups all find the same runners missing and create too many
    /// (measured: two created four, four created six). Here GARM reads the pool itself, not the
    /// loops' cache.
    pub(super) fn replace(&mut self, pool: PoolRowKey) {
        let Some(cached) = self.pools.get(&pool).map(PoolRow::to_cached) else {
            return;
        };
        let mut at = self.now + MADE_AFTER;
        for _ in 0..self.lacking(pool, &cached) {
            self.scheduler.add(at, Due::AddRunner(pool));
            at += MADE_EACH;
        }
    }

    /// A `completed` webhook: the runner becomes `terminated` and its VM `pending_delete`.
    fn runner_done(&mut self, hook: &Webhook) {
        let Some(key) = hook.runner.as_ref().and_then(|runner| self.instance_named(&runner.1))
        else {
            return;
        };
        let entity = self
            .instances
            .get(&key)
            .and_then(|instance| self.pool_of(instance))
            .map(|instance| instance.entity);
        if entity != Some(hook.entity) {
            return;
        }
        let now = self.now;
        if let Some(instance) = self.instances.get_mut(&key) {
            instance.phase = RunnerPhase::Terminated;
            instance.fault.clear();
            instance.updated_at = now;
        }
        self.emit_instance("update", key);
        if let Some(instance) =
            self.instances.get_mut(&key).filter(|instance| instance.vm == VmStatus::Running)
        {
            instance.vm = VmStatus::PendingDelete;
        }
        self.emit_instance("update", key);
    }

    pub(super) fn unlock_job(&mut self, workflow_job_id: i64) {
        let now = self.now;
        let row = self.job_ids.get(&workflow_job_id).copied();
        let job = row.and_then(|key| self.jobs.get_mut(&key));
        if let Some(job) = job.filter(|job| job.status == "queued" && job.locked_by.is_some()) {
            job.locked_by = None;
            job.updated_at = now;
            let id = job.id;
            self.emit_job("update", id, Depth::List);
        }
    }
}
