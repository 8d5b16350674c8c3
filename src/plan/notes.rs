//! Notes: information for the user that is not a step.

use std::collections::BTreeSet;
use std::time::Duration;

use super::context::PlanContext;
use super::note::Note;
use super::resolve::{PoolOrigin, Resolution, ResolvedPool};
use super::step::{Operation, ShownValue, Step};
use super::{controller, credentials, level, runner_kit};
use crate::domain::desired::{BACKOFF_MARGIN, DesiredPool, leaves_scaling_to_us};
use crate::domain::duration;
use crate::domain::entity::PoolManager;
use crate::domain::fleet::{GARM_0_1_HELP, GARM_0_1_REFUSAL, ReleaseLine};
use crate::domain::name::{PoolKind, PoolName};
use crate::domain::text::{LISTED_MAX, code, count, list};

/// The backoff that all examples set.
const BACKOFF_CURE: Duration = Duration::from_secs(300);

/// GARM's own default (GARM.md §d).
const BACKOFF_DEFAULT: Duration = Duration::from_secs(30);

/// All notes: warnings first, then remarks, each in a fixed order.
pub(super) fn all(context: &PlanContext<'_>, steps: &[Step]) -> Vec<Note> {
    let mut notes: Vec<Note> = Vec::new();
    notes.extend(old_line(context));
    notes.extend(managers(context));
    notes.extend(backoff(context, steps));
    notes.extend(runner_kit::notes(context));
    notes.extend(raised(context, steps));
    notes.extend(outdated(context, steps));
    notes.extend(groups(context));
    notes.extend(adopted_by_id(context));
    notes.extend(controller_left_alone(context));
    notes.extend(credentials::notes(context).into_iter().map(Note::remark));
    notes.extend(outside(context));
    notes.extend(undeleted(context));
    notes.extend(nameless(context));
    notes.extend(unowned(context));
    notes
}

fn old_line(context: &PlanContext<'_>) -> Option<Note> {
    let fleet = context.resolver.index.fleet();
    (fleet.line() == ReleaseLine::Old)
        .then(|| Note::warning(GARM_0_1_REFUSAL.to_owned(), GARM_0_1_HELP))
}

/// Warns of stopped pool managers of the pools' entities.
fn managers(context: &PlanContext<'_>) -> Vec<Note> {
    let name = |kind, name: &str| (kind, name.to_ascii_lowercase());
    let used: BTreeSet<_> = context
        .resolved
        .iter()
        .map(|resolved| &resolved.desired.entity)
        .map(|entity| name(entity.kind, &entity.name))
        .collect();
    let mut stopped: Vec<_> = context
        .resolver
        .index
        .fleet()
        .entities
        .iter()
        .filter_map(|entity| match &entity.manager {
            PoolManager::Running => None,
            PoolManager::Stopped { reason } => Some((entity, reason)),
        })
        .filter(|(entity, _)| used.contains(&name(entity.key.kind, &entity.name)))
        .collect();
    stopped.sort_by_key(|(entity, _)| &entity.key);
    stopped
        .into_iter()
        .map(|(entity, reason)| {
            let why = if reason.is_empty() { String::new() } else { format!(": {}", code(reason)) };
            Note::warning(
                format!(
                    "GARM's pool manager for {} {} has stopped{why}: it creates and removes no runners",
                    entity.key.kind.word(),
                    code(&entity.name)
                ),
                format!("check the GitHub credentials {} in GARM", code(&entity.credentials)),
            )
        })
        .collect()
}

/// Warns that GARM itself starts runners before the pools' own policies act.
fn backoff(context: &PlanContext<'_>, steps: &[Step]) -> Option<Note> {
    let live = context.resolver.index.fleet().controller.backoff;
    let planned = steps.iter().find_map(|step| match step.work {
        Operation::Controller { backoff_s } => Some(Duration::from_secs(backoff_s)),
        Operation::Nothing
        | Operation::Shown(_)
        | Operation::Credential { .. }
        | Operation::Create(_)
        | Operation::Change { .. }
        | Operation::Promote(_)
        | Operation::Replace { .. }
        | Operation::Rebuild { .. }
        | Operation::Retire { .. }
        | Operation::RemoveLeftover { .. } => None,
    });
    let backoff = planned.unwrap_or(live);
    let mut steered: Vec<&DesiredPool> = context
        .resolved
        .iter()
        .filter(|resolved| !matches!(resolved.case, Resolution::Blocked(_)))
        .map(|resolved| resolved.desired)
        // GARM's backoff is for webhooks; a scale set has no use for it.
        .filter(|pool| level::is_steered(pool) && pool.kind == PoolKind::Pool)
        .collect();
    steered.retain(|pool| !leaves_scaling_to_us(backoff, pool.scale.scale_up_delay));
    let longest = steered.iter().map(|pool| pool.scale.scale_up_delay).max()?;
    let cure = longest.saturating_add(BACKOFF_MARGIN).max(BACKOFF_CURE);
    let names: Vec<&PoolName> = steered.iter().map(|pool| &pool.name).collect();
    let their = if names.len() == 1 { "its" } else { "their" };
    Some(Note::warning(
        format!(
            "GARM itself starts a runner for each job that is {} old (`minimum_job_age_backoff`), which is less than `scale_up_delay` + 2m of {}: {their} own policy has hardly any effect, and jobs wait as long as under GARM alone, or longer",
            duration::format(backoff),
            pool_list(&names)
        ),
        format!(
            "set `{}: {}` in the fleet file to leave scaling to the pools' own policy, with GARM as the safety net",
            controller::BACKOFF,
            duration::format(cure)
        ),
    ))
}

