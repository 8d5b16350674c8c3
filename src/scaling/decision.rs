//! A decision about one pool as data: its inputs, the result of each rule, and the outcome.

use std::time::Duration;

use jiff::Timestamp;

use super::circuit_breaker::CircuitStatus;
use super::group_shares::GroupShare;
use super::handout::HandOutState;
use super::pressure::Pressure;
use super::routing::JobExceptions;
use super::runner_counts::RunnerCounts;
use super::scale_set::ScaleSetResults;
use crate::domain::desired::ScalePolicy;
use crate::domain::name::{PoolId, RunnerName};

/// What to do about one pool, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// GARM's id of the pool.
    pub pool: PoolId,
    /// The time of the decision, on GARM's clock.
    pub at: Timestamp,
    /// The value for `min_idle_runners`. It is absolute, not a delta: two watchers with equal input
    /// compute equal levels.
    pub level: u32,
    /// The level without the runners that are only requested for waiting jobs. The level falls back
    /// to it when the loop can no longer observe the pool. Never above `level`.
    pub resting_level: u32,
    /// Idle runners to remove, longest idle first; the level no longer demands them. In a full pool
    /// also one that makes room for a probe.
    pub retire: Vec<RunnerName>,
    /// Replacements, in this order, for runners in `retire` that GitHub calls busy. They have been
    /// idle as long, and are no more than the surplus, except where they make room for a probe.
    pub reserve: Vec<RunnerName>,
    /// Failed runners to remove, by name, and runners that boot for too long while jobs need their
    /// places. None of them is busy.
    pub remove: Vec<RunnerName>,
    /// Suspect runners to remove, by name. Each is removed like an idle one, only if GitHub agrees.
    pub dismiss: Vec<RunnerName>,
    /// All suspect runners, by name: idle according to their rows, while younger runners take the
    /// jobs that wait beside them.
    pub suspects: Vec<RunnerName>,
    /// Idle runners whose history would show how long they have been idle, which their rows do not;
    /// only where this matters.
    pub ask: Vec<RunnerName>,
    /// Whether the pool grows, shrinks or stays.
    pub direction: Direction,
    /// The rule that decided, or the one that blocks a change.
    pub reason: Reason,
    /// The inputs of the decision.
    pub inputs: DecisionInputs,
    /// The result of each rule.
    pub rules: RuleResults,
    /// What only a scale set has; `None` for a pool.
    pub scale_set: Option<ScaleSetResults>,
    /// When the decision may change through age alone; absent if only an event can change it.
    pub until: Option<Timestamp>,
}

/// The inputs of a decision, except for the remembered state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionInputs {
    /// The scaling policy of the pool.
    pub policy: ScalePolicy,
    /// The pool's `max_runners` in GARM.
    pub garm_max: u32,
    /// The pool's part of the `max_runners` of its group, if it is in one.
    pub share: Option<GroupShare>,
    /// The pool's level in GARM.
    pub garm_level: u32,
    /// GARM's `minimum_job_age_backoff`, which delays GARM's own scaling.
    pub backoff: Duration,
    /// The pool's runners by class.
    pub counts: RunnerCounts,
    /// Jobs that wait for this pool: the gauge `queue_depth`.
    pub queued: u32,
    /// When the oldest of these jobs was created.
    pub oldest_queued: Option<Timestamp>,
    /// Jobs that this pool could run, whichever pool they were assigned to.
    pub fits: u32,
    /// Those of `fits` that are older than `scale_up_delay`.
    pub fits_waited: u32,
    /// Stuck, stale and forgotten jobs, which are reported separately.
    pub exceptions: JobExceptions,
}

impl DecisionInputs {
    /// The limit for all runners of the pool, whatever GARM has: that of its file, or its part of its
    /// group's.
    pub(super) fn own_max(&self) -> u32 {
        self.policy.max_runners.min(self.share.map_or(u32::MAX, |share| share.max))
    }

