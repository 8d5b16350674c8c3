//! GARM's own settings: one set for all fleets on it.

use std::collections::BTreeSet;

use super::make::PlanContext;
use super::resolve::{PoolOrigin, Resolution, ResolvedPool};
use super::{Action, FieldChange, Operation, Resource, ShownValue, Step};
use crate::domain::duration;
use crate::domain::name::PoolId;
use crate::domain::text::{self, code, count};

/// The field, in the words of the fleet file.
pub(super) const BACKOFF: &str = "controller.minimum_job_age_backoff";

/// Above this GARM's arithmetic overflows, and at worst the whole controller is dead (GARM.md §d).
const BACKOFF_MAX_S: u64 = 9_223_372_036;

/// How many pools are named.
const NAMES_MAX: usize = 5;

/// The step that sets them, if they differ and were asked for. A `--target` leaves them out.
pub(super) fn step(context: &PlanContext<'_>) -> Option<Step> {
    let settings = &context.resolver.desired.controller;
    let live = context.resolver.index.fleet().controller.backoff;
    let wanted = settings.minimum_job_age_backoff?;
    if wanted.as_secs() == live.as_secs() || !context.options.target.is_empty() {
        return None;
    }
    let value = |it| ShownValue::Value(duration::format(it).into());
    let change =
        FieldChange { field: BACKOFF.to_owned(), before: value(live), after: value(wanted) };
    let reason = "GARM's own setting differs".to_owned();
    let slowed = if wanted > live { slowed(context) } else { Slowed::default() };
    let waits = format!(
        "waits {} for GARM to start a runner, where it waits {} now",
        duration::format(wanted),
        duration::format(live)
    );
    let step = Step {
        changes: vec![change],
        consequences: affected(context.resolver.owners.unowned.len())
            .into_iter()
            .chain(slowed.sentences(&waits))
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

/// Enabled pools whose runners nobody but GARM itself starts: a longer backoff slows their jobs.
#[derive(Default)]
struct Slowed {
    /// Declared with `autoscale: false`.
    ours: Vec<String>,
    /// Not this fleet's, by GARM's ids.
    others: Vec<String>,
}

fn slowed(context: &PlanContext<'_>) -> Slowed {
    let is_unscaled = |it: &&ResolvedPool<'_>| {
        let desired = it.desired;
        let is_blocked = matches!(it.case, Resolution::Blocked(_));
        desired.may_be_enabled() && !desired.scale.autoscale && !is_blocked
    };
    let adopted: BTreeSet<&PoolId> = context
        .resolved
        .iter()
        .filter_map(|it| match it.case {
            Resolution::Keep { pool, origin: PoolOrigin::ByHand } => Some(&pool.id),
            Resolution::Keep { .. }
            | Resolution::Create { .. }
            | Resolution::Replace(_)
            | Resolution::Blocked(_) => None,
        })
        .collect();
    let others = context.resolver.owners.unowned.iter();
    Slowed {
        ours: context
            .resolved
            .iter()
            .filter(is_unscaled)
            .map(|it| code(it.desired.name.as_str()))
            .collect(),
        others: others
            .filter(|it| it.spec.enabled && !adopted.contains(&it.id))
            .map(|it| code(it.id.as_str()))
            .collect(),
    }
}

impl Slowed {
    fn sentences(&self, waits: &str) -> Vec<String> {
        let of = |names: &[String], whose: &str| {
            (!names.is_empty()).then(|| {
                format!(
                    "a job for {} ({whose}) that finds no idle runner {waits}",
                    text::few(names, NAMES_MAX)
                )
            })
        };
        let ours = of(&self.ours, "`autoscale: false`");
        ours.into_iter().chain(of(&self.others, "not this fleet's")).collect()
    }
}

fn affected(others: usize) -> Option<String> {
    let verb = if others == 1 { "is" } else { "are" };
    (others > 0).then(|| {
        format!(
            "GARM has one such setting for all: it also acts on {} that {verb} not this fleet's",
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
    if seconds > BACKOFF_MAX_S {
        return Some((
            format!("GARM breaks above {BACKOFF_MAX_S} seconds"),
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
                    "GARM's own settings are global, and a longer backoff slows {pools} that this \
                     fleet does not own: {}",
                    text::few(&slowed.others, NAMES_MAX)
                ),
                "adopt or disable them first, or say `controller.shared: true` to decide for them, too",
            )
        });
    }
    let names: Vec<String> = others.iter().map(code).collect();
    let said = if names.len() == 1 { "another fleet" } else { "other fleets" };
    Some((
        format!(
            "GARM's own settings are global, and pools of {said} are there: {}",
            names.join(", ")
        ),
        "one of the fleets says `controller.shared: true` and decides for all; the others leave `controller` out",
    ))
}