/// Remarks on levels above the floor, which are left to the scaler.
fn raised(context: &PlanContext<'_>, steps: &[Step]) -> Option<Note> {
    let lowered: BTreeSet<&PoolName> = steps
        .iter()
        .filter(|step| {
            step.changes.iter().any(|change| matches!(change.after, ShownValue::Level(_)))
        })
        .filter_map(|step| step.about.pool())
        .collect();
    let above: Vec<(&PoolName, u32, u32)> = context
        .resolved
        .iter()
        .filter_map(|resolved| match &resolved.case {
            Resolution::Keep { pool, .. } => {
                let floor = *context.floors.get(&pool.id)?;
                let level = pool.spec.min_idle_runners;
                (level > floor && !lowered.contains(&resolved.desired.name)).then_some((
                    &resolved.desired.name,
                    level,
                    floor,
                ))
            }
            Resolution::Create { .. } | Resolution::Replace(_) | Resolution::Blocked(_) => None,
        })
        .collect();
    let levels = above
        .iter()
        .map(|(name, level, floor)| format!("`{name}` is at {level}, with a floor of {floor}"));
    let (first, _, _) = above.first()?;
    Some(Note {
        pool: (above.len() == 1).then(|| (*first).clone()),
        help: Some("lower all raised levels with `runnerctl watch --release`".to_owned()),
        ..Note::remark(format!(
            "levels above the floor are left alone: {}; they are set by `watch`, or left over from one that stopped",
            list(levels, LISTED_MAX)
        ))
    })
}

/// Remarks on idle runners of an older generation in pools that have no step.
fn outdated(context: &PlanContext<'_>, steps: &[Step]) -> Option<Note> {
    let touched: BTreeSet<_> = steps.iter().filter_map(|step| step.about.pool()).collect();
    let found: Vec<(&PoolName, usize)> = context
        .resolved
        .iter()
        .filter(|resolved| !touched.contains(&resolved.desired.name))
        .filter_map(|resolved| match &resolved.case {
            Resolution::Keep { pool, .. } => {
                let outdated = context.resolver.index.counts(&pool.id).outdated;
                (outdated > 0).then_some((&resolved.desired.name, outdated))
            }
            Resolution::Create { .. } | Resolution::Replace(_) | Resolution::Blocked(_) => None,
        })
        .collect();
    let names: Vec<&PoolName> = found.iter().map(|(name, _)| *name).collect();
    let runners: usize = found.iter().map(|(_, count)| *count).sum();
    let verb = if runners == 1 { "is" } else { "are" };
    (runners > 0).then(|| Note {
        pool: single(&names),
        help: Some("replace them with `runnerctl apply --rotate`".to_owned()),
        ..Note::remark(format!(
            "{} of {} {verb} older than the last change of its pool",
            count(runners, "idle runner"),
            pool_list(&names)
        ))
    })
}

/// Remarks on runner groups in GARM that are not declared.
fn groups(context: &PlanContext<'_>) -> Option<Note> {
    let names: Vec<&PoolName> = context
        .resolved
        .iter()
        .filter(|resolved| resolved.desired.runner_group.is_none())
        .filter(
            |resolved| matches!(&resolved.case, Resolution::Keep { pool, .. } if !pool.spec.runner_group.is_empty()),
        )
        .map(|resolved| &resolved.desired.name)
        .collect();
    (!names.is_empty()).then(|| Note {
        pool: single(&names),
        ..Note::remark(format!(
            "`runner_group` of {} is set in GARM but not declared, and is left alone",
            pool_list(&names)
        ))
    })
}

/// Remarks on scale sets that only `adopt` makes this fleet's.
fn adopted_by_id(context: &PlanContext<'_>) -> Option<Note> {
    let is_it = |resolved: &&ResolvedPool<'_>| matches!(&resolved.case, Resolution::Keep { pool, .. } if pool.is_unmarked_scale_set());
    let names: Vec<&PoolName> =
        (context.resolved.iter().filter(is_it)).map(|resolved| &resolved.desired.name).collect();
    (!names.is_empty()).then(|| Note {
        pool: single(&names),
        ..Note::remark(format!(
            "keep `adopt` of {}: GARM cannot give a label to an existing scale set, so only `adopt` shows that it is this fleet's",
            pool_list(&names)
        ))
    })
}

