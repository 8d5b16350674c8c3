//! What only a decision about a scale set says.

use super::rules::RuleVerdict;
use super::words::{Mood, count_of, has, jobs, waiting};
use crate::scaling::{Decision, Reason, ScaleSetResults};

/// What is done or left, for the reasons that only a scale set has.
pub(super) fn sentence(decision: &Decision, mood: Mood) -> String {
    let start = mood.verb("start");
    match decision.reason {
        Reason::Deleting => format!("{start} {}", deleting(decision)),
        Reason::Assigned => format!("{} {}", mood.verb("leave"), assigned(decision)),
        _ => format!("{start} none: {}", unassigned(decision)),
    }
}

/// The runners that jobs lack while rows in deletion hold their places.
fn deleting(decision: &Decision) -> String {
    let leaving = decision.scale_set.map_or(0, |set| set.leaving);
    format!(
        "{} at once: {} counted by GARM, and the level makes up for {}",
        count_of(decision.rules.need, "runner"),
        has(leaving, "runner in deletion is", "runners in deletion are"),
        if leaving == 1 { "it" } else { "them" }
    )
}

/// The jobs for which GARM itself starts runners.
fn assigned(decision: &Decision) -> String {
    format!(
        "{} to GARM, which itself starts a runner for each job that GitHub assigns",
        jobs(decision.rules.unserved)
    )
}

/// The waiting jobs that GitHub has not assigned to the scale set.
pub(super) fn unassigned(decision: &Decision) -> String {
    let jobs = decision.scale_set.map_or(0, |set| set.unassigned);
    let them = if jobs == 1 { "it" } else { "them" };
    format!("{} for this scale set, and GitHub has not assigned {them}", waiting(jobs))
}

/// The verdicts of the rules that only a scale set has.
pub(super) fn rule_verdicts(decision: &Decision, set: &ScaleSetResults) -> [RuleVerdict; 3] {
    [assigned_jobs(decision, set), rows_in_deletion(set), unassigned_jobs(set)]
}

fn assigned_jobs(decision: &Decision, set: &ScaleSetResults) -> RuleVerdict {
    let inputs = &decision.inputs;
    let says = format!(
        "{} by GitHub, running ones included; GARM counts {} and makes that {}",
        has(set.assigned, "job is assigned", "jobs are assigned"),
        count_of(inputs.counts.live, "runner"),
        inputs.garm_level.saturating_add(set.assigned).min(inputs.garm_max),
    );
    let verdict = if set.missing > 0 { "short" } else { "enough" };
    RuleVerdict { rule: "assigned_jobs", verdict, says }
}

fn rows_in_deletion(set: &ScaleSetResults) -> RuleVerdict {
    let says = format!("the level covers {} of them, which GARM counts as runners", set.leaving);
    let verdict = if set.leaving > 0 { "covered" } else { "none" };
    RuleVerdict { rule: "runners_in_deletion", verdict, says }
}

fn unassigned_jobs(set: &ScaleSetResults) -> RuleVerdict {
    let says = format!(
        "{} for this scale set alone and {} not assigned",
        has(set.unassigned, "job waits", "jobs wait"),
        if set.unassigned == 1 { "is" } else { "are" }
    );
    let verdict = match (set.pulse, set.unassigned) {
        (true, _) => "start",
        (false, 0) => "none",
        (false, 1..) => "wait",
    };
    RuleVerdict { rule: "unassigned_jobs", verdict, says }
}
