//! The conclusions of the pages. The verdict is good only if no data is stale, nothing is frozen, no
//! job waits and no pool has a problem.

use std::collections::BTreeSet;

use super::values::{FleetPage, PageFrame, PoolOverview, PoolScaling, Tone};
use crate::domain::text::{code, list, quote};
use crate::monitor::PoolGauges;
use crate::render::decision::{DecisionEffect, LACKED, freeze};
use crate::render::words::{count, span};
use crate::scaling::circuit_breaker::CircuitCause;
use crate::scaling::{Decision, Direction, Reason};

/// The tolerance beyond `max_queue_wait`: two of GARM's intervals and the boot of a runner.
const TOLERANCE: std::time::Duration = std::time::Duration::from_secs(60);

/// A conclusion: one sentence without a full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) tone: Tone,
    pub(super) text: String,
}

fn finding(tone: Tone, text: impl Into<String>) -> Finding {
    Finding { tone, text: text.into() }
}

/// The conclusions that apply to every page: a stopped loop, stale data, frozen writes, a dry run.
/// May be empty.
pub(super) fn of_frame(frame: &PageFrame<'_>) -> Vec<Finding> {
    let mut all = Vec::new();
    if let Some(why) = frame.loop_stopped {
        all.push(finding(Tone::Bad, format!("{why}: nothing on this page is current")));
    }
    match &frame.observation {
        None => all.push(finding(Tone::Bad, "GARM has not been read yet")),
        Some(read) if !read.is_current => all.push(finding(
            Tone::Bad,
            format!(
                "GARM was last read {} ago: this page shows the state at that time",
                span(read.age)
            ),
        )),
        Some(_) => {}
    }
    let frozen = frame.frozen.iter();
    all.extend(
        frozen.map(|reason| finding(Tone::Bad, format!("Nothing is written to GARM: {reason}"))),
    );
    if frame.is_dry_run {
        all.push(finding(Tone::Warning, "Dry run: decisions are not written to GARM"));
    }
    all
}

/// The maximum number of pools or rules named in a conclusion.
const NAMES_MAX: usize = 3;

/// The conclusions about the fleet, most severe first; never empty. `pools` are all pools with
/// their tones.
pub(super) fn of_fleet(page: &FleetPage<'_>, pools: &[(Tone, &str)]) -> Vec<Finding> {
    let mut all = of_frame(&page.frame);
    let alerts: BTreeSet<&str> =
        page.frame.alerts.iter().map(|alert| alert.transition.rule.as_str()).collect();
    if !alerts.is_empty() {
        let alerts = list(alerts.into_iter().map(code), NAMES_MAX);
        let fires = if page.frame.alerts.len() == 1 { "alert fires" } else { "alerts fire" };
        let text = format!("{} {fires}: {alerts}", page.frame.alerts.len());
        all.push(finding(Tone::Bad, text));
    }
    for (tone, what) in [(Tone::Bad, "attention"), (Tone::Warning, "a look")] {
        let of_tone = pools.iter().filter(|pool| pool.0 == tone);
        let names: Vec<String> = of_tone.map(|pool| quote(pool.1)).collect();
        if !names.is_empty() {
            let needs = if names.len() == 1 { "needs" } else { "need" };
            let many = count(names.len(), "pool");
            all.push(finding(
                tone,
                format!("{many} {needs} {what}: {}", list(names.iter(), NAMES_MAX)),
            ));
        }
    }
    let unwell = page.frame.checks.iter().filter(|check| check.tone <= Tone::Warning);
    // The check of GARM repeats the conclusions of the frame.
    let unwell = unwell.filter(|check| check.name != "GARM");
    all.extend(unwell.map(|check| {
        let is_named = check.text.starts_with(check.name);
        let text =
            if is_named { check.text.clone() } else { format!("{}: {}", check.name, check.text) };
        finding(check.tone, text)
    }));
    let sum =
        |of: fn(&PoolGauges) -> u32| page.pools.iter().map(|pool| of(pool.gauges)).sum::<u32>();
    let waiting = sum(|gauges| gauges.queue_depth + gauges.stuck_jobs);
    if waiting > 0 {
        let oldest =
            page.pools.iter().map(|pool| pool.gauges.oldest_wait).max().unwrap_or_default();
        let verb = if waiting == 1 { "waits" } else { "wait" };
        let jobs = count(waiting as usize, "job");
        let runners = match sum(|gauges| gauges.unserved_jobs + gauges.stuck_jobs) {
            0 => "each with an idle or booting runner".to_owned(),
            n if n == waiting => "without an idle or booting runner".to_owned(),
            n => format!("{n} of them without an idle or booting runner"),
        };
        let text = format!("{jobs} {verb}, the oldest for {}, {runners}", span(oldest));
        all.push(finding(Tone::Busy, text));
    }
    all.sort_by_key(|finding| finding.tone);
    if all.is_empty() {
        all.push(match page.pools.len() {
            0 => finding(Tone::Quiet, "No pool is declared"),
            _ => finding(Tone::Good, "No job waits, and no pool needs attention"),
        });
    }
    all
}

