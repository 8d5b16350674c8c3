//! `-v`: what the program does, on stderr.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging when it is asked for: `-v` steps, `-vv` requests, `-vvv` everything of ours.
///
/// Libraries stay at `warn` whatever is asked, and `RUST_LOG` is not read: below that level they
/// log requests whole, and a request carries a token.
pub fn start(verbose: u8) {
    let ours = match verbose {
        0 => return,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        3.. => LevelFilter::TRACE,
    };
    let levels = Targets::new().with_default(LevelFilter::WARN).with_target("runnerctl", ours);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    // A second start can only come from a test in this process; the first one stays in force.
    let _ = tracing_subscriber::registry().with(levels).with(lines).try_init();
}
