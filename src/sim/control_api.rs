//! The world's control API, `/_lab/…`: queue jobs, change knobs, read the log. It needs no token;
//! it is for scripts that observe or drive a sandbox or a test.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::config::Knobs;
use super::github::{GitHubJob, JobBatch};
use super::json::{Object, Truth, list, quoted};
use super::log::{self, LogEvent};
use super::query;
use super::reply::ApiReply;
use super::routes::ApiRequest;
use super::world::World;

/// The body of `POST /_lab/jobs`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JobsRequest {
    #[serde(default = "one")]
    count: usize,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default = "two_seconds")]
    duration_s: f64,
    #[serde(default)]
    repo: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    hold: bool,
    #[serde(default)]
    conclusion: Option<String>,
}

fn one() -> usize {
    1
}

fn two_seconds() -> f64 {
    2.0
}

impl World {
    /// Handles a request below `/_lab`; `path` excludes that prefix.
    pub fn handle_lab(&mut self, request: ApiRequest<'_>) -> ApiReply {
        let (path, query) = request.path.split_once('?').unwrap_or((request.path, ""));
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (request.method, segments.as_slice()) {
            ("GET", ["health"]) => ApiReply::json(r#"{"ok":true}"#.into()),
            ("POST", ["jobs"]) => self.lab_queue(request.body),
            ("GET", ["jobs"]) => ApiReply::json(self.lab_jobs(query)),
            ("POST", ["jobs", id, what]) => self.lab_job(id, what),
            ("GET", ["config"]) => self.lab_knobs(),
            ("POST" | "PUT", ["config"]) => self.lab_turn(request.body),
            ("GET", ["state"]) => ApiReply::json(self.lab_state()),
            ("GET", ["log"]) => ApiReply::json(self.lab_log(query, |_| true)),
            ("GET", ["deliveries"]) => {
                let is_answer =
                    |event: &LogEvent| matches!(event, LogEvent::WebhookAnswered { .. });
                ApiReply::json(self.lab_log(query, is_answer))
            }
            _ => failure(404, "no such route"),
        }
    }

    fn lab_queue(&mut self, body: &[u8]) -> ApiReply {
        let body: JobsRequest = match serde_json::from_slice(body) {
            Ok(body) => body,
            Err(error) => return failure(400, &error.to_string()),
        };
        let Ok(duration) = Duration::try_from_secs_f64(body.duration_s) else {
            return failure(400, "duration_s is not a duration");
        };
        let ids = self.queue_jobs(&JobBatch {
            count: body.count,
            labels: body.labels,
            duration,
            repository: body.repo.unwrap_or_default(),
            name: body.name.unwrap_or_else(|| "build".into()),
            is_held: body.hold,
            conclusion: body.conclusion.unwrap_or_else(|| "success".into()),
        });
        let ids = list(ids.iter().map(ToString::to_string));
        ApiReply::with_status(201, Object::new().raw("ids", &ids).end())
    }

    fn lab_jobs(&self, query: &str) -> String {
        let status = query::value(query, "status");
        let rows = self
            .github
            .jobs
            .iter()
            .filter(|(_, job)| status.as_deref().is_none_or(|wanted| wanted == job.status));
        list(rows.map(|(id, job)| show_work(*id, job)))
    }

    fn lab_job(&mut self, id: &str, what: &str) -> ApiReply {
        let id = id.parse().ok().filter(|id| self.github.jobs.contains_key(id));
        let Some(id) = id else {
            return failure(404, "no such job");
        };
        match what {
            "cancel" => self.end_job(id, "cancelled"),
            "complete" => self.finish_job(id, None),
            "release" => self.release_job(id),
            "redeliver" => self.redeliver(id),
            _ => return failure(404, "no such route"),
        }
        ApiReply::json(r#"{"ok":true}"#.into())
    }

    fn lab_knobs(&self) -> ApiReply {
        match serde_json::to_string(self.knobs()) {
            Ok(text) => ApiReply::json(text),
            Err(error) => failure(500, &error.to_string()),
        }
    }

    /// Changes the knobs in the body.
    fn lab_turn(&mut self, body: &[u8]) -> ApiReply {
        let turned = serde_json::to_value(self.knobs()).and_then(|mut all| {
            let given: BTreeMap<String, serde_json::Value> = serde_json::from_slice(body)?;
            if let Some(map) = all.as_object_mut() {
                map.extend(given);
            }
            serde_json::from_value::<Knobs>(all)
        });
        match turned {
            Ok(knobs) => {
                *self.knobs_mut() = knobs;
                self.lab_knobs()
            }
            Err(error) => failure(400, &error.to_string()),
        }
    }

    fn lab_state(&self) -> String {
        let mut statuses: BTreeMap<&str, u64> = BTreeMap::new();
        let mut conclusions: BTreeMap<&str, u64> = BTreeMap::new();
        for work in self.github.jobs.values() {
            *statuses.entry(work.status).or_default() += 1;
            if work.status == "completed" {
                *conclusions.entry(&work.conclusion).or_default() += 1;
            }
        }
        let runners = self.github.runners.iter().map(|(id, runner)| {
            Object::new()
                .number("id", *id)
                .text("name", &runner.name)
                .text("status", if runner.is_online { "online" } else { "offline" })
                .truth("busy", Truth(runner.job.is_some()))
                .raw("labels", &list(runner.labels.iter().map(|label| quoted(label))))
                .raw("job", &runner.job.map_or_else(|| "null".into(), |job| job.to_string()))
                .end()
        });
        let vms = self.vms.iter().map(|(id, vm)| {
            Object::new()
                .text("provider_id", id)
                .text("name", &vm.name)
                .text("provider", &vm.provider)
                .text("pool_id", &vm.pool)
                .text("state", vm.state)
                .end()
        });
        let sets = self.github.scale_sets.iter().map(|(id, set)| {
            Object::new()
                .number("id", *id)
                .text("name", &set.name)
                .truth("session", Truth(self.has_session(*id)))
                .number("assigned", self.assigned_jobs(*id))
                .end()
        });
        Object::new()
            .raw("jobs", &counts(&statuses))
            .raw("conclusions", &counts(&conclusions))
            .raw("scale_sets", &list(sets))
            .raw("runners", &list(runners))
            .raw("vms", &list(vms))
            .end()
    }

    fn lab_log(&self, query: &str, is_asked: fn(&LogEvent) -> bool) -> String {
        let since =
            query::value(query, "since").and_then(|since| since.parse().ok()).unwrap_or(0.0);
        let since = Duration::try_from_secs_f64(since).unwrap_or_default().as_millis();
        let is_wanted =
            |at: jiff::Timestamp| u128::try_from(at.as_millisecond()).unwrap_or(0) >= since;
        let entries = self.log.iter().filter(|entry| is_wanted(entry.at) && is_asked(&entry.what));
        list(entries.map(log::LogEntry::to_json))
    }
}

fn show_work(id: i64, work: &GitHubJob) -> String {
    let runner = work.runner.as_ref().map_or_else(
        || "null".into(),
        |(id, name)| Object::new().number("id", *id).text("name", name).end(),
    );
    let conclusion =
        if work.status == "completed" { quoted(&work.conclusion) } else { "null".into() };
    Object::new()
        .number("id", id)
        .text("name", &work.name)
        .raw("labels", &list(work.labels.iter().map(|label| quoted(label))))
        .text("status", work.status)
        .raw("conclusion", &conclusion)
        .text("owner", &work.owner)
        .text("repo", &work.repository)
        .raw("runner", &runner)
        .truth("hold", Truth(work.is_held))
        .end()
}

fn counts(of: &BTreeMap<&str, u64>) -> String {
    of.iter().fold(Object::new(), |object, (key, count)| object.number(key, *count)).end()
}

fn failure(status: u16, why: &str) -> ApiReply {
    ApiReply::with_status(status, Object::new().text("error", why).end())
}
