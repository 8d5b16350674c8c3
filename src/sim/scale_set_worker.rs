//! GARM's worker for a scale set: it keeps the number of rows equal to
//! `min(min_idle_runners + desired_runner_count, max_runners)` (GARM.md §scale-sets, read in its
//! code and measured). No job, threshold or age counts.

use std::time::Duration;

use super::github::GitHubError;
use super::instance::{InstanceRow, RunnerOwner, RunnerPhase, VmStatus};
use super::rest_view::Depth;
use super::row_key::{EntityRowKey, InstanceRowKey, ScaleSetRowKey};
use super::world::{Due, World};

/// How often the worker compares, and how often the manager of one instance looks at its row.
const TICK: Duration = Duration::from_secs(5);

/// The longest time until a row reaches the worker.
const SEEN_AFTER: Duration = Duration::from_micros(800);

/// How long a session takes to restart.
const RESTART: Duration = Duration::from_millis(100);

/// How often the worker of a disabled scale set checks whether it may open a session.
const ENABLED_EVERY: Duration = Duration::from_secs(2);

/// The longest pause between two attempts to delete a VM.
const BACKOFF_MAX: Duration = Duration::from_secs(300);

/// A DELETE this soon after the PUT that disabled the scale set crashes GARM (a nil pointer).
const CRASHES_WITHIN: Duration = Duration::from_millis(100);

/// What GARM's worker holds in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Worker {
    /// Whether it runs. GARM starts it within 5 s of the row's creation.
    is_running: bool,
    seen: SeenScaleSet,
    /// Whether jobs have been assigned since it started.
    has_had_jobs: bool,
    /// When the scale set was last disabled.
    pub(crate) disabled_at: Option<jiff::Timestamp>,
}

/// A scale set in the memory of its worker. Each write's event brings the whole row, with its own
/// delay, and the worker does not compare times: an older row that arrives last stays until the
/// next write that changes something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SeenScaleSet {
    is_enabled: bool,
    min_idle: u64,
    max_runners: u64,
    desired: u64,
}

impl SeenScaleSet {
    /// How many rows there should be, those in deletion included.
    fn target(&self) -> u64 {
        self.min_idle.saturating_add(self.desired).min(self.max_runners)
    }
}

impl World {
    pub(super) fn start_worker_soon(&mut self, key: ScaleSetRowKey) {
        let delay = self.rng.garm.up_to(TICK);
        self.scheduler.add(self.now + delay, Due::WorkerStarts(key));
    }

    /// A scale set with an unknown provider never gets a worker.
    pub(super) fn start_worker(&mut self, key: ScaleSetRowKey) {
        let Some(row) = self.row_now(key) else {
            return;
        };
        let Some(set) = self.scale_sets.get_mut(&key) else {
            return;
        };
        if set.worker.is_running || !self.config.providers.contains(&set.provider) {
            return;
        }
        set.worker.is_running = true;
        set.worker.seen = row;
        self.scheduler.add(self.now + TICK, Due::WorkerCompares(key));
        self.start_session(key);
    }

    /// Ends all workers with their sessions. Each is started again after its last comparison is due,
    /// so that none compares twice.
    pub(super) fn stop_workers(&mut self) {
        let keys: Vec<_> = self.scale_sets.keys().copied().collect();
        for key in keys {
            let Some(set) = self.scale_sets.get_mut(&key) else {
                continue;
            };
            set.worker = Worker::default();
            let github_id = set.github_id;
            self.close_session(github_id);
            let delay = TICK + self.rng.garm.up_to(TICK);
            self.scheduler.add(self.now + delay, Due::WorkerStarts(key));
        }
    }

