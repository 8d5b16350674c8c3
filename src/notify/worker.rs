//! The task that tells one receiver.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::notification::Notification;
use super::notifier::{Delivery, Enclosure, Outcome, Report};
use super::queue::{Fate, Next, Outbox};
use super::target::{Target, TargetError};

/// One receiver: what it is to be told, and who tells it.
pub(super) struct Courier {
    client: Client,
    outbox: Mutex<Outbox>,
    news: Notify,
    report: Report,
    enclosure: Enclosure,
}

impl Courier {
    pub(super) fn new(
        target: Target,
        report: Report,
        enclosure: Enclosure,
    ) -> Result<Arc<Self>, TargetError> {
        let outbox = Mutex::new(Outbox::new(target.kind()));
        let client = Client::new(target)?;
        Ok(Arc::new(Self { client, outbox, news: Notify::new(), report, enclosure }))
    }

    pub(super) fn target(&self) -> &Target {
        self.client.target()
    }

    /// Takes a notification in and returns at once.
    pub(super) fn take(&self, notification: Notification) {
        let is_taken = self.outbox().take(notification);
        if is_taken {
            self.news.notify_one();
        } else {
            self.tell_of(Outcome::Dropped, 1, "too many alerts at one time".into());
        }
    }

    /// Tells the receiver until `stop`; then once more what it has not been told yet.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let next = self.outbox().next(Instant::now());
            match next {
                Next::Send(batch) => self.send(&batch).await,
                Next::Wait(until) => tokio::select! {
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
            Fate::Delivered => Outcome::Delivered,
            Fate::Failed(_) => Outcome::Failed,
            Fate::Refused => Outcome::Refused,
        };
        self.tell_of(outcome, batch.len(), answer.detail);
        if given_up > 0 {
            self.tell_of(Outcome::Dropped, given_up, "given up after many attempts".into());
        }
    }

    fn tell_of(&self, outcome: Outcome, alerts: usize, detail: String) {
        let receiver = self.target().name().to_owned();
        (self.report)(&Delivery { receiver, outcome, alerts, detail });
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
