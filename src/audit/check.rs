//! A check of a log that is under way: one line at a time, in bounded memory.

use super::anchor::{Statement, Statements};
use super::chain::{Head, Record, RecordFlaw, open};
use super::hmac_check::{HmacCheck, UNSIGNED};
use super::keys::Signer;
use super::note::{ALTERED, heads};
use super::pending::Pending;
use super::report::{Anchored, Break, Report};
use super::tail::Torn;
use super::verify::Demands;

/// One line of a file, or the next part of one.
#[derive(Debug, Clone, Copy)]
pub enum Line<'a> {
    /// With its newline, which is not part of this.
    Whole(&'a [u8]),
    /// The last one, without a newline.
    Cut(&'a [u8]),
    /// The beginning of one that is longer than any record.
    Begun(&'a [u8]),
    /// More of that one.
    More(&'a [u8]),
}

/// Whether there is any use in reading on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOn {
    /// No break so far.
    GoOn,
    /// There is one.
    Stop,
}

/// A check that is under way: one line at a time, in bounded memory.
pub struct Check<'a> {
    demands: Demands<'a>,
    report: Report,
    pending: Pending,
    vouching: HmacCheck<'a, RecordPlace>,
    /// The demanded record has been seen.
    has_head: bool,
    /// The first record, when those before it are not here and nothing vouches for their end.
    headless: Option<(RecordPlace, u64)>,
    at: RecordPlace,
    /// Lines that are no record: excused when the next record is a gap that carries their digest.
    torn: Option<(RecordPlace, Torn)>,
    /// The reason that stands for the torn lines when nothing excuses them.
    flaw: &'static str,
    /// A last line without an end: excused when the log goes on in another file.
    cut: Option<RecordPlace>,
}

/// A place in a file.
#[derive(Debug, Clone, Default)]
struct RecordPlace {
    file: String,
    line: usize,
}

const TORN: &str = "the line is not a whole record";

impl<'a> Check<'a> {
    /// Nothing has been read.
    pub fn new(demands: Demands<'a>) -> Self {
        let anchored = demands.anchors.map(|_| Anchored::default());
        Self {
            demands,
            report: Report { anchored, ..Report::default() },
            pending: Pending::default(),
            vouching: HmacCheck::new(demands.keys),
            has_head: false,
            headless: None,
            at: RecordPlace::default(),
            torn: None,
            flaw: TORN,
            cut: None,
        }
    }

    /// The same behind a record that has been checked, which `signer` follows.
    pub fn after(head: Head, signer: Signer, demands: Demands<'a>) -> Self {
        let mut check = Self::new(demands);
        check.vouching.resume(signer);
        check.report.head = Some(head);
        check
    }

    /// The next file.
    pub fn begin(&mut self, name: &str) {
        self.at = RecordPlace { file: name.to_owned(), line: 0 };
    }

    /// The next line.
    pub fn line(&mut self, line: Line<'_>) -> ReadOn {
        if self.report.broken.is_some() {
            return ReadOn::Stop;
        }
        let bytes = match line {
            Line::More(bytes) => return self.tear_on(bytes),
            Line::Begun(bytes) => {
                self.at.line += 1;
                self.flaw = "the line is longer than any record";
                return self.tear(bytes);
            }
            Line::Whole(bytes) => bytes,
            Line::Cut(bytes) => {
                self.cut = Some(RecordPlace { line: self.at.line + 1, ..self.at.clone() });
                bytes
            }
        };
        self.at.line += 1;
        match open(bytes) {
            Ok(record) => self.record(&record, bytes),
            Err(RecordFlaw::Torn) => self.tear(bytes),
            Err(RecordFlaw::Altered) => {
                self.fail("its hash is not that of its bytes: it was altered")
            }
        }
    }

    fn record(&mut self, record: &Record<'_>, bytes: &[u8]) -> ReadOn {
        if let Some((_, torn)) = &self.torn
            && !torn.is_told_by(record)
        {
            if torn.has_zeros() {
                // What was written behind a hole; a later record may tell of all of it.
                return self.tear(bytes);
            }
            return match self.follows(record) {
                Err(reason) => self.fail(&reason),
                Ok(()) => {
                    self.fail("the line is not a whole record, and the next one does not say so")
                }
            };
        }
        let sound = self.follows(record).and_then(|()| self.vouching.take(record, &self.at));
        if let Err(reason) = sound.and_then(|()| self.is_as_demanded(record)) {
            return self.fail(&reason);
        }
        (self.torn, self.flaw) = (None, TORN);
        if self.cut.as_ref().is_some_and(|it| it.file != self.at.file) {
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

    /// The first bad line is the first torn one, if there is one.
    fn fail(&mut self, reason: &str) -> ReadOn {
        let at = self.torn.take().map_or_else(|| self.at.clone(), |it| it.0);
        let seq = self.report.head.as_ref().map_or(1, |it| it.seq + 1);
        self.break_at(at, seq, reason);
        ReadOn::Stop
    }

    fn break_at(&mut self, at: RecordPlace, seq: u64, reason: &str) {
        let reason = reason.to_owned();
        self.report.broken = Some(Break { file: at.file, line: at.line, seq, reason });
    }

    fn follows(&mut self, record: &Record<'_>) -> Result<(), String> {
        let Some(head) = &self.report.head else { return self.begins(record) };
        let seq = record.head.seq;
        if seq > head.seq + 1 {
            return Err(format!("records {} to {} are missing", head.seq + 1, seq - 1));
        }
        if seq <= head.seq {
            return Err(format!("record {seq} comes again or out of order"));
        }
        if !record.continues(head) {
            return Err(format!("it does not continue record {} as it stands here", head.seq));
        }
        Ok(())
    }

    /// The first record of all that are here.
    fn begins(&mut self, record: &Record<'_>) -> Result<(), String> {
        let seq = record.head.seq;
        let before = Head { seq: seq.saturating_sub(1), hash: record.previous.clone() };
        if seq <= 1 {
            let is_first = before == Head::start();
            return if is_first {
                Ok(())
            } else {
                Err("the first record claims one before it".into())
            };
        }
        match self.demands.since {
            Some(since) if *since == before => Ok(()),
            Some(since) => Err(format!("it does not continue the archive, which ends at {since}")),
            None => {
                let is_anchored = self.demands.anchors.is_some_and(|it| it.has(&before));
                self.headless = Some((self.at.clone(), before.seq)).filter(|_| !is_anchored);
                Ok(())
            }
        }
    }

    /// What is known from elsewhere of this record.
    fn is_as_demanded(&mut self, record: &Record<'_>) -> Result<(), String> {
        let seq = record.head.seq;
        if let Some(wanted) = self.demands.head.filter(|it| it.seq == seq) {
            if *wanted != record.head {
                return Err(format!("record {seq} is not the one whose hash was given"));
            }
            self.has_head = true;
        }
        let statements = self.demands.anchors.map_or(&[][..], |it| it.about(seq));
        for statement in statements {
            if statement.head != record.head {
                let time = &statement.time;
                return Err(format!("record {seq} is not the one that was anchored at {time}"));
            }
            if let Some(anchored) = &mut self.report.anchored {
                anchored.statements += 1;
                anchored.last = Some((seq, statement.time.clone()));
            }
        }
        if record.members["kind"] == "gap" && record.members["act"] == ALTERED {
            let (known, found) = heads(&record.members);
            return Err(format!(
                "it tells that records were cut or changed: the log stood at {known}, then at {found}"
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

    /// What is wrong so far. A torn end is not: the next record may tell of it.
    pub fn broken(&self) -> Option<&str> {
        self.report.broken.as_ref().map(|it| it.reason.as_str())
    }

    /// The last sound record, and who signs what follows it.
    pub fn last(&self) -> Option<(Head, Signer)> {
        let signer = self.vouching.due().cloned().unwrap_or(Signer::Unsigned);
        Some((self.report.head.clone()?, signer))
    }

    /// Whether what is wrong is that another key signs, which is not at hand and which the holder
    /// of the key that was due has named.
    pub fn is_signed_by_others(&self) -> bool {
        self.vouching.is_signed_by_others()
    }

    /// All files have been read.
    pub fn finish(mut self) -> Report {
        if self.report.broken.is_none() {
            self.end();
        }
        std::mem::take(&mut self.pending).settle(&mut self.report);
        if let (Some(anchored), Some(all)) = (&mut self.report.anchored, self.demands.anchors) {
            anchored.earlier = self.report.first.map_or(0, |it| all.before(it));
        }
        self.report.macs = self.vouching.macs();
        self.report
    }

    /// What is wrong with the end, and with all of it. Only what is known from elsewhere can show
    /// that the end is missing, or that all was written anew.
    fn end(&mut self) {
        if self.torn.is_some() {
            self.fail(self.flaw);
            return;
        }
        let seq = self.report.head.as_ref().map_or(0, |it| it.seq);
        if let Some(at) = self.cut.take() {
            return self.break_at(
                at,
                seq.max(1),
                "the last line has no end: the write was cut off",
            );
        }
        if let Some((at, seq)) = self.vouching.unsigned() {
            return self.break_at(at, seq, UNSIGNED);
        }
        let wanted = self.demands.head.filter(|_| !self.has_head).map(|it| (it.seq, String::new()));
        let last = self.demands.anchors.and_then(Statements::last);
        let told = |it: &Statement| (it.head.seq, format!(", which were anchored at {}", it.time));
        let anchored = last.filter(|it| it.head.seq > seq).map(told);
        if let Some((wanted, why)) = wanted.into_iter().chain(anchored).max() {
            let at = RecordPlace { line: 0, ..self.at.clone() };
            let reason = match wanted > seq {
                true => format!("records {} to {wanted} are missing at the end{why}", seq + 1),
                false => format!("record {wanted} is not among those that were named"),
            };
            return self.break_at(at, wanted, &reason);
        }
        if let Some((at, before)) = self.headless.take() {
            let reason = format!(
                "records 1 to {before} are missing: name the files that hold them, or the end of \
                 the archive with `--since SEQ:HASH`"
            );
            self.break_at(at, 1, &reason);
        }
    }
}
