//! Formats records: as a line of text, with a priority for systemd's journal, or as one JSON object
//! per line.

use std::io::IsTerminal;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::Level;

use super::fields::LineHead;
use super::record::LogRecord;
use crate::cli::print::Printer;
use crate::domain::text::escape;
use crate::render::style::{ERROR, NAME, QUIET, WARNING, paint};

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogFormat {
    /// Text on stderr; each line begins with the time.
    Text,
    /// Text on stderr; each line begins with its priority (`sd-daemon(3)`), which the journal takes
    /// off and filters by (`journalctl -p warning`). The journal has the time itself.
    Journal,
    /// One object per line on stdout.
    Json,
}

impl LogFormat {
    /// The text format that suits the target of stderr.
    pub(super) fn for_stderr() -> Self {
        let is_set = std::env::var_os("JOURNAL_STREAM").is_some_and(|value| !value.is_empty());
        let is_journal = is_set && !std::io::stderr().is_terminal();
        if is_journal { Self::Journal } else { Self::Text }
    }
}

/// Writes records through the printer.
pub(super) struct LogWriter {
    print: Arc<Printer>,
    format: LogFormat,
}

impl LogWriter {
    pub(super) fn new(print: Arc<Printer>, format: LogFormat) -> Self {
        Self { print, format }
    }

    pub(super) fn write(&self, record: &LogRecord) {
        match self.format {
            LogFormat::Text => {
                let time = paint(QUIET, format!("{:.0}", record.at));
                self.print.say_quietly(&format!("{time} {}", text(record)));
            }
            LogFormat::Journal => {
                self.print.say_quietly(&format!("<{}>{}", priority(record.level), text(record)));
            }
            // When stdout is closed or its disk is full, there is no other place for the log.
            LogFormat::Json => drop(self.print.json_line(&json(record))),
        }
    }
}

/// The priority of `syslog(3)`, which journald reads from `<4>` at the start of a line.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// The text of a record. Our own messages are complete sentences without their fields; the message
/// of a library needs its fields.
fn text(record: &LogRecord) -> String {
    let level = match record.level {
        Level::ERROR => format!("{} ", paint(ERROR, "error:")),
        Level::WARN => format!("{} ", paint(WARNING, "warning:")),
        Level::INFO | Level::DEBUG | Level::TRACE => String::new(),
    };
    let garm = record.garm.as_ref().map(|garm| format!("{}: ", paint(NAME, garm)));
    let level = level + &garm.unwrap_or_default();
    let message = escape(&record.message);
    if !record.target.starts_with("runnerctl") {
        let fields = record.fields.iter().map(|(key, value)| format!(" {key}={value}"));
        let fields: String = fields.collect();
        return format!("{level}{}: {message}{}", record.target, escape(&fields));
    }
    let pool = record.text("pool").map(|pool| format!("{}: ", paint(NAME, pool)));
    let help = record.text("help").map(|help| format!("; {}", escape(help)));
    format!("{level}{}{message}{}", pool.unwrap_or_default(), help.unwrap_or_default())
}

/// A record for programs: these keys in this order, then the fields.
#[derive(Serialize)]
struct JsonRecord<'a> {
    #[serde(flatten)]
    head: LineHead<'a>,
    #[serde(flatten)]
    fields: &'a Map<String, Value>,
}

fn json(record: &LogRecord) -> String {
    let head = LineHead {
        ts: record.at.to_string(),
        level: word(record.level),
        msg: &record.message,
        format_version: "1",
        command: "watch",
        garm: record.garm.as_deref(),
    };
    let record = JsonRecord { head, fields: &record.fields };
    serde_json::to_string(&record).expect("texts, numbers and JSON values have a JSON form")
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use jiff::Timestamp;
    use serde_json::json as value;

    use super::*;

    fn record(level: Level, fields: &Value) -> LogRecord {
        let mut record = LogRecord::new(Timestamp::UNIX_EPOCH, level, "it is\u{1b} bad");
        record.fields = fields.as_object().unwrap().clone();
        record
    }

    fn check(level: Level, fields: &Value, expected: &str) {
        assert_eq!(strip_str(&text(&record(level, fields))).to_string(), expected);
    }

    #[test]
    fn text_is_readable_without_colour_and_moves_no_cursor() {
        let fields = value!({ "pool": "web", "help": "look at it", "event": "trouble" });
        check(Level::WARN, &fields, "warning: web: it is\\u{1b} bad; look at it");
        check(Level::ERROR, &value!({}), "error: it is\\u{1b} bad");
        check(Level::INFO, &value!({ "count": 3 }), "it is\\u{1b} bad");
    }

    #[test]
    fn text_of_a_library_names_the_library_and_shows_its_fields() {
        let mut record = record(Level::WARN, &value!({ "error": "closed" }));
        record.target = "hyper::client";
        let text = strip_str(&text(&record)).to_string();
        assert_eq!(text, "warning: hyper::client: it is\\u{1b} bad error=\"closed\"");
    }

    #[test]
    fn json_has_time_level_and_message_before_the_fields() {
        let text = json(&record(Level::WARN, &value!({ "event": "trouble", "pool_level": 3 })));
        assert_eq!(
            text,
            r#"{"ts":"1970-01-01T00:00:00Z","level":"warn","msg":"it is\u001b bad","format_version":"1","command":"watch","event":"trouble","pool_level":3}"#
        );
    }

    #[test]
    fn the_journal_gets_the_priority_of_each_level() {
        let levels = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
        assert_eq!(levels.map(priority), [3, 4, 6, 7, 7]);
    }
}
