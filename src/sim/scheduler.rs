//! Schedules actions in virtual time.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use jiff::Timestamp;

/// Scheduled actions in order of time; actions at the same time in order of insertion.
#[derive(Debug)]
pub(crate) struct Scheduler<T> {
    heap: BinaryHeap<Reverse<ScheduledItem<T>>>,
    count: u64,
}

#[derive(Debug)]
struct ScheduledItem<T> {
    at: Timestamp,
    number: u64,
    what: T,
}

impl<T> PartialEq for ScheduledItem<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for ScheduledItem<T> {}

impl<T> PartialOrd for ScheduledItem<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for ScheduledItem<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl<T> Scheduler<T> {
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::new(), count: 0 }
    }

    pub(crate) fn add(&mut self, at: Timestamp, what: T) {
        self.count += 1;
        self.heap.push(Reverse(ScheduledItem { at, number: self.count, what }));
    }

    /// Removes the next action that is due by `now`.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<(Timestamp, T)> {
        if self.heap.peek()?.0.at > now {
            return None;
        }
        self.heap.pop().map(|entry| (entry.0.at, entry.0.what))
    }

    /// When the next action is due.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.heap.peek().map(|entry| entry.0.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_ordered_by_time_and_then_by_insertion() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut scheduler = Scheduler::new();
        for (second, what) in [(2, "c"), (1, "a"), (1, "b"), (3, "later")] {
            scheduler.add(at(second), what);
        }
        let due: Vec<_> =
            std::iter::from_fn(|| scheduler.take_due(at(2))).map(|next| next.1).collect();
        assert_eq!(due, ["a", "b", "c"]);
        assert_eq!(scheduler.next_at(), Some(at(3)));
    }
}
