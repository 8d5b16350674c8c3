//! Groups with pools in several GARMs: what the loop tells the loops of the other GARMs, and what it
//! has to ask before it raises `max_runners`.

use std::sync::Arc;

use tokio::time::Instant;

use super::command::Writes;
use super::group_seat::{GroupSeat, Rivals};
use super::input::{Effect, PoolWrite};
use super::machine::ScalingLoop;
use super::managed_pools::DeclaredPools;
use super::observer::WriteAction;
use super::report_throttle::ReportThrottle;
use crate::domain::name::PoolId;
use crate::scaling::{Freeze, GroupReport, GroupView, LimitCertainty};

/// What the loop has told and heard of the groups that it shares with other GARMs.
#[derive(Debug, Default)]
pub(super) struct GroupExchange {
    /// Absent if there are no other GARMs.
    pub(super) view: Option<GroupView>,
    /// The view has changed since the last division.
    pub(super) is_news: bool,
    /// A declared pool is in a group with pools of other GARMs.
    is_member: bool,
    /// The board has a report of this GARM.
    is_known: bool,
    /// When the next report is due.
    pub(super) throttle: ReportThrottle,
    /// The last report; absent as well if it does not say what the board has.
    told: Option<GroupReport>,
    read: LeadingRead,
    rivals: Option<Rivals>,
}

/// Whether GARM was read while no other process could write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum LeadingRead {
    #[default]
    None,
    UnderWay,
    Done,
}

impl GroupExchange {
    /// Takes the place among the loops of the other GARMs.
    pub(super) fn join(&mut self, seat: &mut GroupSeat) {
        (self.view, self.rivals) = (Some(seat.view()), Some(seat.rivals));
    }

    pub(super) fn declare(&mut self, declared: &DeclaredPools) {
        let mut groups = declared.pools.values().filter_map(|pool| pool.policy.group.as_ref());
        self.is_member = groups.any(|limit| !limit.garms.is_empty());
        self.throttle.want();
    }

    /// Another process may write from now on.
    pub(super) fn lose(&mut self) {
        self.read = LeadingRead::None;
        // Told at once: the board must not grant anything for what was known before.
        self.throttle.want();
        self.throttle.hurry();
    }

    /// A full read begins while this process may write.
    pub(super) fn begin_read(&mut self) {
        if self.read == LeadingRead::None {
            self.read = LeadingRead::UnderWay;
        }
    }

    /// A full read has ended.
    pub(super) fn end_read(&mut self) {
        if self.read == LeadingRead::UnderWay {
            self.read = LeadingRead::Done;
        }
    }

    fn certainty(&self) -> LimitCertainty {
        match self.read {
            LeadingRead::None | LeadingRead::UnderWay => LimitCertainty::Unsure,
            LeadingRead::Done if self.rivals == Some(Rivals::None) => LimitCertainty::Alone,
            LeadingRead::Done => LimitCertainty::Leads,
        }
    }

    /// When the next report is due, if there is one.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.throttle.deadline().filter(|_| self.takes_part())
    }

    fn takes_part(&self) -> bool {
        self.view.is_some() && (self.is_member || self.is_known)
    }
}

impl ScalingLoop<'_> {
    /// The report to the other GARMs, if there is something new to tell.
    pub(super) fn report_groups(&mut self, now: Instant) -> Option<Effect> {
        let fleet_index = self.fleet_index.as_ref()?;
        if !self.groups.takes_part() || !self.groups.throttle.take_due(now) {
            return None;
        }
        let is_at_rest = match &self.freeze.all {
            // A standby sees what the leader divides.
            None | Some(Freeze::Standby(_)) => false,
            Some(_) => true,
        };
        let parts = fleet_index.group_parts(&self.scaling_state).into_iter();
        let groups = parts
            .map(|(name, part)| (name, Arc::new(if is_at_rest { part.at_rest() } else { part })))
            .collect();
        let report = GroupReport { certainty: self.groups.certainty(), groups };
        if self.groups.told.as_ref() == Some(&report) {
            return None;
        }
        self.groups.is_known = true;
        self.groups.throttle.reported(now);
        self.groups.told = Some(report.clone());
        Some(Effect::Report(report))
    }

    /// The effect of a write: `max_runners` within a group of several GARMs has to be claimed first.
    pub(super) fn claimed(&mut self, write: PoolWrite) -> Effect {
        let id = &write.target.id;
        let policy = self.controllers.get(id).map(|it| &it.decision.inputs.policy);
        let group = policy.and_then(|policy| policy.group.as_ref());
        match &write.action {
            WriteAction::Limit { .. }
                if group.is_some_and(|limit| !limit.garms.is_empty())
                    && self.applied() == Writes::Sent =>
            {
                // A refused or failed write leaves the last report as it was, unlike the board.
                self.groups.told = None;
                self.groups.throttle.want();
                Effect::Claim(write)
            }
            _ => Effect::Write(write),
        }
    }

    /// Notes that a claim was granted up to this value only.
    pub(super) fn granted(&mut self, id: &PoolId, max_runners: u32) {
        self.note_raising(id, Some(max_runners));
    }

    /// Notes that a claim was refused: the places are not free any more.
    pub(super) fn refused(&mut self, id: &PoolId, now: Instant) {
        self.writing = self.writing.saturating_sub(1);
        self.note_raising(id, None);
        if let Some(controller) = self.controllers.get_mut(id) {
            controller.withdrawn(now);
        }
    }
}
