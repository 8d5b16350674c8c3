//! What the runners of a pool show about the quota and capacity of its provider.

use jiff::Timestamp;

use super::deadline::EvaluationClock;
use super::pool_index::PoolIndex;
use super::runner_counts::RunnerClass;
use super::runner_state::RunnerState;
use crate::domain::runner::Status;

impl PoolIndex {
    /// When GARM wrote the latest row of a runner that fails for lack of quota or capacity.
    pub(super) fn capacity_lacked_at(&self) -> Option<Timestamp> {
        if self.counts.failed == 0 {
            return None;
        }
        let lacking = self.runners.iter().filter(|runner| runner.fails_for_capacity());
        lacking.map(|runner| runner.written_at).max()
    }

    /// Whether a runner has got a VM after `lacked_at`, when another one got none for lack of quota
    /// or capacity. VMs of the burst in which the provider ran out of it at `since` show nothing.
    pub(super) fn has_capacity_after(
        &self,
        since: Timestamp,
        lacked_at: Option<Timestamp>,
    ) -> bool {
        let is_later = |runner: &RunnerState| runner.created_at > since || runner.lacked_capacity;
        self.runners.iter().any(|runner| runner.vm_at > lacked_at && is_later(runner))
    }

    /// The runners that have failed for lack of quota or capacity and that GARM itself tries to create
    /// again, and how many of them are booting for that.
    pub(super) fn retried_for_capacity(&self, clock: &mut EvaluationClock) -> (u32, u32) {
        let (mut retried, mut booting) = (0, 0);
        for runner in self.runners.iter().filter(|runner| runner.lacked_capacity) {
            let class = runner.class_by_row(self.boot_grace(), clock);
            if matches!(class, RunnerClass::Retrying | RunnerClass::Booting) {
                retried += 1;
                let class = runner.class(self.boot_grace(), clock);
                booting += u32::from(class == RunnerClass::Booting);
            }
        }
        (retried, booting)
    }

    /// The booting runners on which jobs can count although the provider has had no capacity since
    /// `since`: those that have a VM, and those of the same burst, of which the provider may create
    /// some and refuse others. A later one is a probe.
    pub(super) fn coming_despite(&self, since: Timestamp, now: Timestamp) -> u32 {
        let has_hope = |runner: &RunnerState| {
            runner.status == Status::Running
                || (runner.created_at <= since && !runner.lacked_capacity)
        };
        let mut clock = EvaluationClock::new(now);
        let is_coming = |runner: &&RunnerState| {
            has_hope(runner) && runner.class(self.boot_grace(), &mut clock) == RunnerClass::Booting
        };
        u32::try_from(self.runners.iter().filter(is_coming).count()).unwrap_or(u32::MAX)
    }
}
