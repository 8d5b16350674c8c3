//! Limits how often the loop reports its state.

use std::time::Duration;

use tokio::time::Instant;

/// The shortest time between two reports. It bounds how often the loops of several GARMs react to
/// each other, and how much of the time of a large fleet goes into metrics and pages.
const REPORT_GAP: Duration = Duration::from_millis(200);

/// Whether there is something to report, and when the last report was made.
#[derive(Debug, Default)]
pub(super) struct ReportThrottle {
    is_wanted: bool,
    reported_at: Option<Instant>,
}

impl ReportThrottle {
    /// Wants a report as soon as the gap after the last one is over.
    pub(super) fn want(&mut self) {
        self.is_wanted = true;
    }

    /// The next report does not wait for the gap.
    pub(super) fn hurry(&mut self) {
        self.reported_at = None;
    }

    /// Whether a report is due. It counts as made only after [`Self::reported`].
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        let is_due = self.is_wanted && self.deadline().is_none_or(|at| at <= now);
        self.is_wanted &= !is_due;
        is_due
    }

    pub(super) fn reported(&mut self, now: Instant) {
        self.reported_at = Some(now);
    }

    /// When the gap is over, if a report is wanted.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.reported_at.filter(|_| self.is_wanted).map(|at| at + REPORT_GAP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_keep_a_gap_and_none_is_lost() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let mut throttle = ReportThrottle::default();
        assert!(!throttle.take_due(start));
        throttle.want();
        assert!(throttle.take_due(start) && !throttle.take_due(start));
        throttle.reported(start);
        assert_eq!(throttle.deadline(), None);
        throttle.want();
        assert_eq!(throttle.deadline(), Some(after(200)));
        assert!(!throttle.take_due(after(199)) && throttle.take_due(after(200)));
        throttle.reported(after(200));
        throttle.want();
        throttle.hurry();
        assert!(throttle.take_due(after(201)));
    }
}
