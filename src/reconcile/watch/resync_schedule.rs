//! When the whole fleet is read, and which changes arrive meanwhile.
//!
//! A full read costs GARM up to one and a half times its duration in CPU (BENCHMARKS.md), so the time
//! between two reads is a multiple of the duration of the last one: events show the changes in between.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::backoff::Backoff;
use crate::garm::{ErrorKind, GarmError, TransportError};
use crate::reconcile::read_fleet::resync::ReadScope;
use crate::scaling::RowChange;

/// The shortest and the longest wait after a failed full read; never longer than a resync.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// The minimum time between two full reads, however often events are lost.
const GAP: Duration = Duration::from_secs(2);

/// The time between two full reads is so many times the duration of the last one, so that reads take
/// at most 2 % of a core of GARM.
const QUIET_FACTOR: u32 = 75;

/// The same while only reads show changes, because events are missing: at most 7.5 %.
const BLIND_FACTOR: u32 = 20;

/// The longest time between two full reads, unless `watch.resync` is longer.
const INTERVAL_MAX: Duration = Duration::from_mins(10);

/// The number of changes kept during a read; if there are more, the fleet is read once more.
const HEARD_MAX: usize = 16_384;

/// The time between two reads of GARM's settings and entities.
const HEALTH_EVERY: Duration = Duration::from_mins(5);

/// The same while something is wrong.
const HEALTH_SOON: Duration = Duration::from_secs(30);

/// The schedule of full reads: the last one, the one in flight and the next one.
#[derive(Debug)]
pub(super) struct ResyncSchedule {
    /// `watch.resync`, the shortest time between two full reads.
    resync: Duration,
    /// The duration of the last successful read.
    took: Duration,
    /// Whether events show the changes between two reads.
    has_events: bool,
    next: Instant,
    began: Option<Instant>,
    /// When the last successful read ended.
    succeeded: Option<Instant>,
    failures: u32,
    /// Why the last read failed.
    fault: Option<GarmError>,
    /// The changes that arrived during the read in flight, whose lists may be older.
    heard: Vec<RowChange>,
    /// Another read is wanted after the one in flight.
    is_wanted_again: bool,
    /// When GARM's settings and entities were last read.
    health_read: Option<Instant>,
    health_next: Instant,
    /// They have changed while they were being read.
    is_health_wanted_again: bool,
}

impl ResyncSchedule {
    pub(super) fn new(resync: Duration, now: Instant) -> Self {
        Self {
            resync,
            took: Duration::ZERO,
            has_events: false,
            next: now,
            began: None,
            succeeded: None,
            failures: 0,
            fault: None,
            heard: Vec::new(),
            is_wanted_again: false,
            health_read: None,
            health_next: now,
            is_health_wanted_again: false,
        }
    }

    /// Starts a read if one is due.
    pub(super) fn begin(&mut self, now: Instant) -> Option<ReadScope> {
        if self.began.is_some() || now < self.next {
            return None;
        }
        self.began = Some(now);
        self.heard.clear();
        (self.is_wanted_again, self.is_health_wanted_again) = (false, false);
        Some(if now >= self.health_next { ReadScope::Health } else { ReadScope::Lists })
    }

    /// Notes a change of one row.
    pub(super) fn hear(&mut self, change: &RowChange) {
        if self.began.is_none() {
            return;
        }
        if self.heard.len() == HEARD_MAX {
            self.heard.clear();
            self.is_wanted_again = true;
        }
        self.heard.push(change.clone());
    }

    /// The time between two full reads while events arrive.
    pub(super) fn interval(&self) -> Duration {
        self.spaced(QUIET_FACTOR)
    }

    /// The age from which the last full read is stale: a read is overdue, by as much as it is long
    /// until the next one. It does not shrink when events are lost.
    pub(super) fn stale_after(&self) -> Duration {
        self.interval() * 2
    }

    fn spaced(&self, factor: u32) -> Duration {
        (self.took * factor).min(INTERVAL_MAX).max(self.resync)
    }

    /// The time from a full read to the next one.
    fn until_next(&self) -> Duration {
        self.spaced(if self.has_events { QUIET_FACTOR } else { BLIND_FACTOR })
    }

    /// The minimum time between two full reads, however often one is wanted.
    fn gap(&self) -> Duration {
        let is_quick = self.took * QUIET_FACTOR <= self.resync;
        if is_quick { GAP } else { GAP.max((self.took * BLIND_FACTOR).min(INTERVAL_MAX)) }
    }

    /// Notes whether events arrive. Without them, the next read may be due earlier.
    pub(super) fn hear_of_stream(&mut self, has_events: bool) {
        self.has_events = has_events;
        if let Some(succeeded) = self.succeeded.filter(|_| self.fault.is_none()) {
            self.next = self.next.min(succeeded + self.until_next());
        }
    }

