//! The context that every step of an apply needs.

use std::future::Future;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::options::ApplyOptions;
use super::writer::{PoolRef, Writer};
use crate::domain::label::OwnerMark;
use crate::domain::name::{FleetName, PoolId, PoolName};
use crate::event::{ApplyEvent, ApplyListener};
use crate::plan::Resource;

/// Shared by all steps of one apply.
pub(super) struct StepContext<'a> {
    pub(super) writer: &'a Writer,
    pub(super) options: &'a ApplyOptions,
    pub(super) listener: &'a dyn ApplyListener,
    pub(super) fleet: &'a FleetName,
    /// One permit for each pool that may be changed at a time.
    pub(super) slots: Semaphore,
}

impl StepContext<'_> {
    /// Whether no further write may begin.
    pub(super) fn is_stopped(&self) -> bool {
        self.options.stop.is_cancelled()
    }

    /// Sleeps for `duration`, or until the apply is stopped.
    pub(super) async fn pause(&self, duration: Duration) {
        tokio::select! {
            () = self.options.stop.cancelled() => {}
            () = tokio::time::sleep(duration) => {}
        }
    }

    /// Waits until another pool may be changed.
    pub(super) async fn acquire_slot(&self) {
        // The semaphore is never closed.
        if let Ok(slot) = self.slots.acquire().await {
            slot.forget();
        }
    }

    /// Lets another pool be changed.
    pub(super) fn release_slot(&self) {
        self.slots.add_permits(1);
    }

    /// Awaits `wait` while another pool may be changed.
    pub(super) async fn without_slot<T>(&self, wait: impl Future<Output = T>) -> T {
        self.release_slot();
        let result = wait.await;
        self.acquire_slot().await;
        result
    }

    /// Reports what the step is doing.
    pub(super) fn say(&self, pool: &PoolName, what: impl Into<String>) {
        self.listener
            .hear(&ApplyEvent::Doing { about: Resource::Pool(pool.clone()), what: what.into() });
    }

    /// The label of the pool that is in force under this name.
    pub(super) fn mark(&self, pool: &PoolName) -> OwnerMark {
        OwnerMark::owned(self.fleet, pool)
    }
}

/// Refers to a pool by its name and GARM's id.
pub(super) fn target(name: &PoolName, id: &PoolId) -> PoolRef {
    PoolRef { name: name.clone(), id: id.clone() }
}
