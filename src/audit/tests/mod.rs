//! The chain and the check of it.

mod keys;
mod tails;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::name::{PoolId, PoolName};

fn actor() -> Actor {
    Actor { user: "ada".into(), host: "box".into(), pid: 7, version: "0.1.0".into() }
}

fn entry(kind: RecordKind, detail: &str) -> Entry {
    Entry {
        time: "2026-01-02T03:04:05Z".parse().unwrap(),
        actor: actor(),
        kind,
        act: "update pool".into(),
        subject: Subject::Pool {
            name: PoolName::new("default").unwrap(),
            id: Some(PoolId::new("p-1")),
        },
        before: Some(json!({ "image": "a" })),
        after: Some(json!({ "image": "b" })),
        cause: Cause {
            command: "apply".into(),
            plan: Some("d1".into()),
            fleet: Some("acme".into()),
            ..Cause::default()
        },
        seen: None,
        intent: None,
        verdict: Some(Verdict::Done),
        detail: detail.into(),
    }
}

fn note() -> LogNote {
    LogNote { time: Timestamp::UNIX_EPOCH, actor: actor(), cause: Cause::default() }
}

fn log(records: usize, key: Option<&Key>) -> (String, Head) {
    let mut head = Head::start();
    let mut text = String::new();
    for index in 0..records {
        let (line, next) = seal(&entry(RecordKind::Event, &format!("number {index}")), &head, key);
        text.push_str(&line);
        head = next;
    }
    (text, head)
}

fn check(text: &[u8]) -> Report {
    verify(&[NamedFile { name: "log", bytes: text }], CheckCriteria::default())
}

fn broken(report: &Report) -> (usize, u64, &str) {
    let broken = report.broken.as_ref().expect("a break was expected");
    (broken.line, broken.seq, broken.reason.as_str())
}

