//! Lets requests that can change GARM pass only while this process leads.

use std::sync::Arc;

use super::fence::Fence;
use crate::garm::{
    BodySink, Request, ResponseFuture, StreamFuture, StreamRequest, Transport, TransportError,
};

/// The only POST that changes nothing.
const LOGIN: &str = "/auth/login";

pub struct FencedTransport {
    inner: Arc<dyn Transport>,
    fence: Fence,
}

impl FencedTransport {
    pub fn new(inner: Arc<dyn Transport>, fence: Fence) -> Self {
        Self { inner, fence }
    }
}

impl FencedTransport {
    /// Abandons a write when the term ends: one that is still connecting is never sent. `reply` sends
    /// nothing before it is polled.
    fn fenced<'a>(&'a self, is_write: bool, reply: ResponseFuture<'a>) -> ResponseFuture<'a> {
        if !is_write {
            return reply;
        }
        Box::pin(async move {
            let (term, under_way) = self.fence.begin_write().ok_or(TransportError::NotLeading)?;
            tokio::select! {
                biased;
                () = self.fence.lost(term) => {
                    Err(TransportError::Closed("this `watch` no longer leads".into()))
                }
                reply = reply => {
                    under_way.done();
                    reply
                }
            }
        })
    }
}

fn is_write(request: &Request) -> bool {
    request.method.is_write() && request.path != LOGIN
}

impl Transport for FencedTransport {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        self.fenced(is_write(&request), self.inner.send(request))
    }

    fn stream<'a>(&'a self, request: Request, sink: &'a mut dyn BodySink) -> ResponseFuture<'a> {
        self.fenced(is_write(&request), self.inner.stream(request, sink))
    }

    fn listen(&self, wish: StreamRequest) -> StreamFuture<'_> {
        self.inner.listen(wish)
    }

    fn address(&self) -> String {
        self.inner.address()
    }

    fn ignored_proxy(&self) -> Option<&'static str> {
        self.inner.ignored_proxy()
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use crate::election::Grant;
    use crate::garm::{Method, Response};
    use crate::host::boot_clock::BootClock;

    /// Answers each request after a second, and keeps what it was asked.
    #[derive(Default)]
    struct SlowGarm(Mutex<Vec<String>>);

    impl Transport for SlowGarm {
        fn send(&self, request: Request) -> ResponseFuture<'_> {
            Box::pin(async move {
                self.0.lock().unwrap().push(format!("{request:?}"));
                tokio::time::sleep(Duration::from_secs(1)).await;
                let (content_type, date, body) = (None, None, Vec::new());
                Ok(Response { status: 200, content_type, date, body })
            })
        }

        fn address(&self) -> String {
            "slow".into()
        }
    }

    struct Nothing;

    impl BodySink for Nothing {
        fn max(&self) -> usize {
            0
        }

        fn take(&mut self, _: &[u8]) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }

    fn request(method: Method, path: &str) -> Request {
        Request { method, path: path.into(), body: None, token: None }
    }

    fn stage() -> (Fence, Arc<SlowGarm>, FencedTransport) {
        let fence = Fence::new(BootClock::Virtual(tokio::time::Instant::now()));
        let garm = Arc::new(SlowGarm::default());
        let transport = FencedTransport::new(Arc::clone(&garm) as _, fence.clone());
        (fence, garm, transport)
    }

    fn until(term: u64, seconds: u64) -> Option<Grant> {
        Some(Grant { term, until: Duration::from_secs(seconds) })
    }

    #[tokio::test(start_paused = true)]
    async fn a_standby_reads_and_logs_in_but_sends_no_write() {
        let (_, garm, transport) = stage();
        for (method, path) in [(Method::Get, "/pools"), (Method::Post, LOGIN)] {
            assert!(transport.send(request(method, path)).await.is_ok());
        }
        for method in [Method::Post, Method::Put, Method::Delete] {
            let refused = transport.send(request(method, "/pools/x")).await;
            assert_eq!(refused, Err(TransportError::NotLeading));
            let mut sink = Nothing;
            let refused = transport.stream(request(method, "/pools/x"), &mut sink).await;
            assert_eq!(refused, Err(TransportError::NotLeading));
        }
        assert_eq!(*garm.0.lock().unwrap(), ["GET /pools", "POST /auth/login"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_is_abandoned_when_its_term_ends_and_goes_on_when_it_is_renewed() {
        let (fence, garm, transport) = stage();
        let put = || transport.send(request(Method::Put, "/pools/x"));
        fence.set(until(1, 10));
        assert!(put().await.is_ok());
        // Renewed while the request is under way.
        fence.set(until(1, 2));
        let (fine, ()) = tokio::join!(put(), async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            fence.set(until(1, 9));
        });
        assert!(fine.is_ok());
        // The term ends 0.5 s after the request begins, although another one follows.
        fence.set(until(1, 2).map(|grant| Grant { until: Duration::from_millis(2_500), ..grant }));
        let (lost, ()) = tokio::join!(put(), async {
            tokio::time::sleep(Duration::from_millis(400)).await;
            fence.set(until(2, 60));
        });
        assert!(lost.is_err_and(|error| error.may_have_arrived()));
        // The time has passed, as after a stop of the process: nothing renews, nothing is sent.
        fence.set(until(3, 1));
        assert_eq!(put().await, Err(TransportError::NotLeading));
        assert_eq!(garm.0.lock().unwrap().len(), 3);
    }
}
