//! The GARM under test: a simulated one on its own socket, or a real one.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use runnerctl::sim::http::SimServer;
use runnerctl::sim::{GarmDatabase, GarmVariant, GarmVersion, SimConfig, World};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

/// How many times faster than the clock the simulated one runs.
const SPEED: u32 = 20;

/// Timeout, for the slower of the two.
const PATIENCE: Duration = Duration::from_secs(100);

/// Serializes assertions on the one real GARM, since some change its settings.
static TURN: Mutex<()> = Mutex::const_new(());

/// A GARM under test.
pub(super) struct Garm {
    http: reqwest::Client,
    base: String,
    token: String,
    /// The admin's name and password.
    pub(super) login: (String, String),
    /// An organization, by GARM's id.
    pub(super) organization: String,
    /// A repository, by GARM's id.
    pub(super) repository: String,
    /// A provider.
    pub(super) provider: String,
    /// Which GARM it is, where GARMs differ.
    pub(super) variant: GarmVariant,
    /// The URL of the simulated GitHub's control API.
    github: String,
    /// The polling interval.
    pause: Duration,
}

/// A response: status, JSON (null for an empty body) and text.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) json: Value,
    pub(super) text: String,
}

impl Garm {
    /// A new simulated GARM, which runs twenty times as fast.
    pub(super) async fn simulated(variant: GarmVariant) -> Self {
        let config = SimConfig { variant, ..SimConfig::default() };
        let login = (config.username.clone(), config.password.clone());
        let address = "127.0.0.1:0".parse().unwrap();
        let server = SimServer::bind(address, World::new(config), SPEED).await.unwrap();
        let base = format!("http://{}", server.address());
        tokio::spawn(server.serve(std::future::pending()));
        let pause = Duration::from_millis(10);
        let garm = Self::open(base.clone(), login, ("sim".into(), variant.database), base, pause);
        let garm = garm.await;
        assert_eq!(garm.variant, variant, "the version identifies it");
        garm
    }

    /// The real GARM, if there is one, and the lock on it.
    pub(super) async fn real() -> Option<(Self, MutexGuard<'static, ()>)> {
        let file = std::env::var_os("RUNNERCTL_TEST_GARM").filter(|it| !it.is_empty())?;
        let text = std::fs::read_to_string(file).unwrap();
        let described: Value = serde_json::from_str(&text).unwrap();
        let field = |name: &str| described[name].as_str().unwrap_or_default().to_owned();
        let login = (field("admin_user"), field("admin_password"));
        let provider = described["providers"][0].as_str().unwrap().to_owned();
        let turn = TURN.lock().await;
        let (url, github) = (field("garm_url"), field("github_url"));
        let pause = Duration::from_millis(100);
        let database = match field("db").as_str() {
            "" | "sqlite" => GarmDatabase::Sqlite,
            other if other.starts_with("postgresql") => GarmDatabase::Postgresql,
            other => panic!("`db` is sqlite or postgresql, not {other}"),
        };
        Some((Self::open(url, login, (provider, database), github, pause).await, turn))
    }

