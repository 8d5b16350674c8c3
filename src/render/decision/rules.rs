//! The verdict of each scaling rule, as a word and a sentence.

use super::circuit::lacks_capacity;
use super::scale_set;
use super::words::{between, clock, count_of, has, jobs};
use crate::render::words::span;
use crate::scaling::Decision;
use crate::scaling::circuit_breaker::RunnerProbe;

/// The verdict of one rule.
pub struct RuleVerdict {
    pub rule: &'static str,
    pub verdict: &'static str,
    pub says: String,
}

/// The verdicts of all rules, in the order of evaluation.
pub fn rule_verdicts(decision: &Decision) -> Vec<RuleVerdict> {
    if let Some(set) = &decision.scale_set {
        let all = [circuit, room, floor, idle, failed, apart].map(|rule| rule(decision));
        return scale_set::rule_verdicts(decision, set).into_iter().chain(all).collect();
    }
    vec![
        pressure(decision),
        late(decision),
        native(decision),
        circuit(decision),
        room(decision),
        floor(decision),
        idle(decision),
        failed(decision),
        suspect(decision),
        hand_out(decision),
        slow_boot(decision),
        apart(decision),
    ]
}

fn pressure(decision: &Decision) -> RuleVerdict {
    let (inputs, policy, pressure) =
        (&decision.inputs, &decision.inputs.policy, &decision.rules.pressure);
    let since = match (pressure.on, pressure.crowded) {
        (Some(on), _) => format!("; on for {}", span(between(on, decision.at))),
        (None, Some(crowded)) => {
            format!("; more than that for {}", span(between(crowded, decision.at)))
        }
        (None, None) => String::new(),
    };
    let says = format!(
        "{} fit, {} of them older than {}, the threshold is {}{since}",
        jobs(inputs.fits),
        inputs.fits_waited,
        span(policy.scale_up_delay),
        policy.scale_up_threshold
    );
    let verdict = if pressure.is_on() { "on" } else { "off" };
    RuleVerdict { rule: "pressure", verdict, says }
}

fn late(decision: &Decision) -> RuleVerdict {
    let says = match decision.inputs.policy.max_queue_wait {
        None => "`max_queue_wait` is off".into(),
        Some(most) => format!(
            "{} longer than {}",
            has(decision.rules.late, "job has waited", "jobs have waited"),
            span(most)
        ),
    };
    let verdict = if decision.rules.late > 0 { "late" } else { "none" };
    RuleVerdict { rule: "max_queue_wait", verdict, says }
}

fn native(decision: &Decision) -> RuleVerdict {
    let theirs = decision.rules.asking.saturating_sub(decision.rules.ours);
    let backoff = span(decision.inputs.backoff);
    let (verdict, says) = match theirs {
        0 => (
            "this policy",
            format!("every job is served by this policy; GARM's backoff is {backoff}"),
        ),
        n => ("left to GARM", format!("{} left to GARM, whose backoff is {backoff}", jobs(n))),
    };
    RuleVerdict { rule: "minimum_job_age_backoff", verdict, says }
}

fn circuit(decision: &Decision) -> RuleVerdict {
    let circuit = &decision.rules.circuit;
    let mut failures = count_of(circuit.failures, "failure");
    if lacks_capacity(decision) {
        failures.push_str(" for lack of quota or capacity");
    }
    match (circuit.open, circuit.probe) {
        (None, _) => {
            let says = format!("{failures} in 10 minutes without a runner becoming idle");
            RuleVerdict { rule: "circuit", verdict: "closed", says }
        }
        (Some(_), RunnerProbe::Now) => RuleVerdict {
            rule: "circuit",
            verdict: "probe",
            says: format!("{failures}; one is tried now"),
        },
        (Some(open), RunnerProbe::No) => {
            let says = format!(
                "open for {}, {failures}; the next probe is due at {}",
                span(between(open.since, decision.at)),
                clock(open.probe_at)
            );
            RuleVerdict { rule: "circuit", verdict: "open", says }
        }
    }
}

