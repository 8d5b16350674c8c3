//! A way to GARM that counts and times what travels on it.

use std::sync::Arc;

use tokio::time::Instant;

use super::counters::{Counter, Timing};
use super::state::MetricsState;
use crate::garm::{
    BodySink, Request, ResponseFuture, StreamFuture, StreamRequest, StreamResponse, Transport,
};

/// What HTTP answers when a stream begins.
const SWITCHED: u16 = 101;

/// Another transport, counted on a board.
pub struct InstrumentedTransport {
    inner: Arc<dyn Transport>,
    metrics: Arc<MetricsState>,
}

impl InstrumentedTransport {
    /// Everything that goes through `inner` is counted.
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
            let code = reply.as_ref().ok().map(|it| it.status);
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

    /// Counted as the GET that it begins with.
    fn listen(&self, wish: StreamRequest) -> StreamFuture<'_> {
        Box::pin(async move {
            let began = Instant::now();
            let opened = self.inner.listen(wish).await;
            let code = opened.as_ref().ok().map(|it| match it {
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
}
