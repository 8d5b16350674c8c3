//! Changes a pool by `PUT` and records it.

use crate::domain::pool::{Pool, PoolChange};
use crate::garm::ErrorKind;
use crate::reconcile::audit_trail::WriteRecord;
use crate::reconcile::reread;
use crate::reconcile::write_outcome::WriteError;

use super::{PoolRef, WriteResponse, Writer, pool_fields};

impl Writer {
    /// Makes one change, with the records of its intent and outcome.
    pub(super) async fn put_on_record(
        &self,
        target: &PoolRef,
        entry: WriteRecord,
        change: &PoolChange,
    ) -> Result<Pool, WriteError> {
        let intent = self.record.intent(&entry).await?;
        let mut result = self.put(target, change).await;
        if let Err(WriteError::Garm(error)) = &result
            && !error.is_certain()
        {
            self.keep_pace(&target.id).await;
            if self.record.is_in_force(&intent) {
                result = self.put(target, change).await;
            }
        }
        self.record.outcome(entry, intent, result).await
    }

    /// Sends one PUT and reads the pool back if the answer is lost.
    async fn put(&self, target: &PoolRef, change: &PoolChange) -> Result<Pool, WriteError> {
        let answer = self.client.update_pool(&target.id, change).await;
        self.note_write(&target.id);
        match WriteResponse::from(answer) {
            WriteResponse::Good(pool) => {
                let missing = pool_fields::missing(change, &pool.spec);
                if missing.is_empty() { Ok(pool) } else { Err(WriteError::Ignored(missing)) }
            }
            WriteResponse::No(error) if error.kind == ErrorKind::NotFound => Err(WriteError::Gone),
            WriteResponse::No(error) => Err(WriteError::Garm(error)),
            WriteResponse::Lost(error) => match reread::pool(&self.client, &target.id).await {
                Ok(None) => Err(WriteError::Gone),
                Ok(Some((pool, _))) if pool_fields::missing(change, &pool.spec).is_empty() => {
                    Ok(pool)
                }
                Ok(Some(_)) => Err(WriteError::Garm(error)),
                Err(_) => Err(WriteError::Unknown(error)),
            },
        }
    }
}
