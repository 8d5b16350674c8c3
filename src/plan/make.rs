//! Makes a plan: all steps, in the order in which they are begun.

use super::blocker::Blocker;
use super::context::PlanContext;
use super::diff::{self, Difference, LevelOwner};
use super::options::{PlanOptions, RunnerKit};
use super::resolve::{PoolOrigin, ReplaceProgress, Replacing, Resolution, ResolvedPool};
use super::step::{
    Action, Consent, Creation, FieldChange, Operation, Plan, Promotion, ShownValue, Step,
};
use super::wanted_spec::{self, LeftAlone};
use super::{
    consequences, controller, credentials, level, notes, policy_text, retire, stranded, systems,
};
use crate::domain::desired::Desired;
use crate::domain::entity::{Entity, EntityKey, EntityRef};
use crate::domain::fleet::{Fleet, GARM_0_1_HELP, GARM_0_1_REFUSAL, ReleaseLine};
use crate::domain::label::OwnerMark;
use crate::domain::name::PoolKind;
use crate::domain::pool::{Pool, PoolDetail, PoolSpec};
use crate::domain::text::code;
use crate::policy::kit;

/// The plan that makes `fleet` as `desired`. Never fails: what cannot be done becomes a blocked
/// step. The order of pools, runners and jobs in the input does not matter.
pub fn plan(desired: &Desired, fleet: &Fleet, options: &PlanOptions) -> Plan {
    let context = PlanContext::new(desired, fleet, options);
    let mut steps = context.steps();
    stranded::add_consequences(&mut steps, fleet);
    systems::show_names(&mut steps, &context.resolver.index);
    let notes = notes::all(&context, &steps);
    if fleet.line() == ReleaseLine::Old {
        steps = steps.into_iter().map(refused_by_old_garm).collect();
    }
    Plan {
        fleet: desired.fleet.clone(),
        controller_id: fleet.controller.id.clone(),
        observed_at: fleet.observed_at,
        steps,
        notes,
        declared: desired.pools.len(),
        owned: context.resolver.owners.in_force(),
    }
}

