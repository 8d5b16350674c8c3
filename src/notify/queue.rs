//! The pending alerts of one receiver, and when to send them. No I/O: times are arguments.
//!
//! It keeps the latest state of each alert instead of a list of messages. A receiver that was
//! unreachable for an hour thus gets the current state, and the number of alerts bounds the memory.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::endpoint::ReceiverApi;
use super::notification::{AlertKey, Notification};
use crate::domain::backoff::Backoff;

/// The maximum number of alerts that are kept: a thousand pools with four rules each.
pub(super) const ALERTS_MAX: usize = 4_096;

/// The maximum number of alerts in one message: at most 100 KiB of JSON.
pub(super) const BATCH_MAX: usize = 200;

/// The interval at which a firing alert is sent to an Alertmanager: five times within its
/// `resolve_timeout`.
pub(super) const RESEND: Duration = Duration::from_secs(60);

/// The number of attempts to deliver the end of an alert. With the waits between them they take
/// about a quarter of an hour. A firing alert is attempted for as long as it fires.
pub(super) const RESOLVED_ATTEMPTS_MAX: u32 = 10;

/// The wait after the first failure; it doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The maximum wait after a failure, and the upper limit for a receiver's `Retry-After`.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(super) struct AlertQueue {
    kind: ReceiverApi,
    entries: BTreeMap<AlertKey, QueuedAlert>,
    failures: u32,
    /// Nothing is sent before this time.
    not_before: Option<Instant>,
    /// Whether the last message was rejected. A single alert may be the cause, so each one is sent
    /// separately until one is accepted.
    is_refused: bool,
}

#[derive(Debug)]
struct QueuedAlert {
    notification: Notification,
    attempts: u32,
    told: Option<Instant>,
}