fn controller_left_alone(context: &PlanContext<'_>) -> Option<Note> {
    let live = context.resolver.index.fleet().controller.backoff;
    let wanted = context.resolver.desired.controller.minimum_job_age_backoff;
    let said = duration::format(live);
    match wanted {
        None if live != BACKOFF_DEFAULT => Some(Note::remark(format!(
            "GARM's `minimum_job_age_backoff` is {said} but not declared, and is left alone"
        ))),
        Some(wanted) if wanted != live && !context.options.target.is_empty() => {
            Some(Note::remark(format!(
                "`{}` differs ({said} in GARM) and is left alone with `--target`",
                controller::BACKOFF
            )))
        }
        Some(_) | None => None,
    }
}

/// Remarks on pools of this fleet that are left out by a partial set of files or by `--target`.
fn outside(context: &PlanContext<'_>) -> Option<Note> {
    let names: Vec<&PoolName> = match context.is_whole() {
        true => Vec::new(),
        false => context
            .resolver
            .owners
            .named
            .keys()
            .filter(|name| context.looked_at(name).is_none())
            .collect(),
    };
    let verb = if names.len() == 1 { "was" } else { "were" };
    let cause = if context.options.target.is_empty() {
        format!("{verb} left out, because only a part of the files was read")
    } else {
        format!("{verb} left out by `--target`")
    };
    (!names.is_empty()).then(|| {
        Note::remark(format!(
            "{} of this fleet {cause}: {}",
            count(names.len(), "pool"),
            pool_list(&names)
        ))
    })
}

/// Remarks on pools beside the declared ones that only a run over the whole fleet would delete.
fn undeleted(context: &PlanContext<'_>) -> Option<Note> {
    if context.is_whole() {
        return None;
    }
    let gone =
        |resolved: &ResolvedPool<'_>| context.outlived(resolved).len() + resolved.leftovers.len();
    let found: Vec<(&PoolName, usize)> = context
        .resolved
        .iter()
        .map(|resolved| (&resolved.desired.name, gone(resolved)))
        .filter(|(_, count)| *count > 0)
        .collect();
    let names: Vec<&PoolName> = found.iter().map(|(name, _)| *name).collect();
    let pools: usize = found.iter().map(|(_, count)| *count).sum();
    let verb = if pools == 1 { "is" } else { "are" };
    let part = if context.options.target.is_empty() { "a part of the files" } else { "`--target`" };
    (pools > 0).then(|| Note {
        pool: single(&names),
        help: Some("run without it over the whole fleet to delete what is left over".to_owned()),
        ..Note::remark(format!(
            "{} left over from a replace or a create of {} {verb} not deleted with {part}",
            count(pools, "pool"),
            pool_list(&names)
        ))
    })
}

fn nameless(context: &PlanContext<'_>) -> Option<Note> {
    let pools = &context.resolver.owners.nameless;
    let first = pools.first()?;
    let fleet = context.resolver.desired.fleet.as_str();
    let marks = first.spec.labels.marks();
    let mark = marks.iter().find(|mark| mark.fleet() == fleet)?;
    let (verb, them) = if pools.len() == 1 { ("has", "it is") } else { ("have", "they are") };
    Some(Note {
        help: Some("give it a name with `adopt` and the pool's id".to_owned()),
        ..Note::remark(format!(
            "{} {verb} a label of this fleet without a valid pool name, so {them} left alone: {} has {}",
            count(pools.len(), "pool"),
            code(first.id.as_str()),
            code(mark.to_string())
        ))
    })
}

fn unowned(context: &PlanContext<'_>) -> Option<Note> {
    let owners = &context.resolver.owners;
    let adopted = context
        .resolved
        .iter()
        .filter(|resolved| {
            matches!(resolved.case, Resolution::Keep { origin: PoolOrigin::ByHand, .. })
        })
        .count();
    let left = owners.unowned.len().saturating_sub(adopted);
    let verb = if left == 1 { "is" } else { "are" };
    let fleets = list(owners.others.iter().map(code), LISTED_MAX);
    let others = match owners.others.len() {
        0 => String::new(),
        1 => format!(" (fleet {fleets} owns some)"),
        _ => format!(" (fleets {fleets} own some)"),
    };
    (left > 0).then(|| {
        Note::remark(format!(
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

fn pool_list(names: &[&PoolName]) -> String {
    list(names.iter().map(|name| code(name.as_str())), LISTED_MAX)
}
