//! What one receiver is still to be told, and when. No I/O: times come in.
//!
//! Kept is the latest state of each alert, not a queue of messages: a receiver that was away for
//! an hour is told how things are, and the number of alerts bounds what is kept.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::endpoint::ReceiverApi;
use super::notification::{AlertKey, Notification};
use crate::domain::backoff::Backoff;

/// Alerts kept at one time. A thousand pools with four rules each fit.
pub(super) const ALERTS_MAX: usize = 4_096;

/// Alerts in one message: 100 KiB of JSON or less.
pub(super) const BATCH_MAX: usize = 200;

/// A firing alert is told to an Alertmanager this often: five times in its `resolve_timeout`.
pub(super) const RESEND: Duration = Duration::from_secs(60);

/// Attempts to tell that an alert is over; a quarter of an hour with the waits between them. A
/// firing one is told for as long as it fires.
pub(super) const RESOLVED_ATTEMPTS_MAX: u32 = 10;

/// Waits after a failure.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// See [`FIRST_WAIT`]; a receiver's `Retry-After` is believed up to this, too.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// The alerts of one receiver.
#[derive(Debug)]
pub(super) struct AlertQueue {
    kind: ReceiverApi,
    entries: BTreeMap<AlertKey, QueuedAlert>,
    /// Failures since the last success.
    failures: u32,
    /// Nothing is sent before.
    not_before: Option<Instant>,
    /// The last message was refused. One alert in it may be what the receiver does not like, so
    /// each is sent by itself until one is accepted.
    is_refused: bool,
}

