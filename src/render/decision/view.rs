//! A decision as it is told, whoever made it: this process, or a running `watch` that was asked.
//!
//! Both are read from the object of `/decisions`, so that `status` shows the same words for the
//! same decision.

use jiff::Timestamp;
use serde_json::Value;

use super::json::{DecisionEffect, json};
use crate::domain::name::{PoolName, RunnerName};
use crate::domain::text;
use crate::scaling::{Decision, Direction, Reason};

/// One decision. Texts are escaped.
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionView {
    /// GARM's id of the pool.
    pub pool_id: String,
    /// What the pool is about to become.
    pub direction: Direction,
    /// The decision in a word or three.
    pub short: String,
    /// The decision in a sentence.
    pub sentence: String,
    /// Why nothing is written to the pool, if that is so.
    pub frozen: Option<String>,
    /// That GARM does not create the runners that the level asks for, if that is so.
    pub stall: Option<String>,
    /// Which jobs idle runners do not get, if that is so.
    pub untaken: Option<String>,
    /// The idle runners that are suspect.
    pub suspects: Vec<RunnerName>,
    /// Nothing waits and nothing is to be done.
    pub is_steady: bool,
    /// Jobs that wait for the pool.
    pub queued: u32,
    /// Jobs that idle runners beside them do not get.
    pub stuck: u32,
    /// When the oldest of both was created.
    pub oldest: Option<Timestamp>,
    /// Since when the first of the runners that are leaving is on its way out.
    pub leaving_since: Option<Timestamp>,
    /// The object of `/decisions`.
    pub value: Value,
}

impl DecisionView {
    /// A decision of this process.
    pub fn of(pool: &PoolName, decision: &Decision, fate: DecisionEffect<'_>) -> Self {
        Self::read(json(pool, decision, fate, None))
            .expect("`json` sets every key that `read` needs")
    }

    /// A decision as `/decisions` has it; nothing when that is not what it is.
    pub fn read(value: Value) -> Option<Self> {
        let escaped = |it: &Value| it.as_str().map(|it| text::escape(it).into_owned());
        let words = |key: &str| escaped(&value[key]);
        let jobs = &value["inputs"]["jobs"];
        let number = |key: &str| u32::try_from(jobs[key].as_u64()?).ok();
        let time = |it: &Value| it.as_str()?.parse::<Timestamp>().ok();
        let oldest = [&jobs["oldest_queued_at"], &jobs["oldest_stuck_at"]];
        let direction = value["direction"].as_str()?;
        Some(Self {
            pool_id: value["pool_id"].as_str()?.to_owned(),
            direction: Direction::ALL.into_iter().find(|it| it.word() == direction)?,
            short: words("short")?,
            sentence: words("sentence")?,
            frozen: words("frozen"),
            stall: escaped(&value["level_not_followed"]["sentence"]),
            untaken: words("jobs_not_handed_out"),
            suspects: value["suspect_runners"]
                .as_array()?
                .iter()
                .filter_map(|it| Some(RunnerName::new(it.as_str()?)))
                .collect(),
            is_steady: value["reason"].as_str() == Some(Reason::Steady.word()),
            queued: number("queued")?,
            stuck: number("stuck")?,
            oldest: oldest.into_iter().filter_map(time).min(),
            leaving_since: time(&value["inputs"]["runners"]["deleting_since"]),
            value,
        })
    }
}
