//! What `status` shows, as values: one line a pool, put together from the files, the fleet and the
//! plan between them.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;

use super::health::{self, Remark};
use super::runners::{RunnerRow, runner_lines};
use crate::config::DeclaredPool;
use crate::domain::desired::ScalePolicy;
use crate::domain::fleet::Fleet;
use crate::domain::label::OwnerMark;
use crate::domain::name::{FleetName, PoolId, PoolName};
use crate::domain::owners::{NameResolution, Owners};
use crate::domain::pool::Pool;
use crate::plan::Plan;
use crate::render::decision::DecisionView;
use crate::scaling::{EvaluationClock, PoolSnapshot, ScaledPool, snapshot};

/// Where a pool stands between the files and GARM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PoolStanding {
    /// In both.
    Declared,
    /// In the files only.
    Absent,
    /// Ours in GARM, and in no file that was read.
    Undeclared,
    /// Retired by a replace; being drained.
    Retired,
    /// Created by a replace that is not finished.
    Replacement,
    /// Left beside the pool of its name by a create that was interrupted.
    Leftover,
}

impl PoolStanding {
    /// Every standing, in the order of output.
    pub const ALL: [Self; 6] = [
        Self::Declared,
        Self::Absent,
        Self::Undeclared,
        Self::Retired,
        Self::Replacement,
        Self::Leftover,
    ];

    /// The word of output and JSON.
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

/// One pool.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolStatus {
    /// Its name in the fleet.
    pub name: String,
    /// Where it stands.
    pub standing: PoolStanding,
    /// GARM's id; absent for an absent pool.
    pub pool_id: Option<PoolId>,
    /// Whether GARM works on it.
    pub enabled: bool,
    /// Its runners and its queue; all zero for an absent pool.
    pub snapshot: PoolSnapshot,
    /// Floor on all its runners.
    pub min_runners: u32,
    /// Ceiling.
    pub max_runners: u32,
    /// GARM's `min_idle_runners`; absent for an absent pool.
    pub level: Option<u32>,
    /// What the scaler does, or would do; absent for a pool that it leaves alone.
    pub decision: Option<DecisionView>,
    /// What a person should know, gravest first. Empty: healthy.
    pub remarks: Vec<Remark>,
    /// Every runner, by name.
    pub runners: Vec<RunnerRow>,
}

/// Where decisions come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecisionSource {
    /// From a `watch` that runs.
    Watch {
        /// Where it was asked.
        address: String,
        /// When it took its last turn, on GARM's clock.
        at: Timestamp,
        /// Whether it writes what it decides.
        is_applied: bool,
    },
    /// No `watch` answers there: what one would decide that starts now.
    NotRunning {
        /// Where it was asked.
        address: String,
    },
    /// Whether one runs is not known: what one would decide that starts now.
    Unknown {
        /// Where it was asked.
        address: String,
        /// Why it told nothing: one sentence, escaped.
        why: String,
    },
}

impl DecisionSource {
    /// Where a `watch` was asked.
    pub fn address(&self) -> &str {
        match self {
            Self::Watch { address, .. }
            | Self::NotRunning { address }
            | Self::Unknown { address, .. } => address,
        }
    }
}

/// The decision about each pool that is scaled, by name, and where they come from.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolDecisions {
    /// Where from; absent where nobody was asked.
    pub source: Option<DecisionSource>,
    /// Those that a running `watch` does not know are what it would decide.
    pub by_pool: BTreeMap<PoolName, DecisionView>,
}

/// Everything that `status` shows.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetStatus {
    /// Whose pools.
    pub fleet: String,
    /// GARM's id of itself.
    pub controller_id: String,
    /// GARM's version, empty where it does not say.
    pub version: String,
    /// When the fleet was read, on GARM's clock.
    pub observed_at: Timestamp,
    /// Where the decisions come from; absent when no pool is to be scaled, or nobody was asked.
    pub source: Option<DecisionSource>,
    /// The pools, by name.
    pub pools: Vec<PoolStatus>,
    /// Pools in GARM that are not this fleet's.
    pub foreign: usize,
}

/// What a board is made from.
#[derive(Clone, Copy)]
pub struct StatusInputs<'a> {
    /// Whose pools.
    pub owner: &'a FleetName,
    /// The pools of the files.
    pub declared: &'a [DeclaredPool],
    /// One reading of GARM.
    pub fleet: &'a Fleet,
    /// What `plan` would do; absent when the files are not complete enough to plan.
    pub plan: Option<&'a Plan>,
    /// What the scaler does, or would do.
    pub decisions: &'a PoolDecisions,
}

/// A pool of ours in GARM, with what the files say about it.
struct OwnedPool<'a> {
    name: String,
    standing: PoolStanding,
    pool: &'a Pool,
    policy: ScalePolicy,
}

