//! Connects the loops of one process whose GARMs have pools in common groups.

use std::sync::Arc;

use tokio::sync::watch;

use crate::domain::name::GarmName;
use crate::scaling::{GroupBoard, GroupReport, GroupView, LimitClaim};

/// Whether other processes may write to the GARMs, one at a time (`watch.leader`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rivals {
    None,
    Possible,
}

/// What the loops of one process share. Clones share it.
#[derive(Debug, Clone)]
pub struct SharedGroups {
    board: Arc<watch::Sender<GroupBoard>>,
    rivals: Rivals,
}

/// The place of one loop among them.
#[derive(Debug)]
pub struct GroupSeat {
    garm: GarmName,
    board: Arc<watch::Sender<GroupBoard>>,
    changes: watch::Receiver<GroupBoard>,
    shown: Option<GroupView>,
    pub(super) rivals: Rivals,
}

impl SharedGroups {
    pub fn new(rivals: Rivals) -> Self {
        Self { board: Arc::default(), rivals }
    }

    /// The place of the loop of this GARM. Its pools stay known when it is dropped.
    pub fn seat(&self, garm: GarmName) -> GroupSeat {
        let board = Arc::clone(&self.board);
        GroupSeat { garm, changes: board.subscribe(), board, shown: None, rivals: self.rivals }
    }

    /// A GARM is no longer declared.
    pub fn remove(&self, garm: &GarmName) {
        self.board.send_modify(|board| board.remove(garm));
    }
}

impl GroupSeat {
    /// What there is to know now.
    pub(super) fn view(&mut self) -> GroupView {
        let view = self.changes.borrow_and_update().view(&self.garm);
        self.shown = Some(view.clone());
        view
    }

    /// Waits until there is more to know than was shown last.
    pub(super) async fn changed(&mut self) -> GroupView {
        loop {
            // The sender is a field of this value.
            let _ = self.changes.changed().await;
            let before = self.shown.clone();
            let view = self.view();
            if before.as_ref() != Some(&view) {
                return view;
            }
        }
    }

    pub(super) fn report(&self, report: GroupReport) {
        self.board.send_modify(|board| board.report(&self.garm, report));
    }

    /// How far `max_runners` may be raised; absent if not at all.
    pub(super) fn claim(&self, claim: LimitClaim<'_>) -> Option<u32> {
        let mut granted = None;
        self.board.send_if_modified(|board| {
            granted = board.claim(&self.garm, claim);
            granted.is_some()
        });
        granted
    }
}

impl Drop for GroupSeat {
    fn drop(&mut self) {
        self.board.send_if_modified(|board| board.end(&self.garm));
    }
}
