//! Whether a pool in GARM is as declared, for callers that need no plan.

use std::collections::BTreeSet;

use super::diff::{self, LevelOwner};
use super::level;
use super::options::RunnerKit;
use super::wanted_spec::{self, Ids, LeftAlone};
use crate::domain::desired::DesiredPool;
use crate::domain::name::FleetName;
use crate::domain::pool::{Pool, PoolDetail};
use crate::policy::kit;

/// The fields of this pool that a plan would change. `None` if that cannot be known: all known
/// fields are as declared, but `extra_specs` were not read.
///
/// The level of a pool that autoscales belongs to the scaler and is not drift. Install templates
/// and proxies are not compared, since the files have only their names and GARM's pools only their
/// ids. An existing runner kit is assumed to be the right one unless `kit` contains one.
pub fn drifts(
    desired: &DesiredPool,
    fleet: &FleetName,
    pool: &Pool,
    kit: &RunnerKit,
) -> Option<Vec<String>> {
    let level = match desired.scale.autoscale {
        true => pool.spec.min_idle_runners,
        false => desired.plain_level(),
    };
    // The ids of a declared template and proxy are unknown here.
    let proxy = pool
        .spec
        .proxy_id
        .filter(|_| desired.proxy.as_ref().is_some_and(|proxy| !proxy.is_empty()));
    let ids = Ids { template: None, proxy };
    let mut wanted = wanted_spec::spec(desired, fleet, ids, LeftAlone::of(pool, None), level);
    wanted.max_runners = level::wanted_max(desired, pool, level);
    match kit {
        _ if pool.detail == PoolDetail::Listed => {
            wanted.extra_specs.clone_from(&pool.spec.extra_specs);
        }
        RunnerKit::None => {}
        RunnerKit::Unread => {
            wanted.extra_specs = kit::carried(&pool.spec.extra_specs, &wanted.extra_specs);
        }
        RunnerKit::Ready(kit) => wanted.extra_specs = kit.merged(&wanted.extra_specs),
    }
    let found = diff::difference(&pool.spec, &wanted, LevelOwner::Manifest, &BTreeSet::new());
    let changed = found.changes.into_iter().map(|change| change.field);
    let fixed = diff::fixed(&pool.spec, &wanted).into_iter().map(|change| change.field);
    let fields: Vec<String> = elsewhere(desired, pool).chain(fixed).chain(changed).collect();
    match pool.detail {
        PoolDetail::Listed if fields.is_empty() => None,
        PoolDetail::Listed | PoolDetail::Whole => Some(fields),
    }
}

/// The provider and the entity if they differ: a plan would replace the pool.
fn elsewhere(desired: &DesiredPool, pool: &Pool) -> impl Iterator<Item = String> + use<> {
    let entity = &desired.entity;
    let is_other_entity = pool.entity.kind != entity.kind
        || !pool.entity_name.eq_ignore_ascii_case(&entity.name)
        || entity.endpoint.as_ref().is_some_and(|endpoint| *endpoint != pool.endpoint);
    let provider = (pool.spec.provider != desired.provider).then_some("provider");
    let entity = is_other_entity.then_some(entity.kind.word());
    provider.into_iter().chain(entity).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::desired::{GroupLimit, PoolSettings};
    use crate::domain::entity::{EntityKind, EntityRef};
    use crate::domain::name::GroupName;
    use crate::scaling::testing;

    /// `testing::pool("a", &["x"])`, as a file declares it.
    fn declared() -> DesiredPool {
        let pool = live();
        DesiredPool {
            entity: EntityRef {
                kind: EntityKind::Organization,
                name: pool.entity_name.to_uppercase(),
                endpoint: None,
            },
            provider: pool.spec.provider.clone(),
            image: pool.spec.image.clone(),
            settings: PoolSettings {
                instance_type: pool.spec.flavor.clone(),
                labels: pool.spec.labels.without_marks(),
                runner_prefix: pool.spec.runner_prefix.clone(),
                bootstrap_timeout_min: pool.spec.bootstrap_timeout_min,
                priority: pool.spec.priority,
                extra_specs: pool.spec.extra_specs.clone(),
                ..testing::settings("a")
            },
        }
    }

    fn live() -> Pool {
        let mut pool = testing::pool("a", &["x"]);
        pool.detail = PoolDetail::Whole;
        pool.spec.runner_group = "builders".into();
        pool.spec.min_idle_runners = 7;
        pool
    }

    #[track_caller]
    fn check(change: impl Fn(&mut DesiredPool, &mut Pool), expected: Option<bool>) {
        let (mut desired, mut pool) = (declared(), live());
        change(&mut desired, &mut pool);
        let found = drifts(&desired, &FleetName::new("acme").unwrap(), &pool, &RunnerKit::None);
        assert_eq!(found.map(|fields| !fields.is_empty()), expected);
    }

    #[test]
    fn drift_lists_the_fields_that_a_plan_would_change() {
        let (mut desired, pool) = (declared(), live());
        desired.settings.scale.max_runners += 1;
        desired.provider = "other".into();
        desired.entity.kind = EntityKind::Repository;
        let fleet = FleetName::new("acme").unwrap();
        let found = drifts(&desired, &fleet, &pool, &RunnerKit::None).unwrap();
        assert_eq!(found, ["provider", "repository", "max_runners"]);
    }

    #[test]
    fn what_a_plan_would_change_is_drift() {
        check(|_, _| {}, Some(false));
        check(|_, pool| pool.spec.max_runners = 1, Some(true));
        check(|_, pool| pool.spec.enabled = false, Some(true));
        check(
            |_, pool| pool.spec.extra_specs = serde_json::from_value(json!({ "a": 1 })).unwrap(),
            Some(true),
        );
        check(|desired, _| desired.provider = "other".into(), Some(true));
        check(|desired, _| desired.entity.name = "octo".into(), Some(true));
        check(|desired, _| desired.settings.runner_group = Some("others".into()), Some(true));
        check(|desired, _| desired.settings.labels.insert("gpu"), Some(true));
    }

    #[test]
    fn the_level_is_drift_only_if_the_pool_does_not_autoscale() {
        check(|_, pool| pool.spec.min_idle_runners = 3, Some(false));
        check(|desired, _| desired.settings.scale.autoscale = false, Some(true));
    }

    /// `watch` lowers and raises it there.
    #[test]
    fn max_runners_is_drift_in_a_group_only_above_the_declared_one() {
        let shared = |desired: &mut DesiredPool| {
            let name = GroupName::new("rack-1");
            desired.settings.scale.group =
                Some(GroupLimit { name, max_runners: 30, garms: Vec::new() });
        };
        check(
            |desired, pool| {
                shared(desired);
                (pool.spec.max_runners, pool.spec.min_idle_runners) = (1, 1);
            },
            Some(false),
        );
        check(
            |desired, pool| {
                shared(desired);
                pool.spec.max_runners = 21;
            },
            Some(true),
        );
        check(
            |desired, pool| {
                shared(desired);
                desired.settings.enabled = Some(false);
                (pool.spec.enabled, pool.spec.max_runners) = (false, 19);
            },
            Some(true),
        );
    }

    #[test]
    fn unread_extra_specs_leave_drift_unknown_unless_another_field_differs() {
        check(|_, pool| pool.detail = PoolDetail::Listed, None);
        check(
            |_, pool| {
                pool.detail = PoolDetail::Listed;
                pool.spec.image = "old".into();
            },
            Some(true),
        );
    }
}
