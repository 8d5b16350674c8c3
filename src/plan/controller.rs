//! GARM's own settings: one set for all fleets on it.

use super::make::Desk;
use super::{About, Action, Change, Shown, Step, Work};
use crate::domain::duration;
use crate::domain::text::{code, count};

/// The field, in the words of the fleet file.
pub(super) const BACKOFF: &str = "controller.minimum_job_age_backoff";

/// Above this GARM's arithmetic overflows, and at worst the whole controller is dead (GARM.md §d).
const BACKOFF_MAX_S: u64 = 9_223_372_036;

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
    let step = Step {
        changes: vec![change],
        consequences: affected(desk.picture.owners.unowned.len()).into_iter().collect(),
        work: Work::Controller { backoff_s: wanted.as_secs() },
        ..Step::bare(Action::Update, About::Controller, reason)
    };
    Some(match obstacle(desk, wanted.as_secs()) {
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

fn affected(others: usize) -> Option<String> {
    let verb = if others == 1 { "is" } else { "are" };
    (others > 0).then(|| {
        format!(
            "GARM has one such setting for all: it also acts on {} that {verb} not this fleet's",
            count(others, "pool")
        )
    })
}

fn obstacle(desk: &Desk<'_>, seconds: u64) -> Option<(String, &'static str)> {
    let others = &desk.picture.owners.others;
    if seconds > BACKOFF_MAX_S {
        return Some((
            format!("GARM breaks above {BACKOFF_MAX_S} seconds"),
            "declare a shorter `controller.minimum_job_age_backoff`",
        ));
    }
    if others.is_empty() || desk.picture.desired.controller.shared {
        return None;
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
