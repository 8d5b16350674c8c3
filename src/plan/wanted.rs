//! A declared pool as GARM should store it.

use crate::domain::desired::DesiredPool;
use crate::domain::label::Mark;
use crate::domain::name::FleetName;
use crate::domain::pool::PoolSpec;

/// What an absent field leaves as it is, taken from the pool that is there or was there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LeftAlone {
    pub(super) runner_group: String,
    pub(super) template_id: Option<u64>,
}

impl LeftAlone {
    /// Everything that a declared pool may leave alone.
    pub(super) fn from(spec: &PoolSpec) -> Self {
        Self { runner_group: spec.runner_group.clone(), template_id: spec.template_id }
    }
}

/// The whole spec; `template_id` is the declared template's.
pub(super) fn spec(
    pool: &DesiredPool,
    fleet: &FleetName,
    template_id: Option<u64>,
    left: LeftAlone,
    level: u32,
) -> PoolSpec {
    PoolSpec {
        provider: pool.provider.clone(),
        image: pool.image.clone(),
        flavor: pool.instance_type.clone(),
        os_type: pool.os_type.clone(),
        os_arch: pool.os_arch.clone(),
        labels: pool.labels.with_mark(&Mark::owned(fleet, &pool.name)),
        enabled: pool.enabled,
        max_runners: pool.scale.max_runners,
        min_idle_runners: level,
        runner_prefix: pool.runner_prefix.clone(),
        runner_group: pool.runner_group.clone().unwrap_or(left.runner_group),
        bootstrap_timeout_min: pool.bootstrap_timeout_min,
        priority: pool.priority,
        template_id: template_id.or(left.template_id),
        enable_shell: pool.enable_shell,
        extra_specs: pool.extra_specs.clone(),
    }
}
