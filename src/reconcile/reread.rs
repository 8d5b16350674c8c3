//! Reading again what is about to be written: patiently, and the list once for many.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::domain::backoff::Backoff;
use crate::domain::label::OwnerMark;
use crate::domain::name::PoolId;
use crate::domain::owners::{age, is_switched_off};
use crate::domain::pool::Pool;
use crate::domain::runner::Runner;
use crate::garm::{ErrorKind, GarmClient, GarmError};

/// How often a read is tried while GARM does not answer: it may be restarting, which takes it 2 s
/// with much data (GARM.md §a). With [`READ_WAIT`] that is 7.5 s of waiting.
const READ_TRIES: u32 = 5;

/// Between two tries, from and to.
const READ_WAIT: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(4));

/// Reads until there is an answer, within bounds. A read changes nothing, so it can be repeated.
pub(super) async fn patiently<T, F>(mut read: impl FnMut() -> F) -> Result<T, GarmError>
where
    F: Future<Output = Result<T, GarmError>>,
{
    let backoff = Backoff::new(READ_WAIT.0, READ_WAIT.1);
    for attempt in 0..READ_TRIES - 1 {
        match read().await {
            Err(error) if error.may_pass() => {
                tokio::time::sleep(backoff.delay(attempt)).await;
            }
            other => return other,
        }
    }
    read().await
}

/// One pool and its runners; nothing when it is not there.
pub(super) async fn pool(
    client: &GarmClient,
    id: &PoolId,
) -> Result<Option<(Pool, Vec<Runner>)>, GarmError> {
    match patiently(|| client.pool(id)).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// How much longer than it took to read it a list is good for a first look: lists then take a tenth
/// of an apply's time, however many pools there are.
const LATELY: u32 = 10;

/// The list of all pools, read again on demand. Those who ask while it is being read wait and
/// share the next one: a thousand creates cost far fewer than a thousand lists.
pub(super) struct PoolList {
    client: Arc<GarmClient>,
    /// Counts the reads that have begun.
    begun: AtomicU64,
    last: Mutex<Option<PoolListing>>,
}

/// One reading of the list.
#[derive(Clone)]
struct PoolListing {
    ticket: u64,
    at: Instant,
    took: Duration,
    /// By reserved label, in lower case.
    bearing: Arc<HashMap<String, Vec<Pool>>>,
}

impl PoolList {
    pub(super) fn new(client: Arc<GarmClient>) -> Self {
        Self { client, begun: AtomicU64::new(0), last: Mutex::new(None) }
    }

    /// The list by a read that begins after this call.
    async fn now(&self) -> Result<PoolListing, GarmError> {
        let asked_at = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if let Some(listed) = &*last
            && listed.ticket > asked_at
        {
            return Ok(listed.clone());
        }
        let ticket = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let began = Instant::now();
        let mut bearing: HashMap<String, Vec<Pool>> = HashMap::new();
        for pool in patiently(|| self.client.pools()).await? {
            for mark in pool.spec.labels.marks() {
                bearing.entry(mark.to_string()).or_default().push(pool.clone());
            }
        }
        let (at, bearing) = (Instant::now(), Arc::new(bearing));
        let listed = PoolListing { ticket, at, took: at.duration_since(began), bearing };
        *last = Some(listed.clone());
        Ok(listed)
    }

    /// The pools that bear a mark, by a read that begins after this call: one in use before one that
    /// is not, then the earlier one. That is the order of
    /// [`Claims::holder`](crate::domain::owners::Claims::holder).
    pub(super) async fn bearing(&self, mark: &OwnerMark) -> Result<Vec<Pool>, GarmError> {
        self.ranked(self.now().await?, mark).await
    }

    /// The same by the last list, if that is not much older than reading it takes: for a look that
    /// another one follows, or that cannot be exact in any case.
    pub(super) async fn lately_bearing(&self, mark: &OwnerMark) -> Result<Vec<Pool>, GarmError> {
        let last = self.last.lock().await.clone();
        match last.filter(|it| it.at.elapsed() < it.took * LATELY) {
            Some(listed) => self.ranked(listed, mark).await,
            None => self.bearing(mark).await,
        }
    }

    async fn ranked(&self, listed: PoolListing, mark: &OwnerMark) -> Result<Vec<Pool>, GarmError> {
        let found = listed.bearing.get(&mark.to_string()).map_or(&[][..], Vec::as_slice);
        let is_alone = found.len() == 1;
        let mut ranked = Vec::new();
        for found in found {
            // A list tells of no runners. They matter only where it has to be chosen.
            let is_unused = is_switched_off(found)
                && !is_alone
                && pool(&self.client, &found.id).await?.is_none_or(|it| it.1.is_empty());
            ranked.push((is_unused, found));
        }
        ranked.sort_by(|a, b| (a.0, age(a.1)).cmp(&(b.0, age(b.1))));
        Ok(ranked.into_iter().map(|it| it.1.clone()).collect())
    }
}
