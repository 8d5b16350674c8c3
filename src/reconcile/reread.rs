//! Reads again what is about to be written, with retries, and shares one list among many steps.

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

/// The number of attempts to read while GARM does not answer. GARM may be restarting, which takes 2
/// s with a lot of data (GARM.md §a). With [`READ_WAIT`] the waits add up to 7.5 s.
const READ_TRIES: u32 = 5;

/// The shortest and the longest wait between two attempts.
const READ_WAIT: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(4));

/// Repeats a read until there is an answer, within limits. A read changes nothing, so repeating it
/// is safe.
pub(super) async fn with_retries<T, F>(mut read: impl FnMut() -> F) -> Result<T, GarmError>
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

/// One pool and its runners; nothing if the pool does not exist.
pub(super) async fn pool(
    client: &GarmClient,
    id: &PoolId,
) -> Result<Option<(Pool, Vec<Runner>)>, GarmError> {
    if_there(with_retries(|| client.pool(id)).await)
}

/// Returns nothing for an object that was deleted meanwhile.
pub(super) fn if_there<T>(answer: Result<T, GarmError>) -> Result<Option<T>, GarmError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A list may be used for a first check for this multiple of the time that reading it took. Reading
/// lists for first checks then takes at most a tenth of an apply's time, regardless of the number
/// of pools.
const RECENT_FACTOR: u32 = 10;

/// Reading lists takes at most this fraction of an apply's time, after the first [`BURST`]. With
/// more pools a list takes longer, and more creates wait for each one.
const SHARE: u32 = 5;

/// This much reading is never delayed.
const BURST: Duration = Duration::from_secs(2);

/// The list of all pools, read on demand. Callers that arrive while it is being read, or before the
/// next read is due, share that read, so a thousand creates need far fewer than a thousand lists.
pub(super) struct PoolList {
    client: Arc<GarmClient>,
    /// The number of reads that have begun.
    begun: AtomicU64,
    last: Mutex<Option<PoolListing>>,
    began_at: Instant,
}

/// One version of the list.
#[derive(Clone)]
struct PoolListing {
    ticket: u64,
    at: Instant,
    took: Duration,
    /// What all lists so far have taken.
    spent: Duration,
    /// By reserved label, in lower case.
    bearing: Arc<HashMap<String, Vec<Pool>>>,
}

impl PoolList {
    pub(super) fn new(client: Arc<GarmClient>) -> Self {
        Self { client, begun: AtomicU64::new(0), last: Mutex::new(None), began_at: Instant::now() }
    }

    /// The list, by a read that begins after this call.
    async fn now(&self) -> Result<PoolListing, GarmError> {
        let asked_at = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if let Some(listed) = &*last
            && listed.ticket > asked_at
        {
            return Ok(listed.clone());
        }
        let spent = last.as_ref().map_or(Duration::ZERO, |list| list.spent);
        tokio::time::sleep_until(self.began_at + spent.saturating_sub(BURST) * SHARE).await;
        let ticket = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let began = Instant::now();
        let mut bearing: HashMap<String, Vec<Pool>> = HashMap::new();
        for pool in with_retries(|| self.client.pools_of_all_kinds()).await?.0 {
            for mark in pool.marks() {
                bearing.entry(mark.to_string()).or_default().push(pool.clone());
            }
        }
        let (at, bearing) = (Instant::now(), Arc::new(bearing));
        let took = at.duration_since(began);
        let listed = PoolListing { ticket, at, took, spent: spent + took, bearing };
        *last = Some(listed.clone());
        Ok(listed)
    }

    /// The pools that bear a mark, by a read that begins after this call. Pools in use come first,
    /// then older ones, in the order of [`Claims::holder`](crate::domain::owners::Claims::holder).
    pub(super) async fn bearing(&self, mark: &OwnerMark) -> Result<Vec<Pool>, GarmError> {
        self.ranked(self.now().await?, mark).await
    }

    /// The same from the last list, if it is recent enough: for a check that is followed by
    /// another, or that cannot be exact anyway.
    pub(super) async fn recently_bearing(&self, mark: &OwnerMark) -> Result<Vec<Pool>, GarmError> {
        let last = self.last.lock().await.clone();
        match last.filter(|list| list.at.elapsed() < list.took * RECENT_FACTOR) {
            Some(listed) => self.ranked(listed, mark).await,
            None => self.bearing(mark).await,
        }
    }

    async fn ranked(&self, listed: PoolListing, mark: &OwnerMark) -> Result<Vec<Pool>, GarmError> {
        let found = listed.bearing.get(&mark.to_string()).map_or(&[][..], Vec::as_slice);
        let is_alone = found.len() == 1;
        let mut ranked = Vec::new();
        for found in found {
            // A list does not contain runners. They matter only if one of several pools must be
            // chosen.
            let is_unused = is_switched_off(found)
                && !is_alone
                && pool(&self.client, &found.id).await?.is_none_or(|found| found.1.is_empty());
            ranked.push((is_unused, found));
        }
        ranked.sort_by(|a, b| (a.0, age(a.1)).cmp(&(b.0, age(b.1))));
        Ok(ranked.into_iter().map(|pool| pool.1.clone()).collect())
    }
}
