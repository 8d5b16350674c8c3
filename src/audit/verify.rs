//! Whether a log is whole, and if not, which record is the first bad one.

use std::collections::BTreeMap;

use serde_json::Value;

use super::chain::{Flaw, Head, Key, RECORD_MAX, Record, open, torn_digest};

/// Gaps that are listed; more are counted.
pub const GAPS_MAX: usize = 1_000;

/// Torn bytes that a gap record can tell of: more than the end of a file that is read.
const TORN_MAX: usize = 2 * RECORD_MAX;

/// Fleets whose open gaps are told apart.
const FLEETS_MAX: usize = 1_000;

/// One file of the log.
#[derive(Debug, Clone, Copy)]
pub struct File<'a> {
    /// Its name, for people.
    pub name: &'a str,
    /// All of it.
    pub bytes: &'a [u8],
}

/// A gap that the log itself owns up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Sequence number of the gap record.
    pub seq: u64,
    /// When it was written, as it stands there.
    pub time: String,
    /// What is missing, in the record's words.
    pub detail: String,
}

/// The first bad record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// In which file.
    pub file: String,
    /// In which line, from 1; 0 when it is what is missing behind the last one.
    pub line: usize,
    /// The sequence number that was due there.
    pub seq: u64,
    /// What is wrong, one sentence without full stop.
    pub reason: String,
}

/// What became of the HMACs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Macs {
    /// No record has one.
    #[default]
    Absent,
    /// Some have, and there was no key to check them with.
    Unchecked,
    /// Every record has one that is good.
    Checked,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Sound records, up to the break if there is one.
    pub records: u64,
    /// Sequence number of the first record; more than 1 when older files are not here.
    pub first: Option<u64>,
    /// The last sound record.
    pub head: Option<Head>,
    /// The gaps that the log tells of, the first [`GAPS_MAX`].
    pub gaps: Vec<Gap>,
    /// All of them.
    pub gap_count: u64,
    /// Sequence numbers of gaps that have not ended.
    pub open_gaps: Vec<u64>,
    /// What became of the HMACs.
    pub macs: Macs,
    /// The first bad record, or what is missing at the end.
    pub broken: Option<Break>,
}

/// Checks the chain over all files, which are put into the order of their first records. With a
/// key, every record's HMAC is demanded; with `wanted`, that record must be there.
pub fn verify(files: &[File<'_>], key: Option<&Key>, wanted: Option<&Head>) -> Report {
    let mut files = files.to_vec();
    files.sort_by_key(|it| first_seq(it.bytes.split(|it| *it == b'\n').next().unwrap_or_default()));
    let mut check = Check::new(key, wanted);
    for file in &files {
        check.begin(file.name);
        for line in file.bytes.split_inclusive(|it| *it == b'\n') {
            check.line(match line.strip_suffix(b"\n") {
                Some(line) => Line::Whole(line),
                None => Line::Cut(line),
            });
        }
    }
    check.finish()
}

/// The number of a file's first record as it is written, sound or not: files are checked in this
/// order. Without one the file goes last.
pub fn first_seq(line: &[u8]) -> u64 {
    let value: Option<Value> = serde_json::from_slice(line).ok();
    value.and_then(|it| it["seq"].as_u64()).unwrap_or(u64::MAX)
}

/// One line of a file.
#[derive(Debug, Clone, Copy)]
pub enum Line<'a> {
    /// With its newline, which is not part of this.
    Whole(&'a [u8]),
    /// The last one, without a newline.
    Cut(&'a [u8]),
    /// Longer than any record: what it says does not matter.
    TooLong,
}

/// Whether there is any use in reading on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// No break so far.
    GoOn,
    /// There is one.
    Stop,
}

/// A check that is under way: one line at a time, in bounded memory.
pub struct Check<'a> {
    key: Option<&'a Key>,
    wanted: Option<&'a Head>,
    report: Report,
    has_wanted: bool,
    has_mac: bool,
    open: BTreeMap<String, u64>,
    at: At,
    /// Lines that are no record: excused when the next record is a gap that carries their digest.
    torn: Option<(At, Vec<u8>)>,
    /// A last line without an end: excused when the log goes on in another file.
    cut: Option<At>,
}

/// A place in a file.
#[derive(Debug, Clone, Default)]
struct At {
    file: String,
    line: usize,
}

