//! Audit records as lines of text, for `audit show`.

use jiff::Timestamp;
use serde_json::Value;

use super::style::{ERROR, NAME, QUIET, WARNING, paint};
use crate::audit::SelectedKind;
use crate::domain::text;

/// The maximum number of changed values in a line.
const CHANGES_MAX: usize = 4;

/// The minimum widths of all columns except the last. A longer value widens its line.
const WIDTHS: [usize; 5] = [20, 18, 12, 20, 22];

/// The header line for records of [`line()`].
pub fn header() -> String {
    let names = ["TIME", "ACT", "POOL", "RUNNER", "BY"];
    let columns = names.iter().zip(WIDTHS).map(|(name, width)| format!("{name:width$}"));
    let columns: Vec<String> = columns.collect();
    paint(QUIET, format!("{}  OUTCOME", columns.join("  ")))
}

/// A record as one line, aligned with [`header`].
pub fn line(kind: SelectedKind, members: &Value) -> String {
    let time = seconds(&members["time"]).unwrap_or_else(|| "–".into());
    let act = word(&members["act"]);
    let detail = members["detail"].as_str().map(|detail| format!(": {}", text::quote(detail)));
    let detail = detail.unwrap_or_default();
    match kind {
        SelectedKind::Gap => {
            let label = paint(WARNING, "gap:");
            format!("{time:20}  {label} {act}{}{detail}", span(&members["after"]))
        }
        SelectedKind::Key => format!("{time:20}  {} {act}{detail}", paint(WARNING, "key:")),
        SelectedKind::Plain => plain(&time, &act, members),
    }
}

fn plain(time: &str, act: &str, members: &Value) -> String {
    let subject = &members["subject"];
    let pool = [&subject["pool"], &subject["pool_id"]].into_iter().find(|value| value.is_string());
    let pool = pool.map_or_else(|| "–".to_owned(), word);
    let runner =
        if subject["runner"].is_string() { word(&subject["runner"]) } else { "–".into() };
    let [time_width, act_width, pool_width, runner_width, by_width] = WIDTHS;
    let by = by(members);
    let about = about(members);
    let line = format!(
        "{time:time_width$}  {act:act_width$}  {}  {}  {by:by_width$}  {about}",
        paint(NAME, format!("{pool:pool_width$}")),
        paint(NAME, format!("{runner:runner_width$}")),
    );
    line.trim_end().to_owned()
}

