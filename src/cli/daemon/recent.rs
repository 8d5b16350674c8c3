//! The last scaling actions and the last problems, for the status page. Bounded: see [`FLEET_MAX`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;
use tracing::Level;

use crate::cli::log::LogLine;
use crate::domain::name::PoolName;
use crate::render::page::{PageEntry, Tone};

/// Number of entries kept for the whole fleet.
const FLEET_MAX: usize = 20;

/// Number of entries kept for each pool, so that a busy pool does not push out those of another.
const POOL_MAX: usize = 5;

/// The longest text, in characters. A thousand pools with only such texts need 5 MB.
const TEXT_MAX: usize = 800;

/// The last entries of all pools and of each pool, newest first.
#[derive(Debug, Default)]
pub(super) struct RecentEntries {
    latest: VecDeque<Arc<RecentEntry>>,
    by_pool: BTreeMap<PoolName, VecDeque<Arc<RecentEntry>>>,
}

#[derive(Debug)]
struct RecentEntry {
    at: Instant,
    topic: EntryTopic,
    pool: Option<PoolName>,
    level: Level,
    text: String,
    help: Option<String>,
}

/// Decides whether an entry replaces the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryTopic {
    /// A failed read of GARM. Consecutive failures differ only in their number.
    ReadFailure,
    Other,
}

impl RecentEntries {
    /// Adds a line of the log. Lines below the level `info` are left out.
    pub(super) fn note(&mut self, line: &LogLine, topic: EntryTopic) {
        if line.level > Level::INFO {
            return;
        }
        let is_repeated = topic != EntryTopic::Other
            && self.latest.front().is_some_and(|entry| entry.topic == topic);
        if is_repeated {
            self.latest.pop_front();
        }
        let entry = Arc::new(RecentEntry {
            at: Instant::now(),
            topic,
            pool: line.pool.clone(),
            level: line.level,
            text: line.text.chars().take(TEXT_MAX).collect(),
            help: line.help.clone(),
        });
        if let Some(pool) = &line.pool {
            let of_pool = self.by_pool.entry(pool.clone()).or_default();
            of_pool.push_front(Arc::clone(&entry));
            of_pool.truncate(POOL_MAX);
        }
        self.latest.push_front(entry);
        self.latest.truncate(FLEET_MAX);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.latest.is_empty()
    }

    /// Drops the entries of pools that do not exist.
    pub(super) fn keep(&mut self, exists: impl Fn(&PoolName) -> bool) {
        self.by_pool.retain(|name, _| exists(name));
    }

    /// The entries of a pool, or those of the fleet.
    pub(super) fn of(&self, pool: Option<&PoolName>) -> Vec<PageEntry> {
        let entries = match pool {
            None => Some(&self.latest),
            Some(pool) => self.by_pool.get(pool),
        };
        entries.into_iter().flatten().map(|entry| entry.as_page_entry()).collect()
    }

    pub(super) fn read_failure(&self) -> Option<PageEntry> {
        let is_failure = |entry: &&Arc<RecentEntry>| entry.topic == EntryTopic::ReadFailure;
        self.latest.iter().find(is_failure).map(|entry| entry.as_page_entry())
    }
}

impl RecentEntry {
    fn as_page_entry(&self) -> PageEntry {
        PageEntry {
            age: self.at.elapsed(),
            pool: self.pool.as_ref().map(ToString::to_string),
            tone: match self.level {
                Level::ERROR => Tone::Bad,
                Level::WARN => Tone::Warning,
                _ => Tone::Quiet,
            },
            text: self.text.clone(),
            help: self.help.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(entries: &RecentEntries, pool: Option<&str>) -> Vec<String> {
        let pool = pool.map(|name| PoolName::new(name).unwrap());
        entries.of(pool.as_ref()).into_iter().map(|entry| entry.text).collect()
    }

    #[test]
    fn a_busy_pool_does_not_push_out_the_entries_of_another() {
        let mut entries = RecentEntries::default();
        let line = |pool: &str, text: String| {
            LogLine::warn("trouble", text).of(&PoolName::new(pool).unwrap())
        };
        entries.note(&line("quiet", "quota".into()), EntryTopic::Other);
        for n in 0..100 {
            entries.note(&line("busy", format!("{n}")), EntryTopic::Other);
        }
        assert_eq!(texts(&entries, Some("quiet")), ["quota"]);
        assert_eq!(texts(&entries, Some("busy")), ["99", "98", "97", "96", "95"]);
        assert_eq!(texts(&entries, None).len(), FLEET_MAX);
        entries.keep(|name| name.as_str() == "busy");
        assert!(texts(&entries, Some("quiet")).is_empty());
        entries.note(&line("busy", "x".repeat(5_000)), EntryTopic::Other);
        assert_eq!(texts(&entries, None)[0].len(), TEXT_MAX);
    }

    #[test]
    fn consecutive_failures_are_one_entry_and_debug_lines_are_left_out() {
        let mut entries = RecentEntries::default();
        for n in 1..=3 {
            let line = LogLine::error("trouble", format!("cannot be read: {n}"));
            entries.note(&line, EntryTopic::ReadFailure);
        }
        entries.note(&LogLine::new(Level::DEBUG, "trouble", "detail"), EntryTopic::Other);
        assert_eq!(texts(&entries, None), ["cannot be read: 3"]);
        assert_eq!(entries.read_failure().unwrap().text, "cannot be read: 3");
    }
}
