//! GARM's API as function calls in memory, on tokio's clock.

use std::sync::{Arc, Mutex, MutexGuard, Weak};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::{Notify, broadcast};
use tokio::time::{Instant, sleep_until};

use super::event_subscriber::{EventSubscriber, KEPT, PING_EVERY, StreamEnd};
use super::faults::Fault;
use super::reply::ApiReply as Answer;
use super::stream::GarmEvent;
use super::world::World;
use crate::domain::poison::IgnorePoison;
use crate::garm::{
    Frame, FrameFuture, FrameStream, GarmClient, GarmLogin, Request, Response, ResponseFuture,
    StreamFuture, StreamRequest, StreamResponse, Transport, TransportError,
};

/// A world behind a lock, on tokio's clock since its creation: with paused time, hours pass in
/// milliseconds. The lock is never held across an `await`.
#[derive(Debug)]
pub struct InMemoryWorld {
    itself: Weak<Self>,
    world: Mutex<World>,
    start: Timestamp,
    since: Instant,
    events: broadcast::Sender<GarmEvent>,
    /// Notified when the world was accessed or the streams were cut.
    touched: Notify,
    cuts: Mutex<u64>,
}

impl InMemoryWorld {
    /// Must be called inside a tokio runtime with time enabled.
    pub fn new(world: World) -> Arc<Self> {
        let start = world.now();
        Arc::new_cyclic(|itself| Self {
            itself: Weak::clone(itself),
            world: Mutex::new(world),
            start,
            since: Instant::now(),
            events: broadcast::Sender::new(KEPT),
            touched: Notify::new(),
            cuts: Mutex::new(0),
        })
    }

    /// A client of this world, with its admin's password.
    pub fn client(self: &Arc<Self>) -> GarmClient {
        let login = self.with(|world| {
            GarmLogin::new(
                world.config.username.clone(),
                SecretString::from(world.config.password.clone()),
            )
        });
        GarmClient::new(Arc::<Self>::clone(self), login)
    }

    /// Runs `script` on the world at the present time.
    pub fn with<T>(&self, script: impl FnOnce(&mut World) -> T) -> T {
        let result = self.look(script);
        self.touched.notify_waiters();
        result
    }

    /// Breaks every open event stream, as a crash of GARM does.
    pub fn cut_streams(&self) {
        *self.cuts.lock().ignoring_poison() += 1;
        self.touched.notify_waiters();
    }

    /// How many times the streams have been cut, by crashes as well.
    pub(super) fn cuts(&self) -> u64 {
        let crashes = self.look(|world| world.crashes());
        *self.cuts.lock().ignoring_poison() + crashes
    }

    /// Notified when the world was accessed, since its schedule may have changed.
    pub(super) fn touched(&self) -> &Notify {
        &self.touched
    }

    /// [`InMemoryWorld::with`] for event streams themselves, without notifying them.
    pub(super) fn look<T>(&self, script: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world_now();
        let result = script(&mut world);
        for event in world.take_events() {
            // There may be no subscriber.
            self.events.send(event).ok();
        }
        result
    }

    /// When the world's next scheduled action is due.
    pub(super) fn next_at(&self) -> Option<Instant> {
        let next = self.look(|world| world.next_at())?;
        Some(self.since + next.duration_since(self.start).unsigned_abs())
    }

    /// The world, advanced to the present.
    fn world_now(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().ignoring_poison();
        world.advance_to(self.start + self.since.elapsed());
        world
    }

    fn answer(&self, request: &Request) -> (Answer, Timestamp) {
        let authorization =
            request.token.as_ref().map(|token| format!("Bearer {}", token.expose_secret()));
        let body = request.body.as_ref().map(ToString::to_string).unwrap_or_default();
        self.with(|world| {
            let reply = world.handle(super::routes::ApiRequest {
                method: request.method.word(),
                path: &request.path,
                authorization: authorization.as_deref(),
                body: body.as_bytes(),
            });
            (reply, world.now())
        })
    }

