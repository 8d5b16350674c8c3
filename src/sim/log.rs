//! The log of a world, which tests examine.

use jiff::Timestamp;

use super::json::{Object, quoted};

/// An event with its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    pub at: Timestamp,
    pub what: LogEvent,
}

/// An event in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEvent {
    JobQueued {
        /// GitHub's id of the job.
        job: i64,
        labels: Vec<String>,
    },
    JobStarted {
        /// GitHub's id of the job.
        job: i64,
        runner: String,
        /// Milliseconds since the job was queued.
        waited_ms: u64,
    },
    JobCompleted {
        /// GitHub's id of the job.
        job: i64,
        /// The conclusion: `success`, `failure` or `cancelled`.
        conclusion: String,
        /// Name of the runner; empty for a job that never had one.
        runner: String,
    },
    /// A runner was registered at GitHub.
    RunnerRegistered {
        runner: String,
        labels: Vec<String>,
    },
    RunnerOnline {
        runner: String,
    },
    /// A runner was removed from GitHub.
    RunnerRemoved {
        runner: String,
        /// `ephemeral`: its job was completed; `api`: GARM removed it.
        why: &'static str,
    },
    /// GitHub refused to remove a busy runner.
    RemovalRefused {
        runner: String,
    },
    /// A provider created a VM.
    VmCreated {
        name: String,
        provider: String,
        /// GARM's id of the pool.
        pool: String,
    },
    /// A provider failed to create a VM.
    VmCreateFailed {
        name: String,
        provider: String,
        /// The reason: `injected` or `quota`.
        why: &'static str,
    },
    /// A provider deleted a VM.
    VmDeleted {
        name: String,
        provider: String,
        /// The lifetime of the VM in milliseconds.
        alive_ms: u64,
        /// The job that the deletion killed, which must never happen.
        killed_job: Option<i64>,
    },
    /// A message to a scale set was lost.
    MessageLost {
        /// GitHub's ids of the jobs in it.
        jobs: Vec<i64>,
    },
    /// GARM crashed. It is back 3 seconds later.
    Crashed,
    WebhookDropped {
        /// GitHub's id of the job.
        job: i64,
        /// The webhook's action: `queued`, `in_progress` or `completed`.
        action: &'static str,
    },
    WebhookAnswered {
        /// GitHub's id of the job.
        job: i64,
        /// The webhook's action: `queued`, `in_progress` or `completed`.
        action: &'static str,
        /// The status of GARM's response.
        status: u16,
    },
}

impl LogEntry {
    /// A JSON object with `t` in seconds since 1970, `ev`, and the fields; durations in seconds.
    pub(crate) fn to_json(&self) -> String {
        let start = Object::new().raw("t", &seconds(self.at.as_millisecond()));
        match &self.what {
            LogEvent::JobQueued { job, labels } => {
                let labels = labels.iter().map(|label| quoted(label));
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
                let labels = labels.iter().map(|label| quoted(label));
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
            LogEvent::MessageLost { jobs } => start
                .text("ev", "message_lost")
                .list_if("jobs", jobs.iter().map(ToString::to_string))
                .end(),
            LogEvent::Crashed => start.text("ev", "crashed").end(),
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
                let killed = killed_job.map_or_else(|| "null".into(), |job| job.to_string());
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
            | LogEvent::MessageLost { .. }
            | LogEvent::Crashed
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