impl<'a> Check<'a> {
    /// Nothing has been read.
    pub fn new(key: Option<&'a Key>, wanted: Option<&'a Head>) -> Self {
        Self {
            key,
            wanted,
            report: Report::default(),
            has_wanted: false,
            has_mac: false,
            open: BTreeMap::new(),
            at: At::default(),
            torn: None,
            cut: None,
        }
    }

    /// The lines of this file follow.
    pub fn begin(&mut self, file: &str) {
        self.at = At { file: file.to_owned(), line: 0 };
    }

    /// The next line.
    pub fn line(&mut self, line: Line<'_>) -> Next {
        if self.report.broken.is_some() {
            return Next::Stop;
        }
        self.at.line += 1;
        let bytes = match line {
            Line::Whole(bytes) => bytes,
            Line::Cut(bytes) => {
                self.cut = Some(self.at.clone());
                bytes
            }
            Line::TooLong => return self.fail("the line is longer than any record"),
        };
        match open(bytes, self.key) {
            Ok(record) => self.record(record),
            Err(Flaw::Torn) => self.tear(bytes),
            Err(flaw) => self.fail(said(flaw)),
        }
    }

    fn record(&mut self, record: Record) -> Next {
        if let Err(reason) = self.follows(&record) {
            return self.fail(&reason);
        }
        if let Some((_, torn)) = &self.torn
            && !owns_up(&record, torn)
        {
            return self.fail("the line is not a whole record, and the next one does not say so");
        }
        self.torn = None;
        if self.cut.as_ref().is_some_and(|it| it.file != self.at.file) {
            self.cut = None;
        }
        self.take(record);
        Next::GoOn
    }

    fn tear(&mut self, bytes: &[u8]) -> Next {
        let torn = self.torn.get_or_insert_with(|| (self.at.clone(), Vec::new()));
        if torn.0.line != self.at.line || torn.0.file != self.at.file {
            torn.1.push(b'\n');
        }
        torn.1.extend_from_slice(bytes);
        if torn.1.len() > TORN_MAX { self.fail(said(Flaw::Torn)) } else { Next::GoOn }
    }

    /// The first bad line is the first torn one, if there is one.
    fn fail(&mut self, reason: &str) -> Next {
        let at = self.torn.take().map_or_else(|| self.at.clone(), |it| it.0);
        let seq = self.report.head.as_ref().map_or(1, |it| it.seq + 1);
        let reason = reason.to_owned();
        self.report.broken = Some(Break { file: at.file, line: at.line, seq, reason });
        Next::Stop
    }

    fn follows(&self, record: &Record) -> Result<(), String> {
        let Some(head) = &self.report.head else {
            let is_first = record.head.seq == 1;
            return if is_first && record.previous != Head::start().hash {
                Err("the first record claims one before it".to_owned())
            } else {
                Ok(())
            };
        };
        if record.head.seq > head.seq + 1 {
            return Err(format!("records {} to {} are missing", head.seq + 1, record.head.seq - 1));
        }
        if record.head.seq <= head.seq {
            return Err(format!("record {} comes again or out of order", record.head.seq));
        }
        if record.previous != head.hash {
            return Err(format!("it does not continue record {} as it stands here", head.seq));
        }
        Ok(())
    }

    fn take(&mut self, record: Record) {
        self.report.records += 1;
        self.report.first.get_or_insert(record.head.seq);
        self.has_wanted |= self.wanted == Some(&record.head);
        self.has_mac |= record.members["mac"].is_string();
        let word = |key: &str| record.members[key].as_str().unwrap_or_default().to_owned();
        let fleet = record.members["cause"]["fleet"].as_str().unwrap_or_default().to_owned();
        let after = &record.members["after"];
        if word("kind") == "gap" {
            self.report.gap_count += 1;
            if self.report.gaps.len() < GAPS_MAX {
                let (time, detail) = (word("time"), word("detail"));
                self.report.gaps.push(Gap { seq: record.head.seq, time, detail });
            }
            if after.get("until").is_some_and(Value::is_null) && self.open.len() < FLEETS_MAX {
                self.open.entry(fleet).or_insert(record.head.seq);
            }
        } else if word("act") == "gap closed" {
            self.open.remove(&fleet);
        }
        self.report.head = Some(record.head);
    }

    /// All files have been read.
    pub fn finish(mut self) -> Report {
        if self.report.broken.is_none() {
            self.end();
        }
        self.report.open_gaps = self.open.into_values().collect();
        self.report.open_gaps.sort_unstable();
        self.report.macs = match (self.has_mac, self.key) {
            (false, _) => Macs::Absent,
            (true, None) => Macs::Unchecked,
            (true, Some(_)) => Macs::Checked,
        };
        self.report
    }