fn room(decision: &Decision) -> RuleVerdict {
    let (inputs, rules) = (&decision.inputs, &decision.rules);
    let says = format!(
        "{} live, {} allowed: room for {}, {} wanted",
        inputs.counts.live,
        inputs.max_runners(),
        rules.room,
        rules.wanted
    );
    let verdict = if rules.wanted > rules.room { "short" } else { "enough" };
    RuleVerdict { rule: "max_runners", verdict, says }
}

fn floor(decision: &Decision) -> RuleVerdict {
    let (counts, policy, rules) =
        (&decision.inputs.counts, &decision.inputs.policy, &decision.rules);
    let says = format!(
        "at least {} must be idle: `min_runners` {}, `min_idle_runners` {}, {} active, {} about to be",
        rules.floor, policy.min_runners, policy.min_idle_runners, counts.active, rules.covered
    );
    let is_met = counts.supply() >= rules.floor;
    RuleVerdict { rule: "floor", verdict: if is_met { "met" } else { "below" }, says }
}

fn idle(decision: &Decision) -> RuleVerdict {
    let rules = &decision.rules;
    let says = format!(
        "{} beyond the floor, {} of them for {}; {} held",
        count_of(rules.surplus, "idle runner"),
        rules.due,
        span(decision.inputs.policy.scale_down_delay),
        rules.keep
    );
    let verdict = match (rules.surplus, rules.due) {
        (0, _) => "none",
        (_, 0) => "hold",
        (_, _) => "remove",
    };
    RuleVerdict { rule: "scale_down_delay", verdict, says }
}

fn failed(decision: &Decision) -> RuleVerdict {
    let says = format!(
        "{}, {} to be removed now",
        count_of(decision.inputs.counts.failed, "failed runner"),
        decision.remove.len()
    );
    let verdict = match (decision.inputs.counts.failed, decision.remove.len()) {
        (0, _) => "none",
        (_, 0) => "wait",
        (_, _) => "remove",
    };
    RuleVerdict { rule: "failed_runner_grace", verdict, says }
}

fn suspect(decision: &Decision) -> RuleVerdict {
    let says = format!(
        "{}, {} to be removed now",
        count_of(decision.inputs.counts.suspect, "suspect runner"),
        decision.dismiss.len()
    );
    let verdict = match (decision.inputs.counts.suspect, decision.dismiss.len()) {
        (0, _) => "none",
        (_, 0) => "wait",
        (_, _) => "remove",
    };
    RuleVerdict { rule: "suspect_runners", verdict, says }
}

fn hand_out(decision: &Decision) -> RuleVerdict {
    let hand_out = &decision.rules.hand_out;
    let says = format!(
        "{} beside an idle runner for a minute or more; {} given up, which hold one runner together",
        has(hand_out.untaken, "job has waited", "jobs have waited"),
        hand_out.given_up
    );
    let verdict = match (hand_out.probe, hand_out.untaken) {
        (RunnerProbe::Now, _) => "probe",
        (RunnerProbe::No, 0) => "none",
        (RunnerProbe::No, _) => "wait",
    };
    RuleVerdict { rule: "jobs_not_handed_out", verdict, says }
}

fn slow_boot(decision: &Decision) -> RuleVerdict {
    let coming = has(decision.inputs.counts.coming(), "runner is booting", "runners are booting");
    let verdict = if decision.rules.boot_probe { "probe" } else { "none" };
    RuleVerdict { rule: "slow_boot", verdict, says: format!("{coming} or being created") }
}

fn apart(decision: &Decision) -> RuleVerdict {
    let exceptions = &decision.inputs.exceptions;
    let says = format!(
        "{} stuck and {} stale are not counted, {} that GARM has forgotten are",
        exceptions.stuck, exceptions.stale, exceptions.forgotten
    );
    let none = exceptions.stuck + exceptions.stale + exceptions.forgotten == 0;
    RuleVerdict { rule: "jobs_not_counted", verdict: if none { "none" } else { "some" }, says }
}
