//! How many runners a pool needs: the level to set and the runners to remove.

use std::time::Duration;

use jiff::Timestamp;

use super::circuit_breaker::{CircuitInputs, CircuitStatus, RunnerProbe};
use super::deadline::EvaluationClock;
use super::decision::{Decision, DecisionInputs, Direction, Reason, RuleResults};
use super::handout::{HandOutState, WaitingJobs, given_up};
use super::level::levels;
use super::observation::{Observation, count};
use super::pool_index::PoolIndex;
use super::pressure::{Pressure, PressureInputs};
use super::queue::PICK_UP;
use super::removal::{overdue, retire, suspects};
use super::scale_set;
use super::slow_boot;
use super::state::PoolState;
use crate::domain::desired::leaves_scaling_to_us;
use crate::domain::name::RunnerName;

/// The grace period after GARM's own backoff before the loop scales for a job.
pub const BACKOFF_GRACE: Duration = Duration::from_secs(15);

/// Makes the decision about one pool at `now`, on GARM's clock, and returns the pool's new state.
pub fn decide(seen: &Observation<'_>, state: PoolState, now: Timestamp) -> (Decision, PoolState) {
    match &seen.pool.set {
        None => decide_pool(seen, state, now),
        Some(set) => scale_set::decide(seen, set, state, now),
    }
}

fn decide_pool(seen: &Observation<'_>, state: PoolState, now: Timestamp) -> (Decision, PoolState) {
    let mut clock = EvaluationClock::new(now);
    let inputs = inputs(seen, &mut clock);
    let (mut circuit, circuit_memory) = state.circuit.next(&sight(seen, &mut clock), &mut clock);
    let jobs = seen.routing.jobs(seen.place);
    let (given_up, kept) = given_up(seen.pool, jobs, (state.given_up, state.probes), &mut clock);
    let asking = &jobs[given_up.saturating_sub(1) as usize..];
    let load = load(&inputs, asking.len());
    let pressure = state.pressure.next(seen.policy, load, &mut clock);
    let waits = WaitingJobs {
        jobs,
        oldest_stuck: inputs.exceptions.oldest_stuck,
        max_queue_wait: seen.policy.max_queue_wait,
    };
    let (hand_out, probes) =
        HandOutState::look(seen.pool, &waits, (given_up, state.probes), &mut clock);
    let mut remove = std::mem::take(&mut circuit.remove);
    let mut rules = rules(seen, asking, (pressure, circuit, hand_out), &mut clock);
    let suspects = suspects(seen, rules.places_short(&inputs.counts), &mut clock);
    let dismiss = suspects.due;
    rules.dead_idle = inputs.counts.suspect.saturating_sub(count(dismiss.len()));
    let failed = inputs.counts.failed.saturating_sub(count(remove.len()));
    let short = rules.places_short(&inputs.counts).saturating_sub(count(dismiss.len()));
    let overdue = overdue(seen, &rules, short, &mut clock);
    rules.overdue_removed = count(overdue.len());
    rules.dead =
        failed + inputs.counts.overdue.saturating_sub(rules.overdue_removed) + rules.dead_idle;
    remove.extend(overdue);
    let (retire, reserve, ask) = retire(seen, &mut rules, &mut clock);
    rules.keep = inputs.counts.idle.saturating_sub(rules.covered + count(retire.len()));
    let (level, resting_level) = levels(&inputs, &rules);
    let (direction, reason) = reason(&inputs, &rules, (level, &retire, &remove, &dismiss));
    let decision = Decision {
        pool: seen.pool.id().clone(),
        at: now,
        level,
        resting_level,
        retire,
        reserve,
        remove,
        dismiss,
        suspects: suspects.all,
        ask,
        direction,
        reason,
        inputs,
        rules,
        scale_set: None,
        until: clock.next(),
    };
    (decision, PoolState { pressure, circuit: circuit_memory, probes, given_up: kept, ..state })
}

