//! The fleet, pools and settings that the tests of the loop and of `apply` share.

use std::time::Duration;

use runnerctl::domain::desired::ScalePolicy;
use runnerctl::domain::label::Labels;
use runnerctl::domain::name::{FleetName, PoolName};
use runnerctl::domain::pool::PoolSpec;
use runnerctl::sim::{Knobs, SimConfig};

/// The specification's policy: 2 to 20 runners, more when more than 5 jobs have waited for 30 s,
/// and one less after 10 minutes of idleness.
pub(crate) fn policy() -> ScalePolicy {
    ScalePolicy {
        min_runners: 2,
        max_runners: 20,
        min_idle_runners: 0,
        scale_up_threshold: 5,
        scale_up_delay: Duration::from_secs(30),
        scale_up_target: 0,
        scale_down_delay: Duration::from_mins(10),
        max_queue_wait: Some(Duration::from_mins(2)),
        boot_grace: Duration::from_mins(10),
        failed_runner_grace: Duration::from_mins(2),
        stale_job_age: Duration::from_hours(24),
        autoscale: true,
        price: None,
        group: None,
    }
}

/// An enabled pool of the simulated provider with default settings, this level and this maximum.
pub(crate) fn plain(prefix: &str, labels: Labels, (level, most): (u32, u32)) -> PoolSpec {
    PoolSpec {
        scale_set_name: None,
        provider: "sim".into(),
        image: "ubuntu:24.04".into(),
        flavor: "small".into(),
        os_type: "linux".into(),
        os_arch: "amd64".into(),
        labels,
        enabled: true,
        max_runners: most,
        min_idle_runners: level,
        runner_prefix: prefix.into(),
        runner_group: String::new(),
        bootstrap_timeout_min: 20,
        priority: 0,
        template_id: None,
        proxy_id: None,
        enable_shell: false,
        extra_specs: serde_json::Map::new(),
    }
}

/// A pool as `apply` creates it, at the level of its minimum.
pub(crate) fn spec(pool: &str, labels: Labels, policy: &ScalePolicy) -> PoolSpec {
    let level = policy.min_runners.max(policy.min_idle_runners);
    PoolSpec { flavor: "m5.large".into(), ..plain(pool, labels, (level, policy.max_runners)) }
}

/// A GARM whose own backoff leaves scaling to the loop, as in the examples of the specification,
/// and a GitHub that assigns a job 1.5 s after a runner is free for it.
pub(crate) fn config(seed: u64) -> SimConfig {
    let assign_delay = Duration::from_millis(1_500);
    SimConfig {
        seed,
        backoff: 300,
        knobs: Knobs { assign_delay, ..Knobs::default() },
        ..SimConfig::default()
    }
}

pub(crate) fn fleet() -> FleetName {
    FleetName::new("acme").unwrap()
}

pub(crate) fn name(pool: &str) -> PoolName {
    PoolName::new(pool).unwrap()
}
