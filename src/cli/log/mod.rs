//! Logging: every command logs through `tracing`, and one layer formats the events.
//!
//! `-v` logs each step, `-vv` also each request to GARM, `-vvv` also each decision. `watch` logs
//! its work without a flag; there `-v` adds the details of that work. stderr takes the lines,
//! except under `watch -o json`, whose result is the log: one object per line on stdout.

mod fields;
mod format;
mod layer;
mod line;
mod queue;
mod record;
pub(in crate::cli) mod spans;

use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::failure::Failure;
use super::print::Printer;
use super::runtime::not_started;
pub(in crate::cli) use fields::{LogFields, schema};
use format::{LogFormat, LogWriter};
use layer::LogLayer;
pub(in crate::cli) use line::LogLine;
use queue::LogQueue;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogSource {
    /// A command that ends by itself: it writes each line at once.
    OneShot,
    /// `watch` with text on stderr.
    WatchText,
    WatchJson,
}

/// The running log. [`LogHandle::close`] writes the lines that are still queued.
pub(super) struct LogHandle(Option<Arc<LogQueue>>);

impl LogHandle {
    /// Writes the queued lines, unless their reader is stalled.
    pub(super) fn close(&self) {
        if let Some(queue) = &self.0 {
            queue.close();
        }
    }
}

/// Installs the subscriber of this process. Errors when `watch` cannot start the thread that
/// writes.
pub(super) fn start(
    source: LogSource,
    verbose: u8,
    print: &Arc<Printer>,
) -> Result<LogHandle, Failure> {
    let Some(levels) = levels(source, verbose) else { return Ok(LogHandle(None)) };
    let format = match source {
        LogSource::WatchJson => LogFormat::Json,
        LogSource::OneShot | LogSource::WatchText => LogFormat::for_stderr(),
    };
    let writer = LogWriter::new(Arc::clone(print), format);
    let (layer, log) = match source {
        LogSource::OneShot => (LogLayer::direct(writer), LogHandle(None)),
        LogSource::WatchText | LogSource::WatchJson => {
            let queue = LogQueue::start(writer)
                .map_err(|error| not_started(error, "the thread that writes the log"))?;
            let queue = Arc::new(queue);
            (LogLayer::queued(Arc::clone(&queue)), LogHandle(Some(queue)))
        }
    };
    // A second start can only come from a test in this process; the first one stays in force.
    let _ = tracing_subscriber::registry().with(levels).with(layer).try_init();
    Ok(log)
}

/// Which events are logged; none without `-v`, except by `watch`.
///
/// Libraries stay at `warn` whatever the flags are, and `RUST_LOG` is not read: below that level
/// they log requests whole, and a request carries a token.
fn levels(source: LogSource, verbose: u8) -> Option<Targets> {
    let (ours, requests) = match (source, verbose) {
        (LogSource::OneShot, 0) => return None,
        (LogSource::OneShot, 1) | (_, 0) => (LevelFilter::INFO, LevelFilter::INFO),
        (LogSource::WatchText | LogSource::WatchJson, 1) => (LevelFilter::DEBUG, LevelFilter::INFO),
        (_, 2) => (LevelFilter::DEBUG, LevelFilter::DEBUG),
        (_, 3..) => (LevelFilter::TRACE, LevelFilter::TRACE),
    };
    let libraries = if verbose == 0 { LevelFilter::OFF } else { LevelFilter::WARN };
    Some(
        Targets::new()
            .with_default(libraries)
            .with_target("runnerctl", ours)
            .with_target("runnerctl::garm", requests),
    )
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    /// Checks whether a step, a detail, a request and a decision are logged.
    fn check(source: LogSource, verbose: u8, expected: [bool; 4]) {
        let levels = levels(source, verbose).unwrap_or_default();
        let rows = [
            ("runnerctl::cli::plan", Level::INFO),
            ("runnerctl::cli::daemon::observer", Level::DEBUG),
            ("runnerctl::garm::logged_transport", Level::DEBUG),
            ("runnerctl::cli::plan", Level::TRACE),
        ];
        let enabled = rows.map(|(target, level)| levels.would_enable(target, &level));
        assert_eq!(enabled, expected, "{source:?} -v * {verbose}");
        assert!(!levels.would_enable("hyper::client", &Level::INFO));
    }

    #[test]
    fn each_v_adds_steps_then_requests_then_decisions() {
        check(LogSource::OneShot, 0, [false, false, false, false]);
        check(LogSource::OneShot, 1, [true, false, false, false]);
        check(LogSource::OneShot, 2, [true, true, true, false]);
        check(LogSource::OneShot, 3, [true, true, true, true]);
    }

    #[test]
    fn watch_logs_its_steps_without_a_flag_and_its_details_with_one() {
        check(LogSource::WatchText, 0, [true, false, false, false]);
        check(LogSource::WatchText, 1, [true, true, false, false]);
        check(LogSource::WatchJson, 2, [true, true, true, false]);
        check(LogSource::WatchJson, 3, [true, true, true, true]);
    }
}
