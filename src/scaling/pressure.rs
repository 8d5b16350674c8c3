//! Whether a pool is under pressure: on late, off late, so that no burst starves in its tail.

use jiff::Timestamp;

use super::deadline::EvaluationClock;
use crate::domain::desired::ScalePolicy;

/// Pressure on one pool, and since when it is about to change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pressure {
    /// Since when it is on; absent while it is off.
    pub on: Option<Timestamp>,
    /// Since when more jobs than the threshold fit the pool, without a break.
    pub crowded: Option<Timestamp>,
    /// Since when fewer do and each one given to the pool has a runner, without a break.
    pub calm: Option<Timestamp>,
}

/// What pressure is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PressureInputs {
    /// Jobs that the pool could run.
    pub(super) fits: usize,
    /// Those of them that are older than `scale_up_delay`.
    pub(super) fits_waited: usize,
    /// Whether each job given to the pool has an idle runner, or one on its way that is not being
    /// created again.
    pub(super) is_served: bool,
}

impl Pressure {
    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        self.on.is_some()
    }

    /// The pressure at `moment`, after what it was:
    ///
    /// - off → on: more than `scale_up_threshold` jobs fit, without a break for `scale_up_delay`;
    ///   or more than that many are each older than that;
    /// - on → off: fewer than that fit and each one routed here is served, without a break for
    ///   `scale_up_delay`. With a threshold of 0, none fits: otherwise it would never end.
    pub(super) fn next(
        self,
        policy: &ScalePolicy,
        load: PressureInputs,
        moment: &mut EvaluationClock,
    ) -> Self {
        let now = moment.now();
        let since = |before: Option<Timestamp>| before.map_or(now, |it| it.min(now));
        let threshold = policy.scale_up_threshold as usize;
        let delay = policy.scale_up_delay;
        let crowded = (load.fits > threshold).then(|| since(self.crowded));
        let calm = (load.fits < threshold.max(1) && load.is_served).then(|| since(self.calm));
        let rises =
            load.fits_waited > threshold || crowded.is_some_and(|it| moment.passed(it, delay));
        let mut on = if rises { Some(since(self.on)) } else { self.on };
        if on.is_some() && calm.is_some_and(|it| moment.passed(it, delay)) {
            on = None;
        }
        Self { on, crowded, calm }
    }
}
