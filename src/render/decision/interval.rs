//! What has happened in a pool between two lines of the log, and the current decision about it.

use super::words::{Mood, count_of, sentence, waiting};
use crate::scaling::{Decision, Reason};

/// What has happened in a pool since its previous line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolInterval {
    /// Runners whose rows GARM has created.
    pub started: u32,
    /// Runners whose rows GARM has removed, after a job or otherwise.
    pub removed: u32,
    /// The level in the previous line, or at the start of `watch`.
    pub level_before: u32,
    /// The level now.
    pub level: u32,
    /// The lowest and the highest level in between, both ends included.
    pub level_range: (u32, u32),
    /// The rule behind the last write that raised the level, or else behind the last one.
    pub cause: Option<Reason>,
}

/// One sentence without a full stop, to follow the pool's name: the jobs that wait, the runners by
/// state, those that came and went, the level from and to, and the decision. The runners by state
/// add up to their number, which is that of the previous line plus `started` minus `removed`.
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
