//! The only writer: every change of GARM is made here, and all in the same way.
//!
//! It re-reads the object and checks that it still is what the plan saw; keeps a minimum distance
//! between writes; records the intent; sends the request; compares the answer with the request; and
//! records the outcome. If an answer is lost, the object is read back and its state decides.
//! Nothing is forced, and a POST is never repeated.

mod credential;
mod level;
mod put;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::audit_trail::{AuditContext, AuditTrail, WriteRecord};
use super::leadership::Fence;
use super::preconditions::Precondition;
use super::reread::{self, PoolList};
use super::write_outcome::{WriteError, WriteOutcome};
use crate::audit::{Subject, pool_fields};
use crate::domain::fleet::ReleaseLine;
use crate::domain::name::{PoolId, PoolKind, PoolName, RunnerName};
use crate::domain::poison::IgnorePoison;
use crate::domain::pool::{Pool, PoolChange};
use crate::domain::runner::Runner;
use crate::garm::{ErrorKind, GarmClient, GarmError};
use crate::plan::Creation;

pub(super) use credential::CredentialOrder;
pub(super) use level::{LevelOrder, ResendLabels};

/// The minimum time between two writes to one pool. GARM's loops read a cache that is updated by
/// unordered events: of PUTs 2 ms apart some were applied in the wrong order, of PUTs 50 ms apart
/// none (GARM.md §0.10).
pub(super) const WRITE_GAP: Duration = Duration::from_millis(250);

/// The time between the last write to a scale set and its deletion. GARM crashes if its worker is
/// still stopping after a disable (measured).
const SCALE_SET_PAUSE: Duration = Duration::from_secs(2);

pub struct Writer {
    client: Arc<GarmClient>,
    line: ReleaseLine,
    record: AuditTrail,
    pub(super) pool_list: PoolList,
    last_write: Mutex<HashMap<PoolId, Instant>>,
}

/// A pool that is written to: its name in the fleet and GARM's id.
#[derive(Debug, Clone)]
pub(super) struct PoolRef {
    pub(super) name: PoolName,
    pub(super) id: PoolId,
}

/// The answer to a request.
enum WriteResponse<T> {
    Good(T),
    /// GARM has refused it, and nothing has changed.
    No(GarmError),
    /// No answer arrived, and GARM may have carried it out.
    Lost(GarmError),
}

impl<T> From<Result<T, GarmError>> for WriteResponse<T> {
    fn from(result: Result<T, GarmError>) -> Self {
        match result {
            Ok(answer) => Self::Good(answer),
            Err(error) if error.is_certain() => Self::No(error),
            Err(error) => Self::Lost(error),
        }
    }
}

impl Writer {
    /// A writer that uses this client and records its writes in this audit context.
    pub fn new(client: Arc<GarmClient>, context: AuditContext) -> Self {
        let pool_list = PoolList::new(Arc::clone(&client));
        let line = context.line;
        let record = AuditTrail::new(context);
        Self { client, line, record, pool_list, last_write: Mutex::new(HashMap::new()) }
    }

    /// The same, but it writes only while `fence` allows it, and records the term.
    pub fn behind(mut self, fence: Fence) -> Self {
        self.record.fence = Some(fence);
        self
    }

    pub(super) fn client(&self) -> &GarmClient {
        &self.client
    }

    /// `PUT /controller`, if it is needed.
    pub(super) async fn set_backoff(&self, backoff_s: u64) -> Result<WriteOutcome, WriteError> {
        self.refuse_old(self.line)?;
        let read = || async {
            self.client.controller().await.map(|controller| controller.0.backoff.as_secs())
        };
        let live = reread::with_retries(read).await.map_err(WriteError::Garm)?;
        if live == backoff_s {
            return Ok(WriteOutcome::AlreadyDone);
        }
        let image = |seconds: u64| Some(json!({ "minimum_job_age_backoff_s": seconds }));
        let entry = WriteRecord {
            act: "update controller",
            subject: Subject::Controller,
            before: image(live),
            after: image(backoff_s),
            decision: None,
        };
        let intent = self.record.intent(&entry).await?;
        let answer = match WriteResponse::from(self.client.update_controller(backoff_s).await) {
            WriteResponse::Good(controller) => Ok(controller.backoff.as_secs()),
            WriteResponse::No(error) => Err(WriteError::Garm(error)),
            WriteResponse::Lost(error) => match reread::with_retries(read).await {
                Ok(now) if now == live => Err(WriteError::Garm(error)),
                Ok(now) => Ok(now),
                Err(_) => Err(WriteError::Unknown(error)),
            },
        };
        let result = answer.and_then(|now| {
            let is_set = now == backoff_s;
            if is_set { Ok(WriteOutcome::Done) } else { Err(WriteError::Ignored(vec![BACKOFF])) }
        });
        self.record.outcome(entry, intent, result).await
    }

