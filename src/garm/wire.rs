//! GARM's JSON: zero values are absent, unknown fields are tolerated (GARM.md §0.3, §a).

use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::error::{Error, Kind};
use super::transport::Response;
use crate::domain::entity::{Entity, EntityKey, EntityKind, PoolManager};
use crate::domain::fleet::{Controller, Provider, Template};
use crate::domain::job::{Job, JobStatus};
use crate::domain::label::Labels;
use crate::domain::name::{EntityId, PoolId, RunnerName};
use crate::domain::pool::{Pool, PoolChange, PoolSpec};
use crate::domain::runner::{Runner, RunnerStatus, Status, StatusMessage};
use crate::domain::text;

#[derive(Deserialize)]
struct Tag {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct WirePool {
    id: String,
    #[serde(default)]
    runner_prefix: String,
    #[serde(default)]
    provider_name: String,
    #[serde(default)]
    max_runners: u32,
    #[serde(default)]
    min_idle_runners: u32,
    #[serde(default)]
    image: String,
    #[serde(default)]
    flavor: String,
    #[serde(default)]
    os_type: String,
    #[serde(default)]
    os_arch: String,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    enabled: bool,
    #[serde(default)]
    instances: Vec<WireRunner>,
    repo_id: Option<String>,
    #[serde(default)]
    repo_name: String,
    org_id: Option<String>,
    #[serde(default)]
    org_name: String,
    enterprise_id: Option<String>,
    #[serde(default)]
    enterprise_name: String,
    endpoint: Option<Named>,
    #[serde(default)]
    runner_bootstrap_timeout: u32,
    extra_specs: Option<Value>,
    #[serde(default, rename = "github-runner-group")]
    runner_group: String,
    #[serde(default)]
    priority: u32,
    template_id: Option<u64>,
    #[serde(default)]
    enable_shell: bool,
    generation: Option<u64>,
    #[serde(default = "zero_time")]
    created_at: Timestamp,
    #[serde(default = "zero_time")]
    updated_at: Timestamp,
}

#[derive(Deserialize)]
struct WireJobRef {
    #[serde(default)]
    workflow_job_id: i64,
}

#[derive(Deserialize)]
struct Capabilities {
    #[serde(default)]
    has_shell: bool,
}

#[derive(Deserialize)]
struct WireMessage {
    #[serde(default = "zero_time")]
    created_at: Timestamp,
    #[serde(default)]
    message: String,
    #[serde(default)]
    event_level: String,
}

#[derive(Deserialize)]
struct WireRunner {
    #[serde(default)]
    id: String,
    name: String,
    pool_id: Option<String>,
    #[serde(default)]
    provider_name: String,
    provider_id: Option<String>,
    agent_id: Option<i64>,
    #[serde(default)]
    status: String,
    #[serde(default)]
    runner_status: String,
    #[serde(default = "zero_time")]
    created_at: Timestamp,
    #[serde(default = "zero_time")]
    updated_at: Timestamp,
    job: Option<WireJobRef>,
    provider_fault: Option<String>,
    heartbeat: Option<Timestamp>,
    capabilities: Option<Capabilities>,
    generation: Option<u64>,
    #[serde(default)]
    status_messages: Option<Vec<WireMessage>>,
}

#[derive(Deserialize)]
struct WireJob {
    id: i64,
    #[serde(default)]
    workflow_job_id: i64,
    #[serde(default)]
    run_id: i64,
    #[serde(default)]
    status: String,
    #[serde(default)]
    conclusion: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    labels: Option<Vec<String>>,
    #[serde(default)]
    runner_name: String,
    #[serde(default)]
    repository_name: String,
    #[serde(default)]
    repository_owner: String,
    org_id: Option<String>,
    repo_id: Option<String>,
    enterprise_id: Option<String>,
    #[serde(default)]
    locked_by: String,
    #[serde(default = "zero_time")]
    created_at: Timestamp,
    #[serde(default = "zero_time")]
    updated_at: Timestamp,
}

#[derive(Deserialize)]
struct WireController {
    #[serde(default)]
    controller_id: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    minimum_job_age_backoff: u64,
    #[serde(default)]
    metadata_url: String,
    #[serde(default)]
    callback_url: String,
    #[serde(default)]
    webhook_url: String,
}

#[derive(Default, Deserialize)]
struct WireManager {
    #[serde(default)]
    running: bool,
    #[serde(default)]
    failure_reason: String,
}

#[derive(Deserialize)]
struct WireEntity {
    id: String,
    #[serde(default)]
    owner: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    credentials_name: String,
    #[serde(default)]
    pool_manager_status: WireManager,
    endpoint: Option<Named>,
    #[serde(default)]
    agent_mode: bool,
}

#[derive(Deserialize)]
struct WireTemplate {
    id: u64,
    #[serde(default)]
    name: String,
    #[serde(default)]
    os_type: String,
}

#[derive(Deserialize)]
struct WireProvider {
    #[serde(default)]
    name: String,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
struct WireToken {
    token: String,
}

#[derive(Deserialize)]
struct WireRefusal {
    error: String,
    #[serde(default)]
    details: String,
}

/// GARM's own zero, `0001-01-01T00:00:00Z`.
fn zero_time() -> Timestamp {
    Timestamp::from_second(-62_135_596_800).expect("the year 1 is within jiff's range")
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| Error {
        kind: Kind::NotGarm,
        tried: "read GARM's answer".into(),
        got: text::quote(&error.to_string()),
        help: Some("check that `garm.url` is GARM itself and that no proxy rewrites it".into()),
    })
}

/// Sorts a response by its status; a good one passes.
pub fn check(tried: &str, response: Response) -> Result<Response, Error> {
    if (200..300).contains(&response.status) {
        return Ok(response);
    }
    let refusal: Option<WireRefusal> = serde_json::from_slice(&response.body).ok();
    let (word, details) =
        refusal.map_or_else(|| (String::new(), String::new()), |it| (it.error, it.details));
    let is_login = tried.ends_with("/auth/login");
    let kind = match (response.status, word.as_str()) {
        (401, "Authentication failed") => Kind::Token,
        (401, _) if is_login => Kind::Credentials,
        (401, _) => Kind::GithubRefused,
        (409, "init_required") => Kind::NotInitialised,
        (409, "urls_required") => Kind::UrlsMissing,
        (404, _) => Kind::NotFound,
        (400 | 422, _) => Kind::Refused,
        (409, _) => Kind::Conflict,
        (status, _) if status >= 500 => Kind::Server(status),
        _ => Kind::NotGarm,
    };
    let said = if details.is_empty() { word } else { details };
    let got = format!("{} {}", response.status, text::quote(&said));
    Err(Error { kind, tried: tried.to_owned(), got: got.trim_end().to_owned(), help: None })
}

/// The token of a login.
pub fn token(body: &[u8]) -> Result<SecretString, Error> {
    decode::<WireToken>(body).map(|it| SecretString::from(it.token))
}

/// `GET /controller-info`.
pub fn controller(body: &[u8]) -> Result<Controller, Error> {
    let wire: WireController = decode(body)?;
    Ok(Controller {
        id: wire.controller_id,
        version: wire.version,
        backoff: Duration::from_secs(wire.minimum_job_age_backoff),
        metadata_url: wire.metadata_url,
        callback_url: wire.callback_url,
        webhook_url: wire.webhook_url,
    })
}

/// `GET /organizations`, `/repositories`, `/enterprises`.
pub fn entities(kind: EntityKind, body: &[u8]) -> Result<Vec<Entity>, Error> {
    let wire: Vec<WireEntity> = decode(body)?;
    Ok(wire.into_iter().map(|it| entity(kind, it)).collect())
}

fn entity(kind: EntityKind, wire: WireEntity) -> Entity {
    let name = match kind {
        EntityKind::Repository => format!("{}/{}", wire.owner, wire.name),
        EntityKind::Organization | EntityKind::Enterprise => wire.name,
    };
    let manager = if wire.pool_manager_status.running {
        PoolManager::Running
    } else {
        PoolManager::Stopped { reason: wire.pool_manager_status.failure_reason }
    };
    Entity {
        key: EntityKey { kind, id: EntityId::new(wire.id) },
        name,
        endpoint: wire.endpoint.map(|it| it.name).unwrap_or_default(),
        credentials: wire.credentials_name,
        manager,
        agent_mode: wire.agent_mode,
    }
}

/// `GET /providers`.
pub fn providers(body: &[u8]) -> Result<Vec<Provider>, Error> {
    let wire: Vec<WireProvider> = decode(body)?;
    Ok(wire
        .into_iter()
        .map(|it| Provider { name: it.name, kind: it.kind, description: it.description })
        .collect())
}

/// `GET /templates`.
pub fn templates(body: &[u8]) -> Result<Vec<Template>, Error> {
    let wire: Vec<WireTemplate> = decode(body)?;
    Ok(wire
        .into_iter()
        .map(|it| Template { id: it.id, name: it.name, os_type: it.os_type })
        .collect())
}

/// `GET /pools`.
pub fn pools(body: &[u8]) -> Result<Vec<Pool>, Error> {
    decode::<Vec<WirePool>>(body)?.into_iter().map(|it| pool(it).map(|it| it.0)).collect()
}

/// `GET /pools/ID`, and what POST and PUT of a pool answer.
pub fn pool_with_runners(body: &[u8]) -> Result<(Pool, Vec<Runner>), Error> {
    pool(decode(body)?)
}

fn pool(wire: WirePool) -> Result<(Pool, Vec<Runner>), Error> {
    let (kind, id, entity_name) = match (wire.org_id, wire.repo_id, wire.enterprise_id) {
        (Some(id), _, _) => (EntityKind::Organization, id, wire.org_name),
        (None, Some(id), _) => (EntityKind::Repository, id, wire.repo_name),
        (None, None, Some(id)) => (EntityKind::Enterprise, id, wire.enterprise_name),
        (None, None, None) => {
            return Err(Error {
                kind: Kind::NotGarm,
                tried: "read GARM's answer".into(),
                got: format!("pool {} has no entity", text::quote(&wire.id)),
                help: None,
            });
        }
    };
    let extra_specs = match wire.extra_specs {
        Some(Value::Object(map)) => map,
        // GARM takes an array or a text here as well; no provider can use it.
        Some(_) | None => Map::new(),
    };
    let spec = PoolSpec {
        provider: wire.provider_name,
        image: wire.image,
        flavor: wire.flavor,
        os_type: wire.os_type,
        os_arch: wire.os_arch,
        labels: wire.tags.into_iter().map(|it| it.name).collect::<Labels>(),
        enabled: wire.enabled,
        max_runners: wire.max_runners,
        min_idle_runners: wire.min_idle_runners,
        runner_prefix: wire.runner_prefix,
        runner_group: wire.runner_group,
        bootstrap_timeout_min: wire.runner_bootstrap_timeout,
        priority: wire.priority,
        template_id: wire.template_id,
        enable_shell: wire.enable_shell,
        extra_specs,
    };
    let pool = Pool {
        id: PoolId::new(wire.id),
        entity: EntityKey { kind, id: EntityId::new(id) },
        entity_name,
        endpoint: wire.endpoint.map(|it| it.name).unwrap_or_default(),
        spec,
        generation: wire.generation,
        created_at: wire.created_at,
        updated_at: wire.updated_at,
    };
    Ok((pool, wire.instances.into_iter().map(decode_runner).collect()))
}

/// `GET /instances`, `GET /pools/ID/instances`.
pub fn runners(body: &[u8]) -> Result<Vec<Runner>, Error> {
    Ok(decode::<Vec<WireRunner>>(body)?.into_iter().map(decode_runner).collect())
}

/// `GET /instances/NAME`.
pub fn runner(body: &[u8]) -> Result<Runner, Error> {
    decode(body).map(decode_runner)
}

fn decode_runner(wire: WireRunner) -> Runner {
    let zero = zero_time();
    Runner {
        id: wire.id,
        name: RunnerName::new(wire.name),
        pool: wire.pool_id.filter(|it| !it.is_empty()).map(PoolId::new),
        provider: wire.provider_name,
        provider_id: wire.provider_id.filter(|it| !it.is_empty()),
        agent_id: wire.agent_id.filter(|it| *it != 0),
        status: Status::parse(&wire.status),
        runner_status: RunnerStatus::parse(&wire.runner_status),
        created_at: wire.created_at,
        updated_at: wire.updated_at,
        job: wire.job.map(|it| it.workflow_job_id),
        provider_fault: wire.provider_fault.filter(|it| !it.is_empty()),
        heartbeat: wire.heartbeat.filter(|it| *it > zero),
        has_shell: wire.capabilities.is_some_and(|it| it.has_shell),
        generation: wire.generation,
        messages: wire
            .status_messages
            .unwrap_or_default()
            .into_iter()
            .map(|it| StatusMessage { at: it.created_at, text: it.message, level: it.event_level })
            .collect(),
    }
}

/// `GET /jobs`.
pub fn jobs(body: &[u8]) -> Result<Vec<Job>, Error> {
    Ok(decode::<Vec<WireJob>>(body)?.into_iter().map(job).collect())
}

fn job(wire: WireJob) -> Job {
    let entity = match (wire.org_id, wire.repo_id, wire.enterprise_id) {
        (Some(id), _, _) => Some((EntityKind::Organization, id)),
        (None, Some(id), _) => Some((EntityKind::Repository, id)),
        (None, None, Some(id)) => Some((EntityKind::Enterprise, id)),
        (None, None, None) => None,
    };
    Job {
        id: wire.id,
        workflow_job_id: wire.workflow_job_id,
        run_id: wire.run_id,
        status: JobStatus::parse(&wire.status),
        conclusion: wire.conclusion,
        name: wire.name,
        labels: wire.labels.unwrap_or_default().into_iter().collect(),
        runner: Some(wire.runner_name).filter(|it| !it.is_empty()).map(RunnerName::new),
        repository: format!("{}/{}", wire.repository_owner, wire.repository_name),
        entity: entity.map(|(kind, id)| EntityKey { kind, id: EntityId::new(id) }),
        is_locked: wire.locked_by.chars().any(|it| it != '0' && it != '-'),
        created_at: wire.created_at,
        updated_at: wire.updated_at,
    }
}

/// The body of `POST /…/pools`: every field, spelt out.
pub fn create_body(spec: &PoolSpec) -> Value {
    let mut body = json!({
        "provider_name": spec.provider,
        "image": spec.image,
        "flavor": spec.flavor,
        "os_type": spec.os_type,
        "os_arch": spec.os_arch,
        "tags": spec.labels.iter().collect::<Vec<_>>(),
        "enabled": spec.enabled,
        "max_runners": spec.max_runners,
        "min_idle_runners": spec.min_idle_runners,
        "runner_prefix": spec.runner_prefix,
        "runner_bootstrap_timeout": spec.bootstrap_timeout_min,
        "priority": spec.priority,
        "enable_shell": spec.enable_shell,
    });
    let map = body.as_object_mut().expect("written as an object above");
    if !spec.runner_group.is_empty() {
        map.insert("github-runner-group".into(), json!(spec.runner_group));
    }
    if let Some(id) = spec.template_id {
        map.insert("template_id".into(), json!(id));
    }
    if !spec.extra_specs.is_empty() {
        map.insert("extra_specs".into(), Value::Object(spec.extra_specs.clone()));
    }
    body
}

/// The body of `PUT /pools/ID`: only what changes.
pub fn change_body(change: &PoolChange) -> Value {
    let entries = [
        ("tags", change.labels.as_ref().map(|it| json!(it.iter().collect::<Vec<_>>()))),
        ("enabled", change.enabled.map(Value::from)),
        ("max_runners", change.max_runners.map(Value::from)),
        ("min_idle_runners", change.min_idle_runners.map(Value::from)),
        ("image", change.image.clone().map(Value::from)),
        ("flavor", change.flavor.clone().map(Value::from)),
        ("os_type", change.os_type.clone().map(Value::from)),
        ("os_arch", change.os_arch.clone().map(Value::from)),
        ("runner_prefix", change.runner_prefix.clone().map(Value::from)),
        ("github-runner-group", change.runner_group.clone().map(Value::from)),
        ("runner_bootstrap_timeout", change.bootstrap_timeout_min.map(Value::from)),
        ("priority", change.priority.map(Value::from)),
        ("template_id", change.template_id.map(Value::from)),
        ("enable_shell", change.enable_shell.map(Value::from)),
        ("extra_specs", change.extra_specs.clone().map(Value::Object)),
    ];
    Value::Object(
        entries
            .into_iter()
            .filter_map(|(key, value)| value.map(|it| (key.to_owned(), it)))
            .collect(),
    )
}
