//! Selects the runners of a pool that are removed: idle, suspect and overdue ones.

use super::deadline::EvaluationClock;
use super::decision::RuleResults;
use super::observation::{Observation, count};
use super::runner_counts::RunnerClass;
use super::runner_state::{IdleSource, RunnerState};
use crate::domain::name::RunnerName;

/// At most this many idle runners are removed by one decision.
pub const RETIRE_MAX: usize = 5;

/// The suspect runners of a pool.
#[derive(Default)]
pub(super) struct Suspects {
    pub(super) all: Vec<RunnerName>,
    /// Those that have been suspect for `failed_runner_grace`, or whose places jobs need.
    pub(super) due: Vec<RunnerName>,
}

/// The suspect runners; `short` of them are due at once.
pub(super) fn suspects(
    seen: &Observation<'_>,
    mut short: u32,
    clock: &mut EvaluationClock,
) -> Suspects {
    let mut suspects = Suspects::default();
    if seen.pool.counts.suspect == 0 {
        return suspects;
    }
    for runner in &seen.pool.runners {
        if let Some(since) = runner.passed_over.filter(|_| runner.is_suspect(clock)) {
            suspects.all.push(runner.name.clone());
            // GARM may link a job to a runner shortly before it marks the runner active.
            if runner.job.is_some() {
                continue;
            }
            if short > 0 || clock.passed(since, seen.policy.failed_runner_grace) {
                suspects.due.push(runner.name.clone());
                short = short.saturating_sub(1);
            }
        }
    }
    suspects
}

/// The `short` oldest of the runners that boot for far longer than a younger one did: jobs need
/// their places. If there are none, and another runner is to be tried because all boot for too
/// long, at most one: the oldest that is booting.
pub(super) fn overdue(
    seen: &Observation<'_>,
    rules: &RuleResults,
    short: u32,
    clock: &mut EvaluationClock,
) -> Vec<RunnerName> {
    let (wanted, most) = match (seen.pool.counts.overdue, rules.boot_probe) {
        (1.., _) => (RunnerClass::Overdue, short),
        (0, true) => (RunnerClass::Booting, short.min(1)),
        (0, false) => return Vec::new(),
    };
    if most == 0 {
        return Vec::new();
    }
    let grace = seen.policy.boot_grace;
    let mut overdue: Vec<&RunnerState> =
        (seen.pool.runners.iter()).filter(|runner| runner.class(grace, clock) == wanted).collect();
    overdue.sort_unstable_by(|a, b| (a.created_at, &a.name).cmp(&(b.created_at, &b.name)));
    overdue.into_iter().take(most as usize).map(|runner| runner.name.clone()).collect()
}

/// The runners to remove, the next candidates, and those whose history is to be read.
pub(super) type IdleSelection = (Vec<RunnerName>, Vec<RunnerName>, Vec<RunnerName>);

/// Selects the idle runners to remove. Of the surplus that has been idle for `scale_down_delay`, or
/// whose places other pools of the group need, it takes a quarter, at least one and at most [`RETIRE_MAX`], longest idle first. The second list
/// holds the next candidates, the third the runners that may have been idle for longer than their
/// rows say.
pub(super) fn retire(
    seen: &Observation<'_>,
    rules: &mut RuleResults,
    clock: &mut EvaluationClock,
) -> IdleSelection {
    // While a runner is asked for, an idle one is about to be used and stays.
    if rules.surplus == 0 || rules.need > 0 {
        return exchange(seen, rules, clock);
    }
    let delay = seen.policy.scale_down_delay;
    let idle = seen.idle_without_job(clock.now());
    let mut longest = idle.clone();
    longest.sort_unstable_by(|a, b| (a.idle_since(), &a.name).cmp(&(b.idle_since(), &b.name)));
    // Jobs of other pools of the group wait for the places of these.
    let shed = longest.len().min(seen.pool.share.map_or(0, |share| share.shed) as usize);
    let held = longest.split_off(shed);
    let is_due = |runner: &&RunnerState| clock.passed(runner.idle_since(), delay);
    let mut due = longest;
    due.extend(held.into_iter().filter(is_due));
    rules.due = rules.surplus.min(count(due.len()));
    if rules.makes_room(&seen.pool.counts) {
        return exchange(seen, rules, clock);
    }
    let quota = (rules.due as usize).div_ceil(4).clamp(1, RETIRE_MAX).min(rules.due as usize);
    let mut retire: Vec<RunnerName> =
        due.iter().take(rules.due as usize).map(|runner| runner.name.clone()).collect();
    let mut reserve = retire.split_off(quota);
    reserve.truncate(RETIRE_MAX);
    let unsure = |runner: &&RunnerState| runner.idle.is_some_and(|at| at.source == IdleSource::Row);
    let ask = idle.into_iter().filter(unsure).map(|runner| runner.name.clone()).collect();
    (retire, reserve, ask)
}

/// Selects the idle runner that is removed to make room for a probe in a full pool, if there is to
/// be one: the runner that has been idle for longest. The second list holds its replacements if
/// GitHub calls it busy.
fn exchange(seen: &Observation<'_>, rules: &RuleResults, clock: &EvaluationClock) -> IdleSelection {
    if !rules.makes_room(&seen.pool.counts) {
        return (Vec::new(), Vec::new(), Vec::new());
    }
    let mut idle = seen.idle_without_job(clock.now());
    idle.sort_unstable_by(|a, b| (a.idle_since(), &a.name).cmp(&(b.idle_since(), &b.name)));
    let mut names = idle.into_iter().map(|runner| runner.name.clone());
    let first = names.by_ref().take(1).collect();
    (first, names.take(RETIRE_MAX).collect(), Vec::new())
}
