//! Whether a pool is under pressure. Hysteresis keeps pressure on until the whole burst is served.

use jiff::Timestamp;

use super::deadline::EvaluationClock;
use crate::domain::desired::ScalePolicy;

/// The pressure on one pool, with the times that control its changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pressure {
    /// Since when it is on; absent while it is off.
    pub on: Option<Timestamp>,
    /// Since when more jobs than the threshold have fitted the pool without interruption.
    pub crowded: Option<Timestamp>,
    /// Since when fewer jobs have fitted, and each assigned one has had a runner, without
    /// interruption.
    pub calm: Option<Timestamp>,
}

/// The inputs that determine the pressure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PressureInputs {
    /// Jobs that the pool could run.
    pub(super) fits: usize,
    /// Those of `fits` that are older than `scale_up_delay`.
    pub(super) fits_waited: usize,
    /// Whether every job assigned to the pool has an idle runner, or a booting one whose creation
    /// is not being retried.
    pub(super) is_served: bool,
}

impl Pressure {
    /// Whether the pressure is on.
    pub fn is_on(&self) -> bool {
        self.on.is_some()
    }

    /// Updates the pressure:
    ///
    /// - off → on: more than `scale_up_threshold` jobs have fitted without interruption for
    ///   `scale_up_delay`, or more than that many jobs are each older than that;
    /// - on → off: fewer than the threshold have fitted, and each assigned one was served, without
    ///   interruption for `scale_up_delay`. With a threshold of 0 no job may fit: otherwise
    ///   pressure would never end.
    pub(super) fn next(
        self,
        policy: &ScalePolicy,
        load: PressureInputs,
        clock: &mut EvaluationClock,
    ) -> Self {
        let now = clock.now();
        let since = |before: Option<Timestamp>| before.map_or(now, |before| before.min(now));
        let threshold = policy.scale_up_threshold as usize;
        let delay = policy.scale_up_delay;
        let crowded = (load.fits > threshold).then(|| since(self.crowded));
        let calm = (load.fits < threshold.max(1) && load.is_served).then(|| since(self.calm));
        let rises =
            load.fits_waited > threshold || crowded.is_some_and(|since| clock.passed(since, delay));
        let mut on = if rises { Some(since(self.on)) } else { self.on };
        if on.is_some() && calm.is_some_and(|since| clock.passed(since, delay)) {
            on = None;
        }
        Self { on, crowded, calm }
    }
}
