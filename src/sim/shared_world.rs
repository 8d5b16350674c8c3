//! A world in real time, shared by the connections of the HTTP server.

use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::broadcast;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::event_subscriber::{EventSubscriber, KEPT};
use super::stream::GarmEvent;
use super::world::World;
use crate::domain::poison::IgnorePoison;

/// The longest time between two advances of the world, so that no request has to simulate a long
/// span first.
pub(crate) const STEP: Duration = Duration::from_millis(100);

/// The shortest time between two advances.
const STEP_LEAST: Duration = Duration::from_millis(1);

/// A world behind a lock, whose clock follows this machine's. The lock is never held across an
/// `await`.
#[derive(Debug)]
pub struct SharedWorld {
    world: Mutex<World>,
    start: Timestamp,
    since: Instant,
    /// World seconds per real second.
    speed: u32,
    events: broadcast::Sender<GarmEvent>,
    ended: CancellationToken,
}

impl SharedWorld {
    /// The world runs `speed` times as fast as this machine's clock.
    pub(crate) fn new(world: World, speed: u32) -> Self {
        Self {
            start: world.now(),
            since: Instant::now(),
            world: Mutex::new(world),
            speed: speed.max(1),
            events: broadcast::Sender::new(KEPT),
            ended: CancellationToken::new(),
        }
    }

    /// Runs `script` on the world at the present time.
    pub fn with<T>(&self, script: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world.lock().ignoring_poison();
        world.advance_to(self.start + self.since.elapsed() * self.speed);
        let result = script(&mut world);
        for event in world.take_events() {
            // There may be no subscriber.
            self.events.send(event).ok();
        }
        result
    }

    /// Subscribes to events from now on.
    pub(crate) fn listen(&self) -> (EventSubscriber, broadcast::Receiver<GarmEvent>) {
        (self.with(World::admit), self.events.subscribe())
    }

    /// Cancelled when the server ends.
    pub(crate) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// How long until the world has to be advanced.
    pub(crate) fn pause(&self) -> Duration {
        let (now, next) = self.with(|world| (world.now(), world.next_at()));
        let due = next.map_or(STEP, |next| next.duration_since(now).unsigned_abs() / self.speed);
        due.clamp(STEP_LEAST, STEP)
    }
}