pub(super) fn inputs(seen: &Observation<'_>, clock: &mut EvaluationClock) -> DecisionInputs {
    let jobs = seen.routing.jobs(seen.place);
    let (mut fits, mut waited) = (0, 0);
    for jobs in seen.routing.fits(seen.index, seen.place) {
        fits += jobs.len();
        waited += clock.count_passed(jobs, seen.policy.scale_up_delay);
    }
    DecisionInputs {
        policy: seen.policy.clone(),
        garm_max: seen.pool.garm_max,
        share: seen.pool.share,
        garm_level: seen.pool.garm_level,
        backoff: seen.backoff,
        counts: seen.pool.counts.clone(),
        queued: count(jobs.len()),
        oldest_queued: jobs.first().copied(),
        fits: count(fits),
        fits_waited: count(waited),
        exceptions: seen.routing.exceptions(seen.place),
    }
}

pub(super) fn sight<'a>(seen: &Observation<'a>, clock: &mut EvaluationClock) -> CircuitInputs<'a> {
    let counts = &seen.pool.counts;
    let failed = match counts.failed {
        0 => Vec::new(),
        _ => seen.pool.failed(clock.now()).collect(),
    };
    let (retried, retried_booting) = seen.pool.retried_for_capacity(clock);
    CircuitInputs {
        pool: seen.pool,
        failed,
        booting: counts.coming().saturating_sub(retried_booting),
        retried,
        grace: seen.policy.failed_runner_grace,
    }
}

fn load(inputs: &DecisionInputs, asking: usize) -> PressureInputs {
    let counts = &inputs.counts;
    PressureInputs {
        fits: inputs.fits as usize,
        fits_waited: inputs.fits_waited as usize,
        is_served: count(asking) <= counts.supply() - counts.retrying,
    }
}

/// Evaluates the rules. `jobs` are those that ask for a runner.
fn rules(
    seen: &Observation<'_>,
    jobs: &[Timestamp],
    (pressure, circuit, hand_out): (Pressure, CircuitStatus, HandOutState),
    clock: &mut EvaluationClock,
) -> RuleResults {
    let (policy, counts) = (seen.policy, &seen.pool.counts);
    let asking = count(jobs.len());
    let late = policy.max_queue_wait.map_or(0, |wait| count(clock.count_passed(jobs, wait)));
    let ours = if leaves_scaling_to_us(seen.backoff, policy.scale_up_delay) {
        asking
    } else {
        count(clock.count_passed(jobs, seen.backoff.saturating_add(BACKOFF_GRACE)))
    };
    let supply = counts.supply();
    let pressed = if pressure.is_on() {
        ours.saturating_sub(supply.saturating_add(policy.scale_up_target))
    } else {
        0
    };
    let wanted = pressed.max(late.min(ours).saturating_sub(supply));
    let room = seen.pool.room();
    let boot_probe = slow_boot::is_probe_due(seen.pool, (late.min(ours), policy.boot_grace), clock);
    let asked = match (&circuit.open, circuit.probe) {
        (None, _) => wanted.max(hand_out.tried).max(boot_probe.into()),
        (Some(_), RunnerProbe::Now) => 1,
        (Some(_), RunnerProbe::No) => 0,
    };
    let covered = asking.min(counts.idle);
    let floor = seen.pool.floor(policy, covered);
    let need = asked.min(room);
    let starting = match need {
        0 => 0,
        1.. => starting(seen.pool, &jobs[..covered as usize], clock),
    };
    RuleResults {
        pressure,
        circuit,
        hand_out,
        boot_probe,
        late,
        ours,
        asking,
        covered,
        starting,
        unserved: asking.saturating_sub(supply),
        wanted,
        room,
        need,
        floor,
        dead: 0,
        dead_idle: 0,
        overdue_removed: 0,
        // `floor` includes `min_runners`, so removing the surplus never goes below it.
        surplus: counts.idle.saturating_sub(floor.saturating_add(covered)),
        due: 0,
        keep: 0,
    }
}

/// How many of the `covered` jobs (by creation time, oldest first) are about to be picked up: such
/// a job and an idle runner have both been there for less than [`PICK_UP`]. After that time GitHub
/// evidently does not hand out the job, and its pick-up is no longer expected.
fn starting(pool: &PoolIndex, covered: &[Timestamp], clock: &mut EvaluationClock) -> u32 {
    if covered.is_empty() {
        return 0;
    }
    let mut idle: Vec<_> = pool.idle_runners(clock.now()).map(|entry| entry.1.since).collect();
    idle.sort_unstable();
    let together = idle.iter().zip(covered).map(|(runner, job)| *runner.max(job));
    count(together.filter(|together| !clock.passed(*together, PICK_UP)).count())
}

