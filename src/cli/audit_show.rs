//! `audit show`: prints records of the audit log, read line by line.

use std::path::PathBuf;

use jiff::Timestamp;

use super::args::{Output, ShowArgs, Since};
use super::audit::fleet_files;
use super::audit_log;
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::garms;
use crate::audit::{BrokenLines, ReadOn, RecordFilter, Selected, Selection};
use crate::domain::name::GarmName;
use crate::domain::text;
use crate::host::clock::Clock;
use crate::host::log_set::LogSet;
use crate::render::audit_records as render;
use crate::render::style::{HELP, WARNING, paint};
use crate::render::words::count;

pub fn run(args: &ShowArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    let files = match args.files.as_slice() {
        [] => vec![default_file(args.garm.name.as_ref(), cx)?],
        files => files.to_vec(),
    };
    let logs = LogSet::open(&files, None).map_err(Failure::input)?;
    cx.print.say("note: this verifies nothing; `runnerctl audit verify` does");
    let quoted = |name: &String| text::quote(name);
    let since = args.since.map(time);
    let mut selection = Selection::new(RecordFilter {
        runner: args.runner.as_ref().map(quoted),
        pool: args.pool.as_ref().map(quoted),
        since,
    });
    let mut printed = Printed { cx, records: 0, broken: 0, failure: None };
    for log in logs.files_since(since) {
        selection.begin(&log.name);
        let read = log.each_line(|line| {
            selection.line(line, |selected| printed.show(selected));
            if printed.is_over() { ReadOn::Stop } else { ReadOn::GoOn }
        });
        read.map_err(|error| Failure::input(format!("cannot read `{}`: {error}", log.name)))?;
    }
    if let Some(broken) = selection.finish() {
        printed.broken(&broken);
    }
    printed.end()
}

/// What has been printed so far.
struct Printed<'a> {
    cx: Context<'a>,
    records: u64,
    /// The number of lines that are not records.
    broken: u64,
    failure: Option<Failure>,
}

impl Printed<'_> {
    fn show(&mut self, selected: Selected<'_>) {
        match selected {
            Selected::Broken(broken) => self.broken(&broken),
            Selected::Record(kind, members, text) => {
                let printed = match self.cx.settings.output {
                    Output::Json => self.cx.print.json_line(text),
                    Output::Text | Output::Markdown => {
                        let header = (self.records == 0).then(|| format!("{}\n", render::header()));
                        let line = render::line(kind, &members);
                        self.cx.print.result(&format!("{}{line}", header.unwrap_or_default()))
                    }
                };
                self.records += 1;
                self.failure = self.failure.take().or(printed.err());
            }
        }
    }

    fn broken(&mut self, broken: &BrokenLines) {
        self.broken += broken.count;
        let place = format!("{}:{}", text::quote(&broken.file), broken.line);
        let said = match broken.count {
            1 => "this line is not a record".to_owned(),
            n => format!("this line and the next {} are not records", n - 1),
        };
        self.cx.print.say(&format!("{place}: {said}; skipped"));
    }

    /// Whether printing failed or stdout is closed, so that more records need not be read.
    fn is_over(&self) -> bool {
        self.failure.is_some() || self.cx.print.is_unread()
    }

    fn end(self) -> Result<Exit, Failure> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        if self.records == 0 {
            self.cx.print.say("no record matches");
        }
        if self.broken == 0 {
            return Ok(Exit::Done);
        }
        let lines = count(usize::try_from(self.broken).unwrap_or(usize::MAX), "line");
        // Not a failure in JSON, which would follow the records on stdout.
        let help = "run `runnerctl audit verify FILE…` to find out whether the log is whole";
        let (warning, label) = (paint(WARNING, "warning:"), paint(HELP, "help:"));
        self.cx.print.say(&format!("{warning} {lines} skipped\n{label} {help}"));
        Ok(Exit::Failed)
    }
}

fn time(since: Since) -> Timestamp {
    match since {
        Since::At(time) => time,
        Since::Ago(age) => Clock::Real.now().checked_sub(age).unwrap_or(Timestamp::MIN),
    }
}

/// The file that `apply` and `watch` write to. Fails (64) if there is one for each of several GARMs,
/// and none is named.
fn default_file(garm: Option<&GarmName>, cx: Context<'_>) -> Result<PathBuf, Failure> {
    let files = fleet_files(cx)?;
    let file = garms::only(&files, garm, "`audit show` shows the audit log of one GARM")?;
    let watch = file.and_then(|file| file.watch.as_ref());
    match watch.and_then(|watch| watch.audit.clone()) {
        Some(path) => Ok(path),
        None => {
            let garm = file.and_then(|file| file.garm.name.as_ref());
            audit_log::in_state_folder(garm, "name a file: `runnerctl audit show FILE`")
        }
    }
}
