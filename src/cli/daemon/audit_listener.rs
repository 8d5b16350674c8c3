//! Passes the events of the audit file on to the metrics, the log, the alerts and the loop.

use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;
use tracing::Level;

use super::alerting::AlertInputs;
use crate::audit::lifecycle::Lifecycle;
use crate::audit::{Damage, Head, RecordKind};
use crate::cli::log::{LogFields, LogLine};
use crate::domain::poison::IgnorePoison;
use crate::host::audit_sink::{RecordPolicy, SinkEvent};
use crate::host::clock::Clock;
use crate::metrics::{Counter, MetricsState};
use crate::reconcile::watch::{HoldReason, WatchCommand};
use crate::render::words::count;

/// Called by the thread that writes the audit file, once for each event.
pub(super) struct AuditListener {
    pub(super) lifecycle: Arc<Mutex<Lifecycle>>,
    pub(super) metrics: Arc<MetricsState>,
    pub(super) alert_inputs: Arc<AlertInputs>,
    pub(super) record_policy: RecordPolicy,
    /// Holds the loop while records are required and cannot be written.
    pub(super) commands: mpsc::Sender<WatchCommand>,
    /// Receives the head of each rotated file, for the anchor.
    pub(super) rotated_heads: mpsc::Sender<Head>,
}

impl AuditListener {
    pub(super) fn on_event(&self, event: &SinkEvent<'_>) {
        match event {
            SinkEvent::Requested(entry) => match entry.kind {
                RecordKind::Intent | RecordKind::Outcome => {
                    self.lifecycle.lock().ignoring_poison().wrote(entry);
                }
                RecordKind::Event | RecordKind::Gap => {}
            },
            SinkEvent::Rotated(head) => {
                let text = format!(
                    "the audit log continues in a new file; the previous file ends at {head}"
                );
                self.log(Level::INFO, text);
                // A head that does not fit is dropped: the next statement covers its records.
                let _ = self.rotated_heads.try_send((*head).clone());
            }
            SinkEvent::NotRotated(why) => {
                LogLine::warn("audit", format!("the audit log was not rotated: {why}"))
                    .help("records are written all the same; it is tried again")
                    .emit();
            }
            SinkEvent::Altered(damage) => self.damaged(damage),
            SinkEvent::Written(kind) => {
                self.metrics.count(Counter::AuditRecord { kind: kind.word() });
                if *kind == RecordKind::Gap {
                    self.metrics.count(Counter::AuditGap);
                    self.alert_inputs.note_gap(Clock::Real.now());
                }
            }
            SinkEvent::Lost(_) => {
                self.metrics.count(Counter::AuditWriteError);
                self.alert_inputs.note_gap(Clock::Real.now());
            }
            SinkEvent::Unwritable(why) => self.unwritable(why),
            SinkEvent::WritableAgain { lost } => self.writable_again(*lost),
        }
    }

    fn damaged(&self, damage: &Damage) {
        self.metrics.count(Counter::AuditBreak);
        self.alert_inputs.note_break(Clock::Real.now());
        let help =
            "run `runnerctl audit verify`, and compare the file with a copy on another machine";
        LogLine::error("audit", damage.sentence())
            .help(help)
            .with(&LogFields::Audit {
                known: damage.known.to_string(),
                found: damage.found.as_ref().map(Head::to_string),
            })
            .emit();
    }

    fn unwritable(&self, why: &str) {
        self.metrics.count(Counter::AuditWriteError);
        self.alert_inputs.note_gap(Clock::Real.now());
        match self.record_policy {
            RecordPolicy::BestEffort => {
                self.log(Level::ERROR, format!("{why}: scaling continues without records"));
            }
            RecordPolicy::Required => {
                self.log(
                    Level::ERROR,
                    format!(
                        "{why}: watch writes nothing to GARM until the audit file is writable again"
                    ),
                );
                self.send(WatchCommand::Hold(HoldReason::Unrecorded, why.to_owned()));
            }
        }
    }

    fn writable_again(&self, lost: u64) {
        let next = match self.record_policy {
            RecordPolicy::BestEffort => "",
            RecordPolicy::Required => ", and watch writes to GARM again",
        };
        let lost = match usize::try_from(lost).unwrap_or(usize::MAX) {
            0 => "no record was lost".to_owned(),
            lost => format!("{} lost, as a gap record says", count(lost, "record")),
        };
        self.log(Level::INFO, format!("the audit file is writable again{next}: {lost}"));
        if self.record_policy == RecordPolicy::Required {
            self.send(WatchCommand::Go(HoldReason::Unrecorded));
        }
    }

    /// Blocks until the queue has room, which the writing thread is allowed to do. The receiver is
    /// dropped once the loop has ended; then there is nothing to hold.
    fn send(&self, command: WatchCommand) {
        let _ = self.commands.blocking_send(command);
    }

    fn log(&self, level: Level, text: String) {
        LogLine::new(level, "audit", text).emit();
    }
}
