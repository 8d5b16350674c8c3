//! The decision about a scale set (DESIGN §11).
//!
//! GARM starts the runners for a scale set's jobs by itself, without any delay: every 5 s it makes the
//! number of rows equal to `min(level + assigned, max_runners)`, where `assigned` is GitHub's number
//! of jobs, running ones included. The level therefore never asks for runners for those jobs. It
//! asks for the floor, and corrects what GARM counts wrongly:
//!
//! - GARM removes what is more, whatever its age: the level *holds* idle runners that the jobs do not
//!   need, until they are removed after `scale_down_delay`. Booting ones are not held: GARM may
//!   create one in the moment between the end of a deletion and the next level.
//! - GARM counts rows in deletion as runners: it starts none in their place, and takes an idle
//!   runner where one of those makes the count too large. The level *covers* them.
//! - The same goes for failed runners and those that boot for too long.
//!
//! A runner is removed by `DELETE`, and the level follows as its row disappears: if the level were
//! lowered first, GARM would remove a runner of its own choice in addition.

use std::time::Duration;

use jiff::Timestamp;

use super::circuit_breaker::{CircuitStatus, RunnerProbe};
use super::deadline::EvaluationClock;
use super::decide::{full, inputs, sight};
use super::decision::{Decision, DecisionInputs, Direction, Reason, RuleResults};
use super::handout::HandOutState;
use super::observation::{Observation, count};
use super::pressure::Pressure;
use super::removal::retire;
use super::runner_counts::{RunnerClass, RunnerCounts};
use super::scale_set_index::ScaleSetIndex;
use super::state::PoolState;
use crate::domain::name::RunnerName;
use crate::domain::runner::{RunnerStatus, Status};

/// How long a job waits that GitHub has not assigned to the only scale set that fits, before one
/// runner is started for it: its message may be lost, and GitHub hands jobs to idle runners.
pub const UNASSIGNED_FOR: Duration = Duration::from_mins(2);

/// What only a decision about a scale set is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScaleSetResults {
    /// The jobs that GitHub has assigned, running ones included: `desired_runner_count`.
    pub assigned: u32,
    /// Rows in deletion that the level covers.
    pub leaving: u32,
    /// Runners that GARM has not created although its own rule asks for them, with room.
    pub missing: u32,
    /// Waiting jobs beyond those that are assigned.
    pub unassigned: u32,
    /// Of these, one has waited for [`UNASSIGNED_FOR`] and one runner is started for it.
    pub pulse: bool,
    /// When the newest runner was created.
    pub newest: Option<Timestamp>,
    /// When GARM last wrote the row.
    pub written_at: Timestamp,
}

/// The jobs that GitHub has not assigned and for which a runner was there: those created by this
/// time ask for none again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PulseHistory {
    served_by: Option<Timestamp>,
}

/// Makes the decision about one scale set at `now`, on GARM's clock.
pub(super) fn decide(
    seen: &Observation<'_>,
    set: &ScaleSetIndex,
    state: PoolState,
    now: Timestamp,
) -> (Decision, PoolState) {
    let mut clock = EvaluationClock::new(now);
    let inputs = DecisionInputs { fits: count(jobs(seen).len()), ..inputs(seen, &mut clock) };
    let (mut circuit, circuit_memory) = state.circuit.next(&sight(seen, &mut clock), &mut clock);
    let remove = std::mem::take(&mut circuit.remove);
    let asking = set.assigned.saturating_sub(seen.pool.running_jobs(&mut clock));
    let (pulse, pulses) = pulse(seen, asking, state.pulses, &mut clock);
    let mut rules = rules(seen, asking, circuit, pulse);
    let leaving = leaving(seen, set, &rules, &mut clock);
    let (retire, reserve, ask) = retire(seen, &mut rules, &mut clock);
    let (level, resting_level) = levels(set, &inputs, &rules, (leaving, pulse));
    let results = ScaleSetResults {
        assigned: set.assigned,
        leaving,
        missing: missing(set, &inputs),
        unassigned: inputs.queued.saturating_sub(asking),
        pulse,
        newest: seen.pool.runners.iter().map(|runner| runner.created_at).max(),
        written_at: set.written_at,
    };
    let (direction, reason) = reason(&inputs, &rules, &results, (level, &retire, &remove));
    let decision = Decision {
        pool: seen.pool.id().clone(),
        at: now,
        level,
        resting_level,
        retire,
        reserve,
        remove,
        dismiss: Vec::new(),
        suspects: Vec::new(),
        ask,
        direction,
        reason,
        inputs,
        rules,
        scale_set: Some(results),
        until: clock.next(),
    };
    (decision, PoolState { circuit: circuit_memory, pulses, ..PoolState::default() })
}

