//! The data of `status`: one line per pool, combined from the files, the fleet in GARM and the
//! plan.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use super::groups::{GroupStatus, groups};
use super::health::{self, Remark};
use super::index::StatusIndex;
use super::jobs::QueuedJobRow;
use super::runners::{RunnerRow, runner_lines};
use super::scale_sets::{SetQueue, SetQueues};
use crate::config::DeclaredPool;
use crate::domain::desired::ScalePolicy;
use crate::domain::fleet::Fleet;
use crate::domain::label::OwnerMark;
use crate::domain::name::{FleetName, PoolId, PoolKind, PoolName};
use crate::domain::owners::{AdoptedSets, NameResolution, Owners};
use crate::domain::pool::Pool;
use crate::plan::Plan;
use crate::render::decision::DecisionView;
use crate::render::leadership::LeadershipJson;
use crate::scaling::{EvaluationClock, PoolSnapshot, RunnerClass, ScaledPool, snapshot};

/// Whether a pool is in the files, in GARM, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PoolStanding {
    Declared,
    Absent,
    /// In GARM with the mark of this fleet, but in no file that was read.
    Undeclared,
    /// Drained, because a replacement takes its place.
    Retired,
    /// The new pool of a replacement that is not complete.
    Replacement,
    /// An extra pool of the same name, left by an interrupted create.
    Leftover,
}

impl PoolStanding {
    /// All values, in the order of output.
    pub const ALL: [Self; 6] = [
        Self::Declared,
        Self::Absent,
        Self::Undeclared,
        Self::Retired,
        Self::Replacement,
        Self::Leftover,
    ];

    /// The word used in text and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Absent => "absent",
            Self::Undeclared => "undeclared",
            Self::Retired => "retired",
            Self::Replacement => "replacement",
            Self::Leftover => "leftover",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct PoolStatus {
    pub name: String,
    pub kind: PoolKind,
    pub standing: PoolStanding,
    /// `None` for an absent pool.
    pub pool_id: Option<PoolId>,
    /// Whether it is enabled in GARM.
    pub enabled: bool,
    /// Zero for an absent pool.
    pub snapshot: PoolSnapshot,
    pub min_runners: u32,
    /// The smaller `max_runners` of the file and of GARM.
    pub max_runners: u32,
    /// How many of the waiting jobs GARM has no row of; only a scale set has such jobs.
    pub unlisted_jobs: u32,
    /// `min_idle_runners` in GARM; `None` for an absent pool.
    pub level: Option<u32>,
    /// The scaling decision; `None` for a pool that is not scaled.
    pub decision: Option<DecisionView>,
    /// Remarks, most severe first; empty for a healthy pool.
    pub remarks: Vec<Remark>,
    /// The runners in GARM, ordered by name.
    pub runners: Vec<RunnerRow>,
}

/// The source of the decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecisionSource {
    Watch {
        address: String,
        /// The time of its last pass, on GARM's clock.
        at: Timestamp,
        /// Whether it applies its decisions.
        is_applied: bool,
        /// Who leads; only with `watch.leader`.
        leader: Option<LeadershipJson>,
    },
    /// No `watch` answers: the decisions are those of a `watch` that would start now.
    NotRunning { address: String },
    /// It is unknown whether a `watch` runs: the decisions are those of one that would start now.
    Unknown {
        address: String,
        /// Why it gave no decisions: one sentence, escaped.
        why: String,
    },
}

impl DecisionSource {
    /// The address at which a `watch` was expected.
    pub fn address(&self) -> &str {
        match self {
            Self::Watch { address, .. }
            | Self::NotRunning { address }
            | Self::Unknown { address, .. } => address,
        }
    }
}

/// The decisions about all scaled pools by name, and their source.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolDecisions {
    /// `None` if no decisions were needed.
    pub source: Option<DecisionSource>,
    /// Includes pools that the running `watch` does not know yet, with the decision that it would
    /// make.
    pub by_pool: BTreeMap<PoolName, DecisionView>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FleetStatus {
    pub fleet: String,
    /// The id that GARM gives itself.
    pub controller_id: String,
    /// GARM's version; empty if unknown.
    pub version: String,
    /// The time of the read, on GARM's clock.
    pub observed_at: Timestamp,
    /// The source of the decisions; `None` if no pool is scaled or no decisions were needed.
    pub source: Option<DecisionSource>,
    /// The declared pools, ordered by name.
    pub pools: Vec<PoolStatus>,
    /// The groups that share a limit, by name.
    pub groups: Vec<GroupStatus>,
    /// The queued jobs, oldest first; `None` unless asked for.
    pub jobs: Option<Vec<QueuedJobRow>>,
    /// Number of pools in GARM that do not belong to this fleet.
    pub foreign: usize,
}

