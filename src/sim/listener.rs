//! One event stream through the door in memory, on tokio's clock.

use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;
use tokio::time::{Instant, sleep_until};

use super::event_subscriber::{End, Hearing, PING_EVERY};
use super::in_memory::Memory;
use super::stream::Event;
use super::world::World;
use crate::garm::{Frame, Frames, NextFrame, TransportError, Wish};

/// A stream that stands.
pub(super) struct Listener {
    memory: Arc<Memory>,
    events: broadcast::Receiver<Event>,
    hearing: Hearing,
    message_max: usize,
    ping_at: Instant,
    cuts: u64,
}

impl Listener {
    /// Opens one. Errors when GARM dislikes the filter.
    pub(super) fn new(
        memory: Arc<Memory>,
        events: broadcast::Receiver<Event>,
        wish: &Wish,
    ) -> Result<Self, TransportError> {
        let mut hearing = memory.with(World::admit);
        hearing.ask(wish.filter).map_err(|end| TransportError::Closed(said(end).into()))?;
        let (ping_at, cuts) = (Instant::now() + PING_EVERY, memory.cuts());
        Ok(Self { memory, events, hearing, message_max: wish.message_max, ping_at, cuts })
    }

    async fn frame(&mut self) -> Result<Frame, String> {
        let memory = Arc::clone(&self.memory);
        loop {
            // Made before the world is looked at, so that nothing that happens after is missed.
            let touched = memory.touched().notified();
            let next = memory.next_at();
            if memory.cuts() != self.cuts {
                return Err(said(End::Broken).into());
            }
            let now = Instant::now();
            self.hear_all(now).map_err(said)?;
            if let Some(text) = self.hearing.next(now) {
                return self.checked(text);
            }
            if self.ping_at <= now {
                self.ping_at = now + PING_EVERY;
                if memory.look(World::pings) {
                    return Ok(Frame::Sign);
                }
                continue;
            }
            let due = [next, self.hearing.due()].into_iter().flatten().min();
            tokio::select! {
                () = touched => {}
                () = sleep_until(due.map_or(self.ping_at, |it| it.min(self.ping_at))) => {}
            }
        }
    }

    fn hear_all(&mut self, now: Instant) -> Result<(), End> {
        loop {
            match self.events.try_recv() {
                Ok(event) if !self.hearing.wants(&event) => {}
                Ok(event) => {
                    let weather = self.memory.look(|it| it.weather(&event));
                    self.hearing.hear(&event, &weather, now)?;
                }
                // Lost for good, and nobody says so.
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Closed) => return Err(End::Closed),
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

impl Frames for Listener {
    fn next(&mut self) -> NextFrame<'_> {
        Box::pin(self.frame())
    }
}

fn said(end: End) -> &'static str {
    match end {
        End::Closed => "GARM closed the stream",
        End::Broken => "the connection was closed",
    }
}
