//! What a person should know about a pool, from one look at it.

use jiff::Timestamp;

use super::board::{Line, Sight, Standing};
use super::runners::RunnerLine;
use crate::config::DeclaredPool;
use crate::domain::desired::{ScalePolicy, leaves_scaling_to_us};
use crate::domain::entity::{EntityRef, PoolManager};
use crate::domain::pool::Pool;
use crate::domain::text;
use crate::plan::{Action, Plan};
use crate::render::decision::{Occupancy, occupied};
use crate::render::words::{count, span};
use crate::scaling::RunnerClass;

/// Most failed runners that are told of one by one.
const FAULTS_MAX: usize = 3;

/// How much a remark weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// The pool does not do its work.
    Grave,
    /// A person should look.
    Look,
    /// Good to know.
    Aside,
}

/// One thing to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// How much it weighs.
    pub weight: Weight,
    /// In a word or two.
    pub word: &'static str,
    /// One sentence without full stop; escaped.
    pub text: String,
}

fn remark(weight: Weight, word: &'static str, text: impl Into<String>) -> Remark {
    Remark { weight, word, text: text.into() }
}

/// About a pool that is there, gravest first.
pub(super) fn present(
    line: &Line,
    pool: &Pool,
    policy: &ScalePolicy,
    sight: Sight<'_>,
) -> Vec<Remark> {
    let mut remarks: Vec<Remark> = [
        manager(pool, sight),
        stalled(line),
        below_minimum(line),
        waiting(line, policy),
        not_handed_out(line),
        suspect(line),
        full(line, sight.fleet.observed_at),
        stuck(line),
        left_to_garm(line, policy, sight),
        standing(line),
        drift(line, sight.plan),
        switched_off(line),
        outdated(line),
    ]
    .into_iter()
    .flatten()
    .chain(failed(line))
    .chain(undeletable(line))
    .collect();
    remarks.sort_by_key(|it| it.weight);
    remarks
}

/// About a pool that is only declared.
pub(super) fn absent(declared: &DeclaredPool, sight: Sight<'_>) -> Vec<Remark> {
    let stopped = declared.entity.as_ref().and_then(|it| stopped(it, sight));
    let missing = remark(Weight::Look, "not in GARM", "not in GARM yet: `apply` creates it");
    let blocked = sight.plan.and_then(|plan| blocked(declared.name.as_str(), plan));
    stopped.into_iter().chain([blocked.unwrap_or(missing)]).collect()
}

fn manager(pool: &Pool, sight: Sight<'_>) -> Option<Remark> {
    let entity = sight.fleet.entities.iter().find(|it| it.key == pool.entity)?;
    stop_remark(&entity.manager, &format!("{} {}", entity.key.kind.word(), entity.name))
}

fn stopped(wanted: &EntityRef, sight: Sight<'_>) -> Option<Remark> {
    match sight.fleet.entities_named(wanted).as_slice() {
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
            Some(remark(Weight::Grave, "stopped", said))
        }
    }
}

/// GARM does not create what the running `watch` asks it for.
fn stalled(line: &Line) -> Option<Remark> {
    let stall = line.decision.as_ref()?.stall.as_ref()?;
    Some(remark(Weight::Grave, "GARM stalls", stall.clone()))
}

fn failed(line: &Line) -> Vec<Remark> {
    let failed: Vec<_> = line.runners.iter().filter(|it| it.class == RunnerClass::Failed).collect();
    let told = failed.iter().take(FAULTS_MAX).map(|it| {
        let state = format!("`{}`, `{}`", text::quote(&it.status), text::quote(&it.runner_status));
        let why = match &it.fault {
            Some(fault) => format!("its provider says: {fault}"),
            None => format!("it is {state} since {}", span(it.age)),
        };
        remark(
            Weight::Grave,
            "failing",
            format!("runner `{}` failed: {why}", text::quote(&it.name)),
        )
    });
    let rest = failed.len().saturating_sub(FAULTS_MAX);
    let more = (rest > 0).then(|| {
        remark(Weight::Grave, "failing", format!("{} more failed", count(rest, "runner")))
    });
    told.chain(more).collect()
}

/// Runners on their way out that their provider does not delete.
fn undeletable(line: &Line) -> Vec<Remark> {
    let is_leaving =
        |it: &&RunnerLine| matches!(it.class, RunnerClass::Leaving | RunnerClass::Ended);
    let all = line.runners.iter().filter(is_leaving);
    let failing: Vec<_> = all.filter_map(|it| Some((&it.name, it.fault.as_ref()?))).collect();
    let told = failing.iter().take(FAULTS_MAX).map(|(name, fault)| {
        let runner = text::code(name);
        let text = format!("runner {runner} cannot be deleted: its provider says: {fault}");
        remark(Weight::Look, "undeletable", text)
    });
    let rest = failing.len().saturating_sub(FAULTS_MAX);
    let more = (rest > 0).then(|| {
        let text = format!("{} more cannot be deleted", count(rest, "runner"));
        remark(Weight::Look, "undeletable", text)
    });
    told.chain(more).collect()
}

fn below_minimum(line: &Line) -> Option<Remark> {
    let snapshot = &line.snapshot;
    let serving = snapshot.active + snapshot.idle + snapshot.booting;
    (line.enabled && serving < line.min_runners).then(|| {
        let text = format!("{serving} of the {} that `min_runners` asks for", line.min_runners);
        remark(Weight::Look, "below minimum", text)
    })
}

