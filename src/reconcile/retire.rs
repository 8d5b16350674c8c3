//! Retires a pool: disables it, removes idle runners, waits for busy ones, and deletes it.
//!
//! A busy runner is never removed. Each destructive request is preceded by a fresh read, and GARM
//! itself asks GitHub, which refuses to remove a busy runner.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::context::StepContext;
use super::idle::{IdleWatch, is_free};
use super::preconditions::Precondition;
use super::reread;
use super::write_outcome::{WriteError, WriteOutcome};
use super::writer::{LevelOrder, PoolRef, ResendLabels};
use crate::domain::backoff::Backoff;
use crate::domain::name::{PoolKind, RunnerName};
use crate::domain::pool::{Pool, PoolChange};
use crate::domain::runner::{Runner, Status};
use crate::event::ApplyEvent;

/// The shortest and the longest wait between two checks of a draining pool.
const DRAIN_WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// If a pool still gets new runners this long after it was disabled, GARM's loops use an older row
/// of it (GARM.md §0.10).
const STALE_AFTER: Duration = Duration::from_secs(10);

/// The time between two checks if the drain's time limit was too short to request the removal of
/// all idle runners.
const LAST_LOOK: Duration = Duration::from_millis(500);

/// The minimum time to wait for runners that GARM is already removing, even if the limit is
/// shorter.
const LEAVING_WAIT: Duration = Duration::from_secs(60);

/// The number of failed removals of one runner that ends the step. "Busy" is not a failure.
const REMOVAL_TRIES: u32 = 3;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Retired {
    /// The pool has been deleted.
    Deleted {
        /// The number of runners that we removed.
        removed: usize,
    },
    /// The pool did not exist any more.
    WasGone,
    /// Runners are left after the time limit; the pool is disabled.
    TimedOut {
        /// The number of runners that are left.
        left: usize,
        /// The time after which the wait ended.
        after: Duration,
        /// A runner that cannot be deleted, with its provider's message.
        fault: Option<(RunnerName, String)>,
    },
    /// This process runs on one of the pool's runners; the pool is disabled.
    OwnRunner(RunnerName),
    /// A stop signal arrived; the pool is disabled or unchanged.
    Stopped,
}

/// The state of a draining pool.
struct Drain {
    began: Instant,
    /// When the pool was last disabled, or its labels were sent again.
    off_at: Instant,
    idle: IdleWatch,
    /// The runners whose removal was requested.
    asked: BTreeSet<RunnerName>,
    /// Those of `asked` that GARM is removing.
    going: BTreeSet<RunnerName>,
    failures: BTreeMap<RunnerName, u32>,
    removed: usize,
    /// The reported errors of runners that cannot be deleted.
    faults: BTreeMap<RunnerName, String>,
}

/// Retires the pool. If it is interrupted at any point, the next run can continue.
pub(super) async fn retire(
    context: &StepContext<'_>,
    pool: &PoolRef,
    precondition: &Precondition,
) -> Result<Retired, WriteError> {
    let mut drain = Drain {
        began: Instant::now(),
        off_at: Instant::now(),
        idle: IdleWatch::default(),
        asked: BTreeSet::new(),
        going: BTreeSet::new(),
        failures: BTreeMap::new(),
        removed: 0,
        faults: BTreeMap::new(),
    };
    let Some((live, _)) = read_pool(context, pool).await? else { return Ok(Retired::WasGone) };
    let narrowed = precondition.narrowed(&live);
    context.say(
        &pool.name,
        match pool.id.kind() {
            PoolKind::Pool => "switch it off",
            PoolKind::ScaleSet => "take no more jobs",
        },
    );
    match context.writer.change(pool, &narrowed, off).await {
        Err(WriteError::Gone) => return Ok(Retired::WasGone),
        other => drop(other?),
    }
    let precondition = match pool.id.kind() {
        PoolKind::Pool => narrowed,
        PoolKind::ScaleSet if is_off(&live) => narrowed.unused_now(),
        // The write has retired it.
        PoolKind::ScaleSet => Precondition::retired(context.fleet, &pool.name),
    };
    let backoff = Backoff::new(DRAIN_WAIT.0, DRAIN_WAIT.1);
    let mut attempt = 0;
    // Limited by the drain's time limit, which `Drain::end` checks.
    loop {
        match look(context, pool, &precondition, &mut drain).await {
            // Another run has deleted it just now.
            Err(WriteError::Gone) => return Ok(Retired::Deleted { removed: drain.removed }),
            looked => {
                if let Some(end) = looked? {
                    return Ok(end);
                }
            }
        }
        let left = context.options.drain_timeout.saturating_sub(drain.began.elapsed());
        let pause = backoff.delay(attempt);
        context.pause(if left.is_zero() { LAST_LOOK } else { pause.min(left) }).await;
        attempt += 1;
    }
}

