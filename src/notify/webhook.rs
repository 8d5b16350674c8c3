//! Notifications for a webhook: JSON with a `text`, which Slack and similar services show, and the
//! alerts as data.

use serde_json::{Value, json};

use super::notification::Notification;
use crate::domain::text;
use crate::monitor::AlertStatus;

/// The maximum number of alerts in `text`; the others are only counted there. `alerts` has all of
/// them.
const LINES_MAX: usize = 20;

/// The body of the `POST`.
pub(super) fn body(notifications: &[Notification], enclosed: Option<&str>) -> Value {
    let is_firing = notifications.iter().any(|notification| notification.status.is_firing());
    let mut body = json!({
        "format_version": "1",
        "text": message(notifications),
        "status": if is_firing { "firing" } else { "resolved" },
        "alerts": notifications.iter().map(alert).collect::<Vec<_>>(),
    });
    if let Some(enclosed) = enclosed {
        // The statement is sent as a string, because its signature covers exactly these bytes.
        body["audit_anchor"] = enclosed.into();
    }
    body
}

fn alert(notification: &Notification) -> Value {
    let resolved_at = match notification.status {
        AlertStatus::Firing { .. } => None,
        AlertStatus::Resolved { at, .. } => Some(at.to_string()),
    };
    json!({
        "name": notification.rule,
        "status": notification.status.word(),
        "labels": notification.labels,
        "since": notification.status.since().to_string(),
        "resolved_at": resolved_at,
        "summary": notification.summary,
        "description": notification.description,
        "runbook_url": notification.runbook,
        "generator_url": Some(&notification.source).filter(|url| !url.is_empty()),
        "value": notification.value,
    })
}

fn message(notifications: &[Notification]) -> String {
    let mut lines: Vec<String> = notifications.iter().take(LINES_MAX).map(line).collect();
    if let [one] = notifications {
        let more = [one.description.clone(), format!("runbook: {}", one.runbook)];
        lines.extend(more.iter().filter(|line| !line.is_empty()).map(|line| plain(line)));
    }
    if let Some(rest @ 1..) = notifications.len().checked_sub(LINES_MAX) {
        lines.push(format!("and {rest} more"));
    }
    lines.join("\n")
}

fn line(notification: &Notification) -> String {
    let word = notification.status.word();
    format!("[{word}] {}: {}", plain(&notification.rule), plain(&notification.summary))
}

/// Escapes text for Slack, which reads `<…>` as a link or a mention, and `&` as the start of an
/// entity.
fn plain(words: &str) -> String {
    text::quote(words).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::notification::testing::{firing, resolved};
    use super::*;

    #[test]
    fn a_single_alert_is_sent_with_its_description() {
        let text = serde_json::to_string_pretty(&body(&[firing("default")], None)).unwrap();
        insta::assert_snapshot!(text, @r#"
        {
          "alerts": [
            {
              "description": "see `runnerctl status`",
              "generator_url": "http://127.0.0.1:9477/",
              "labels": {
                "fleet": "acme",
                "pool": "default"
              },
              "name": "QueueDepthHigh",
              "resolved_at": null,
              "runbook_url": "docs/operations.md#queuedepthhigh",
              "since": "2026-11-25T10:00:00Z",
              "status": "firing",
              "summary": "`queue_depth` of pool `default` is 25, above 20 for 5m",
              "value": 25.0
            }
          ],
          "format_version": "1",
          "status": "firing",
          "text": "[firing] QueueDepthHigh: `queue_depth` of pool `default` is 25, above 20 for 5m\nsee `runnerctl status`\nrunbook: docs/operations.md#queuedepthhigh"
        }
        "#);
    }

    #[test]
    fn many_alerts_are_sent_in_one_shortened_message() {
        let pools: Vec<String> = (0..23).map(|n| format!("p{n}")).collect();
        let mut all: Vec<Notification> = pools.iter().map(|pool| resolved(pool)).collect();
        assert_eq!(body(&all, None)["status"], "resolved");
        all[0] = firing("p0");
        let body = body(&all, None);
        let lines: Vec<&str> = body["text"].as_str().unwrap().lines().collect();
        assert_eq!(lines.len(), 21);
        assert_eq!(
            lines[0],
            "[firing] QueueDepthHigh: `queue_depth` of pool `p0` is 25, above 20 for 5m"
        );
        assert!(lines[1].starts_with("[resolved] QueueDepthHigh: "), "{}", lines[1]);
        assert_eq!(lines[20], "and 3 more");
        assert_eq!(body["alerts"].as_array().unwrap().len(), 23);
        assert_eq!(body["status"], "firing");
    }

    #[test]
    fn an_attachment_is_sent_as_text_byte_for_byte() {
        let body = body(&[firing("a")], Some(r#"{"v":1}"#));
        assert_eq!(body["audit_anchor"], r#"{"v":1}"#);
    }

    #[test]
    fn quoted_text_becomes_neither_a_link_nor_a_mention() {
        let summary = "<!channel> & \u{202e}<https://evil.example|here>".into();
        let text = message(&[Notification { summary, description: String::new(), ..firing("a") }]);
        assert_eq!(
            text,
            "[firing] QueueDepthHigh: &lt;!channel&gt; &amp; \\u{202e}&lt;https://evil.example|here&gt;\n\
             runbook: docs/operations.md#queuedepthhigh"
        );
    }
}
