//! Remarks on the health of a pool.

use std::time::Duration;

use jiff::Timestamp;

use super::fleet_status::{PoolStanding, PoolStatus};
use super::index::StatusIndex;
use super::runners::RunnerRow;
use crate::config::DeclaredPool;
use crate::domain::desired::{ScalePolicy, leaves_scaling_to_us};
use crate::domain::entity::{EntityRef, PoolManager};
use crate::domain::name::PoolKind;
use crate::domain::pool::Pool;
use crate::domain::text;
use crate::plan::Action;
use crate::render::decision::{NO_CAPACITY, Occupancy, occupied};
use crate::render::words::{count, span};
use crate::scaling::RunnerClass;

/// The maximum number of failed runners that are listed individually.
const FAULTS_MAX: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RemarkSeverity {
    /// The pool does not work.
    Critical,
    /// An operator should look at it.
    Warning,
    Info,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    pub severity: RemarkSeverity,
    /// One or two words for the table.
    pub word: &'static str,
    /// One sentence without a full stop; escaped.
    pub text: String,
}

fn remark(severity: RemarkSeverity, word: &'static str, text: impl Into<String>) -> Remark {
    Remark { severity, word, text: text.into() }
}

/// Remarks on a pool in GARM, most severe first.
pub(super) fn present(
    line: &PoolStatus,
    pool: &Pool,
    policy: &ScalePolicy,
    index: &StatusIndex<'_>,
) -> Vec<Remark> {
    let mut remarks: Vec<Remark> = [
        manager(pool, index),
        stalled(line),
        retrying(line),
        below_minimum(line),
        waiting(line, policy),
        not_handed_out(line),
        suspect(line),
        full(line, index.inputs.fleet.observed_at),
        stuck(line),
        left_to_garm(line, policy, index.inputs.fleet.controller.backoff),
        standing(line),
        drift(line, index),
        switched_off(line),
        outdated(line),
    ]
    .into_iter()
    .flatten()
    .chain(failed(line))
    .chain(undeletable(line))
    .collect();
    remarks.sort_by_key(|remark| remark.severity);
    remarks
}

/// Remarks on a pool that is only declared.
pub(super) fn absent(declared: &DeclaredPool, index: &StatusIndex<'_>) -> Vec<Remark> {
    let stopped = declared.entity.as_ref().and_then(|entity| stopped(entity, index));
    let missing =
        remark(RemarkSeverity::Warning, "not in GARM", "not in GARM yet: `apply` creates it");
    let blocked = blocked(declared.name.as_str(), index);
    stopped.into_iter().chain([blocked.unwrap_or(missing)]).collect()
}

fn manager(pool: &Pool, index: &StatusIndex<'_>) -> Option<Remark> {
    let entity = index.entity(&pool.entity)?;
    stop_remark(&entity.manager, &format!("{} {}", entity.key.kind.word(), entity.name))
}

fn stopped(wanted: &EntityRef, index: &StatusIndex<'_>) -> Option<Remark> {
    match index.inputs.fleet.entities_named(wanted).as_slice() {
        [entity] => stop_remark(&entity.manager, &wanted.to_string()),
        _ => None,
    }
}

fn stop_remark(manager: &PoolManager, entity: &str) -> Option<Remark> {
    match manager {
        PoolManager::Running => None,
        PoolManager::Stopped { reason } => {
            let entity = text::quote(entity);
            let reason = if reason.is_empty() {
                "and does not say why".to_owned()
            } else {
                format!("and says: {}", text::quote(reason))
            };
            let said = format!("GARM does nothing for {entity} at the moment {reason}");
            Some(remark(RemarkSeverity::Critical, "stopped", said))
        }
    }
}

/// Set if GARM does not create the runners that the running `watch` asks for.
fn stalled(line: &PoolStatus) -> Option<Remark> {
    let stall = line.decision.as_ref()?.stall.as_ref()?;
    Some(remark(RemarkSeverity::Critical, "GARM stalls", stall.clone()))
}

fn failed(line: &PoolStatus) -> Vec<Remark> {
    let failed: Vec<_> =
        line.runners.iter().filter(|runner| runner.class == RunnerClass::Failed).collect();
    let told = failed.iter().take(FAULTS_MAX).map(|runner| {
        let state =
            format!("`{}`, `{}`", text::quote(&runner.status), text::quote(&runner.runner_status));
        let why = match &runner.fault {
            Some(fault) if runner.lacks_capacity => format!("{NO_CAPACITY}, and says: {fault}"),
            Some(fault) => format!("its provider says: {fault}"),
            None => format!("it is {state}, and was created {} ago", span(runner.age)),
        };
        remark(
            RemarkSeverity::Critical,
            "failing",
            format!("runner `{}` failed: {why}", text::quote(&runner.name)),
        )
    });
    let rest = failed.len().saturating_sub(FAULTS_MAX);
    let more = (rest > 0).then(|| {
        remark(
            RemarkSeverity::Critical,
            "failing",
            format!("{} more failed", count(rest, "runner")),
        )
    });
    told.chain(more).collect()
}