impl PlanContext<'_> {
    /// The controller comes first, since the pools' policies depend on it, then the credentials,
    /// which GARM needs for anything at GitHub, then leftovers of interrupted creates. Pools that
    /// had runners are deleted last, so that capacity is added before it is removed.
    fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = controller::step(self).into_iter().collect();
        steps.extend(credentials::steps(self));
        steps.extend(retire::leftovers(self));
        steps.extend(self.resolved.iter().filter_map(|resolved| self.declared_step(resolved)));
        steps.extend(retire::leaving(self));
        steps
    }

    fn declared_step(&self, resolved: &ResolvedPool<'_>) -> Option<Step> {
        match &resolved.case {
            Resolution::Blocked(blocker) => Some(blocker.clone().step(&resolved.desired.name)),
            Resolution::Create { entity } => Some(self.create(resolved, entity)),
            Resolution::Keep { pool, origin } => self.keep(resolved, pool, *origin),
            Resolution::Replace(replacing) => Some(self.replace(resolved, replacing)),
        }
    }

    fn create(&self, resolved: &ResolvedPool<'_>, entity: &EntityKey) -> Step {
        let pool = resolved.desired;
        let mark = code(OwnerMark::owned(&self.resolver.desired.fleet, &pool.name).to_string());
        let creation = self.creation(resolved, entity, None);
        let mut changes = entity_change(None, &pool.entity);
        changes.extend(diff::whole(&creation.spec, &self.show));
        Step {
            action: Action::Create,
            changes,
            policy: Some(policy_text::policy(pool)),
            work: Operation::Create(creation),
            ..Step::for_pool(
                &pool.name,
                format!("declared, but no pool in GARM has the label {mark}"),
            )
        }
    }

    fn keep(&self, resolved: &ResolvedPool<'_>, pool: &Pool, origin: PoolOrigin) -> Option<Step> {
        let desired = resolved.desired;
        let floor = self.floors.get(&pool.id).copied();
        let level = level::wanted(desired, pool, floor);
        let found = match self.difference(resolved, pool, LeftAlone::of(pool, None), level) {
            Ok(found) if found.changes.is_empty() => return None,
            Ok(found) => found,
            Err(blocker) => return Some(blocker.step(&desired.name)),
        };
        let change = &found.change;
        let says_policy = origin != PoolOrigin::Owned
            || change.max_runners.is_some()
            || change.min_idle_runners.is_some()
            || change.enabled.is_some();
        Some(Step {
            action: match origin {
                PoolOrigin::Owned | PoolOrigin::Retired => Action::Update,
                PoolOrigin::ByHand | PoolOrigin::Renamed => Action::Adopt,
                PoolOrigin::Replacement => Action::Create,
            },
            pool_id: Some(pool.id.clone()),
            consequences: consequences::of_change(
                pool,
                self.resolver.index.counts(&pool.id),
                &found,
            ),
            policy: says_policy.then(|| policy_text::policy(desired)),
            reason: keep_reason(pool, origin, &found.changes, floor),
            work: match origin {
                PoolOrigin::Owned | PoolOrigin::ByHand | PoolOrigin::Renamed => {
                    Operation::Change { id: pool.id.clone(), change: found.change }
                }
                PoolOrigin::Retired | PoolOrigin::Replacement => Operation::Promote(Promotion {
                    id: pool.id.clone(),
                    change: found.change,
                    is_retired: origin == PoolOrigin::Retired,
                }),
            },
            changes: found.changes,
            ..Step::for_pool(&desired.name, String::new())
        })
    }

    /// The changes that make an existing pool as declared.
    fn difference<'p>(
        &self,
        resolved: &ResolvedPool<'_>,
        pool: &'p Pool,
        left: LeftAlone,
        level: u32,
    ) -> Result<Difference, Blocker<'p>> {
        let left = systems::after_change(&self.resolver.index, resolved.desired, pool, left)?;
        let mut wanted = self.spec(resolved, left, level);
        wanted.max_runners = level::wanted_max(resolved.desired, pool, level);
        if pool.detail == PoolDetail::Listed {
            // Unknown `extra_specs` are not a difference.
            wanted.extra_specs.clone_from(&pool.spec.extra_specs);
        } else if self.options.kit == RunnerKit::Unread {
            wanted.extra_specs = kit::carried(&pool.spec.extra_specs, &wanted.extra_specs);
        }
        let is_scaled = resolved.desired.scale.autoscale;
        let owner = if is_scaled { LevelOwner::Scaler } else { LevelOwner::Manifest };
        let found = diff::difference(&pool.spec, &wanted, owner, &self.show);
        match uncleared(pool, &wanted) {
            Some(blocker) => Err(blocker.changes(found.changes)),
            None => Ok(found),
        }
    }

    fn replace(&self, resolved: &ResolvedPool<'_>, replacing: &Replacing<'_>) -> Step {
        let desired = resolved.desired;
        let Replacing { old, entity, successor, begun } = *replacing;
        let new = self.creation(resolved, &entity.key, Some(old));
        let mut changes = self.moved(resolved, (old, entity), &new.spec);
        let fixed = changes.iter().filter(|change| change.before != ShownValue::Absent);
        let fields: Vec<String> = fixed.map(|change| code(&change.field)).collect();
        let found = diff::difference(&old.spec, &new.spec, LevelOwner::Manifest, &self.show);
        // A new pool without a template of its own gets GARM's: that is no loss to show.
        let is_lost_template =
            |change: &FieldChange| change.field == "template" && change.after == ShownValue::Absent;
        changes.extend(found.changes.into_iter().filter(|change| !is_lost_template(change)));
        if let Some(glob) = self.protection(&desired.name) {
            let reason =
                format!("would be replaced, but `policy.protected_pools` contains {}", code(glob));
            return Blocker::new(reason).at(old).changes(changes).step(&desired.name);
        }
        if let Some(blocker) = self.twin_in_the_way(resolved, old) {
            return blocker.changes(changes).step(&desired.name);
        }
        let promotion = successor.map(|successor| {
            let left = LeftAlone::of(successor, Some(old));
            let found = self.difference(resolved, successor, left, desired.plain_level())?;
            let is_retired = matches!(successor.marks().first(), Some(OwnerMark::Retired { .. }));
            Ok(Box::new(Promotion { id: successor.id.clone(), change: found.change, is_retired }))
        });
        let successor = match promotion.transpose() {
            Ok(successor) => successor,
            Err(blocker) => return Blocker::step(blocker, &desired.name),
        };
        if successor.is_none()
            && let Some(blocker) = self.lost_if_interrupted(resolved, old, &new)
        {
            return blocker.changes(changes).step(&desired.name);
        }
        let are_sets = (old.kind(), desired.kind) == (PoolKind::ScaleSet, PoolKind::ScaleSet);
        if are_sets && successor.is_none() {
            return self.rebuild(resolved, replacing, (new, changes));
        }
        let retired = OwnerMark::retired(&self.resolver.desired.fleet, &desired.name);
        let mut consequences = vec![consequences::of_replacing(&old.spec, &new.spec)];
        consequences.extend(consequences::of_retiring(old, self.resolver.index.counts(&old.id)));
        Step {
            action: Action::Replace,
            pool_id: Some(old.id.clone()),
            changes,
            consequences,
            policy: Some(policy_text::policy(desired)),
            consent: match begun {
                ReplaceProgress::ReplacementReady => Consent::None,
                ReplaceProgress::NotStarted | ReplaceProgress::SuccessorMissing => Consent::Destroy,
            },
            work: Operation::Replace {
                old: old.id.clone(),
                retired_labels: old.spec.labels.with_mark(&retired),
                new,
                successor,
            },
            ..Step::for_pool(&desired.name, replace_reason(begun, old.kind(), &fields))
        }
    }

    /// The fields whose change requires a replace.
    fn moved(
        &self,
        resolved: &ResolvedPool<'_>,
        (pool, entity): (&Pool, &Entity),
        new: &PoolSpec,
    ) -> Vec<FieldChange> {
        let desired = resolved.desired;
        let mut changes = Vec::new();
        if pool.entity != entity.key {
            changes = entity_change(Some((pool, entity)), &desired.entity);
        }
        if pool.spec.provider != desired.provider {
            changes.push(FieldChange {
                field: "provider".to_owned(),
                before: ShownValue::Value(pool.spec.provider.clone().into()),
                after: ShownValue::Value(desired.provider.clone().into()),
            });
        }
        changes.extend(diff::fixed(&pool.spec, new));
        changes
    }

    /// A new pool. Fields that are not managed are carried over from its predecessor if they still
    /// make sense: a runner group belongs to an entity, a template to an operating system and a
    /// forge.
    pub(super) fn creation(
        &self,
        resolved: &ResolvedPool<'_>,
        entity: &EntityKey,
        before: Option<&Pool>,
    ) -> Creation {
        let desired = resolved.desired;
        let index = &self.resolver.index;
        let left = before.map_or_else(LeftAlone::nothing, |old| {
            let all = LeftAlone::of(old, None);
            LeftAlone {
                enabled: match (old.kind(), desired.kind) {
                    // A disabled scale set is drained without being retired.
                    (PoolKind::ScaleSet, PoolKind::ScaleSet) => all.enabled,
                    // The old pool as it is, even if its create was interrupted: once it is retired,
                    // the next run cannot tell that from a pool that was disabled by hand.
                    (PoolKind::Pool, _) | (PoolKind::ScaleSet, PoolKind::Pool) => {
                        old.spec.enabled || old.is_retired()
                    }
                },
                runner_group: if old.entity == *entity { all.runner_group } else { String::new() },
                template_id: systems::carried_template(index, desired, old, index.forge(entity)),
                ..all
            }
        });
        let spec = self.spec(resolved, left, desired.plain_level());
        Creation { entity: entity.clone(), spec }
    }

    fn spec(&self, resolved: &ResolvedPool<'_>, left: LeftAlone, level: u32) -> PoolSpec {
        let fleet = &self.resolver.desired.fleet;
        let mut spec = wanted_spec::spec(resolved.desired, fleet, resolved.ids, left, level);
        if let RunnerKit::Ready(kit) = &self.options.kit {
            spec.extra_specs = kit.merged(&spec.extra_specs);
        }
        spec
    }
}

