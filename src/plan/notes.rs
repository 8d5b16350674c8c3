//! What is not a step, and a person should know.

use std::collections::BTreeSet;
use std::time::Duration;

use super::make::Desk;
use super::resolve::{Case, Origin, Settled};
use super::runner_kit;
use super::{Note, Shown, Step, Weight, Work, controller, credentials, level};
use crate::domain::desired::{BACKOFF_MARGIN, DesiredPool, leaves_scaling_to_us};
use crate::domain::duration;
use crate::domain::entity::PoolManager;
use crate::domain::fleet::Line;
use crate::domain::name::PoolName;
use crate::domain::text::{code, count};

/// The backoff that every example sets.
const BACKOFF_CURE: Duration = Duration::from_secs(300);

/// GARM's own default (GARM.md §d).
const BACKOFF_DEFAULT: Duration = Duration::from_secs(30);

/// How many names a note lists.
const NAMES_MAX: usize = 5;

/// Warnings first, then remarks, each in a fixed order.
pub(super) fn all(desk: &Desk<'_>, steps: &[Step]) -> Vec<Note> {
    let mut notes: Vec<Note> = Vec::new();
    notes.extend(old_line(desk));
    notes.extend(managers(desk));
    notes.extend(backoff(desk, steps));
    notes.extend(runner_kit::notes(desk));
    notes.extend(raised(desk, steps));
    notes.extend(outdated(desk, steps));
    notes.extend(groups(desk));
    notes.extend(controller_left_alone(desk));
    notes.extend(credentials::notes(desk).into_iter().map(remark));
    notes.extend(outside(desk));
    notes.extend(undeleted(desk));
    notes.extend(nameless(desk));
    notes.extend(unowned(desk));
    notes
}

fn remark(text: String) -> Note {
    Note { weight: Weight::Remark, pool: None, text, help: None }
}

pub(super) fn warning(text: String, help: impl Into<String>) -> Note {
    Note { weight: Weight::Warning, pool: None, text, help: Some(help.into()) }
}

fn old_line(desk: &Desk<'_>) -> Option<Note> {
    let fleet = desk.picture.index.fleet();
    (fleet.line() == Line::Old).then(|| {
        warning(
            "this GARM is of the 0.1 line: `plan` and `status` read it, nothing is written to it"
                .to_owned(),
            "upgrade GARM to 0.2.0 or later",
        )
    })
}

/// Entities of the pools that are looked at whose worker in GARM has stopped.
fn managers(desk: &Desk<'_>) -> Vec<Note> {
    let name = |kind, name: &str| (kind, name.to_ascii_lowercase());
    let used: BTreeSet<_> = desk
        .settled
        .iter()
        .map(|it| &it.desired.entity)
        .map(|it| name(it.kind, &it.name))
        .collect();
    let mut stopped: Vec<_> = desk
        .picture
        .index
        .fleet()
        .entities
        .iter()
        .filter_map(|it| match &it.manager {
            PoolManager::Running => None,
            PoolManager::Stopped { reason } => Some((it, reason)),
        })
        .filter(|(it, _)| used.contains(&name(it.key.kind, &it.name)))
        .collect();
    stopped.sort_by_key(|(it, _)| &it.key);
    stopped
        .into_iter()
        .map(|(it, reason)| {
            let why = if reason.is_empty() { String::new() } else { format!(": {}", code(reason)) };
            warning(
                format!(
                    "GARM's worker for {} {} has stopped{why}; no runner is created or removed there",
                    it.key.kind.word(),
                    code(&it.name)
                ),
                format!("check the GitHub credentials {} in GARM", code(&it.credentials)),
            )
        })
        .collect()
}

