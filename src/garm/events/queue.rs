//! The bounded queue between the task that reads the stream and its consumer. It signals what it
//! had to drop.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::Notify;

use super::StreamSignal;
use crate::domain::poison::IgnorePoison;
use crate::scaling::RowChange;

/// Maximum number of queued signals besides changes: the stream may flap while nothing is read.
const SIGNALS_MAX: usize = 64;

/// Memory that the queued changes may take, in bytes.
const WEIGHT_MAX: usize = 8 << 20;

/// One task fills it and another empties it. The lock is never held across an `await`.
#[derive(Debug)]
pub(super) struct SignalQueue {
    waiting_max: usize,
    state: Mutex<QueueState>,
    news: Notify,
}

#[derive(Debug, Default)]
struct QueueState {
    signals: VecDeque<StreamSignal>,
    /// How many changes are in `signals`, and their memory in bytes.
    changes: usize,
    weight: usize,
    /// The last reason that was signalled, while the stream is lost.
    lost: Option<String>,
    misread: u64,
    is_closed: bool,
}

impl SignalQueue {
    pub(super) fn new(waiting_max: usize) -> Self {
        Self { waiting_max, state: Mutex::default(), news: Notify::new() }
    }

    pub(super) fn connected(&self) {
        let mut state = self.state();
        state.lost = None;
        self.push(state, StreamSignal::Connected);
    }

    /// Does not signal the same reason twice.
    pub(super) fn lost(&self, why: String) {
        let mut state = self.state();
        if state.lost.as_ref() != Some(&why) {
            state.lost = Some(why.clone());
            self.push(state, StreamSignal::Lost(why));
        }
    }

    pub(super) fn change(&self, change: RowChange, weight: usize) {
        let mut state = self.state();
        if state.changes >= self.waiting_max || state.weight + weight > WEIGHT_MAX {
            state.overflow();
        }
        state.changes += 1;
        state.weight += weight;
        if let Some(StreamSignal::Changes(changes)) = state.signals.back_mut() {
            changes.push(change);
        } else {
            self.push(state, StreamSignal::Changes(vec![change]));
        }
    }

    /// GARM's own settings have changed. Queued at most once.
    pub(super) fn settings(&self) {
        let state = self.state();
        if !state.signals.contains(&StreamSignal::Settings) {
            self.push(state, StreamSignal::Settings);
        }
    }

    /// An event was dropped, so everything queued is dropped, too.
    pub(super) fn overflow(&self) {
        self.state().overflow();
        self.news.notify_one();
    }

    pub(super) fn pass_over(&self) {
        self.state().misread += 1;
    }

    pub(super) fn misread(&self) -> u64 {
        self.state().misread
    }

    /// No more signals will follow.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.news.notify_one();
    }

    pub(super) async fn next(&self) -> Option<StreamSignal> {
        loop {
            {
                let mut state = self.state();
                if let Some(signal) = state.signals.pop_front() {
                    if let StreamSignal::Changes(changes) = &signal {
                        state.changes -= changes.len();
                        if state.changes == 0 {
                            state.weight = 0;
                        }
                    }
                    return Some(signal);
                }
                if state.is_closed {
                    return None;
                }
            }
            self.news.notified().await;
        }
    }

    fn push(&self, mut state: MutexGuard<'_, QueueState>, signal: StreamSignal) {
        if state.signals.len() >= SIGNALS_MAX {
            state.overflow();
        }
        state.signals.push_back(signal);
        drop(state);
        self.news.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().ignoring_poison()
    }
}

