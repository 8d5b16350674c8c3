//! Describes a decision in sentences.

use std::time::Duration;

use jiff::Timestamp;

use super::occupancy::{limit, occupancy, occupied};
use crate::domain::text;
use crate::render::words::{count, span};
use crate::scaling::{Decision, Direction, EvaluationClock, Freeze, Reason};

/// Whether the decision is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Applied: "starts 3 runners".
    Does,
    /// Not applied, since nothing is written to GARM: "would start 3 runners".
    Would,
}

impl Mood {
    /// The form of a verb given in the infinitive.
    fn verb(self, infinitive: &str) -> String {
        match (self, infinitive.strip_suffix('y')) {
            (Self::Would, _) => format!("would {infinitive}"),
            (Self::Does, Some(stem)) => format!("{stem}ies"),
            (Self::Does, None) => format!("{infinitive}s"),
        }
    }
}

/// What is done now, or would be done, and why: one sentence without a full stop, to follow the
/// pool's name.
pub fn sentence(it: &Decision, mood: Mood) -> String {
    let (inputs, rules) = (&it.inputs, &it.rules);
    let start = mood.verb("start");
    match it.reason {
        Reason::Pressure => format!("{start} {}", pressure(it)),
        Reason::Late => format!("{start} {}", late(it)),
        Reason::Floor => format!("{start} {}: {}", runners(lacking(it)), floor(it)),
        Reason::Probe => format!(
            "{start} 1 runner to see whether the provider works again, after {}",
            count_of(rules.circuit.failures, "failure")
        ),
        Reason::HandOutProbe if it.direction == Direction::Down => {
            let remove = mood.verb("remove");
            format!("{remove} 1 idle runner of a full pool, to try another: {}", not_taken(it))
        }
        Reason::HandOutProbe => format!("{start} {}", hand_out_probe(it)),
        Reason::BootProbe => format!(
            "{start} {} more than its jobs need: {} for long, and may hang",
            runners(rules.need),
            has(inputs.counts.coming(), "runner has been booting", "runners have been booting")
        ),
        Reason::CircuitOpen => format!(
            "{start} none, because runners keep failing; {} one {}",
            mood.verb("try"),
            at(it, rules.circuit.open.map(|circuit| circuit.probe_at))
        ),
        Reason::MaxRunners => format!("{start} none: {}", full(it)),
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
        Reason::Threshold => format!("{start} none yet: {}", threshold(it)),
        Reason::NotHandedOut => format!("{start} none: {}", not_handed_out(it)),
        Reason::Served => {
            format!("{start} none: {}, each with an idle or booting runner", waiting(inputs.queued))
        }
        Reason::Idle => format!(
            "{} {}: idle for {} and more than the floor of {}",
            mood.verb("remove"),
            count_of(number(it.retire.len()), "idle runner"),
            span(inputs.policy.scale_down_delay),
            rules.floor
        ),
        Reason::Failed => failed(it, mood),
        Reason::Suspect => format!("{} {}", mood.verb("remove"), suspect(it)),
        Reason::Hold => hold(it, mood),
        Reason::Steady => format!("nothing to do: no job waits, {} idle", inputs.counts.idle),
    }
}

fn hand_out_probe(it: &Decision) -> String {
    format!(
        "{} more than its jobs need, to see whether GitHub hands them out to {}: {}",
        runners(it.rules.need),
        if it.rules.need == 1 { "a new one" } else { "new ones" },
        not_taken(it)
    )
}

/// The jobs that a probe is for; they may have waited for less than a minute.
fn not_taken(it: &Decision) -> String {
    match (it.rules.hand_out.untaken, it.inputs.queued) {
        (0, n @ 1..) => format!("{} beside idle runners", waiting(n)),
        _ => untaken(it),
    }
}

fn not_handed_out(it: &Decision) -> String {
    format!(
        "{}; a webhook was lost, the runner group or its visibility excludes their \
         repository, or GitHub is down",
        untaken(it)
    )
}

fn suspect(it: &Decision) -> String {
    format!(
        "{}: idle by GARM's row, while younger ones took jobs that had waited beside {}",
        count_of(number(it.dismiss.len()), "suspect runner"),
        if it.dismiss.len() == 1 { "it" } else { "them" }
    )
}

/// The jobs that idle runners do not get, and since when.
pub(super) fn untaken(it: &Decision) -> String {
    let hand_out = &it.rules.hand_out;
    let waited = span(hand_out.since.map_or(Duration::ZERO, |since| between(since, it.at)));
    let idle = if it.inputs.counts.idle == 1 { "an idle runner" } else { "idle runners" };
    match hand_out.untaken {
        0 => {
            let stuck = has(it.inputs.exceptions.stuck, "job is", "jobs are");
            format!("{stuck} stuck beside {idle}")
        }
        1 => format!("1 job has waited beside {idle} for {waited} and is not handed out"),
        n => {
            format!("{n} jobs have waited beside {idle} for up to {waited} and are not handed out")
        }
    }
}

fn failed(it: &Decision, mood: Mood) -> String {
    if it.rules.overdue_removed > 0 {
        return format!(
            "{} {} for too long: {}",
            mood.verb("remove"),
            has(
                it.rules.overdue_removed,
                "runner that has been booting",
                "runners that have been booting"
            ),
            has(it.rules.wanted.max(1), "job needs its place", "jobs need places")
        );
    }
    format!(
        "{} {}, {} after the failure",
        mood.verb("remove"),
        count_of(number(it.remove.len()), "failed runner"),
        span(it.inputs.policy.failed_runner_grace)
    )
}

