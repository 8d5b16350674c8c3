//! What becomes of audit records, told to metrics, log, alerts and the loop.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::sync::mpsc;
use tracing::Level;

use super::alerting::AlertInputs;
use super::audit_feed::AuditFeedContext;
use crate::audit::lifecycle::Lifecycle;
use crate::audit::{Damage, Head, Kind};
use crate::cli::log::LogLine;
use crate::domain::poison::IgnorePoison;
use crate::host::audit_sink::{RecordPolicy, SinkEvent};
use crate::host::clock::Clock;
use crate::metrics::{Counter, MetricsState};
use crate::reconcile::watch::{HoldReason, WatchCommand};

/// Counts and tells what becomes of records, and lets the life of the runners know of our own
/// writes.
pub(super) struct AuditListener {
    lifecycle: Arc<Mutex<Lifecycle>>,
    metrics: Arc<MetricsState>,
    facts: Arc<AlertInputs>,
    rule: RecordPolicy,
    orders: mpsc::Sender<WatchCommand>,
    ends: mpsc::Sender<Head>,
}

impl AuditListener {
    pub(super) fn new(
        desk: AuditFeedContext<'_>,
        lifecycle: Arc<Mutex<Lifecycle>>,
        ends: mpsc::Sender<Head>,
    ) -> Self {
        let AuditFeedContext { metrics, facts, rule, orders, .. } = desk;
        Self { lifecycle, metrics, facts, rule, orders, ends }
    }

    pub(super) fn hear(&self, it: &SinkEvent<'_>) {
        match it {
            SinkEvent::Requested(entry) => match entry.kind {
                Kind::Intent | Kind::Outcome => {
                    self.lifecycle.lock().ignoring_poison().wrote(entry);
                }
                Kind::Event | Kind::Gap => {}
            },
            SinkEvent::Rotated(ended) => {
                let text =
                    format!("the audit log goes on in a new file; the one before ends at {ended}");
                self.say(Level::INFO, text);
                // With several at once the last ones are enough.
                let _ = self.ends.try_send((*ended).clone());
            }
            SinkEvent::Altered(damage) => self.damaged(damage),
            SinkEvent::Written(kind) => {
                self.metrics.count(Counter::AuditRecord { kind: kind.word() });
                if *kind == Kind::Gap {
                    self.metrics.count(Counter::AuditGap);
                    self.facts.note_gap(Clock::Real.now());
                }
            }
            SinkEvent::Lost(_) => {
                self.metrics.count(Counter::AuditWriteError);
                self.facts.note_gap(Clock::Real.now());
            }
            SinkEvent::Unwritable(why) => self.stuck(why),
            SinkEvent::WritableAgain => self.free(),
        }
    }

    fn damaged(&self, damage: &Damage) {
        self.metrics.count(Counter::AuditBreak);
        self.facts.note_break(Clock::Real.now());
        let help =
            "`runnerctl audit verify` shows what is left; compare it with a copy from elsewhere";
        LogLine::error("audit", damage.sentence())
            .help(help)
            .with(json!({
                "known": damage.known.to_string(),
                "found": damage.found.as_ref().map(Head::to_string),
            }))
            .emit();
    }

    fn stuck(&self, why: &str) {
        self.metrics.count(Counter::AuditWriteError);
        self.facts.note_gap(Clock::Real.now());
        match self.rule {
            RecordPolicy::BestEffort => {
                self.say(Level::ERROR, format!("{why}: scaling goes on without a record"));
            }
            RecordPolicy::Required => {
                self.say(
                    Level::ERROR,
                    format!("{why}: nothing is written to GARM until it can be"),
                );
                self.order(WatchCommand::Hold(HoldReason::Unrecorded, why.to_owned()));
            }
        }
    }

    fn free(&self) {
        let text = match self.rule {
            RecordPolicy::BestEffort => {
                "the audit file can be written again; what was lost is on record as a gap"
            }
            RecordPolicy::Required => {
                "the audit file can be written again: writing to GARM goes on"
            }
        };
        self.say(Level::INFO, text.to_owned());
        if self.rule == RecordPolicy::Required {
            self.order(WatchCommand::Go(HoldReason::Unrecorded));
        }
    }

    /// From the thread that writes, which may wait for the loop. After its end nothing is held.
    fn order(&self, order: WatchCommand) {
        let _ = self.orders.blocking_send(order);
    }

    fn say(&self, level: Level, text: String) {
        LogLine::new(level, "audit", text).emit();
    }
}
