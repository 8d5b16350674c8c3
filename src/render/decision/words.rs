//! Describes a decision in sentences.

use std::time::Duration;

use jiff::Timestamp;

use super::circuit;
use super::occupancy::{limit, limiting_group, occupancy, occupied};
use super::scale_set;
use crate::domain::text;
use crate::render::words::{count, span};
use crate::scaling::{Decision, Direction, EvaluationClock, Freeze, Reason};

/// The form of the verbs in a sentence about a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// For a decision that is applied: "starts 3 runners".
    Does,
    /// For a decision that is not applied: "would start 3 runners".
    Would,
}

impl Mood {
    /// The form of a verb that is given in the infinitive.
    pub(super) fn verb(self, infinitive: &str) -> String {
        match (self, infinitive.strip_suffix('y')) {
            (Self::Would, _) => format!("would {infinitive}"),
            (Self::Does, Some(stem)) => format!("{stem}ies"),
            (Self::Does, None) => format!("{infinitive}s"),
        }
    }
}

/// What is done, or would be done, and why: one sentence without a full stop, to follow the pool's
/// name.
pub fn sentence(decision: &Decision, mood: Mood) -> String {
    let (inputs, rules) = (&decision.inputs, &decision.rules);
    let start = mood.verb("start");
    match decision.reason {
        Reason::Pressure => format!("{start} {}", pressure(decision)),
        Reason::Late => format!("{start} {}", late(decision)),
        Reason::Floor => format!("{start} {}: {}", runners(lacking(decision)), floor(decision)),
        Reason::Deleting | Reason::Assigned | Reason::Unassigned => {
            scale_set::sentence(decision, mood)
        }
        Reason::Probe => format!("{start} 1 runner {}", circuit::probe(decision)),
        Reason::HandOutProbe if decision.direction == Direction::Down => {
            let remove = mood.verb("remove");
            format!(
                "{remove} 1 idle runner of a full pool, to try another: {}",
                not_taken(decision)
            )
        }
        Reason::HandOutProbe => format!("{start} {}", hand_out_probe(decision)),
        Reason::BootProbe => format!(
            "{start} {} more than its jobs need: {} for a long time, and may hang",
            runners(rules.need),
            has(inputs.counts.coming(), "runner has been booting", "runners have been booting")
        ),
        Reason::CircuitOpen => format!("{start} none, {}", circuit::suspended(decision, mood)),
        Reason::MaxRunners => format!("{start} none: {}", full(decision)),
        Reason::Group => format!("{start} none: {}", full_group(decision)),
        Reason::NativeBackoff => format!(
            "{} {} to GARM, which itself starts a runner for each job older than {}",
            mood.verb("leave"),
            jobs(rules.unserved),
            span(inputs.backoff)
        ),
        Reason::Target => format!(
            "{start} none: {} without a runner, and `scale_up_target` lets {} wait",
            has(rules.unserved, "job is", "jobs are"),
            inputs.policy.scale_up_target
        ),
        Reason::Threshold => format!("{start} none yet: {}", threshold(decision)),
        Reason::NotHandedOut => format!("{start} none: {}", not_handed_out(decision)),
        Reason::Served => format!("{start} none: {}", served(decision)),
        Reason::Idle => format!(
            "{} {}: idle for {} and more than the floor of {}",
            mood.verb("remove"),
            count_of(number(decision.retire.len()), "idle runner"),
            span(inputs.policy.scale_down_delay),
            rules.floor
        ),
        Reason::Failed => failed(decision, mood),
        Reason::Suspect => format!("{} {}", mood.verb("remove"), suspect(decision)),
        Reason::Hold => hold(decision, mood),
        Reason::Steady => format!("nothing to do: no job waits, {} idle", inputs.counts.idle),
    }
}

fn served(decision: &Decision) -> String {
    let queued = decision.inputs.queued;
    let each = if queued == 1 { "" } else { "each " };
    format!("{}, {each}with an idle or booting runner", waiting(queued))
}

fn hand_out_probe(decision: &Decision) -> String {
    format!(
        "{} more than its jobs need, to see whether GitHub hands them out to {}: {}",
        runners(decision.rules.need),
        if decision.rules.need == 1 { "a new one" } else { "new ones" },
        not_taken(decision)
    )
}

/// The jobs for which the probe is started. They may have waited beside an idle runner for less
/// than a minute.
fn not_taken(decision: &Decision) -> String {
    match (decision.rules.hand_out.untaken, decision.inputs.queued) {
        (0, n @ 1..) => format!("{} beside idle runners", waiting(n)),
        _ => untaken(decision),
    }
}

fn not_handed_out(decision: &Decision) -> String {
    format!(
        "{}; a webhook was lost, the runner group or its visibility excludes their \
         repository, or GitHub is down",
        untaken(decision)
    )
}

