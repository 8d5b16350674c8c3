//! The report of `audit verify` as text and JSON.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::document;
use super::style::{ERROR, GOOD, HELP, WARNING, paint};
use super::words::count;
use crate::audit::{Anchored, HmacStatus, Report};
use crate::domain::text::quote;

/// The maximum number of gaps, and of unfinished writes, that the text lists.
const SHOWN_MAX: usize = 20;

/// The report as text, without a final line feed. `files` is the number of files read.
pub fn text(report: &Report, files: usize) -> String {
    let mut lines = Vec::new();
    let records = usize::try_from(report.records).unwrap_or(usize::MAX);
    let span = match (&report.first, &report.head) {
        (Some(first), Some(head)) => format!(", {first} to {}", head.seq),
        (None, _) | (_, None) => String::new(),
    };
    let what = format!("{} in {}{span}", count(records, "record"), count(files, "file"));
    match &report.broken {
        None => lines.push(format!("{} {what}", paint(GOOD, "whole:"))),
        Some(broken) => {
            let place = match broken.line {
                0 => quote(&broken.file),
                line => format!("{}:{line}", quote(&broken.file)),
            };
            let label = paint(ERROR, "broken:");
            lines.push(format!("{label} {place}: record {}: {}", broken.seq, broken.reason));
            lines.push(format!("intact before it: {what}"));
        }
    }
    if let Some(head) = &report.head {
        lines.push(format!("head: {head}"));
    }
    lines.push(format!("HMAC: {}", macs_words(report.macs)));
    lines.extend(report.anchored.as_ref().map(|anchored| anchored_line(anchored, report)));
    lines.extend(gaps(report));
    lines.extend(unfinished(report));
    let note = |text: String| format!("{} {text}", paint(WARNING, "note:"));
    if report.lost > 0 {
        let lost = count(usize::try_from(report.lost).unwrap_or(usize::MAX), "record");
        lines.push(note(format!("{lost} could not be written: the log is not complete")));
    }
    if let Some(first) = report.first.filter(|seq| *seq > 1 && report.broken.is_none()) {
        let before = first - 1;
        lines.push(note(format!(
            "records 1 to {before} are archived: the given files continue them"
        )));
    }
    if report.macs == HmacStatus::Unchecked {
        lines.push(format!(
            "{} name the key with `--key REF`, as `watch.audit_key` does",
            paint(HELP, "help:")
        ));
    }
    lines.join("\n")
}

fn gaps(report: &Report) -> Vec<String> {
    let all = usize::try_from(report.gap_count).unwrap_or(usize::MAX);
    if all == 0 {
        return vec!["no gaps".into()];
    }
    let mut lines = vec![format!("{}:", count(all, "gap"))];
    let shown = report.gaps.iter().take(SHOWN_MAX);
    lines.extend(shown.map(|item| {
        let is_open = report.open_gaps.contains(&item.seq);
        let open = if is_open { paint(WARNING, " (open)") } else { String::new() };
        format!("  record {} at {}: {}{open}", item.seq, quote(&item.time), quote(&item.detail))
    }));
    lines.extend(rest(all));
    lines
}

fn anchored_line(anchored: &Anchored, report: &Report) -> String {
    let count = |n: u64| count(usize::try_from(n).unwrap_or(usize::MAX), "statement");
    let earlier = match anchored.earlier {
        0 => String::new(),
        n => format!("; {} about earlier records not compared", count(n)),
    };
    match &anchored.last {
        None => format!("anchored: no statement concerns these records{earlier}"),
        Some((seq, time)) => {
            let after = report.head.as_ref().map_or(0, |head| head.seq - seq);
            format!(
                "anchored: {} agree; records up to {seq} are as they were at {}, {after} came \
                 later{earlier}",
                count(anchored.statements),
                quote(time)
            )
        }
    }
}

fn unfinished(report: &Report) -> Vec<String> {
    let all = usize::try_from(report.unfinished_count).unwrap_or(usize::MAX);
    if all == 0 {
        return Vec::new();
    }
    let mut lines = vec![format!("{} without an outcome on record:", count(all, "write"))];
    let shown = report.unfinished.iter().take(SHOWN_MAX);
    lines.extend(shown.map(|item| {
        format!("  record {} at {}: {}", item.seq, quote(&item.time), quote(&item.what))
    }));
    lines.extend(rest(all));
    lines
}

fn rest(all: usize) -> Option<String> {
    let rest = all.checked_sub(SHOWN_MAX).filter(|rest| *rest > 0)?;
    Some(format!("  and {rest} more: `-o json` lists them"))
}

fn macs_words(macs: HmacStatus) -> &'static str {
    match macs {
        HmacStatus::Absent => "none",
        HmacStatus::Unchecked => "not checked",
        HmacStatus::Checked => "checked",
    }
}

