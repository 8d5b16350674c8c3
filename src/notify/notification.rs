//! An alert in the form in which it is delivered.

use std::collections::BTreeMap;

use crate::monitor::AlertStatus;

/// The state of an alert at one time. Rule and labels identify the alert; a later notification with
/// the same rule and labels replaces this one.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// The name of the rule, such as `QueueDepthHigh`.
    pub rule: String,
    /// The labels that identify the subject, for example `fleet` and `pool`. Their names consist of
    /// letters, digits and `_`.
    pub labels: BTreeMap<String, String>,
    pub status: AlertStatus,
    /// One sentence without a full stop.
    pub summary: String,
    /// What to look at next; may be empty.
    pub description: String,
    /// The location of its runbook: a URL, or a path in the repository.
    pub runbook: String,
    /// The URL of the status page; empty if no pages are served.
    pub source: String,
    /// The value of the series.
    pub value: f64,
}

impl Notification {
    pub(super) fn key(&self) -> AlertKey {
        (self.rule.clone(), self.labels.clone())
    }
}

/// The identity of an alert: rule and labels.
pub(super) type AlertKey = (String, BTreeMap<String, String>);

#[cfg(test)]
pub(super) mod testing {
    use jiff::Timestamp;

    use super::*;

    /// A time on the day of the tests, by hour, minute and second.
    pub(crate) fn at(clock: &str) -> Timestamp {
        format!("2026-11-25T{clock}Z").parse().unwrap()
    }

    /// `QueueDepthHigh` of a pool, firing since ten o'clock.
    pub(crate) fn firing(pool: &str) -> Notification {
        Notification {
            rule: "QueueDepthHigh".into(),
            labels: [("fleet", "acme"), ("pool", pool)]
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
            status: AlertStatus::Firing { since: at("10:00:00") },
            summary: format!("`queue_depth` of pool `{pool}` is 25, above 20 for 5m"),
            description: "see `runnerctl status`".into(),
            runbook: "docs/operations.md#queuedepthhigh".into(),
            source: "http://127.0.0.1:9477/".into(),
            value: 25.0,
        }
    }

    /// The same alert, resolved at a quarter past ten.
    pub(crate) fn resolved(pool: &str) -> Notification {
        let status = AlertStatus::Resolved { since: at("10:00:00"), at: at("10:15:00") };
        Notification { status, ..firing(pool) }
    }
}