fn waiting(line: &Line, policy: &ScalePolicy) -> Option<Remark> {
    let (waited, most) = (line.snapshot.oldest_wait?, policy.max_queue_wait?);
    (waited > most).then(|| {
        let text = format!(
            "a job waits for {}, longer than `max_queue_wait` ({})",
            span(waited),
            span(most)
        );
        remark(Weight::Look, "late", text)
    })
}

fn not_handed_out(line: &Line) -> Option<Remark> {
    let untaken = line.decision.as_ref()?.untaken.as_ref()?;
    let text = format!(
        "{untaken}: a webhook may have been lost, or the runner group or its visibility at GitHub \
         excludes their repository"
    );
    Some(remark(Weight::Look, "not handed out", text))
}

fn suspect(line: &Line) -> Option<Remark> {
    let suspect = line.runners.iter().filter(|it| it.class == RunnerClass::Suspect);
    let names: Vec<String> = suspect.map(|it| format!("`{}`", text::quote(&it.name))).collect();
    names.first()?;
    let text = format!(
        "{} by GARM's row, while a younger runner took a job that had waited beside: {}; \
         not connected to GitHub, or busy and a webhook was lost",
        count(names.len(), "idle runner"),
        text::few(&names, 1)
    );
    Some(remark(Weight::Look, "suspect", text))
}

/// GARM alone starts its runners, and not soon.
fn left_to_garm(line: &Line, policy: &ScalePolicy, sight: Sight<'_>) -> Option<Remark> {
    let backoff = sight.fleet.controller.backoff;
    let is_left = line.enabled && line.standing == Standing::Declared && !policy.autoscale;
    (is_left && leaves_scaling_to_us(backoff, policy.scale_up_delay)).then(|| {
        let text = format!(
            "only GARM starts runners for its jobs, each after {} (`minimum_job_age_backoff`): turn \
             `autoscale` on, or lower the backoff",
            span(backoff)
        );
        remark(Weight::Look, "slow", text)
    })
}

fn full(line: &Line, now: Timestamp) -> Option<Remark> {
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
        remark(Weight::Look, "full", format!("{there}; {jobs} waiting"))
    })
}

/// Jobs that GitHub does not give to the runners that wait for them.
fn stuck(line: &Line) -> Option<Remark> {
    let stuck = line.decision.as_ref().map_or(0, |it| it.stuck);
    (stuck > 0).then(|| {
        let jobs = match stuck {
            1 => "1 job waits beside idle runners that do not get it".to_owned(),
            n => format!("{n} jobs wait beside idle runners that do not get them"),
        };
        let text = format!(
            "{jobs}: their webhooks were lost, or the runner group or its visibility keeps them \
             from this pool"
        );
        remark(Weight::Look, "stuck jobs", text)
    })
}

fn standing(line: &Line) -> Option<Remark> {
    match line.standing {
        Standing::Declared | Standing::Absent => None,
        Standing::Undeclared => Some(remark(
            Weight::Look,
            "undeclared",
            "ours, and in none of the files that were read",
        )),
        Standing::Retired => Some(remark(
            Weight::Look,
            "retired",
            "replaced by a new pool: `apply` drains it and deletes it",
        )),
        Standing::Replacement => Some(remark(
            Weight::Look,
            "replacement",
            "created by a replace that is not finished: `apply` finishes it",
        )),
        Standing::Leftover => Some(remark(
            Weight::Look,
            "left over",
            "left by a create that was interrupted: `apply` removes it",
        )),
    }
}

/// What `plan` would do to a declared pool.
fn drift(line: &Line, plan: Option<&Plan>) -> Option<Remark> {
    if line.standing != Standing::Declared {
        return None;
    }
    let plan = plan?;
    if let Some(blocked) = blocked(&line.name, plan) {
        return Some(blocked);
    }
    let steps = plan.steps.iter().filter(|it| is_about(it.about.pool(), &line.name));
    let fields: Vec<String> = steps
        .flat_map(|it| &it.changes)
        .map(|it| format!("`{}`", text::quote(&it.field)))
        .collect();
    (!fields.is_empty()).then(|| {
        let text = format!("differs from the files in {}: see `plan`", fields.join(", "));
        remark(Weight::Look, "drift", text)
    })
}

fn blocked(pool: &str, plan: &Plan) -> Option<Remark> {
    let step = plan
        .steps
        .iter()
        .find(|it| it.action == Action::Blocked && is_about(it.about.pool(), pool))?;
    Some(remark(Weight::Look, "blocked", step.reason.clone()))
}

fn is_about(pool: Option<&crate::domain::name::PoolName>, name: &str) -> bool {
    pool.is_some_and(|it| it.as_str() == name)
}

fn switched_off(line: &Line) -> Option<Remark> {
    (!line.enabled && line.standing == Standing::Declared)
        .then(|| remark(Weight::Aside, "disabled", "starts no runners; those it has take jobs"))
}

fn outdated(line: &Line) -> Option<Remark> {
    let old =
        line.runners.iter().filter(|it| it.is_outdated && it.class == RunnerClass::Idle).count();
    (old > 0).then(|| {
        let text = format!(
            "{} made before the pool was changed: `apply --rotate` replaces them",
            count(old, "idle runner")
        );
        remark(Weight::Aside, "outdated", text)
    })
}