/// The fields of the document of `audit verify -o json` besides `format_version` and `command`.
#[derive(Serialize, JsonSchema)]
struct ReportJson<'a> {
    whole: bool,
    files: &'a [&'a str],
    records: u64,
    first: Option<u64>,
    head: Option<HeadJson<'a>>,
    #[schemars(extend("enum" = [HmacStatus::Absent, HmacStatus::Unchecked, HmacStatus::Checked].map(macs_words)))]
    hmac: &'static str,
    gap_count: u64,
    /// The first of them; `gap_count` counts all.
    gaps: Vec<GapJson<'a>>,
    lost_records: u64,
    unfinished_count: u64,
    unfinished: Vec<UnfinishedJson<'a>>,
    anchored: Option<AnchoredJson<'a>>,
    #[serde(rename = "break")]
    broken: Option<BreakJson<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct HeadJson<'a> {
    seq: u64,
    hash: &'a str,
}

#[derive(Serialize, JsonSchema)]
struct GapJson<'a> {
    seq: u64,
    time: &'a str,
    detail: &'a str,
    open: bool,
}

#[derive(Serialize, JsonSchema)]
struct UnfinishedJson<'a> {
    seq: u64,
    time: &'a str,
    what: &'a str,
}

#[derive(Serialize, JsonSchema)]
struct AnchoredJson<'a> {
    statements: u64,
    earlier: u64,
    seq: Option<u64>,
    time: Option<&'a str>,
}

#[derive(Serialize, JsonSchema)]
struct BreakJson<'a> {
    file: &'a str,
    line: Option<usize>,
    seq: u64,
    reason: &'a str,
}

pub fn schema() -> Value {
    document::schema::<ReportJson<'_>>("audit", Some("audit"))
}

pub fn json(report: &Report, files: &[&str]) -> Value {
    let gaps = report.gaps.iter().map(|gap| GapJson {
        seq: gap.seq,
        time: &gap.time,
        detail: &gap.detail,
        open: report.open_gaps.contains(&gap.seq),
    });
    let unfinished = report.unfinished.iter().map(|write| UnfinishedJson {
        seq: write.seq,
        time: &write.time,
        what: &write.what,
    });
    document::value(&ReportJson {
        whole: report.broken.is_none(),
        files,
        records: report.records,
        first: report.first,
        head: report.head.as_ref().map(|head| HeadJson { seq: head.seq, hash: &head.hash }),
        hmac: macs_words(report.macs),
        gap_count: report.gap_count,
        gaps: gaps.collect(),
        lost_records: report.lost,
        unfinished_count: report.unfinished_count,
        unfinished: unfinished.collect(),
        anchored: report.anchored.as_ref().map(|anchored| AnchoredJson {
            statements: anchored.statements,
            earlier: anchored.earlier,
            seq: anchored.last.as_ref().map(|last| last.0),
            time: anchored.last.as_ref().map(|last| last.1.as_str()),
        }),
        broken: report.broken.as_ref().map(|broken| BreakJson {
            file: &broken.file,
            line: Some(broken.line).filter(|line| *line > 0),
            seq: broken.seq,
            reason: &broken.reason,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{ChainBreak, Gap, Head, UnfinishedWrite};

    fn report(broken: Option<ChainBreak>) -> Report {
        Report {
            records: 3,
            first: Some(2),
            head: Some(Head { seq: 4, hash: "ab".repeat(32) }),
            gaps: vec![Gap {
                seq: 3,
                time: "2026-01-02T03:04:05Z".into(),
                detail: "no\u{1b} stream".into(),
            }],
            gap_count: 1,
            open_gaps: vec![3],
            lost: 2,
            unfinished: vec![UnfinishedWrite {
                seq: 4,
                time: "2026-01-02T03:04:06Z".into(),
                what: "delete runner a\u{1b}".into(),
            }],
            unfinished_count: 1,
            anchored: Some(Anchored {
                statements: 2,
                earlier: 1,
                last: Some((3, "2026-01-02T03:04:05Z".into())),
            }),
            macs: HmacStatus::Unchecked,
            broken,
        }
    }

    fn broken() -> ChainBreak {
        let reason = "its hash does not match its bytes: it was altered".into();
        ChainBreak { file: "audit.jsonl".into(), line: 4, seq: 5, reason }
    }

    #[test]
    fn text_says_whether_the_log_is_complete_and_what_is_missing() {
        let plain = |report: &Report| anstream::adapter::strip_str(&text(report, 2)).to_string();
        insta::assert_snapshot!(plain(&report(None)));
        insta::assert_snapshot!(plain(&report(Some(broken()))));
    }

    #[test]
    fn json_has_the_whole_report() {
        let json = json(&report(Some(broken())), &["audit.jsonl"]);
        document::check(&schema(), &json);
        insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap());
    }
}
