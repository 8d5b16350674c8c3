//! Recorded responses of a real GARM (`tests/garm`), decoded by the client.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use runnerctl::domain::entity::{Entity, EntityKey, EntityKind, PoolManager};
use runnerctl::domain::fleet::{Controller, Fleet, Provider, Proxy, ReleaseLine, Template};
use runnerctl::domain::job::{Job, JobStatus};
use runnerctl::domain::name::{EntityId, PoolId, RunnerName};
use runnerctl::domain::pool::{Pool, PoolChange, PoolDetail, PoolSpec};
use runnerctl::domain::runner::{Runner, RunnerStatus, Status, StatusMessage};
use runnerctl::garm::{
    ErrorKind, GarmClient, GarmError, GarmLogin, POOL_KEYS, Request, Response, ResponseFuture,
    Transport, UnknownPoolData,
};
use secrecy::SecretString;
use serde_json::{Map, Value, json};

const ORG: &str = "9a303c28-d20d-47eb-9492-15d84604703e";
const REPO: &str = "d62cfd42-d5cb-4d13-a821-43c1029ba518";
const POOL: &str = "c1fbf7db-6da3-40a8-93f1-b8f7d16f6f21";

/// Returns one recorded response to every request except the login.
struct Recorded(Value);

impl Transport for Recorded {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        let login = json!({ "status": 200, "body": { "token": "token" } });
        let answer = if request.path == "/auth/login" { &login } else { &self.0 };
        let status = answer["status"].as_u64().unwrap().try_into().unwrap();
        let body = match &answer["body"] {
            Value::Null => vec![],
            body => body.to_string().into_bytes(),
        };
        let response = Response { status, content_type: None, date: None, body };
        Box::pin(std::future::ready(Ok(response)))
    }

    fn address(&self) -> String {
        "recorded".into()
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/garm")
}