    /// Ends all sessions, as another client of GitHub does that takes them over, and as GitHub shows them
    /// to a GARM that was killed without ending its own: it refuses new ones (409) for this long. GARM
    /// tries again every 2 s.
    pub fn take_over_sessions(&mut self, held: Duration) {
        self.github.sessions_held_until = self.now + held;
        let sets: Vec<_> = self.scale_sets.iter().map(|(key, set)| (*key, set.github_id)).collect();
        for (key, github_id) in sets {
            self.close_session(github_id);
            self.scheduler.add(self.now + RESTART, Due::SessionStarts(key));
        }
    }

    fn row_now(&self, key: ScaleSetRowKey) -> Option<SeenScaleSet> {
        self.scale_sets.get(&key).map(|set| SeenScaleSet {
            is_enabled: set.is_enabled,
            min_idle: set.min_idle,
            max_runners: set.max_runners,
            desired: set.desired,
        })
    }

    /// Sends the present row to the worker, which receives it after a short delay.
    pub(super) fn tell_worker(&mut self, key: ScaleSetRowKey) {
        let now = self.now;
        let Some(row) = self.row_now(key) else {
            return;
        };
        if let Some(set) = self.scale_sets.get_mut(&key) {
            let worker = &mut set.worker;
            worker.disabled_at = match (row.is_enabled, worker.disabled_at) {
                (true, _) => None,
                (false, None) => Some(now),
                (false, before) => before,
            };
        }
        let delay = self.rng.garm.up_to(SEEN_AFTER);
        self.scheduler.add(now + delay, Due::WorkerSees(key, row));
    }

    /// Replaces the row in the worker's memory. A lower `max_runners` or a disabled scale set ends
    /// the session.
    pub(super) fn worker_sees(&mut self, key: ScaleSetRowKey, row: SeenScaleSet) {
        let Some(set) = self.scale_sets.get_mut(&key).filter(|set| set.worker.is_running) else {
            return;
        };
        let is_lowered = row.max_runners < set.worker.seen.max_runners;
        let was_enabled = std::mem::replace(&mut set.worker.seen, row).is_enabled;
        let github_id = set.github_id;
        if is_lowered || !row.is_enabled {
            self.close_session(github_id);
        }
        if row.is_enabled && !self.has_session(github_id) {
            let delay = if was_enabled { RESTART } else { self.rng.garm.up_to(ENABLED_EVERY) };
            self.scheduler.add(self.now + delay, Due::SessionStarts(key));
        }
    }

    pub(super) fn start_session(&mut self, key: ScaleSetRowKey) {
        let Some(set) = self.scale_sets.get(&key).filter(|set| set.worker.seen.is_enabled) else {
            return;
        };
        let (github_id, capacity) = (set.github_id, set.worker.seen.max_runners);
        if self.has_session(github_id) {
            return;
        }
        let is_refused = self.now < self.github.sessions_held_until;
        match self.call_github() {
            Ok(()) if !is_refused => self.open_session(github_id, capacity),
            Ok(()) | Err(_) => {
                self.scheduler.add(self.now + ENABLED_EVERY, Due::SessionStarts(key));
            }
        }
    }

    /// The most jobs that the worker lets GitHub assign.
    pub(super) fn capacity_of(&self, key: ScaleSetRowKey) -> u64 {
        self.scale_sets.get(&key).map_or(0, |set| set.worker.seen.max_runners)
    }

    /// Writes what a message brought, in two writes: the message's number, then the count. The
    /// events of both are on their way to the worker at the same time, so the older one can arrive
    /// last.
    pub(super) fn write_desired(&mut self, key: ScaleSetRowKey, desired: u64) {
        let Some(older) = self.row_now(key) else {
            return;
        };
        self.write_set(key, older.desired);
        self.write_set(key, desired);
        let newer = SeenScaleSet { desired, ..older };
        let knobs = &self.config.knobs;
        let (first, later) = (knobs.first_burst_stall_rate, knobs.later_burst_stall_rate);
        let is_first = self.scale_sets.get(&key).is_some_and(|set| !set.worker.has_had_jobs);
        let rate = if is_first { first } else { later };
        let is_burst = desired > older.desired;
        if is_burst && let Some(set) = self.scale_sets.get_mut(&key) {
            set.worker.has_had_jobs = true;
        }
        let is_swapped = is_burst && self.rng.garm.chance(rate);
        let order = if is_swapped { [newer, older] } else { [older, newer] };
        let mut at = self.now;
        for row in order {
            at += self.rng.garm.up_to(SEEN_AFTER);
            self.scheduler.add(at, Due::WorkerSees(key, row));
        }
    }

