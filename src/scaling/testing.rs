//! Builders for tests that describe a fleet in a few words.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Map;

use crate::domain::desired::{PoolSettings, ScalePolicy};
use crate::domain::entity::{EntityKey, EntityKind};
use crate::domain::fleet::{Controller, Fleet};
use crate::domain::job::{Job, JobStatus};
use crate::domain::label::Labels;
use crate::domain::name::{EntityId, PoolId, PoolKind, PoolName, RunnerName};
use crate::domain::pool::{Pool, PoolDetail, PoolSpec, ScaleSetState};
use crate::domain::runner::{Runner, RunnerStatus, Status};

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The given second of the tests' day.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

/// The policy of the specification's examples.
pub(crate) fn policy() -> ScalePolicy {
    ScalePolicy {
        min_runners: 2,
        max_runners: 20,
        min_idle_runners: 0,
        scale_up_threshold: 5,
        scale_up_delay: secs(30),
        scale_up_target: 0,
        scale_down_delay: secs(600),
        max_queue_wait: Some(secs(120)),
        boot_grace: secs(600),
        failed_runner_grace: secs(120),
        stale_job_age: secs(86_400),
        autoscale: true,
        price: None,
        group: None,
    }
}

/// The settings of a pool that declares no labels, everything else as in the specification's
/// examples.
pub(crate) fn settings(name: &str) -> PoolSettings {
    PoolSettings {
        name: PoolName::new(name).unwrap(),
        kind: PoolKind::Pool,
        scale_set_name: None,
        instance_type: "m5.large".into(),
        labels: Labels::new(),
        os_type: "linux".into(),
        os_arch: "amd64".into(),
        enabled: Some(true),
        runner_prefix: name.into(),
        runner_group: None,
        bootstrap_timeout_min: 20,
        priority: 0,
        template: None,
        proxy: None,
        enable_shell: false,
        extra_specs: Map::new(),
        scale: policy(),
        adopt: None,
    }
}

pub(crate) fn entity(id: &str) -> EntityKey {
    EntityKey { kind: EntityKind::Organization, id: EntityId::new(id) }
}

/// A pool of the entity `acme`, owned by the fleet `acme` under its id, with at most 20 runners.
pub(crate) fn pool(id: &str, labels: &[&str]) -> Pool {
    let mark = format!("runnerctl=acme/{id}");
    Pool {
        id: PoolId::new(id),
        entity: entity("acme"),
        entity_name: "acme".into(),
        endpoint: String::new(),
        spec: PoolSpec {
            scale_set_name: None,
            provider: "lab".into(),
            image: "image".into(),
            flavor: "flavor".into(),
            os_type: "linux".into(),
            os_arch: "amd64".into(),
            labels: labels.iter().copied().chain([mark.as_str()]).collect(),
            enabled: true,
            max_runners: 20,
            min_idle_runners: 0,
            runner_prefix: id.into(),
            runner_group: String::new(),
            bootstrap_timeout_min: 20,
            priority: 0,
            template_id: None,
            proxy_id: None,
            enable_shell: false,
            extra_specs: Map::new(),
        },
        detail: PoolDetail::Whole,
        scale_set: None,
        generation: Some(0),
        created_at: at(-9_000),
        updated_at: at(-9_000),
    }
}

/// A scale set of that name, to which GitHub has assigned this many jobs.
pub(crate) fn scale_set(id: &str, labels: &[&str], assigned: u32) -> Pool {
    let state = ScaleSetState { desired_runner_count: assigned, github_id: 1 };
    let mut set = Pool { scale_set: Some(state), ..pool(id, labels) };
    set.spec.scale_set_name = Some(id.to_owned());
    set
}

/// A job of a scale set.
pub(crate) fn set_job(id: i64, labels: &[&str], since: i64) -> Job {
    Job { workflow_job_id: id, scale_set_job: Some(format!("job-{id}")), ..job(id, labels, since) }
}

/// A runner in `status`/`runner_status`, created and last written at `since`.
pub(crate) fn runner(pool: &str, name: &str, state: &str, since: i64) -> Runner {
    let (status, runner_status) = state.split_once('/').unwrap();
    Runner {
        id: format!("id-{name}"),
        name: RunnerName::new(name),
        pool: Some(PoolId::new(pool)),
        provider: "lab".into(),
        provider_id: None,
        agent_id: Some(1),
        status: Status::parse(status),
        runner_status: RunnerStatus::parse(runner_status),
        created_at: at(since),
        updated_at: at(since),
        job: None,
        provider_fault: None,
        heartbeat: None,
        has_shell: false,
        generation: Some(0),
        messages: Vec::new(),
    }
}

/// A job of `acme`, queued since `since`; its `workflow_job_id` is `id + 1000`.
pub(crate) fn job(id: i64, labels: &[&str], since: i64) -> Job {
    Job {
        id,
        workflow_job_id: id + 1_000,
        run_id: 1,
        status: JobStatus::Queued,
        conclusion: String::new(),
        name: "build".into(),
        labels: labels.iter().copied().collect(),
        runner: None,
        repository: "acme/app".into(),
        entities: vec![entity("acme")],
        scale_set_job: None,
        is_locked: false,
        created_at: at(since),
        updated_at: at(since),
    }
}

/// The fleet at the second `now`.
pub(crate) fn fleet(now: i64, pools: Vec<Pool>, runners: Vec<Runner>, jobs: Vec<Job>) -> Fleet {
    Fleet {
        providers: None,
        credentials: None,
        observed_at: at(now),
        controller: Controller {
            id: "controller".into(),
            version: "v0.2.1".into(),
            backoff: secs(300),
            hostname: String::new(),
            metadata_url: String::new(),
            callback_url: String::new(),
            webhook_url: String::new(),
        },
        entities: Vec::new(),
        entity_kinds: Vec::new(),
        pools,
        runners,
        jobs,
        templates: Vec::new(),
        proxies: Vec::new(),
    }
}