    async fn open(&self, wish: StreamRequest) -> Result<StreamResponse, TransportError> {
        if self.with(|world| world.is_away()) {
            return Err(refused());
        }
        let fault = self.with(|world| world.faults.strike("GET", "/ws/events"));
        let made_up = |reply| Ok(StreamResponse::Refused(self.made_up(reply)));
        match fault {
            None => {}
            Some(Fault::Refuse) => return Err(refused()),
            Some(Fault::Drop | Fault::LoseAnswer | Fault::Truncate) => return Err(dropped()),
            Some(Fault::Status(status)) => return made_up(Answer::made_up(status)),
            Some(Fault::Page(status)) => return made_up(Answer::page(status)),
            Some(Fault::TokenExpired) => return made_up(Answer::token_expired()),
            Some(Fault::Slow(span)) => tokio::time::sleep(span).await,
        }
        let authorization = format!("Bearer {}", wish.token.expose_secret());
        if let Err(refusal) = self.with(|world| world.check_entry(Some(&authorization))) {
            return made_up(refusal.into());
        }
        let memory = self.itself.upgrade().expect("`self` is behind the pointer that upgrades");
        let listener = InMemoryStream::new(memory, self.events.subscribe(), &wish)?;
        Ok(StreamResponse::Open(Box::new(listener)))
    }

    /// A crash loses the response that it happens in, and refuses connections for a while.
    async fn answer_unless_away(&self, request: Request) -> Result<Response, TransportError> {
        let (is_away, crashes) = self.with(|world| (world.is_away(), world.crashes()));
        if is_away {
            return Err(refused());
        }
        let response = self.answer_or_fail(request).await?;
        if self.with(|world| world.crashes()) == crashes { Ok(response) } else { Err(dropped()) }
    }

    async fn answer_or_fail(&self, request: Request) -> Result<Response, TransportError> {
        let method = request.method.word();
        let fault = self.with(|world| world.faults.strike(method, &request.path));
        match fault {
            None => Ok(self.good(&request)),
            Some(Fault::Refuse) => Err(refused()),
            Some(Fault::Drop) => Err(dropped()),
            Some(Fault::LoseAnswer) => {
                self.answer(&request);
                Err(dropped())
            }
            Some(Fault::Truncate) => {
                self.answer(&request);
                Err(TransportError::Body("simulated".into()))
            }
            Some(Fault::Status(status)) => Ok(self.made_up(Answer::made_up(status))),
            Some(Fault::Page(status)) => Ok(self.made_up(Answer::page(status))),
            Some(Fault::TokenExpired) => Ok(self.made_up(Answer::token_expired())),
            Some(Fault::Slow(span)) => {
                let response = self.good(&request);
                tokio::time::sleep(span).await;
                Ok(response)
            }
        }
    }

    fn good(&self, request: &Request) -> Response {
        let (reply, now) = self.answer(request);
        response(reply, now)
    }

    fn made_up(&self, reply: Answer) -> Response {
        response(reply, self.with(|world| world.now()))
    }
}

impl Transport for InMemoryWorld {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(self.answer_unless_away(request))
    }

    fn listen(&self, wish: StreamRequest) -> StreamFuture<'_> {
        Box::pin(self.open(wish))
    }

    fn address(&self) -> String {
        self.with(|world| world.config.url.clone())
    }
}

fn refused() -> TransportError {
    TransportError::Connect("connection refused".into())
}

fn dropped() -> TransportError {
    TransportError::Closed("simulated".into())
}

/// GARM's `Date` has whole seconds.
fn response(reply: Answer, now: Timestamp) -> Response {
    Response {
        status: reply.status,
        content_type: reply.content_type.map(str::to_owned),
        date: Timestamp::from_second(now.as_second()).ok(),
        body: reply.body.into_bytes(),
    }
}

struct InMemoryStream {
    memory: Arc<InMemoryWorld>,
    events: broadcast::Receiver<GarmEvent>,
    subscriber: EventSubscriber,
    message_max: usize,
    ping_at: Instant,
    cuts: u64,
}

