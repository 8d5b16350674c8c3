//! Tracks whether the event stream delivers events, and during which times it did not.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::super::entry::Entry;
use super::EVENT_PATIENCE;
use super::record_builder::{RecordBuilder, times};
use crate::domain::text::quote;

/// How long a dead stream can remain undetected: its reader closes a silent connection after 75 s
/// (DESIGN §5), plus a margin.
const SILENCE_MAX: SignedDuration = SignedDuration::from_secs(90);

/// The `act` of the record at the start.
pub(super) const STARTED: &str = "watch started";

/// What happened to the event stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamChange<'a> {
    /// The stream delivers events from now on.
    Connected,
    /// The stream has ended, for this reason.
    Lost(&'a str),
    /// The stream delivers events, but some were lost because there were too many.
    Overflow,
}

/// The last record in the log at the start that shows that `watch` observed this fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastSign {
    None,
    /// The log is not empty, but none of the records that were read shows it.
    Unknown,
    /// A record of this time shows it.
    At(Timestamp),
}

/// Whether all changes are observed.
#[derive(Debug)]
enum CoverageState {
    /// The stream has not been connected, and nothing has been read.
    Silent(LastSign),
    /// The stream is down. A gap record reports this, from `from` on.
    Away { from: Option<Timestamp> },
    /// The stream is up again, but there has been no full read since.
    Back { from: Option<Timestamp> },
    /// The stream was connected before the first read, and no gap is recorded yet.
    New(LastSign),
    /// The stream reports every change.
    Whole,
}

impl Default for CoverageState {
    fn default() -> Self {
        Self::Silent(LastSign::None)
    }
}

impl LastSign {
    /// The gap record for the time before the first read, which ends at `now`; `None` if the log is
    /// empty. It is written only at that read; if the process ends earlier, the next start reports
    /// the time.
    fn gap(self, builder: &RecordBuilder, now: Timestamp) -> Option<Entry> {
        let from = match self {
            Self::None => return None,
            Self::Unknown => None,
            Self::At(time) => Some(time),
        };
        let detail = "nothing was recorded in this time, because `watch` did not run".to_owned();
        Some(builder.gap(now, "not watched", (from, Some(now)), detail))
    }
}

/// The state of the event stream, and the times of events and full reads.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    state: CoverageState,
    reads: u64,
    /// The times of the last four reads, the newest last.
    read_at: [Option<Timestamp>; 4],
    /// When the stream last delivered an event or changed its state.
    heard_at: Option<Timestamp>,
}

impl Coverage {
    pub(super) fn begin(
        &mut self,
        last: LastSign,
        builder: &RecordBuilder,
        now: Timestamp,
    ) -> Vec<Entry> {
        self.state = CoverageState::Silent(last);
        vec![builder.log(now, STARTED, Value::Null)]
    }

    pub(super) fn hear(
        &mut self,
        stream: &StreamChange<'_>,
        builder: &RecordBuilder,
        now: Timestamp,
    ) -> Vec<Entry> {
        let entries = match stream {
            StreamChange::Connected => {
                self.state = match self.state {
                    CoverageState::Silent(last) => CoverageState::New(last),
                    CoverageState::Away { from } => CoverageState::Back { from },
                    CoverageState::Back { .. } | CoverageState::New(_) | CoverageState::Whole => {
                        return Vec::new();
                    }
                };
                Vec::new()
            }
            StreamChange::Lost(why) => {
                let why = quote(why);
                let detail =
                    format!("the event stream is lost ({why}): only full reads show changes");
                self.break_off(builder, now, ("stream lost", detail), |from| CoverageState::Away {
                    from,
                })
            }
            StreamChange::Overflow => {
                let detail = "some events were lost because there were too many".to_owned();
                self.break_off(builder, now, ("events lost", detail), |from| CoverageState::Back {
                    from,
                })
            }
        };
        self.heard_at = Some(now);
        entries
    }

    /// Opens a gap, unless one is open.
    fn break_off(
        &mut self,
        builder: &RecordBuilder,
        now: Timestamp,
        (act, detail): (&str, String),
        next: impl Fn(Option<Timestamp>) -> CoverageState,
    ) -> Vec<Entry> {
        match self.state {
            CoverageState::Silent(_) => Vec::new(),
            CoverageState::Away { from } | CoverageState::Back { from } => {
                self.state = next(from);
                Vec::new()
            }
            // The gap record of the first read will cover this time.
            CoverageState::New(last) => {
                let is_away = matches!(next(None), CoverageState::Away { .. });
                self.state =
                    if is_away { CoverageState::Silent(last) } else { CoverageState::New(last) };
                Vec::new()
            }
            CoverageState::Whole => {
                // Events are unordered: one that is slightly older than the last event received may
                // still have been in flight.
                let earliest = now - SILENCE_MAX;
                let from =
                    self.heard_at.map_or(earliest, |time| (time - EVENT_PATIENCE).max(earliest));
                self.state = next(Some(from));
                vec![builder.gap(now, act, (Some(from), None), detail)]
            }
        }
    }

    pub(super) fn heard(&mut self, now: Timestamp) {
        self.heard_at = Some(now);
    }

    /// Takes note of a successful full read. If the stream is up, all changes are observed from
    /// here on.
    pub(super) fn read(&mut self, builder: &RecordBuilder, now: Timestamp) -> Vec<Entry> {
        self.reads += 1;
        self.read_at.rotate_left(1);
        self.read_at[3] = Some(now);
        match self.state {
            CoverageState::Silent(last) => {
                self.state = CoverageState::Away { from: Some(now) };
                let detail =
                    "there is no event stream yet: only full reads show changes".to_owned();
                let open = builder.gap(now, "stream lost", (Some(now), None), detail);
                last.gap(builder, now).into_iter().chain([open]).collect()
            }
            CoverageState::Back { from } => {
                self.state = CoverageState::Whole;
                vec![builder.log(now, "gap closed", times((from, Some(now))))]
            }
            CoverageState::New(last) => {
                self.state = CoverageState::Whole;
                last.gap(builder, now).into_iter().collect()
            }
            CoverageState::Away { .. } | CoverageState::Whole => Vec::new(),
        }
    }

    pub(super) fn reads(&self) -> u64 {
        self.reads
    }

    pub(super) fn has_read(&self) -> bool {
        self.reads > 0
    }

    /// Whether a gap record reports a gap that has not ended.
    pub(super) fn has_open_gap(&self) -> bool {
        matches!(self.state, CoverageState::Away { .. } | CoverageState::Back { .. })
    }

    /// Whether all changes are observed.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.state, CoverageState::Whole)
    }

    /// The last remembered read before a time.
    pub(super) fn read_before(&self, time: Timestamp) -> Option<Timestamp> {
        self.read_at.into_iter().flatten().filter(|read| *read < time).max()
    }
}
