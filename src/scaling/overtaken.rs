//! Runners that boot for far longer than a younger runner of their pool did. Their VMs probably
//! hang, so neither jobs nor the floor may count on them. They stay until `boot_grace` is over,
//! because they may still become idle.
//!
//! Only the arrival of a younger runner shows this. If every boot in a cloud has become slow, more
//! runners would not help, and nothing would limit their number; where none has arrived, single
//! runners are tried (`slow_boot`).

use std::time::Duration;

use jiff::Timestamp;

use super::deadline::later;
use super::runner_state::RunnerState;

/// GARM creates runners every 5 s. Runners created within this time count as equally old: each of
/// them can overtake the others.
const TOGETHER: Duration = Duration::from_secs(5);

/// A runner may boot for twice as long as the runner that overtook it, and for this time in any
/// case.
pub(super) const AT_LEAST: Duration = Duration::from_secs(30);

/// A runner that has become idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrival {
    created_at: Timestamp,
    boot: Duration,
}

impl Arrival {
    /// The arrival of this runner.
    pub(super) fn of(runner: &RunnerState) -> Option<Self> {
        let since = runner.idle.map(|idle| idle.since).or_else(|| Some(runner.pick_up?.began))?;
        let boot = Duration::try_from(since.duration_since(runner.created_at)).ok()?;
        Some(Self { created_at: runner.created_at, boot })
    }
}

/// Records when the booting runners of a pool become overdue, given these arrivals.
pub(super) fn overtake(runners: &mut [RunnerState], arrivals: &[Arrival]) {
    for runner in runners.iter_mut().filter(|runner| !runner.has_arrived()) {
        let by = arrivals
            .iter()
            .filter(|arrival| later(arrival.created_at, TOGETHER) >= runner.created_at);
        let due =
            by.map(|arrival| later(runner.created_at, (arrival.boot * 2).max(AT_LEAST))).min();
        runner.overdue_at = runner.overdue_at.into_iter().chain(due).min();
    }
}
