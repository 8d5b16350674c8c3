//! A decision to display, made by this process or by a running `watch`.
//!
//! Both are parsed from an object of `/decisions`, so that `status` describes the same decision in
//! the same words.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::json::{DecisionEffect, json};
use crate::domain::name::{PoolName, RunnerName};
use crate::domain::text;
use crate::scaling::{Decision, Direction, Reason};

/// A decision to display. Texts are escaped.
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionView {
    /// GARM's id of the pool.
    pub pool_id: String,
    pub direction: Direction,
    /// The decision in one to three words.
    pub short: String,
    pub sentence: String,
    /// Why nothing is written to the pool; `None` if the pool is not frozen.
    pub frozen: Option<String>,
    /// A sentence which says that GARM does not follow the level; `None` if it does.
    pub stall: Option<String>,
    /// A sentence about jobs that have waited beside idle runners for too long; `None` if there are
    /// none.
    pub untaken: Option<String>,
    pub suspects: Vec<RunnerName>,
    /// Whether no job waits and there is nothing to do.
    pub is_steady: bool,
    pub queued: u32,
    /// The number of stuck jobs.
    pub stuck: u32,
    /// When the oldest queued or stuck job was created.
    pub oldest: Option<Timestamp>,
    /// When the first of the deleting runners entered that state.
    pub leaving_since: Option<Timestamp>,
    /// The complete object in `/decisions`.
    pub value: Arc<Value>,
}

impl DecisionView {
    /// A decision of this process.
    pub fn of(pool: &PoolName, decision: &Decision, fate: DecisionEffect<'_>) -> Self {
        Self::read(json(pool, decision, fate, None))
            .expect("`json` sets every key that `read` needs")
    }

    /// Parses an object of `/decisions`; `None` if a required key is missing or malformed.
    pub fn read(value: Value) -> Option<Self> {
        let escaped = |value: &Value| value.as_str().map(|text| text::escape(text).into_owned());
        let words = |key: &str| escaped(&value[key]);
        let jobs = &value["inputs"]["jobs"];
        let number = |key: &str| u32::try_from(jobs[key].as_u64()?).ok();
        let time = |value: &Value| value.as_str()?.parse::<Timestamp>().ok();
        let oldest = [&jobs["oldest_queued_at"], &jobs["oldest_stuck_at"]];
        let direction = value["direction"].as_str()?;
        Some(Self {
            pool_id: value["pool_id"].as_str()?.to_owned(),
            direction: Direction::ALL
                .into_iter()
                .find(|candidate| candidate.word() == direction)?,
            short: words("short")?,
            sentence: words("sentence")?,
            frozen: words("frozen"),
            stall: escaped(&value["level_not_followed"]["sentence"]),
            untaken: words("jobs_not_handed_out"),
            suspects: value["suspect_runners"]
                .as_array()?
                .iter()
                .filter_map(|name| Some(RunnerName::new(name.as_str()?)))
                .collect(),
            is_steady: value["reason"].as_str() == Some(Reason::Steady.word()),
            queued: number("queued")?,
            stuck: number("stuck")?,
            oldest: oldest.into_iter().filter_map(time).min(),
            leaving_since: time(&value["inputs"]["runners"]["deleting_since"]),
            value: Arc::new(value),
        })
    }
}