    fn write_set(&mut self, key: ScaleSetRowKey, desired: u64) {
        let now = self.now;
        if let Some(set) = self.scale_sets.get_mut(&key) {
            set.desired = desired;
            set.updated_at = now;
            self.emit_scale_set("update", key, Depth::Event);
        }
    }

    /// Compares the rows with the target, every 5 s, and adds or removes runners.
    pub(super) fn worker_compares(&mut self, key: ScaleSetRowKey) {
        let Some(set) = self.scale_sets.get(&key).filter(|set| set.worker.is_running) else {
            return;
        };
        self.scheduler.add(self.now + TICK, Due::WorkerCompares(key));
        let (seen, rows) = (set.worker.seen, set.instances.len() as u64);
        let target = seen.target();
        if rows < target && seen.is_enabled {
            for _ in rows..target {
                // GARM ignores a failure, and tries again at the next comparison.
                self.add_set_runner(key).ok();
            }
        } else if rows > target {
            self.remove_set_runners(key, rows - target);
        }
    }

    fn add_set_runner(&mut self, key: ScaleSetRowKey) -> Result<(), GitHubError> {
        let set = self.scale_sets.get(&key).cloned().ok_or(GitHubError::NotFound)?;
        let name = format!("{}-{}", set.prefix, self.rng.ids.word(12)).to_lowercase();
        let agent_id = self.register_for_scale_set(set.github_id, &name)?;
        let (id, owner) = (self.rng.ids.uuid(), RunnerOwner::ScaleSet(key));
        let row = self.insert_instance(InstanceRow {
            provider: set.provider,
            os_type: set.os_type,
            os_arch: set.os_arch,
            group: set.group,
            // GARM does not copy the scale set's generation: it stays 0.
            ..InstanceRow::pending(id, owner, (name, agent_id), self.now)
        });
        self.scheduler.add(self.now + TICK, Due::SetInstance(row));
        Ok(())
    }

    /// Registers a runner of a scale set, with the scale set's name and labels.
    fn register_for_scale_set(&mut self, scale_set: u64, name: &str) -> Result<i64, GitHubError> {
        self.call_github()?;
        let set = self.github.scale_sets.get(&scale_set).ok_or(GitHubError::NotFound)?;
        let (scope, labels) = (set.scope, set.labels.clone());
        let id = self.register(scope, name, labels);
        if let Some(runner) = self.github.runners.get_mut(&id) {
            runner.scale_set = Some(scale_set);
        }
        Ok(id)
    }

    /// Removes runners in random order; those in deletion count as removed. GitHub is asked about
    /// each, and refuses busy ones.
    fn remove_set_runners(&mut self, key: ScaleSetRowKey, surplus: u64) {
        let mut rows: Vec<_> = match self.scale_sets.get(&key) {
            Some(set) => set.instances.iter().copied().collect(),
            None => return,
        };
        let mut removed = 0;
        while removed < surplus && !rows.is_empty() {
            let place = self.rng.garm.below(rows.len() as u64);
            let row = rows.swap_remove(usize::try_from(place).unwrap_or(0));
            let Some(instance) = self.instances.get(&row) else {
                continue;
            };
            match (instance.vm, instance.phase) {
                (VmStatus::Running, RunnerPhase::Active | RunnerPhase::Terminated) => {}
                (VmStatus::Running, _) => {
                    removed += u64::from(self.remove_idle(row).is_ok());
                }
                (
                    VmStatus::PendingDelete
                    | VmStatus::PendingForceDelete
                    | VmStatus::Deleting
                    | VmStatus::Deleted,
                    _,
                ) => removed += 1,
                (VmStatus::PendingCreate | VmStatus::Creating | VmStatus::Error, _) => {}
            }
        }
    }

