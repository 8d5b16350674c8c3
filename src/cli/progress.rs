//! Progress of an `apply` on stderr: bars at a terminal, lines elsewhere.

use std::collections::BTreeMap;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::domain::name::PoolName;
use crate::domain::poison::IgnorePoison;
use crate::event::{ApplyEvent, ApplyListener};
use crate::plan::Resource;
use crate::render::progress::{about, doing, line, subject};

use super::print::Printer;

/// Interval at which the spinners turn.
const TICK: Duration = Duration::from_millis(120);

/// The largest number of pools with a bar: more may be in progress than a terminal has lines.
const BARS_MAX: usize = 16;

/// Interval at which the log repeats a drain that does not change.
const DRAIN_SILENCE: Duration = Duration::from_secs(60);

/// Shows what an `apply` does.
pub enum Progress<'a> {
    /// One bar for each pool in progress, and one for all steps.
    Bars(ProgressBars<'a>),
    /// One line per event, for output that cannot be redrawn.
    Lines(ProgressLines<'a>),
}

impl<'a> Progress<'a> {
    /// Bars if stderr is a terminal, else lines.
    pub fn new(print: &'a Printer, steps: usize) -> Self {
        if print.draws() { Self::Bars(ProgressBars::new(print, steps)) } else { Self::lines(print) }
    }

    pub fn lines(print: &'a Printer) -> Self {
        Self::Lines(ProgressLines { print, news: ProgressFilter::default() })
    }

    /// Prints a message above the bars.
    pub fn say(&self, text: &str) {
        match self {
            Self::Bars(bars) => bars.all.suspend(|| bars.print.say(text)),
            Self::Lines(lines) => lines.print.say(text),
        }
    }

    /// Removes the bars from the screen.
    pub fn end(&self) {
        if let Self::Bars(bars) = self {
            bars.total.finish_and_clear();
            // If the terminal is gone, so are the bars.
            let _ = bars.all.clear();
        }
    }
}

impl ApplyListener for Progress<'_> {
    fn hear(&self, event: &ApplyEvent) {
        match self {
            Self::Bars(bars) => bars.hear(event),
            Self::Lines(lines) => lines.hear(event),
        }
    }
}

/// The bars of an apply at a terminal.
pub struct ProgressBars<'a> {
    print: &'a Printer,
    all: MultiProgress,
    total: ProgressBar,
    pools: Arc<Mutex<BTreeMap<Resource, ProgressBar>>>,
    /// Ends the thread of [`turn`] when it is dropped.
    _turning: Sender<()>,
}

impl<'a> ProgressBars<'a> {
    fn new(print: &'a Printer, steps: usize) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let look = ProgressStyle::with_template("  {bar:24} {pos} of {len} steps, {elapsed}")
            .expect("the template above is well formed")
            .progress_chars("━╸─");
        let total = all.add(ProgressBar::new(steps as u64).with_style(look));
        let pools = Arc::default();
        let turning = turn(total.clone(), Arc::clone(&pools));
        Self { print, all, total, pools, _turning: turning }
    }

    fn hear(&self, event: &ApplyEvent) {
        let about = about(event);
        if let ApplyEvent::Undeletable { .. } = event {
            // The bar is removed with the end of the step, so its text would not be readable.
            return self.all.suspend(|| self.print.say(&line(event)));
        }
        if let ApplyEvent::StepEnded(_) = event {
            if let Some(bar) = self.pools.lock().ignoring_poison().remove(&about) {
                bar.finish_and_clear();
                self.all.remove(&bar);
            }
            self.all.suspend(|| self.print.say(&line(event)));
            self.total.inc(1);
            return;
        }
        let mut pools = self.pools.lock().ignoring_poison();
        if pools.len() >= BARS_MAX && !pools.contains_key(&about) {
            return;
        }
        let bar = pools.entry(about.clone()).or_insert_with(|| self.bar(&subject(&about)));
        bar.set_message(self.print.dressed_for_stderr(&doing(event)));
    }

    fn bar(&self, name: &str) -> ProgressBar {
        let look = ProgressStyle::with_template("  {spinner} {prefix}  {wide_msg}")
            .expect("the template above is well formed");
        let bar = ProgressBar::new_spinner().with_style(look).with_prefix(name.to_owned());
        self.all.insert_before(&self.total, bar)
    }
}

/// Turns the spinners of all bars, on a thread that ends when the returned value is dropped. If the
/// system refuses the thread, the spinners stand still (indicatif's own ticks would panic).
fn turn(total: ProgressBar, pools: Arc<Mutex<BTreeMap<Resource, ProgressBar>>>) -> Sender<()> {
    let (turning, ended) = channel();
    let work = move || {
        while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            let pools = pools.lock().ignoring_poison();
            for bar in pools.values().chain([&total]).filter(|bar| !bar.is_finished()) {
                bar.tick();
            }
        }
    };
    let _ = std::thread::Builder::new().name("progress".into()).spawn(work);
    turning
}

/// Prints the lines of an apply without a terminal.
pub struct ProgressLines<'a> {
    print: &'a Printer,
    news: ProgressFilter,
}

impl ProgressLines<'_> {
    fn hear(&self, event: &ApplyEvent) {
        if let Some(line) = self.news.line(event) {
            self.print.say_quietly(&line);
        }
    }
}

/// Leaves out lines that only repeat what was printed.
#[derive(Default)]
pub struct ProgressFilter {
    /// The last printed state of each drain: busy and leaving runners, and the time.
    drains: Mutex<BTreeMap<PoolName, (usize, usize, Duration)>>,
    /// The last line of each pool: a step often begins with a write of the same name.
    last: Mutex<BTreeMap<Resource, String>>,
}

impl ProgressFilter {
    /// The event as a line; absent if it repeats what was printed.
    pub fn line(&self, event: &ApplyEvent) -> Option<String> {
        if let ApplyEvent::Draining { pool, busy, leaving, waited } = event {
            let mut drains = self.drains.lock().ignoring_poison();
            let is_known = drains.get(pool).is_some_and(|told| {
                (told.0, told.1) == (*busy, *leaving)
                    && waited.saturating_sub(told.2) < DRAIN_SILENCE
            });
            if is_known {
                return None;
            }
            drains.insert(pool.clone(), (*busy, *leaving, *waited));
        }
        let line = line(event);
        let before = self.last.lock().ignoring_poison().insert(about(event), line.clone());
        (before.as_ref() != Some(&line)).then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;
    use crate::plan::Action;

    #[test]
    fn a_repeated_line_is_not_printed() {
        let news = ProgressFilter::default();
        let pool = PoolName::new("gpu").unwrap();
        let drain = |busy, seconds| ApplyEvent::Draining {
            pool: pool.clone(),
            busy,
            leaving: 0,
            waited: Duration::from_secs(seconds),
        };
        let events = [
            ApplyEvent::StepBegan { about: Resource::Pool(pool.clone()), action: Action::Create },
            ApplyEvent::Doing { about: Resource::Pool(pool.clone()), what: "create".into() },
            drain(2, 0),
            drain(2, 5),
            drain(1, 10),
            drain(1, 69),
            drain(1, 70),
        ];
        let said: Vec<String> = events.iter().filter_map(|event| news.line(event)).collect();
        let said: Vec<String> = said.iter().map(|line| strip_str(line).to_string()).collect();
        assert_eq!(
            said,
            [
                "gpu: create",
                "gpu: drain: 2 busy runners, waited 0s",
                "gpu: drain: 1 busy runner, waited 10s",
                "gpu: drain: 1 busy runner, waited 1m 10s",
            ]
        );
    }
}
