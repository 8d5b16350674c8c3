//! `plan`: every step, in the order in which it is begun.

use std::collections::{BTreeSet, HashMap};

use super::diff::{self, Difference, LevelOwner};
use super::obstacle::Obstacle;
use super::resolve::{Begun, Case, Origin, Picture, Replacing, Settled};
use super::wanted_spec::{self, LeftAlone};
use super::{
    About, Action, Change, Consent, Creation, Options, Plan, Promotion, RunnerKit, Shown, Step,
    Work, consequences, controller, credentials, level, notes, policy_text, retire, stranded,
    systems,
};
use crate::domain::desired::{Desired, DesiredPool};
use crate::domain::entity::{Entity, EntityKey, EntityRef};
use crate::domain::fleet::{Fleet, Line};
use crate::domain::glob;
use crate::domain::label::Mark;
use crate::domain::name::{PoolId, PoolName};
use crate::domain::pool::{Pool, PoolSpec, Reading};
use crate::domain::text::code;
use crate::policy::kit;

/// Everything that would make `fleet` what `desired` asks for. Never fails: what cannot be done is
/// a blocked step. The order of pools, runners and jobs in the input does not count.
pub fn plan(desired: &Desired, fleet: &Fleet, options: &Options) -> Plan {
    let picture = Picture::new(desired, fleet);
    let mut pools: Vec<&DesiredPool> = desired
        .pools
        .iter()
        .filter(|it| options.target.is_empty() || options.target.contains(&it.name))
        .collect();
    pools.sort_by(|a, b| a.name.cmp(&b.name));
    let settled: Vec<Settled<'_>> = pools.into_iter().map(|it| picture.settle(it)).collect();
    let floors = level::floors(fleet, &settled);
    let show = options.show_keys.iter().map(String::as_str).collect();
    let desk = Desk { picture, settled, floors, show, options };
    let mut steps = desk.steps();
    stranded::tell(&mut steps, fleet);
    systems::say_names(&mut steps, &desk.picture.index);
    let notes = notes::all(&desk, &steps);
    if fleet.line() == Line::Old {
        steps = steps.into_iter().map(refused_by_old_garm).collect();
    }
    Plan {
        fleet: desired.fleet.clone(),
        controller_id: fleet.controller.id.clone(),
        observed_at: fleet.observed_at,
        steps,
        notes,
        declared: desired.pools.len(),
        owned: desk.picture.owners.in_force(),
    }
}

/// Everything that is known while steps are written.
pub(super) struct Desk<'a> {
    pub(super) picture: Picture<'a>,
    /// The declared pools that are looked at, by name.
    pub(super) settled: Vec<Settled<'a>>,
    /// The scaler's floors.
    pub(super) floors: HashMap<&'a PoolId, u32>,
    /// Keys of `extra_specs` whose scalar values may be shown.
    pub(super) show: BTreeSet<&'a str>,
    pub(super) options: &'a Options,
}

