//! Selects the records of a log to show, line by line, in bounded memory. Does not verify the
//! chain.

use jiff::Timestamp;
use serde_json::Value;

use super::check::FileLine;
use super::keys;

/// Which records to show: those that satisfy every condition that is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordFilter {
    /// The name of the runner.
    pub runner: Option<String>,
    /// The name of the pool, or its id in GARM.
    pub pool: Option<String>,
    /// The earliest time, on the clock of the machine that wrote the records.
    pub since: Option<Timestamp>,
}

/// The kind of a selected record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelectedKind {
    /// A write or an event.
    Plain,
    /// A gap: records may be missing in its span of time.
    Gap,
    /// The key of the HMACs was added or changed.
    Key,
}

/// An item to show.
#[derive(Debug, Clone, PartialEq)]
pub enum Selected<'a> {
    /// A record to show: its kind, its members and its line.
    Record(SelectedKind, Value, &'a str),
    /// Lines that are not records.
    Broken(BrokenLines),
}

/// Consecutive lines that are not records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenLines {
    /// The file of the first of them.
    pub file: String,
    /// The number of the first of them in the file.
    pub line: usize,
    pub count: u64,
}

#[derive(Debug)]
pub struct Selection {
    filter: RecordFilter,
    file: String,
    line: usize,
    /// Whether gaps and key changes are shown: always, if there is no filter by name; otherwise
    /// from the first selected record on, and for a runner until it is gone.
    is_open: bool,
    /// Lines that are not records. A gap record with the act `torn` explains them.
    broken: Option<BrokenLines>,
}

impl Selection {
    /// Starts a selection; files follow with [`Self::begin`].
    pub fn new(filter: RecordFilter) -> Self {
        let is_open = filter.runner.is_none() && filter.pool.is_none();
        Self { filter, file: String::new(), line: 0, is_open, broken: None }
    }

    pub fn begin(&mut self, file: &str) {
        file.clone_into(&mut self.file);
        self.line = 0;
    }

    /// Passes the next line to `show` if it is selected, after any broken lines before it.
    pub fn line(&mut self, line: FileLine<'_>, mut show: impl FnMut(Selected<'_>)) {
        let bytes = match line {
            FileLine::More(_) => return,
            FileLine::Whole(bytes) | FileLine::Cut(bytes) | FileLine::Begun(bytes) => bytes,
        };
        self.line += 1;
        let Some((time, members, text)) = record(bytes) else {
            let (file, line) = (&self.file, self.line);
            let broken = || BrokenLines { file: file.clone(), line, count: 0 };
            self.broken.get_or_insert_with(broken).count += 1;
            return;
        };
        let is_torn = members["kind"] == "gap" && members["act"] == "torn";
        if let Some(broken) = self.broken.take().filter(|_| !is_torn) {
            show(Selected::Broken(broken));
        }
        if let Some(kind) = self.kind(time, &members) {
            show(Selected::Record(kind, members, text));
        }
    }

    /// The lines at the end that are not records.
    pub fn finish(self) -> Option<BrokenLines> {
        self.broken
    }

    /// The kind of the record; `None` if it is not shown.
    fn kind(&mut self, time: Timestamp, members: &Value) -> Option<SelectedKind> {
        if self.filter.since.is_some_and(|since| time < since) {
            return None;
        }
        let act = members["act"].as_str().unwrap_or_default();
        let kind = match members["kind"].as_str() {
            Some("gap") => SelectedKind::Gap,
            _ if keys::ACTS.contains(&act) => SelectedKind::Key,
            _ => SelectedKind::Plain,
        };
        let is_shown = match kind {
            SelectedKind::Plain => self.is_about(members),
            SelectedKind::Gap | SelectedKind::Key => self.is_open || self.is_about(members),
        };
        if is_shown && !self.is_open {
            self.is_open = true;
        }
        // GARM never reuses the name of a runner, so later gaps and key changes do not concern it.
        if is_shown && self.filter.runner.is_some() && act == "runner gone" {
            self.is_open = false;
        }
        is_shown.then_some(kind)
    }

    fn is_about(&self, members: &Value) -> bool {
        let subject = &members["subject"];
        let is = |wanted: &Option<String>, values: [&Value; 2]| {
            wanted.as_ref().is_none_or(|name| values.iter().any(|value| *value == name))
        };
        is(&self.filter.runner, [&subject["runner"], &members["after"]["runner"]])
            && is(&self.filter.pool, [&subject["pool"], &subject["pool_id"]])
    }
}

