//! Shows on stderr that the command waits for GARM.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

use super::context::Context;
use crate::domain::text::escape;

/// How long an answer may take before the spinner appears.
const SILENT_FOR: Duration = Duration::from_secs(1);

/// Interval at which the spinner turns.
const TICK: Duration = Duration::from_millis(120);

/// Awaits `work`, which reads the GARM at `url` and prints nothing. After a second a terminal shows
/// a spinner with the elapsed time until the work is done or dropped; elsewhere one line is
/// printed.
pub(super) async fn reading<T>(url: &str, work: impl Future<Output = T>, cx: Context<'_>) -> T {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = tokio::time::sleep(SILENT_FOR) => {}
    }
    let text = format!("reading GARM at {}", escape(url));
    if !cx.print.draws() {
        cx.print.say_quietly(&format!("{text}…"));
        return work.await;
    }
    let look = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}")
        .expect("the template above is well formed");
    let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
        .with_style(look)
        .with_finish(ProgressFinish::AndClear)
        .with_elapsed(SILENT_FOR)
        .with_message(text);
    loop {
        spinner.tick();
        if let Ok(done) = tokio::time::timeout(TICK, &mut work).await {
            spinner.finish_and_clear();
            return done;
        }
    }
}
