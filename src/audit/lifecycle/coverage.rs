//! Whether events are coming, and the spans in which they did not.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::super::entry::Entry;
use super::EVENT_PATIENCE;
use super::record_builder::{RecordBuilder, times};
use crate::domain::text::quote;

/// How long a stream may have been dead before that is noticed: its reader gives a silent peer up
/// after 75 s (DESIGN §5); a margin on top.
const SILENCE_MAX: SignedDuration = SignedDuration::from_secs(90);

/// The event at the start.
pub(super) const STARTED: &str = "watch started";

/// What has happened to the stream of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream<'a> {
    /// Events are coming from now on.
    Connected,
    /// They are not: why.
    Lost(&'a str),
    /// They are, and some were more than could be taken in.
    Overflow,
}

/// The last record, at the start, that shows this fleet being watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastSign {
    /// The log begins here.
    None,
    /// There are records, and in what was looked at none shows it.
    Unknown,
    /// Written at this time.
    At(Timestamp),
}

/// Whether everything that happens is seen.
#[derive(Debug)]
enum CoverageState {
    /// Nothing is known of the stream yet, and nothing was read.
    Silent(LastSign),
    /// No events; a gap record tells of it since `from`.
    Away { from: Option<Timestamp> },
    /// Events again, but no full read since.
    Back { from: Option<Timestamp> },
    /// Connected before the first read, and no gap is told.
    New(LastSign),
    /// Everything is seen.
    Whole,
}

impl Default for CoverageState {
    fn default() -> Self {
        Self::Silent(LastSign::None)
    }
}

impl LastSign {
    /// What was not watched before the first read at `now`; nothing where the log begins. It is
    /// told once it is over: until then the next start tells of it.
    fn gap(self, builder: &RecordBuilder, now: Timestamp) -> Option<Entry> {
        let from = match self {
            Self::None => return None,
            Self::Unknown => None,
            Self::At(time) => Some(time),
        };
        let detail = "nothing was recorded in this time: `watch` did not run".to_owned();
        Some(builder.gap(now, "not watched", (from, Some(now)), detail))
    }
}

/// Stream and reads over time.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    state: CoverageState,
    reads: u64,
    /// Times of the last reads, the newest last.
    read_at: [Option<Timestamp>; 4],
    /// When the stream last showed a sign of life.
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
        stream: &Stream<'_>,
        builder: &RecordBuilder,
        now: Timestamp,
    ) -> Vec<Entry> {
        let entries = match stream {
            Stream::Connected => {
                self.state = match self.state {
                    CoverageState::Silent(last) => CoverageState::New(last),
                    CoverageState::Away { from } => CoverageState::Back { from },
                    CoverageState::Back { .. } | CoverageState::New(_) | CoverageState::Whole => {
                        return Vec::new();
                    }
                };
                Vec::new()
            }
            Stream::Lost(why) => {
                let why = quote(why);
                let detail = format!("the event stream is lost ({why}): reads alone tell");
                self.break_off(builder, now, ("stream lost", detail), |from| CoverageState::Away {
                    from,
                })
            }
            Stream::Overflow => {
                let detail = "more events than could be taken in: some are lost".to_owned();
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
            // What was before the first read is told of at that.
            CoverageState::New(last) => {
                let is_away = matches!(next(None), CoverageState::Away { .. });
                self.state =
                    if is_away { CoverageState::Silent(last) } else { CoverageState::New(last) };
                Vec::new()
            }
            CoverageState::Whole => {
                // The stream is unordered: what happened shortly before the last event that came
                // may have been on its way behind it.
                let earliest = now - SILENCE_MAX;
                let from = self.heard_at.map_or(earliest, |it| (it - EVENT_PATIENCE).max(earliest));
                self.state = next(Some(from));
                vec![builder.gap(now, act, (Some(from), None), detail)]
            }
        }
    }

    /// An event came.
    pub(super) fn heard(&mut self, now: Timestamp) {
        self.heard_at = Some(now);
    }

    /// A full read succeeded: with events coming, everything is seen from here on.
    pub(super) fn read(&mut self, builder: &RecordBuilder, now: Timestamp) -> Vec<Entry> {
        self.reads += 1;
        self.read_at.rotate_left(1);
        self.read_at[3] = Some(now);
        match self.state {
            CoverageState::Silent(last) => {
                self.state = CoverageState::Away { from: Some(now) };
                let detail = "there is no event stream yet: reads alone tell".to_owned();
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

    /// Whether a gap record tells of a gap that has not ended.
    pub(super) fn has_open_gap(&self) -> bool {
        matches!(self.state, CoverageState::Away { .. } | CoverageState::Back { .. })
    }

    /// Whether no gap is open.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.state, CoverageState::Whole)
    }

    /// The last read before a time, among those that are remembered.
    pub(super) fn read_before(&self, time: Timestamp) -> Option<Timestamp> {
        self.read_at.into_iter().flatten().filter(|it| *it < time).max()
    }
}