impl InMemoryStream {
    /// Fails if the filter is invalid.
    fn new(
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
                () = sleep_until(due.map_or(self.ping_at, |due| due.min(self.ping_at))) => {}
            }
        }
    }

    fn hear_all(&mut self, now: Instant) -> Result<(), StreamEnd> {
        loop {
            match self.events.try_recv() {
                Ok(event) if !self.subscriber.wants(&event) => {}
                Ok(event) => {
                    let delivery = self.memory.look(|world| world.delivery(&event));
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
            length if length > self.message_max => {
                Err(format!("a message of {length} bytes exceeds the limit"))
            }
            _ => Ok(Frame::Text(text)),
        }
    }
}

impl FrameStream for InMemoryStream {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::entity::{EntityKey, EntityKind};
    use crate::domain::pool::{PoolChange, PoolSpec};
    use crate::domain::runner::{Runner, RunnerStatus, Status};
    use crate::garm::ErrorKind;
    use crate::sim::{FaultRule, JobBatch, SimConfig};

    fn spec(labels: &[&str]) -> PoolSpec {
        PoolSpec {
            scale_set_name: None,
            provider: "sim".into(),
            image: "ubuntu:24.04".into(),
            flavor: "small".into(),
            os_type: "linux".into(),
            os_arch: "amd64".into(),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            enabled: true,
            max_runners: 4,
            min_idle_runners: 0,
            runner_prefix: "garm".into(),
            runner_group: String::new(),
            bootstrap_timeout_min: 20,
            priority: 0,
            template_id: None,
            proxy_id: None,
            enable_shell: false,
            extra_specs: serde_json::Map::new(),
        }
    }

    async fn organization(client: &GarmClient) -> EntityKey {
        client.entities(EntityKind::Organization).await.unwrap().remove(0).key
    }

    fn states(runners: &[Runner]) -> Vec<(Status, RunnerStatus)> {
        runners.iter().map(|runner| (runner.status.clone(), runner.runner_status.clone())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_runner_boots_takes_a_job_and_is_removed() {
        let memory = InMemoryWorld::new(World::new(SimConfig::default()));
        let client = memory.client();
        let entity = organization(&client).await;
        let level = PoolSpec { min_idle_runners: 1, ..spec(&["linux"]) };
        let pool = client.create_pool(&entity, &level).await.unwrap();
        tokio::time::sleep(Duration::from_secs(20)).await;
        let idle = client.runners().await.unwrap();
        assert_eq!(states(&idle), [(Status::Running, RunnerStatus::Idle)]);

        let change = PoolChange { min_idle_runners: Some(0), ..PoolChange::default() };
        client.update_pool(&pool.id, &change).await.unwrap();
        let order = JobBatch::new(1, &["linux"]).lasting(Duration::from_secs(5));
        memory.with(|world| world.queue_jobs(&order));
        tokio::time::sleep(Duration::from_millis(100)).await;
        let busy = client.runners().await.unwrap();
        assert_eq!(states(&busy), [(Status::Running, RunnerStatus::Active)]);
        assert_eq!(busy[0].job, Some(5_000_000_001));
        let refused = client.delete_runner(&busy[0].name).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Refused);

        tokio::time::sleep(Duration::from_secs(15)).await;
        assert_eq!(client.runners().await.unwrap(), []);
        assert_eq!(client.jobs().await.unwrap(), []);
        client.delete_pool(&pool.id).await.unwrap();
        assert!(memory.with(|world| world.killed_jobs()).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_answer_leaves_a_pool_behind() {
        let memory = InMemoryWorld::new(World::new(SimConfig::default()));
        let client = memory.client();
        let entity = organization(&client).await;
        memory.with(|world| world.faults.add(FaultRule::once("POST", "/pools", Fault::LoseAnswer)));
        let error = client.create_pool(&entity, &spec(&["linux"])).await.unwrap_err();
        assert!(!error.is_certain());
        assert_eq!(client.pools().await.unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_token_is_renewed() {
        let memory = InMemoryWorld::new(World::new(SimConfig::default()));
        let client = memory.client();
        client.pools().await.unwrap();
        tokio::time::sleep(Duration::from_secs(25 * 3600)).await;
        client.pools().await.unwrap();
        let logins = memory.with(|world| {
            world.requests().iter().filter(|request| request.path == "/auth/login").count()
        });
        assert_eq!(logins, 2);
    }
}
