//! What is due when.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use jiff::Timestamp;

/// Things to come, in order of time; of two at the same instant the one that was put down first.
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

    /// Puts something down.
    pub(crate) fn add(&mut self, at: Timestamp, what: T) {
        self.count += 1;
        self.heap.push(Reverse(ScheduledItem { at, number: self.count, what }));
    }

    /// Takes the next thing that is due by `now`.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<(Timestamp, T)> {
        if self.heap.peek()?.0.at > now {
            return None;
        }
        self.heap.pop().map(|it| (it.0.at, it.0.what))
    }

    /// When the next thing is due.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.heap.peek().map(|it| it.0.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_come_in_order_of_time_and_then_of_writing() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut scheduler = Scheduler::new();
        for (second, what) in [(2, "c"), (1, "a"), (1, "b"), (3, "later")] {
            scheduler.add(at(second), what);
        }
        let due: Vec<_> = std::iter::from_fn(|| scheduler.take_due(at(2))).map(|it| it.1).collect();
        assert_eq!(due, ["a", "b", "c"]);
        assert_eq!(scheduler.next_at(), Some(at(3)));
    }
}
