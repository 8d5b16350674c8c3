//! `--rotate`: replaces idle runners that were created from an older version of their pool, a tenth
//! of the pool at a time.
//!
//! The level is not lowered first: GARM is meant to create new runners as far as the level demands
//! (GARM.md §e). If it demands none, the runner is only removed. Busy runners end with their job.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::context::{StepContext, target};
use super::idle::{IdleWatch, is_broken, is_free};
use super::preconditions::Precondition;
use super::reread;
use super::retire::tell_faults;
use super::step_end::StepEnd;
use super::write_outcome::{WriteError, WriteOutcome};
use super::writer::PoolRef;
use crate::domain::backoff::Backoff;
use crate::domain::name::{PoolId, PoolKind, PoolName, RunnerName};
use crate::domain::pool::Pool;
use crate::domain::runner::{Runner, RunnerStatus, Status};
use crate::event::{ApplyEvent, StepResult};
use crate::render::words;
use crate::scaling::{ERROR_FINAL, ERROR_QUIET};

/// This many failures stop a rotation, because the new image may be broken.
const FAILURES_MAX: usize = 2;

/// The fraction of a pool that is replaced at a time; at least one runner.
const BATCH_PART: usize = 10;

/// The shortest and the longest wait between two checks.
const LOOK_WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// The largest number of removal requests for one runner. GARM may consider a runner idle that
/// GitHub knows to be busy.
const REMOVAL_TRIES: u32 = 3;

/// Added to the pool's bootstrap timeout for the ticks of GARM's loops (GARM.md §d). A replacement
/// that takes longer has failed.
const BATCH_EXTRA: Duration = Duration::from_secs(60);

/// The state of a rotation.
struct Rotation {
    pool: PoolRef,
    precondition: Precondition,
    idle: IdleWatch,
    /// The number of removal requests for each runner.
    asked: BTreeMap<RunnerName, u32>,
    /// All runners that were removed.
    removed: BTreeSet<RunnerName>,
    failed: BTreeSet<RunnerName>,
    /// The runners that existed at the start: the rotation is not responsible for their failures.
    at_start: BTreeSet<RunnerName>,
    /// The outdated runners of a scale set. GARM does not record from which version of a scale set a
    /// runner was created, so these are all that existed when this run had changed it.
    outdated_of_set: BTreeSet<RunnerName>,
    /// The runners that existed when the last batch was removed, and the size of that batch.
    before_batch: BTreeSet<RunnerName>,
    batch: usize,
    /// Runners that have become idle since then, or have a job by now.
    arrived: BTreeSet<RunnerName>,
    erring: BTreeMap<RunnerName, Erring>,
    /// The number of batches whose replacements did not become idle in time.
    late: usize,
    /// The reported errors of runners that cannot be deleted.
    faults: BTreeMap<RunnerName, String>,
}

/// A replacement in `error`. GARM may still create it again.
struct Erring {
    /// When it was first observed in `error`.
    since: Instant,
    /// When GARM last wrote its row, on GARM's clock, and when that was first observed.
    written: (Timestamp, Instant),
}

impl Erring {
    /// Whether GARM has given it up. The number of attempts depends on GARM's version, and each
    /// attempt writes the row (`scaling::classify` applies the same rule on GARM's clock).
    fn is_final(&self, now: Instant) -> bool {
        now.duration_since(self.since) >= ERROR_FINAL
            || now.duration_since(self.written.1) >= ERROR_QUIET
    }
}

/// Replaces the outdated idle runners of one pool. Returns nothing if there are none.
/// `just_changed` is the pool if this run has changed it so that its runners are outdated.
pub(super) async fn rotate(
    context: &StepContext<'_>,
    name: &PoolName,
    just_changed: Option<&PoolId>,
) -> Option<StepEnd> {
    let changed_set = just_changed.filter(|id| id.kind() == PoolKind::ScaleSet);
    match rotate_pool(context, name, changed_set).await {
        Ok(end) => end,
        Err(trouble) => Some(trouble.into()),
    }
}