/// Failed creates that GARM retries. Those runners do not count as failed yet.
fn retrying(line: &PoolStatus) -> Option<Remark> {
    let is_retried = |runner: &&RunnerRow| runner.class == RunnerClass::Retrying;
    let retried: Vec<_> = line.runners.iter().filter(is_retried).collect();
    let first = retried.first()?;
    let why = match &first.fault {
        Some(fault) => format!("the provider of {} says: {fault}", text::code(&first.name)),
        None => "the provider gives no reason".to_owned(),
    };
    let said = format!(
        "the creation of {} has failed, and GARM tries again: {why}",
        count(retried.len(), "runner")
    );
    Some(remark(RemarkSeverity::Warning, "creates fail", said))
}

/// Deleting runners whose provider reports an error.
fn undeletable(line: &PoolStatus) -> Vec<Remark> {
    let is_leaving =
        |runner: &&RunnerRow| matches!(runner.class, RunnerClass::Leaving | RunnerClass::Ended);
    let all = line.runners.iter().filter(is_leaving);
    let failing: Vec<_> =
        all.filter_map(|runner| Some((&runner.name, runner.fault.as_ref()?))).collect();
    let told = failing.iter().take(FAULTS_MAX).map(|(name, fault)| {
        let runner = text::code(name);
        let text = format!("runner {runner} cannot be deleted: its provider says: {fault}");
        remark(RemarkSeverity::Warning, "undeletable", text)
    });
    let rest = failing.len().saturating_sub(FAULTS_MAX);
    let more = (rest > 0).then(|| {
        let text = format!("{} more cannot be deleted", count(rest, "runner"));
        remark(RemarkSeverity::Warning, "undeletable", text)
    });
    told.chain(more).collect()
}

fn below_minimum(line: &PoolStatus) -> Option<Remark> {
    let snapshot = &line.snapshot;
    let serving = snapshot.active + snapshot.idle + snapshot.booting;
    (line.enabled && serving < line.min_runners).then(|| {
        let text = format!("{serving} of the {} that `min_runners` asks for", line.min_runners);
        remark(RemarkSeverity::Warning, "below minimum", text)
    })
}

/// The tolerance beyond `max_queue_wait`: two of GARM's intervals and the boot of a runner.
const COMING: Duration = Duration::from_secs(60);

fn waiting(line: &PoolStatus, policy: &ScalePolicy) -> Option<Remark> {
    // GitHub assigns the jobs of a scale set at once: only `full` can be the reason.
    if line.kind == PoolKind::ScaleSet {
        return None;
    }
    let (waited, most) = (line.snapshot.oldest_wait?, policy.max_queue_wait?);
    (waited > most + COMING).then(|| {
        let text = format!(
            "a job has waited for {}, longer than `max_queue_wait` ({})",
            span(waited),
            span(most)
        );
        remark(RemarkSeverity::Warning, "late", text)
    })
}

fn not_handed_out(line: &PoolStatus) -> Option<Remark> {
    let untaken = line.decision.as_ref()?.untaken.as_ref()?;
    let text = format!(
        "{untaken}: a webhook may have been lost, or the runner group or its visibility at GitHub \
         excludes their repository"
    );
    Some(remark(RemarkSeverity::Warning, "not handed out", text))
}

fn suspect(line: &PoolStatus) -> Option<Remark> {
    let suspect = line.runners.iter().filter(|runner| runner.class == RunnerClass::Suspect);
    let names: Vec<String> =
        suspect.map(|runner| format!("`{}`", text::quote(&runner.name))).collect();
    names.first()?;
    let text = format!(
        "{} did not get a job that a younger runner took: {}; not connected to GitHub, or busy and \
         a webhook was lost",
        count(names.len(), "idle runner"),
        text::list(&names, 1)
    );
    Some(remark(RemarkSeverity::Warning, "suspect", text))
}