/// The level, and the idle, failed and suspect runners to remove.
type LevelAndRemovals<'a> = (u32, &'a [RunnerName], &'a [RunnerName], &'a [RunnerName]);

/// The direction and the deciding (or blocking) rule: the first row that applies.
///
/// | condition | direction, reason |
/// |---|---|
/// | a runner is asked for, circuit open | up, probe |
/// | runners are asked for | up, pressure or late |
/// | more than the jobs need | up, hand-out probe or boot probe |
/// | an idle runner makes room for a probe | down, hand-out probe |
/// | runners that boot for too long make room | down, failed |
/// | runners are wanted | stay, circuit open, group or max runners |
/// | the level is above what GARM counts, with room | up, floor |
/// | idle runners go | down, idle |
/// | failed runners go | down, failed |
/// | suspect runners go | down, suspect |
/// | the floor is above what GARM counts | stay, circuit open, group or max runners |
/// | jobs have no runner | stay, native backoff, target or threshold |
/// | jobs have waited beside an idle runner for a minute | stay, not handed out |
/// | jobs have a runner | stay, served |
/// | idle runners are held | stay, hold |
/// | else | stay, steady |
fn reason(
    inputs: &DecisionInputs,
    rules: &RuleResults,
    (level, retire, remove, dismiss): LevelAndRemovals<'_>,
) -> (Direction, Reason) {
    use Direction::{Down, Stay, Up};
    let is_open = rules.circuit.open.is_some();
    let lacks = rules.floor + rules.dead > inputs.counts.garm_idle;
    if rules.need > 0 {
        return match is_open {
            true => (Up, Reason::Probe),
            false if rules.wanted == 0 && rules.hand_out.tried > 0 => (Up, Reason::HandOutProbe),
            false if rules.wanted == 0 => (Up, Reason::BootProbe),
            false if rules.pressure.is_on() => (Up, Reason::Pressure),
            false => (Up, Reason::Late),
        };
    }
    if rules.makes_room(&inputs.counts) && !retire.is_empty() {
        return (Down, Reason::HandOutProbe);
    }
    if rules.overdue_removed > 0 {
        return (Down, Reason::Failed);
    }
    if rules.wanted > 0 {
        return (Stay, if is_open { Reason::CircuitOpen } else { full(inputs) });
    }
    if level > inputs.counts.garm_idle && rules.room > 0 {
        return (Up, Reason::Floor);
    }
    if !retire.is_empty() {
        return (Down, Reason::Idle);
    }
    if !remove.is_empty() {
        return (Down, Reason::Failed);
    }
    if !dismiss.is_empty() {
        return (Down, Reason::Suspect);
    }
    if lacks {
        return (Stay, if is_open { Reason::CircuitOpen } else { full(inputs) });
    }
    (Stay, at_rest(inputs, rules))
}

/// Why a pool without room starts no runner.
pub(super) fn full(inputs: &DecisionInputs) -> Reason {
    if inputs.is_limited_by_group() { Reason::Group } else { Reason::MaxRunners }
}

/// The reason for no change in a pool that needs nothing by its rules.
fn at_rest(inputs: &DecisionInputs, rules: &RuleResults) -> Reason {
    let is_pressed = rules.pressure.is_on();
    if rules.unserved > 0 {
        return match is_pressed {
            true if rules.ours < rules.asking => Reason::NativeBackoff,
            true => Reason::Target,
            false if rules.late > rules.ours => Reason::NativeBackoff,
            false => Reason::Threshold,
        };
    }
    if rules.hand_out.untaken > 0 {
        return Reason::NotHandedOut;
    }
    match (inputs.queued, rules.surplus) {
        (1.., _) => Reason::Served,
        (0, 1..) => Reason::Hold,
        (0, 0) => Reason::Steady,
    }
}
