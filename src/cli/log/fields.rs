//! The keys of the lines of `watch -o json`, and their schema.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::monitor::FindingKind;
use crate::render::document;
use crate::scaling::{Direction, Reason};

/// The keys of every line.
#[derive(Serialize, JsonSchema)]
pub(super) struct LineHead<'a> {
    #[schemars(extend("format" = "date-time"))]
    pub(super) ts: String,
    #[schemars(extend("enum" = ["error", "warn", "info", "debug", "trace"]))]
    pub(super) level: &'static str,
    /// One sentence.
    pub(super) msg: &'a str,
    #[schemars(extend("const" = "1"))]
    pub(super) format_version: &'static str,
    #[schemars(extend("const" = "watch"))]
    pub(super) command: &'static str,
    /// The GARM that the line is about; only with `garms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(super) garm: Option<&'a str>,
}

/// The further keys of a kind of line.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(in crate::cli) enum LogFields {
    /// A pool and what has happened in it since its previous line, at most every 30 s.
    Scaling {
        /// Jobs that wait.
        waiting: u32,
        /// Further jobs that idle runners do not get.
        stuck: u32,
        /// All runners: the sum of the next six.
        runners: u32,
        active: u32,
        idle: u32,
        suspect: u32,
        booting: u32,
        failed: u32,
        deleting: u32,
        /// Runners that GARM has created since the previous line.
        started: u32,
        /// Runners that are gone since the previous line.
        removed: u32,
        /// The level in the previous line.
        level_before: u32,
        pool_level: u32,
        /// The lowest level since the previous line.
        level_min: u32,
        /// The highest level since the previous line.
        level_max: u32,
        /// The reason of the decision that moved the level.
        #[schemars(extend("enum" = causes()))]
        cause: Option<&'static str>,
        /// The decision in force.
        #[schemars(extend("enum" = Direction::ALL.map(Direction::word)))]
        direction: &'static str,
        #[schemars(extend("enum" = Reason::ALL.map(Reason::word)))]
        reason: &'static str,
        /// False if nothing is written.
        applied: bool,
    },
    /// A decision that differs from the previous one, with `-v`.
    Decision {
        #[schemars(extend("enum" = Direction::ALL.map(Direction::word)))]
        direction: &'static str,
        #[schemars(extend("enum" = Reason::ALL.map(Reason::word)))]
        reason: &'static str,
        pool_level: u32,
        /// False if nothing is written.
        applied: bool,
    },
    /// A write to a pool or to a runner; those that succeed with `-v`.
    Action {
        action: &'static str,
        outcome: &'static str,
        /// The reason of the decision behind it.
        reason: Option<&'static str>,
        runner: Option<String>,
    },
    /// A finding of the isolation auditor.
    Finding {
        #[schemars(extend("enum" = FindingKind::ALL.map(FindingKind::word)))]
        finding: &'static str,
        runner: Option<String>,
    },
    /// A requirement whose answer is new.
    Requirement {
        id: &'static str,
        #[schemars(extend("enum" = ["met", "not met", "cannot tell"]))]
        answer: &'static str,
    },
    /// An alert that fires or is resolved.
    Alert { rule: String, firing: bool, value: f64 },
    /// An attempt to deliver alerts.
    Delivery {
        receiver: String,
        outcome: &'static str,
        /// The number of alerts in the message.
        alerts: usize,
    },
    /// Files that were read again.
    Reload {
        #[schemars(extend("enum" = ["done", "refused"]))]
        outcome: &'static str,
    },
    /// The fields in which a pool in GARM differs from its file.
    Drift { fields: Vec<String> },
    /// The field with which a pool in GARM violates the policy.
    Policy { field: &'static str },
    /// The result of a round of probes.
    Mtls { result: &'static str },
    /// An audit log that was changed: its last known record and the one that is there.
    Audit { known: String, found: Option<String> },
}

/// The word of every reason, and null.
fn causes() -> Vec<Option<&'static str>> {
    Reason::ALL.iter().map(|reason| Some(reason.word())).chain([None]).collect()
}

/// A line, as a type for its schema: `tracing` hands over its keys as a map.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum AnyLine {
    Own(OwnLine),
    Library(LibraryLine),
}

/// A line of runnerctl.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct OwnLine {
    #[schemars(flatten)]
    head: LineHead<'static>,
    /// The kind of line.
    event: String,
    #[schemars(with = "String", skip_serializing_if = "Option::is_none")]
    pool: Option<String>,
    /// What to type next.
    #[schemars(with = "String", skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    #[schemars(flatten)]
    fields: OwnFields,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum OwnFields {
    Line(LogFields),
    Traced(TracedFields),
    /// Any other line.
    None {},
}

/// The further keys of the lines that `tracing` gets directly.
#[derive(JsonSchema)]
#[schemars(tag = "event", rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum TracedFields {
    /// A request to GARM, with `-vv`; the keys of the answer are absent if there is none.
    Request {
        #[schemars(with = "String", skip_serializing_if = "Option::is_none")]
        method: Option<String>,
        #[schemars(with = "String", skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        #[schemars(with = "u16", skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// Milliseconds.
        #[schemars(with = "u64", skip_serializing_if = "Option::is_none")]
        ms: Option<u64>,
        #[schemars(with = "usize", skip_serializing_if = "Option::is_none")]
        bytes: Option<usize>,
    },
    /// The decision about a pool, unchanged or not, with `-vvv`.
    Evaluation { pool_level: u32 },
}

/// A line of a library, with `-v`; its further keys are its own.
#[derive(JsonSchema)]
#[schemars(extend("not" = { "required": ["event"] }))]
#[expect(dead_code, reason = "only its schema is used")]
struct LibraryLine {
    #[schemars(flatten)]
    head: LineHead<'static>,
    #[schemars(flatten)]
    fields: Map<String, Value>,
}

/// The schema of one line.
pub(in crate::cli) fn schema() -> Value {
    document::line_schema::<AnyLine>("log-line")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_keys_of_its_kind_and_no_others() {
        let schema = schema();
        let accepts = |further: &str| {
            let text = format!(
                r#"{{"ts": "1970-01-01T00:00:00Z", "level": "info", "msg": "m",
                "format_version": "1", "command": "watch", {further}}}"#
            );
            jsonschema::is_valid(&schema, &serde_json::from_str(&text).unwrap())
        };
        assert!(accepts(r#""event": "start""#));
        assert!(accepts(r#""event": "drift", "pool": "web", "fields": ["image"]"#));
        assert!(!accepts(r#""event": "drift", "pool": "web", "fields": ["image"], "x": 1"#));
        assert!(!accepts(r#""event": "start", "fields": ["image"]"#));
        assert!(accepts(r#""event": "request", "method": "GET", "ms": 3"#));
        assert!(accepts(r#""error": "closed by peer""#));
        assert!(!accepts(r#""event": "start", "error": "closed by peer""#));
    }
}