/// The next thing to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum QueueAction {
    Send(Vec<Notification>),
    /// Wait until this time, or for a new notification.
    Wait(Option<Instant>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SendResult {
    Delivered,
    /// There was no response, or one that allows a later attempt. Contains the wait that the
    /// receiver requested, if any.
    Failed(Option<Duration>),
    Refused,
}

impl AlertQueue {
    pub(super) fn new(kind: ReceiverApi) -> Self {
        let entries = BTreeMap::new();
        Self { kind, entries, failures: 0, not_before: None, is_refused: false }
    }

    /// Adds a notification. Returns `false` if it was dropped because there are too many.
    #[must_use]
    pub(super) fn take(&mut self, notification: Notification) -> bool {
        let key = notification.key();
        let is_full = self.entries.len() >= ALERTS_MAX;
        match self.entries.get_mut(&key) {
            Some(entry) => entry.renew(notification),
            // The end of an alert that was never queued is not delivered.
            None if !notification.status.is_firing() => {}
            None if is_full => return false,
            None => {
                let entry = QueuedAlert { notification, attempts: 0, told: None };
                self.entries.insert(key, entry);
            }
        }
        true
    }

    /// Adds an alert that another process has sent at `now` at the latest. A webhook is not told of it
    /// again, only of its end.
    pub(super) fn adopt(&mut self, notification: Notification, now: Instant) {
        let told = match self.kind {
            // It knows the alert by its labels, and forgets one that is not sent again.
            ReceiverApi::Alertmanager => None,
            ReceiverApi::Webhook => Some(now),
        };
        let key = notification.key();
        if self.entries.len() < ALERTS_MAX {
            self.entries.insert(key, QueuedAlert { notification, attempts: 0, told });
        }
    }

    /// Drops all alerts, delivered or not: another process sends them from now on.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Whether the alert was delivered, or is not for this receiver.
    pub(super) fn is_told(&self, notification: &Notification) -> bool {
        self.entries.get(&notification.key()).is_none_or(|entry| entry.told.is_some())
    }

    pub(super) fn next(&self, now: Instant) -> QueueAction {
        let due = self.entries.values().filter_map(|entry| self.due(entry));
        let Some(first) = due.min() else { return QueueAction::Wait(None) };
        let first = first.unwrap_or(now).max(self.not_before.unwrap_or(now));
        if first > now {
            return QueueAction::Wait(Some(first));
        }
        let is_due =
            |alert: &&QueuedAlert| self.due(alert).is_some_and(|at| at.is_none_or(|at| at <= now));
        let mut batch: Vec<&QueuedAlert> = self.entries.values().filter(is_due).collect();
        // The alerts with the fewest attempts go first, so that those that are always rejected do
        // not block the others.
        batch.sort_by_key(|entry| entry.attempts);
        batch.truncate(if self.is_refused { 1 } else { BATCH_MAX });
        QueueAction::Send(batch.into_iter().map(|entry| entry.notification.clone()).collect())
    }

    /// When to send an entry: `Some(None)` means at once, `None` never again.
    fn due(&self, entry: &QueuedAlert) -> Option<Option<Instant>> {
        match (entry.told, self.kind) {
            (None, _) => Some(None),
            (Some(told), ReceiverApi::Alertmanager) => Some(Some(told + RESEND)),
            (Some(_), ReceiverApi::Webhook) => None,
        }
    }

    /// Records the result of a message that was sent at `now`. Returns the number of alerts that
    /// are given up.
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
        sent.iter().filter(|notification| self.settle_one(notification, fate, now)).count()
    }

    /// Records the result for one alert. Returns whether the alert is given up.
    fn settle_one(&mut self, sent: &Notification, fate: SendResult, now: Instant) -> bool {
        let key = sent.key();
        let Some(entry) = self.entries.get_mut(&key) else { return false };
        entry.attempts = entry.attempts.saturating_add(1);
        let is_news = entry.notification.status != sent.status;
        let is_over = !entry.notification.status.is_firing();
        match fate {
            // The alert changed while the message was sent, so the newer state must still be sent.
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

    /// The alerts that have not been delivered yet, for a last attempt.
    pub(super) fn untold(&self) -> Vec<Notification> {
        let untold = self.entries.values().filter(|entry| entry.told.is_none());
        untold.take(BATCH_MAX).map(|alert| alert.notification.clone()).collect()
    }
}

impl QueuedAlert {
    /// Replaces the notification by a newer one about the same alert. A start or end is sent at
    /// once; a changed value is sent with the next regular message.
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
    fn a_webhook_is_notified_once_of_the_start_and_once_of_the_end() {
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
    fn an_alertmanager_gets_the_newest_value_every_minute_while_an_alert_fires() {
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
    fn an_alert_that_fires_again_is_sent_again() {
        let now = Instant::now();
        let mut outbox = holding(ReceiverApi::Webhook, &[firing("a")]);
        outbox.settle(&[firing("a")], SendResult::Delivered, now);
        let again =
            Notification { status: AlertStatus::Firing { since: at("11:00:00") }, ..firing("a") };
        assert!(outbox.take(again.clone()));
        assert_eq!(outbox.next(now), QueueAction::Send(vec![again]));
    }

    #[test]
    fn waits_grow_with_each_failure_until_a_success() {
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
    fn an_end_that_cannot_be_delivered_is_given_up_after_ten_attempts() {
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
    fn an_alert_that_changes_during_delivery_is_sent_again() {
        let now = Instant::now();
        let mut outbox = holding(ReceiverApi::Webhook, &[firing("a")]);
        assert!(outbox.take(resolved("a")));
        outbox.settle(&[firing("a")], SendResult::Delivered, now);
        assert_eq!(outbox.next(now), QueueAction::Send(vec![resolved("a")]));
    }

    #[test]
    fn a_rejected_alert_does_not_block_the_others() {
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
    fn excess_alerts_are_dropped_but_never_the_end_of_a_known_one() {
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

    #[test]
    fn an_adopted_alert_is_sent_again_to_an_alertmanager_and_only_its_end_to_a_webhook() {
        let now = Instant::now();
        let mut outbox = AlertQueue::new(ReceiverApi::Alertmanager);
        outbox.adopt(firing("a"), now);
        assert!(!outbox.is_told(&firing("a")));
        assert_eq!(outbox.next(now), QueueAction::Send(vec![firing("a")]));
        let mut outbox = AlertQueue::new(ReceiverApi::Webhook);
        outbox.adopt(firing("a"), now);
        assert!(outbox.is_told(&firing("a")) && outbox.is_told(&firing("of another receiver")));
        assert_eq!(outbox.next(now), QueueAction::Wait(None));
        assert!(outbox.take(resolved("a")));
        assert_eq!(outbox.next(now), QueueAction::Send(vec![resolved("a")]));
        outbox.clear();
        assert_eq!(outbox.next(now), QueueAction::Wait(None));
    }
}