#[derive(Clone, Copy)]
pub struct StatusInputs<'a> {
    pub owner: &'a FleetName,
    pub declared: &'a [DeclaredPool],
    /// A full read of GARM.
    pub fleet: &'a Fleet,
    /// The plan; `None` if the files are not complete enough for one.
    pub plan: Option<&'a Plan>,
    pub decisions: &'a PoolDecisions,
}

/// A pool of this fleet in GARM, with its declaration.
struct OwnedPool<'a> {
    name: String,
    standing: PoolStanding,
    pool: &'a Pool,
    policy: ScalePolicy,
}

/// Combines files, fleet, plan and decisions.
pub fn fleet_status(inputs: StatusInputs<'_>) -> FleetStatus {
    let StatusInputs { owner, declared, fleet, .. } = inputs;
    let sets = AdoptedSets::of(declared.iter().map(|pool| &pool.settings));
    let owners = Owners::with_adopted(&fleet.pools, owner, &sets);
    let index = StatusIndex::new(inputs);
    let runners = |id: &PoolId| index.runners_of(id).len();
    let holders =
        owners.named.iter().map(|named| (named.0.as_str(), named.1.holder(runners))).collect();
    let ours: Vec<OwnedPool<'_>> = (fleet.pools.iter())
        .filter_map(|pool| recognise(pool, (owner, &sets), &index, &holders))
        .collect();
    let managed: Vec<ScaledPool<'_>> =
        ours.iter().map(|pool| ScaledPool { pool: pool.pool, policy: &pool.policy }).collect();
    let glances = snapshot(fleet, &managed);
    let queues = SetQueues::of(fleet).by_set;
    let present = (ours.iter().zip(glances))
        .map(|(ours, snapshot)| line(ours, snapshot, queues.get(&ours.pool.id), &index));
    let there: HashSet<&str> = (ours.iter())
        .filter(|pool| pool.standing == PoolStanding::Declared)
        .map(|pool| pool.name.as_str())
        .collect();
    let absent = declared
        .iter()
        .filter(|pool| !there.contains(pool.name.as_str()))
        .map(|pool| absent(pool, &index));
    let mut pools: Vec<PoolStatus> = present.chain(absent).collect();
    pools.sort_by(|a, b| (&a.name, a.standing, &a.pool_id).cmp(&(&b.name, b.standing, &b.pool_id)));
    let is_scaled = |pool: &DeclaredPool| pool.may_be_enabled() && pool.scale.autoscale;
    let source = inputs.decisions.source.clone().filter(|_| declared.iter().any(is_scaled));
    FleetStatus {
        source,
        fleet: owner.to_string(),
        controller_id: fleet.controller.id.clone(),
        version: fleet.controller.version.clone(),
        observed_at: fleet.observed_at,
        foreign: fleet.pools.len() - ours.len(),
        groups: groups(declared, &pools),
        pools,
        jobs: None,
    }
}

impl FleetStatus {
    /// Number of jobs that wait for the listed scale sets and of which GARM has no row.
    pub(super) fn unlisted_jobs(&self) -> u32 {
        self.pools.iter().map(|pool| pool.unlisted_jobs).sum()
    }
}

fn recognise<'a>(
    pool: &'a Pool,
    (owner, sets): (&FleetName, &AdoptedSets),
    index: &StatusIndex<'_>,
    holders: &HashMap<&str, NameResolution<'_>>,
) -> Option<OwnedPool<'a>> {
    let mut marks = pool.marks();
    if let Some(name) = sets.name(&pool.id).filter(|_| pool.is_unmarked_scale_set()) {
        let is_it = |holder: &NameResolution<'_>| matches!(holder, NameResolution::Pool { pool: held, .. } if held.id == pool.id);
        if holders.get(name.as_str()).is_some_and(is_it) {
            marks.push(OwnerMark::owned(owner, name));
        }
    }
    let mark = marks.iter().find(|mark| mark.fleet() == owner.as_str())?;
    let name = mark.pool().to_owned();
    let file = index.declared(&name);
    let holder = holders.get(name.as_str());
    let is_left = |resolution: &&NameResolution<'_>| match resolution {
        NameResolution::Pool { leftovers, .. } => {
            leftovers.iter().any(|leftover| leftover.id == pool.id)
        }
        NameResolution::NoPool
        | NameResolution::Conflicting(_)
        | NameResolution::SeveralInUse(_) => false,
    };
    let (standing, policy) = match (mark, file) {
        (OwnerMark::Owned { .. }, _) if holder.is_some_and(|holder| is_left(&holder)) => {
            (PoolStanding::Leftover, plain(pool))
        }
        (OwnerMark::Owned { .. }, Some(file)) => {
            // A pool that its file disables is not scaled, even if it is enabled in GARM; nor is
            // any pool whose name does not resolve to a single pool.
            let is_certain = matches!(holder, Some(NameResolution::Pool { .. }));
            let autoscale = file.scale.autoscale && file.may_be_enabled() && is_certain;
            (PoolStanding::Declared, ScalePolicy { autoscale, ..file.scale.clone() })
        }
        (OwnerMark::Owned { .. }, None) => (PoolStanding::Undeclared, plain(pool)),
        (OwnerMark::Retired { .. }, _) => (PoolStanding::Retired, plain(pool)),
        (OwnerMark::Replacement { .. }, _) => (PoolStanding::Replacement, plain(pool)),
    };
    Some(OwnedPool { name, standing, pool, policy })
}

