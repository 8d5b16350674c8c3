//! All receivers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::endpoint::{ReceiverEndpoint, ReceiverError};
use super::notification::{AlertKey, Notification};
use super::worker::ReceiverWorker;
use crate::domain::poison::IgnorePoison;

/// Hears what becomes of every attempt. Called from several tasks; must not block.
pub type DeliveryListener = Arc<dyn Fn(&Delivery) + Send + Sync>;

/// What goes with every message: the newest signed statement about the audit log, if there is one.
/// Its clones share it.
#[derive(Debug, Clone, Default)]
pub struct Attachment(Arc<Mutex<Option<String>>>);

impl Attachment {
    /// Takes the place of the one before.
    pub fn replace(&self, line: String) {
        *self.0.lock().ignoring_poison() = Some(line);
    }

    pub(super) fn read(&self) -> Option<String> {
        self.0.lock().ignoring_poison().clone()
    }
}

/// One attempt to tell a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The receiver's name in the fleet file.
    pub receiver: String,
    /// What became of it.
    pub outcome: DeliveryOutcome,
    /// How many alerts it was about.
    pub alerts: usize,
    /// The status, or why it failed; holds no address.
    pub detail: String,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeliveryOutcome {
    /// The receiver has accepted it.
    Delivered,
    /// No answer, or one that says later. Tried again.
    Failed,
    /// The receiver does not like it. Tried again, with longer waits.
    Refused,
    /// Given up: too many alerts, or the end of one could not be told.
    Dropped,
}

impl DeliveryOutcome {
    /// Every outcome, so that each can be shown at 0 before it happens.
    pub const ALL: [Self; 4] = [Self::Delivered, Self::Failed, Self::Refused, Self::Dropped];

    /// The word of `runnerctl_alert_deliveries_total`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Dropped => "dropped",
        }
    }
}

/// The receivers, each with a task of its own, so that one that hangs holds up no other.
pub struct Notifier {
    report: DeliveryListener,
    enclosure: Attachment,
    receivers: BTreeMap<String, ReceiverTask>,
    /// What fires now and whom it concerns, for receivers that come later.
    firing: BTreeMap<AlertKey, (Notification, Vec<String>)>,
    /// Tasks of receivers that were replaced, at their last message.
    leaving: Vec<JoinHandle<()>>,
}

struct ReceiverTask {
    courier: Arc<ReceiverWorker>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Notifier {
    /// Begins a task per target; needs a running tokio. Errors with the first target that cannot
    /// be used.
    pub fn start(
        targets: Vec<ReceiverEndpoint>,
        report: DeliveryListener,
    ) -> Result<Self, ReceiverError> {
        Self::enclosing(targets, report, Attachment::default())
    }

    /// The same with something that goes with every message.
    pub fn enclosing(
        targets: Vec<ReceiverEndpoint>,
        report: DeliveryListener,
        enclosure: Attachment,
    ) -> Result<Self, ReceiverError> {
        let (receivers, firing) = (BTreeMap::new(), BTreeMap::new());
        let mut notifier = Self { report, enclosure, receivers, firing, leaving: Vec::new() };
        notifier.reload(targets)?;
        Ok(notifier)
    }

    /// Replaces the receivers. One that stays as it is goes on undisturbed; a new or changed one
    /// is told what fires now. On an error nothing has changed.
    pub fn reload(&mut self, targets: Vec<ReceiverEndpoint>) -> Result<(), ReceiverError> {
        let is_kept = |it: &ReceiverEndpoint| {
            self.receivers.get(it.name()).is_some_and(|r| r.courier.target().is_same(it))
        };
        let (kept, fresh): (Vec<ReceiverEndpoint>, Vec<ReceiverEndpoint>) =
            targets.into_iter().partition(is_kept);
        let couriers: Vec<Arc<ReceiverWorker>> = fresh
            .into_iter()
            .map(|it| ReceiverWorker::new(it, Arc::clone(&self.report), self.enclosure.clone()))
            .collect::<Result<_, _>>()?;
        self.leaving.retain(|it| !it.is_finished());
        let old = std::mem::take(&mut self.receivers);
        for (name, running) in old {
            if kept.iter().any(|it| it.name() == name) {
                self.receivers.insert(name, running);
            } else {
                running.stop.cancel();
                self.leaving.push(running.task);
            }
        }
        for courier in couriers {
            self.begin(courier);
        }
        Ok(())
    }

    fn begin(&mut self, courier: Arc<ReceiverWorker>) {
        let name = courier.target().name().to_owned();
        for (notification, concerns) in self.firing.values() {
            if concerns.is_empty() || concerns.contains(&name) {
                courier.take(notification.clone());
            }
        }
        let stop = CancellationToken::new();
        let task = tokio::spawn(Arc::clone(&courier).run(stop.clone()));
        self.receivers.insert(name, ReceiverTask { courier, stop, task });
    }

    /// Tells the receivers named, or all of them when none is named. Returns at once; names that
    /// no receiver has are passed over, since the fleet file was checked for them.
    pub fn tell(&mut self, notification: &Notification, receivers: &[String]) {
        let key = notification.key();
        if notification.status.is_firing() {
            self.firing.insert(key, (notification.clone(), receivers.to_vec()));
        } else {
            self.firing.remove(&key);
        }
        for (name, running) in &self.receivers {
            if receivers.is_empty() || receivers.contains(name) {
                running.courier.take(notification.clone());
            }
        }
    }

    /// Ends every task: the message under way and one more with what is still untold may take
    /// `patience` together.
    pub async fn close(self, patience: Duration) {
        for running in self.receivers.values() {
            running.stop.cancel();
        }
        let running = self.receivers.into_values().map(|it| it.task);
        let tasks: Vec<JoinHandle<()>> = running.chain(self.leaving).collect();
        let aborts: Vec<_> = tasks.iter().map(JoinHandle::abort_handle).collect();
        // What has not ended by then is cut off: the alert is on the other watcher, or fires
        // again after the restart.
        if timeout(patience, futures_util::future::join_all(tasks)).await.is_err() {
            aborts.iter().for_each(tokio::task::AbortHandle::abort);
        }
    }
}
