//! A log line as a value, for lines that are held back, merged or shown elsewhere before they are
//! logged. A line that is logged where it is made uses the macros of `tracing`.

use serde_json::{Map, Value};
use tracing::Level;

use super::fields::LogFields;
use crate::domain::name::PoolName;
use crate::render::document;

/// One line of the log.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) struct LogLine {
    pub(in crate::cli) level: Level,
    /// The kind of line, for programs: `decision`, `action`, `alert`, …
    pub(in crate::cli) event: &'static str,
    pub(in crate::cli) pool: Option<PoolName>,
    /// One sentence without a full stop; the layer escapes it.
    pub(in crate::cli) text: String,
    /// What to do about it, as a `help:` line.
    pub(in crate::cli) help: Option<String>,
    /// Further members of the JSON object; not shown in text.
    pub(in crate::cli) fields: Map<String, Value>,
}

impl LogLine {
    pub(in crate::cli) fn new(level: Level, event: &'static str, text: impl Into<String>) -> Self {
        Self { level, event, pool: None, text: text.into(), help: None, fields: Map::new() }
    }

    pub(in crate::cli) fn error(event: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::ERROR, event, text)
    }

    pub(in crate::cli) fn warn(event: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::WARN, event, text)
    }

    pub(in crate::cli) fn info(event: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::INFO, event, text)
    }

    #[must_use]
    pub(in crate::cli) fn of(self, pool: &PoolName) -> Self {
        Self { pool: Some(pool.clone()), ..self }
    }

    #[must_use]
    pub(in crate::cli) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    #[must_use]
    pub(in crate::cli) fn with(mut self, fields: &LogFields) -> Self {
        if let Value::Object(fields) = document::value(fields) {
            debug_assert_eq!(fields["event"], self.event);
            self.fields.extend(fields.into_iter().filter(|(key, _)| key != "event"));
        }
        self
    }

    pub(in crate::cli) fn emit(&self) {
        // A macro of `tracing` takes a constant level, and the names of its fields are constant,
        // too: the further fields travel as one JSON object, which the layer opens again.
        macro_rules! at {
            ($level:expr) => {
                tracing::event!(
                    $level,
                    event = self.event,
                    pool = self.pool.as_ref().map(PoolName::as_str),
                    help = self.help.as_deref(),
                    fields = self.further().as_deref(),
                    "{}",
                    self.text
                )
            };
        }
        match self.level {
            Level::ERROR => at!(Level::ERROR),
            Level::WARN => at!(Level::WARN),
            Level::INFO => at!(Level::INFO),
            Level::DEBUG => at!(Level::DEBUG),
            Level::TRACE => at!(Level::TRACE),
        }
    }

    fn further(&self) -> Option<String> {
        (!self.fields.is_empty()).then(|| Value::Object(self.fields.clone()).to_string())
    }
}