fn jobs<'a>(seen: &Observation<'a>) -> &'a [Timestamp] {
    seen.routing.jobs(seen.place)
}

/// Runners on which assigned jobs can count, beyond what they need.
fn spare(rules: &RuleResults, counts: &RunnerCounts) -> u32 {
    counts.supply().saturating_sub(rules.asking)
}

fn rules(seen: &Observation<'_>, asking: u32, circuit: CircuitStatus, pulse: bool) -> RuleResults {
    let (policy, counts) = (seen.policy, &seen.pool.counts);
    let covered = asking.min(counts.idle);
    let floor = seen.pool.floor(policy, covered);
    // An assigned job whose runner has just ended keeps no runner up.
    let stays = floor.max(policy.floor(counts.active, covered)).saturating_add(covered);
    let unserved = asking.saturating_sub(counts.supply());
    let dead = match circuit.open {
        None => counts.failed + counts.overdue + counts.suspect,
        Some(_) => 0,
    };
    let mut rules = RuleResults {
        pressure: Pressure::default(),
        circuit,
        hand_out: HandOutState {
            untaken: 0,
            since: None,
            given_up: 0,
            probe: RunnerProbe::No,
            tried: 0,
        },
        boot_probe: false,
        late: 0,
        ours: 0,
        asking,
        covered,
        starting: 0,
        unserved,
        wanted: 0,
        room: seen.pool.room(),
        need: 0,
        floor,
        dead,
        dead_idle: 0,
        overdue_removed: 0,
        surplus: counts.idle.saturating_sub(stays),
        due: 0,
        keep: 0,
    };
    rules.keep = counts.idle - covered;
    rules.wanted = unserved + floor.max(pulse.into()).saturating_sub(spare(&rules, counts));
    rules.need = rules.wanted.min(rules.room);
    rules
}

/// The level, and the resting level, which counts on nothing that disappears by itself.
///
/// The first covers all rows that GARM counts and that serve no job: with it GARM's target equals
/// what is there, plus what the floor and the assigned jobs lack.
fn levels(
    set: &ScaleSetIndex,
    inputs: &DecisionInputs,
    rules: &RuleResults,
    (leaving, pulse): (u32, bool),
) -> (u32, u32) {
    let counts = &inputs.counts;
    let wanted = match rules.circuit.open {
        None => rules.floor.max(rules.keep).max(pulse.into()),
        // The provider keeps failing: nothing is asked for beyond what is there.
        Some(_) => rules.keep,
    };
    // A row that still says `active` after its job has ended is not part of `assigned`.
    let unassigned = match wanted + leaving {
        0 => 0,
        1.. => counts.active.saturating_sub(set.assigned),
    };
    let level = wanted.saturating_add(leaving + rules.dead + unassigned);
    // If our `max_runners` is smaller than GARM's, GARM would not stop at ours.
    let ours = inputs.own_max();
    let ceiling = match ours < inputs.garm_max {
        true => ours.saturating_sub(set.assigned),
        false => inputs.garm_max,
    };
    (level.min(ceiling), wanted.min(ceiling))
}

/// The rows in deletion that the level covers, without those whose job is still assigned:
///
/// | | covered |
/// |---|---|
/// | no job waits, no runner is idle, and none is asked for | none: GARM leaves active runners alone |
/// | every assigned job has a runner | all: else GARM removes another runner in their place |
/// | jobs or the floor lack runners | those that have worked: if runners fail, GARM's own pace is enough |
/// | the same, and the circuit is open | none |
fn leaving(
    seen: &Observation<'_>,
    set: &ScaleSetIndex,
    rules: &RuleResults,
    clock: &mut EvaluationClock,
) -> u32 {
    let counts = &seen.pool.counts;
    if counts.leaving + counts.ended == 0 {
        return 0;
    }
    let lacks = rules.wanted > 0;
    let is_at_rest = !lacks && counts.idle + rules.asking + rules.floor == 0;
    if is_at_rest || (lacks && rules.circuit.open.is_some()) {
        return 0;
    }
    let grace = seen.policy.boot_grace;
    // What GARM's number covers beyond the running jobs can only be jobs that have just ended.
    let mut still_assigned = set.assigned.saturating_sub(counts.active);
    let mut covered = 0;
    for runner in &seen.pool.runners {
        // GARM removes a deleted row before it compares.
        let is_leaving =
            matches!(runner.class(grace, clock), RunnerClass::Leaving | RunnerClass::Ended)
                && runner.status != Status::Deleted;
        let has_worked = matches!(
            runner.runner_status,
            RunnerStatus::Idle | RunnerStatus::Active | RunnerStatus::Terminated
        );
        if !is_leaving || (!has_worked && lacks) {
            continue;
        }
        if still_assigned > 0 && set.is_still_assigned(runner, clock) {
            still_assigned -= 1;
        } else {
            covered += 1;
        }
    }
    covered
}