/// The time, members and text of the record in a line. Its hash is not checked.
fn record(line: &[u8]) -> Option<(Timestamp, Value, &str)> {
    let text = std::str::from_utf8(line).ok()?;
    let members: Value = serde_json::from_str(text).ok()?;
    members["act"].as_str()?;
    let time = members["time"].as_str()?.parse().ok()?;
    Some((time, members, text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(second: u32, act: &str, more: &Value) -> String {
        let mut record = json!({
            "time": format!("2026-01-02T03:04:{second:02}Z"), "kind": "event", "act": act,
        });
        for (key, value) in more.as_object().unwrap() {
            record[key] = value.clone();
        }
        record.to_string()
    }

    fn runner(second: u32, act: &str, name: &str, pool: &str) -> String {
        line(second, act, &json!({ "subject": { "runner": name, "pool": pool, "pool_id": "p1" } }))
    }

    fn gap(second: u32, act: &str) -> String {
        line(second, act, &json!({ "kind": "gap", "subject": { "log": true } }))
    }

    /// The acts of the selected records, and `FILE:LINE xN` for lines that are not records.
    fn shown(filter: &RecordFilter, lines: &[String]) -> Vec<String> {
        let mut selection = Selection::new(filter.clone());
        selection.begin("a.jsonl");
        let mut shown = Vec::new();
        let place = |it: &BrokenLines| format!("{}:{} x{}", it.file, it.line, it.count);
        for text in lines {
            selection.line(FileLine::Whole(text.as_bytes()), |selected| match selected {
                Selected::Record(_, members, _) => {
                    shown.push(members["act"].as_str().unwrap().to_owned());
                }
                Selected::Broken(broken) => shown.push(place(&broken)),
            });
        }
        shown.extend(selection.finish().as_ref().map(place));
        shown
    }

    #[test]
    fn the_life_of_a_runner_has_the_gaps_within_it_and_none_outside() {
        let lines = [
            gap(1, "not watched"),
            runner(2, "runner created", "a-1", "a"),
            runner(3, "runner created", "a-2", "a"),
            gap(4, "stream lost"),
            line(5, "audit key changed", &json!({ "subject": { "log": true } })),
            runner(6, "runner gone", "a-1", "a"),
            gap(7, "events lost"),
            runner(8, "runner gone", "b-1", "b"),
        ];
        let of = |runner: &str| {
            let filter = RecordFilter { runner: Some(runner.into()), ..RecordFilter::default() };
            shown(&filter, &lines)
        };
        let life = ["runner created", "stream lost", "audit key changed", "runner gone"];
        assert_eq!(of("a-1"), life);
        assert_eq!(of("no-such-runner"), [""; 0]);
        assert_eq!(shown(&RecordFilter::default(), &lines).len(), lines.len());
    }

    #[test]
    fn a_runner_that_was_never_seen_is_found_by_the_gap_that_names_it() {
        let more = json!({ "kind": "gap", "after": { "runner": "a-1", "job": 7 } });
        let lines = [line(1, "runner unseen", &more)];
        let filter = RecordFilter { runner: Some("a-1".into()), ..RecordFilter::default() };
        assert_eq!(shown(&filter, &lines), ["runner unseen"]);
    }

    #[test]
    fn a_pool_is_found_by_its_name_and_by_its_id() {
        let lines = [runner(1, "runner idle", "a-1", "a"), runner(2, "runner active", "b-1", "b")];
        let of = |pool: &str| {
            shown(&RecordFilter { pool: Some(pool.into()), ..RecordFilter::default() }, &lines)
        };
        assert_eq!(of("b"), ["runner active"]);
        assert_eq!(of("p1"), ["runner idle", "runner active"]);
    }

    #[test]
    fn records_before_the_time_are_left_out() {
        let lines = [gap(1, "not watched"), runner(2, "runner idle", "a-1", "a")];
        let since = Some("2026-01-02T03:04:02Z".parse().unwrap());
        let filter = RecordFilter { since, ..RecordFilter::default() };
        assert_eq!(shown(&filter, &lines), ["runner idle"]);
    }

    #[test]
    fn lines_that_are_no_records_are_named_unless_a_gap_explains_them() {
        let torn = || r#"{"v":1,"seq":2,"#.to_owned();
        let lines = [
            runner(1, "runner idle", "a-1", "a"),
            torn(),
            gap(2, "torn"),
            torn(),
            "{}".into(),
            runner(3, "runner active", "a-1", "a"),
            torn(),
        ];
        let expected = ["runner idle", "torn", "a.jsonl:4 x2", "runner active", "a.jsonl:7 x1"];
        assert_eq!(shown(&RecordFilter::default(), &lines), expected);
    }
}
