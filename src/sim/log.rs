//! What happened in a world, with its time: the tests' evidence.

use jiff::Timestamp;

use super::json::{Object, quoted};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: LogEvent,
}

/// The things that are noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEvent {
    /// GitHub has a new job.
    JobQueued {
        /// GitHub's id of the job.
        job: i64,
        /// What its `runs-on` asks for.
        labels: Vec<String>,
    },
    /// A runner took a job.
    JobStarted {
        /// GitHub's id of the job.
        job: i64,
        /// Name of the runner.
        runner: String,
        /// Milliseconds since the job was queued.
        waited_ms: u64,
    },
    /// A job is over.
    JobCompleted {
        /// GitHub's id of the job.
        job: i64,
        /// `success`, `failure`, `cancelled`.
        conclusion: String,
        /// Name of the runner; empty for a job that never had one.
        runner: String,
    },
    /// GitHub knows a new runner.
    RunnerRegistered {
        /// Name of the runner.
        runner: String,
        /// Its labels.
        labels: Vec<String>,
    },
    /// A runner can be given jobs.
    RunnerOnline {
        /// Name of the runner.
        runner: String,
    },
    /// GitHub has forgotten a runner.
    RunnerRemoved {
        /// Name of the runner.
        runner: String,
        /// `ephemeral`: its job is over; `api`: GARM asked for it.
        why: &'static str,
    },
    /// GitHub did not let a busy runner be removed.
    RemovalRefused {
        /// Name of the runner.
        runner: String,
    },
    /// A provider made a VM.
    VmCreated {
        /// Name of the instance.
        name: String,
        /// Name of the provider.
        provider: String,
        /// GARM's id of the pool.
        pool: String,
    },
    /// A provider refused to make a VM.
    VmCreateFailed {
        /// Name of the instance.
        name: String,
        /// Name of the provider.
        provider: String,
        /// `injected`, `quota`.
        why: &'static str,
    },
    /// A provider destroyed a VM.
    VmDeleted {
        /// Name of the instance.
        name: String,
        /// Name of the provider.
        provider: String,
        /// Milliseconds that it lived.
        alive_ms: u64,
        /// The job that died with it. Nothing must ever cause one.
        killed_job: Option<i64>,
    },
    /// A webhook was lost.
    WebhookDropped {
        /// GitHub's id of the job.
        job: i64,
        /// `queued`, `in_progress`, `completed`.
        action: &'static str,
    },
    /// A webhook was delivered.
    WebhookAnswered {
        /// GitHub's id of the job.
        job: i64,
        /// `queued`, `in_progress`, `completed`.
        action: &'static str,
        /// What GARM answered.
        status: u16,
    },
}

impl LogEntry {
    /// As one JSON object: `t` in seconds since 1970, `ev`, and the fields; durations in seconds.
    pub(crate) fn to_json(&self) -> String {
        let start = Object::new().raw("t", &seconds(self.at.as_millisecond()));
        match &self.what {
            LogEvent::JobQueued { job, labels } => {
                let labels = labels.iter().map(|it| quoted(it));
                start.text("ev", "job_queued").number("job", *job).list_if("labels", labels).end()
            }
            LogEvent::JobStarted { job, runner, waited_ms } => start
                .text("ev", "job_started")
                .number("job", *job)
                .text("runner", runner)
                .raw("waited", &milliseconds(*waited_ms))
                .end(),
            LogEvent::JobCompleted { job, conclusion, runner } => start
                .text("ev", "job_completed")
                .number("job", *job)
                .text("conclusion", conclusion)
                .raw("runner", &if runner.is_empty() { "null".into() } else { quoted(runner) })
                .end(),
            LogEvent::RunnerRegistered { runner, labels } => {
                let labels = labels.iter().map(|it| quoted(it));
                let start = start.text("ev", "runner_registered").text("runner", runner);
                start.list_if("labels", labels).end()
            }
            LogEvent::RunnerOnline { runner } => {
                start.text("ev", "runner_online").text("runner", runner).end()
            }
            LogEvent::RunnerRemoved { runner, why } => {
                start.text("ev", "runner_removed").text("runner", runner).text("why", why).end()
            }
            LogEvent::RemovalRefused { runner } => {
                start.text("ev", "runner_remove_refused").text("runner", runner).end()
            }
            LogEvent::VmCreated { .. }
            | LogEvent::VmCreateFailed { .. }
            | LogEvent::VmDeleted { .. } => self.vm_json(start),
            LogEvent::WebhookDropped { job, action } => {
                start.text("ev", "webhook_dropped").number("job", *job).text("action", action).end()
            }
            LogEvent::WebhookAnswered { job, action, status } => start
                .text("ev", "webhook_answered")
                .number("job", *job)
                .text("action", action)
                .number("status", *status)
                .end(),
        }
    }

    fn vm_json(&self, start: Object) -> String {
        match &self.what {
            LogEvent::VmCreated { name, provider, pool } => start
                .text("ev", "vm_created")
                .text("name", name)
                .text("provider", provider)
                .text("pool", pool)
                .end(),
            LogEvent::VmCreateFailed { name, provider, why } => start
                .text("ev", "vm_create_failed")
                .text("name", name)
                .text("provider", provider)
                .text("why", why)
                .end(),
            LogEvent::VmDeleted { name, provider, alive_ms, killed_job } => {
                let killed = killed_job.map_or_else(|| "null".into(), |it| it.to_string());
                start
                    .text("ev", "vm_deleted")
                    .text("name", name)
                    .text("provider", provider)
                    .raw("alive_s", &milliseconds(*alive_ms))
                    .raw("killed_job", &killed)
                    .end()
            }
            LogEvent::JobQueued { .. }
            | LogEvent::JobStarted { .. }
            | LogEvent::JobCompleted { .. }
            | LogEvent::RunnerRegistered { .. }
            | LogEvent::RunnerOnline { .. }
            | LogEvent::RunnerRemoved { .. }
            | LogEvent::RemovalRefused { .. }
            | LogEvent::WebhookDropped { .. }
            | LogEvent::WebhookAnswered { .. } => start.end(),
        }
    }
}

/// Milliseconds as seconds with three decimals.
pub(crate) fn milliseconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// Milliseconds since 1970 as seconds with three decimals.
pub(crate) fn seconds(ms: i64) -> String {
    milliseconds(u64::try_from(ms).unwrap_or(0))
}