impl Desk<'_> {
    /// Controller first, since the pools' policies depend on it, then what GARM needs for anything
    /// at GitHub; what only goes comes last, so that
    /// a fleet never has less room than before and after.
    fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = controller::step(self).into_iter().collect();
        steps.extend(credentials::steps(self));
        steps.extend(retire::leftovers(self));
        steps.extend(self.settled.iter().filter_map(|it| self.declared_step(it)));
        steps.extend(retire::leaving(self));
        steps
    }

    fn declared_step(&self, settled: &Settled<'_>) -> Option<Step> {
        match &settled.case {
            Case::Blocked(obstacle) => Some(obstacle.clone().step(&settled.desired.name)),
            Case::Create { entity } => Some(self.create(settled, entity)),
            Case::Keep { pool, origin } => self.keep(settled, pool, *origin),
            Case::Replace(replacing) => Some(self.replace(settled, replacing)),
        }
    }

    fn create(&self, settled: &Settled<'_>, entity: &EntityKey) -> Step {
        let pool = settled.desired;
        let mark = code(Mark::owned(&self.picture.desired.fleet, &pool.name).to_string());
        let creation = self.creation(settled, entity, None);
        let mut changes = entity_change(None, &pool.entity);
        changes.extend(diff::whole(&creation.spec, &self.show));
        Step {
            action: Action::Create,
            changes,
            policy: Some(policy_text::policy(pool)),
            work: Work::Create(creation),
            ..step(&pool.name, format!("declared, and no pool in GARM bears {mark}"))
        }
    }

    fn keep(&self, settled: &Settled<'_>, pool: &Pool, origin: Origin) -> Option<Step> {
        let desired = settled.desired;
        let floor = self.floors.get(&pool.id).copied();
        let level = level::wanted(desired, pool, floor);
        let found = match self.difference(settled, pool, LeftAlone::of(pool, None), level) {
            Ok(found) if found.changes.is_empty() => return None,
            Ok(found) => found,
            Err(obstacle) => return Some(obstacle.step(&desired.name)),
        };
        let change = &found.change;
        let says_policy = origin != Origin::Owned
            || change.max_runners.is_some()
            || change.min_idle_runners.is_some()
            || change.enabled.is_some();
        Some(Step {
            action: match origin {
                Origin::Owned | Origin::Retired => Action::Update,
                Origin::ByHand | Origin::Renamed => Action::Adopt,
                Origin::Replacement => Action::Create,
            },
            pool_id: Some(pool.id.clone()),
            consequences: consequences::of_change(
                pool,
                self.picture.index.counts(&pool.id),
                &found,
            ),
            policy: says_policy.then(|| policy_text::policy(desired)),
            reason: keep_reason(pool, origin, &found.changes, floor),
            work: match origin {
                Origin::Owned | Origin::ByHand | Origin::Renamed => {
                    Work::Change { id: pool.id.clone(), change: found.change }
                }
                Origin::Retired | Origin::Replacement => Work::Promote(Promotion {
                    id: pool.id.clone(),
                    change: found.change,
                    is_retired: origin == Origin::Retired,
                }),
            },
            changes: found.changes,
            ..step(&desired.name, String::new())
        })
    }

    /// What makes a pool that is there as declared.
    fn difference<'p>(
        &self,
        settled: &Settled<'_>,
        pool: &'p Pool,
        left: LeftAlone,
        level: u32,
    ) -> Result<Difference, Obstacle<'p>> {
        let left = systems::after_change(&self.picture.index, settled.desired, pool, left)?;
        let mut wanted = self.spec(settled, left, level);
        if pool.reading == Reading::Listed {
            // Unknown is no difference.
            wanted.extra_specs.clone_from(&pool.spec.extra_specs);
        } else if self.options.kit == RunnerKit::Unread {
            wanted.extra_specs = kit::carried(&pool.spec.extra_specs, &wanted.extra_specs);
        }
        let is_scaled = settled.desired.scale.autoscale;
        let owner = if is_scaled { LevelOwner::Scaler } else { LevelOwner::Manifest };
        let found = diff::difference(&pool.spec, &wanted, owner, &self.show);
        match uncleared(pool, &wanted) {
            Some(obstacle) => Err(obstacle.changes(found.changes)),
            None => Ok(found),
        }
    }

    fn replace(&self, settled: &Settled<'_>, replacing: &Replacing<'_>) -> Step {
        let desired = settled.desired;
        let Replacing { old, entity, successor, begun } = *replacing;
        let new = self.creation(settled, &entity.key, Some(old));
        let mut changes = self.moved(settled, old, entity);
        let fixed = changes.iter().filter(|it| it.before != Shown::Absent);
        let fields: Vec<String> = fixed.map(|it| code(&it.field)).collect();
        let found = diff::difference(&old.spec, &new.spec, LevelOwner::Manifest, &self.show);
        // Without a template of its own a new pool gets GARM's: that is not a loss to be shown.
        let is_lost_template = |it: &Change| it.field == "template" && it.after == Shown::Absent;
        changes.extend(found.changes.into_iter().filter(|it| !is_lost_template(it)));
        if let Some(glob) = self.protection(&desired.name) {
            let reason = format!("to be replaced, but `policy.protected_pools` has {}", code(glob));
            return Obstacle::new(reason).at(old).changes(changes).step(&desired.name);
        }
        let promotion = successor.map(|it| {
            let left = LeftAlone::of(it, Some(old));
            let found = self.difference(settled, it, left, desired.plain_level())?;
            let is_retired = matches!(it.spec.labels.marks().first(), Some(Mark::Retired { .. }));
            Ok(Box::new(Promotion { id: it.id.clone(), change: found.change, is_retired }))
        });
        let successor = match promotion.transpose() {
            Ok(successor) => successor,
            Err(obstacle) => return Obstacle::step(obstacle, &desired.name),
        };
        let retired = Mark::retired(&self.picture.desired.fleet, &desired.name);
        let mut consequences = vec![consequences::of_replacing(&old.spec, &new.spec)];
        consequences.extend(consequences::of_retiring(self.picture.index.counts(&old.id)));
        Step {
            action: Action::Replace,
            pool_id: Some(old.id.clone()),
            changes,
            consequences,
            policy: Some(policy_text::policy(desired)),
            consent: match begun {
                Begun::Yes => Consent::None,
                Begun::No | Begun::Otherwise => Consent::Destroy,
            },
            work: Work::Replace {
                old: old.id.clone(),
                retired_labels: old.spec.labels.with_mark(&retired),
                new,
                successor,
            },
            ..step(&desired.name, replace_reason(begun, &fields))
        }
    }

    /// The fields that make a replace of it.
    fn moved(&self, settled: &Settled<'_>, pool: &Pool, entity: &Entity) -> Vec<Change> {
        let desired = settled.desired;
        let mut changes = Vec::new();
        if pool.entity != entity.key {
            changes = entity_change(Some((pool, entity)), &desired.entity);
        }
        if pool.spec.provider != desired.provider {
            changes.push(Change {
                field: "provider".to_owned(),
                before: Shown::Value(pool.spec.provider.clone().into()),
                after: Shown::Value(desired.provider.clone().into()),
            });
        }
        changes
    }

    /// A new pool. What is left alone is carried over from the pool before it, where it still
    /// means something: a runner group belongs to its entity, a template to a system and a forge.
    fn creation(
        &self,
        settled: &Settled<'_>,
        entity: &EntityKey,
        before: Option<&Pool>,
    ) -> Creation {
        let desired = settled.desired;
        let index = &self.picture.index;
        let left = before.map_or_else(LeftAlone::nothing, |old| {
            let all = LeftAlone::of(old, None);
            LeftAlone {
                runner_group: if old.entity == *entity { all.runner_group } else { String::new() },
                template_id: systems::carried_template(index, desired, old, index.forge(entity)),
                ..all
            }
        });
        let spec = self.spec(settled, left, desired.plain_level());
        Creation { entity: entity.clone(), spec }
    }

    fn spec(&self, settled: &Settled<'_>, left: LeftAlone, level: u32) -> PoolSpec {
        let fleet = &self.picture.desired.fleet;
        let mut spec = wanted_spec::spec(settled.desired, fleet, settled.ids, left, level);
        if let RunnerKit::Ready(kit) = &self.options.kit {
            spec.extra_specs = kit.merged(&spec.extra_specs);
        }
        spec
    }

    /// The glob of the policy that protects this name, if one does.
    pub(super) fn protection(&self, name: &PoolName) -> Option<&str> {
        let globs = self.options.protected.iter();
        globs.map(String::as_str).find(|it| glob::matches(it, name.as_str()))
    }
}

