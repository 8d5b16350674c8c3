//! Converts a declared pool to what GARM should store.

use crate::domain::desired::DesiredPool;
use crate::domain::label::OwnerMark;
use crate::domain::name::{FleetName, PoolKind};
use crate::domain::pool::{Pool, PoolSpec};

/// The values of fields that are not managed, taken from the existing or the former pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeftAlone {
    pub(super) enabled: bool,
    pub(super) runner_group: String,
    pub(super) template_id: Option<u64>,
    pub(super) proxy_id: Option<u64>,
}

impl LeftAlone {
    /// The values of a new pool.
    pub(super) fn nothing() -> Self {
        Self { enabled: true, runner_group: String::new(), template_id: None, proxy_id: None }
    }

    /// Takes all fields that a file may leave unmanaged. A pool that is disabled because it was
    /// retired is enabled again. A pool whose create was interrupted before its last write gets the
    /// state that the pool which it replaces had at that time: a replace disables a pool only after
    /// its successor is in force, so if that pool was already retired, its retirement disabled it.
    pub(super) fn of(pool: &Pool, replaces: Option<&Pool>) -> Self {
        let spec = &pool.spec;
        let enabled = match pool.is_unfinished() {
            true => replaces.is_none_or(|old| {
                let retired_before = old.is_retired() && old.updated_at <= pool.created_at;
                old.spec.enabled || retired_before
            }),
            false => spec.enabled,
        };
        Self {
            enabled: enabled || pool.is_retired(),
            runner_group: spec.runner_group.clone(),
            template_id: spec.template_id,
            proxy_id: spec.proxy_id,
        }
    }
}

/// GARM's ids of the template and the proxy that a pool declares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ids {
    pub(super) template: Option<u64>,
    pub(super) proxy: Option<u64>,
}

pub(super) fn spec(
    pool: &DesiredPool,
    fleet: &FleetName,
    ids: Ids,
    left: LeftAlone,
    level: u32,
) -> PoolSpec {
    PoolSpec {
        scale_set_name: pool.requested_as().map(str::to_owned),
        provider: pool.provider.clone(),
        image: pool.image.clone(),
        flavor: pool.instance_type.clone(),
        os_type: pool.os_type.clone(),
        os_arch: pool.os_arch.clone(),
        labels: pool.labels.with_mark(&OwnerMark::owned(fleet, &pool.name)),
        enabled: pool.enabled.unwrap_or(left.enabled),
        max_runners: pool.scale.max_runners,
        min_idle_runners: level,
        runner_prefix: pool.runner_prefix.clone(),
        runner_group: pool.runner_group.clone().unwrap_or(left.runner_group),
        bootstrap_timeout_min: pool.bootstrap_timeout_min,
        // A scale set has no priority.
        priority: if pool.kind == PoolKind::ScaleSet { 0 } else { pool.priority },
        template_id: ids.template.or(left.template_id),
        proxy_id: if pool.proxy.is_some() { ids.proxy } else { left.proxy_id },
        enable_shell: pool.enable_shell,
        extra_specs: pool.extra_specs.clone(),
    }
}