/// The runners that GARM has yet to create by its own rule.
fn missing(set: &ScaleSetIndex, inputs: &DecisionInputs) -> u32 {
    let target = inputs.garm_level.saturating_add(set.assigned).min(inputs.garm_max);
    target.saturating_sub(inputs.counts.live)
}

/// Whether one runner is started, or kept while it boots, for a job that waits and that GitHub has
/// not assigned. Once one is idle, the jobs of that time have had their chance.
fn pulse(
    seen: &Observation<'_>,
    asking: u32,
    before: PulseHistory,
    clock: &mut EvaluationClock,
) -> (bool, PulseHistory) {
    if asking > 0 {
        return (false, before);
    }
    let is_new = |at: &&Timestamp| before.served_by.is_none_or(|served_by| **at > served_by);
    let jobs = jobs(seen).iter().filter(is_new);
    let late: Vec<Timestamp> =
        jobs.copied().take_while(|at| clock.passed(*at, UNASSIGNED_FOR)).collect();
    match late.last() {
        None => (false, before),
        Some(_) if seen.pool.counts.idle == 0 => (true, before),
        Some(newest) => (false, PulseHistory { served_by: Some(*newest) }),
    }
}

/// The direction and the deciding rule: the first row that applies.
///
/// | | |
/// |---|---|
/// | a runner is started for a job that is not assigned | up, late |
/// | GARM creates none of the runners that its own rule asks for, no room | stay, group or max runners |
/// | the level rises above the floor's or holds' count, because rows are being deleted | up, deleting |
/// | the floor lacks runners | up, floor; or stay, circuit open |
/// | idle runners go | down, idle |
/// | failed runners go | down, failed |
/// | jobs have no runner | stay, group, max runners or assigned |
/// | jobs have a runner | stay, served |
/// | runners are held | stay, hold |
/// | else | stay, steady |
fn reason(
    inputs: &DecisionInputs,
    rules: &RuleResults,
    results: &ScaleSetResults,
    (level, retire, remove): (u32, &[RunnerName], &[RunnerName]),
) -> (Direction, Reason) {
    use Direction::{Down, Stay, Up};
    let is_open = rules.circuit.open.is_some();
    if results.pulse && rules.need > 0 && !is_open {
        return (Up, Reason::Late);
    }
    if rules.unserved > 0 && rules.room == 0 {
        return (Stay, full(inputs));
    }
    if rules.unserved > 0 && results.leaving > 0 && level > 0 {
        return (Up, Reason::Deleting);
    }
    let lacks_idle = rules.wanted > rules.unserved;
    if lacks_idle && rules.room > 0 {
        return if is_open { (Stay, Reason::CircuitOpen) } else { (Up, Reason::Floor) };
    }
    if !retire.is_empty() {
        return (Down, Reason::Idle);
    }
    if !remove.is_empty() {
        return (Down, Reason::Failed);
    }
    (Stay, at_rest(inputs, rules))
}

fn at_rest(inputs: &DecisionInputs, rules: &RuleResults) -> Reason {
    if rules.wanted > rules.unserved {
        return full(inputs);
    }
    if rules.unserved > 0 {
        return if rules.circuit.open.is_some() { Reason::CircuitOpen } else { Reason::Assigned };
    }
    match (inputs.queued, rules.keep > rules.floor) {
        (1.., _) if rules.asking > 0 => Reason::Served,
        (1.., _) => Reason::Unassigned,
        (0, true) => Reason::Hold,
        (0, false) => Reason::Steady,
    }
}
