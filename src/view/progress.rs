//! What happens while a plan is carried out, in one line each.

use std::time::Duration;

use crate::domain::name::PoolName;
use crate::domain::text;
use crate::event::{Event, Outcome, OutcomeKind};

use super::style::{ERROR, GOOD, NAME, QUIET, WARNING, paint};
use super::words::{count, span};

/// Who a line is about: a pool, or GARM's own settings.
pub fn subject(pool: Option<&PoolName>) -> &str {
    pool.map_or("controller", PoolName::as_str)
}

/// The pool that an event is about; nothing for GARM's own settings.
pub fn pool_of(event: &Event) -> Option<&PoolName> {
    match event {
        Event::StepBegan { pool, .. } | Event::Doing { pool, .. } => pool.as_ref(),
        Event::Draining { pool, .. } | Event::Runner { pool, .. } => Some(pool),
        Event::StepEnded(outcome) => outcome.pool.as_ref(),
    }
}

/// What the pool is doing, without its name.
pub fn doing(event: &Event) -> String {
    match event {
        Event::StepBegan { action, .. } => action.word().to_owned(),
        Event::Doing { what, .. } => text::quote(what),
        Event::Draining { busy, leaving, waited, .. } => drain(*busy, *leaving, *waited),
        Event::Runner { runner, what, .. } => {
            format!("runner `{}` {}", text::quote(runner.as_str()), text::quote(what))
        }
        Event::StepEnded(outcome) => ended(outcome),
    }
}

/// `drain: 3 busy runners, 1 leaving, waited 2m`.
fn drain(busy: usize, leaving: usize, waited: Duration) -> String {
    let mut parts = Vec::new();
    if busy > 0 {
        parts.push(count(busy, "busy runner"));
    }
    if leaving > 0 {
        parts.push(format!("{leaving} leaving"));
    }
    parts.push(format!("waited {}", span(waited)));
    format!("drain: {}", parts.join(", "))
}

fn ended(outcome: &Outcome) -> String {
    let style = match outcome.kind {
        OutcomeKind::Done | OutcomeKind::AlreadyDone => GOOD,
        OutcomeKind::TimedOut | OutcomeKind::Interrupted | OutcomeKind::Blocked => WARNING,
        OutcomeKind::Failed => ERROR,
    };
    let said = format!("{} {}", outcome.action.word(), paint(style, outcome.kind.word()));
    match outcome.detail.as_str() {
        "" => said,
        detail => format!("{said}: {}", text::quote(detail)),
    }
}

/// A whole line for a log: `default: create done`.
pub fn line(event: &Event) -> String {
    let subject = paint(NAME, subject(pool_of(event)));
    let doing = doing(event);
    match event {
        Event::StepEnded(_) => format!("{subject}: {doing}"),
        Event::StepBegan { .. }
        | Event::Doing { .. }
        | Event::Draining { .. }
        | Event::Runner { .. } => format!("{subject}: {}", paint(QUIET, doing)),
    }
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;
    use crate::domain::name::RunnerName;
    use crate::plan::Action;

    fn check(event: &Event, expected: &str) {
        assert_eq!(strip_str(&line(event)).to_string(), expected);
    }

    #[test]
    fn each_event_is_one_line() {
        let pool = PoolName::new("gpu").unwrap();
        check(&Event::StepBegan { pool: None, action: Action::Update }, "controller: update");
        let what = "wait\u{1b}".into();
        check(&Event::Doing { pool: Some(pool.clone()), what }, "gpu: wait\\u{1b}");
        let waited = Duration::from_secs(75);
        let draining =
            |busy, leaving| Event::Draining { pool: pool.clone(), busy, leaving, waited };
        check(&draining(1, 2), "gpu: drain: 1 busy runner, 2 leaving, waited 1m 15s");
        check(&draining(0, 0), "gpu: drain: waited 1m 15s");
        let runner = RunnerName::new("gpu-1");
        let what = "removed".into();
        check(&Event::Runner { pool: pool.clone(), runner, what }, "gpu: runner `gpu-1` removed");
        let outcome = Outcome {
            pool: Some(pool.clone()),
            action: Action::Delete,
            kind: OutcomeKind::TimedOut,
            detail: "2 busy runners are left".into(),
            help: None,
        };
        check(&Event::StepEnded(outcome), "gpu: delete timed out: 2 busy runners are left");
    }
}