fn hold(it: &Decision, mood: Mood) -> String {
    format!(
        "{} {} beyond the floor of {}, until idle for {}",
        mood.verb("hold"),
        count_of(it.rules.surplus, "idle runner"),
        it.rules.floor,
        span(it.inputs.policy.scale_down_delay)
    )
}

fn pressure(it: &Decision) -> String {
    let (need, queued) = (runners(it.rules.need), waiting(it.inputs.queued));
    format!("{need}: {queued} and {}{}", supply(it), cut(it))
}

fn late(it: &Decision) -> String {
    format!(
        "{}: {} longer than `max_queue_wait` ({}){}",
        runners(it.rules.need),
        has(it.rules.late, "job has waited", "jobs have waited"),
        span(it.inputs.policy.max_queue_wait.unwrap_or_default()),
        cut(it)
    )
}

/// That the pool is full, and of what.
fn full(it: &Decision) -> String {
    format!(
        "{} wanted, and {}",
        has(it.rules.wanted.max(lacking(it)), "more is", "more are"),
        occupied(&occupancy(it), it.at)
    )
}

/// The decision in one to three words, for a column.
pub fn short(it: &Decision) -> String {
    match (it.direction, it.reason) {
        (Direction::Up, Reason::Floor) => format!("start {}", lacking(it)),
        (Direction::Up, _) => format!("start {}", it.rules.need),
        (Direction::Down, Reason::Suspect) => format!("remove {} suspect", it.dismiss.len()),
        (Direction::Down, Reason::Failed) => format!("remove {} failed", it.remove.len()),
        (Direction::Down, _) => format!("remove {}", it.retire.len()),
        (Direction::Stay, Reason::CircuitOpen) => "suspended".into(),
        (Direction::Stay, Reason::MaxRunners) => "full".into(),
        (Direction::Stay, Reason::NativeBackoff) => "left to GARM".into(),
        (Direction::Stay, Reason::Target | Reason::Threshold) => "wait".into(),
        (Direction::Stay, Reason::NotHandedOut) => "not handed out".into(),
        (Direction::Stay, Reason::Served) => "served".into(),
        (Direction::Stay, Reason::Hold) => format!("hold {}", it.rules.surplus),
        (Direction::Stay, _) => "steady".into(),
    }
}

/// Why no decision is applied.
pub fn freeze(it: &Freeze) -> String {
    match it {
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
        Freeze::Unrecorded(why) => {
            format!(
                "`watch.audit_required` is set, and writes cannot be recorded: {}",
                text::quote(why)
            )
        }
    }
}

fn threshold(it: &Decision) -> String {
    let (inputs, policy) = (&it.inputs, &it.inputs.policy);
    let few = has(it.rules.unserved, "job has no runner", "jobs have no runner");
    if inputs.fits > policy.scale_up_threshold {
        return format!(
            "{few}; more than {} wait, and not for {} yet",
            policy.scale_up_threshold,
            span(policy.scale_up_delay)
        );
    }
    format!("{few}, and no more than {} wait (`scale_up_threshold`)", policy.scale_up_threshold)
}

/// The reason for the floor.
fn floor(it: &Decision) -> String {
    let (policy, counts) = (&it.inputs.policy, &it.inputs.counts);
    if policy.min_idle_runners >= it.rules.floor {
        return format!("`min_idle_runners` keeps {} idle", policy.min_idle_runners);
    }
    let there = match counts.active + counts.idle + counts.booting {
        0 => "there is none".to_owned(),
        1 => "there is 1".to_owned(),
        several => format!("there are {several}"),
    };
    format!("`min_runners` is {}, and {there}", policy.min_runners)
}

/// Number of runners by which the level exceeds those that GARM counts.
fn lacking(it: &Decision) -> u32 {
    (it.rules.floor + it.rules.dead)
        .max(it.level)
        .saturating_sub(it.inputs.counts.garm_idle)
        .min(it.rules.room.max(1))
}

fn cut(it: &Decision) -> String {
    if it.rules.need < it.rules.wanted {
        return format!(
            "; {} wanted, `max_runners` is {}",
            has(it.rules.wanted, "is", "are"),
            limit(it)
        );
    }
    String::new()
}

fn supply(it: &Decision) -> String {
    let supply = it.inputs.counts.supply();
    match supply {
        0 => "no runner is idle or booting".into(),
        n => has(n, "runner is idle or booting", "runners are idle or booting"),
    }
}

fn waiting(n: u32) -> String {
    match n {
        0 => "no job waits".into(),
        n => has(n, "job waits", "jobs wait"),
    }
}

/// The time until something is due, from the time of the decision on.
fn at(it: &Decision, when: Option<Timestamp>) -> String {
    match when {
        Some(when) if when > it.at => format!("in {}", span(between(it.at, when))),
        Some(_) | None => "as soon as none is booting".into(),
    }
}

pub(super) fn between(from: Timestamp, to: Timestamp) -> Duration {
    EvaluationClock::new(to).age(from)
}

/// The time of day, for a sentence beside a date.
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
