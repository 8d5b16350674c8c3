//! Changing a pool by `PUT`, from intent to outcome.

use crate::domain::pool::{Pool, PoolChange};
use crate::garm::Kind;
use crate::reconcile::audit_trail::Draft;
use crate::reconcile::reread;
use crate::reconcile::write_error::Trouble;

use super::{Answer, Target, Writer, pool_fields};

impl Writer {
    /// One change from intent to outcome.
    pub(super) async fn put_on_record(
        &self,
        target: &Target,
        draft: Draft,
        change: &PoolChange,
    ) -> Result<Pool, Trouble> {
        let intent = self.record.intent(&draft).await?;
        let mut result = self.put(target, change).await;
        if let Err(Trouble::Garm(error)) = &result
            && !error.is_certain()
        {
            self.keep_pace(&target.id).await;
            result = self.put(target, change).await;
        }
        self.record.outcome(draft, intent, result).await
    }

    /// One PUT, read back if its answer was lost.
    async fn put(&self, target: &Target, change: &PoolChange) -> Result<Pool, Trouble> {
        let answer = self.client.update_pool(&target.id, change).await;
        self.note_write(&target.id);
        match Answer::from(answer) {
            Answer::Good(pool) => {
                let missing = pool_fields::missing(change, &pool.spec);
                if missing.is_empty() { Ok(pool) } else { Err(Trouble::Ignored(missing)) }
            }
            Answer::No(error) if error.kind == Kind::NotFound => Err(Trouble::Gone),
            Answer::No(error) => Err(Trouble::Garm(error)),
            Answer::Lost(error) => match reread::pool(&self.client, &target.id).await {
                Ok(None) => Err(Trouble::Gone),
                Ok(Some((pool, _))) if pool_fields::missing(change, &pool.spec).is_empty() => {
                    Ok(pool)
                }
                Ok(Some(_)) => Err(Trouble::Garm(error)),
                Err(_) => Err(Trouble::Unknown(error)),
            },
        }
    }
}
