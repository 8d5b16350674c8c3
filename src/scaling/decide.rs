//! How many runners a pool needs: the level to set and the runners to let go.

use std::time::Duration;

use jiff::Timestamp;

use super::circuit_breaker::{CircuitInputs, CircuitStatus, RunnerProbe};
use super::deadline::EvaluationClock;
use super::decision::{Decision, DecisionInputs, Direction, Reason, RuleResults};
use super::entity_index::EntityIndex;
use super::handout::{HandOutState, WaitingJobs, given_up};
use super::level::levels;
use super::one_shot::floor;
use super::pool_index::PoolIndex;
use super::pressure::{Pressure, PressureInputs};
use super::queue::PICK_UP;
use super::route::Routing;
use super::runner_state::{IdleSource, RunnerState};
use super::state::PoolState;
use crate::domain::desired::{ScalePolicy, leaves_scaling_to_us};
use crate::domain::name::RunnerName;

/// A job counts for us when it is so much older than GARM's own backoff: GARM had its chance.
pub const COURTESY: Duration = Duration::from_secs(15);

/// No more runners than this are let go at once.
pub const RETIRE_MAX: usize = 5;

/// One pool of ours in one entity, after its jobs were given out.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    site: &'a EntityIndex,
    routing: &'a Routing,
    place: usize,
    stock: &'a PoolIndex,
    policy: &'a ScalePolicy,
    backoff: Duration,
}

impl<'a> Observation<'a> {
    /// The pool at this place of the routing order, if it is ours to scale. `backoff` is GARM's
    /// `minimum_job_age_backoff`.
    pub fn new(
        site: &'a EntityIndex,
        routing: &'a Routing,
        place: usize,
        backoff: Duration,
    ) -> Option<Self> {
        let stock = site.stocks.get(place).filter(|it| it.is_scaled())?;
        let policy = stock.policy.as_ref()?;
        Some(Self { site, routing, place, stock, policy, backoff })
    }

    /// Whether all but the jobs is as it was for a decision.
    pub(super) fn is_as_in(&self, decision: &Decision) -> bool {
        let inputs = &decision.inputs;
        inputs.census == self.stock.census
            && inputs.garm_max == self.stock.garm_max
            && inputs.garm_level == self.stock.garm_level
            && inputs.backoff == self.backoff
            && inputs.policy == *self.policy
    }
}

/// Decides about one pool at `now`, on GARM's clock; returns what to remember of it.
pub fn decide(seen: &Observation<'_>, memory: PoolState, now: Timestamp) -> (Decision, PoolState) {
    let mut moment = EvaluationClock::new(now);
    let inputs = inputs(seen, &mut moment);
    let (mut circuit, circuit_memory) = memory.circuit.next(&sight(seen, now), &mut moment);
    let jobs = seen.routing.jobs(seen.place);
    let (given_up, kept) = given_up(seen.stock, jobs, memory.given_up, &mut moment);
    let asking = &jobs[given_up.saturating_sub(1) as usize..];
    let load = load(&inputs, asking.len());
    let pressure = memory.pressure.next(seen.policy, load, &mut moment);
    let waits = WaitingJobs {
        jobs,
        oldest_stuck: inputs.tally.oldest_stuck,
        max_queue_wait: seen.policy.max_queue_wait,
    };
    let (hand_out, newest) =
        HandOutState::look(seen.stock, &waits, (given_up, memory.newest), &mut moment);
    let remove = std::mem::take(&mut circuit.remove);
    let suspects = suspects(seen, &mut moment);
    let dismiss = suspects.due;
    let mut rules = rules(seen, asking, (pressure, circuit, hand_out), &mut moment);
    rules.dead_idle = inputs.census.suspect.saturating_sub(count(dismiss.len()));
    rules.dead = inputs.census.failed.saturating_sub(count(remove.len())) + rules.dead_idle;
    let (retire, reserve, ask) = retire(seen, &mut rules, &mut moment);
    rules.keep = inputs.census.idle.saturating_sub(rules.covered + count(retire.len()));
    let (level, resting_level) = levels(&inputs, &rules);
    let (direction, reason) = reason(&inputs, &rules, (level, &retire, &remove, &dismiss));
    let decision = Decision {
        pool: seen.stock.id().clone(),
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
        until: moment.next(),
    };
    (decision, PoolState { pressure, circuit: circuit_memory, newest, given_up: kept })
}