async fn rotate_pool(
    context: &StepContext<'_>,
    name: &PoolName,
    changed_set: Option<&PoolId>,
) -> Result<Option<StepEnd>, WriteError> {
    let id = match changed_set {
        // An adopted scale set does not bear the label.
        Some(id) => id.clone(),
        None => {
            let bearing = context.writer.pool_list.bearing(&context.mark(name)).await;
            match bearing.map_err(WriteError::Garm)?.first() {
                Some(pool) => pool.id.clone(),
                None => return Ok(None),
            }
        }
    };
    let mut rotation = Rotation {
        pool: target(name, &id),
        precondition: Precondition::owned(context.fleet, name),
        idle: IdleWatch::default(),
        asked: BTreeMap::new(),
        removed: BTreeSet::new(),
        failed: BTreeSet::new(),
        at_start: BTreeSet::new(),
        outdated_of_set: BTreeSet::new(),
        before_batch: BTreeSet::new(),
        batch: 0,
        arrived: BTreeSet::new(),
        erring: BTreeMap::new(),
        late: 0,
        faults: BTreeMap::new(),
    };
    let (live, runners) = rotation.read(context).await?;
    if changed_set.is_some() {
        rotation.outdated_of_set = names(&runners);
    }
    if !runners.iter().any(|runner| rotation.is_outdated(&live, runner)) {
        return Ok(None);
    }
    rotation.at_start = names(&runners);
    let backoff = Backoff::new(LOOK_WAIT.0, LOOK_WAIT.1);
    loop {
        for attempt in 0.. {
            if context.is_stopped() {
                return Ok(Some(rotation.end(StepResult::Interrupted, 0)));
            }
            let (live, runners) = rotation.read(context).await?;
            let left = rotation.candidates(&live, &runners);
            if left.is_empty() {
                return Ok(Some(rotation.over(&live, &runners)));
            }
            let what = format!("replace {}", words::count(left.len(), "outdated runner"));
            context.say(name, what);
            if rotation.remove_batch(context, &runners, &left).await? > 0 {
                break;
            }
            context.pause(backoff.delay(attempt)).await;
        }
        let left = rotation.wait(context).await?;
        if rotation.failed.len() + rotation.late >= FAILURES_MAX {
            return Ok(Some(rotation.end(StepResult::Failed, left)));
        }
    }
}

impl Rotation {
    fn is_outdated(&self, live: &Pool, runner: &Runner) -> bool {
        runner.is_outdated(live.generation) || self.outdated_of_set.contains(&runner.name)
    }

    async fn read(&self, context: &StepContext<'_>) -> Result<(Pool, Vec<Runner>), WriteError> {
        let found = reread::pool(context.writer.client(), &self.pool.id).await;
        let (live, runners) = found.map_err(WriteError::Garm)?.ok_or(WriteError::Gone)?;
        self.precondition.check(&live).map_err(WriteError::Changed)?;
        Ok((live, runners))
    }

    /// Outdated runners whose removal can still be requested.
    fn candidates(&self, live: &Pool, runners: &[Runner]) -> BTreeSet<RunnerName> {
        runners
            .iter()
            .filter(|runner| self.is_outdated(live, runner) && is_free(runner))
            .filter(|runner| {
                self.asked.get(&runner.name).is_none_or(|tries| *tries < REMOVAL_TRIES)
            })
            .map(|runner| runner.name.clone())
            .collect()
    }

    /// Removes a tenth of the pool, or nothing while no runner has been idle for long enough.
    /// Returns the number of removed runners.
    async fn remove_batch(
        &mut self,
        context: &StepContext<'_>,
        runners: &[Runner],
        left: &BTreeSet<RunnerName>,
    ) -> Result<usize, WriteError> {
        let most = (runners.len() / BATCH_PART).max(1);
        let due = self.idle.due(runners.iter().filter(|runner| left.contains(&runner.name)));
        self.before_batch = names(runners);
        self.arrived.clear();
        let mut count = 0;
        for name in due {
            if count == most || context.is_stopped() {
                break;
            }
            *self.asked.entry(name.clone()).or_default() += 1;
            let what =
                match context.writer.remove_runner(&self.pool, &self.precondition, &name).await? {
                    WriteOutcome::Done => {
                        count += 1;
                        self.removed.insert(name.clone());
                        "removed: outdated"
                    }
                    WriteOutcome::AlreadyDone => continue,
                    WriteOutcome::Refused => {
                        self.idle.forget(&name);
                        "busy, not removed"
                    }
                };
            let pool = self.pool.name.clone();
            context.listener.hear(&ApplyEvent::Runner {
                pool,
                runner: name,
                what: what.to_owned(),
            });
        }
        self.batch = count;
        Ok(count)
    }

