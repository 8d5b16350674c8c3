//! Anchors the audit log while `watch` runs: delivers a signed statement at each interval, at each
//! rotation and at the end.

use std::time::Duration;

use jiff::Timestamp;
use tracing::Level;

use super::alerting::AlertWiring;
use super::setup::DaemonConfig;
use crate::audit::Head;
use crate::cli::anchor::{Anchor, fault};
use crate::cli::failure::Failure;
use crate::cli::log::LogLine;
use crate::host::audit_destination::AuditDestination;
use crate::host::clock::Clock;
use crate::metrics::Counter;
use crate::notify::Attachment;
use crate::secrets;

/// Time until the next statement after a failed delivery.
const RETRY: Duration = Duration::from_secs(30);

/// Delivers the statements, and counts and logs the deliveries.
pub(super) struct AnchorSchedule {
    anchor: Anchor,
    every: Duration,
    attachment: Option<Attachment>,
    /// The last delivery failed, and that was logged.
    has_failed: bool,
    wiring: AlertWiring,
}

impl AnchorSchedule {
    /// The anchor that the fleet file declares; absent without one or without an audit file. Fails
    /// (3) if its key or address is invalid.
    pub(super) async fn open(
        setup: &DaemonConfig,
        destination: &AuditDestination,
        allowed: &secrets::ResolveOptions,
        wiring: AlertWiring,
    ) -> Result<Option<Self>, Failure> {
        let (Some(settings), AuditDestination::Sink(sink)) =
            (&setup.watch.audit_anchor, destination)
        else {
            return Ok(None);
        };
        let log = sink.audit_file().path();
        let anchor = Anchor::open(settings, &setup.file.fleet, log, allowed).await?;
        for place in anchor.places() {
            let outcomes = ["delivered", "failed"];
            wiring.metrics.declare(outcomes.map(|outcome| Counter::AuditAnchor { place, outcome }));
        }
        if anchor.places().next().is_some() {
            // Until the first statement is delivered, its age counts from the start.
            wiring.alert_inputs.note_anchor(Clock::Real.now());
        }
        Ok(Some(Self {
            anchor,
            every: settings.every,
            attachment: settings.alerts.then(|| wiring.attachment.clone()),
            has_failed: false,
            wiring,
        }))
    }

    /// Signs and delivers a statement about `head`. Returns the time until the next statement.
    pub(super) async fn state(&mut self, head: &Head) -> Duration {
        let now = Clock::Real.now();
        let statement = self.anchor.sign(head, now);
        if let Some(attachment) = &self.attachment {
            attachment.replace(statement.clone());
        }
        let mut faults = Vec::new();
        for (place, result) in self.anchor.deliver(&statement).await {
            let outcome = if result.is_ok() { "delivered" } else { "failed" };
            self.wiring.metrics.count(Counter::AuditAnchor { place, outcome });
            faults.extend(result.err().map(|why| fault(place, &why)));
        }
        self.tell(head, now, &faults)
    }

    fn tell(&mut self, head: &Head, now: Timestamp, faults: &[String]) -> Duration {
        let say = |level, text: String| {
            LogLine::new(level, "audit", text).emit();
        };
        if !faults.is_empty() {
            let level = if self.has_failed { Level::DEBUG } else { Level::WARN };
            let faults = faults.join("; ");
            say(level, format!("the statement about the audit log was not delivered {faults}"));
            self.has_failed = true;
            return self.every.min(RETRY);
        }
        if self.has_failed {
            say(Level::INFO, "statements about the audit log are delivered again".to_owned());
        }
        self.has_failed = false;
        if self.anchor.places().next().is_some() {
            say(Level::DEBUG, format!("the audit log is anchored at {head}"));
            self.wiring.alert_inputs.note_anchor(now);
            self.wiring.metrics.process(|process| process.audit_anchored_at = Some(now));
        }
        self.every
    }
}
