//! Checks a log line by line, in bounded memory.

use super::anchor::Statements;
use super::chain::{Head, Record, RecordFlaw, open};
use super::hmac_check::{HmacCheck, UNSIGNED};
use super::keys::{Keys, Signer};
use super::note::{ALTERED, heads};
use super::pending::Pending;
use super::report::{Anchored, ChainBreak, Report};
use super::torn::Torn;

/// What the log is checked against, besides its own hashes.
#[derive(Debug, Clone, Copy, Default)]
pub struct CheckCriteria<'a> {
    /// HMAC keys. If there is at least one, every record must have a valid HMAC or be covered by a
    /// later one.
    pub keys: Option<&'a Keys>,
    /// A record that the log must contain.
    pub head: Option<&'a Head>,
    /// The head of the archived files, which the first record must continue.
    pub since: Option<&'a Head>,
    /// Anchors, signed statements about records that the log must contain.
    pub anchors: Option<&'a Statements>,
}

/// A line of a file, or a part of a long one.
#[derive(Debug, Clone, Copy)]
pub enum FileLine<'a> {
    /// A complete line, without its newline.
    Whole(&'a [u8]),
    /// The last line of a file, which has no newline.
    Cut(&'a [u8]),
    /// The first part of a line that is longer than [`RECORD_MAX`](super::RECORD_MAX).
    Begun(&'a [u8]),
    /// The next part of that line.
    More(&'a [u8]),
}

/// Whether the caller should read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOn {
    /// No break has been found so far.
    GoOn,
    /// A break has been found, and later lines do not matter.
    Stop,
}

/// A check of one log, whose files and lines are passed in order. Its memory is bounded.
pub struct Check<'a> {
    criteria: CheckCriteria<'a>,
    report: Report,
    pending: Pending,
    vouching: HmacCheck<'a, RecordPlace>,
    /// Whether the demanded head has been seen.
    has_head: bool,
    /// The place of the first record and the number of records before it, if neither `since` nor an
    /// anchor confirms the last of them.
    headless: Option<(RecordPlace, u64)>,
    at: RecordPlace,
    /// Lines that are not records; accepted if the next record is a gap record with their digest.
    torn: Option<(RecordPlace, Torn)>,
    /// The reason to report for torn lines without a gap record.
    flaw: &'static str,
    /// A last line without a newline; accepted if a record of another file follows.
    cut: Option<RecordPlace>,
}

/// A line of a file.
#[derive(Debug, Clone, Default)]
struct RecordPlace {
    file: String,
    line: usize,
}

const TORN: &str = "the line is not a complete record";

impl<'a> Check<'a> {
    /// Starts a check; files follow with [`Self::begin`].
    pub fn new(criteria: CheckCriteria<'a>) -> Self {
        let anchored = criteria.anchors.map(|_| Anchored::default());
        Self {
            criteria,
            report: Report { anchored, ..Report::default() },
            pending: Pending::default(),
            vouching: HmacCheck::new(criteria.keys),
            has_head: false,
            headless: None,
            at: RecordPlace::default(),
            torn: None,
            flaw: TORN,
            cut: None,
        }
    }

    /// A check that continues after the record `head`; `signer` must sign the next one.
    pub fn after(head: Head, signer: Signer, criteria: CheckCriteria<'a>) -> Self {
        let mut check = Self::new(criteria);
        check.vouching.resume(signer);
        check.report.head = Some(head);
        check
    }

    pub fn begin(&mut self, name: &str) {
        self.at = RecordPlace { file: name.to_owned(), line: 0 };
    }

    /// Checks the next line. Returns whether later lines still matter.
    pub fn line(&mut self, line: FileLine<'_>) -> ReadOn {
        if self.report.broken.is_some() {
            return ReadOn::Stop;
        }
        let bytes = match line {
            FileLine::More(bytes) => return self.tear_on(bytes),
            FileLine::Begun(bytes) => {
                self.at.line += 1;
                self.flaw = "the line is longer than any record";
                return self.tear(bytes);
            }
            FileLine::Whole(bytes) => bytes,
            FileLine::Cut(bytes) => {
                self.cut = Some(RecordPlace { line: self.at.line + 1, ..self.at.clone() });
                bytes
            }
        };
        self.at.line += 1;
        match open(bytes) {
            Ok(record) => self.record(&record, bytes),
            Err(RecordFlaw::Torn) => self.tear(bytes),
            Err(RecordFlaw::Altered) => {
                self.fail("its hash does not match its bytes: it was altered")
            }
        }
    }

    fn record(&mut self, record: &Record<'_>, bytes: &[u8]) -> ReadOn {
        if let Some((_, torn)) = &self.torn
            && !torn.is_reported_by(record)
        {
            if torn.has_zeros() {
                // The record was written after a hole; a later gap record may report all of it.
                return self.tear(bytes);
            }
            return match self.follows(record) {
                Err(reason) => self.fail(&reason),
                Ok(()) => self
                    .fail("the line is not a complete record, and the next one does not report it"),
            };
        }
        let sound = self.follows(record).and_then(|()| self.vouching.take(record, &self.at));
        if let Err(reason) = sound.and_then(|()| self.is_as_demanded(record)) {
            return self.fail(&reason);
        }
        (self.torn, self.flaw) = (None, TORN);
        if self.cut.as_ref().is_some_and(|place| place.file != self.at.file) {
            self.cut = None;
        }
        self.take(record);
        ReadOn::GoOn
    }

    fn tear(&mut self, bytes: &[u8]) -> ReadOn {
        let torn = self.torn.get_or_insert_with(|| (self.at.clone(), Torn::default()));
        torn.1.add_line(bytes);
        ReadOn::GoOn
    }

    fn tear_on(&mut self, bytes: &[u8]) -> ReadOn {
        if let Some((_, torn)) = &mut self.torn {
            torn.add(bytes);
        }
        ReadOn::GoOn
    }

    /// Records a break at the current line, or at the first of the torn lines before it.
    fn fail(&mut self, reason: &str) -> ReadOn {
        let at = self.torn.take().map_or_else(|| self.at.clone(), |(place, _)| place);
        let seq = self.report.head.as_ref().map_or(1, |head| head.seq + 1);
        self.break_at(at, seq, reason);
        ReadOn::Stop
    }

    /// Records a break at the current place, unless one was found: the rest of the file cannot be
    /// read, or it is not the file that it should be.
    pub fn refuse(&mut self, reason: &str) {
        if self.report.broken.is_none() {
            self.fail(reason);
        }
    }

    /// Records that the file with the record `seq` is missing, unless a break was found.
    pub fn lack(&mut self, file: &str, seq: u64, reason: &str) {
        if self.report.broken.is_none() {
            self.break_at(RecordPlace { file: file.to_owned(), line: 0 }, seq, reason);
        }
    }

    fn break_at(&mut self, at: RecordPlace, seq: u64, reason: &str) {
        let reason = reason.to_owned();
        self.report.broken = Some(ChainBreak { file: at.file, line: at.line, seq, reason });
    }

    fn follows(&mut self, record: &Record<'_>) -> Result<(), String> {
        let Some(head) = &self.report.head else { return self.begins(record) };
        let seq = record.head.seq;
        if seq > head.seq + 1 {
            return Err(format!("records {} to {} are missing", head.seq + 1, seq - 1));
        }
        if seq <= head.seq {
            return Err(format!("record {seq} is repeated or out of order"));
        }
        if !record.continues(head) {
            return Err(format!("it does not continue record {} of this log", head.seq));
        }
        Ok(())
    }

    /// Checks the first record of all files.
    fn begins(&mut self, record: &Record<'_>) -> Result<(), String> {
        let seq = record.head.seq;
        let before = Head { seq: seq.saturating_sub(1), hash: record.previous.clone() };
        if seq <= 1 {
            let is_first = before == Head::start();
            return if is_first {
                Ok(())
            } else {
                Err("the first record continues another one".into())
            };
        }
        match self.criteria.since {
            Some(since) if *since == before => Ok(()),
            Some(since) => Err(format!("it does not continue the archive, which ends at {since}")),
            None => {
                let is_anchored = self.criteria.anchors.is_some_and(|anchors| anchors.has(&before));
                self.headless = Some((self.at.clone(), before.seq)).filter(|_| !is_anchored);
                Ok(())
            }
        }
    }

    /// Compares the record with the demanded head and the anchors. Refuses a gap record that
    /// reports altered records.
    fn is_as_demanded(&mut self, record: &Record<'_>) -> Result<(), String> {
        let seq = record.head.seq;
        if let Some(wanted) = self.criteria.head.filter(|head| head.seq == seq) {
            if *wanted != record.head {
                return Err(format!("record {seq} does not have the hash that was given"));
            }
            self.has_head = true;
        }
        let statements = self.criteria.anchors.map_or(&[][..], |anchors| anchors.about(seq));
        for statement in statements {
            if statement.head != record.head {
                let time = &statement.time;
                return Err(format!("record {seq} differs from the record anchored at {time}"));
            }
            if let Some(anchored) = &mut self.report.anchored {
                anchored.statements += 1;
                anchored.last = Some((seq, statement.time.clone()));
            }
        }
        if record.members["kind"] == "gap" && record.members["act"] == ALTERED {
            let (known, found) = heads(&record.members);
            return Err(format!(
                "it reports that records were cut or changed: the head was {known}, then {found}"
            ));
        }
        Ok(())
    }

    fn take(&mut self, record: &Record<'_>) {
        self.report.records += 1;
        self.report.first.get_or_insert(record.head.seq);
        self.pending.take(record, &mut self.report);
        self.report.head = Some(record.head.clone());
    }

    /// The reason of the break that was found so far. Torn lines at the end do not count, because
    /// the next record may report them.
    pub fn broken(&self) -> Option<&str> {
        self.report.broken.as_ref().map(|found| found.reason.as_str())
    }

    /// The last intact record, and the signer of the next one.
    pub fn last(&self) -> Option<(Head, Signer)> {
        let signer = self.vouching.due().cloned().unwrap_or(Signer::Unsigned);
        Some((self.report.head.clone()?, signer))
    }

    /// Whether the break is a change to a key that was not given.
    pub fn is_signed_by_others(&self) -> bool {
        self.vouching.is_signed_by_others()
    }

    /// Ends the check after the last file.
    pub fn finish(mut self) -> Report {
        if self.report.broken.is_none() {
            self.end();
        }
        std::mem::take(&mut self.pending).settle(&mut self.report);
        if let (Some(anchored), Some(all)) = (&mut self.report.anchored, self.criteria.anchors) {
            anchored.earlier = self.report.first.map_or(0, |first| all.before(first));
        }
        self.report.macs = self.vouching.macs();
        self.report
    }

    /// Checks the end of the log and its completeness. That the end is missing, or that the whole
    /// log was rewritten, shows only in comparison with a head or an anchor from outside the log.
    fn end(&mut self) {
        if self.torn.is_some() {
            self.fail(self.flaw);
            return;
        }
        let seq = self.report.head.as_ref().map_or(0, |head| head.seq);
        if let Some(at) = self.cut.take() {
            return self.break_at(
                at,
                seq.max(1),
                "the last line has no newline: the write was cut off",
            );
        }
        if let Some((at, seq)) = self.vouching.unsigned() {
            return self.break_at(at, seq, UNSIGNED);
        }
        let wanted =
            self.criteria.head.filter(|_| !self.has_head).map(|head| (head.seq, String::new()));
        let last = self.criteria.anchors.and_then(Statements::last);
        let anchored = last.filter(|statement| statement.head.seq > seq).map(|statement| {
            (statement.head.seq, format!(", which were anchored at {}", statement.time))
        });
        if let Some((wanted, why)) = wanted.into_iter().chain(anchored).max() {
            let at = RecordPlace { line: 0, ..self.at.clone() };
            let reason = match wanted > seq {
                true => format!("records {} to {wanted} are missing at the end{why}", seq + 1),
                false => format!("record {wanted} is not in the given files"),
            };
            return self.break_at(at, wanted, &reason);
        }
        if let Some((at, before)) = self.headless.take() {
            let reason = format!(
                "records 1 to {before} are missing: give the files that contain them, or the end of \
                 the archive with `--since SEQ:HASH`"
            );
            self.break_at(at, 1, &reason);
        }
    }
}
