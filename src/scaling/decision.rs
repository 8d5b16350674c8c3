//! A decision about one pool, as data: what went in, what each rule said, what comes out.

use std::time::Duration;

use jiff::Timestamp;

use super::circuit_breaker::CircuitStatus;
use super::handout::HandOutState;
use super::pressure::Pressure;
use super::route::JobExceptions;
use super::runner_counts::RunnerCounts;
use crate::domain::desired::ScalePolicy;
use crate::domain::name::{PoolId, RunnerName};

/// What is to be done about one pool, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Which pool.
    pub pool: PoolId,
    /// For what time on GARM's clock.
    pub at: Timestamp,
    /// What `min_idle_runners` is to be. Absolute: whoever decides from the same sight says the
    /// same.
    pub level: u32,
    /// What it is to be without a pulse: where the level falls back to when nobody can see how a
    /// pulse ends. Never above `level`.
    pub resting_level: u32,
    /// Idle runners to let go, longest idle first; the level does not demand them any more.
    pub retire: Vec<RunnerName>,
    /// Who goes in the place of one of `retire` that GitHub calls busy, in this order; as long idle,
    /// and no more than are beyond the floor.
    pub reserve: Vec<RunnerName>,
    /// Failed runners to remove, by name.
    pub remove: Vec<RunnerName>,
    /// Suspect runners to remove, by name; each only with GitHub's consent, as an idle one.
    pub dismiss: Vec<RunnerName>,
    /// All suspect runners, by name: idle by their rows, while younger ones take the jobs that wait
    /// beside them.
    pub suspects: Vec<RunnerName>,
    /// Idle runners whose history would tell for how long they have been idle, which their row
    /// does not; only where it matters.
    pub ask: Vec<RunnerName>,
    /// What the pool is about to become.
    pub direction: Direction,
    /// The rule that decided, or the one that stands in the way.
    pub reason: Reason,
    /// What went in.
    pub inputs: DecisionInputs,
    /// What each rule said.
    pub rules: RuleResults,
    /// When the decision may be another by age alone; absent when only news can change it.
    pub until: Option<Timestamp>,
}

/// What a decision is made from, memory aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionInputs {
    /// How the pool is to scale.
    pub policy: ScalePolicy,
    /// `max_runners` as GARM has it.
    pub garm_max: u32,
    /// The level as GARM has it.
    pub garm_level: u32,
    /// GARM's `minimum_job_age_backoff`.
    pub backoff: Duration,
    /// The pool's runners.
    pub census: RunnerCounts,
    /// Jobs that wait for this pool: the gauge `queue_depth`.
    pub queued: u32,
    /// When the oldest of them was created.
    pub oldest_queued: Option<Timestamp>,
    /// Jobs that this pool could run, wherever they were given.
    pub fits: u32,
    /// Those of them older than `scale_up_delay`.
    pub fits_waited: u32,
    /// Jobs shown apart.
    pub tally: JobExceptions,
}

/// What each rule said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleResults {
    /// Whether the pool is under pressure.
    pub pressure: Pressure,
    /// How the circuit breaker stands. Its `remove` is the decision's.
    pub circuit: CircuitStatus,
    /// Which queued jobs idle runners do not get.
    pub hand_out: HandOutState,
    /// Queued jobs that ask for a runner each: all but those that are given up, which together
    /// hold one.
    pub asking: u32,
    /// Those of them older than `max_queue_wait`.
    pub late: u32,
    /// Those of them that are ours to serve; GARM serves the others by itself, sooner.
    pub ours: u32,
    /// Those of them that have an idle runner beside them.
    pub covered: u32,
    /// Those of them that an idle runner has been waiting beside for no more than a moment, when
    /// runners are asked for: GARM builds up to the level inside each of these pick-ups.
    pub starting: u32,
    /// Jobs that ask for a runner, and none is idle or booting for them.
    pub unserved: u32,
    /// Runners asked for by pressure and late jobs, whatever stands in the way.
    pub wanted: u32,
    /// Runners that may still be created under `max_runners`.
    pub room: u32,
    /// Runners asked for.
    pub need: u32,
    /// The level below which the pool must not be.
    pub floor: u32,
    /// Failed and suspect runners that stay for now: GARM counts them as idle.
    pub dead: u32,
    /// The suspect ones of these, which GARM would let go like any idle runner.
    pub dead_idle: u32,
    /// Idle runners beyond the floor and those about to work.
    pub surplus: u32,
    /// Those of the surplus that have been idle for `scale_down_delay`.
    pub due: u32,
    /// Idle runners held, so that GARM does not let them go.
    pub keep: u32,
}

/// What the pool is about to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// GARM is to create runners.
    Up,
    /// Runners are to go.
    Down,
    /// Neither.
    Stay,
}

impl Direction {
    /// Every direction.
    pub const ALL: [Self; 3] = [Self::Up, Self::Down, Self::Stay];

    /// The word of output and of metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Stay => "stay",
        }
    }
}

/// The rule that decided, or the one that stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Up: more jobs than the threshold have waited.
    Pressure,
    /// Up: a job has waited for `max_queue_wait`.
    Late,
    /// Up: the floor demands more idle runners than there are.
    Floor,
    /// Up: one runner, to see whether the provider works again.
    Probe,
    /// Up: one runner more than jobs need, to see whether GitHub hands them out to a new one.
    HandOutProbe,
    /// Stay: runners are wanted, and the provider fails.
    CircuitOpen,
    /// Stay: runners are wanted, and there is no room.
    MaxRunners,
    /// Stay: the jobs are so young that GARM serves them by itself.
    NativeBackoff,
    /// Stay: `scale_up_target` leaves so many jobs waiting.
    Target,
    /// Stay: jobs wait, too few or too short.
    Threshold,
    /// Stay: each waiting job has a runner, and idle ones have not got theirs for a minute.
    NotHandedOut,
    /// Stay: each waiting job has a runner, idle or booting.
    Served,
    /// Down: runners have been idle for `scale_down_delay`.
    Idle,
    /// Down: failed runners have been kept long enough.
    Failed,
    /// Down: suspect runners have been kept long enough.
    Suspect,
    /// Stay: runners beyond the floor have not been idle long enough.
    Hold,
    /// Stay: nothing waits, nothing is to go.
    Steady,
}

impl Reason {
    /// Every reason, in the order of their declaration.
    pub const ALL: [Self; 17] = [
        Self::Pressure,
        Self::Late,
        Self::Floor,
        Self::Probe,
        Self::HandOutProbe,
        Self::CircuitOpen,
        Self::MaxRunners,
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

    /// The word of output and of metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pressure => "pressure",
            Self::Late => "late",
            Self::Floor => "floor",
            Self::Probe => "probe",
            Self::HandOutProbe => "hand_out_probe",
            Self::CircuitOpen => "circuit_open",
            Self::MaxRunners => "max_runners",
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

/// Why nothing is written to a pool, whatever would be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Freeze {
    /// No full read of GARM is younger than twice `watch.resync`: so old is the last one.
    Stale(Duration),
    /// GARM has not been read since the start.
    Unread,
    /// GARM does not answer.
    Unreachable,
    /// GARM answers, and does not let itself be read: a wrong password, a refused certificate.
    Refused,
    /// GARM's worker for the pool's entity has stopped, in GARM's words.
    ManagerStopped(String),
    /// `policy.require_mtls` is set and mTLS is not proven: what the probes have shown, a few words
    /// without full stop.
    Unproven(String),
    /// `watch.audit_required` is set and writes cannot be recorded: why, without full stop.
    Unrecorded(String),
}