fn suspect(decision: &Decision) -> String {
    format!(
        "{}: idle according to GARM, while younger ones took jobs that had waited beside {}",
        count_of(number(decision.dismiss.len()), "suspect runner"),
        if decision.dismiss.len() == 1 { "it" } else { "them" }
    )
}

/// A clause about the jobs that GitHub does not hand out to idle runners, and how long they have
/// waited.
pub(super) fn untaken(decision: &Decision) -> String {
    let hand_out = &decision.rules.hand_out;
    let waited = span(hand_out.since.map_or(Duration::ZERO, |since| between(since, decision.at)));
    let idle = if decision.inputs.counts.idle == 1 { "an idle runner" } else { "idle runners" };
    match hand_out.untaken {
        0 => {
            let stuck = has(decision.inputs.exceptions.stuck, "job is", "jobs are");
            format!("{stuck} stuck beside {idle}")
        }
        1 => format!("1 job has waited beside {idle} for {waited} and is not handed out"),
        n => {
            format!("{n} jobs have waited beside {idle} for up to {waited} and are not handed out")
        }
    }
}

fn failed(decision: &Decision, mood: Mood) -> String {
    if decision.rules.overdue_removed > 0 {
        return format!(
            "{} {} for too long: {}",
            mood.verb("remove"),
            has(
                decision.rules.overdue_removed,
                "runner that has been booting",
                "runners that have been booting"
            ),
            has(decision.rules.wanted.max(1), "job needs its place", "jobs need places")
        );
    }
    format!(
        "{} {}, {} after the failure",
        mood.verb("remove"),
        count_of(number(decision.remove.len()), "failed runner"),
        span(decision.inputs.policy.failed_runner_grace)
    )
}

fn hold(decision: &Decision, mood: Mood) -> String {
    let held = match decision.scale_set {
        None => count_of(decision.rules.surplus, "idle runner"),
        Some(_) => count_of(held(decision), "idle runner"),
    };
    format!(
        "{} {held} beyond the floor of {}, until idle for {}",
        mood.verb("hold"),
        decision.rules.floor,
        span(decision.inputs.policy.scale_down_delay)
    )
}

/// Runners that are held beyond the floor.
fn held(decision: &Decision) -> u32 {
    match decision.scale_set {
        None => decision.rules.surplus,
        Some(_) => decision.rules.keep.saturating_sub(decision.rules.floor),
    }
}

fn pressure(decision: &Decision) -> String {
    let (need, queued) = (runners(decision.rules.need), waiting(decision.inputs.queued));
    format!("{need}: {queued} and {}{}", supply(decision), cut(decision))
}

fn late(decision: &Decision) -> String {
    if decision.scale_set.is_some() {
        return format!("1 runner: {}", scale_set::unassigned(decision));
    }
    format!(
        "{}: {} longer than `max_queue_wait` ({}){}",
        runners(decision.rules.need),
        has(decision.rules.late, "job has waited", "jobs have waited"),
        span(decision.inputs.policy.max_queue_wait.unwrap_or_default()),
        cut(decision)
    )
}

/// How many more runners are wanted, and that the pool is full.
fn full(decision: &Decision) -> String {
    format!(
        "{} wanted, and {}",
        has(decision.rules.wanted.max(lacking(decision)), "more is", "more are"),
        occupied(&occupancy(decision), decision.at)
    )
}

fn full_group(decision: &Decision) -> String {
    let wanted = has(decision.rules.wanted.max(lacking(decision)), "more is", "more are");
    let Some(group) = limiting_group(decision) else { return format!("{wanted} wanted") };
    format!(
        "{wanted} wanted, and group {}, which may have {}, leaves {} for this pool",
        text::code(group.name.as_str()),
        runners(group.max_runners),
        limit(decision)
    )
}

/// The decision in one to three words, for a column.
pub fn short(decision: &Decision) -> String {
    match (decision.direction, decision.reason) {
        (Direction::Up, Reason::Floor) => format!("start {}", lacking(decision)),
        (Direction::Up, _) => format!("start {}", decision.rules.need),
        (Direction::Down, Reason::Suspect) => format!("remove {} suspect", decision.dismiss.len()),
        (Direction::Down, Reason::Failed) => format!("remove {} failed", decision.remove.len()),
        (Direction::Down, _) => format!("remove {}", decision.retire.len()),
        (Direction::Stay, Reason::CircuitOpen) => "suspended".into(),
        (Direction::Stay, Reason::MaxRunners) => "full".into(),
        (Direction::Stay, Reason::Group) => "group full".into(),
        (Direction::Stay, Reason::NativeBackoff | Reason::Assigned) => "left to GARM".into(),
        (Direction::Stay, Reason::Unassigned) => "not assigned".into(),
        (Direction::Stay, Reason::Target | Reason::Threshold) => "wait".into(),
        (Direction::Stay, Reason::NotHandedOut) => "not handed out".into(),
        (Direction::Stay, Reason::Served) => "served".into(),
        (Direction::Stay, Reason::Hold) => format!("hold {}", held(decision)),
        (Direction::Stay, _) => "steady".into(),
    }
}

