//! Notifications for Alertmanager's API, version 2.

use serde_json::{Map, Value, json};

use super::notification::Notification;
use crate::monitor::AlertStatus;

/// The label for an alert without a severity. The Prometheus rules use the same value, so that one
/// route handles both.
const SEVERITY: (&str, &str) = ("severity", "page");

/// The body of `POST /api/v2/alerts`.
///
/// A firing alert has no end time: Alertmanager resolves it by its own clock, `resolve_timeout` (5
/// m by default) after it was last sent.
pub(super) fn body(notifications: &[Notification], enclosed: Option<&str>) -> Value {
    notifications.iter().map(|notification| alert(notification, enclosed)).collect()
}

fn alert(notification: &Notification, enclosed: Option<&str>) -> Value {
    let mut labels: Map<String, Value> =
        notification.labels.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    labels.entry(SEVERITY.0).or_insert(json!(SEVERITY.1));
    labels.insert("alertname".into(), json!(notification.rule));
    let mut alert = json!({
        "labels": labels,
        "annotations": {
            "summary": notification.summary,
            "description": notification.description,
            "runbook_url": notification.runbook,
            "value": notification.value.to_string(),
        },
        "startsAt": notification.status.since().to_string(),
    });
    // Alertmanager requires a URL here, so an empty one is omitted.
    if !notification.source.is_empty() {
        alert["generatorURL"] = json!(notification.source);
    }
    if let Some(enclosed) = enclosed {
        alert["annotations"]["audit_anchor"] = enclosed.into();
    }
    match notification.status {
        AlertStatus::Firing { .. } => {}
        // Alertmanager rejects an alert that ends before it starts, which happens if the clock was
        // set back.
        AlertStatus::Resolved { since, at } => alert["endsAt"] = json!(at.max(since).to_string()),
    }
    alert
}

#[cfg(test)]
mod tests {
    use super::super::notification::testing::{firing, resolved};
    use super::*;

    #[test]
    fn a_firing_alert_has_no_end_and_a_resolved_one_has() {
        let text =
            serde_json::to_string_pretty(&body(&[firing("a"), resolved("b")], None)).unwrap();
        insta::assert_snapshot!(text, @r#"
        [
          {
            "annotations": {
              "description": "see `runnerctl status`",
              "runbook_url": "docs/operations.md#queuedepthhigh",
              "summary": "`queue_depth` of pool `a` is 25, above 20 for 5m",
              "value": "25"
            },
            "generatorURL": "http://127.0.0.1:9477/",
            "labels": {
              "alertname": "QueueDepthHigh",
              "fleet": "acme",
              "pool": "a",
              "severity": "page"
            },
            "startsAt": "2026-11-25T10:00:00Z"
          },
          {
            "annotations": {
              "description": "see `runnerctl status`",
              "runbook_url": "docs/operations.md#queuedepthhigh",
              "summary": "`queue_depth` of pool `b` is 25, above 20 for 5m",
              "value": "25"
            },
            "endsAt": "2026-11-25T10:15:00Z",
            "generatorURL": "http://127.0.0.1:9477/",
            "labels": {
              "alertname": "QueueDepthHigh",
              "fleet": "acme",
              "pool": "b",
              "severity": "page"
            },
            "startsAt": "2026-11-25T10:00:00Z"
          }
        ]
        "#);
    }

    #[test]
    fn an_attachment_is_an_annotation() {
        let body = body(&[firing("a")], Some("{}"));
        assert_eq!(body[0]["annotations"]["audit_anchor"], "{}");
    }
}
