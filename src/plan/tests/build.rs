//! Minimal inputs: one entity, and pools that match their files until a test changes them.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::credential::{Auth, Credential, DesiredCredential, Fingerprint};
use crate::domain::desired::{ControllerSettings, Desired, DesiredPool, PoolSettings, Scope};
use crate::domain::entity::{Entity, EntityKey, EntityKind, EntityRef, PoolManager};
use crate::domain::fleet::{Controller, Fleet, Proxy, Template};
use crate::domain::job::{Job, JobStatus};
use crate::domain::label::OwnerMark;
use crate::domain::name::{EntityId, FleetName, PoolId, PoolName, RunnerName};
use crate::domain::pool::{Pool, PoolDetail, PoolSpec};
use crate::domain::runner::{Runner, RunnerStatus, Status};
use crate::scaling::testing;

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_760_000_000 + second).unwrap()
}

pub(crate) fn name(text: &str) -> PoolName {
    PoolName::new(text).unwrap()
}

pub(crate) fn acme() -> FleetName {
    FleetName::new("acme").unwrap()
}

pub(crate) fn owned(pool: &str) -> String {
    OwnerMark::owned(&acme(), &name(pool)).to_string()
}

pub(crate) fn retired(pool: &str) -> String {
    OwnerMark::retired(&acme(), &name(pool)).to_string()
}

pub(crate) fn replacement(pool: &str) -> String {
    OwnerMark::replacement(&acme(), &name(pool)).to_string()
}

pub(crate) fn key(id: &str) -> EntityKey {
    EntityKey { kind: EntityKind::Organization, id: EntityId::new(id) }
}

pub(crate) fn organization(id: &str, name: &str, endpoint: &str) -> Entity {
    Entity {
        key: key(id),
        name: name.to_owned(),
        endpoint: endpoint.to_owned(),
        credentials: "app".to_owned(),
        manager: PoolManager::Running,
        forge: "github".to_owned(),
        agent_mode: false,
    }
}

pub(crate) fn template(id: u64, name: &str, os_type: &str) -> Template {
    let (name, os_type) = (name.to_owned(), os_type.to_owned());
    Template { id, name, os_type, forge: "github".to_owned(), is_system: false }
}

pub(crate) fn proxies() -> Vec<Proxy> {
    let proxy = |(id, name): (u64, &str)| Proxy { id, name: name.to_owned() };
    [(1, "Squid"), (2, "other")].map(proxy).into()
}

/// A GARM with one organization, `acme`, and nothing else; its backoff lets policies act.
pub(crate) fn fleet() -> Fleet {
    Fleet {
        observed_at: at(0),
        controller: Controller {
            id: "c0ffee".to_owned(),
            version: "v0.2.1".to_owned(),
            backoff: Duration::from_secs(300),
            hostname: String::new(),
            metadata_url: String::new(),
            callback_url: String::new(),
            webhook_url: String::new(),
        },
        entities: vec![organization("org-1", "acme", "github.com")],
        entity_kinds: vec![EntityKind::Organization],
        pools: Vec::new(),
        runners: Vec::new(),
        jobs: Vec::new(),
        templates: Vec::new(),
        proxies: Vec::new(),
        providers: None,
        credentials: None,
    }
}

pub(crate) fn desired(pools: impl IntoIterator<Item = DesiredPool>) -> Desired {
    Desired {
        fleet: acme(),
        controller: ControllerSettings {
            minimum_job_age_backoff: Some(Duration::from_secs(300)),
            shared: false,
        },
        credentials: Vec::new(),
        pools: pools.into_iter().collect(),
        scope: Scope::Whole,
    }
}

/// A declared credential; each letter stands for a key.
pub(crate) fn app(name: &str, app_id: u64, key: char) -> DesiredCredential {
    DesiredCredential {
        name: name.to_owned(),
        endpoint: "github.com".to_owned(),
        app_id,
        installation_id: 9,
        key: fingerprint(key),
    }
}