    /// The manager of one instance, every 5 s from the row's creation: it creates the VM 5 s after
    /// the row, never retries, and deletes with a growing pause after a failure.
    pub(super) fn tend_instance(&mut self, key: InstanceRowKey) {
        let Some(instance) = self.instances.get_mut(&key) else {
            return;
        };
        self.scheduler.add(self.now + TICK, Due::SetInstance(key));
        if instance.is_locked {
            return;
        }
        match instance.vm {
            VmStatus::PendingCreate => {
                self.set_vm(key, VmStatus::Creating);
                self.create_vm(key);
            }
            VmStatus::Error => self.set_vm(key, VmStatus::PendingDelete),
            VmStatus::PendingDelete | VmStatus::PendingForceDelete => {
                instance.is_locked = true;
                let pause = match (instance.vm, instance.retries) {
                    (VmStatus::PendingDelete, retries @ 1..) => {
                        let exponent = u32::from(retries - 1).min(9);
                        Duration::from_secs(1 << exponent).min(BACKOFF_MAX)
                    }
                    _ => Duration::ZERO,
                };
                self.scheduler.add(self.now + pause, Due::Delete(key));
            }
            VmStatus::Creating | VmStatus::Running | VmStatus::Deleting | VmStatus::Deleted => {}
        }
    }

    /// Removes, every 5 minutes, runners that never reported and are offline at GitHub, and rows
    /// whose runner GitHub no longer has, as after a lost message.
    pub(super) fn consolidate_scale_sets(&mut self, entity: EntityRowKey) {
        if self.call_github().is_err() {
            return;
        }
        let sets = self.scale_sets_of(entity).map(|set| (set.timeout, set.instances.clone()));
        for (minutes, rows) in sets.collect::<Vec<_>>() {
            let timeout = Duration::from_secs(minutes.saturating_mul(60));
            for row in rows {
                if self.is_overdue(row, timeout) {
                    self.remove_idle(row).ok();
                } else if self.has_lost_its_runner(row) {
                    self.set_vm(row, VmStatus::PendingDelete);
                }
            }
        }
    }

    fn is_overdue(&self, key: InstanceRowKey, timeout: Duration) -> bool {
        self.instances.get(&key).is_some_and(|row| {
            let age = self.now.duration_since(row.created_at).unsigned_abs();
            let is_silent = matches!(
                row.phase,
                RunnerPhase::Pending | RunnerPhase::Installing | RunnerPhase::Failed
            );
            let runner = self.github.runners.get(&row.agent_id);
            age >= timeout
                && is_silent
                && matches!(row.vm, VmStatus::Running | VmStatus::Error)
                && runner.is_none_or(|runner| !runner.is_online)
        })
    }

    fn has_lost_its_runner(&self, key: InstanceRowKey) -> bool {
        self.instances.get(&key).is_some_and(|row| {
            matches!(row.vm, VmStatus::PendingCreate | VmStatus::Running | VmStatus::Error)
                && !self.github.runners.contains_key(&row.agent_id)
        })
    }

    /// A DELETE while the worker is still ending its session crashes GARM after the row is deleted.
    pub(super) fn crash_if_worker_is_busy(&mut self, key: ScaleSetRowKey) {
        let disabled_at = self.scale_sets.get(&key).and_then(|set| set.worker.disabled_at);
        let is_busy = disabled_at
            .is_some_and(|at| self.now.duration_since(at).unsigned_abs() < CRASHES_WITHIN);
        if is_busy {
            self.crash();
        }
    }
}
