//! Passes alerts from one leader to the next (`watch.leader`): which were sent, and who sends.

use std::sync::atomic::Ordering;

use super::Alerting;
use crate::election::FiredAlert;
use crate::monitor::AlertTransition;

/// Most alerts that are passed on to the next leader, which sends all others again.
const DELIVERED_MAX: usize = 256;

impl Alerting {
    /// Begins to send. `delivered` are the alerts that the previous leader has sent: they continue
    /// without a new message, or end with one; all others that fire are sent now.
    pub(in crate::cli::daemon) async fn take_over(&self, delivered: &[FiredAlert]) {
        let now = self.clock.now();
        let (before, firing, turned) = {
            let mut rules = self.rules();
            rules.take_over(delivered, now);
            let before: Vec<AlertTransition> = rules.firing().collect();
            let turned = rules.evaluate(&self.alert_inputs.readings(now), now);
            (before, rules.firing().collect::<Vec<_>>(), turned)
        };
        self.is_sending.store(true, Ordering::Relaxed);
        let is_delivered = |alert: &AlertTransition| delivered.contains(&fired(alert));
        let (old, new): (Vec<_>, Vec<_>) = firing.into_iter().partition(is_delivered);
        let is_over =
            |alert: &AlertTransition| !old.iter().any(|other| fired(other) == fired(alert));
        let over = before.into_iter().filter(|alert| is_delivered(alert) && is_over(alert));
        let adopted: Vec<AlertTransition> = over.chain(old.iter().cloned()).collect();
        if let Some(notifier) = self.notifier.lock().await.as_mut() {
            for alert in adopted {
                let receivers = alert.receivers.clone();
                notifier.adopt(&self.notification(alert), &receivers);
            }
        }
        let ended = turned.into_iter().filter(|alert| !alert.status.is_firing());
        self.tell(new.into_iter().chain(ended).collect()).await;
    }

    /// Ceases to send, without an end of any alert.
    pub(in crate::cli::daemon) async fn stand_by(&self) {
        if self.is_sending.swap(false, Ordering::Relaxed)
            && let Some(notifier) = self.notifier.lock().await.as_mut()
        {
            notifier.clear();
        }
    }

    /// The firing alerts that have reached all their receivers, the oldest first; bounded.
    pub(in crate::cli::daemon) async fn delivered(&self) -> Vec<FiredAlert> {
        let firing: Vec<AlertTransition> = self.rules().firing().collect();
        let notifier = self.notifier.lock().await;
        let Some(notifier) = notifier.as_ref() else { return Vec::new() };
        let is_told =
            |alert: &&AlertTransition| notifier.is_told(&self.notification((*alert).clone()));
        let mut told: Vec<FiredAlert> = firing.iter().filter(is_told).map(fired).collect();
        told.sort_by_key(|alert| alert.since);
        told.truncate(DELIVERED_MAX);
        told
    }
}

fn fired(alert: &AlertTransition) -> FiredAlert {
    FiredAlert {
        rule: alert.rule.clone(),
        pool: alert.pool.as_ref().map(ToString::to_string),
        since: alert.status.since(),
    }
}
