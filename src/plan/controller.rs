//! GARM's own settings: one set for all fleets on it.

use std::collections::BTreeSet;

use super::make::Desk;
use super::resolve::{Case, Origin, Settled};
use super::{About, Action, Change, Shown, Step, Work};
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
pub(super) fn step(desk: &Desk<'_>) -> Option<Step> {
    let settings = &desk.picture.desired.controller;
    let live = desk.picture.index.fleet().controller.backoff;
    let wanted = settings.minimum_job_age_backoff?;
    if wanted.as_secs() == live.as_secs() || !desk.options.target.is_empty() {
        return None;
    }
    let value = |it| Shown::Value(duration::format(it).into());
    let change = Change { field: BACKOFF.to_owned(), before: value(live), after: value(wanted) };
    let reason = "GARM's own setting differs".to_owned();
    let slowed = if wanted > live { slowed(desk) } else { Slowed::default() };
    let waits = format!(
        "waits {} for GARM to start a runner, where it waits {} now",
        duration::format(wanted),
        duration::format(live)
    );
    let step = Step {
        changes: vec![change],
        consequences: affected(desk.picture.owners.unowned.len())
            .into_iter()
            .chain(slowed.sentences(&waits))
            .collect(),
        work: Work::Controller { backoff_s: wanted.as_secs() },
        ..Step::bare(Action::Update, About::Controller, reason)
    };
    Some(match obstacle(desk, wanted.as_secs(), &slowed) {
        None => step,
        Some((reason, help)) => Step {
            action: Action::Blocked,
            reason,
            help: Some(help.to_owned()),
            work: Work::Nothing,
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

fn slowed(desk: &Desk<'_>) -> Slowed {
    let is_unscaled = |it: &&Settled<'_>| {
        let desired = it.desired;
        let is_blocked = matches!(it.case, Case::Blocked(_));
        desired.may_be_enabled() && !desired.scale.autoscale && !is_blocked
    };
    let adopted: BTreeSet<&PoolId> = desk
        .settled
        .iter()
        .filter_map(|it| match it.case {
            Case::Keep { pool, origin: Origin::ByHand } => Some(&pool.id),
            Case::Keep { .. } | Case::Create { .. } | Case::Replace(_) | Case::Blocked(_) => None,
        })
        .collect();
    let others = desk.picture.owners.unowned.iter();
    Slowed {
        ours: desk
            .settled
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

fn obstacle(desk: &Desk<'_>, seconds: u64, slowed: &Slowed) -> Option<(String, &'static str)> {
    let others = &desk.picture.owners.others;
    if seconds > BACKOFF_MAX_S {
        return Some((
            format!("GARM breaks above {BACKOFF_MAX_S} seconds"),
            "declare a shorter `controller.minimum_job_age_backoff`",
        ));
    }
    if desk.picture.desired.controller.shared {
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