/// GARM starts runners by itself before the pools' own policies act.
fn backoff(desk: &Desk<'_>, steps: &[Step]) -> Option<Note> {
    let live = desk.picture.index.fleet().controller.backoff;
    let planned = steps.iter().find_map(|it| match it.work {
        Work::Controller { backoff_s } => Some(Duration::from_secs(backoff_s)),
        Work::Nothing
        | Work::Credential { .. }
        | Work::Create(_)
        | Work::Change { .. }
        | Work::Promote(_)
        | Work::Replace { .. }
        | Work::Retire { .. }
        | Work::RemoveLeftover { .. } => None,
    });
    let backoff = planned.unwrap_or(live);
    let mut steered: Vec<&DesiredPool> = desk
        .settled
        .iter()
        .filter(|it| !matches!(it.case, Case::Blocked(_)))
        .map(|it| it.desired)
        .filter(|it| level::is_steered(it))
        .collect();
    steered.retain(|it| !leaves_scaling_to_us(backoff, it.scale.scale_up_delay));
    let longest = steered.iter().map(|it| it.scale.scale_up_delay).max()?;
    let cure = longest.saturating_add(BACKOFF_MARGIN).max(BACKOFF_CURE);
    let names: Vec<&PoolName> = steered.iter().map(|it| &it.name).collect();
    let their = if names.len() == 1 { "its" } else { "their" };
    Some(warning(
        format!(
            "GARM starts a runner by itself for each job that is {} old (`minimum_job_age_backoff`), less than `scale_up_delay` + 2m of {}: {their} own policy hardly acts, and waits are GARM's or longer",
            duration::format(backoff),
            list(&names)
        ),
        format!(
            "`{}: {}` in the fleet file hands scaling to the pools' own policy, GARM staying as the safety net",
            controller::BACKOFF,
            duration::format(cure)
        ),
    ))
}

/// Levels above the floor are the scaler's business.
fn raised(desk: &Desk<'_>, steps: &[Step]) -> Option<Note> {
    let lowered: BTreeSet<&PoolName> = steps
        .iter()
        .filter(|it| it.changes.iter().any(|it| matches!(it.after, Shown::Level(_))))
        .filter_map(|it| it.about.pool())
        .collect();
    let above: Vec<(&PoolName, u32, u32)> = desk
        .settled
        .iter()
        .filter_map(|it| match &it.case {
            Case::Keep { pool, .. } => {
                let floor = *desk.floors.get(&pool.id)?;
                let level = pool.spec.min_idle_runners;
                (level > floor && !lowered.contains(&it.desired.name)).then_some((
                    &it.desired.name,
                    level,
                    floor,
                ))
            }
            Case::Create { .. } | Case::Replace(_) | Case::Blocked(_) => None,
        })
        .collect();
    let said: Vec<String> = above
        .iter()
        .take(NAMES_MAX)
        .map(|(name, level, floor)| format!("`{name}` has {level}, its floor is {floor}"))
        .collect();
    let (first, _, _) = above.first()?;
    Some(Note {
        pool: (above.len() == 1).then(|| (*first).clone()),
        help: Some("`runnerctl watch --release` lowers every raised level".to_owned()),
        ..remark(format!(
            "`min_idle_runners` above the floor is left alone: {}{}; held by `watch`, or left by one that stopped",
            said.join(", "),
            more(above.len())
        ))
    })
}

/// Idle runners of an older generation that no step of this plan is about.
fn outdated(desk: &Desk<'_>, steps: &[Step]) -> Option<Note> {
    let touched: BTreeSet<_> = steps.iter().filter_map(|it| it.about.pool()).collect();
    let found: Vec<(&PoolName, usize)> = desk
        .settled
        .iter()
        .filter(|it| !touched.contains(&it.desired.name))
        .filter_map(|it| match &it.case {
            Case::Keep { pool, .. } => {
                let outdated = desk.picture.index.counts(&pool.id).outdated;
                (outdated > 0).then_some((&it.desired.name, outdated))
            }
            Case::Create { .. } | Case::Replace(_) | Case::Blocked(_) => None,
        })
        .collect();
    let names: Vec<&PoolName> = found.iter().map(|it| it.0).collect();
    let runners: usize = found.iter().map(|it| it.1).sum();
    let verb = if runners == 1 { "is" } else { "are" };
    (runners > 0).then(|| Note {
        pool: single(&names),
        help: Some("`runnerctl apply --rotate` replaces them".to_owned()),
        ..remark(format!(
            "{} of {} {verb} older than the last change of its pool",
            count(runners, "idle runner"),
            list(&names)
        ))
    })
}

/// Runner groups that GARM has and no manifest speaks of.
fn groups(desk: &Desk<'_>) -> Option<Note> {
    let names: Vec<&PoolName> = desk
        .settled
        .iter()
        .filter(|it| it.desired.runner_group.is_none())
        .filter(
            |it| matches!(&it.case, Case::Keep { pool, .. } if !pool.spec.runner_group.is_empty()),
        )
        .map(|it| &it.desired.name)
        .collect();
    (!names.is_empty()).then(|| Note {
        pool: single(&names),
        ..remark(format!(
            "`runner_group` of {} is set in GARM, not declared, and left alone",
            list(&names)
        ))
    })
}