fn recording(name: &str) -> Value {
    let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn client_of(answer: Value) -> GarmClient {
    GarmClient::new(
        Arc::new(Recorded(answer)),
        GarmLogin::new("admin", SecretString::from("password")),
    )
}

fn client(name: &str) -> GarmClient {
    client_of(recording(name))
}

fn pool_id() -> PoolId {
    PoolId::new(POOL)
}

fn organization() -> EntityKey {
    EntityKey { kind: EntityKind::Organization, id: EntityId::new(ORG) }
}

/// The pool of `pools.json`, `pool.json` and `pool_update.json`, as in the first.
fn pool() -> Pool {
    Pool {
        id: pool_id(),
        entity: organization(),
        entity_name: "lab-org".into(),
        endpoint: "labhub".into(),
        spec: PoolSpec {
            scale_set_name: None,
            provider: "lab".into(),
            image: "ubuntu:24.04".into(),
            flavor: "small".into(),
            os_type: "linux".into(),
            os_arch: "amd64".into(),
            labels: ["self-hosted", "linux", "runnerctl=acme/default"].into_iter().collect(),
            enabled: true,
            max_runners: 5,
            min_idle_runners: 3,
            runner_prefix: "garm".into(),
            runner_group: String::new(),
            bootstrap_timeout_min: 20,
            priority: 0,
            template_id: Some(2),
            proxy_id: None,
            enable_shell: false,
            extra_specs: Map::new(),
        },
        detail: PoolDetail::Listed,
        scale_set: None,
        generation: Some(0),
        created_at: "2026-11-23T23:41:27.231104638Z".parse().unwrap(),
        updated_at: "2026-11-23T23:41:27.231210015Z".parse().unwrap(),
    }
}

/// The runner of `instance_active.json`, as in a list.
fn runner() -> Runner {
    Runner {
        id: "43ee65dc-787d-44d1-b47c-92f7e5867a65".into(),
        name: RunnerName::new("garm-beue9340tg7w"),
        pool: Some(pool_id()),
        provider: "lab".into(),
        provider_id: Some("vm-garm-beue9340tg7w-47c94f".into()),
        agent_id: Some(1003),
        status: Status::Running,
        runner_status: RunnerStatus::Active,
        created_at: "2026-11-23T23:41:30.176366301Z".parse().unwrap(),
        updated_at: "2026-11-23T23:41:37.776054929Z".parse().unwrap(),
        job: Some(5_000_000_001),
        provider_fault: None,
        heartbeat: None,
        has_shell: false,
        generation: Some(0),
        messages: vec![],
    }
}

#[tokio::test]
async fn the_controller_decodes() {
    let (controller, _) = client("controller").controller().await.unwrap();
    let expected = Controller {
        id: "fab6e48a-df7b-4853-81ea-695c4f5a06a7".into(),
        version: "v0.2.1-main".into(),
        backoff: Duration::from_secs(86_400),
        hostname: "garm".into(),
        metadata_url: "http://127.0.0.1:35925/api/v1/metadata".into(),
        callback_url: "http://127.0.0.1:35925/api/v1/callbacks".into(),
        webhook_url: "http://127.0.0.1:35925/webhooks".into(),
    };
    assert_eq!(controller, expected);
}

#[tokio::test]
async fn the_entities_decode() {
    let entity = |kind, id: &str, name: &str| Entity {
        key: EntityKey { kind, id: EntityId::new(id) },
        name: name.into(),
        endpoint: "labhub".into(),
        credentials: "lab-pat".into(),
        manager: PoolManager::Running,
        forge: "github".into(),
        agent_mode: false,
    };
    for (file, kind, expected) in [
        ("organizations", EntityKind::Organization, vec![(ORG, "lab-org")]),
        ("repositories", EntityKind::Repository, vec![(REPO, "lab-user/lab-repo")]),
        ("enterprises", EntityKind::Enterprise, vec![]),
    ] {
        let expected: Vec<_> =
            expected.into_iter().map(|(id, name)| entity(kind, id, name)).collect();
        assert_eq!(client(file).entities(kind).await.unwrap(), expected, "{file}");
    }
}

#[tokio::test]
async fn the_providers_and_templates_decode() {
    let provider = |name: &str| Provider {
        name: name.into(),
        kind: "external".into(),
        description: format!("lab provider {name}"),
    };
    let expected = [provider("lab2"), provider("lab")];
    assert_eq!(client("providers").providers().await.unwrap(), expected);

    let template = |id, name: &str, os_type: &str| {
        let forge = name.split('_').next().unwrap().to_owned();
        Template { id, name: name.into(), os_type: os_type.into(), forge, is_system: true }
    };
    let expected = [
        template(1, "github_windows", "windows"),
        template(2, "github_linux", "linux"),
        template(3, "gitea_linux", "linux"),
        template(4, "gitea_windows", "windows"),
    ];
    assert_eq!(client("templates").templates().await.unwrap(), expected);

    let proxy = |id, name: &str| Proxy { id, name: name.into() };
    let expected = [proxy(1, "Squid"), proxy(2, "other")];
    assert_eq!(client("proxies").proxies().await.unwrap(), expected);
}

#[tokio::test]
async fn the_pools_decode() {
    let pools = client("pools").pools().await.unwrap();
    let [first, gpu, broken] = <[Pool; 3]>::try_from(pools).unwrap();
    assert_eq!(first, pool());
    let expected = Pool {
        id: PoolId::new("d9ce668d-b701-4f8d-82e9-611e1cf45582"),
        entity: EntityKey { kind: EntityKind::Repository, id: EntityId::new(REPO) },
        entity_name: "lab-user/lab-repo".into(),
        spec: PoolSpec {
            scale_set_name: None,
            labels: ["gpu"].into_iter().collect(),
            enabled: false,
            max_runners: 1,
            min_idle_runners: 0,
            ..pool().spec
        },
        created_at: "2026-11-23T23:41:27.233165047Z".parse().unwrap(),
        updated_at: "2026-11-23T23:41:27.233238706Z".parse().unwrap(),
        ..pool()
    };
    assert_eq!(gpu, expected);
    assert_eq!(broken.spec.labels, ["broken"].into_iter().collect());
}

#[tokio::test]
async fn a_single_pool_decodes_with_its_runners() {
    let (found, runners) = client("pool").pool(&pool_id()).await.unwrap();
    let mut expected = Pool { detail: PoolDetail::Whole, ..pool() };
    expected.spec.extra_specs.insert("disable_updates".into(), true.into());
    assert_eq!(found, expected);
    let names: Vec<_> = runners.iter().map(|it| it.name.as_str()).collect();
    let expected = [
        "garm-beue9340tg7w",
        "garm-hmo9rwfqynte",
        "garm-w1uvkptyk3p1",
        "garm-g5p7pdieavxu",
        "garm-2ixij5txjpwodk",
    ];
    assert_eq!(names, expected);
    // Embedded rows have neither provider nor job.
    assert_eq!(runners[0], Runner { provider: String::new(), job: None, ..runner() });

    let (updated, runners) = client("pool_update").pool(&pool_id()).await.unwrap();
    assert_eq!((updated.spec.max_runners, runners.len()), (6, 5));
    let change = PoolChange { max_runners: Some(6), ..PoolChange::default() };
    assert_eq!(client("pool_update").update_pool(&pool_id(), &change).await.unwrap(), updated);
    let created = client("pool").create_pool(&organization(), &pool().spec).await.unwrap();
    assert_eq!(created, found);
}

#[tokio::test]
async fn the_instances_decode() {
    let runners = client("instances").runners().await.unwrap();
    assert_eq!(runners[1], runner());
    let states: Vec<_> = runners
        .iter()
        .map(|it| (it.status.clone(), it.runner_status.clone(), it.job, it.provider_id.is_some()))
        .collect();
    let running = |status, job| (Status::Running, status, job, true);
    let expected = [
        (Status::PendingCreate, RunnerStatus::Pending, None, false),
        running(RunnerStatus::Active, Some(5_000_000_001)),
        running(RunnerStatus::Active, Some(5_000_000_002)),
        running(RunnerStatus::Idle, None),
        running(RunnerStatus::Idle, None),
        running(RunnerStatus::Idle, None),
    ];
    assert_eq!(states, expected);
    assert_eq!(client("instances").runners_of(&pool_id()).await.unwrap(), runners);
}

#[tokio::test]
async fn single_instances_decode_with_their_history() {
    let message = |at: &str, text: &str| StatusMessage {
        at: at.parse().unwrap(),
        text: text.into(),
        level: "info".into(),
    };
    let found = client("instance_active").runner(&runner().name).await.unwrap();
    let messages = vec![
        message(
            "2026-11-23T23:41:37.253071154Z",
            "using cached runner found in /home/runner/actions-runner",
        ),
        message("2026-11-23T23:41:37.259769194Z", "configuring runner"),
        message("2026-11-23T23:41:37.274976135Z", "downloading JIT credentials"),
        message("2026-11-23T23:41:37.302889047Z", "generating systemd unit file"),
        message("2026-11-23T23:41:37.318958214Z", "enabling runner service"),
        message("2026-11-23T23:41:37.634138822Z", "runner successfully installed"),
    ];
    assert_eq!(found, Runner { messages, ..runner() });

    let idle = client("instance_idle").runner(&RunnerName::new("x")).await.unwrap();
    assert!(idle.is_idle() && idle.job.is_none());
    assert_eq!(idle.messages.last().unwrap().text, "runner successfully installed");
}

#[tokio::test]
async fn the_jobs_decode() {
    let jobs = client("jobs").jobs().await.unwrap();
    let first = Job {
        id: 1,
        workflow_job_id: 5_000_000_002,
        run_id: 500_000_000,
        status: JobStatus::InProgress,
        conclusion: String::new(),
        name: "build".into(),
        labels: ["self-hosted", "linux"].into_iter().collect(),
        runner: Some(RunnerName::new("garm-hmo9rwfqynte")),
        repository: "lab-org/app".into(),
        entities: vec![organization()],
        scale_set_job: None,
        is_locked: false,
        created_at: "2026-11-23T23:41:37.76210346Z".parse().unwrap(),
        updated_at: "2026-11-23T23:41:37.772479876Z".parse().unwrap(),
    };
    let second = Job {
        id: 2,
        workflow_job_id: 5_000_000_003,
        status: JobStatus::Queued,
        runner: None,
        created_at: "2026-11-23T23:41:37.764375665Z".parse().unwrap(),
        updated_at: "2026-11-23T23:41:37.764375665Z".parse().unwrap(),
        ..first.clone()
    };
    let third = Job {
        id: 3,
        workflow_job_id: 5_000_000_001,
        runner: Some(runner().name),
        created_at: "2026-11-23T23:41:37.766626963Z".parse().unwrap(),
        updated_at: "2026-11-23T23:41:37.775564707Z".parse().unwrap(),
        ..first.clone()
    };
    assert_eq!(jobs, [first, second, third]);
}

#[tokio::test]
async fn errors_are_classified() {
    let change = PoolChange::default();
    let spec = pool().spec;
    let refused = |name: &'static str, kind: ErrorKind, got: &'static str| (name, kind, got);
    for (name, kind, got) in [
        refused("unauthenticated", ErrorKind::Token, "401 Authentication failed"),
        refused("login_wrong_password", ErrorKind::GithubRefused, "401 Not Authorized"),
        refused(
            "pool_create_bad_provider",
            ErrorKind::Refused,
            "400 Bad Request: error fetching pool params: no such provider nope",
        ),
        refused(
            "pool_create_no_tags",
            ErrorKind::Refused,
            "400 Bad Request: error fetching pool params: failed to validate params (\"missing tags\"): invalid request",
        ),
        refused("pool_delete_not_empty", ErrorKind::Refused, "400 Bad Request: pool has runners"),
        refused(
            "pool_get_bad_id",
            ErrorKind::Refused,
            "400 Bad Request: error fetching pool: error fetching pool by ID: error parsing id: invalid request",
        ),
        refused(
            "pool_get_unknown",
            ErrorKind::NotFound,
            "404 Not Found: error fetching pool: error fetching pool by ID: not found",
        ),
        refused(
            "pool_update_min_over_max",
            ErrorKind::Refused,
            "400 Bad Request: min_idle_runners cannot be larger than max_runners",
        ),
        refused("pool_update_unknown_template", ErrorKind::Server(500), "500 Server error"),
        refused(
            "instance_delete_busy",
            ErrorKind::Refused,
            "400 Bad Request: error removing runner from github: error removing runner 1003: invalid request",
        ),
    ] {
        let found = |error: GarmError| (error.kind, error.got);
        let expected = (kind, got.to_owned());
        let client = client(name);
        assert_eq!(found(client.pool(&pool_id()).await.unwrap_err()), expected, "{name}");
        let create = client.create_pool(&organization(), &spec).await.unwrap_err();
        assert_eq!(found(create), expected, "{name}");
        let update = client.update_pool(&pool_id(), &change).await.unwrap_err();
        assert_eq!(found(update), expected, "{name}");
        assert_eq!(found(client.delete_pool(&pool_id()).await.unwrap_err()), expected, "{name}");
        let delete = client.delete_runner(&runner().name).await.unwrap_err();
        assert_eq!(found(delete), expected, "{name}");
    }
}

#[tokio::test]
async fn a_delete_without_a_body_is_a_success() {
    let client = client("instance_delete_idle");
    client.delete_runner(&runner().name).await.unwrap();
    client.delete_pool(&pool_id()).await.unwrap();
}

/// Every recording is used by a test above, or listed here because no method of the client reads
/// it.
#[test]
fn every_recorded_response_has_a_test() {
    let later = ["credentials", "endpoints", "scale_set", "scalesets"];
    let source = include_str!("garm.rs");
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = name.strip_suffix(".json") else { continue };
        let answer = recording(name);
        assert!(answer["status"].is_u64() && answer.get("body").is_some(), "{name}");
        let is_read = source.contains(&format!("\"{name}\""));
        assert!(is_read || later.contains(&name), "nothing reads {name}.json");
    }
}

