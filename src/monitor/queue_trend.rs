//! Queue depth and oldest wait of each pool in the last hour, one sample per minute, for the charts of
//! the status page.
//!
//! A minute without a current observation has no sample, and is a gap in the chart. The samples of
//! a pool take 720 bytes.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::name::PoolName;

pub const TREND_MINUTES: usize = 60;

/// The maximum values within one minute, so that a short burst is not lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueSample {
    pub depth: u32,
    /// The wait of the oldest of these jobs, in seconds.
    pub oldest_wait_s: u32,
}

impl QueueSample {
    /// The larger value of each field.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            depth: self.depth.max(other.depth),
            oldest_wait_s: self.oldest_wait_s.max(other.oldest_wait_s),
        }
    }
}

/// The samples of the last hour, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueTrend(pub [Option<QueueSample>; TREND_MINUTES]);

impl Default for QueueTrend {
    fn default() -> Self {
        Self([None; TREND_MINUTES])
    }
}

impl QueueTrend {
    /// The maximum values of the hour; `None` without a sample.
    pub fn peak(&self) -> Option<QueueSample> {
        self.0.iter().flatten().copied().reduce(QueueSample::max)
    }

    /// Number of minutes with a sample.
    pub fn minutes_known(&self) -> usize {
        self.0.iter().flatten().count()
    }

    /// Adds the samples of another pool: depths are summed, and the longer wait is taken.
    pub fn add(&mut self, other: &Self) {
        for (sum, sample) in self.0.iter_mut().zip(&other.0) {
            if let Some(sample) = sample {
                let before = sum.unwrap_or_default();
                *sum = Some(QueueSample {
                    depth: before.depth.saturating_add(sample.depth),
                    oldest_wait_s: before.oldest_wait_s.max(sample.oldest_wait_s),
                });
            }
        }
    }

    /// Drops the `minutes` oldest samples, and appends as many empty ones.
    fn shift(&mut self, minutes: usize) {
        let minutes = minutes.min(TREND_MINUTES);
        self.0.rotate_left(minutes);
        self.0[TREND_MINUTES - minutes..].fill(None);
    }
}

/// The trend of every pool.
#[derive(Debug, Clone)]
pub struct QueueTrends {
    /// If two observations are at most this many minutes apart, there is no gap between them.
    bridge_minutes: u64,
    minute: u64,
    pools: BTreeMap<PoolName, QueueTrend>,
}

impl QueueTrends {
    /// Starts without samples. An observation is current for the duration `fresh`.
    pub fn new(fresh: Duration) -> Self {
        Self { bridge_minutes: fresh.as_secs().div_ceil(60), minute: 0, pools: BTreeMap::new() }
    }

    /// Sets for how long an observation is current.
    pub fn current_for(&mut self, fresh: Duration) {
        self.bridge_minutes = fresh.as_secs().div_ceil(60);
    }

    /// Adds a current observation of every pool. `minute` is from a monotonic clock. Pools that are
    /// missing from the first observation of a minute are dropped.
    pub fn note<'a>(
        &mut self,
        minute: u64,
        pools: impl Iterator<Item = (&'a PoolName, QueueSample)>,
    ) {
        let newest = TREND_MINUTES - 1;
        let passed = self.advance(minute);
        let bridged = usize::try_from(passed.min(self.bridge_minutes)).unwrap_or(usize::MAX);
        let is_bridged = passed <= self.bridge_minutes && bridged < newest;
        for (pool, sample) in pools {
            let Some(QueueTrend(samples)) = self.pools.get_mut(pool) else {
                let mut trend = QueueTrend::default();
                trend.0[newest] = Some(sample);
                self.pools.insert(pool.clone(), trend);
                continue;
            };
            if is_bridged && passed > 1 {
                let before = samples[newest - bridged];
                samples[newest - bridged + 1..newest].fill(before);
            }
            samples[newest] = Some(samples[newest].map_or(sample, |before| before.max(sample)));
        }
        if passed > 0 {
            self.pools.retain(|_, trend| trend.0[newest].is_some());
        }
    }

    /// The trends at this minute.
    #[must_use]
    pub fn at(mut self, minute: u64) -> BTreeMap<PoolName, QueueTrend> {
        self.advance(minute);
        self.pools
    }

    /// Advances to this minute. Returns the number of minutes that have passed.
    fn advance(&mut self, minute: u64) -> u64 {
        let passed = minute.saturating_sub(self.minute);
        if passed > 0 {
            self.minute = minute;
            let shift = usize::try_from(passed).unwrap_or(usize::MAX);
            self.pools.values_mut().for_each(|trend| trend.shift(shift));
        }
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(pool: &str) -> PoolName {
        PoolName::new(pool).unwrap()
    }

    fn sample(depth: u32) -> QueueSample {
        QueueSample { depth, oldest_wait_s: depth * 10 }
    }

    /// The depths of the newest minutes, `-` without a sample.
    fn newest(trends: &QueueTrends, minute: u64, count: usize) -> String {
        let trend = &trends.clone().at(minute)[&name("a")];
        let depth = |sample: &Option<QueueSample>| {
            sample.map_or("-".into(), |sample| sample.depth.to_string())
        };
        trend.0[TREND_MINUTES - count..].iter().map(depth).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_minute_keeps_its_largest_values_and_an_hour_is_kept() {
        let mut trends = QueueTrends::new(Duration::from_secs(60));
        let a = name("a");
        for (minute, depth) in [(0, 3), (0, 7), (0, 1), (1, 2), (2, 0)] {
            trends.note(minute, [(&a, sample(depth))].into_iter());
        }
        assert_eq!(newest(&trends, 2, 4), "- 7 2 0");
        assert_eq!(newest(&trends, 4, 4), "2 0 - -", "nothing is known since then");
        assert_eq!(trends.clone().at(2)[&a].peak(), Some(sample(7)));
        assert_eq!(trends.clone().at(2)[&a].minutes_known(), 3);
        assert_eq!(trends.at(10_000)[&a], QueueTrend::default());
    }

    #[test]
    fn a_gap_shows_unless_the_observation_before_it_was_still_current() {
        let a = name("a");
        for (fresh_s, expected) in [(60, "4 - - 9"), (180, "4 4 4 9")] {
            let mut trends = QueueTrends::new(Duration::from_secs(fresh_s));
            trends.note(0, [(&a, sample(4))].into_iter());
            trends.note(3, [(&a, sample(9))].into_iter());
            assert_eq!(newest(&trends, 3, 4), expected, "{fresh_s}");
        }
        let mut trends = QueueTrends::new(Duration::from_secs(86_400));
        trends.note(0, [(&a, sample(4))].into_iter());
        trends.note(500, [(&a, sample(9))].into_iter());
        assert_eq!(newest(&trends, 500, 3), "- - 9");
    }

    #[test]
    fn a_removed_pool_is_dropped_and_sums_add_only_depths() {
        let (a, b) = (name("a"), name("b"));
        let mut trends = QueueTrends::new(Duration::from_secs(60));
        trends.note(0, [(&a, sample(1)), (&b, sample(2))].into_iter());
        let now = trends.clone().at(0);
        let mut sum = QueueTrend::default();
        now.values().for_each(|trend| sum.add(trend));
        assert_eq!(sum.peak(), Some(QueueSample { depth: 3, oldest_wait_s: 20 }));
        trends.note(1, [(&b, sample(2))].into_iter());
        assert_eq!(trends.at(1).into_keys().collect::<Vec<_>>(), [b]);
    }
}
