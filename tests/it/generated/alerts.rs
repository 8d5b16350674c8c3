//! `docs/alerts.md`: what receivers of alerts get, as a webhook records it.

use runnerctl::notify::{Attachment, Notification, Notifier, ReceiverApi};
use serde_json::Value;

use super::{keep, origin};
use crate::notify::hook::Hook;
use crate::notify::{Deliveries, firing, resolved, target};

const HEAD: &str = "\
`watch` sends alerts to the `receivers` of the fleet file. Three rules are always in force,
[`QueueDepthHigh`](operations.md#queuedepthhigh), [`GarmNotFollowing`](operations.md#garmnotfollowing) and
[`AuditLogChanged`](operations.md#auditlogchanged); `alerts:` of the fleet file adds others, and a rule of the same
name and series replaces a built-in one.

```yaml
# runnerctl.yaml
alerts:
  - name: JobsWaitLong
    when: oldest_queued_job_age_seconds
    above: 1200
    for: 1m
    notify: [chat]                  # left out: every receiver
receivers:
  oncall: { alertmanager: { url: https://alertmanager.example.com } }
  chat:   { webhook: { url: env:CHAT_WEBHOOK_URL } }
```

`when` names a series; [the fleet file](fleet.md) lists them. A series with a value for each pool is judged for each
pool. While GARM cannot be read, nothing begins to fire and nothing ends.

Each receiver has its own queue, so one that hangs delays no other. An alert is sent again while it fires. A receiver
that does not answer, or answers 429 or 5xx, is tried again, after ever longer waits; what became of each attempt is
in `runnerctl_alert_deliveries_total` and in the log. The address of a receiver is in neither.

## Alertmanager

`POST /api/v2/alerts` of Alertmanager's API, version 2. `severity` is `page`, as in the rules for Prometheus, so one
route serves both. `generatorURL` leads to the decisions of the `watch` that sends it. A firing alert has no `endsAt`: Alertmanager ends it `resolve_timeout` after it was sent last.

";

const WEBHOOK: &str = "
## Webhook

A `POST` of JSON. Slack, Mattermost and others that take Slack's format show `text` and ignore the rest; programs
read `alerts`. `status` is `firing` if any of the alerts is.

";

const FOOT: &str = "
| key | meaning |
|---|---|
| `format_version` | grows when a key changes its meaning or goes |
| `text` | one line for each alert, at most 20, then the number of the others; with a single alert also its description and its runbook. `&`, `<` and `>` are escaped, so no name can call a whole channel |
| `alerts[].name` | the name of the rule |
| `alerts[].status` | `firing` or `resolved` |
| `alerts[].labels` | `fleet`, and `pool` where the series has a value for each pool |
| `alerts[].since`, `resolved_at` | when it began to fire; when it ended, else `null` |
| `alerts[].summary`, `description` | what is the case; what to look at |
| `alerts[].value` | the value of the series |
| `alerts[].runbook_url` | the [runbook](operations.md#runbooks): a URL, or a path in the repository where none is known |
| `alerts[].generator_url` | the decisions of the `watch` that sends it, else `null` |
| `audit_anchor` | the newest signed statement about the audit log, as text, with `watch.audit_anchor.alerts: true` |

A receiver that wants another format needs a small program in between, or an Alertmanager, which knows most of
them.
";

/// With the texts of `watch`.
fn worded(notification: Notification) -> Notification {
    let description =
        "`runnerctl status` says what each pool does and why; its `/decisions` has every input";
    Notification { description: description.to_owned(), ..notification }
}

/// The bodies of the requests about an alert that fires and one that ends.
async fn bodies(kind: ReceiverApi) -> [Value; 2] {
    let mut hook = Hook::start([]).await;
    let endpoint = target("chat", kind, &hook.url());
    let mut notifier =
        Notifier::enclosing(vec![endpoint], Deliveries::default().report(), Attachment::default())
            .unwrap();
    notifier.tell(&worded(firing("default")), &[]);
    let first = hook.next().await;
    notifier.tell(&worded(resolved("default")), &[]);
    let second = hook.next().await;
    [first, second]
}

fn block(body: &Value) -> String {
    format!("```json\n{}\n```\n", serde_json::to_string_pretty(body).unwrap())
}

#[tokio::test]
async fn the_page_of_the_payloads_is_fresh() {
    let [firing, resolved] = bodies(ReceiverApi::Alertmanager).await;
    let mut page = format!(
        "# Alerts\n\n{}\n{HEAD}",
        origin("what a receiver was sent, and `tests/it/generated/alerts.rs`")
    );
    page.push_str(&format!(
        "{}\nand when it is over:\n\n{}{WEBHOOK}",
        block(&firing),
        block(&resolved)
    ));
    let [firing, _] = bodies(ReceiverApi::Webhook).await;
    page.push_str(&block(&firing));
    page.push_str(FOOT);
    keep("docs/alerts.md", &page);
}