    /// Notes a successful read that took this long; returns the changes that must be applied after
    /// it.
    pub(super) fn succeed(
        &mut self,
        (scope, took): (ReadScope, Duration),
        now: Instant,
    ) -> Vec<RowChange> {
        self.took = took;
        self.began = None;
        self.succeeded = Some(now);
        self.failures = 0;
        self.fault = None;
        self.next = now + if self.is_wanted_again { self.gap() } else { self.until_next() };
        if scope == ReadScope::Health {
            self.health_read = Some(now);
            let is_stale = std::mem::take(&mut self.is_health_wanted_again);
            self.health_next = now + if is_stale { self.gap() } else { HEALTH_EVERY };
        }
        std::mem::take(&mut self.heard)
    }

    /// Notes a failed read; returns the wait until the next attempt.
    pub(super) fn fail(&mut self, error: GarmError, now: Instant) -> Duration {
        let longest = RETRY.1.min(self.resync);
        let wait = Backoff::new(RETRY.0.min(longest), longest).delay(self.failures);
        self.failures += 1;
        self.began = None;
        self.heard.clear();
        self.fault = Some(error);
        self.next = now + wait;
        wait
    }

    /// Requests a full read as soon as the schedule allows.
    pub(super) fn want(&mut self, now: Instant) {
        let last = self.succeeded.map_or(now, |at| at + self.gap());
        self.is_wanted_again = self.began.is_some();
        if self.fault.is_none() {
            self.next = self.next.min(last.max(now));
        }
    }

    /// Requests a full read immediately, on behalf of a user.
    pub(super) fn want_now(&mut self, now: Instant) {
        self.is_wanted_again = self.began.is_some();
        self.next = now;
    }

    /// Requests a read of GARM's settings and entities because something does not work:
    /// [`HEALTH_SOON`] after they were last read, however often it is requested.
    pub(super) fn want_health(&mut self, now: Instant) {
        let soonest = self.succeeded.map_or(now, |at| at + self.gap()).max(now);
        let due = self.health_read.map_or(soonest, |at| (at + HEALTH_SOON).max(soonest));
        self.health_next = self.health_next.min(due);
        self.next = self.next.min(self.health_next);
    }

    pub(super) fn want_settings(&mut self, now: Instant) {
        self.health_next = now;
        self.is_health_wanted_again = self.began.is_some();
        self.want(now);
    }

    /// When the next read is due; absent while one is in flight.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.began.is_none().then_some(self.next)
    }

    /// The number of consecutive failures.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Why the last read failed, if it did.
    pub(super) fn fault(&self) -> Option<&GarmError> {
        self.fault.as_ref()
    }

    /// When the last successful read ended.
    pub(super) fn succeeded(&self) -> Option<Instant> {
        self.succeeded
    }
}

/// Whether waiting does not help: the error is on our side, or GARM was never set up.
pub(super) fn is_final_at_start(error: &GarmError) -> bool {
    let fault = match &error.kind {
        ErrorKind::Transport(fault) => fault,
        // GARM may just have been restarted with another secret, or several GARMs share one
        // address.
        ErrorKind::Token => return false,
        _ => return !error.may_pass(),
    };
    match fault {
        TransportError::Tls(_)
        | TransportError::Redirect(_)
        | TransportError::ClosedOnCertificate(_) => true,
        TransportError::Resolve(_)
        | TransportError::Connect(_)
        | TransportError::ConnectTimeout(_)
        | TransportError::Timeout(_)
        | TransportError::Closed(_)
        | TransportError::NotHttp(_)
        | TransportError::Body(_)
        | TransportError::TooLarge(_)
        | TransportError::NotLeading => false,
    }
}

