//! GitHub: queued jobs, runners that take them, and the calls that GARM makes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use super::log::LogEvent;
use super::row_key::EntityRowKey;
use super::scale_set_service::{GitHubScaleSet, JobStep, ScaleSetJob};
use super::world::{Due, World};

#[derive(Debug, Clone)]
pub(crate) struct GitHubJob {
    pub(crate) name: String,
    pub(crate) labels: Vec<String>,
    pub(crate) owner: String,
    pub(crate) repository: String,
    /// The status: `queued`, `in_progress` or `completed`.
    pub(crate) status: &'static str,
    /// How it ends, or has ended.
    pub(crate) conclusion: String,
    pub(crate) queued_at: Timestamp,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) completed_at: Option<Timestamp>,
    pub(crate) duration: Duration,
    /// Held jobs are not assigned.
    pub(crate) is_held: bool,
    /// Id and name of its runner.
    pub(crate) runner: Option<(i64, String)>,
    /// The scale set whose job it is.
    pub(crate) scale_set: Option<ScaleSetJob>,
}

#[derive(Debug, Clone)]
pub(crate) struct GitHubRunner {
    pub(crate) name: String,
    /// The entity whose jobs it may take.
    pub(crate) scope: EntityRowKey,
    pub(crate) labels: Vec<String>,
    lower: HashSet<String>,
    pub(crate) is_online: bool,
    pub(crate) job: Option<i64>,
    /// GitHub's number of its scale set.
    pub(crate) scale_set: Option<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct GitHub {
    pub(crate) jobs: BTreeMap<i64, GitHubJob>,
    /// The ended jobs that are remembered, oldest first.
    ended: Vec<i64>,
    jobs_made: i64,
    pub(crate) queued: Vec<i64>,
    /// When the next assignment is scheduled.
    looks_at: Option<Timestamp>,
    pub(crate) runners: BTreeMap<i64, GitHubRunner>,
    /// The running job of each runner, by name.
    pub(crate) running: HashMap<String, i64>,
    runners_made: i64,
    /// The scale sets, by GitHub's number.
    pub(crate) scale_sets: BTreeMap<u64, GitHubScaleSet>,
    /// The highest number of a scale set so far.
    pub(crate) scale_sets_made: u64,
    /// Until when another client holds the sessions of all scale sets.
    pub(crate) sessions_held_until: Timestamp,
}

/// A number of identical jobs to queue.
#[derive(Debug, Clone)]
pub struct JobBatch {
    pub count: usize,
    pub labels: Vec<String>,
    pub duration: Duration,
    /// `owner/name`; empty for repository `app` of the first organization.
    pub repository: String,
    /// Name of the job in its workflow.
    pub name: String,
    /// Held jobs are not assigned before [`World::release_job`].
    pub is_held: bool,
    pub conclusion: String,
}

impl JobBatch {
    /// Jobs of 10 seconds for these labels, in the first organization.
    pub fn new(count: usize, labels: &[&str]) -> Self {
        Self {
            count,
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            duration: Duration::from_secs(10),
            repository: String::new(),
            name: "build".into(),
            is_held: false,
            conclusion: "success".into(),
        }
    }

    /// The same jobs with this duration.
    #[must_use]
    pub fn lasting(self, duration: Duration) -> Self {
        Self { duration, ..self }
    }

    /// The same jobs in this repository.
    #[must_use]
    pub fn of(self, repository: &str) -> Self {
        Self { repository: repository.to_owned(), ..self }
    }

    /// The same jobs, held until [`World::release_job`].
    #[must_use]
    pub fn held(self) -> Self {
        Self { is_held: true, ..self }
    }
}

/// Why a call to GitHub failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GitHubError {
    Unauthorized,
    /// The runner has a job (422).
    Busy,
    /// GitHub does not know the runner.
    NotFound,
    /// GitHub answers every request with 5xx.
    Down,
}