    async fn open(
        base: String,
        login: (String, String),
        (provider, database): (String, GarmDatabase),
        github: String,
        pause: Duration,
    ) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let mut garm = Self {
            http,
            base,
            token: String::new(),
            login,
            organization: String::new(),
            repository: String::new(),
            provider,
            variant: GarmVariant { version: GarmVersion::Main, database },
            github,
            pause,
        };
        let body = json!({ "username": garm.login.0, "password": garm.login.1 });
        let answer = garm.ask("POST", "/auth/login", Some(&body)).await;
        garm.token = answer.json["token"].as_str().unwrap().to_owned();
        if garm.get("/controller").await["version"] == GarmVersion::V0_2_1.word() {
            garm.variant.version = GarmVersion::V0_2_1;
        }
        let first = async |path| garm.get(path).await[0]["id"].as_str().unwrap().to_owned();
        let (organization, repository) =
            (first("/organizations").await, first("/repositories").await);
        garm.organization = organization;
        garm.repository = repository;
        garm
    }

    /// Sends a request with the admin's token.
    pub(super) async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let text = body.map(ToString::to_string).unwrap_or_default();
        self.ask_raw(method, path, text, Some(&format!("Bearer {}", self.token))).await
    }

    /// Sends a request with this body and `Authorization`.
    pub(super) async fn ask_raw(
        &self,
        method: &str,
        path: &str,
        body: String,
        authorization: Option<&str>,
    ) -> Answer {
        let method = method.parse().unwrap();
        let url = format!("{}/api/v1{path}", self.base);
        let mut request = self.http.request(method, url).body(body);
        if let Some(authorization) = authorization {
            request = request.header("Authorization", authorization);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status, json, text }
    }

    /// The status of any request to this path of the whole server, without a token, and where it is
    /// redirected to.
    pub(super) async fn ask_whole(&self, method: &str, path: &str) -> (u16, String) {
        let request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.base));
        let response = request.send().await.unwrap();
        let location = response.headers().get("Location").map(|it| it.to_str().unwrap());
        (response.status().as_u16(), location.unwrap_or_default().to_owned())
    }

    /// Its URL.
    pub(super) fn url(&self) -> &str {
        &self.base
    }

    /// The admin's token.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// A GET that must succeed.
    pub(super) async fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, None).await;
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.text);
        answer.json
    }

    /// A PUT of a pool that must succeed.
    pub(super) async fn put(&self, pool: &str, body: Value) -> Value {
        let answer = self.ask("PUT", &format!("/pools/{pool}"), Some(&body)).await;
        assert_eq!(answer.status, 200, "PUT {body}: {}", answer.text);
        answer.json
    }

    /// A valid body of a pool with a unique label.
    pub(super) fn draft(&self, label: &str) -> Value {
        json!({
            "provider_name": self.provider, "image": "ubuntu:24.04", "flavor": "small",
            "os_type": "linux", "os_arch": "amd64", "tags": [label], "max_runners": 5,
            "runner_bootstrap_timeout": 20,
        })
    }

    /// A pool of the organization made of [`Garm::draft`] and these fields.
    pub(super) async fn pool(&self, label: &str, fields: Value) -> Value {
        let body = merged(self.draft(label), fields);
        let path = format!("/organizations/{}/pools", self.organization);
        let answer = self.ask("POST", &path, Some(&body)).await;
        assert_eq!(answer.status, 200, "POST {body}: {}", answer.text);
        answer.json
    }

    /// The pool as listed.
    pub(super) async fn listed_pool(&self, id: &str) -> Value {
        let pools = self.get("/pools").await;
        pools.as_array().unwrap().iter().find(|it| it["id"] == id).unwrap().clone()
    }

    /// The instances of a pool.
    pub(super) async fn instances(&self, pool: &str) -> Vec<Value> {
        self.get(&format!("/pools/{pool}/instances")).await.as_array().unwrap().clone()
    }

    /// Waits until a pool has exactly this many instances, all with this VM and runner status.
    pub(super) async fn wait_for(
        &self,
        pool: &str,
        count: usize,
        vm: &str,
        phase: &str,
    ) -> Vec<Value> {
        let what = format!("{count} {vm}/{phase}");
        self.eventually(&what, async || {
            let all = self.instances(pool).await;
            let is_there = all.len() == count
                && all.iter().all(|it| it["status"] == vm && it["runner_status"] == phase);
            is_there.then_some(all)
        })
        .await
    }

    /// Polls until there is a result, or panics after the timeout.
    pub(super) async fn eventually<T>(
        &self,
        what: &str,
        mut look: impl AsyncFnMut() -> Option<T>,
    ) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(Instant::now() < end, "{}: waited in vain for {what}", self.base);
            tokio::time::sleep(self.pause).await;
        }
    }

    /// Deletes a pool, its runners first. In PostgreSQL a PUT and a pick-up may lock each other
    /// out, and GARM answers one of them with 500 (seen: `deadlock detected`).
    pub(super) async fn remove(&self, pool: &str) {
        let idle = json!({ "min_idle_runners": 0, "enabled": false });
        self.eventually("a disabled pool", async || {
            let answer = self.ask("PUT", &format!("/pools/{pool}"), Some(&idle)).await;
            let is_deadlock =
                answer.status == 500 && self.variant.database == GarmDatabase::Postgresql;
            assert!(answer.status == 200 || is_deadlock, "{}", answer.text);
            (answer.status == 200).then_some(())
        })
        .await;
        self.eventually("an empty pool", async || {
            let all = self.instances(pool).await;
            for it in &all {
                let path = format!("/instances/{}", it["name"].as_str().unwrap());
                if it["status"] == "running" || it["status"] == "error" {
                    self.ask("DELETE", &path, None).await;
                }
            }
            all.is_empty().then_some(())
        })
        .await;
        let answer = self.ask("DELETE", &format!("/pools/{pool}"), None).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    }

    /// Lets this many seconds of GARM's time pass.
    pub(super) async fn pass(&self, seconds: u32) {
        // The pause is a tenth of a second, or a fifth.
        tokio::time::sleep(self.pause * 10 * seconds).await;
    }

    /// Sends a request to the simulated GitHub's control API.
    pub(super) async fn github(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}/_lab{path}", self.github);
        let request = self.http.request(method.parse().unwrap(), url);
        let response =
            request.body(body.map(|it| it.to_string()).unwrap_or_default()).send().await.unwrap();
        assert!(response.status().is_success(), "{method} {path}: {}", response.status());
        serde_json::from_str(&response.text().await.unwrap()).unwrap()
    }

    /// Queues jobs for a label and returns their GitHub ids.
    pub(super) async fn queue(&self, label: &str, fields: Value) -> Vec<i64> {
        let body = merged(json!({ "count": 1, "labels": [label], "duration_s": 1 }), fields);
        let answer = self.github("POST", "/jobs", Some(body)).await;
        answer["ids"].as_array().unwrap().iter().map(|it| it.as_i64().unwrap()).collect()
    }

    /// GARM's row of a job, if there is one.
    pub(super) async fn job(&self, id: i64) -> Option<Value> {
        let jobs = self.get("/jobs").await;
        jobs.as_array().unwrap().iter().find(|it| it["workflow_job_id"] == id).cloned()
    }

    /// The status of GARM's response to the first webhook of a job, once there is one.
    pub(super) async fn delivered(&self, id: i64) -> Option<u64> {
        let all = self.github("GET", "/deliveries", None).await;
        let all = all.as_array().unwrap();
        all.iter().find(|it| it["job"] == id)?["status"].as_u64()
    }

    /// The job at GitHub.
    pub(super) async fn github_job(&self, id: i64) -> Value {
        let jobs = self.github("GET", "/jobs", None).await;
        jobs.as_array().unwrap().iter().find(|it| it["id"] == id).unwrap().clone()
    }

    /// Asserts an error: status, `error` and `details`.
    pub(super) fn assert_refused(&self, answer: &Answer, expected: (u16, &str, &str), what: &str) {
        let (status, error, details) = expected;
        assert_eq!(answer.status, status, "{} {what}: {}", self.base, answer.text);
        assert_eq!(
            answer.json,
            json!({ "error": error, "details": details }),
            "{} {what}",
            self.base
        );
    }
}

/// The fields of both objects; those of the second take precedence.
pub(super) fn merged(mut body: Value, fields: Value) -> Value {
    let Value::Object(fields) = fields else { panic!("{fields} is not an object") };
    body.as_object_mut().unwrap().extend(fields);
    body
}

/// The keys of an object.
pub(super) fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The names of a pool's tags, sorted, since GARM keeps no order.
pub(super) fn tags(pool: &Value) -> Vec<String> {
    let tags = pool["tags"].as_array().unwrap();
    let mut names: Vec<_> =
        tags.iter().map(|it| it["name"].as_str().unwrap_or("(no name)").to_owned()).collect();
    names.sort();
    names
}

/// An object's id.
pub(super) fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}