    /// Waits until GARM has created the runners that it owes and they are idle. Returns the number
    /// of outdated runners that are left.
    async fn wait(&mut self, context: &StepContext<'_>) -> Result<usize, WriteError> {
        let began = Instant::now();
        let backoff = Backoff::new(LOOK_WAIT.0, LOOK_WAIT.1);
        let mut attempt = 0;
        loop {
            context.pause(backoff.delay(attempt)).await;
            attempt += 1;
            let (live, runners) = self.read(context).await?;
            let left = runners.iter().filter(|runner| self.is_outdated(&live, runner)).count();
            self.note_failures(&live, &runners);
            tell_faults(context, &self.pool, &runners, &mut self.faults);
            self.note_arrivals(&live, &runners);
            let is_over = self.failed.len() + self.late >= FAILURES_MAX || context.is_stopped();
            if is_over || self.is_settled(&live, &runners) {
                return Ok(left);
            }
            let minutes = u64::from(live.spec.bootstrap_timeout_min);
            if began.elapsed() >= Duration::from_secs(minutes * 60) + BATCH_EXTRA {
                self.late += 1;
                return Ok(left);
            }
        }
    }

    fn note_failures(&mut self, live: &Pool, runners: &[Runner]) {
        let now = Instant::now();
        let fresh = |runner: &&Runner| {
            !runner.is_outdated(live.generation) && !self.at_start.contains(&runner.name)
        };
        for runner in runners.iter().filter(fresh) {
            let name = &runner.name;
            if runner.runner_status == RunnerStatus::Failed {
                self.failed.insert(name.clone());
            } else if runner.status == Status::Error {
                let fresh = Erring { since: now, written: (runner.updated_at, now) };
                let erring = self.erring.entry(name.clone()).or_insert(fresh);
                if erring.written.0 != runner.updated_at {
                    erring.written = (runner.updated_at, now);
                }
                if erring.is_final(now) {
                    self.failed.insert(name.clone());
                }
            }
        }
    }

    /// Notes the runners that have become ready since the last batch. One that takes a job at once
    /// is a replacement, too.
    fn note_arrivals(&mut self, live: &Pool, runners: &[Runner]) {
        let has_arrived = |runner: &&Runner| {
            let is_up = matches!(
                runner.runner_status,
                RunnerStatus::Idle | RunnerStatus::Active | RunnerStatus::Terminated
            );
            is_up && !self.is_outdated(live, runner) && !self.before_batch.contains(&runner.name)
        };
        let arrived: Vec<RunnerName> =
            runners.iter().filter(has_arrived).map(|runner| runner.name.clone()).collect();
        self.arrived.extend(arrived);
    }

    /// Whether the removed runners are gone, and either as many have become ready, or GARM owes no
    /// runner and none that it has begun since is still booting. In a busy pool other runners are
    /// booting all the time.
    fn is_settled(&self, live: &Pool, runners: &[Runner]) -> bool {
        let is_gone = !runners.iter().any(|runner| self.removed.contains(&runner.name));
        let counted = runners.iter().filter(|runner| runner.counts_as_idle()).count();
        let has_room = runners.len() < live.spec.max_runners as usize;
        let is_owed =
            live.spec.enabled && has_room && counted < live.spec.min_idle_runners as usize;
        let is_booting = runners.iter().any(|runner| {
            let is_new =
                !self.is_outdated(live, runner) && !self.before_batch.contains(&runner.name);
            is_new && is_coming(runner) && !self.failed.contains(&runner.name)
        });
        is_gone && (self.arrived.len() >= self.batch || !is_owed && !is_booting)
    }

    fn over(&self, live: &Pool, runners: &[Runner]) -> StepEnd {
        let left = runners.iter().filter(|runner| self.is_outdated(live, runner)).count();
        self.end(StepResult::Done, left)
    }

    fn end(&self, kind: StepResult, left: usize) -> StepEnd {
        let mut said = format!("{} removed", words::count(self.removed.len(), "outdated runner"));
        let failures = self.failed.len() + self.late;
        if failures > 0 {
            said.push_str(&format!("; {} failed", words::count(failures, "replacement")));
        }
        if left > 0 {
            said.push_str(&match kind {
                StepResult::Done => format!("; {left} more end with their job"),
                StepResult::AlreadyDone
                | StepResult::Failed
                | StepResult::Blocked
                | StepResult::TimedOut
                | StepResult::Interrupted => format!("; {left} left"),
            });
        }
        StepEnd::new(kind, said)
    }
}

fn names(runners: &[Runner]) -> BTreeSet<RunnerName> {
    runners.iter().map(|runner| runner.name.clone()).collect()
}

/// Whether the runner is not idle yet and has not failed.
fn is_coming(runner: &Runner) -> bool {
    let is_made = matches!(runner.status, Status::PendingCreate | Status::Creating);
    let is_installing = matches!(
        runner.runner_status,
        RunnerStatus::Pending | RunnerStatus::Installing | RunnerStatus::Offline
    );
    let is_retried = runner.status == Status::Error;
    is_made
        || is_retried
        || (runner.status == Status::Running && is_installing && !is_broken(runner))
}