/// A timestamp with a precision of one second; `None` if the value is not a timestamp.
fn seconds(time: &Value) -> Option<String> {
    let time: Timestamp = time.as_str()?.parse().ok()?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// The user and command of a write, or the initiator of an event.
fn by(members: &Value) -> String {
    match members["by"].as_str() {
        Some("us") => "runnerctl".into(),
        Some(party) => text::quote(party),
        None => {
            let user = word(&members["actor"]["user"]);
            let command = members["cause"]["command"].as_str().unwrap_or_default();
            if command.is_empty() { user } else { format!("{user}, {}", text::quote(command)) }
        }
    }
}

/// The outcome of a write, changed values, the job, and the decision or plan behind it, joined by
/// semicolons.
fn about(members: &Value) -> String {
    let (before, after) = (&members["before"], &members["after"]);
    let mut parts = Vec::new();
    match (members["kind"].as_str(), members["verdict"].as_str()) {
        (_, Some("done")) => parts.push("done".to_owned()),
        (_, Some(verdict)) => parts.push(paint(ERROR, text::quote(verdict))),
        (Some("intent"), None) => parts.push(format!("asks{}", changes(before, after))),
        (Some("event"), None) if is_change(&members["act"]) => {
            parts.push(changes(before, after).trim_start().to_owned());
        }
        (_, None) => {}
    }
    let value = |key: &str| [&after[key], &before[key]].into_iter().find(|value| !value.is_null());
    let mut jobs: Vec<&Value> = ["job", "last_job"].into_iter().filter_map(value).collect();
    jobs.dedup();
    parts.extend(jobs.into_iter().map(|job| format!("job {}", shown(job))));
    parts.extend(value("conclusion").map(shown));
    for text in [&after["provider_fault"], &members["detail"]] {
        parts.extend(text.as_str().map(text::said));
    }
    let marks = ["reconstructed", "late"].into_iter().filter(|mark| members[*mark] == true);
    parts.extend(marks.map(str::to_owned));
    let cause = &members["cause"];
    match (cause["decision"].as_str(), cause["plan"].as_str()) {
        (Some(decision), _) => parts.push(format!("decision: {}", text::quote(decision))),
        (None, Some(plan)) => {
            let start: String = plan.chars().take(8).collect();
            parts.push(format!("plan {}", text::quote(&start)));
        }
        (None, None) => {}
    }
    parts.join("; ")
}

/// Whether the event is a change of settings by others.
fn is_change(act: &Value) -> bool {
    ["pool changed", "controller changed"].iter().any(|changed| act == changed)
}

/// ` KEY BEFORE → AFTER, …` for values that differ, with a leading space; empty if there are none.
fn changes(before: &Value, after: &Value) -> String {
    let Some(wanted) = after.as_object() else { return String::new() };
    let is_plain = |value: &Value| !value.is_object() && !value.is_array();
    let differs = |entry: &(&String, &Value)| before[entry.0.as_str()] != *entry.1;
    let change = |(key, value): (&String, &Value)| {
        let old = &before[key.as_str()];
        let key = text::quote(key);
        match (is_plain(value) && is_plain(old), old.is_null()) {
            (true, false) => format!("{key} {} → {}", shown(old), shown(value)),
            (true, true) => format!("{key} {}", shown(value)),
            (false, _) => key,
        }
    };
    let changed: Vec<String> = wanted.iter().filter(differs).map(change).collect();
    match changed.is_empty() {
        true => String::new(),
        false => format!(" {}", text::list(changed, CHANGES_MAX)),
    }
}

/// ` (FROM to UNTIL)` of a gap, with a leading space; empty if both are unknown.
fn span(after: &Value) -> String {
    match (seconds(&after["from"]), seconds(&after["until"])) {
        (Some(from), Some(until)) => format!(" ({from} to {until})"),
        (Some(from), None) => format!(" (since {from})"),
        (None, Some(until)) => format!(" (until {until})"),
        (None, None) => String::new(),
    }
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| "–".into(), text::quote)
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "\"\"".into(),
        Value::String(text) => text::quote(text),
        other => text::quote(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_is_one_line() {
        let actor = json!({ "user": "ada (uid 1000)", "host": "box", "pid": 7 });
        let subject = json!({ "pool": "default", "pool_id": "d2", "runner": "default-w1uv" });
        let pool = json!({ "pool": "default", "pool_id": "d2" });
        let log = json!({ "log": true });
        let at = |second: u32| format!("2026-01-02T03:04:{second:02}.123Z");
        let records = [
            (
                SelectedKind::Plain,
                json!({
                    "time": at(1), "kind": "intent", "act": "set level", "actor": actor,
                    "subject": pool, "before": { "min_idle_runners": 0 },
                    "after": { "min_idle_runners": 3 },
                    "cause": { "command": "watch", "decision": "starts 3 runners" },
                }),
            ),
            (
                SelectedKind::Plain,
                json!({
                    "time": at(2), "kind": "outcome", "act": "set level", "actor": actor,
                    "subject": pool, "verdict": "refused", "detail": "GARM says\u{1b}[2J no",
                    "cause": { "command": "apply", "plan": "0123456789abcdef" },
                }),
            ),
            (
                SelectedKind::Plain,
                json!({
                    "time": at(3), "kind": "event", "act": "runner active", "actor": actor,
                    "subject": subject, "by": "GARM", "cause": { "command": "watch" },
                    "after": { "status": "running", "runner_status": "active", "job": 77 },
                }),
            ),
            (
                SelectedKind::Plain,
                json!({
                    "time": at(4), "kind": "event", "act": "runner gone", "subject": subject,
                    "by": "unknown", "reconstructed": true,
                    "before": { "job": 77, "last_job": 77, "conclusion": "success" },
                }),
            ),
            (
                SelectedKind::Gap,
                json!({
                    "time": at(5), "kind": "gap", "act": "stream lost", "subject": log,
                    "after": { "from": "2026-01-02T03:00:00Z", "until": null },
                    "detail": "GARM closed it",
                }),
            ),
            (
                SelectedKind::Key,
                json!({
                    "time": at(6), "kind": "event", "act": "audit key changed", "subject": log,
                }),
            ),
        ];
        let lines: Vec<String> = records.iter().map(|(kind, it)| line(*kind, it)).collect();
        assert!(lines.iter().all(|line| !line.contains('\n')), "{lines:?}");
        let text = format!("{}\n{}", header(), lines.join("\n"));
        insta::assert_snapshot!(strip_str(&text).to_string());
    }

    #[test]
    fn a_change_by_others_shows_the_values() {
        let mut change = json!({
            "kind": "event", "act": "pool changed", "by": "unknown",
            "before": { "max_runners": 20, "image": "a" },
            "after": { "max_runners": 7, "image": "b" },
        });
        assert_eq!(about(&change), "image a → b and max_runners 20 → 7");
        change["act"] = json!("runner idle");
        assert_eq!(about(&change), "");
    }
}
