//! GARM's own settings, which apply to all fleets on it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::context::PlanContext;
use super::resolve::{PoolOrigin, Resolution, ResolvedPool};
use super::step::{Action, FieldChange, Operation, Resource, ShownValue, Step};
use crate::domain::desired::DesiredPool;
use crate::domain::duration::{self, GARM_BACKOFF_MAX_S};
use crate::domain::name::PoolId;
use crate::domain::text::{LISTED_MAX, code, count, list};

/// The field, as named in the fleet file.
pub(super) const BACKOFF: &str = "controller.minimum_job_age_backoff";

/// The step that sets them, if they are declared and differ. `--target` leaves them out.
pub(super) fn step(context: &PlanContext<'_>) -> Option<Step> {
    let settings = &context.resolver.desired.controller;
    let live = context.resolver.index.fleet().controller.backoff;
    let wanted = settings.minimum_job_age_backoff?;
    if wanted.as_secs() == live.as_secs() || !context.options.target.is_empty() {
        return None;
    }
    let value = |backoff| ShownValue::Value(duration::format(backoff).into());
    let change =
        FieldChange { field: BACKOFF.to_owned(), before: value(live), after: value(wanted) };
    let reason = "GARM's own setting differs".to_owned();
    let slowed = if wanted > live { slowed(context, live) } else { Slowed::default() };
    let step = Step {
        changes: vec![change],
        consequences: affected(context.resolver.owners.unowned.len())
            .into_iter()
            .chain(slowed.sentences(wanted, live))
            .collect(),
        work: Operation::Controller { backoff_s: wanted.as_secs() },
        ..Step::bare(Action::Update, Resource::Controller, reason)
    };
    Some(match blocker(context, wanted.as_secs(), &slowed) {
        None => step,
        Some((reason, help)) => Step {
            action: Action::Blocked,
            reason,
            help: Some(help.to_owned()),
            work: Operation::Nothing,
            ..step
        },
    })
}

/// Enabled pools whose jobs a longer backoff delays: only GARM itself starts their runners, or
/// their own policy waits longer than GARM does now.
#[derive(Default)]
struct Slowed {
    /// Pools that autoscale, each with the longest wait.
    scaled: Vec<String>,
    /// Names of declared pools with `autoscale: false`.
    ours: Vec<String>,
    /// Not owned by this fleet; by GARM's ids.
    others: Vec<String>,
}

fn slowed(context: &PlanContext<'_>, live: Duration) -> Slowed {
    let scaled = context.resolved.iter().filter_map(|resolved| match resolved.case {
        Resolution::Keep { pool, .. } if pool.spec.enabled => patient(resolved.desired, live),
        Resolution::Keep { .. }
        | Resolution::Create { .. }
        | Resolution::Replace(_)
        | Resolution::Blocked(_) => None,
    });
    let is_unscaled = |resolved: &&ResolvedPool<'_>| {
        let desired = resolved.desired;
        let is_blocked = matches!(resolved.case, Resolution::Blocked(_));
        desired.may_be_enabled() && !desired.scale.autoscale && !is_blocked
    };
    let adopted: BTreeSet<&PoolId> = context
        .resolved
        .iter()
        .filter_map(|resolved| match resolved.case {
            Resolution::Keep { pool, origin: PoolOrigin::ByHand } => Some(&pool.id),
            Resolution::Keep { .. }
            | Resolution::Create { .. }
            | Resolution::Replace(_)
            | Resolution::Blocked(_) => None,
        })
        .collect();
    let others = context.resolver.owners.unowned.iter();
    Slowed {
        scaled: scaled.collect(),
        ours: context
            .resolved
            .iter()
            .filter(is_unscaled)
            .map(|resolved| code(resolved.desired.name.as_str()))
            .collect(),
        others: others
            .filter(|pool| pool.spec.enabled && !adopted.contains(&pool.id))
            .map(|pool| code(pool.id.as_str()))
            .collect(),
    }
}

/// The pool, and how long a lone job may wait there for its runner to be started, if that is longer
/// than GARM's backoff.
fn patient(desired: &DesiredPool, live: Duration) -> Option<String> {
    let scale = &desired.scale;
    let longest = if scale.scale_up_threshold == 0 {
        Some(scale.scale_up_delay)
    } else {
        scale.max_queue_wait
    };
    let is_patient = scale.autoscale && longest.is_none_or(|wait| wait > live);
    let said = || longest.map_or_else(|| "no limit".to_owned(), duration::format);
    is_patient.then(|| format!("{} ({})", code(desired.name.as_str()), said()))
}

impl Slowed {
    fn sentences(&self, wanted: Duration, live: Duration) -> Vec<String> {
        let (wanted, live) = (duration::format(wanted), duration::format(live));
        let waits = format!("waits {wanted} for GARM to start a runner, instead of {live} now");
        let of = |names: &[String], whose: &str| {
            (!names.is_empty()).then(|| {
                format!(
                    "a job for {} ({whose}) that finds no idle runner {waits}",
                    list(names, LISTED_MAX)
                )
            })
        };
        let scaled = (!self.scaled.is_empty()).then(|| {
            format!(
                "a job for {} that finds no idle runner may wait that long for the pool's own policy \
                 to start one, instead of {live} now",
                list(&self.scaled, LISTED_MAX)
            )
        });
        let ours = of(&self.ours, "`autoscale: false`");
        let others = of(&self.others, "not this fleet's");
        [scaled, ours, others].into_iter().flatten().collect()
    }
}

fn affected(others: usize) -> Option<String> {
    let verb = if others == 1 { "is" } else { "are" };
    (others > 0).then(|| {
        format!(
            "GARM has one such setting for all pools: it also affects {} that {verb} not this fleet's",
            count(others, "pool")
        )
    })
}

fn blocker(
    context: &PlanContext<'_>,
    seconds: u64,
    slowed: &Slowed,
) -> Option<(String, &'static str)> {
    let others = &context.resolver.owners.others;
    if seconds > GARM_BACKOFF_MAX_S {
        return Some((
            format!("GARM fails with a backoff above {GARM_BACKOFF_MAX_S} seconds"),
            "declare a shorter `controller.minimum_job_age_backoff`",
        ));
    }
    if context.resolver.desired.controller.shared {
        return None;
    }
    if others.is_empty() {
        return (!slowed.others.is_empty()).then(|| {
            let pools = count(slowed.others.len(), "enabled pool");
            (
                format!(
                    "GARM's own settings are global, and a longer backoff delays jobs of {pools} that this \
                     fleet does not own: {}",
                    list(&slowed.others, LISTED_MAX)
                ),
                "adopt or disable them first, or set `controller.shared: true` to decide for them as well",
            )
        });
    }
    let names: Vec<String> = others.iter().map(code).collect();
    let said = "other fleets";
    Some((
        format!(
            "GARM's own settings are global, and {said} have pools on this GARM: {}",
            names.join(", ")
        ),
        "set `controller.shared: true` in the one fleet that decides for all, and remove `controller` from the others",
    ))
}
