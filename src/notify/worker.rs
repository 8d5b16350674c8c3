//! The task that notifies one receiver.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::client::ReceiverClient;
use super::endpoint::{ReceiverEndpoint, ReceiverError};
use super::notification::Notification;
use super::notifier::{Attachment, Delivery, DeliveryListener, DeliveryOutcome};
use super::queue::{AlertQueue, QueueAction, SendResult};
use crate::domain::poison::IgnorePoison;

/// One receiver: its queue and its client.
pub(super) struct ReceiverWorker {
    client: ReceiverClient,
    outbox: Mutex<AlertQueue>,
    news: Notify,
    report: DeliveryListener,
    enclosure: Attachment,
}

impl ReceiverWorker {
    pub(super) fn new(
        target: ReceiverEndpoint,
        report: DeliveryListener,
        enclosure: Attachment,
    ) -> Result<Arc<Self>, ReceiverError> {
        let outbox = Mutex::new(AlertQueue::new(target.kind()));
        let client = ReceiverClient::new(target)?;
        Ok(Arc::new(Self { client, outbox, news: Notify::new(), report, enclosure }))
    }

    pub(super) fn target(&self) -> &ReceiverEndpoint {
        self.client.target()
    }

    /// Queues a notification and returns at once.
    pub(super) fn take(&self, notification: Notification) {
        let is_taken = self.outbox().take(notification);
        if is_taken {
            self.news.notify_one();
        } else {
            self.tell_of(DeliveryOutcome::Dropped, 1, "too many alerts at one time".into());
        }
    }

    /// Adds an alert that another process has sent.
    pub(super) fn adopt(&self, notification: Notification) {
        self.outbox().adopt(notification, Instant::now());
        self.news.notify_one();
    }

    /// Drops all alerts.
    pub(super) fn clear(&self) {
        self.outbox().clear();
    }

    /// Whether the alert was delivered, or is not for this receiver.
    pub(super) fn is_told(&self, notification: &Notification) -> bool {
        self.outbox().is_told(notification)
    }

    /// Notifies the receiver until `stop`; then sends the remaining alerts once.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let next = self.outbox().next(Instant::now());
            match next {
                QueueAction::Send(batch) => self.send(&batch).await,
                QueueAction::Wait(until) => tokio::select! {
                    () = self.news.notified() => {}
                    () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {}
                    () = stop.cancelled() => {}
                },
            }
        }
        let last = self.outbox().untold();
        if !last.is_empty() {
            self.send(&last).await;
        }
    }

    async fn send(&self, batch: &[Notification]) {
        let enclosed = self.enclosure.read();
        let answer = self.client.tell(batch, enclosed.as_deref()).await;
        let given_up = self.outbox().settle(batch, answer.fate, Instant::now());
        let outcome = match answer.fate {
            SendResult::Delivered => DeliveryOutcome::Delivered,
            SendResult::Failed(_) => DeliveryOutcome::Failed,
            SendResult::Refused => DeliveryOutcome::Refused,
        };
        self.tell_of(outcome, batch.len(), answer.detail);
        if given_up > 0 {
            self.tell_of(DeliveryOutcome::Dropped, given_up, "given up after many attempts".into());
        }
    }

    fn tell_of(&self, outcome: DeliveryOutcome, alerts: usize, detail: String) {
        let receiver = self.target().name().to_owned();
        (self.report)(&Delivery { receiver, outcome, alerts, detail });
    }

    fn outbox(&self) -> MutexGuard<'_, AlertQueue> {
        self.outbox.lock().ignoring_poison()
    }
}
