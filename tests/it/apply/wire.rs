//! Transports between a client and GARM that delay requests, and so change their order, or end the
//! process.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use runnerctl::garm::{Request, ResponseFuture, Transport};
use tokio::sync::Notify;

/// Delays every request and every answer by 0 to 60 ms, with its own seed.
pub(crate) struct Delays {
    inner: Arc<dyn Transport>,
    state: AtomicU64,
}

impl Delays {
    pub(crate) fn new(inner: Arc<dyn Transport>, seed: u64) -> Arc<Self> {
        Arc::new(Self { inner, state: AtomicU64::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)) })
    }

    /// The next number of the generator splitmix64, as a delay.
    fn next(&self) -> Duration {
        let mut z = self
            .state
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst)
            .wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Duration::from_millis((z ^ (z >> 31)) % 61)
    }
}

impl Transport for Delays {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(async move {
            tokio::time::sleep(self.next()).await;
            let answer = self.inner.send(request).await;
            tokio::time::sleep(self.next()).await;
            answer
        })
    }

    fn address(&self) -> String {
        self.inner.address()
    }
}

/// Lets this many writes pass. The next one is not answered: it may or may not be carried out, and
/// the process that sent it ends.
pub(crate) struct Tripwire {
    inner: Arc<dyn Transport>,
    left: AtomicUsize,
    last: Last,
    tripped: Notify,
}

/// What happens to the write at which the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    CarriedOut,
    NeverSent,
}

impl Tripwire {
    pub(crate) fn new(inner: Arc<dyn Transport>, writes: usize, last: Last) -> Arc<Self> {
        Arc::new(Self { inner, left: AtomicUsize::new(writes), last, tripped: Notify::new() })
    }

    /// Returns when the process is to die.
    pub(crate) async fn tripped(&self) {
        self.tripped.notified().await;
    }
}

impl Transport for Tripwire {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(async move {
            let is_write = request.method.is_write() && !request.path.ends_with("/login");
            let count = |left: usize| left.checked_sub(1);
            if is_write
                && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count).is_err()
            {
                if self.last == Last::CarriedOut {
                    let _ = self.inner.send(request).await;
                }
                self.tripped.notify_one();
                std::future::pending::<()>().await;
                unreachable!("a pending future does not end");
            }
            self.inner.send(request).await
        })
    }

    fn address(&self) -> String {
        self.inner.address()
    }
}

/// Acts immediately before the n-th matching request is sent.
pub(crate) struct Ambush {
    inner: Arc<dyn Transport>,
    fits: fn(&Request) -> bool,
    skip: AtomicUsize,
    act: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Ambush {
    pub(crate) fn new(
        inner: Arc<dyn Transport>,
        fits: fn(&Request) -> bool,
        skip: usize,
        act: impl FnOnce() + Send + 'static,
    ) -> Arc<Self> {
        let act = Mutex::new(Some(Box::new(act) as Box<dyn FnOnce() + Send>));
        Arc::new(Self { inner, fits, skip: AtomicUsize::new(skip), act })
    }
}

impl Transport for Ambush {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        if (self.fits)(&request) {
            let count = |left: usize| left.checked_sub(1);
            if self.skip.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count).is_err()
                && let Some(act) = self.act.lock().unwrap().take()
            {
                act();
            }
        }
        self.inner.send(request)
    }

    fn address(&self) -> String {
        self.inner.address()
    }
}