impl World {
    /// Queues jobs and returns their GitHub ids.
    pub fn queue_jobs(&mut self, order: &JobBatch) -> Vec<i64> {
        let repository = if order.repository.is_empty() {
            let owner = self.config.organizations.first().map_or("unowned", String::as_str);
            format!("{owner}/app")
        } else {
            order.repository.clone()
        };
        let (owner, name) = repository.split_once('/').unwrap_or((repository.as_str(), ""));
        let mut ids = Vec::with_capacity(order.count);
        for _ in 0..order.count {
            self.github.jobs_made += 1;
            let id = 5_000_000_000 + self.github.jobs_made;
            let work = GitHubJob {
                name: order.name.clone(),
                labels: order.labels.clone(),
                owner: owner.to_owned(),
                repository: name.to_owned(),
                status: "queued",
                conclusion: order.conclusion.clone(),
                queued_at: self.now,
                started_at: None,
                completed_at: None,
                duration: order.duration,
                is_held: order.is_held,
                runner: None,
                scale_set: None,
            };
            self.github.jobs.insert(id, work);
            self.github.queued.push(id);
            self.note(LogEvent::JobQueued { job: id, labels: order.labels.clone() });
            self.claim(id);
            self.announce(id, "queued");
            ids.push(id);
        }
        self.look_for_runners();
        ids
    }

    pub fn release_job(&mut self, id: i64) {
        if let Some(work) = self.github.jobs.get_mut(&id) {
            work.is_held = false;
        }
        self.look_for_runners();
    }

    /// Ends a queued or running job immediately.
    pub fn end_job(&mut self, id: i64, conclusion: &str) {
        self.finish_job(id, Some(conclusion));
    }

    pub(super) fn look_for_runners(&mut self) {
        // Thousands of jobs and runners may arrive at one instant; one assignment serves them all.
        let at = self.now + self.config.knobs.assign_delay;
        if self.github.looks_at != Some(at) {
            self.github.looks_at = Some(at);
            self.scheduler.add(at, Due::Assign);
        }
    }

    /// Assigns queued jobs to free runners, oldest first.
    pub(super) fn assign(&mut self) {
        self.github.looks_at = None;
        if !self.config.knobs.assign || self.github.queued.is_empty() {
            return;
        }
        let mut free: Vec<i64> = self
            .github
            .runners
            .iter()
            .filter(|(_, runner)| runner.is_online && runner.job.is_none())
            .map(|found| *found.0)
            .collect();
        for job in std::mem::take(&mut self.github.queued) {
            let is_held = self.github.jobs.get(&job).is_none_or(|job| job.is_held);
            let place = if is_held {
                None
            } else {
                free.iter().position(|runner| self.suits(*runner, job))
            };
            match place {
                Some(place) => self.start_job(job, free.remove(place)),
                None => self.github.queued.push(job),
            }
        }
    }

    fn suits(&self, runner: i64, job: i64) -> bool {
        let (Some(runner), Some(work)) =
            (self.github.runners.get(&runner), self.github.jobs.get(&job))
        else {
            return false;
        };
        let is_theirs = match work.scale_set {
            Some(place) => {
                place.step == JobStep::Assigned && runner.scale_set == Some(place.scale_set)
            }
            None => runner.scale_set.is_none(),
        };
        is_theirs
            && work.labels.iter().all(|label| runner.lower.contains(&label.to_lowercase()))
            && self
                .entities
                .get(&runner.scope)
                .is_some_and(|entity| entity.covers(&work.owner, &work.repository))
    }

    fn start_job(&mut self, job: i64, runner: i64) {
        let now = self.now;
        let (Some(taker), Some(work)) =
            (self.github.runners.get_mut(&runner), self.github.jobs.get_mut(&job))
        else {
            return;
        };
        taker.job = Some(job);
        work.status = "in_progress";
        work.started_at = Some(now);
        work.runner = Some((runner, taker.name.clone()));
        let (name, ends_at) = (taker.name.clone(), now + work.duration);
        self.github.running.insert(name.clone(), job);
        let waited = now.duration_since(work.queued_at).as_millis();
        let waited_ms = u64::try_from(waited).unwrap_or(0);
        self.note(LogEvent::JobStarted { job, runner: name, waited_ms });
        self.announce(job, "in_progress");
        self.scheduler.add(ends_at, Due::Finish(job));
    }