/// Puts the board together.
pub fn fleet_status(inputs: StatusInputs<'_>) -> FleetStatus {
    let StatusInputs { owner, declared, fleet, .. } = inputs;
    let owners = Owners::new(&fleet.pools, owner);
    let runners = |id: &PoolId| fleet.runners_of(id).count();
    let holders = owners.named.iter().map(|it| (it.0.as_str(), it.1.holder(runners))).collect();
    let recognise = |pool| recognise(pool, owner, declared, &holders);
    let ours: Vec<OwnedPool<'_>> = fleet.pools.iter().filter_map(recognise).collect();
    let managed: Vec<ScaledPool<'_>> =
        ours.iter().map(|it| ScaledPool { pool: it.pool, policy: &it.policy }).collect();
    let glances = snapshot(fleet, &managed);
    let present = ours.iter().zip(glances).map(|(ours, snapshot)| line(ours, snapshot, inputs));
    let is_there =
        |name: &str| ours.iter().any(|it| it.standing == PoolStanding::Declared && it.name == name);
    let absent =
        declared.iter().filter(|it| !is_there(it.name.as_str())).map(|it| absent(it, inputs));
    let mut pools: Vec<PoolStatus> = present.chain(absent).collect();
    pools.sort_by(|a, b| (&a.name, a.standing, &a.pool_id).cmp(&(&b.name, b.standing, &b.pool_id)));
    let is_scaled = |it: &DeclaredPool| it.may_be_enabled() && it.scale.autoscale;
    let source = inputs.decisions.source.clone().filter(|_| declared.iter().any(is_scaled));
    FleetStatus {
        source,
        fleet: owner.to_string(),
        controller_id: fleet.controller.id.clone(),
        version: fleet.controller.version.clone(),
        observed_at: fleet.observed_at,
        foreign: fleet.pools.len() - ours.len(),
        pools,
    }
}

fn recognise<'a>(
    pool: &'a Pool,
    owner: &FleetName,
    declared: &[DeclaredPool],
    holders: &HashMap<&str, NameResolution<'_>>,
) -> Option<OwnedPool<'a>> {
    let marks = pool.spec.labels.marks();
    let mark = marks.iter().find(|it| it.fleet() == owner.as_str())?;
    let name = mark.pool().to_owned();
    let file = declared.iter().find(|it| it.name.as_str() == name);
    let holder = holders.get(name.as_str());
    let is_left = |it: &&NameResolution<'_>| match it {
        NameResolution::Pool { leftovers, .. } => leftovers.iter().any(|it| it.id == pool.id),
        NameResolution::NoPool
        | NameResolution::Conflicting(_)
        | NameResolution::SeveralInUse(_) => false,
    };
    let (standing, policy) = match (mark, file) {
        (OwnerMark::Owned { .. }, _) if holder.is_some_and(|it| is_left(&it)) => {
            (PoolStanding::Leftover, plain(pool))
        }
        (OwnerMark::Owned { .. }, Some(file)) => {
            // A pool that is switched off in its file is not steered, whatever GARM says; nor is
            // one of which it is not certain that it is the one.
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

/// The policy of a pool that no file speaks of: nothing is asked of it, the rest as by default.
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
    }
}

fn line(ours: &OwnedPool<'_>, mut snapshot: PoolSnapshot, inputs: StatusInputs<'_>) -> PoolStatus {
    let pool = ours.pool;
    let decision = decision(ours, inputs).cloned();
    if let Some(told) = &decision {
        // The jobs of one pool by the same count as its decision: a running `watch` remembers
        // which pool a job was given to, and which jobs are stuck.
        snapshot.queue_depth = told.queued;
        snapshot.leaving_since = snapshot.leaving_since.into_iter().chain(told.leaving_since).min();
        snapshot.oldest_wait =
            told.oldest.map(|it| EvaluationClock::new(inputs.fleet.observed_at).age(it));
    }
    let suspects = decision.as_ref().map_or(&[][..], |it| &it.suspects);
    let runners = runner_lines(pool, ours.policy.boot_grace, suspects, inputs.fleet);
    let mut line = PoolStatus {
        name: ours.name.clone(),
        standing: ours.standing,
        pool_id: Some(pool.id.clone()),
        enabled: pool.spec.enabled,
        snapshot,
        min_runners: ours.policy.min_runners,
        max_runners: ours.policy.max_runners,
        level: Some(pool.spec.min_idle_runners),
        decision,
        remarks: Vec::new(),
        runners,
    };
    line.remarks = health::present(&line, pool, &ours.policy, inputs);
    line
}

/// The decision about this very pool.
fn decision<'a>(ours: &OwnedPool<'_>, inputs: StatusInputs<'a>) -> Option<&'a DecisionView> {
    let name =
        PoolName::new(&ours.name).ok().filter(|_| ours.standing == PoolStanding::Declared)?;
    inputs.decisions.by_pool.get(&name).filter(|it| it.pool_id == ours.pool.id.as_str())
}

fn absent(declared: &DeclaredPool, inputs: StatusInputs<'_>) -> PoolStatus {
    let snapshot = PoolSnapshot {
        pool: PoolId::new(""),
        active: 0,
        idle: 0,
        suspect: 0,
        booting: 0,
        failed: 0,
        leaving: 0,
        leaving_since: None,
        live: 0,
        queue_depth: 0,
        oldest_wait: None,
        floor: 0,
    };
    PoolStatus {
        name: declared.name.to_string(),
        standing: PoolStanding::Absent,
        pool_id: None,
        enabled: false,
        snapshot,
        min_runners: declared.scale.min_runners,
        max_runners: declared.scale.max_runners,
        level: None,
        decision: None,
        remarks: health::absent(declared, inputs),
        runners: Vec::new(),
    }
}
