//! Tracks the gaps that have not ended and the writes without an outcome.

use std::collections::BTreeMap;

use serde_json::Value;

use super::chain::Record;
use super::note::LOST;
use super::report::{GAPS_MAX, Gap, Report, UnfinishedWrite};

/// The number of fleets whose open gaps are tracked.
const FLEETS_MAX: usize = 1_000;

/// The number of intents that are remembered until their outcome comes.
const INTENTS_MAX: usize = 10_000;

/// The open gaps and intents after the records so far.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// The sequence number of the gap record, by fleet.
    gaps: BTreeMap<String, u64>,
    intents: BTreeMap<u64, UnfinishedWrite>,
    /// The number of intents beyond [`INTENTS_MAX`], which are only counted.
    uncounted: u64,
}

impl Pending {
    /// Processes the next record.
    pub(super) fn take(&mut self, record: &Record<'_>, report: &mut Report) {
        let (seq, members) = (record.head.seq, &record.members);
        let fleet = text(&members["cause"]["fleet"]);
        match (text(&members["kind"]).as_str(), text(&members["act"]).as_str()) {
            ("gap", act) => {
                note(report, seq, members);
                if act == LOST {
                    report.lost += members["after"]["records"].as_u64().unwrap_or(1);
                }
                let is_open = members["after"].get("until").is_some_and(Value::is_null);
                if is_open && self.gaps.len() < FLEETS_MAX {
                    self.gaps.entry(fleet).or_insert(seq);
                }
            }
            // A gap ends with the process that reported it. The next process reports the time
            // between the two.
            (_, "gap closed" | "watch started" | "watch stopped") => {
                self.gaps.remove(&fleet);
            }
            ("intent", _) if self.intents.len() < INTENTS_MAX => {
                self.intents.insert(seq, intent(seq, members));
            }
            ("intent", _) => self.uncounted += 1,
            ("outcome", _) => {
                let intent = members["intent"].as_u64();
                let is_known = intent.is_some_and(|seq| self.intents.remove(&seq).is_some());
                if intent.is_some() && !is_known {
                    self.uncounted = self.uncounted.saturating_sub(1);
                }
            }
            _ => {}
        }
    }

    /// Adds the gaps and writes that are still open at the end to the report.
    pub(super) fn settle(self, report: &mut Report) {
        report.open_gaps = self.gaps.into_values().collect();
        report.open_gaps.sort_unstable();
        report.unfinished_count = self.intents.len() as u64 + self.uncounted;
        report.unfinished = self.intents.into_values().take(GAPS_MAX).collect();
    }
}

fn note(report: &mut Report, seq: u64, members: &Value) {
    report.gap_count += 1;
    if report.gaps.len() < GAPS_MAX {
        let (time, detail) = (text(&members["time"]), text(&members["detail"]));
        report.gaps.push(Gap { seq, time, detail });
    }
}

fn intent(seq: u64, members: &Value) -> UnfinishedWrite {
    let subject = &members["subject"];
    let name = ["runner", "pool", "credential"].into_iter().find_map(|key| subject[key].as_str());
    let what = [members["act"].as_str(), name].into_iter().flatten().collect::<Vec<_>>().join(" ");
    UnfinishedWrite { seq, time: text(&members["time"]), what }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
