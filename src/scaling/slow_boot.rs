//! A job whose runner boots for too long: one more runner is tried, because the VM may hang.
//!
//! A younger runner that boots faster shows that the VM hangs (`overtaken`). This rule is for a
//! pool without one, such as a pool that scales from zero. If every boot of a cloud is slow,
//! another runner does not help, so the intervals grow and each probe is one runner.

use std::time::Duration;

use jiff::Timestamp;

use super::deadline::EvaluationClock;
use super::overtaken::AT_LEAST;
use super::pool_index::PoolIndex;
use super::runner_counts::RunnerClass;
use super::runner_state::RunnerState;

/// The longest interval between two probes.
const PROBE_MAX: Duration = Duration::from_mins(30);

/// Whether one more runner is started for `late` jobs, which have waited for `max_queue_wait`. This
/// requires that not all of them have an idle runner, and that every booting runner has been
/// booting for longer than [`AT_LEAST`], than twice the longest boot of any other runner of the
/// pool, and than the time between the creation of the first and the last booting one, at most
/// [`PROBE_MAX`].
///
/// All of this is in GARM's rows, so that two watchers act alike.
pub(super) fn is_probe_due(
    pool: &PoolIndex,
    (late, boot_grace): (u32, Duration),
    clock: &mut EvaluationClock,
) -> bool {
    if late <= pool.counts.idle || pool.counts.coming() == 0 {
        return false;
    }
    let booting = |runner: &&RunnerState| runner.class(boot_grace, clock) == RunnerClass::Booting;
    let created: Vec<Timestamp> =
        pool.runners.iter().filter(booting).map(|runner| runner.created_at).collect();
    let (Some(first), Some(last)) = (created.iter().min(), created.iter().max()) else {
        return false;
    };
    let known = pool.runners.iter().filter_map(boot).map(|boot| boot * 2).max();
    let apart = EvaluationClock::new(*last).age(*first);
    let step = apart.clamp(AT_LEAST, PROBE_MAX).max(known.unwrap_or_default());
    clock.passed(*last, step)
}

/// How long the runner booted, if its arrival was observed. A runner that was first observed with a
/// job may have been idle for long before.
fn boot(runner: &RunnerState) -> Option<Duration> {
    let idle = runner.idle.map(|idle| idle.since);
    let since = idle.or_else(|| Some(runner.pick_up?.idle_since))?;
    let boot = Duration::try_from(since.duration_since(runner.created_at)).ok()?;
    (!boot.is_zero()).then_some(boot)
}
