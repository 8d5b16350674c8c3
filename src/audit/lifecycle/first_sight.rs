//! Records of runners that are observed for the first time. Those of a large fleet are made in
//! portions, when the audit file can take them.

use std::collections::VecDeque;

use super::super::entry::{Entry, Fidelity, Initiator, Source};
use super::record_builder::RowFacts;
use super::runner_history::{RecordedState, RunnerHistory};
use super::{EventTime, Lifecycle};
use crate::domain::runner::Runner;
use jiff::Timestamp;

/// The number of runners that one full read records at once, if it is the first to show them.
const AT_ONCE_MAX: usize = 500;

/// How a runner was observed for the first time.
#[derive(Debug)]
pub(super) struct FirstSight {
    pub(super) moment: EventTime,
    pub(super) seen: (Initiator, Fidelity),
    /// Whether the first full read showed it.
    pub(super) is_start: bool,
    pub(super) created_at: Timestamp,
    pub(super) row: RowFacts,
}

/// Runners whose first sight is not recorded yet.
#[derive(Debug, Default)]
pub(super) struct Unrecorded {
    /// Their ids, the oldest first. Some may have been recorded since.
    ids: VecDeque<String>,
    /// The number of first sights that the present read has recorded at once.
    at_once: usize,
}

impl Unrecorded {
    /// A full read begins.
    pub(super) fn begin(&mut self) {
        self.at_once = 0;
    }

    /// Whether the next record is to be made later.
    fn is_late(&mut self, source: Source) -> bool {
        self.at_once += usize::from(source == Source::Resync);
        source == Source::Resync && self.at_once > AT_ONCE_MAX
    }
}

impl Lifecycle {
    /// Records a runner that is observed for the first time, at once or later.
    pub(super) fn see_first(
        &mut self,
        runner: &Runner,
        stage: &RecordedState,
        moment: EventTime,
        entries: &mut Vec<Entry>,
    ) {
        let is_start = moment.source == Source::Resync && !self.coverage.has_read();
        // Only GARM itself creates runners; its API has no call for that.
        let seen = match (is_start, stage.is_first()) {
            (true, _) => (Initiator::Unknown, Fidelity::Reconstructed),
            (false, true) if moment.source == Source::Event => (Initiator::Garm, Fidelity::Exact),
            (false, _) => (Initiator::Garm, Fidelity::Reconstructed),
        };
        let (created_at, row) = (runner.created_at, RowFacts::of(runner));
        let mut life = RunnerHistory::new(runner, stage);
        life.first_sight = Some(Box::new(FirstSight { moment, seen, is_start, created_at, row }));
        self.ids.insert(runner.name.clone(), runner.id.clone());
        self.runners.insert(runner.id.clone(), life);
        match self.unrecorded.is_late(moment.source) {
            true => self.unrecorded.ids.push_back(runner.id.clone()),
            false => self.record_first(&runner.id, entries),
        }
        if !is_start {
            self.await_event(&runner.id, moment);
        }
    }

    /// Records the first sight of a runner, unless that was done. Must precede any other record
    /// about the runner.
    pub(super) fn record_first(&mut self, id: &str, entries: &mut Vec<Entry>) {
        let Some(life) = self.runners.get_mut(id) else { return };
        let Some(sight) = life.first_sight.take() else { return };
        let subject = self.settings.subject(id, life);
        entries.push(self.builder.first(subject, &life.stage, &sight));
    }

    /// Makes the next records of runners that were observed for the first time, at most `most`.
    pub fn next_unrecorded(&mut self, most: usize) -> Vec<Entry> {
        let mut entries = Vec::new();
        while entries.len() < most
            && let Some(id) = self.unrecorded.ids.pop_front()
        {
            self.record_first(&id, &mut entries);
        }
        entries
    }

    /// The number of runners that [`Self::next_unrecorded`] has not looked at.
    pub fn unrecorded(&self) -> usize {
        self.unrecorded.ids.len()
    }
}