/// The conclusions about a pool, a few words each, most severe first; may be empty.
pub(super) fn of_pool(pool: &PoolOverview<'_>) -> Vec<Finding> {
    let gauges = pool.gauges;
    let mut all: Vec<Finding> = pool
        .alerts
        .iter()
        .map(|rule| finding(Tone::Bad, format!("alert `{rule}` fires")))
        .collect();
    let mut add = |is_so: bool, tone, text: String| {
        if is_so {
            all.push(finding(tone, text));
        }
    };
    let some = |n: u32, noun: &str| count(n as usize, noun);
    add(gauges.is_stalled, Tone::Bad, "GARM does not follow the level".into());
    add(gauges.is_circuit_open, Tone::Bad, open_circuit(&pool.scaling));
    add(gauges.runners.failed > 0, Tone::Bad, some(gauges.runners.failed, "failed runner"));
    add(gauges.stuck_jobs > 0, Tone::Warning, some(gauges.stuck_jobs, "stuck job"));
    add(gauges.stale_jobs > 0, Tone::Warning, some(gauges.stale_jobs, "stale job"));
    add(gauges.is_below_min, Tone::Warning, "below `min_runners`".into());
    add(gauges.runners.suspect > 0, Tone::Warning, some(gauges.runners.suspect, "suspect runner"));
    let violations = gauges.policy_violations.unwrap_or(0);
    add(violations > 0, Tone::Warning, format!("breaks {}", some(violations, "policy rule")));
    add(gauges.has_drift == Some(true), Tone::Warning, "differs from its file".into());
    let outdated = gauges.outdated_runners.unwrap_or(0);
    add(outdated > 0, Tone::Quiet, some(outdated, "outdated runner"));
    all.extend(of_scaling(pool));
    all.sort_by_key(|finding| finding.tone);
    all
}

fn open_circuit(scaling: &PoolScaling<'_>) -> String {
    let cause = match scaling {
        PoolScaling::Decided { decision, .. } => decision.rules.circuit.open.map(|open| open.cause),
        PoolScaling::Unresolved(_) | PoolScaling::AtRest(_) => None,
    };
    match cause {
        Some(CircuitCause::NoCapacity) => format!("circuit breaker open: {LACKED}"),
        Some(CircuitCause::Failures) | None => "circuit breaker open".into(),
    }
}

fn of_scaling(pool: &PoolOverview<'_>) -> Vec<Finding> {
    let (decision, effect) = match pool.scaling {
        PoolScaling::Unresolved(_) => return vec![finding(Tone::Bad, "not scaled")],
        PoolScaling::AtRest(_) => return vec![finding(Tone::Quiet, "not scaled")],
        PoolScaling::Decided { decision, effect, .. } => (decision, effect),
    };
    let mut all = Vec::new();
    match effect {
        DecisionEffect::Frozen(why) => {
            all.push(finding(Tone::Bad, format!("frozen: {}", freeze(why))));
        }
        DecisionEffect::NotWritten => all.push(finding(Tone::Quiet, "not written to GARM")),
        DecisionEffect::Applied => {}
    }
    match decision.reason {
        Reason::MaxRunners => all.push(finding(Tone::Warning, "full")),
        Reason::Group => all.push(finding(Tone::Warning, "group full")),
        Reason::NotHandedOut | Reason::HandOutProbe => {
            all.push(finding(Tone::Warning, "jobs not handed out"));
        }
        Reason::Unassigned => all.push(finding(Tone::Warning, "jobs not assigned")),
        Reason::BootProbe => all.push(finding(Tone::Warning, "runners boot for too long")),
        Reason::Pressure
        | Reason::Late
        | Reason::Floor
        | Reason::Probe
        | Reason::CircuitOpen
        | Reason::Deleting
        | Reason::Assigned
        | Reason::NativeBackoff
        | Reason::Target
        | Reason::Threshold
        | Reason::Served
        | Reason::Idle
        | Reason::Failed
        | Reason::Suspect
        | Reason::Hold
        | Reason::Steady => {}
    }
    all.extend(late(pool.gauges, decision));
    all
}

/// A conclusion if a job waits much longer than `max_queue_wait`.
fn late(gauges: &PoolGauges, decision: &Decision) -> Option<Finding> {
    // GitHub assigns the jobs of a scale set, and the setting has no effect.
    let most = decision.inputs.policy.max_queue_wait.filter(|_| decision.scale_set.is_none())?;
    (gauges.oldest_wait > most + TOLERANCE).then(|| {
        let wait = span(gauges.oldest_wait);
        finding(
            Tone::Warning,
            format!("a job has waited for {wait}, `max_queue_wait` is {}", span(most)),
        )
    })
}

/// The tone of a pool: that of its most severe conclusion, or [`Tone::Busy`] if that is more severe
/// and work is in progress.
pub(super) fn tone(pool: &PoolOverview<'_>, findings: &[Finding]) -> Tone {
    let gravest = findings.first().map_or(Tone::Good, |finding| finding.tone);
    let is_moving = match pool.scaling {
        PoolScaling::Decided { decision, .. } => decision.direction != Direction::Stay,
        PoolScaling::AtRest(_) | PoolScaling::Unresolved(_) => false,
    };
    let is_busy = is_moving || pool.gauges.queue_depth > 0 || booting(pool.gauges) > 0;
    let base = if is_busy { Tone::Busy } else { Tone::Good };
    base.min(gravest)
}

/// The number of runners that are not ready yet.
pub(super) fn booting(gauges: &PoolGauges) -> u32 {
    gauges.runners.pending + gauges.runners.creating + gauges.runners.installing
}