/// The policy of an undeclared pool: no minimum, and defaults otherwise.
fn plain(pool: &Pool) -> ScalePolicy {
    ScalePolicy {
        min_runners: 0,
        max_runners: pool.spec.max_runners,
        min_idle_runners: 0,
        scale_up_threshold: 5,
        scale_up_delay: Duration::from_secs(30),
        scale_up_target: 0,
        scale_down_delay: Duration::from_secs(600),
        max_queue_wait: None,
        boot_grace: Duration::from_secs(600),
        failed_runner_grace: Duration::from_secs(120),
        stale_job_age: Duration::from_secs(86_400),
        autoscale: false,
        price: None,
        group: None,
    }
}

fn line(
    ours: &OwnedPool<'_>,
    mut snapshot: PoolSnapshot,
    queue: Option<&SetQueue<'_>>,
    index: &StatusIndex<'_>,
) -> PoolStatus {
    let inputs = index.inputs;
    let pool = ours.pool;
    let decision = decision(ours, inputs).cloned();
    if let Some(told) = &decision {
        // The job counts come from the decision, because only a running `watch` remembers to which
        // pool a job was assigned, and which jobs are stuck.
        snapshot.queue_depth = told.queued;
        snapshot.leaving_since = snapshot.leaving_since.into_iter().chain(told.leaving_since).min();
        snapshot.oldest_wait =
            told.oldest.map(|at| EvaluationClock::new(inputs.fleet.observed_at).age(at));
    }
    if let Some(queue) = queue {
        let clock = EvaluationClock::new(inputs.fleet.observed_at);
        let oldest = queue.rows.first().map(|job| clock.age(job.created_at));
        snapshot.queue_depth = snapshot.queue_depth.max(queue.waiting);
        snapshot.oldest_wait = snapshot.oldest_wait.max(oldest);
    }
    let suspects = decision.as_ref().map_or(&[][..], |decision| &decision.suspects);
    let runners = runner_lines(pool, ours.policy.boot_grace, suspects, index);
    let in_class = |class| runners.iter().map(|runner| u32::from(runner.class == class)).sum();
    // Only the decision knows which of the idle runners are suspect.
    (snapshot.idle, snapshot.suspect) =
        (in_class(RunnerClass::Idle), in_class(RunnerClass::Suspect));
    let mut line = PoolStatus {
        name: ours.name.clone(),
        kind: pool.kind(),
        standing: ours.standing,
        pool_id: Some(pool.id.clone()),
        enabled: pool.spec.enabled,
        snapshot,
        min_runners: ours.policy.min_runners,
        max_runners: ours.policy.max_runners,
        unlisted_jobs: queue.map_or(0, SetQueue::unlisted),
        level: Some(pool.spec.min_idle_runners),
        decision,
        remarks: Vec::new(),
        runners,
    };
    line.remarks = health::present(&line, pool, &ours.policy, index);
    line
}

/// The decision about this pool, compared by id.
fn decision<'a>(ours: &OwnedPool<'_>, inputs: StatusInputs<'a>) -> Option<&'a DecisionView> {
    let name =
        PoolName::new(&ours.name).ok().filter(|_| ours.standing == PoolStanding::Declared)?;
    inputs.decisions.by_pool.get(&name).filter(|decision| decision.pool_id == ours.pool.id.as_str())
}

fn absent(declared: &DeclaredPool, index: &StatusIndex<'_>) -> PoolStatus {
    let snapshot = PoolSnapshot::empty(PoolId::new(""));
    PoolStatus {
        name: declared.name.to_string(),
        kind: declared.kind,
        standing: PoolStanding::Absent,
        pool_id: None,
        enabled: false,
        snapshot,
        min_runners: declared.scale.min_runners,
        max_runners: declared.scale.max_runners,
        unlisted_jobs: 0,
        level: None,
        decision: None,
        remarks: health::absent(declared, index),
        runners: Vec::new(),
    }
}