/// The write that begins to drain a pool. A scale set stays enabled until it is empty: GARM removes
/// the runners of a disabled one late or not at all.
fn off(live: &Pool) -> PoolChange {
    match live.kind() {
        PoolKind::Pool => PoolChange { enabled: Some(false), ..no_level() },
        PoolKind::ScaleSet if is_off(live) => no_level(),
        PoolKind::ScaleSet => drained(),
    }
}

/// The write that retires a scale set.
pub(super) fn drained() -> PoolChange {
    PoolChange { max_runners: Some(0), ..no_level() }
}

fn no_level() -> PoolChange {
    PoolChange { min_idle_runners: Some(0), ..PoolChange::default() }
}

/// Whether a scale set gets no jobs although it is not retired, since it is disabled. It must not be
/// retired to drain it: its file may leave `enabled` to GARM, and a retired scale set no longer
/// shows whether it was enabled.
fn is_off(live: &Pool) -> bool {
    !live.spec.enabled && !live.is_retired()
}

async fn read_pool(
    context: &StepContext<'_>,
    pool: &PoolRef,
) -> Result<Option<(Pool, Vec<Runner>)>, WriteError> {
    reread::pool(context.writer.client(), &pool.id).await.map_err(WriteError::Garm)
}

/// Checks the pool once and does what is possible; returns the end, if there is one.
async fn look(
    context: &StepContext<'_>,
    pool: &PoolRef,
    precondition: &Precondition,
    drain: &mut Drain,
) -> Result<Option<Retired>, WriteError> {
    let Some((live, runners)) = read_pool(context, pool).await? else {
        return Ok(Some(Retired::Deleted { removed: drain.removed }));
    };
    precondition.check(&live).map_err(WriteError::Changed)?;
    if context.is_stopped() {
        return Ok(Some(Retired::Stopped));
    }
    let is_on = match live.kind() {
        PoolKind::Pool => live.spec.enabled,
        PoolKind::ScaleSet => live.spec.enabled && live.spec.max_runners > 0,
    };
    if is_on || live.spec.min_idle_runners > 0 {
        // The pool was enabled again, for example by a `watch` that has not received the change
        // yet.
        context.writer.change(pool, precondition, off).await?;
        drain.off_at = Instant::now();
    }
    let is_built = runners.iter().any(|runner| runner.status == Status::PendingCreate);
    // GARM's worker reads the row of a scale set with each event, so it has none to send again.
    let has_cache = live.kind() == PoolKind::Pool;
    if has_cache && is_built && drain.off_at.elapsed() >= STALE_AFTER {
        let decision = "GARM creates runners for a disabled pool".to_owned();
        let order = LevelOrder { level: 0, with: ResendLabels::Labels, decision };
        context.writer.set_level(pool, precondition, &order).await?;
        drain.off_at = Instant::now();
    }
    if runners.is_empty() {
        context.say(&pool.name, "delete it");
        if live.kind() == PoolKind::ScaleSet {
            let disable = PoolChange { enabled: Some(false), ..PoolChange::default() };
            context.writer.change(pool, precondition, |_| disable.clone()).await?;
        }
        match context.writer.remove_pool(pool, precondition).await? {
            WriteOutcome::Done | WriteOutcome::AlreadyDone => {
                return Ok(Some(Retired::Deleted { removed: drain.removed }));
            }
            WriteOutcome::Refused => {}
        }
    }
    let own = context.options.own_runner.as_ref();
    let due = drain.idle.due(runners.iter().filter(|runner| own != Some(&runner.name)));
    for name in &due {
        if context.is_stopped() {
            return Ok(Some(Retired::Stopped));
        }
        drain.asked.insert(name.clone());
        remove(context, pool, precondition, (name, &mut *drain)).await?;
    }
    tell(context, pool, &runners, drain.began.elapsed());
    tell_faults(context, pool, &runners, &mut drain.faults);
    Ok(drain.end(context, &runners))
}