fn inputs(seen: &Observation<'_>, moment: &mut EvaluationClock) -> DecisionInputs {
    let jobs = seen.routing.jobs(seen.place);
    let (mut fits, mut waited) = (0, 0);
    for jobs in seen.routing.fits(seen.site, seen.place) {
        fits += jobs.len();
        waited += moment.count_passed(jobs, seen.policy.scale_up_delay);
    }
    DecisionInputs {
        policy: seen.policy.clone(),
        garm_max: seen.stock.garm_max,
        garm_level: seen.stock.garm_level,
        backoff: seen.backoff,
        census: seen.stock.census.clone(),
        queued: count(jobs.len()),
        oldest_queued: jobs.first().copied(),
        fits: count(fits),
        fits_waited: count(waited),
        tally: seen.routing.tally(seen.place),
    }
}

fn sight<'a>(seen: &Observation<'a>, now: Timestamp) -> CircuitInputs<'a> {
    let census = &seen.stock.census;
    let failed = match census.failed {
        0 => Vec::new(),
        _ => seen.stock.failed(now).collect(),
    };
    CircuitInputs {
        failed,
        arrivals: seen.stock.arrivals,
        booting: census.booting,
        grace: seen.policy.failed_runner_grace,
    }
}

fn load(inputs: &DecisionInputs, asking: usize) -> PressureInputs {
    let census = &inputs.census;
    PressureInputs {
        fits: inputs.fits as usize,
        fits_waited: inputs.fits_waited as usize,
        is_served: count(asking) <= census.idle + census.booting - census.retrying,
    }
}

/// The runners that are suspect.
#[derive(Default)]
struct Suspects {
    all: Vec<RunnerName>,
    /// Those of them that have been for `failed_runner_grace`.
    due: Vec<RunnerName>,
}

fn suspects(seen: &Observation<'_>, moment: &mut EvaluationClock) -> Suspects {
    let mut suspects = Suspects::default();
    if seen.stock.census.suspect == 0 {
        return suspects;
    }
    for unit in &seen.stock.units {
        if let Some(since) = unit.passed_over.filter(|_| unit.is_suspect(moment)) {
            suspects.all.push(unit.name.clone());
            // GARM may link a job to a runner a moment before it calls the runner active.
            if unit.job.is_none() && moment.passed(since, seen.policy.failed_runner_grace) {
                suspects.due.push(unit.name.clone());
            }
        }
    }
    suspects
}

/// `jobs`: those that ask for a runner.
fn rules(
    seen: &Observation<'_>,
    jobs: &[Timestamp],
    (pressure, circuit, hand_out): (Pressure, CircuitStatus, HandOutState),
    moment: &mut EvaluationClock,
) -> RuleResults {
    let (policy, census) = (seen.policy, &seen.stock.census);
    let asking = count(jobs.len());
    let late = policy.max_queue_wait.map_or(0, |it| count(moment.count_passed(jobs, it)));
    let ours = if leaves_scaling_to_us(seen.backoff, policy.scale_up_delay) {
        asking
    } else {
        count(moment.count_passed(jobs, seen.backoff.saturating_add(COURTESY)))
    };
    let supply = census.supply();
    let pressed = if pressure.is_on() {
        ours.saturating_sub(supply.saturating_add(policy.scale_up_target))
    } else {
        0
    };
    let wanted = pressed.max(late.min(ours).saturating_sub(supply));
    let room = seen.stock.room();
    let is_tried = hand_out.probe == RunnerProbe::Now;
    let asked = match (&circuit.open, circuit.probe) {
        (None, _) => wanted.max(u32::from(is_tried)),
        (Some(_), RunnerProbe::Now) => 1,
        (Some(_), RunnerProbe::No) => 0,
    };
    let covered = asking.min(census.idle);
    let floor = floor(policy, census.active, covered);
    let need = asked.min(room);
    let starting = match need {
        0 => 0,
        1.. => starting(seen.stock, &jobs[..covered as usize], moment),
    };
    RuleResults {
        pressure,
        circuit,
        hand_out,
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
        // The floor holds `min_runners` too: without these, active and idle ones stay as many.
        surplus: census.idle.saturating_sub(floor.saturating_add(covered)),
        due: 0,
        keep: 0,
    }
}

