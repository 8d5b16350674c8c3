//! How GARM handles the messages about a scale set's jobs (GARM.md §scale-sets, recorded).

use super::instance::{RunnerPhase, VmStatus};
use super::job::JobRow;
use super::rest_view::Depth;
use super::row_key::ScaleSetRowKey;
use super::scale_set_service::{JobEvent, JobEventKind, JobMessage};
use super::seed::GITHUB_URL;
use super::world::World;

impl World {
    /// Tells GARM that a job was queued, has started or has ended: by a message for a scale set's
    /// job, by a webhook for any other.
    pub(super) fn announce(&mut self, job: i64, action: &'static str) {
        let is_of_scale_set =
            self.github.jobs.get(&job).is_some_and(|work| work.scale_set.is_some());
        match action {
            "in_progress" => self.tell_scale_set(job, JobEventKind::Started),
            "completed" => self.tell_scale_set(job, JobEventKind::Completed),
            _ => {}
        }
        if !is_of_scale_set || self.config.knobs.scale_set_webhooks {
            self.send_hooks(job, action);
        }
    }

    /// Acquires what is available, records every job, then starts and ends runners, and last writes
    /// the count of assigned jobs.
    pub(super) fn take_message(&mut self, key: ScaleSetRowKey, message: JobMessage) {
        if !self.scale_sets.contains_key(&key) {
            return;
        }
        let JobMessage { mut events, assigned } = message;
        events.sort_by_key(|event| event.kind);
        for event in &events {
            if event.kind == JobEventKind::Available {
                self.acquire(event.job);
            }
        }
        for event in &events {
            self.record_set_job(key, event);
            match event.kind {
                JobEventKind::Available | JobEventKind::Assigned => {}
                JobEventKind::Started => self.set_runner_started(event),
                JobEventKind::Completed => self.set_runner_done(event),
            }
        }
        self.write_desired(key, assigned);
    }

    /// Unlike the row that a webhook writes, this one has only the scale set's job id, and always
    /// the runner group. GARM accepts any order of statuses.
    fn record_set_job(&mut self, key: ScaleSetRowKey, event: &JobEvent) {
        let Some(work) = self.github.jobs.get(&event.job).cloned() else {
            return;
        };
        let known = self.scale_set_job_ids.get(&event.job).copied();
        let id = known.unwrap_or_else(|| {
            self.jobs_made += 1;
            self.jobs_made
        });
        let instance = event.runner.as_ref().and_then(|runner| self.instance_named(&runner.1));
        let Some((set, entity)) =
            self.scale_sets.get(&key).and_then(|set| Some((set, self.entities.get(&set.entity)?)))
        else {
            return;
        };
        let before = self.jobs.get(&id);
        let run_id = event.job / 10;
        let row = JobRow {
            id,
            workflow_job_id: 0,
            scale_set_job_id: event.job.to_string(),
            run_id,
            status: match event.kind {
                JobEventKind::Available | JobEventKind::Assigned => "queued",
                JobEventKind::Started => "in_progress",
                JobEventKind::Completed => "completed",
            },
            conclusion: event.conclusion.clone(),
            name: work.name,
            started_at: event.started_at,
            completed_at: event.completed_at,
            runner_id: event.runner.as_ref().map_or(0, |runner| runner.0),
            group: set.group.clone(),
            run_url: format!(
                "{GITHUB_URL}/{}/{}/actions/runs/{run_id}",
                work.owner, work.repository
            ),
            repository: work.repository,
            owner: work.owner,
            labels: work.labels,
            entities: vec![(entity.kind, set.entity)],
            locked_by: before.and_then(|row| row.locked_by),
            created_at: before.map_or(self.now, |row| row.created_at),
            updated_at: self.now,
            instance: instance.or_else(|| before.and_then(|row| row.instance)),
        };
        let had_runner = before.is_some_and(|row| row.instance.is_some());
        self.jobs.insert(id, row);
        self.scale_set_job_ids.insert(event.job, id);
        if let Some(instance) = instance.and_then(|key| self.instances.get_mut(&key)) {
            instance.job = Some(id);
        }
        let operation = if known.is_some() { "update" } else { "create" };
        self.emit_job(operation, id, if had_runner { Depth::List } else { Depth::Event });
    }

    fn set_runner_started(&mut self, event: &JobEvent) {
        let now = self.now;
        let key = event.runner.as_ref().and_then(|runner| self.instance_named(&runner.1));
        if let Some(key) = key
            && let Some(row) = self.instances.get_mut(&key)
            && row.phase != RunnerPhase::Terminated
        {
            row.phase = RunnerPhase::Active;
            row.fault.clear();
            row.updated_at = now;
            self.emit_instance("update", key);
        }
    }

    /// Sets `terminated` and `pending_delete` in one write, unlike for a pool's runner.
    fn set_runner_done(&mut self, event: &JobEvent) {
        let now = self.now;
        let key = event.runner.as_ref().and_then(|runner| self.instance_named(&runner.1));
        if let Some(key) = key
            && let Some(row) = self.instances.get_mut(&key)
            && matches!(row.vm, VmStatus::Running | VmStatus::Error)
        {
            row.phase = RunnerPhase::Terminated;
            row.vm = VmStatus::PendingDelete;
            row.fault.clear();
            row.updated_at = now;
            self.emit_instance("update", key);
        }
    }
}