/// Why decisions about the pool are not applied.
pub fn freeze(freeze: &Freeze) -> String {
    match freeze {
        Freeze::Stale(age) => format!("GARM was last read {} ago", span(*age)),
        Freeze::Unread => "GARM has not been read yet".into(),
        Freeze::Unreachable => "GARM does not answer".into(),
        Freeze::Refused => "GARM refuses to be read".into(),
        Freeze::ManagerStopped(reason) if reason.is_empty() => {
            "GARM's worker for the entity has stopped and does not say why".into()
        }
        Freeze::ManagerStopped(reason) => {
            format!("GARM's worker for the entity has stopped: {}", text::quote(reason))
        }
        Freeze::Unproven(why) => format!("`policy.require_mtls` is set, and {}", text::quote(why)),
        Freeze::Standby(why) => format!("this `watch` is a standby: {}", text::quote(why)),
        Freeze::Unrecorded(why) => {
            format!(
                "`watch.audit_required` is set, and writes cannot be recorded: {}",
                text::quote(why)
            )
        }
    }
}

fn threshold(decision: &Decision) -> String {
    let (inputs, policy) = (&decision.inputs, &decision.inputs.policy);
    let few = has(decision.rules.unserved, "job has no runner", "jobs have no runner");
    if inputs.fits > policy.scale_up_threshold {
        return format!(
            "{few}; more than {} wait, and not for {} yet",
            policy.scale_up_threshold,
            span(policy.scale_up_delay)
        );
    }
    format!("{few}, and no more than {} wait (`scale_up_threshold`)", policy.scale_up_threshold)
}

/// The setting that determines the floor.
fn floor(decision: &Decision) -> String {
    let (policy, counts) = (&decision.inputs.policy, &decision.inputs.counts);
    if policy.min_idle_runners >= decision.rules.floor {
        return format!("`min_idle_runners` keeps {} idle", policy.min_idle_runners);
    }
    let there = match counts.active + counts.idle + counts.booting {
        0 => "there is none".to_owned(),
        1 => "there is 1".to_owned(),
        several => format!("there are {several}"),
    };
    format!("`min_runners` is {}, and {there}", policy.min_runners)
}

/// The number of runners by which the level exceeds GARM's count, at most the free room of the
/// pool.
fn lacking(decision: &Decision) -> u32 {
    if decision.scale_set.is_some() {
        return decision.rules.wanted - decision.rules.unserved;
    }
    (decision.rules.floor + decision.rules.dead)
        .max(decision.level)
        .saturating_sub(decision.inputs.counts.garm_idle)
        .min(decision.rules.room.max(1))
}

fn cut(decision: &Decision) -> String {
    if decision.rules.need < decision.rules.wanted {
        if let Some(group) = limiting_group(decision) {
            return format!(
                "; {} wanted, group {} leaves {} for this pool",
                has(decision.rules.wanted, "is", "are"),
                text::code(group.name.as_str()),
                limit(decision)
            );
        }
        return format!(
            "; {} wanted, `max_runners` is {}",
            has(decision.rules.wanted, "is", "are"),
            limit(decision)
        );
    }
    String::new()
}

fn supply(decision: &Decision) -> String {
    let supply = decision.inputs.counts.supply();
    match supply {
        0 => "no runner is idle or booting".into(),
        n => has(n, "runner is idle or booting", "runners are idle or booting"),
    }
}

pub(super) fn waiting(n: u32) -> String {
    match n {
        0 => "no job waits".into(),
        n => has(n, "job waits", "jobs wait"),
    }
}

/// The time from the decision until something is due.
pub(super) fn at(decision: &Decision, when: Option<Timestamp>) -> String {
    match when {
        Some(when) if when > decision.at => format!("in {}", span(between(decision.at, when))),
        Some(_) | None => "as soon as none is booting".into(),
    }
}

pub(super) fn between(from: Timestamp, to: Timestamp) -> Duration {
    EvaluationClock::new(to).age(from)
}

/// A timestamp with a precision of one second.
pub(super) fn clock(at: Timestamp) -> String {
    let whole = Timestamp::from_second(at.as_second()).unwrap_or(at);
    whole.to_string()
}

pub(super) fn has(n: u32, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

pub(super) fn count_of(n: u32, noun: &str) -> String {
    count(n as usize, noun)
}

pub(super) fn jobs(n: u32) -> String {
    count_of(n, "job")
}

fn runners(n: u32) -> String {
    count_of(n, "runner")
}

pub(super) fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