async fn remove(
    context: &StepContext<'_>,
    pool: &PoolRef,
    precondition: &Precondition,
    (name, drain): (&RunnerName, &mut Drain),
) -> Result<(), WriteError> {
    let what = match context.writer.remove_runner(pool, precondition, name).await {
        Ok(WriteOutcome::Done) => {
            drain.removed += 1;
            drain.going.insert(name.clone());
            "removed"
        }
        Ok(WriteOutcome::AlreadyDone) => return Ok(()),
        Ok(WriteOutcome::Refused) => {
            // It has a job, or GARM cannot remove it yet: its waiting time starts again.
            drain.idle.forget(name);
            "busy, not removed"
        }
        // GARM or GitHub may have recovered by the next check.
        Err(WriteError::Garm(error) | WriteError::Unknown(error)) if !error.is_certain() => {
            let failures = drain.failures.entry(name.clone()).or_default();
            *failures += 1;
            if *failures >= REMOVAL_TRIES {
                return Err(WriteError::Garm(error));
            }
            "not removed yet"
        }
        Err(WriteError::Gone) => return Ok(()),
        Err(trouble) => return Err(trouble),
    };
    let (pool, runner) = (pool.name.clone(), name.clone());
    context.listener.hear(&ApplyEvent::Runner { pool, runner, what: what.to_owned() });
    Ok(())
}

impl Drain {
    /// The end, if there is nothing left to wait for or the time is up.
    fn end(&self, context: &StepContext<'_>, runners: &[Runner]) -> Option<Retired> {
        if runners.is_empty() {
            return None;
        }
        let own =
            runners.iter().find(|runner| context.options.own_runner.as_ref() == Some(&runner.name));
        let mut others = runners
            .iter()
            .filter(|runner| context.options.own_runner.as_ref() != Some(&runner.name));
        let is_all_tried =
            !others.any(|runner| is_free(runner) && !self.asked.contains(&runner.name));
        if let Some(own) = own.filter(|_| is_all_tried) {
            return Some(Retired::OwnRunner(own.name.clone()));
        }
        let after = self.began.elapsed();
        // The time limit is meant for busy runners. The removal of idle ones is requested however
        // short it is.
        let is_leaving =
            |runner: &Runner| runner.status.is_leaving() || self.going.contains(&runner.name);
        let is_removed = runners.iter().all(is_leaving);
        let given = context.options.drain_timeout;
        let limit = if is_removed { given.max(LEAVING_WAIT) } else { given };
        let is_over = is_all_tried && after >= limit;
        let mut faults =
            self.faults.iter().filter(|fault| runners.iter().any(|r| r.name == *fault.0));
        let fault = faults.next().map(|(name, fault)| (name.clone(), fault.clone()));
        is_over.then_some(Retired::TimedOut { left: runners.len(), after, fault })
    }
}

fn tell(context: &StepContext<'_>, pool: &PoolRef, runners: &[Runner], waited: Duration) {
    let busy = runners.iter().filter(|runner| runner.is_busy()).count();
    let leaving = runners.len() - busy;
    if !runners.is_empty() {
        let pool = pool.name.clone();
        context.listener.hear(&ApplyEvent::Draining { pool, busy, leaving, waited });
    }
}

/// Reports the messages of providers about runners that they cannot delete: immediately, and again
/// only if the message changes. GARM has no message during an attempt.
pub(super) fn tell_faults(
    context: &StepContext<'_>,
    pool: &PoolRef,
    runners: &[Runner],
    told: &mut BTreeMap<RunnerName, String>,
) {
    for runner in runners {
        let Some(fault) = runner.deletion_fault() else { continue };
        let before = told.insert(runner.name.clone(), fault.to_owned());
        if before.as_deref() != Some(fault) {
            let (pool, runner) = (pool.name.clone(), runner.name.clone());
            context.listener.hear(&ApplyEvent::Undeletable {
                pool,
                runner,
                fault: fault.to_owned(),
            });
        }
    }
}