/// Set if only GARM starts runners for the pool, after a long backoff.
fn left_to_garm(line: &PoolStatus, policy: &ScalePolicy, backoff: Duration) -> Option<Remark> {
    let is_left = line.kind == PoolKind::Pool
        && line.enabled
        && line.standing == PoolStanding::Declared
        && !policy.autoscale;
    (is_left && leaves_scaling_to_us(backoff, policy.scale_up_delay)).then(|| {
        let text = format!(
            "only GARM starts runners for its jobs, each after {} (`minimum_job_age_backoff`): turn \
             `autoscale` on, or lower the backoff",
            span(backoff)
        );
        remark(RemarkSeverity::Warning, "slow", text)
    })
}

fn full(line: &PoolStatus, now: Timestamp) -> Option<Remark> {
    let snapshot = &line.snapshot;
    let is_short = snapshot.queue_depth > snapshot.idle + snapshot.booting;
    (line.enabled && is_short && snapshot.live >= line.max_runners).then(|| {
        let jobs = count(snapshot.queue_depth as usize, "job");
        let there = Occupancy {
            limit: line.max_runners,
            live: snapshot.live,
            leaving: snapshot.leaving,
            leaving_since: snapshot.leaving_since,
        };
        let there = occupied(&there, now);
        remark(RemarkSeverity::Warning, "full", format!("{there}; {jobs} waiting"))
    })
}

/// Jobs that GitHub does not assign to idle runners.
fn stuck(line: &PoolStatus) -> Option<Remark> {
    let stuck = line.decision.as_ref().map_or(0, |decision| decision.stuck);
    (stuck > 0).then(|| {
        let jobs = match stuck {
            1 => "1 job waits beside idle runners that do not get it".to_owned(),
            n => format!("{n} jobs wait beside idle runners that do not get them"),
        };
        let text = format!(
            "{jobs}: their webhooks were lost, or the runner group or its visibility keeps them \
             from this pool"
        );
        remark(RemarkSeverity::Warning, "stuck jobs", text)
    })
}

fn standing(line: &PoolStatus) -> Option<Remark> {
    match line.standing {
        PoolStanding::Declared | PoolStanding::Absent => None,
        PoolStanding::Undeclared => Some(remark(
            RemarkSeverity::Warning,
            "undeclared",
            "ours, and in none of the files that were read",
        )),
        PoolStanding::Retired => Some(remark(
            RemarkSeverity::Warning,
            "retired",
            match line.kind {
                PoolKind::Pool => "replaced by a new pool: `apply` drains it and deletes it",
                PoolKind::ScaleSet => "being drained: `apply` deletes it",
            },
        )),
        PoolStanding::Replacement => Some(remark(
            RemarkSeverity::Warning,
            "replacement",
            "created by a replace that is not finished: `apply` finishes it",
        )),
        PoolStanding::Leftover => Some(remark(
            RemarkSeverity::Warning,
            "left over",
            "left by a create that was interrupted: `apply` removes it",
        )),
    }
}

/// Changes that `plan` would make to a declared pool.
fn drift(line: &PoolStatus, index: &StatusIndex<'_>) -> Option<Remark> {
    if line.standing != PoolStanding::Declared {
        return None;
    }
    if let Some(blocked) = blocked(&line.name, index) {
        return Some(blocked);
    }
    let steps = index.steps_about(&line.name).iter();
    let fields: Vec<String> = steps
        .flat_map(|step| &step.changes)
        .map(|step| format!("`{}`", text::quote(&step.field)))
        .collect();
    (!fields.is_empty()).then(|| {
        let text = format!("differs from the files in {}: see `plan`", fields.join(", "));
        remark(RemarkSeverity::Warning, "drift", text)
    })
}

fn blocked(pool: &str, index: &StatusIndex<'_>) -> Option<Remark> {
    let step = index.steps_about(pool).iter().find(|step| step.action == Action::Blocked)?;
    Some(remark(RemarkSeverity::Warning, "blocked", step.reason.clone()))
}

fn switched_off(line: &PoolStatus) -> Option<Remark> {
    (!line.enabled && line.standing == PoolStanding::Declared).then(|| {
        remark(RemarkSeverity::Info, "disabled", "starts no runners; those it has take jobs")
    })
}

fn outdated(line: &PoolStatus) -> Option<Remark> {
    let old = line
        .runners
        .iter()
        .filter(|runner| runner.is_outdated && runner.class == RunnerClass::Idle)
        .count();
    (old > 0).then(|| {
        let text = format!(
            "{} made before the pool was changed: `apply --rotate` replaces them",
            count(old, "idle runner")
        );
        remark(RemarkSeverity::Info, "outdated", text)
    })
}