#[test]
fn a_record_is_a_line_that_contains_its_chain() {
    let (line, head) = seal(&entry(RecordKind::Outcome, "it\nis"), &Head::start(), None);
    insta::assert_snapshot!(line, @r#"{"v":1,"seq":1,"prev":"0000000000000000000000000000000000000000000000000000000000000000","act":"update pool","actor":{"host":"box","pid":7,"user":"ada","version":"0.1.0"},"after":{"image":"b"},"before":{"image":"a"},"cause":{"command":"apply","fleet":"acme","plan":"d1"},"detail":"it\\nis","kind":"outcome","subject":{"pool":"default","pool_id":"p-1"},"time":"2026-01-02T03:04:05Z","verdict":"done","hash":"7d9a86da0d9463fdfe4e5a8460a27a43b1706429ce9258b597e645737bc3ff09"}"#);
    assert_eq!(head.seq, 1);
}

#[test]
fn empty_and_unaltered_logs_verify() {
    assert_eq!(check(b""), Report::default());
    let (text, head) = log(3, None);
    let whole = Report { records: 3, first: Some(1), head: Some(head), ..Report::default() };
    assert_eq!(check(text.as_bytes()), whole);
}

#[test]
fn rotated_files_are_checked_in_the_order_of_their_records() {
    let (text, head) = log(4, None);
    let cut = text.match_indices('\n').nth(1).unwrap().0 + 1;
    let (old, new) = text.split_at(cut);
    let file = |name, bytes: &'static str| NamedFile { name, bytes: bytes.as_bytes() };
    let (old, new): (&'static str, &'static str) = (old.to_owned().leak(), new.to_owned().leak());
    let end = CheckCriteria { head: Some(&head), ..CheckCriteria::default() };
    let report = verify(&[file("new", new), file("old", old)], end);
    assert_eq!((report.records, report.broken), (4, None));
    // Without the first file, records are missing, unless its end is given.
    let report = verify(&[file("new", new)], CheckCriteria::default());
    let missing = "records 1 to 2 are missing: give the files that contain them, or the end of the \
                   archive with `--since SEQ:HASH`";
    assert_eq!((report.first, broken(&report)), (Some(3), (1, 1, missing)));
    let archived = check(old.as_bytes()).head.unwrap();
    let since = CheckCriteria { since: Some(&archived), ..CheckCriteria::default() };
    let report = verify(&[file("new", new)], since);
    assert_eq!((report.first, report.broken), (Some(3), None));
    let other = Head { hash: head.hash, ..archived };
    let report = verify(
        &[file("new", new)],
        CheckCriteria { since: Some(&other), ..CheckCriteria::default() },
    );
    assert_eq!(
        broken(&report),
        (1, 1, format!("it does not continue the archive, which ends at {other}").as_str())
    );
}

#[test]
fn a_removed_record_is_reported_missing() {
    let (text, _) = log(5, None);
    let lines: Vec<&str> = text.lines().collect();
    let cut = format!("{}\n{}\n", lines[0], lines[3]);
    let report = check(cut.as_bytes());
    assert_eq!(broken(&report), (2, 2, "records 2 to 3 are missing"));
    let again = format!("{}\n{}\n", lines[0], lines[0]);
    let report = check(again.as_bytes());
    assert_eq!(broken(&report), (2, 2, "record 1 is repeated or out of order"));
}

#[test]
fn only_a_remembered_head_reveals_a_cut_at_the_end() {
    let (text, head) = log(3, None);
    let cut = text.match_indices('\n').nth(1).unwrap().0 + 1;
    let file = NamedFile { name: "log", bytes: &text.as_bytes()[..cut] };
    assert_eq!(verify(&[file], CheckCriteria::default()).broken, None);
    let report = verify(&[file], CheckCriteria { head: Some(&head), ..CheckCriteria::default() });
    assert_eq!(broken(&report), (0, 3, "records 3 to 3 are missing at the end"));
}

#[test]
fn a_torn_line_is_accepted_if_a_gap_record_reports_it() {
    let (text, head) = log(2, None);
    let torn = br#"{"v":1,"seq":3,"prev":"ab"#;
    let gap = note().torn(&Torn::of(torn));
    let (line, next) = seal(&gap, &head, None);
    let all = [text.as_bytes(), torn, b"\n", line.as_bytes()].concat();
    let detail = "the previous record was not written completely".to_owned();
    let expected = Report {
        records: 3,
        first: Some(1),
        head: Some(next),
        gaps: vec![Gap { seq: 3, time: "1970-01-01T00:00:00Z".into(), detail }],
        gap_count: 1,
        ..Report::default()
    };
    assert_eq!(check(&all), expected);
    let other = [text.as_bytes(), b"something else\n", line.as_bytes()].concat();
    assert_eq!(
        broken(&check(&other)),
        (3, 3, "the line is not a complete record, and the next one does not report it")
    );
}

/// A log of these records.
fn of(entries: &[Entry]) -> Report {
    let (mut text, mut head) = (String::new(), Head::start());
    for entry in entries {
        let (line, next) = seal(entry, &head, None);
        text.push_str(&line);
        head = next;
    }
    check(text.as_bytes())
}

#[test]
fn writes_without_an_outcome_are_listed() {
    let outcome = |of: u64| Entry { intent: Some(of), ..entry(RecordKind::Outcome, "") };
    let report = of(&[
        entry(RecordKind::Intent, ""),
        entry(RecordKind::Intent, ""),
        outcome(1),
        // The outcome of an intent in a file that is not checked.
        outcome(900),
    ]);
    let what = "update pool default".to_owned();
    let time = "2026-01-02T03:04:05Z".to_owned();
    assert_eq!(report.unfinished, [UnfinishedWrite { seq: 2, time, what }]);
    assert_eq!((report.unfinished_count, report.broken), (1, None));
}

#[test]
fn lost_records_are_counted() {
    let since = Some(Timestamp::UNIX_EPOCH);
    let report =
        of(&[note().lost(3, since, "the disk is full"), note().lost(2, since, "too late")]);
    assert_eq!((report.lost, report.gap_count), (5, 2));
}

#[test]
fn a_gap_is_open_until_it_is_closed_or_its_watch_ends() {
    let event = |act: &str| Entry { act: act.into(), ..entry(RecordKind::Event, "") };
    let open = Entry { after: Some(json!({ "until": null })), ..entry(RecordKind::Gap, "") };
    assert_eq!(of(std::slice::from_ref(&open)).open_gaps, [1]);
    for end in ["gap closed", "watch stopped", "watch started"] {
        assert_eq!(of(&[open.clone(), event(end)]).open_gaps, [0; 0], "{end}");
    }
    assert_eq!(of(&[open, event("runner idle")]).open_gaps, [1]);
}

#[test]
fn a_record_that_reports_altered_records_is_a_break() {
    let head = |seq: u64| Head { seq, hash: "ab".repeat(32) };
    let harm = DamageKind::Altered("record 9 is no longer in its place".into());
    let damage = Damage { harm, known: head(9), found: Some(head(2)) };
    let report = of(&[entry(RecordKind::Event, ""), note().damaged(&damage)]);
    let hash = "ab".repeat(32);
    let reason = format!(
        "it reports that records were cut or changed: the head was 9:{hash}, then 2:{hash}"
    );
    assert_eq!(broken(&report), (2, 2, reason.as_str()));
    // An emptied or deleted log continues its chain; its older part is missing or archived.
    for harm in [DamageKind::Emptied, DamageKind::Removed] {
        let damage = Damage { harm, known: head(1), found: None };
        let report = of(&[entry(RecordKind::Event, ""), note().damaged(&damage)]);
        assert_eq!((report.broken, report.gap_count), (None, 1));
    }
}

proptest! {
    #[test]
    fn any_changed_byte_is_found_at_its_record(
        place in 0.0..1.0_f64, bit in 0..8_u8, with_torn in any::<bool>(),
    ) {
        let (mut text, head) = log(3, None);
        let mut due: Vec<u64> = vec![1, 2, 3];
        if with_torn {
            let torn = br#"{"v":1,"seq"#;
            let gap = note().torn(&Torn::of(torn));
            text.push_str(std::str::from_utf8(torn).unwrap());
            text.push('\n');
            text.push_str(&seal(&gap, &head, None).0);
            due.extend([4, 4]);
        }
        let mut bytes = text.clone().into_bytes();
        #[expect(
            clippy::cast_possible_truncation, clippy::cast_sign_loss,
            clippy::cast_precision_loss, reason = "a fraction of a small length"
        )]
        let at = (place * bytes.len() as f64) as usize;
        bytes[at] ^= 1 << bit;
        let line = text[..at].matches('\n').count();
        let found = check(&bytes).broken.map(|found| found.seq);
        prop_assert_eq!(found, Some(due[line]));
    }

    #[test]
    fn arbitrary_bytes_cause_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = check(&bytes);
        let _ = read_tail(&bytes, TailScope::WholeFile, &Keys::default());
        let _ = read_tail(&bytes, TailScope::EndOfFile, &Keys::default());
    }
}
