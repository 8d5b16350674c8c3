//! The writes of the scaling loop: levels of pools and removals of runners.

use crate::domain::name::RunnerName;
use crate::domain::pool::{Pool, PoolChange};
use crate::domain::runner::Runner;
use crate::garm::ErrorKind;
use crate::reconcile::audit_trail::{WriteRecord, not_leading};
use crate::reconcile::preconditions::Precondition;
use crate::reconcile::write_outcome::{WriteError, WriteOutcome};

use super::{PoolRef, Writer, pool_fields};

/// A level that is to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::reconcile) struct LevelOrder {
    /// `min_idle_runners`; never sent above the pool's `max_runners`.
    pub(in crate::reconcile) level: u32,
    /// Whether the labels are sent again, too.
    pub(in crate::reconcile) with: ResendLabels,
    /// The decision behind it, for the audit log.
    pub(in crate::reconcile) decision: String,
}

/// Whether a level is sent together with the pool's labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reconcile) enum ResendLabels {
    /// Without labels: if the level is in force already, nothing is sent.
    Nothing,
    /// With the labels as they were just read. GARM writes them even if they are unchanged, and so
    /// its loops notice the pool. Equal values alone do not refresh their cache (GARM.md §0.10).
    Labels,
}

impl Writer {
    /// Sets the level of a pool and returns the pool. If GARM refuses because `max_runners` has
    /// just been lowered, the pool is read and the level adjusted once more.
    pub(in crate::reconcile) async fn set_level(
        &self,
        target: &PoolRef,
        precondition: &Precondition,
        order: &LevelOrder,
    ) -> Result<(WriteOutcome, Pool), WriteError> {
        match self.set_level_once(target, precondition, order).await {
            Err(WriteError::Garm(error)) if error.kind == ErrorKind::Refused => {
                self.set_level_once(target, precondition, order).await
            }
            other => other,
        }
    }

    /// Changes the level of a scale set and takes it back, so that GARM's worker compares again: it
    /// ignores equal values (GARM.md §scale-sets). Writes nothing if GARM lacks no runner any more,
    /// and `level` alone if another one is in force.
    pub(in crate::reconcile) async fn rescue(
        &self,
        target: &PoolRef,
        precondition: &Precondition,
        (level, decision): (u32, &str),
    ) -> Result<(WriteOutcome, Pool), WriteError> {
        let (pool, runners) = self.checked(target, precondition).await?;
        let assigned = pool.scale_set.as_ref().map_or(0, |set| set.desired_runner_count);
        let max_runners = pool.spec.max_runners;
        let present = pool.spec.min_idle_runners;
        let wanted = present.saturating_add(assigned).min(max_runners);
        if usize::try_from(wanted).is_ok_and(|wanted| wanted <= runners.len()) {
            return Ok((WriteOutcome::AlreadyDone, pool));
        }
        let level = level.min(max_runners);
        // A lower level lets GARM create nothing that is not asked for between the two writes.
        let other = if level > 0 { level - 1 } else { 1 };
        let steps = if present == level { vec![other, level] } else { vec![level] };
        let mut pool = pool;
        for step in steps {
            self.keep_pace(&target.id).await;
            pool = self.put_level(target, &pool, (step, decision)).await?;
        }
        Ok((WriteOutcome::Done, pool))
    }

    /// Sets `max_runners` of a pool, and lowers its level with it. Never below the runners that it
    /// has by now. Returns the pool.
    pub(in crate::reconcile) async fn set_limit(
        &self,
        target: &PoolRef,
        precondition: &Precondition,
        (max_runners, decision): (u32, &str),
    ) -> Result<(WriteOutcome, Pool), WriteError> {
        // The value was decided in this term. In a later one, other pools may have got the places.
        let term = self.record.term();
        let (pool, runners) = self.checked(target, precondition).await?;
        if self.record.term() != term {
            return Err(not_leading("set limit"));
        }
        let live = u32::try_from(runners.len()).unwrap_or(u32::MAX);
        let present = pool.spec.max_runners;
        let max_runners = max_runners.max(live.min(present));
        let change = PoolChange {
            max_runners: Some(max_runners),
            min_idle_runners: (pool.spec.min_idle_runners > max_runners).then_some(max_runners),
            ..PoolChange::default()
        };
        if max_runners == present {
            return Ok((WriteOutcome::AlreadyDone, pool));
        }
        let entry = WriteRecord {
            act: "set limit",
            subject: target.subject(),
            before: Some(pool_fields::before(&change, &pool.spec)),
            after: Some(pool_fields::after(&change)),
            decision: Some(decision.to_owned()),
        };
        self.put_on_record(target, entry, &change).await.map(|pool| (WriteOutcome::Done, pool))
    }

    async fn put_level(
        &self,
        target: &PoolRef,
        pool: &Pool,
        (level, decision): (u32, &str),
    ) -> Result<Pool, WriteError> {
        let change = PoolChange { min_idle_runners: Some(level), ..PoolChange::default() };
        let entry = WriteRecord {
            act: "set level",
            subject: target.subject(),
            before: Some(pool_fields::before(&change, &pool.spec)),
            after: Some(pool_fields::after(&change)),
            decision: Some(decision.to_owned()),
        };
        self.put_on_record(target, entry, &change).await
    }

    async fn set_level_once(
        &self,
        target: &PoolRef,
        precondition: &Precondition,
        order: &LevelOrder,
    ) -> Result<(WriteOutcome, Pool), WriteError> {
        let (pool, _) = self.checked(target, precondition).await?;
        let change = PoolChange {
            min_idle_runners: Some(order.level.min(pool.spec.max_runners)),
            labels: match order.with {
                ResendLabels::Nothing => None,
                ResendLabels::Labels => Some(pool.spec.labels.clone()),
            },
            ..PoolChange::default()
        };
        if order.with == ResendLabels::Nothing
            && pool_fields::missing(&change, &pool.spec).is_empty()
        {
            return Ok((WriteOutcome::AlreadyDone, pool));
        }
        let entry = WriteRecord {
            act: "set level",
            subject: target.subject(),
            before: Some(pool_fields::before(&change, &pool.spec)),
            after: Some(pool_fields::after(&change)),
            decision: Some(order.decision.clone()),
        };
        self.put_on_record(target, entry, &change).await.map(|pool| (WriteOutcome::Done, pool))
    }

    /// Removes a runner if the condition for its removal still holds immediately before. Never
    /// forced.
    pub(in crate::reconcile) async fn dismiss(
        &self,
        target: &PoolRef,
        precondition: &Precondition,
        (name, still_is): (&RunnerName, fn(&Runner) -> bool),
        decision: &str,
    ) -> Result<WriteOutcome, WriteError> {
        let (_, runners) = self.checked(target, precondition).await?;
        match runners.iter().find(|runner| runner.name == *name) {
            None => Ok(WriteOutcome::AlreadyDone),
            Some(runner) if runner.status.is_leaving() => Ok(WriteOutcome::AlreadyDone),
            Some(runner) if !still_is(runner) => Ok(WriteOutcome::Refused),
            Some(runner) => self.remove(target, runner, Some(decision.to_owned())).await,
        }
    }
}
