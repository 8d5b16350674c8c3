//! An alert as it is told.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// One alert at one moment. Rule and labels together say which alert it is; a later one with the
/// same rule and labels replaces it.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// Name of the rule, `QueueDepthHigh` for example.
    pub rule: String,
    /// What it is about: `fleet`, `pool`, …; names of letters, digits and `_`.
    pub labels: BTreeMap<String, String>,
    /// Whether it goes on.
    pub state: State,
    /// One sentence without a full stop.
    pub summary: String,
    /// What to look at next; may be empty.
    pub description: String,
    /// The number that was judged.
    pub value: f64,
}

/// Whether an alert goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It does.
    Firing {
        /// Since when.
        since: Timestamp,
    },
    /// It is over.
    Resolved {
        /// Since when it was firing.
        since: Timestamp,
        /// When it ended.
        at: Timestamp,
    },
}

impl State {
    /// Since when it has been, or had been, firing.
    pub fn since(self) -> Timestamp {
        match self {
            Self::Firing { since } | Self::Resolved { since, .. } => since,
        }
    }

    /// Whether it goes on.
    pub fn is_firing(self) -> bool {
        matches!(self, Self::Firing { .. })
    }

    /// The word of messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Firing { .. } => "firing",
            Self::Resolved { .. } => "resolved",
        }
    }
}

impl Notification {
    /// Which alert it is.
    pub(super) fn key(&self) -> Key {
        (self.rule.clone(), self.labels.clone())
    }
}

/// What tells alerts apart.
pub(super) type Key = (String, BTreeMap<String, String>);

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// A time on the day of the tests, by hour, minute and second.
    pub(crate) fn at(clock: &str) -> Timestamp {
        format!("2026-11-25T{clock}Z").parse().unwrap()
    }

    /// `QueueDepthHigh` of a pool, firing since ten o'clock.
    pub(crate) fn firing(pool: &str) -> Notification {
        Notification {
            rule: "QueueDepthHigh".into(),
            labels: [("fleet", "acme"), ("pool", pool)]
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
            state: State::Firing { since: at("10:00:00") },
            summary: format!("`queue_depth` of pool `{pool}` is 25, above 20 for 5m"),
            description: "see `runnerctl status`".into(),
            value: 25.0,
        }
    }

    /// The same alert, over at a quarter past ten.
    pub(crate) fn resolved(pool: &str) -> Notification {
        let state = State::Resolved { since: at("10:00:00"), at: at("10:15:00") };
        Notification { state, ..firing(pool) }
    }
}
