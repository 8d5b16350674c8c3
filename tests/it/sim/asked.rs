//! A world with helpers to send requests as its admin and to advance its time.

use std::time::Duration;

use runnerctl::sim::{ApiRequest, JobBatch, SimConfig, World};
use serde_json::{Value, json};

/// A world and the admin's token.
pub(super) struct Asked(pub(super) World);

/// The body of a pool, with additional fields.
pub(super) fn draft(tags: &[&str], more: Value) -> Value {
    let mut body = json!({
        "provider_name": "sim", "image": "ubuntu:24.04", "flavor": "small",
        "os_type": "linux", "os_arch": "amd64", "tags": tags, "max_runners": 5,
        "runner_bootstrap_timeout": 20,
    });
    let Value::Object(more) = more else { panic!("{more} is not an object") };
    body.as_object_mut().unwrap().extend(more);
    body
}

impl Asked {
    /// A world in which GARM does not scale by itself within a day.
    pub(super) fn new() -> Self {
        Self(World::new(SimConfig { backoff: 86_400, ..SimConfig::default() }))
    }

    /// The status and JSON of a response.
    pub(super) fn answer(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let token = format!("Bearer {}", self.0.admin_token());
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let reply = self.0.handle(ApiRequest {
            method,
            path,
            authorization: Some(&token),
            body: body.as_bytes(),
        });
        (reply.status, serde_json::from_str(&reply.body).unwrap_or(Value::Null))
    }

    /// The JSON of a response.
    pub(super) fn ask(&mut self, method: &str, path: &str, body: &Value) -> Value {
        self.answer(method, path, body).1
    }

    /// The JSON of a GET.
    pub(super) fn get(&mut self, path: &str) -> Value {
        self.ask("GET", path, &Value::Null)
    }

    /// GARM's id of the first organization.
    pub(super) fn organization(&mut self) -> String {
        self.get("/organizations")[0]["id"].as_str().unwrap().to_owned()
    }

    /// Creates an enabled pool of the organization with additional fields; returns its path.
    pub(super) fn pool(&mut self, tag: &str, more: Value) -> String {
        let path = format!("/organizations/{}/pools", self.organization());
        let mut body = draft(&[tag], more);
        let fields = body.as_object_mut().unwrap();
        fields.entry("enabled").or_insert(json!(true));
        let pool = self.ask("POST", &path, &body);
        format!("/pools/{}", pool["id"].as_str().unwrap())
    }

    /// A PUT that must succeed.
    pub(super) fn put(&mut self, path: &str, body: &Value) -> Value {
        let (status, json) = self.answer("PUT", path, body);
        assert_eq!(status, 200, "{body}: {json}");
        json
    }

    /// `status/runner_status` of every instance of a pool.
    pub(super) fn states(&mut self, pool: &str) -> Vec<String> {
        let all = self.get(&format!("{pool}/instances"));
        let state = |it: &Value| {
            format!("{}/{}", it["status"].as_str().unwrap(), it["runner_status"].as_str().unwrap())
        };
        all.as_array().unwrap().iter().map(state).collect()
    }

    /// GARM's job rows: GitHub's id and status.
    pub(super) fn jobs(&mut self) -> Vec<(i64, String)> {
        let all = self.get("/jobs");
        let row = |it: &Value| {
            (it["workflow_job_id"].as_i64().unwrap(), it["status"].as_str().unwrap().to_owned())
        };
        all.as_array().unwrap().iter().map(row).collect()
    }

    /// Advances by this many seconds.
    pub(super) fn wait(&mut self, seconds: u64) {
        self.0.advance(Duration::from_secs(seconds));
    }

    /// Queues jobs for a label, each with this duration in seconds.
    pub(super) fn queue(&mut self, count: usize, label: &str, seconds: u64) -> Vec<i64> {
        self.0.queue_jobs(&JobBatch::new(count, &[label]).lasting(Duration::from_secs(seconds)))
    }

    /// How many seconds pass until a condition holds, rounded up; at most an hour.
    pub(super) fn seconds_until(&mut self, mut holds: impl FnMut(&mut Self) -> bool) -> u64 {
        for second in 0..3600 {
            if holds(self) {
                return second;
            }
            self.wait(1);
        }
        panic!("it does not hold within an hour");
    }
}
