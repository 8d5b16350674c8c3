//! The progress of an apply, one line per event.

use std::time::Duration;

use crate::domain::name::RunnerName;
use crate::domain::text;
use crate::event::{ApplyEvent, StepOutcome, StepResult};
use crate::plan::Resource;

use super::style::{ERROR, GOOD, NAME, QUIET, WARNING, paint};
use super::words::{count, span};

/// The subject of a line: a pool, credentials, or GARM's own settings.
pub fn subject(about: &Resource) -> String {
    match about {
        Resource::Controller => "controller".to_owned(),
        Resource::Credential(name) => format!("credential {}", text::quote(name)),
        Resource::Pool(pool) => pool.to_string(),
    }
}

pub fn about(event: &ApplyEvent) -> Resource {
    match event {
        ApplyEvent::StepBegan { about, .. } | ApplyEvent::Doing { about, .. } => about.clone(),
        ApplyEvent::Draining { pool, .. }
        | ApplyEvent::Undeletable { pool, .. }
        | ApplyEvent::Runner { pool, .. } => Resource::Pool(pool.clone()),
        ApplyEvent::StepEnded(outcome) => outcome.about.clone(),
    }
}

/// The event, without the name of its subject.
pub fn doing(event: &ApplyEvent) -> String {
    match event {
        ApplyEvent::StepBegan { action, .. } => action.word().to_owned(),
        ApplyEvent::Doing { what, .. } => text::quote(what),
        ApplyEvent::Draining { busy, leaving, waited, .. } => drain(*busy, *leaving, *waited),
        ApplyEvent::Runner { runner, what, .. } => {
            format!("runner `{}` {}", text::quote(runner.as_str()), text::quote(what))
        }
        ApplyEvent::Undeletable { runner, fault, .. } => undeletable(runner, fault),
        ApplyEvent::StepEnded(outcome) => ended(outcome),
    }
}

/// A clause which says that a runner cannot be deleted, with the error of its provider.
pub fn undeletable(runner: &RunnerName, fault: &str) -> String {
    let said = text::said(fault);
    format!("runner {} cannot be deleted: its provider says: {said}", text::code(runner.as_str()))
}

/// `drain: 3 busy runners, 1 to delete, waited 2m`.
fn drain(busy: usize, leaving: usize, waited: Duration) -> String {
    let mut parts = Vec::new();
    if busy > 0 {
        parts.push(count(busy, "busy runner"));
    }
    if leaving > 0 {
        parts.push(format!("{leaving} to delete"));
    }
    parts.push(format!("waited {}", span(waited)));
    format!("drain: {}", parts.join(", "))
}

fn ended(outcome: &StepOutcome) -> String {
    let style = match outcome.kind {
        StepResult::Done | StepResult::AlreadyDone => GOOD,
        StepResult::TimedOut | StepResult::Interrupted | StepResult::Blocked => WARNING,
        StepResult::Failed => ERROR,
    };
    let said = format!("{} {}", outcome.action.word(), paint(style, outcome.kind.word()));
    match outcome.detail.as_str() {
        "" => said,
        detail => format!("{said}: {}", text::quote(detail)),
    }
}

/// The event as a line of a log, with its subject: `default: create done`.
pub fn line(event: &ApplyEvent) -> String {
    let subject = paint(NAME, subject(&about(event)));
    let doing = doing(event);
    match event {
        ApplyEvent::StepEnded(_) => format!("{subject}: {doing}"),
        ApplyEvent::Undeletable { .. } => format!("{subject}: {}", paint(WARNING, doing)),
        ApplyEvent::StepBegan { .. }
        | ApplyEvent::Doing { .. }
        | ApplyEvent::Draining { .. }
        | ApplyEvent::Runner { .. } => format!("{subject}: {}", paint(QUIET, doing)),
    }
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;
    use crate::domain::name::PoolName;
    use crate::plan::Action;

    fn check(event: &ApplyEvent, expected: &str) {
        assert_eq!(strip_str(&line(event)).to_string(), expected);
    }

    #[test]
    fn each_event_is_one_line() {
        let pool = PoolName::new("gpu").unwrap();
        check(
            &ApplyEvent::StepBegan { about: Resource::Controller, action: Action::Update },
            "controller: update",
        );
        let what = "wait\u{1b}".into();
        check(&ApplyEvent::Doing { about: Resource::Pool(pool.clone()), what }, "gpu: wait\\u{1b}");
        let waited = Duration::from_secs(75);
        let draining =
            |busy, leaving| ApplyEvent::Draining { pool: pool.clone(), busy, leaving, waited };
        check(&draining(1, 2), "gpu: drain: 1 busy runner, 2 to delete, waited 1m 15s");
        check(&draining(0, 0), "gpu: drain: waited 1m 15s");
        let runner = RunnerName::new("gpu-1");
        let fault = "no route\u{1b} to vcenter\n".to_owned();
        let stuck = ApplyEvent::Undeletable { pool: pool.clone(), runner: runner.clone(), fault };
        check(
            &stuck,
            "gpu: runner `gpu-1` cannot be deleted: its provider says: no route\\u{1b} to vcenter",
        );
        let what = "removed".into();
        check(
            &ApplyEvent::Runner { pool: pool.clone(), runner, what },
            "gpu: runner `gpu-1` removed",
        );
        let outcome = StepOutcome {
            about: Resource::Pool(pool.clone()),
            action: Action::Delete,
            kind: StepResult::TimedOut,
            detail: "2 busy runners are left".into(),
            help: None,
        };
        check(&ApplyEvent::StepEnded(outcome), "gpu: delete timed out: 2 busy runners are left");
    }
}
