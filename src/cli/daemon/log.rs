//! What `watch` says while it runs: lines that a person reads on stderr, or with `-o json` one
//! object a line on stdout.
//!
//! Lines are written by a thread of their own: a reader that stands still must not hold the loop
//! up. What does not fit between them is counted, and said when there is room again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::cli::args::Output;
use crate::cli::print::Printer;
use crate::domain::name::PoolName;
use crate::domain::text::escape;
use crate::host::clock::Clock;
use crate::render::style::{ERROR, NAME, QUIET, WARNING, paint};
use crate::render::words::count;

/// Lines that may wait to be written.
const WAITING_MAX: usize = 4_096;

/// How much a line weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) enum Weight {
    /// For whoever asked with `-v`.
    Detail,
    /// What it does.
    Note,
    /// A person should look.
    Warning,
    /// It does not do its work.
    Error,
}

impl Weight {
    fn word(self) -> &'static str {
        match self {
            Self::Detail => "detail",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) struct LogLine {
    pub(super) weight: Weight,
    /// What it is about, for programs: `decision`, `action`, `alert`, …
    pub(super) event: &'static str,
    pub(super) pool: Option<PoolName>,
    /// One sentence without full stop; escaped here.
    pub(in crate::cli) text: String,
    /// What to type next.
    pub(super) help: Option<String>,
    /// More, for programs.
    pub(super) fields: Map<String, Value>,
}

impl LogLine {
    pub(super) fn new(weight: Weight, event: &'static str, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { weight, event, pool: None, text, help: None, fields: Map::new() }
    }

    #[must_use]
    pub(super) fn of(self, pool: &PoolName) -> Self {
        Self { pool: Some(pool.clone()), ..self }
    }

    #[must_use]
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The members of an object, for programs.
    #[must_use]
    pub(super) fn with(mut self, fields: Value) -> Self {
        if let Value::Object(fields) = fields {
            self.fields.extend(fields);
        }
        self
    }
}

/// Where lines go in. Cheap to clone; never blocks.
#[derive(Clone)]
pub(super) struct Journal {
    sender: SyncSender<LogLine>,
    lost: Arc<AtomicU64>,
}

/// The thread that writes, and when it has written everything.
pub(super) struct Press {
    written: tokio::sync::oneshot::Receiver<()>,
}

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) output: Output,
    /// Lines lighter than this are left out.
    pub(super) least: Weight,
    /// Whether a line begins with the time: not where systemd's journal adds its own.
    pub(super) stamp: Stamp,
}

/// Whether a line begins with the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stamp {
    Time,
    Nothing,
}

impl Look {
    /// As the flags and the place say it.
    pub(super) fn new(output: Output, verbose: u8) -> Self {
        let least = if verbose > 0 { Weight::Detail } else { Weight::Note };
        let in_journal = std::env::var_os("JOURNAL_STREAM").is_some_and(|it| !it.is_empty());
        Self { output, least, stamp: if in_journal { Stamp::Nothing } else { Stamp::Time } }
    }
}

impl Journal {
    /// Begins to write. The thread ends when every clone of the journal is gone.
    pub(super) fn open(print: Printer, look: Look) -> std::io::Result<(Self, Press)> {
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&lost);
        let (done, written) = tokio::sync::oneshot::channel();
        let work = move || {
            write_all(&receiver, &counter, &print, look);
            // Nobody waits for it when the process ends in another way.
            let _ = done.send(());
        };
        std::thread::Builder::new().name("journal".into()).spawn(work)?;
        Ok((Self { sender, lost }, Press { written }))
    }

    /// Says one line.
    pub(super) fn say(&self, line: LogLine) {
        if self.sender.try_send(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Press {
    /// Waits until everything is written, or until nobody has read for so long.
    pub(super) async fn close(self, patience: Duration) {
        // A thread whose reader stands still is left to itself: the process ends anyway.
        let _ = tokio::time::timeout(patience, self.written).await;
    }
}

fn write_all(lines: &Receiver<LogLine>, lost: &AtomicU64, print: &Printer, look: Look) {
    for line in lines {
        let missing = lost.swap(0, Ordering::Relaxed);
        if missing > 0 {
            let missing = usize::try_from(missing).unwrap_or(usize::MAX);
            let text = format!("{} of this log are lost: nobody took them", count(missing, "line"));
            write(&LogLine::new(Weight::Warning, "log", text), print, look);
        }
        write(&line, print, look);
    }
}

fn write(line: &LogLine, print: &Printer, look: Look) {
    if line.weight < look.least {
        return;
    }
    let now = Clock::Real.now();
    match look.output {
        Output::Text | Output::Markdown => print.say_quietly(&text(line, &stamp(now, look.stamp))),
        // A reader that has gone away, or a full disk: there is nobody left to tell.
        Output::Json => drop(print.document_line("watch", object(line, now))),
    }
}

fn stamp(now: jiff::Timestamp, stamp: Stamp) -> String {
    match stamp {
        Stamp::Nothing => String::new(),
        Stamp::Time => format!("{} ", paint(QUIET, format!("{now:.0}"))),
    }
}

fn text(line: &LogLine, stamp: &str) -> String {
    let weight = match line.weight {
        Weight::Detail | Weight::Note => String::new(),
        Weight::Warning => format!("{} ", paint(WARNING, "warning:")),
        Weight::Error => format!("{} ", paint(ERROR, "error:")),
    };
    let pool = line.pool.as_ref().map(|it| format!("{}: ", paint(NAME, it.as_str())));
    let help = line.help.as_deref().map(|it| format!("; {}", escape(it)));
    format!(
        "{stamp}{weight}{}{}{}",
        pool.unwrap_or_default(),
        escape(&line.text),
        help.unwrap_or_default()
    )
}

fn object(line: &LogLine, now: jiff::Timestamp) -> Value {
    let mut object = json!({
        "time": now.to_string(),
        "event": line.event,
        "weight": line.weight.word(),
        "pool": line.pool.as_ref().map(PoolName::as_str),
        "message": line.text,
        "help": line.help,
    });
    if let Some(map) = object.as_object_mut() {
        map.extend(line.fields.clone());
    }
    object
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    fn line() -> LogLine {
        let pool = PoolName::new("web").unwrap();
        LogLine::new(Weight::Warning, "trouble", "it is\u{1b} bad").of(&pool).help("look at it")
    }

    #[test]
    fn a_line_reads_well_without_colour_and_moves_no_cursor() {
        let text = text(&line(), "2026-01-02T03:04:05Z ");
        assert_eq!(
            strip_str(&text).to_string(),
            "2026-01-02T03:04:05Z warning: web: it is\\u{1b} bad; look at it"
        );
    }

    #[test]
    fn an_object_has_what_a_program_needs() {
        let line = line().with(json!({ "level": 3 }));
        let expected = json!({
            "time": "1970-01-01T00:00:00Z", "event": "trouble", "weight": "warning", "pool": "web",
            "message": "it is\u{1b} bad", "help": "look at it", "level": 3,
        });
        assert_eq!(object(&line, jiff::Timestamp::UNIX_EPOCH), expected);
    }
}