    pub(super) fn finish_job(&mut self, job: i64, conclusion: Option<&str>) {
        let now = self.now;
        let Some(work) = self.github.jobs.get_mut(&job).filter(|job| job.status != "completed")
        else {
            return;
        };
        work.status = "completed";
        work.completed_at = Some(now);
        if let Some(conclusion) = conclusion {
            conclusion.clone_into(&mut work.conclusion);
        }
        let (conclusion, runner) = (work.conclusion.clone(), work.runner.clone());
        self.github.queued.retain(|queued| *queued != job);
        // Runners are ephemeral: GitHub removes them after their only job.
        if let Some((id, name)) = &runner {
            self.github.running.remove(name);
            if self.github.runners.remove(id).is_some() {
                self.note(LogEvent::RunnerRemoved { runner: name.clone(), why: "ephemeral" });
            }
        }
        let runner = runner.map(|found| found.1).unwrap_or_default();
        self.note(LogEvent::JobCompleted { job, conclusion, runner });
        self.announce(job, "completed");
        self.forget_ended(job);
    }

    fn forget_ended(&mut self, job: i64) {
        let (github, most) = (&mut self.github, self.config.history);
        github.ended.push(job);
        if github.ended.len() >= most.saturating_mul(2) {
            for old in github.ended.drain(..github.ended.len() - most) {
                github.jobs.remove(&old);
            }
        }
    }

    /// Adds a runner outside GARM that takes jobs of the entity with this name.
    pub fn add_foreign_runner(&mut self, entity: &str, name: &str, labels: &[&str]) {
        let scope =
            self.entities.iter().find(|found| found.1.full_name() == entity).map(|found| *found.0);
        if let Some(scope) = scope {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            let id = self.register(scope, name, labels);
            self.runner_online(id);
        }
    }

    pub(super) fn register(&mut self, scope: EntityRowKey, name: &str, labels: Vec<String>) -> i64 {
        self.github.runners_made += 1;
        let id = 1000 + self.github.runners_made;
        let lower = labels.iter().map(|label| label.to_lowercase()).collect();
        self.note(LogEvent::RunnerRegistered { runner: name.to_owned(), labels: labels.clone() });
        let runner = GitHubRunner {
            name: name.to_owned(),
            scope,
            labels,
            lower,
            is_online: false,
            job: None,
            scale_set: None,
        };
        self.github.runners.insert(id, runner);
        id
    }

    pub(super) fn runner_online(&mut self, id: i64) {
        if let Some(runner) = self.github.runners.get_mut(&id) {
            runner.is_online = true;
            let runner = runner.name.clone();
            self.note(LogEvent::RunnerOnline { runner });
            self.look_for_runners();
        }
    }

    /// Fails if GitHub is down or refuses GARM's credentials.
    pub(super) fn call_github(&mut self) -> Result<(), GitHubError> {
        let knobs = &self.config.knobs;
        if !knobs.pat.is_empty() && knobs.pat != super::config::PAT {
            return Err(GitHubError::Unauthorized);
        }
        if self.rng.github.chance(knobs.api_fail_rate) {
            return match knobs.api_fail_status {
                401 => Err(GitHubError::Unauthorized),
                _ => Err(GitHubError::Down),
            };
        }
        Ok(())
    }

    /// Registers an ephemeral runner before its VM exists.
    pub(super) fn register_runner(
        &mut self,
        scope: EntityRowKey,
        name: &str,
        labels: Vec<String>,
    ) -> Result<i64, GitHubError> {
        self.call_github()?;
        Ok(self.register(scope, name, labels))
    }

    /// Removes a runner. A busy one is refused (422), except in the first moments of its job if the
    /// removal race is simulated (GARM.md §0.7).
    pub(super) fn remove_runner(&mut self, id: i64) -> Result<(), GitHubError> {
        self.call_github()?;
        let runner = self.github.runners.get(&id).ok_or(GitHubError::NotFound)?;
        let name = runner.name.clone();
        let started = runner
            .job
            .and_then(|id| self.github.jobs.get(&id))
            .map(|job| job.started_at.unwrap_or(self.now));
        let lag = self.config.knobs.busy_lag;
        if started.is_some_and(|started| self.now.duration_since(started).unsigned_abs() >= lag) {
            self.note(LogEvent::RemovalRefused { runner: name });
            return Err(GitHubError::Busy);
        }
        self.github.runners.remove(&id);
        self.note(LogEvent::RunnerRemoved { runner: name, why: "api" });
        Ok(())
    }
}