    /// What is wrong with the end. Only a remembered head can show that it is missing, or that
    /// all was written anew.
    fn end(&mut self) {
        if self.torn.is_some() {
            self.fail(said(Flaw::Torn));
            return;
        }
        let seq = self.report.head.as_ref().map_or(0, |it| it.seq);
        if let Some(at) = self.cut.take() {
            let reason = "the last line has no end: the write was cut off".to_owned();
            let seq = seq.max(1);
            self.report.broken = Some(Break { file: at.file, line: at.line, seq, reason });
            return;
        }
        let Some(wanted) = self.wanted.filter(|_| !self.has_wanted) else { return };
        let reason = if seq < wanted.seq {
            format!("records {} to {} are missing at the end", seq + 1, wanted.seq)
        } else {
            format!("record {} is not the one whose hash was given", wanted.seq)
        };
        let file = self.at.file.clone();
        self.report.broken = Some(Break { file, line: 0, seq: wanted.seq, reason });
    }
}

/// Whether a record is the gap that tells of exactly these torn bytes.
fn owns_up(record: &Record, torn: &[u8]) -> bool {
    record.members["kind"] == "gap" && record.members["before"] == torn_digest(torn)
}

fn said(flaw: Flaw) -> &'static str {
    match flaw {
        Flaw::Torn => "the line is not a whole record",
        Flaw::Altered => "its hash is not that of its bytes: it was altered",
        Flaw::Forged => "its HMAC is missing or made with another key",
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use secrecy::SecretString;
    use serde_json::json;

    use super::super::{
        Actor, Cause, Ending, Entry, Kind, Subject, Tail, Verdict, Whole, read_tail, seal,
        torn_entry,
    };
    use super::*;
    use crate::domain::name::{PoolId, PoolName};

    fn actor() -> Actor {
        Actor { user: "ada".into(), host: "box".into(), pid: 7, version: "0.1.0".into() }
    }

    fn entry(kind: Kind, detail: &str) -> Entry {
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
                decision: None,
            },
            seen: None,
            intent: None,
            verdict: Some(Verdict::Done),
            detail: detail.into(),
        }
    }

    fn log(records: usize, key: Option<&Key>) -> (String, Head) {
        let mut head = Head::start();
        let mut text = String::new();
        for index in 0..records {
            let (line, next) = seal(&entry(Kind::Intent, &format!("number {index}")), &head, key);
            text.push_str(&line);
            head = next;
        }
        (text, head)
    }

    fn check(text: &[u8]) -> Report {
        verify(&[File { name: "log", bytes: text }], None, None)
    }

    fn broken(report: &Report) -> (usize, u64, &str) {
        let broken = report.broken.as_ref().expect("a break was expected");
        (broken.line, broken.seq, broken.reason.as_str())
    }

    #[test]
    fn a_record_is_one_line_with_its_chain_around_it() {
        let (line, head) = seal(&entry(Kind::Outcome, "it\nis"), &Head::start(), None);
        insta::assert_snapshot!(line, @r#"{"v":1,"seq":1,"prev":"0000000000000000000000000000000000000000000000000000000000000000","act":"update pool","actor":{"host":"box","pid":7,"user":"ada","version":"0.1.0"},"after":{"image":"b"},"before":{"image":"a"},"cause":{"command":"apply","fleet":"acme","plan":"d1"},"detail":"it\\nis","kind":"outcome","subject":{"pool":"default","pool_id":"p-1"},"time":"2026-01-02T03:04:05Z","verdict":"done","hash":"7d9a86da0d9463fdfe4e5a8460a27a43b1706429ce9258b597e645737bc3ff09"}"#);
        assert_eq!(head.seq, 1);
    }

    #[test]
    fn an_empty_log_and_a_sound_one_are_whole() {
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
        let file = |name, bytes: &'static str| File { name, bytes: bytes.as_bytes() };
        let (old, new): (&'static str, &'static str) =
            (old.to_owned().leak(), new.to_owned().leak());
        let report = verify(&[file("new", new), file("old", old)], None, Some(&head));
        assert_eq!((report.records, report.broken), (4, None));
        let report = verify(&[file("new", new)], None, None);
        assert_eq!((report.first, report.broken), (Some(3), None));
    }

    #[test]
    fn a_record_that_was_cut_out_is_missed() {
        let (text, _) = log(5, None);
        let lines: Vec<&str> = text.lines().collect();
        let cut = format!("{}\n{}\n", lines[0], lines[3]);
        let report = check(cut.as_bytes());
        assert_eq!(broken(&report), (2, 2, "records 2 to 3 are missing"));
        let again = format!("{}\n{}\n", lines[0], lines[0]);
        let report = check(again.as_bytes());
        assert_eq!(broken(&report), (2, 2, "record 1 comes again or out of order"));
    }

    #[test]
    fn only_a_remembered_head_shows_a_cut_at_the_end() {
        let (text, head) = log(3, None);
        let cut = text.match_indices('\n').nth(1).unwrap().0 + 1;
        let file = File { name: "log", bytes: &text.as_bytes()[..cut] };
        assert_eq!(verify(&[file], None, None).broken, None);
        let report = verify(&[file], None, Some(&head));
        assert_eq!(broken(&report), (0, 3, "records 3 to 3 are missing at the end"));
    }

    #[test]
    fn with_a_key_a_chain_made_without_it_does_not_verify() {
        let key = Key::new(SecretString::from("k"));
        let (signed, _) = log(2, Some(&key));
        let (plain, _) = log(2, None);
        let with = |text: &str, key: Option<&Key>| {
            verify(&[File { name: "log", bytes: text.as_bytes() }], key, None)
        };
        assert_eq!(with(&signed, Some(&key)).broken, None);
        assert_eq!(with(&signed, None).broken, None);
        let forged = "its HMAC is missing or made with another key";
        assert_eq!(broken(&with(&plain, Some(&key))), (1, 1, forged));
        let other = Key::new(SecretString::from("other"));
        assert_eq!(broken(&with(&signed, Some(&other))), (1, 1, forged));
    }

    #[test]
    fn a_torn_line_is_excused_by_the_gap_that_tells_of_it() {
        let (text, head) = log(2, None);
        let torn = br#"{"v":1,"seq":3,"prev":"ab"#;
        let gap = torn_entry(torn, Timestamp::UNIX_EPOCH, actor(), Cause::default());
        let (line, next) = seal(&gap, &head, None);
        let all = [text.as_bytes(), torn, b"\n", line.as_bytes()].concat();
        let detail = "the record before this one was not written whole".to_owned();
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
            (3, 3, "the line is not a whole record, and the next one does not say so")
        );
    }

    #[test]
    fn the_end_of_a_file_is_found_whatever_stands_there() {
        let (text, head) = log(2, None);
        let bytes = text.as_bytes();
        let first = Head { seq: 1, ..check(&bytes[..text.find('\n').unwrap() + 1]).head.unwrap() };
        assert_eq!(read_tail(b"", Whole::Yes), Tail::Empty);
        assert_eq!(
            read_tail(bytes, Whole::Yes),
            Tail::Sound { head: head.clone(), ending: Ending::Newline }
        );
        assert_eq!(
            read_tail(&bytes[..bytes.len() - 1], Whole::Yes),
            Tail::Sound { head: head.clone(), ending: Ending::Cut }
        );
        let cut = bytes.len() - 10;
        let from = text.find('\n').unwrap() + 1;
        assert_eq!(
            read_tail(&bytes[..cut], Whole::Yes),
            Tail::Torn { head: first, bytes: bytes[from..cut].to_vec(), ending: Ending::Cut }
        );
        assert_eq!(
            read_tail(&bytes[..20], Whole::Yes),
            Tail::Torn { head: Head::start(), bytes: bytes[..20].to_vec(), ending: Ending::Cut }
        );
        for foreign in [&b"root:x:0:0\n"[..], b"{}\n", b"\n", b"a\nb"] {
            assert_eq!(read_tail(foreign, Whole::Yes), Tail::Foreign, "{foreign:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_byte_changes_the_first_bad_record_is_named(
            place in 0.0..1.0_f64, bit in 0..8_u8, with_torn in any::<bool>(),
        ) {
            let (mut text, head) = log(3, None);
            let mut due: Vec<u64> = vec![1, 2, 3];
            if with_torn {
                let torn = br#"{"v":1,"seq"#;
                let gap = torn_entry(torn, Timestamp::UNIX_EPOCH, actor(), Cause::default());
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
            let found = check(&bytes).broken.map(|it| it.seq);
            prop_assert_eq!(found, Some(due[line]));
        }

        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = check(&bytes);
            let _ = read_tail(&bytes, Whole::Yes);
        }
    }
}