fn uncleared<'a>(pool: &'a Pool, wanted: &PoolSpec) -> Option<Blocker<'a>> {
    let fields: Vec<String> =
        diff::cannot_clear(&pool.spec, wanted).into_iter().map(code).collect();
    if fields.is_empty() {
        return None;
    }
    let reason = format!(
        "GARM cannot clear {}: it reads an empty string as \"unchanged\"",
        fields.join(" and ")
    );
    Some(
        Blocker::new(reason)
            .at(pool)
            .help("declare a value, or delete the pool and create it again"),
    )
}

fn keep_reason(
    pool: &Pool,
    origin: PoolOrigin,
    changes: &[FieldChange],
    floor: Option<u32>,
) -> String {
    let fields: Vec<String> = changes.iter().map(|change| code(&change.field)).collect();
    match origin {
        PoolOrigin::ByHand => "adopts a pool created by hand".to_owned(),
        PoolOrigin::Renamed => {
            let marks = pool.spec.labels.marks();
            match marks.first().map(OwnerMark::pool) {
                None | Some("") => "adopts a pool of this fleet that has no name".to_owned(),
                Some(old) => format!("adopts the pool that was {}", code(old)),
            }
        }
        PoolOrigin::Retired => {
            "retired by a replace, but declared as it was before: it is put back in force"
                .to_owned()
        }
        PoolOrigin::Replacement => "created by an interrupted replace".to_owned(),
        PoolOrigin::Owned => match (floor, changes) {
            (Some(floor), [only]) if matches!(only.after, ShownValue::Level(level) if level == floor) =>
            {
                format!("the live level is below the floor of {floor}")
            }
            _ => match fields.as_slice() {
                [only] => format!("{only} differs"),
                [first, second] => format!("{first} and {second} differ"),
                several => format!("{} fields differ", several.len()),
            },
        },
    }
}

