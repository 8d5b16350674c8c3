//! A record of the log, built from an event of `tracing`.

use std::fmt::Debug;

use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

/// An event as it is logged.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LogRecord {
    pub(super) at: Timestamp,
    pub(super) level: Level,
    /// The module that the event comes from.
    pub(super) target: &'static str,
    pub(super) message: String,
    /// The GARM that it is about; absent without `garms`.
    pub(super) garm: Option<String>,
    pub(super) fields: Map<String, Value>,
}

impl LogRecord {
    pub(super) fn new(at: Timestamp, level: Level, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { at, level, target: "runnerctl", message, garm: None, fields: Map::new() }
    }

    pub(super) fn of(event: &Event<'_>, at: Timestamp) -> Self {
        let mut record = Self::new(at, *event.metadata().level(), "");
        record.target = event.metadata().target();
        event.record(&mut record);
        record
    }

    /// A field that is a text.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.fields.get(key).and_then(Value::as_str)
    }

    fn set(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(message)) => self.message = message,
            ("fields", Value::String(object)) => {
                if let Ok(Value::Object(object)) = serde_json::from_str(&object) {
                    self.fields.extend(object);
                }
            }
            (name, value) => drop(self.fields.insert(name.to_owned(), value)),
        }
    }
}

impl Visit for LogRecord {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.set(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::json;
    use tracing::Subscriber;
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::{Context, SubscriberExt};

    use super::super::LogLine;
    use super::*;
    use crate::domain::name::PoolName;

    /// Keeps the records of one test.
    #[derive(Clone, Default)]
    struct Records(Arc<Mutex<Vec<LogRecord>>>);

    impl<S: Subscriber> Layer<S> for Records {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().push(LogRecord::of(event, Timestamp::UNIX_EPOCH));
        }
    }

    fn logged(log: impl FnOnce()) -> LogRecord {
        let records = Records::default();
        let subscriber = tracing_subscriber::registry().with(records.clone());
        tracing::subscriber::with_default(subscriber, log);
        let mut records = records.0.lock().unwrap();
        assert_eq!(records.len(), 1);
        records.remove(0)
    }

    #[test]
    fn a_line_becomes_one_event_with_its_further_fields() {
        let pool = PoolName::new("web").unwrap();
        let mut line = LogLine::warn("finding", "a b").of(&pool).help("look");
        line.fields.insert("runner".into(), "r-1".into());
        line.fields.insert("count".into(), 3.into());
        line.fields.insert("absent".into(), Value::Null);
        let record = logged(|| line.emit());
        assert_eq!((record.level, record.message.as_str()), (Level::WARN, "a b"));
        let fields = json!({
            "event": "finding", "pool": "web", "help": "look", "runner": "r-1", "count": 3,
            "absent": null,
        });
        assert_eq!(Value::Object(record.fields), fields);
    }

    #[test]
    fn a_macro_of_tracing_keeps_the_types_of_its_fields() {
        let record = logged(|| tracing::debug!(ms = 12_u64, ok = true, path = "/pools", "GET"));
        assert_eq!((record.level, record.message.as_str()), (Level::DEBUG, "GET"));
        let fields = json!({ "ms": 12, "ok": true, "path": "/pools" });
        assert_eq!(Value::Object(record.fields), fields);
    }
}
