//! The set of all receivers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::endpoint::{ReceiverEndpoint, ReceiverError};
use super::notification::{AlertKey, Notification};
use super::worker::ReceiverWorker;
use crate::domain::poison::IgnorePoison;

/// A callback for the outcome of every attempt. Called from several tasks; must not block.
pub type DeliveryListener = Arc<dyn Fn(&Delivery) + Send + Sync>;

/// The attachment of every message: the newest signed statement about the audit log, if there is
/// one. Clones share the value.
#[derive(Debug, Clone, Default)]
pub struct Attachment(Arc<Mutex<Option<String>>>);

impl Attachment {
    pub fn replace(&self, line: String) {
        *self.0.lock().ignoring_poison() = Some(line);
    }

    pub(super) fn read(&self) -> Option<String> {
        self.0.lock().ignoring_poison().clone()
    }
}

/// One attempt to notify a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The receiver's name in the fleet file.
    pub receiver: String,
    pub outcome: DeliveryOutcome,
    /// The number of alerts in the message.
    pub alerts: usize,
    /// The HTTP status, or the reason of the failure. Never contains the URL.
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeliveryOutcome {
    /// The receiver accepted the message.
    Delivered,
    /// There was no response, or one that allows a later attempt. The message is sent again.
    Failed,
    /// The receiver rejected the message. It is sent again, alert by alert.
    Refused,
    /// Alerts were given up: there were too many, or the end of one could not be delivered.
    Dropped,
}

impl DeliveryOutcome {
    /// All outcomes, so that each counter can be exposed with 0 from the start.
    pub const ALL: [Self; 4] = [Self::Delivered, Self::Failed, Self::Refused, Self::Dropped];

    /// The value of the label `outcome` in `runnerctl_alert_deliveries_total`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Dropped => "dropped",
        }
    }
}

/// The receivers, each with its own task, so that a receiver that hangs does not delay the others.
pub struct Notifier {
    report: DeliveryListener,
    enclosure: Attachment,
    receivers: BTreeMap<String, ReceiverTask>,
    /// The firing alerts and the names of their receivers, for receivers that are added later.
    firing: BTreeMap<AlertKey, (Notification, Vec<String>)>,
    /// The tasks of replaced receivers, which are still delivering their last message.
    leaving: Vec<JoinHandle<()>>,
}

struct ReceiverTask {
    courier: Arc<ReceiverWorker>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Notifier {
    /// Starts one task per target, within a tokio runtime. Errors with the first target that cannot
    /// be used.
    pub fn start(
        targets: Vec<ReceiverEndpoint>,
        report: DeliveryListener,
    ) -> Result<Self, ReceiverError> {
        Self::enclosing(targets, report, Attachment::default())
    }

    /// Like [`Self::start`], but adds an attachment to every message.
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

    /// Replaces the receivers. Unchanged ones continue; new and changed ones are notified of the
    /// firing alerts. If one cannot be used, nothing changes.
    pub fn reload(&mut self, targets: Vec<ReceiverEndpoint>) -> Result<(), ReceiverError> {
        let is_kept = |endpoint: &ReceiverEndpoint| {
            self.receivers
                .get(endpoint.name())
                .is_some_and(|receiver| receiver.courier.target().is_same(endpoint))
        };
        let (kept, fresh): (Vec<ReceiverEndpoint>, Vec<ReceiverEndpoint>) =
            targets.into_iter().partition(is_kept);
        let couriers: Vec<Arc<ReceiverWorker>> = fresh
            .into_iter()
            .map(|endpoint| {
                ReceiverWorker::new(endpoint, Arc::clone(&self.report), self.enclosure.clone())
            })
            .collect::<Result<_, _>>()?;
        self.leaving.retain(|task| !task.is_finished());
        let old = std::mem::take(&mut self.receivers);
        for (name, running) in old {
            if kept.iter().any(|endpoint| endpoint.name() == name) {
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
        let task = tokio::spawn(Arc::clone(&courier).run(stop.clone()).in_current_span());
        self.receivers.insert(name, ReceiverTask { courier, stop, task });
    }

    /// Queues a notification for the named receivers, or for all if `receivers` is empty. Returns
    /// at once. Unknown names are ignored, because they are errors in the fleet file and were
    /// reported there.
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

    /// Like [`Self::tell`], for a firing alert that another process has sent already.
    pub fn adopt(&mut self, notification: &Notification, receivers: &[String]) {
        self.firing.insert(notification.key(), (notification.clone(), receivers.to_vec()));
        for (name, running) in &self.receivers {
            if receivers.is_empty() || receivers.contains(name) {
                running.courier.adopt(notification.clone());
            }
        }
    }

    /// Drops all alerts: another process sends them from now on.
    pub fn clear(&mut self) {
        self.firing.clear();
        self.receivers.values().for_each(|running| running.courier.clear());
    }

    /// Whether every receiver of the alert has got it.
    pub fn is_told(&self, notification: &Notification) -> bool {
        self.receivers.values().all(|running| running.courier.is_told(notification))
    }

    /// Ends every task. The message in progress and one more with the remaining alerts may together
    /// take `patience`.
    pub async fn close(self, patience: Duration) {
        for running in self.receivers.values() {
            running.stop.cancel();
        }
        let running = self.receivers.into_values().map(|receiver| receiver.task);
        let tasks: Vec<JoinHandle<()>> = running.chain(self.leaving).collect();
        let aborts: Vec<_> = tasks.iter().map(JoinHandle::abort_handle).collect();
        // A message may be lost here. Another watcher delivers the alert, or the alert fires again
        // after the restart.
        if timeout(patience, futures_util::future::join_all(tasks)).await.is_err() {
            aborts.iter().for_each(tokio::task::AbortHandle::abort);
        }
    }
}