pub(super) fn replace_reason(begun: ReplaceProgress, kind: PoolKind, fields: &[String]) -> String {
    let noun = kind.noun();
    let fixed = format!("GARM cannot change {} of a {noun}", fields.join(" and "));
    match begun {
        ReplaceProgress::NotStarted => fixed,
        ReplaceProgress::ReplacementReady => "continues an unfinished replace".to_owned(),
        ReplaceProgress::SuccessorMissing => {
            format!("{fixed}, and the {noun} that an earlier replace retired has no successor")
        }
    }
}

/// The entity of a new pool, or its difference from that of the existing pool.
fn entity_change(before: Option<(&Pool, &Entity)>, wanted: &EntityRef) -> Vec<FieldChange> {
    let value = |text: &str| ShownValue::Value(text.into());
    let change =
        |field: &str, before, after| FieldChange { field: field.to_owned(), before, after };
    let key = wanted.kind.word();
    match before {
        None => {
            let mut changes = vec![change(key, ShownValue::Absent, value(&wanted.name))];
            if let Some(endpoint) = &wanted.endpoint {
                changes.push(change("endpoint", ShownValue::Absent, value(endpoint)));
            }
            changes
        }
        Some((pool, entity)) if pool.entity.kind != entity.key.kind => vec![
            change(pool.entity.kind.word(), value(&pool.entity_name), ShownValue::Absent),
            change(key, ShownValue::Absent, value(&wanted.name)),
        ],
        Some((pool, _)) if !pool.entity_name.eq_ignore_ascii_case(&wanted.name) => {
            vec![change(key, value(&pool.entity_name), value(&wanted.name))]
        }
        Some((pool, entity)) => {
            vec![change("endpoint", value(&pool.endpoint), value(&entity.endpoint))]
        }
    }
}

/// With GARM 0.1, a plan shows what would change, as blocked steps.
fn refused_by_old_garm(step: Step) -> Step {
    if step.action == Action::Blocked {
        return step;
    }
    Step {
        action: Action::Blocked,
        reason: format!("would {}, but {GARM_0_1_REFUSAL}", step.action.word()),
        help: Some(GARM_0_1_HELP.to_owned()),
        consent: Consent::None,
        work: Operation::Nothing,
        ..step
    }
}