/// A key that a later GARM adds to its pools must be mapped to a field or marked as internal.
#[tokio::test]
async fn every_key_of_a_recorded_pool_is_a_field_or_garms_own() {
    let recorded = ["pool", "pool_update", "pool_whole"].map(|it| recording(it)["body"].take());
    let listed = recording("pools")["body"].take();
    let mut seen = BTreeSet::new();
    for pool in recorded.iter().chain(listed.as_array().unwrap()) {
        seen.extend(pool.as_object().unwrap().keys().cloned());
    }
    let known = |key: &String| POOL_KEYS.iter().any(|it| it.0 == key);
    let unknown: Vec<_> = seen.iter().filter(|it| !known(it)).collect();
    assert!(unknown.is_empty(), "neither a field nor GARM's own: {unknown:?}");
    // The other kinds of entity, which no recording contains.
    let others = ["enterprise_id", "enterprise_name", "forge_instance_id"];
    let unseen: Vec<_> = POOL_KEYS.iter().map(|it| it.0).filter(|it| !seen.contains(*it)).collect();
    assert_eq!(unseen, others);
    let whole = PoolId::new("da6aa512-5a3b-4441-82d7-bc48d3835acb");
    let (pool, _) = client("pool_whole").pool(&whole).await.unwrap();
    assert_eq!((pool.spec.proxy_id, pool.spec.runner_group.as_str()), (Some(1), "builders"));
    let list = client("pools").unknown_of_pools().await.unwrap();
    assert_eq!(list, UnknownPoolData::default());
}

/// The recorded pools as GARM 0.1 would send them: without `generation` (GARM.md §k).
#[tokio::test]
async fn garm_0_1_is_recognized_by_the_missing_generation() {
    async fn line(pools: Value) -> ReleaseLine {
        let fleet = Fleet {
            providers: None,
            credentials: None,
            observed_at: pool().created_at,
            controller: client("controller").controller().await.unwrap().0,
            entities: vec![],
            entity_kinds: vec![],
            pools: client_of(pools).pools().await.unwrap(),
            runners: vec![],
            jobs: vec![],
            templates: vec![],
            proxies: vec![],
        };
        fleet.line()
    }
    let pools = recording("pools");
    assert_eq!(line(pools.clone()).await, ReleaseLine::Current);
    let mut stripped = pools;
    for pool in stripped["body"].as_array_mut().unwrap() {
        pool.as_object_mut().unwrap().remove("generation").unwrap();
    }
    let read = client_of(stripped.clone()).pools().await.unwrap();
    assert_eq!(read[0], Pool { generation: None, ..pool() });
    assert_eq!(line(stripped).await, ReleaseLine::Old);
}
