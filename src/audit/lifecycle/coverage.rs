//! Whether events are coming, and the spans in which they did not.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::super::entry::Entry;
use super::EVENT_PATIENCE;
use super::record_builder::{Pen, times};
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
pub enum Last {
    /// The log begins here.
    None,
    /// There are records, and in what was looked at none shows it.
    Unknown,
    /// Written at this time.
    At(Timestamp),
}

/// Whether everything that happens is seen.
#[derive(Debug)]
enum State {
    /// Nothing is known of the stream yet, and nothing was read.
    Silent(Last),
    /// No events; a gap record tells of it since `from`.
    Away { from: Option<Timestamp> },
    /// Events again, but no full read since.
    Back { from: Option<Timestamp> },
    /// Connected before the first read, and no gap is told.
    New(Last),
    /// Everything is seen.
    Whole,
}

impl Default for State {
    fn default() -> Self {
        Self::Silent(Last::None)
    }
}

impl Last {
    /// What was not watched before the first read at `now`; nothing where the log begins. It is
    /// told once it is over: until then the next start tells of it.
    fn gap(self, pen: &Pen, now: Timestamp) -> Option<Entry> {
        let from = match self {
            Self::None => return None,
            Self::Unknown => None,
            Self::At(time) => Some(time),
        };
        let detail = "nothing was recorded in this time: `watch` did not run".to_owned();
        Some(pen.gap(now, "not watched", (from, Some(now)), detail))
    }
}

/// Stream and reads over time.
#[derive(Debug, Default)]
pub(super) struct Watch {
    state: State,
    reads: u64,
    /// Times of the last reads, the newest last.
    read_at: [Option<Timestamp>; 4],
    /// When the stream last showed a sign of life.
    heard_at: Option<Timestamp>,
}

impl Watch {
    pub(super) fn begin(&mut self, last: Last, pen: &Pen, now: Timestamp) -> Vec<Entry> {
        self.state = State::Silent(last);
        vec![pen.log(now, STARTED, Value::Null)]
    }

    pub(super) fn hear(&mut self, stream: &Stream<'_>, pen: &Pen, now: Timestamp) -> Vec<Entry> {
        let entries = match stream {
            Stream::Connected => {
                self.state = match self.state {
                    State::Silent(last) => State::New(last),
                    State::Away { from } => State::Back { from },
                    State::Back { .. } | State::New(_) | State::Whole => return Vec::new(),
                };
                Vec::new()
            }
            Stream::Lost(why) => {
                let why = quote(why);
                let detail = format!("the event stream is lost ({why}): reads alone tell");
                self.break_off(pen, now, ("stream lost", detail), |from| State::Away { from })
            }
            Stream::Overflow => {
                let detail = "more events than could be taken in: some are lost".to_owned();
                self.break_off(pen, now, ("events lost", detail), |from| State::Back { from })
            }
        };
        self.heard_at = Some(now);
        entries
    }

    /// Opens a gap, unless one is open.
    fn break_off(
        &mut self,
        pen: &Pen,
        now: Timestamp,
        (act, detail): (&str, String),
        next: impl Fn(Option<Timestamp>) -> State,
    ) -> Vec<Entry> {
        match self.state {
            State::Silent(_) => Vec::new(),
            State::Away { from } | State::Back { from } => {
                self.state = next(from);
                Vec::new()
            }
            // What was before the first read is told of at that.
            State::New(last) => {
                let is_away = matches!(next(None), State::Away { .. });
                self.state = if is_away { State::Silent(last) } else { State::New(last) };
                Vec::new()
            }
            State::Whole => {
                // The stream is unordered: what happened shortly before the last event that came
                // may have been on its way behind it.
                let earliest = now - SILENCE_MAX;
                let from = self.heard_at.map_or(earliest, |it| (it - EVENT_PATIENCE).max(earliest));
                self.state = next(Some(from));
                vec![pen.gap(now, act, (Some(from), None), detail)]
            }
        }
    }

    /// An event came.
    pub(super) fn heard(&mut self, now: Timestamp) {
        self.heard_at = Some(now);
    }

    /// A full read succeeded: with events coming, everything is seen from here on.
    pub(super) fn read(&mut self, pen: &Pen, now: Timestamp) -> Vec<Entry> {
        self.reads += 1;
        self.read_at.rotate_left(1);
        self.read_at[3] = Some(now);
        match self.state {
            State::Silent(last) => {
                self.state = State::Away { from: Some(now) };
                let detail = "there is no event stream yet: reads alone tell".to_owned();
                let open = pen.gap(now, "stream lost", (Some(now), None), detail);
                last.gap(pen, now).into_iter().chain([open]).collect()
            }
            State::Back { from } => {
                self.state = State::Whole;
                vec![pen.log(now, "gap closed", times((from, Some(now))))]
            }
            State::New(last) => {
                self.state = State::Whole;
                last.gap(pen, now).into_iter().collect()
            }
            State::Away { .. } | State::Whole => Vec::new(),
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
        matches!(self.state, State::Away { .. } | State::Back { .. })
    }

    /// Whether no gap is open.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.state, State::Whole)
    }

    /// The last read before a time, among those that are remembered.
    pub(super) fn read_before(&self, time: Timestamp) -> Option<Timestamp> {
        self.read_at.into_iter().flatten().filter(|it| *it < time).max()
    }
}