impl QueueState {
    /// Drops everything queued except whether the stream is open and that settings have changed:
    /// the full read that follows shows the rest.
    fn overflow(&mut self) {
        let is_about_stream = |signal: &StreamSignal| match signal {
            StreamSignal::Connected | StreamSignal::Lost(_) => true,
            StreamSignal::Changes(_) | StreamSignal::Settings | StreamSignal::Overflow => false,
        };
        let last = self.signals.iter().rfind(|signal| is_about_stream(signal)).cloned();
        let settings =
            self.signals.contains(&StreamSignal::Settings).then_some(StreamSignal::Settings);
        self.signals.clear();
        self.signals.extend(last.into_iter().chain(settings));
        self.signals.push_back(StreamSignal::Overflow);
        self.changes = 0;
        self.weight = 0;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn gone(id: i64) -> RowChange {
        RowChange::JobGone(id)
    }

    fn waiting(queue: &SignalQueue) -> Vec<StreamSignal> {
        std::iter::from_fn(|| queue.next().now_or_never().flatten()).collect()
    }

    #[test]
    fn queued_changes_are_returned_together() {
        let queue = SignalQueue::new(10);
        queue.connected();
        queue.change(gone(1), 1);
        queue.change(gone(2), 1);
        queue.lost("closed".into());
        let expected = [
            StreamSignal::Connected,
            StreamSignal::Changes(vec![gone(1), gone(2)]),
            StreamSignal::Lost("closed".into()),
        ];
        assert_eq!(waiting(&queue), expected);
    }

    #[test]
    fn overflow_is_signalled_once_and_later_changes_are_kept() {
        let queue = SignalQueue::new(3);
        queue.connected();
        assert_eq!(waiting(&queue), [StreamSignal::Connected]);
        (1..=8).for_each(|id| queue.change(gone(id), 1));
        let expected = [StreamSignal::Overflow, StreamSignal::Changes(vec![gone(7), gone(8)])];
        assert_eq!(waiting(&queue), expected);
        // Taking signals makes room.
        (1..=3).for_each(|id| queue.change(gone(id), 1));
        assert_eq!(waiting(&queue), [StreamSignal::Changes(vec![gone(1), gone(2), gone(3)])]);
    }

    #[test]
    fn queued_changes_are_also_limited_by_memory() {
        let queue = SignalQueue::new(10);
        queue.change(gone(1), WEIGHT_MAX);
        queue.change(gone(2), 1);
        queue.change(gone(3), 1);
        assert_eq!(
            waiting(&queue),
            [StreamSignal::Overflow, StreamSignal::Changes(vec![gone(2), gone(3)])]
        );
        queue.change(gone(4), WEIGHT_MAX);
        assert_eq!(waiting(&queue), [StreamSignal::Changes(vec![gone(4)])]);
    }

    #[test]
    fn an_overflow_keeps_whether_the_stream_is_open() {
        let queue = SignalQueue::new(1);
        queue.connected();
        queue.lost("a".into());
        queue.change(gone(1), 1);
        queue.change(gone(2), 1);
        let expected = [
            StreamSignal::Lost("a".into()),
            StreamSignal::Overflow,
            StreamSignal::Changes(vec![gone(2)]),
        ];
        assert_eq!(waiting(&queue), expected);
    }

    #[test]
    fn a_reason_is_signalled_once_while_the_stream_is_lost() {
        let queue = SignalQueue::new(1);
        for why in ["a", "a", "b", "b"] {
            queue.lost(why.into());
        }
        queue.connected();
        queue.lost("b".into());
        let lost = |why: &str| StreamSignal::Lost(why.into());
        assert_eq!(waiting(&queue), [lost("a"), lost("b"), StreamSignal::Connected, lost("b")]);
    }

    #[test]
    fn a_flapping_stream_that_is_not_read_takes_bounded_memory() {
        let queue = SignalQueue::new(1);
        for _ in 0..10_000 {
            queue.connected();
            queue.lost("a".into());
        }
        let all = waiting(&queue);
        assert!(all.len() <= SIGNALS_MAX + 1, "{}", all.len());
        assert_eq!(all.last(), Some(&StreamSignal::Lost("a".into())));
        assert!(all.contains(&StreamSignal::Overflow));
    }

    #[test]
    fn a_closed_queue_ends_when_it_is_empty() {
        let queue = SignalQueue::new(1);
        queue.connected();
        queue.close();
        assert_eq!(queue.next().now_or_never(), Some(Some(StreamSignal::Connected)));
        assert_eq!(queue.next().now_or_never(), Some(None));
    }
}