    /// The limit in force: the smaller of [`Self::own_max`] and GARM's.
    pub fn max_runners(&self) -> u32 {
        self.own_max().min(self.garm_max)
    }

    /// Whether the group is what limits the pool.
    pub fn is_limited_by_group(&self) -> bool {
        self.share.is_some() && self.max_runners() < self.policy.max_runners
    }
}

/// The result of each rule of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleResults {
    /// Whether the pool is under pressure.
    pub pressure: Pressure,
    /// The state of the circuit breaker; its `remove` is moved into the decision.
    pub circuit: CircuitStatus,
    /// The queued jobs that GitHub does not hand to idle runners.
    pub hand_out: HandOutState,
    /// Whether one more runner is tried, because those on their way boot for too long.
    pub boot_probe: bool,
    /// Queued jobs that ask for one runner each. Given-up jobs ask for one runner together.
    pub asking: u32,
    /// Those of `asking` that are older than `max_queue_wait`.
    pub late: u32,
    /// Those of `asking` that the loop has to serve; GARM serves the others sooner by itself.
    pub ours: u32,
    /// Those of `asking` for which there is an idle runner.
    pub covered: u32,
    /// Those of `covered` that are about to be picked up, if runners are asked for: GARM builds up
    /// to the level during each of these pick-ups.
    pub starting: u32,
    /// Those of `asking` for which no runner is idle or booting.
    pub unserved: u32,
    /// Runners requested by pressure and late jobs, before any limit applies.
    pub wanted: u32,
    /// Runners that may still be created under `max_runners`.
    pub room: u32,
    /// Runners requested after all limits.
    pub need: u32,
    /// The level below which the pool must not fall.
    pub floor: u32,
    /// Failed, overdue and suspect runners that stay for now: GARM counts them as idle.
    pub dead: u32,
    /// The suspect ones among `dead`, which GARM would remove like any idle runner.
    pub dead_idle: u32,
    /// Runners in `remove` that have not failed: they boot for too long, and the pool is full.
    pub overdue_removed: u32,
    /// Idle runners beyond the floor and beyond those about to pick up a job.
    pub surplus: u32,
    /// Those of the surplus that have been idle for `scale_down_delay`.
    pub due: u32,
    /// Idle runners that the level protects from removal by GARM.
    pub keep: u32,
}

impl RuleResults {
    /// Whether an idle runner of a full pool makes room for a probe: no place becomes free by
    /// itself.
    pub fn makes_room(&self, counts: &RunnerCounts) -> bool {
        let is_tried = self.circuit.open.is_none() && self.hand_out.tried > 0;
        let leaving = counts.leaving + counts.ended + counts.suspect;
        is_tried && self.due == 0 && self.room == 0 && leaving == 0
    }

    /// How many places the jobs need beyond those that are free or become free.
    pub(super) fn places_short(&self, counts: &RunnerCounts) -> u32 {
        let places = self.room + counts.leaving + counts.ended;
        let asked = self.wanted.max(self.hand_out.tried).max(self.boot_probe.into());
        asked.saturating_sub(places)
    }
}

/// Whether the pool grows, shrinks or stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// GARM is to create runners.
    Up,
    /// Runners are to be removed.
    Down,
    /// The number of runners stays as it is.
    Stay,
}

impl Direction {
    /// All directions, in order of declaration.
    pub const ALL: [Self; 3] = [Self::Up, Self::Down, Self::Stay];

    /// The word used in output and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Stay => "stay",
        }
    }
}

