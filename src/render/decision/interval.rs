//! What happened in a pool between two log lines about it, and the current decision.

use super::words::{Mood, count_of, sentence, waiting};
use crate::scaling::{Decision, Reason};

/// What happened in a pool since its previous log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolInterval {
    /// The number of runners whose rows GARM created.
    pub started: u32,
    /// The number of runners whose rows GARM removed, after a job or for another reason.
    pub removed: u32,
    /// The level in the previous line, or at the start of `watch`.
    pub level_before: u32,
    /// The level now.
    pub level: u32,
    /// The lowest and the highest level since then, including `level_before` and `level`.
    pub level_range: (u32, u32),
    /// The rule that caused the last write that raised the level; without one, the rule that caused
    /// the last write.
    pub cause: Option<Reason>,
}

/// One sentence without a full stop, to follow the pool's name: the waiting jobs, the runners by
/// state, the numbers of started and removed runners, the change of the level, and the decision.
/// The number of runners is that of the previous line plus `started` minus `removed`.
pub fn interval(since: &PoolInterval, decision: &Decision, mood: Mood) -> String {
    let moves = [(since.started, "started"), (since.removed, "removed")];
    let moves: String =
        moves.iter().filter(|n| n.0 > 0).map(|(n, word)| format!(", {n} {word}")).collect();
    format!(
        "{}; {}{moves}; {}; {}",
        jobs(decision),
        runners(decision),
        level(since),
        sentence(decision, mood)
    )
}

fn jobs(decision: &Decision) -> String {
    let queued = waiting(decision.inputs.queued);
    match decision.inputs.exceptions.stuck {
        0 => queued,
        stuck => format!("{queued}, {stuck} more stuck"),
    }
}

fn runners(decision: &Decision) -> String {
    let counts = &decision.inputs.counts;
    let states = [
        (counts.active, "active"),
        (counts.idle, "idle"),
        (counts.suspect, "suspect"),
        (counts.booting, "booting"),
        (counts.failed, "failed"),
        (counts.leaving + counts.ended, "deleting"),
    ];
    let states: Vec<String> =
        states.iter().filter(|n| n.0 > 0).map(|(n, word)| format!("{n} {word}")).collect();
    match counts.live {
        0 => "no runner".into(),
        live => format!("{} ({})", count_of(live, "runner"), states.join(", ")),
    }
}

fn level(since: &PoolInterval) -> String {
    let (from, to) = (since.level_before, since.level);
    let (low, high) = since.level_range;
    if (low, high) == (to, to) && from == to {
        return format!("level {to}");
    }
    let cause = since.cause.map_or_else(String::new, |reason| format!(" ({})", reason.word()));
    if low < from.min(to) || high > from.max(to) {
        return format!("level {from} → {to}, between {low} and {high}{cause}");
    }
    format!("level {from} → {to}{cause}")
}
