//! An event stream in memory, on tokio's clock.

use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;
use tokio::time::{Instant, sleep_until};

use super::event_subscriber::{EventSubscriber, PING_EVERY, StreamEnd};
use super::in_memory::InMemoryWorld;
use super::stream::GarmEvent;
use super::world::World;
use crate::garm::{EventStream, Frame, FrameFuture, StreamRequest, TransportError};

/// An open stream.
pub(super) struct InMemoryStream {
    memory: Arc<InMemoryWorld>,
    events: broadcast::Receiver<GarmEvent>,
    subscriber: EventSubscriber,
    message_max: usize,
    ping_at: Instant,
    cuts: u64,
}

impl InMemoryStream {
    /// Fails if the filter is invalid.
    pub(super) fn new(
        memory: Arc<InMemoryWorld>,
        events: broadcast::Receiver<GarmEvent>,
        wish: &StreamRequest,
    ) -> Result<Self, TransportError> {
        let mut subscriber = memory.with(World::admit);
        subscriber.ask(wish.filter).map_err(|end| TransportError::Closed(said(end).into()))?;
        let (ping_at, cuts) = (Instant::now() + PING_EVERY, memory.cuts());
        Ok(Self { memory, events, subscriber, message_max: wish.message_max, ping_at, cuts })
    }

    async fn frame(&mut self) -> Result<Frame, String> {
        let memory = Arc::clone(&self.memory);
        loop {
            // Created before the world is read, so that no later change is missed.
            let touched = memory.touched().notified();
            let next = memory.next_at();
            if memory.cuts() != self.cuts {
                return Err(said(StreamEnd::Broken).into());
            }
            let now = Instant::now();
            self.hear_all(now).map_err(said)?;
            if let Some(text) = self.subscriber.next(now) {
                return self.checked(text);
            }
            if self.ping_at <= now {
                self.ping_at = now + PING_EVERY;
                if memory.look(World::pings) {
                    return Ok(Frame::KeepAlive);
                }
                continue;
            }
            let due = [next, self.subscriber.due()].into_iter().flatten().min();
            tokio::select! {
                () = touched => {}
                () = sleep_until(due.map_or(self.ping_at, |it| it.min(self.ping_at))) => {}
            }
        }
    }

    fn hear_all(&mut self, now: Instant) -> Result<(), StreamEnd> {
        loop {
            match self.events.try_recv() {
                Ok(event) if !self.subscriber.wants(&event) => {}
                Ok(event) => {
                    let delivery = self.memory.look(|it| it.delivery(&event));
                    self.subscriber.hear(&event, &delivery, now)?;
                }
                // Lost silently, as in GARM.
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Closed) => return Err(StreamEnd::Closed),
            }
        }
    }

    fn checked(&self, text: String) -> Result<Frame, String> {
        match text.len() {
            length if length > self.message_max => Err(format!("a message of {length} bytes came")),
            _ => Ok(Frame::Text(text)),
        }
    }
}

impl EventStream for InMemoryStream {
    fn next(&mut self) -> FrameFuture<'_> {
        Box::pin(self.frame())
    }
}

fn said(end: StreamEnd) -> &'static str {
    match end {
        StreamEnd::Closed => "GARM closed the stream",
        StreamEnd::Broken => "the connection was closed",
    }
}