/// The rule that decided, or the one that blocks a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Up: more jobs than the threshold have waited.
    Pressure,
    /// Up: a job has waited for `max_queue_wait`.
    Late,
    /// Up: the floor demands more idle runners than there are.
    Floor,
    /// Up: one runner, to test whether the provider works again.
    Probe,
    /// Up: more runners than the jobs need, to test whether GitHub hands them to new runners. Down:
    /// an idle runner of a full pool makes room for this.
    HandOutProbe,
    /// Up: one more runner than the jobs need, because those on their way boot for too long.
    BootProbe,
    /// Stay: runners are wanted, but the provider keeps failing.
    CircuitOpen,
    /// Stay: runners are wanted, but `max_runners` is reached.
    MaxRunners,
    /// Stay: runners are wanted, but the pool has no free part of its group's `max_runners`.
    Group,
    /// Up: jobs of a scale set lack runners, and GARM counts rows in deletion as runners.
    Deleting,
    /// Stay: GARM starts the runners for the jobs that GitHub has assigned to the scale set.
    Assigned,
    /// Stay: a job waits that GitHub has not assigned to the only scale set that fits.
    Unassigned,
    /// Stay: the jobs are so young that GARM serves them by itself.
    NativeBackoff,
    /// Stay: `scale_up_target` allows this many jobs to wait.
    Target,
    /// Stay: too few jobs wait, or not for long enough.
    Threshold,
    /// Stay: every waiting job has a runner, but for a minute idle runners have not been handed
    /// theirs.
    NotHandedOut,
    /// Stay: each waiting job has an idle or booting runner.
    Served,
    /// Down: runners have been idle for `scale_down_delay`.
    Idle,
    /// Down: failed runners have been kept for `failed_runner_grace`.
    Failed,
    /// Down: suspect runners have been kept for `failed_runner_grace`.
    Suspect,
    /// Stay: runners beyond the floor have not been idle for long enough.
    Hold,
    /// Stay: no job waits, and no runner is to be removed.
    Steady,
}

impl Reason {
    /// All reasons, in order of declaration.
    pub const ALL: [Self; 22] = [
        Self::Pressure,
        Self::Late,
        Self::Floor,
        Self::Probe,
        Self::HandOutProbe,
        Self::BootProbe,
        Self::CircuitOpen,
        Self::MaxRunners,
        Self::Group,
        Self::Deleting,
        Self::Assigned,
        Self::Unassigned,
        Self::NativeBackoff,
        Self::Target,
        Self::Threshold,
        Self::NotHandedOut,
        Self::Served,
        Self::Idle,
        Self::Failed,
        Self::Suspect,
        Self::Hold,
        Self::Steady,
    ];

    /// The word used in output and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pressure => "pressure",
            Self::Late => "late",
            Self::Floor => "floor",
            Self::Probe => "probe",
            Self::HandOutProbe => "hand_out_probe",
            Self::BootProbe => "boot_probe",
            Self::CircuitOpen => "circuit_open",
            Self::MaxRunners => "max_runners",
            Self::Group => "group",
            Self::Deleting => "deleting",
            Self::Assigned => "assigned",
            Self::Unassigned => "unassigned",
            Self::NativeBackoff => "native_backoff",
            Self::Target => "target",
            Self::Threshold => "threshold",
            Self::NotHandedOut => "not_handed_out",
            Self::Served => "served",
            Self::Idle => "idle",
            Self::Failed => "failed",
            Self::Suspect => "suspect",
            Self::Hold => "hold",
            Self::Steady => "steady",
        }
    }
}

/// Why nothing is written to a pool, whatever is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Freeze {
    /// The last full read of GARM is older than twice the present interval; this is its age.
    Stale(Duration),
    /// GARM has not been read since the start.
    Unread,
    /// GARM does not answer any request.
    Unreachable,
    /// GARM answers but refuses to be read: a wrong password or a refused certificate.
    Refused,
    /// GARM's worker for the pool's entity has stopped, with GARM's explanation.
    ManagerStopped(String),
    /// `policy.require_mtls` is set and mTLS is not proven. Says what the probes have shown, in a
    /// few words without a full stop.
    Unproven(String),
    /// `watch.audit_required` is set and writes cannot be recorded. Says why, without a full stop.
    Unrecorded(String),
    /// Another process leads, or none does (`watch.leader`). Says which, without a full stop.
    Standby(String),
}
