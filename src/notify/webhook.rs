//! Notifications as a webhook takes them: JSON with a `text` that Slack and its kin show, and the
//! alerts themselves for programs.

use serde_json::{Value, json};

use super::notification::Notification;
use crate::domain::text;
use crate::monitor::AlertStatus;

/// Lines of `text`; the rest is counted. `alerts` has all.
const LINES_MAX: usize = 20;

/// The body of the `POST`.
pub(super) fn body(notifications: &[Notification], enclosed: Option<&str>) -> Value {
    let is_firing = notifications.iter().any(|it| it.status.is_firing());
    let mut body = json!({
        "format_version": "1",
        "text": message(notifications),
        "status": if is_firing { "firing" } else { "resolved" },
        "alerts": notifications.iter().map(alert).collect::<Vec<_>>(),
    });
    if let Some(enclosed) = enclosed {
        // As text: its signature is of these very bytes.
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
        "value": notification.value,
    })
}

fn message(notifications: &[Notification]) -> String {
    let mut lines: Vec<String> = notifications.iter().take(LINES_MAX).map(line).collect();
    if let [one] = notifications
        && !one.description.is_empty()
    {
        lines.push(plain(&one.description));
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

/// Slack reads `<…>` as a link or a call to everybody, and `&` as the start of an entity.
fn plain(words: &str) -> String {
    text::quote(words).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::notification::testing::{firing, resolved};
    use super::*;

    #[test]
    fn one_alert_is_told_with_its_description() {
        let text = serde_json::to_string_pretty(&body(&[firing("default")], None)).unwrap();
        insta::assert_snapshot!(text, @r#"
        {
          "alerts": [
            {
              "description": "see `runnerctl status`",
              "labels": {
                "fleet": "acme",
                "pool": "default"
              },
              "name": "QueueDepthHigh",
              "resolved_at": null,
              "since": "2026-11-25T10:00:00Z",
              "status": "firing",
              "summary": "`queue_depth` of pool `default` is 25, above 20 for 5m",
              "value": 25.0
            }
          ],
          "format_version": "1",
          "status": "firing",
          "text": "[firing] QueueDepthHigh: `queue_depth` of pool `default` is 25, above 20 for 5m\nsee `runnerctl status`"
        }
        "#);
    }

    #[test]
    fn many_alerts_are_told_in_one_message_that_is_cut() {
        let pools: Vec<String> = (0..23).map(|it| format!("p{it}")).collect();
        let mut all: Vec<Notification> = pools.iter().map(|it| resolved(it)).collect();
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
    fn what_is_enclosed_goes_as_the_text_that_it_is() {
        let body = body(&[firing("a")], Some(r#"{"v":1}"#));
        assert_eq!(body["audit_anchor"], r#"{"v":1}"#);
    }

    #[test]
    fn nothing_quoted_becomes_a_link_or_a_call_to_everybody() {
        let summary = "<!channel> & \u{202e}<https://evil.example|here>".into();
        let text = message(&[Notification { summary, description: String::new(), ..firing("a") }]);
        assert_eq!(
            text,
            "[firing] QueueDepthHigh: &lt;!channel&gt; &amp; \\u{202e}&lt;https://evil.example|here&gt;"
        );
    }
}