/// The idle runners to let go: of those beyond the floor that have been idle for
/// `scale_down_delay` a quarter, at least one, at most [`RETIRE_MAX`], longest idle first; then
/// those after them; and those that may have been idle for longer than their row says.
fn retire(
    seen: &Observation<'_>,
    rules: &mut RuleResults,
    moment: &mut EvaluationClock,
) -> (Vec<RunnerName>, Vec<RunnerName>, Vec<RunnerName>) {
    // One that is about to get a job is not let go while a runner is asked for.
    if rules.surplus == 0 || rules.need > 0 {
        return (Vec::new(), Vec::new(), Vec::new());
    }
    let delay = seen.policy.scale_down_delay;
    // GARM may link a job to a runner a moment before it calls the runner active.
    let idle = seen.stock.idle_units(moment.now()).map(|it| it.0).filter(|it| it.job.is_none());
    let is_due = |it: &&RunnerState| moment.passed(it.idle_since(), delay);
    let idle: Vec<&RunnerState> = idle.collect();
    let mut due: Vec<&RunnerState> = idle.iter().copied().filter(is_due).collect();
    rules.due = rules.surplus.min(count(due.len()));
    let quota = (rules.due as usize).div_ceil(4).clamp(1, RETIRE_MAX).min(rules.due as usize);
    due.sort_unstable_by(|a, b| (a.idle_since(), &a.name).cmp(&(b.idle_since(), &b.name)));
    let mut retire: Vec<RunnerName> =
        due.iter().take(rules.due as usize).map(|it| it.name.clone()).collect();
    let mut reserve = retire.split_off(quota);
    reserve.truncate(RETIRE_MAX);
    let is_unsure = |it: &&RunnerState| it.idle.is_some_and(|it| it.source == IdleSource::Row);
    let ask = idle.into_iter().filter(is_unsure).map(|it| it.name.clone()).collect();
    (retire, reserve, ask)
}

/// How many of the `covered` jobs (when they were created, oldest first) are about to be picked
/// up: such a job and an idle runner have been there side by side for less than [`PICK_UP`]. When
/// that is over GitHub does not hand them out, for whatever reason, and nothing waits for it.
fn starting(stock: &PoolIndex, covered: &[Timestamp], moment: &mut EvaluationClock) -> u32 {
    if covered.is_empty() {
        return 0;
    }
    let mut idle: Vec<Timestamp> = stock.idle_units(moment.now()).map(|it| it.1.since).collect();
    idle.sort_unstable();
    let together = idle.iter().zip(covered).map(|(runner, job)| *runner.max(job));
    count(together.filter(|it| !moment.passed(*it, PICK_UP)).count())
}

/// The level; who is let go, who has failed, who is suspect.
type LevelAndRemovals<'a> = (u32, &'a [RunnerName], &'a [RunnerName], &'a [RunnerName]);

/// What the pool is about to become, and the rule that decided or stands in the way: the first
/// row that holds.
///
/// | | |
/// |---|---|
/// | a runner is asked for, circuit open | up, probe |
/// | runners are wanted, circuit open | stay, circuit open |
/// | runners are asked for | up, pressure or late |
/// | one more than the jobs need | up, hand-out probe |
/// | runners are wanted, no room | stay, max runners |
/// | the floor is above what GARM counts, with room | up, floor |
/// | idle runners go | down, idle |
/// | failed runners go | down, failed |
/// | suspect runners go | down, suspect |
/// | the floor is above what GARM counts | stay, circuit open or max runners |
/// | jobs have no runner | stay, native backoff, target or threshold |
/// | jobs have stood beside an idle runner for a minute | stay, not handed out |
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
    let lacks = rules.floor + rules.dead > inputs.census.garm_idle;
    if rules.need > 0 {
        return match is_open {
            true => (Up, Reason::Probe),
            false if rules.wanted == 0 => (Up, Reason::HandOutProbe),
            false if rules.pressure.is_on() => (Up, Reason::Pressure),
            false => (Up, Reason::Late),
        };
    }
    if rules.wanted > 0 {
        return (Stay, if is_open { Reason::CircuitOpen } else { Reason::MaxRunners });
    }
    if level > inputs.census.garm_idle && rules.room > 0 {
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
        return (Stay, if is_open { Reason::CircuitOpen } else { Reason::MaxRunners });
    }
    (Stay, at_rest(inputs, rules))
}

/// Why nothing changes in a pool that lacks nothing by its rules.
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

/// A number of things in memory; there are never 2^32 of them.
fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
