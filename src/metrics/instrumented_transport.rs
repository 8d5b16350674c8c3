//! Counts and times requests to GARM.

use std::sync::Arc;

use tokio::time::Instant;

use super::counters::{Counter, Timing};
use super::state::MetricsState;
use crate::garm::{
    BodySink, Request, ResponseFuture, StreamFuture, StreamRequest, StreamResponse, Transport,
};

/// The HTTP status for an opened stream: 101, Switching Protocols.
const SWITCHED: u16 = 101;

pub struct InstrumentedTransport {
    inner: Arc<dyn Transport>,
    metrics: Arc<MetricsState>,
}

impl InstrumentedTransport {
    /// Counts and times every request of `inner`.
    pub fn new(inner: Arc<dyn Transport>, metrics: Arc<MetricsState>) -> Self {
        Self { inner, metrics }
    }
}

impl InstrumentedTransport {
    fn counted<'a>(
        &'a self,
        method: &'static str,
        reply: ResponseFuture<'a>,
    ) -> ResponseFuture<'a> {
        Box::pin(async move {
            let began = Instant::now();
            let reply = reply.await;
            let code = reply.as_ref().ok().map(|reply| reply.status);
            self.metrics.count(Counter::GarmRequest { method, code });
            self.metrics.observe(Timing::GarmRequest { method }, began.elapsed());
            reply
        })
    }
}

impl Transport for InstrumentedTransport {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        let method = request.method.word();
        self.counted(method, self.inner.send(request))
    }

    fn stream<'a>(&'a self, request: Request, sink: &'a mut dyn BodySink) -> ResponseFuture<'a> {
        let method = request.method.word();
        self.counted(method, self.inner.stream(request, sink))
    }

    /// Counts a stream as the GET request that opens it.
    fn listen(&self, wish: StreamRequest) -> StreamFuture<'_> {
        Box::pin(async move {
            let began = Instant::now();
            let opened = self.inner.listen(wish).await;
            let code = opened.as_ref().ok().map(|opened| match opened {
                StreamResponse::Open(_) => SWITCHED,
                StreamResponse::Refused(response) => response.status,
            });
            self.metrics.count(Counter::GarmRequest { method: "GET", code });
            self.metrics.observe(Timing::GarmRequest { method: "GET" }, began.elapsed());
            opened
        })
    }

    fn address(&self) -> String {
        self.inner.address()
    }

    fn ignored_proxy(&self) -> Option<&'static str> {
        self.inner.ignored_proxy()
    }
}