/// The error for a first full read that got no answer, not even a failure, in this time.
pub(super) fn no_answer(waited: Duration) -> GarmError {
    let fault = TransportError::Timeout(waited);
    GarmError {
        tried: "read GARM".into(),
        got: fault.to_string(),
        kind: ErrorKind::Transport(fault),
        help: Some("check whether GARM is overloaded; its log shows what it is doing".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts the health reads within ten minutes while something is wrong all the time.
    fn health_reads(resync_s: u64) -> usize {
        let start = Instant::now();
        let mut schedule = ResyncSchedule::new(Duration::from_secs(resync_s), start);
        let mut seconds = 0..600;
        let scopes = seconds.by_ref().filter_map(|second| {
            let now = start + Duration::from_secs(second);
            let scope = schedule.begin(now)?;
            schedule.succeed((scope, Duration::ZERO), now);
            // Each read finds the problem, and so does each failed write.
            schedule.want_health(now);
            schedule.want_health(now);
            Some(scope)
        });
        scopes.filter(|scope| *scope == ReadScope::Health).count()
    }

    #[test]
    fn settings_that_change_are_read_at_once_also_when_they_change_under_a_read() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut reads = ResyncSchedule::new(Duration::from_secs(30), start);
        assert_eq!(reads.begin(start), Some(ReadScope::Health));
        reads.want_settings(at(1));
        let quick = (ReadScope::Health, Duration::ZERO);
        reads.succeed(quick, at(1));
        assert_eq!(reads.begin(at(3)), Some(ReadScope::Health));
        reads.succeed(quick, at(3));
        assert_eq!(reads.deadline(), Some(at(33)));
        reads.want_settings(at(10));
        assert_eq!(reads.begin(at(10)), Some(ReadScope::Health));
    }

    /// The time to the next read after one of this duration, in seconds: with events, without, and
    /// if one is wanted at once; and the age from which it is stale.
    fn spacing(resync_s: u64, took_ms: u64) -> [u64; 4] {
        let start = Instant::now();
        let read = |has_events: bool| {
            let mut reads = ResyncSchedule::new(Duration::from_secs(resync_s), start);
            reads.hear_of_stream(has_events);
            reads.begin(start);
            reads.succeed((ReadScope::Lists, Duration::from_millis(took_ms)), start);
            reads
        };
        let next = |reads: &ResyncSchedule| (reads.deadline().unwrap() - start).as_secs();
        let mut wanted = read(true);
        wanted.want(start);
        let stale_after = wanted.stale_after().as_secs();
        [next(&read(true)), next(&read(false)), next(&wanted), stale_after]
    }

    #[test]
    fn reads_are_spaced_by_their_duration_between_resync_and_ten_minutes() {
        assert_eq!(spacing(30, 0), [30, 30, 2, 60]);
        assert_eq!(spacing(30, 400), [30, 30, 2, 60]);
        assert_eq!(spacing(30, 1_000), [75, 30, 20, 150]);
        assert_eq!(spacing(30, 6_000), [450, 120, 120, 900]);
        assert_eq!(spacing(30, 60_000), [600, 600, 600, 1_200]);
        // `watch.resync` is the lower bound, even above ten minutes.
        assert_eq!(spacing(120, 1_000), [120, 120, 2, 240]);
        assert_eq!(spacing(900, 60_000), [900, 900, 600, 1_800]);
    }

    #[test]
    fn lost_events_bring_the_next_read_forward_and_leave_the_last_one_fresh() {
        let start = Instant::now();
        let mut reads = ResyncSchedule::new(Duration::from_secs(30), start);
        reads.hear_of_stream(true);
        reads.begin(start);
        reads.succeed((ReadScope::Lists, Duration::from_secs(6)), start);
        assert_eq!(reads.deadline(), Some(start + Duration::from_secs(450)));
        reads.hear_of_stream(false);
        assert_eq!(reads.deadline(), Some(start + Duration::from_secs(120)));
        assert_eq!(reads.stale_after(), Duration::from_secs(900));
    }

    proptest::proptest! {
        /// Whatever wants a read, reads take at most a twentieth of the time once one is slow, and a
        /// 75th while events arrive and nothing is wanted.
        #[test]
        fn slow_reads_take_a_small_share_of_the_time(
            took_ms in 700_u64..8_000,
            wanted in proptest::collection::vec(0_u64..3_600, 0..200),
            has_events: bool,
        ) {
            let start = Instant::now();
            let at = |second: u64| start + Duration::from_secs(second);
            let mut reads = ResyncSchedule::new(Duration::from_secs(30), start);
            reads.hear_of_stream(has_events);
            let took = Duration::from_millis(took_ms);
            let mut count = 0;
            for second in 0..3_600 {
                if wanted.contains(&second) {
                    reads.want(at(second));
                }
                if let Some(scope) = reads.begin(at(second)) {
                    count += 1;
                    reads.succeed((scope, took), at(second) + took);
                }
            }
            let share = took.as_secs_f64() * f64::from(count - 1) / 3_600.0;
            let most = if has_events && wanted.is_empty() { 1.0 / 75.0 } else { 0.05 };
            proptest::prop_assert!(share <= most, "{count} reads, {share}");
            proptest::prop_assert!(count >= 6);
        }
    }

    #[test]
    fn health_is_read_every_half_minute_while_something_is_wrong_whatever_the_resync() {
        assert_eq!([5, 30, 300].map(health_reads), [20, 20, 20]);
    }
}