pub(crate) fn fingerprint(letter: char) -> Fingerprint {
    Fingerprint::parse(&format!("SHA256:{}=", letter.to_string().repeat(43))).unwrap()
}

/// An App's credential in GARM.
pub(crate) fn credential(id: u64, name: &str, description: &str) -> Credential {
    Credential {
        id,
        name: name.to_owned(),
        description: description.to_owned(),
        endpoint: "github.com".to_owned(),
        auth: Auth::App,
    }
}

/// A complete pool of the entity `acme` that has this name, which is also one of its labels.
pub(crate) fn pool(text: &str) -> DesiredPool {
    DesiredPool {
        entity: EntityRef {
            kind: EntityKind::Organization,
            name: "acme".to_owned(),
            endpoint: None,
        },
        provider: "aws".to_owned(),
        image: "ami-1".to_owned(),
        settings: PoolSettings {
            labels: ["linux", text].into_iter().collect(),
            ..testing::settings(text)
        },
    }
}

/// A pool in GARM that is exactly as declared; its id is the name with `-id`.
pub(crate) fn live(of: &DesiredPool) -> Pool {
    let mut labels = of.labels.clone();
    labels.insert(owned(of.name.as_str()));
    Pool {
        id: PoolId::new(format!("{}-id", of.name)),
        entity: key("org-1"),
        entity_name: "acme".to_owned(),
        endpoint: "github.com".to_owned(),
        spec: PoolSpec {
            scale_set_name: None,
            provider: of.provider.clone(),
            image: of.image.clone(),
            flavor: of.instance_type.clone(),
            os_type: of.os_type.clone(),
            os_arch: of.os_arch.clone(),
            labels,
            enabled: of.may_be_enabled(),
            max_runners: of.scale.max_runners,
            min_idle_runners: of.plain_level(),
            runner_prefix: of.runner_prefix.clone(),
            runner_group: of.runner_group.clone().unwrap_or_default(),
            bootstrap_timeout_min: of.bootstrap_timeout_min,
            priority: of.priority,
            template_id: Some(1),
            proxy_id: None,
            enable_shell: of.enable_shell,
            extra_specs: of.extra_specs.clone(),
        },
        detail: PoolDetail::Whole,
        scale_set: None,
        generation: Some(0),
        created_at: at(-3600),
        updated_at: at(-3600),
    }
}

/// The same pool with other labels, under another id.
pub(crate) fn relabelled(pool: &Pool, id: &str, labels: &[&str]) -> Pool {
    let mut pool = Pool { id: PoolId::new(id), ..pool.clone() };
    pool.spec.labels = labels.iter().copied().collect();
    pool
}

/// A runner of `pool` on a running VM, with this `runner_status`.
pub(crate) fn runner(pool: &Pool, number: usize, status: &str) -> Runner {
    Runner {
        id: format!("{}-{number}", pool.id),
        name: RunnerName::new(format!("{}-{number}", pool.spec.runner_prefix)),
        pool: Some(pool.id.clone()),
        provider: pool.spec.provider.clone(),
        provider_id: None,
        agent_id: Some(1),
        status: Status::Running,
        runner_status: RunnerStatus::parse(status),
        created_at: at(-600),
        updated_at: at(-300),
        job: None,
        provider_fault: None,
        heartbeat: None,
        has_shell: false,
        generation: pool.generation,
        messages: Vec::new(),
    }
}

pub(crate) fn queued_job(id: i64, labels: &[&str]) -> Job {
    Job {
        id,
        workflow_job_id: 5_000 + id,
        run_id: id,
        status: JobStatus::Queued,
        conclusion: String::new(),
        name: format!("build-{id}"),
        labels: labels.iter().copied().collect(),
        runner: None,
        repository: "acme/app".to_owned(),
        entities: vec![key("org-1")],
        scale_set_job: None,
        is_locked: false,
        created_at: at(-5),
        updated_at: at(-5),
    }
}