    /// `POST …/pools`, once. After [`WriteError::Unknown`] the pool may exist, and the caller must
    /// read the list. After [`WriteError::Ignored`] it exists, disabled, but not as requested.
    pub(super) async fn create(
        &self,
        name: &PoolName,
        creation: &Creation,
    ) -> Result<Pool, WriteError> {
        self.refuse_old(self.line)?;
        let entry = WriteRecord {
            act: "create pool",
            subject: Subject::Pool { name: name.clone(), id: None },
            before: None,
            after: Some(pool_fields::all(&creation.spec)),
            decision: None,
        };
        let intent = self.record.intent(&entry).await?;
        let answer = self.client.create_pool(&creation.entity, &creation.spec).await;
        let result = match WriteResponse::from(answer) {
            WriteResponse::Good(pool) => {
                self.note_write(&pool.id);
                let missing = pool_fields::missing_of_new(&creation.spec, &pool);
                if missing.is_empty() { Ok(pool) } else { Err(WriteError::Ignored(missing)) }
            }
            WriteResponse::No(error) => Err(WriteError::Garm(error)),
            WriteResponse::Lost(error) => Err(WriteError::Unknown(error)),
        };
        let id = result.as_ref().ok().map(|pool| pool.id.clone());
        let subject = Subject::Pool { name: name.clone(), id };
        self.record.outcome(WriteRecord { subject, ..entry }, intent, result).await
    }

    /// `PUT /pools/ID`, if it is needed; `wish` computes the change from the pool's present state.
    /// Sent once more if the answer was lost and the change is not in force, because the values are
    /// absolute.
    pub(super) async fn change(
        &self,
        target: &PoolRef,
        precondition: &Precondition,
        wish: impl Fn(&Pool) -> PoolChange,
    ) -> Result<WriteOutcome, WriteError> {
        let pool = self.checked(target, precondition).await?.0;
        let change = pool_fields::without_same_specs(wish(&pool), &pool.spec);
        if pool_fields::missing(&change, &pool.spec).is_empty() {
            return Ok(WriteOutcome::AlreadyDone);
        }
        let entry = WriteRecord {
            act: "update pool",
            subject: target.subject(),
            before: Some(pool_fields::before(&change, &pool.spec)),
            after: Some(pool_fields::after(&change)),
            decision: None,
        };
        self.put_on_record(target, entry, &change).await.map(|_| WriteOutcome::Done)
    }

    /// `DELETE /instances/NAME` for a runner that is not busy. Never forced.
    pub(super) async fn remove_runner(
        &self,
        target: &PoolRef,
        precondition: &Precondition,
        name: &RunnerName,
    ) -> Result<WriteOutcome, WriteError> {
        let (_, runners) = self.checked(target, precondition).await?;
        match runners.iter().find(|runner| runner.name == *name) {
            Some(runner) => self.remove(target, runner, None).await,
            None => Ok(WriteOutcome::AlreadyDone),
        }
    }