/// A step of one pool with nothing in it yet.
pub(super) fn step(pool: &PoolName, reason: String) -> Step {
    Step::bare(Action::Blocked, About::Pool(pool.clone()), reason)
}

fn uncleared<'a>(pool: &'a Pool, wanted: &PoolSpec) -> Option<Obstacle<'a>> {
    let fields: Vec<String> =
        diff::cannot_clear(&pool.spec, wanted).into_iter().map(code).collect();
    if fields.is_empty() {
        return None;
    }
    let reason = format!(
        "GARM cannot clear {}: it takes an empty text for \"unchanged\"",
        fields.join(" and ")
    );
    Some(
        Obstacle::new(reason)
            .at(pool)
            .help("declare a value, or delete the pool and create it anew"),
    )
}

fn keep_reason(pool: &Pool, origin: Origin, changes: &[Change], floor: Option<u32>) -> String {
    let fields: Vec<String> = changes.iter().map(|it| code(&it.field)).collect();
    match origin {
        Origin::ByHand => "takes over a pool made by hand".to_owned(),
        Origin::Renamed => {
            let marks = pool.spec.labels.marks();
            match marks.first().map(Mark::pool) {
                None | Some("") => "takes over a pool of this fleet that has no name".to_owned(),
                Some(old) => format!("takes over the pool that was {}", code(old)),
            }
        }
        Origin::Retired => {
            "retired by a replace, and declared as it was: it is taken back".to_owned()
        }
        Origin::Replacement => "created by a replace that was interrupted".to_owned(),
        Origin::Owned => match (floor, changes) {
            (Some(floor), [only]) if matches!(only.after, Shown::Level(level) if level == floor) => {
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

fn replace_reason(begun: Begun, fields: &[String]) -> String {
    let fixed = format!("GARM cannot change {} of a pool", fields.join(" and "));
    match begun {
        Begun::No => fixed,
        Begun::Yes => "a replace that was begun before goes on".to_owned(),
        Begun::Otherwise => {
            format!("{fixed}, and the pool that an earlier replace retired has no other successor")
        }
    }
}

/// The entity of a pool that comes, or its difference from the one that is there.
fn entity_change(before: Option<(&Pool, &Entity)>, wanted: &EntityRef) -> Vec<Change> {
    let value = |text: &str| Shown::Value(text.into());
    let change = |field: &str, before, after| Change { field: field.to_owned(), before, after };
    let key = wanted.kind.word();
    match before {
        None => {
            let mut changes = vec![change(key, Shown::Absent, value(&wanted.name))];
            if let Some(endpoint) = &wanted.endpoint {
                changes.push(change("endpoint", Shown::Absent, value(endpoint)));
            }
            changes
        }
        Some((pool, entity)) if pool.entity.kind != entity.key.kind => vec![
            change(pool.entity.kind.word(), value(&pool.entity_name), Shown::Absent),
            change(key, Shown::Absent, value(&wanted.name)),
        ],
        Some((pool, _)) if !pool.entity_name.eq_ignore_ascii_case(&wanted.name) => {
            vec![change(key, value(&pool.entity_name), value(&wanted.name))]
        }
        Some((pool, entity)) => {
            vec![change("endpoint", value(&pool.endpoint), value(&entity.endpoint))]
        }
    }
}

/// GARM 0.1.x: everything that would be written is shown, and blocked.
fn refused_by_old_garm(step: Step) -> Step {
    if step.action == Action::Blocked {
        return step;
    }
    Step {
        action: Action::Blocked,
        reason: format!(
            "would {}, but this GARM is of the 0.1 line: it is read, not written to",
            step.action.word()
        ),
        help: Some("upgrade GARM to 0.2.0 or later".to_owned()),
        consent: Consent::None,
        work: Work::Nothing,
        ..step
    }
}