#[derive(Debug)]
struct QueuedAlert {
    notification: Notification,
    attempts: u32,
    told: Option<Instant>,
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum QueueAction {
    /// Send these.
    Send(Vec<Notification>),
    /// Wait until then, or for a new notification.
    Wait(Option<Instant>),
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SendResult {
    /// Accepted.
    Delivered,
    /// No answer, or one that says later; the receiver may have said how much.
    Failed(Option<Duration>),
    /// The receiver does not like it.
    Refused,
}

impl AlertQueue {
    pub(super) fn new(kind: ReceiverApi) -> Self {
        let entries = BTreeMap::new();
        Self { kind, entries, failures: 0, not_before: None, is_refused: false }
    }

    /// Takes a notification in. False: there are too many, and it was dropped.
    #[must_use]
    pub(super) fn take(&mut self, notification: Notification) -> bool {
        let key = notification.key();
        let is_full = self.entries.len() >= ALERTS_MAX;
        match self.entries.get_mut(&key) {
            Some(entry) => entry.renew(notification),
            // The end of something that was never taken in is no news.
            None if !notification.status.is_firing() => {}
            None if is_full => return false,
            None => {
                let entry = QueuedAlert { notification, attempts: 0, told: None };
                self.entries.insert(key, entry);
            }
        }
        true
    }

    /// What to do at `now`.
    pub(super) fn next(&self, now: Instant) -> QueueAction {
        let due = self.entries.values().filter_map(|it| self.due(it));
        let Some(first) = due.min() else { return QueueAction::Wait(None) };
        let first = first.unwrap_or(now).max(self.not_before.unwrap_or(now));
        if first > now {
            return QueueAction::Wait(Some(first));
        }
        let is_due =
            |it: &&QueuedAlert| self.due(it).is_some_and(|it| it.is_none_or(|it| it <= now));
        let mut batch: Vec<&QueuedAlert> = self.entries.values().filter(is_due).collect();
        // Those that were tried least go first: what is refused again and again blocks nothing.
        batch.sort_by_key(|it| it.attempts);
        batch.truncate(if self.is_refused { 1 } else { BATCH_MAX });
        QueueAction::Send(batch.into_iter().map(|it| it.notification.clone()).collect())
    }

    /// When an entry is to be told: `Some(None)` at once, `None` never again.
    fn due(&self, entry: &QueuedAlert) -> Option<Option<Instant>> {
        match (entry.told, self.kind) {
            (None, _) => Some(None),
            (Some(told), ReceiverApi::Alertmanager) => Some(Some(told + RESEND)),
            (Some(_), ReceiverApi::Webhook) => None,
        }
    }

    /// Notes what became of a message sent at `now`. Returns how many alerts are given up.
    pub(super) fn settle(
        &mut self,
        sent: &[Notification],
        fate: SendResult,
        now: Instant,
    ) -> usize {
        self.is_refused = fate == SendResult::Refused;
        match fate {
            SendResult::Delivered => {
                (self.failures, self.not_before) = (0, None);
            }
            SendResult::Failed(_) | SendResult::Refused => {
                let own = Backoff::new(FIRST_WAIT, LONGEST_WAIT).delay(self.failures);
                let asked = if let SendResult::Failed(Some(asked)) = fate { asked } else { own };
                self.not_before = Some(now + asked.clamp(own, LONGEST_WAIT));
                self.failures = self.failures.saturating_add(1);
            }
        }
        sent.iter().filter(|it| self.settle_one(it, fate, now)).count()
    }

    /// Whether the alert is given up.
    fn settle_one(&mut self, sent: &Notification, fate: SendResult, now: Instant) -> bool {
        let key = sent.key();
        let Some(entry) = self.entries.get_mut(&key) else { return false };
        entry.attempts = entry.attempts.saturating_add(1);
        let is_news = entry.notification.status != sent.status;
        let is_over = !entry.notification.status.is_firing();
        match fate {
            // It has changed while it was on its way: the newer state is still to be told.
            SendResult::Delivered if is_news => entry.attempts = 0,
            SendResult::Delivered if is_over => {
                self.entries.remove(&key);
            }
            SendResult::Delivered => (entry.told, entry.attempts) = (Some(now), 0),
            SendResult::Failed(_) | SendResult::Refused => {
                let is_given_up = is_over && entry.attempts >= RESOLVED_ATTEMPTS_MAX;
                if is_given_up {
                    self.entries.remove(&key);
                }
                return is_given_up;
            }
        }
        false
    }

    /// What has not been told yet, for a last attempt.
    pub(super) fn untold(&self) -> Vec<Notification> {
        let untold = self.entries.values().filter(|it| it.told.is_none());
        untold.take(BATCH_MAX).map(|it| it.notification.clone()).collect()
    }
}

impl QueuedAlert {
    /// A newer notification of the same alert. Its beginning or end is told at once; a changed
    /// value only when the alert is told again anyway.
    fn renew(&mut self, notification: Notification) {
        if self.notification.status != notification.status {
            self.told = None;
            self.attempts = 0;
        }
        self.notification = notification;
    }
}

#[cfg(test)]
mod tests {
    use super::super::notification::testing::{at, firing, resolved};
    use super::*;
    use crate::monitor::AlertStatus;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn holding(kind: ReceiverApi, notifications: &[Notification]) -> AlertQueue {
        let mut outbox = AlertQueue::new(kind);
        for it in notifications {
            assert!(outbox.take(it.clone()));
        }
        outbox
    }

    #[test]
    fn a_webhook_is_told_once_that_it_fires_and_once_that_it_is_over() {
        let now = Instant::now();
        let mut outbox = holding(ReceiverApi::Webhook, &[firing("a")]);
        assert_eq!(outbox.next(now), QueueAction::Send(vec![firing("a")]));
        assert_eq!(outbox.settle(&[firing("a")], SendResult::Delivered, now), 0);
        assert_eq!(outbox.next(now), QueueAction::Wait(None));

        assert!(outbox.take(Notification { value: 26.0, ..firing("a") }), "a new value");
        assert_eq!(outbox.next(now), QueueAction::Wait(None));

        assert!(outbox.take(resolved("a")));
        assert_eq!(outbox.next(now), QueueAction::Send(vec![resolved("a")]));
        assert_eq!(outbox.settle(&[resolved("a")], SendResult::Delivered, now), 0);
        assert!(outbox.entries.is_empty());
    }

    #[test]
    fn an_alertmanager_is_told_every_minute_while_it_fires_with_the_newest_value() {
        let now = Instant::now();
        let mut outbox = holding(ReceiverApi::Alertmanager, &[firing("a")]);
        outbox.settle(&[firing("a")], SendResult::Delivered, now);
        assert_eq!(outbox.next(now), QueueAction::Wait(Some(now + RESEND)));
        let newer = Notification { value: 30.0, ..firing("a") };
        assert!(outbox.take(newer.clone()));
        assert_eq!(outbox.next(now + RESEND), QueueAction::Send(vec![newer.clone()]));
        outbox.settle(&[newer], SendResult::Delivered, now + RESEND);
        assert_eq!(outbox.next(now + RESEND), QueueAction::Wait(Some(now + RESEND * 2)));
    }

    #[test]
    fn a_new_occurrence_of_a_told_alert_is_told_again() {
        let now = Instant::now();
        let mut outbox = holding(ReceiverApi::Webhook, &[firing("a")]);
        outbox.settle(&[firing("a")], SendResult::Delivered, now);
        let again =
            Notification { status: AlertStatus::Firing { since: at("11:00:00") }, ..firing("a") };
        assert!(outbox.take(again.clone()));
        assert_eq!(outbox.next(now), QueueAction::Send(vec![again]));
    }

    #[test]
    fn failures_are_waited_out_longer_and_longer_and_a_success_ends_that() {
        let mut now = Instant::now();
        let mut outbox = holding(ReceiverApi::Webhook, &[firing("a")]);
        for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300] {
            assert_eq!(
                outbox.settle(&[firing("a")], SendResult::Failed(None), now),
                0,
                "never given up"
            );
            assert_eq!(outbox.next(now), QueueAction::Wait(Some(now + seconds(wait))));
            now += seconds(wait);
            assert_eq!(outbox.next(now), QueueAction::Send(vec![firing("a")]));
        }
        outbox.settle(&[firing("a")], SendResult::Delivered, now);
        assert!(outbox.take(firing("b")));
        assert_eq!(outbox.next(now), QueueAction::Send(vec![firing("b")]));
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_but_not_for_less_or_for_hours() {
        let now = Instant::now();
        for (asked, waited) in [(30, 30), (0, 1), (86_400, 300)] {
            let mut outbox = holding(ReceiverApi::Webhook, &[firing("a")]);
            outbox.settle(&[firing("a")], SendResult::Failed(Some(seconds(asked))), now);
            assert_eq!(outbox.next(now), QueueAction::Wait(Some(now + seconds(waited))));
        }
    }

    #[test]
    fn an_end_that_cannot_be_told_is_given_up_after_ten_attempts() {
        let now = Instant::now();
        let mut outbox = holding(ReceiverApi::Webhook, &[firing("a"), resolved("a")]);
        assert_eq!(
            outbox.next(now),
            QueueAction::Send(vec![resolved("a")]),
            "the latest state only"
        );
        for attempt in 1..=RESOLVED_ATTEMPTS_MAX {
            let given_up = outbox.settle(&[resolved("a")], SendResult::Failed(None), now);
            assert_eq!(given_up, usize::from(attempt == RESOLVED_ATTEMPTS_MAX), "{attempt}");
        }
        assert_eq!(outbox.next(now + seconds(900)), QueueAction::Wait(None));
    }

    #[test]
    fn what_changes_on_its_way_is_told_again() {
        let now = Instant::now();
        let mut outbox = holding(ReceiverApi::Webhook, &[firing("a")]);
        assert!(outbox.take(resolved("a")));
        outbox.settle(&[firing("a")], SendResult::Delivered, now);
        assert_eq!(outbox.next(now), QueueAction::Send(vec![resolved("a")]));
    }

    #[test]
    fn a_refused_alert_blocks_no_other() {
        let mut now = Instant::now();
        let (bad, good) = (firing("bad"), firing("good"));
        let mut outbox = holding(ReceiverApi::Webhook, &[bad.clone(), good.clone()]);
        assert_eq!(outbox.next(now), QueueAction::Send(vec![bad.clone(), good.clone()]));
        outbox.settle(&[bad.clone(), good.clone()], SendResult::Refused, now);
        now += seconds(1);
        assert_eq!(outbox.next(now), QueueAction::Send(vec![bad.clone()]));
        outbox.settle(std::slice::from_ref(&bad), SendResult::Refused, now);
        now += seconds(2);
        assert_eq!(outbox.next(now), QueueAction::Send(vec![good.clone()]));
        outbox.settle(&[good], SendResult::Delivered, now);
        assert_eq!(outbox.next(now), QueueAction::Send(vec![bad]));
    }

    #[test]
    fn too_many_alerts_are_dropped_but_the_end_of_a_known_one_never() {
        let mut outbox = AlertQueue::new(ReceiverApi::Alertmanager);
        for i in 0..ALERTS_MAX {
            assert!(outbox.take(firing(&format!("p{i}"))));
        }
        assert!(!outbox.take(firing("one-more")));
        assert!(outbox.take(resolved("p0")));
        assert!(outbox.take(resolved("one-more")), "no news");
        assert_eq!(outbox.entries.len(), ALERTS_MAX);
        let QueueAction::Send(batch) = outbox.next(Instant::now()) else {
            panic!("something is due")
        };
        assert_eq!(batch.len(), BATCH_MAX);
    }
}