fn controller_left_alone(desk: &Desk<'_>) -> Option<Note> {
    let live = desk.picture.index.fleet().controller.backoff;
    let wanted = desk.picture.desired.controller.minimum_job_age_backoff;
    let said = duration::format(live);
    match wanted {
        None if live != BACKOFF_DEFAULT => Some(remark(format!(
            "GARM's `minimum_job_age_backoff` is {said}, not declared, and left alone"
        ))),
        Some(wanted) if wanted != live && !desk.options.target.is_empty() => Some(remark(format!(
            "`{}` differs ({said} in GARM) and is left alone with `--target`",
            controller::BACKOFF
        ))),
        Some(_) | None => None,
    }
}

/// Pools of this fleet that a part of the manifests, or a `--target`, leaves out.
fn outside(desk: &Desk<'_>) -> Option<Note> {
    let names: Vec<&PoolName> = match desk.is_whole() {
        true => Vec::new(),
        false => {
            desk.picture.owners.named.keys().filter(|it| desk.looked_at(it).is_none()).collect()
        }
    };
    let (verb, them) = if names.len() == 1 { ("was", "it") } else { ("were", "them") };
    let cause = if desk.options.target.is_empty() {
        format!("{verb} not looked at, since one file does not speak for {them}")
    } else {
        format!("{verb} not looked at, since `--target` leaves {them} out")
    };
    (!names.is_empty()).then(|| {
        remark(format!("{} of this fleet {cause}: {}", count(names.len(), "pool"), list(&names)))
    })
}

/// Pools that a run over the whole fleet would delete beside those that are looked at.
fn undeleted(desk: &Desk<'_>) -> Option<Note> {
    if desk.is_whole() {
        return None;
    }
    let gone = |it: &Settled<'_>| desk.outlived(it).len() + it.leftovers.len();
    let found: Vec<(&PoolName, usize)> =
        desk.settled.iter().map(|it| (&it.desired.name, gone(it))).filter(|it| it.1 > 0).collect();
    let names: Vec<&PoolName> = found.iter().map(|it| it.0).collect();
    let pools: usize = found.iter().map(|it| it.1).sum();
    let verb = if pools == 1 { "is" } else { "are" };
    let part = if desk.options.target.is_empty() { "a part of the files" } else { "`--target`" };
    (pools > 0).then(|| Note {
        pool: single(&names),
        help: Some("a run over the whole fleet deletes what is left".to_owned()),
        ..remark(format!(
            "{} left by a replace or a create of {} {verb} not deleted with {part}",
            count(pools, "pool"),
            list(&names)
        ))
    })
}

fn nameless(desk: &Desk<'_>) -> Option<Note> {
    let pools = &desk.picture.owners.nameless;
    let first = pools.first()?;
    let fleet = desk.picture.desired.fleet.as_str();
    let marks = first.spec.labels.marks();
    let mark = marks.iter().find(|it| it.fleet() == fleet)?;
    let (verb, them) = if pools.len() == 1 { ("bears", "it") } else { ("bear", "them") };
    Some(Note {
        help: Some("`adopt` with the pool's id gives it a name".to_owned()),
        ..remark(format!(
            "{} {verb} a label of this fleet that names no pool, and nothing is done to {them}: {} has {}",
            count(pools.len(), "pool"),
            code(first.id.as_str()),
            code(mark.to_string())
        ))
    })
}

fn unowned(desk: &Desk<'_>) -> Option<Note> {
    let owners = &desk.picture.owners;
    let adopted = desk
        .settled
        .iter()
        .filter(|it| matches!(it.case, Case::Keep { origin: Origin::ByHand, .. }))
        .count();
    let left = owners.unowned.len().saturating_sub(adopted);
    let verb = if left == 1 { "is" } else { "are" };
    let fleets: Vec<String> = owners.others.iter().take(NAMES_MAX).map(code).collect();
    let others = match fleets.as_slice() {
        [] => String::new(),
        [only] => format!(" (fleet {only} owns some)"),
        several => {
            format!(" (fleets {}{} own some)", several.join(", "), more(owners.others.len()))
        }
    };
    (left > 0).then(|| {
        remark(format!(
            "{} {verb} not this fleet's and {verb} left alone{others}",
            count(left, "pool")
        ))
    })
}

fn single(names: &[&PoolName]) -> Option<PoolName> {
    match names {
        [only] => Some((*only).clone()),
        _ => None,
    }
}

fn list(names: &[&PoolName]) -> String {
    let said: Vec<String> = names.iter().take(NAMES_MAX).map(code_name).collect();
    format!("{}{}", said.join(", "), more(names.len()))
}

fn code_name(name: &&PoolName) -> String {
    code(name.as_str())
}

fn more(all: usize) -> String {
    match all.saturating_sub(NAMES_MAX) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    }
}
