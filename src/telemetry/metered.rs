//! A way to GARM that counts and times what travels on it.

use std::sync::Arc;

use tokio::time::Instant;

use super::board::Board;
use super::count::{Counter, Timing};
use crate::garm::{Reply, Request, Transport};

/// Another transport, counted on a board.
pub struct Metered {
    inner: Arc<dyn Transport>,
    board: Arc<Board>,
}

impl Metered {
    /// Everything that goes through `inner` is counted.
    pub fn new(inner: Arc<dyn Transport>, board: Arc<Board>) -> Self {
        Self { inner, board }
    }
}

impl Transport for Metered {
    fn send(&self, request: Request) -> Reply<'_> {
        Box::pin(async move {
            let method = request.method.word();
            let began = Instant::now();
            let reply = self.inner.send(request).await;
            let code = reply.as_ref().ok().map(|it| it.status);
            self.board.count(Counter::GarmRequest { method, code });
            self.board.observe(Timing::GarmRequest { method }, began.elapsed());
            reply
        })
    }

    fn address(&self) -> String {
        self.inner.address()
    }
}
