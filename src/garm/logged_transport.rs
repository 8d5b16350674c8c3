//! A transport that logs each request (`-vv`): method, path, status, milliseconds and bytes. Bodies
//! and tokens are not logged.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::time::Instant;
use tracing::debug;

use super::transport::{
    BodySink, Request, Response, ResponseFuture, StreamFuture, StreamRequest, StreamResponse,
    Transport, TransportError,
};

/// Wraps another transport and logs each request.
pub struct LoggedTransport {
    inner: Arc<dyn Transport>,
}

impl LoggedTransport {
    pub fn new(inner: Arc<dyn Transport>) -> Self {
        Self { inner }
    }
}

impl Transport for LoggedTransport {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(async move {
            let sent = LoggedRequest::now(&request);
            let reply = self.inner.send(request).await;
            sent.log(&reply, 0);
            reply
        })
    }

    fn stream<'a>(&'a self, request: Request, sink: &'a mut dyn BodySink) -> ResponseFuture<'a> {
        Box::pin(async move {
            let sent = LoggedRequest::now(&request);
            let mut sink = CountingSink { inner: sink, bytes: 0 };
            let reply = self.inner.stream(request, &mut sink).await;
            sent.log(&reply, sink.bytes);
            reply
        })
    }

    fn listen(&self, request: StreamRequest) -> StreamFuture<'_> {
        Box::pin(async move {
            let opened = self.inner.listen(request).await;
            match &opened {
                Ok(StreamResponse::Open(_)) => {
                    debug!(event = "request", "the event stream is open");
                }
                Ok(StreamResponse::Refused(response)) => debug!(
                    event = "request",
                    status = response.status,
                    "GARM refused the event stream: {}",
                    response.status
                ),
                Err(error) => debug!(event = "request", "cannot open the event stream: {error}"),
            }
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

/// A request in progress.
struct LoggedRequest {
    method: &'static str,
    path: String,
    at: Instant,
}

impl LoggedRequest {
    fn now(request: &Request) -> Self {
        let path = format!("/api/v1{}", request.path);
        Self { method: request.method.word(), path, at: Instant::now() }
    }

    /// Logs the end of the request. `streamed` is the number of bytes that were passed to a sink,
    /// and are not in the response.
    fn log(&self, reply: &Result<Response, TransportError>, streamed: usize) {
        let Self { method, path, at } = self;
        let ms = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
        match reply {
            Ok(response) => {
                let (status, bytes) = (response.status, response.body.len() + streamed);
                debug!(
                    event = "request",
                    method,
                    path,
                    status,
                    ms,
                    bytes,
                    "{method} {path}: {status} in {ms} ms, {bytes} bytes"
                );
            }
            Err(error) => {
                debug!(event = "request", method, path, ms, "{method} {path}: {error} ({ms} ms)");
            }
        }
    }
}

/// Counts the bytes that it passes to another sink.
struct CountingSink<'a> {
    inner: &'a mut dyn BodySink,
    bytes: usize,
}

impl BodySink for CountingSink<'_> {
    fn max(&self) -> usize {
        self.inner.max()
    }

    fn take(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        self.bytes += bytes.len();
        self.inner.take(bytes)
    }
}