    /// Removes a runner that has just been read.
    async fn remove(
        &self,
        target: &PoolRef,
        runner: &Runner,
        decision: Option<String>,
    ) -> Result<WriteOutcome, WriteError> {
        if runner.is_busy() || runner.job.is_some() {
            return Ok(WriteOutcome::Refused);
        }
        if runner.status.is_leaving() {
            return Ok(WriteOutcome::AlreadyDone);
        }
        let name = &runner.name;
        let entry = WriteRecord {
            act: "delete runner",
            subject: Subject::Runner {
                name: name.clone(),
                pool: target.name.clone(),
                pool_id: target.id.clone(),
            },
            before: Some(json!({
                "status": runner.status.word(),
                "runner_status": runner.runner_status.word(),
                "provider_id": runner.provider_id,
                "provider_fault": runner.provider_fault,
            })),
            after: None,
            decision,
        };
        let intent = self.record.intent(&entry).await?;
        let result = match WriteResponse::from(self.client.delete_runner(name).await) {
            WriteResponse::Good(()) => Ok(()),
            WriteResponse::No(error) if error.kind == ErrorKind::NotFound => Ok(()),
            WriteResponse::No(error) => Err(WriteError::Garm(error)),
            WriteResponse::Lost(error) => {
                match reread::with_retries(|| self.client.runner(name)).await {
                    Err(found) if found.kind == ErrorKind::NotFound => Ok(()),
                    Err(_) => Err(WriteError::Unknown(error)),
                    Ok(runner) if runner.status.is_leaving() => Ok(()),
                    Ok(_) => Err(WriteError::Garm(error)),
                }
            }
        };
        match self.record.outcome(entry, intent, result).await {
            Ok(()) => Ok(WriteOutcome::Done),
            Err(WriteError::Garm(error)) if error.kind == ErrorKind::Refused => {
                Ok(WriteOutcome::Refused)
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// `DELETE /pools/ID` of an empty pool, followed by a check that it is gone: GARM answers 200
    /// to the deletion of a pool that never existed (GARM.md §b).
    pub(super) async fn remove_pool(
        &self,
        target: &PoolRef,
        precondition: &Precondition,
    ) -> Result<WriteOutcome, WriteError> {
        let mut found = self.checked(target, precondition).await;
        if target.id.kind() == PoolKind::ScaleSet && found.is_ok() {
            tokio::time::sleep(SCALE_SET_PAUSE).await;
            found = self.checked(target, precondition).await;
        }
        let (pool, runners) = match found {
            Err(WriteError::Gone) => return Ok(WriteOutcome::AlreadyDone),
            other => other?,
        };
        if !runners.is_empty() {
            return Ok(WriteOutcome::Refused);
        }
        let entry = WriteRecord {
            act: "delete pool",
            subject: target.subject(),
            before: Some(pool_fields::all(&pool.spec)),
            after: None,
            decision: None,
        };
        let intent = self.record.intent(&entry).await?;
        let result = match WriteResponse::from(self.client.delete_pool(&target.id).await) {
            // Of two simultaneous deletes the slower one fails at its internal reads (measured).
            // GARM answers so, too, if GitHub does not know the scale set, and then keeps it.
            WriteResponse::No(error)
                if error.kind == ErrorKind::NotFound && self.is_gone(&target.id).await =>
            {
                Ok(())
            }
            WriteResponse::No(error) => Err(WriteError::Garm(error)),
            WriteResponse::Good(()) => match reread::pool(&self.client, &target.id).await {
                Ok(None) => Ok(()),
                Ok(Some(_)) => Err(WriteError::Changed(
                    "GARM reports the pool as deleted but still lists it".into(),
                )),
                Err(error) => Err(WriteError::Unknown(error)),
            },
            WriteResponse::Lost(error) => match reread::pool(&self.client, &target.id).await {
                Ok(None) => Ok(()),
                Ok(Some(_)) => Err(WriteError::Garm(error)),
                Err(_) => Err(WriteError::Unknown(error)),
            },
        };
        match self.record.outcome(entry, intent, result).await {
            Ok(()) => Ok(WriteOutcome::Done),
            Err(WriteError::Garm(error)) if error.kind == ErrorKind::Refused => {
                Ok(WriteOutcome::Refused)
            }
            Err(trouble) => Err(trouble),
        }
    }

    async fn is_gone(&self, id: &PoolId) -> bool {
        id.kind() == PoolKind::Pool || matches!(reread::pool(&self.client, id).await, Ok(None))
    }

    /// Reads a pool again when its next write is allowed, and checks the precondition.
    async fn checked(
        &self,
        target: &PoolRef,
        precondition: &Precondition,
    ) -> Result<(Pool, Vec<Runner>), WriteError> {
        self.keep_pace(&target.id).await;
        let (mut pool, mut runners) = self.read(target).await?;
        if pool.spec.labels.is_empty() && pool.kind() == PoolKind::Pool {
            // A pool without labels is one that GARM is just deleting, labels first (measured).
            tokio::time::sleep(WRITE_GAP).await;
            (pool, runners) = self.read(target).await?;
        }
        self.refuse_old(if pool.generation.is_none() { ReleaseLine::Old } else { self.line })?;
        precondition.check(&pool).map_err(WriteError::Changed)?;
        Ok((pool, runners))
    }

    async fn read(&self, target: &PoolRef) -> Result<(Pool, Vec<Runner>), WriteError> {
        let found = reread::pool(&self.client, &target.id).await.map_err(WriteError::Garm)?;
        found.ok_or(WriteError::Gone)
    }

    fn refuse_old(&self, line: ReleaseLine) -> Result<(), WriteError> {
        match line {
            ReleaseLine::Current => Ok(()),
            ReleaseLine::Old => {
                let tried = format!("write to {}", self.client.address());
                Err(WriteError::Garm(GarmError::old_line(tried)))
            }
        }
    }

    /// Sleeps until [`WRITE_GAP`] has passed since the last write to the pool.
    pub(super) async fn keep_pace(&self, id: &PoolId) {
        let last = self.last_write().get(id).copied();
        if let Some(last) = last {
            tokio::time::sleep_until(last + WRITE_GAP).await;
        }
    }

    fn note_write(&self, id: &PoolId) {
        self.last_write().insert(id.clone(), Instant::now());
    }

    fn last_write(&self) -> std::sync::MutexGuard<'_, HashMap<PoolId, Instant>> {
        self.last_write.lock().ignoring_poison()
    }
}

const BACKOFF: &str = "minimum_job_age_backoff";

impl PoolRef {
    fn subject(&self) -> Subject {
        Subject::Pool { name: self.name.clone(), id: Some(self.id.clone()) }
    }
}
