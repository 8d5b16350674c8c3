//! One subscriber of the event stream. It receives the events that its filter selects, with some
//! out of order and some lost (GARM.md §g).

use std::collections::VecDeque;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use super::faults::Fault;
use super::rng::Rng;
use super::stream::GarmEvent;
use super::world::World;

/// The largest number of messages that GARM queues for a client that does not read; it drops the
/// rest silently.
pub(crate) const KEPT: usize = 1024;

/// How often GARM pings. It ignores missing pongs.
pub(crate) const PING_EVERY: Duration = Duration::from_secs(54);

/// The entity types of GARM's events.
const KINDS: [&str; 16] = [
    "repository",
    "organization",
    "enterprise",
    "forge_instance",
    "pool",
    "user",
    "instance",
    "job",
    "controller",
    "github_credentials",
    "gitea_credentials",
    "github_endpoint",
    "scaleset",
    "template",
    "file_object",
    "proxy",
];

/// The message of a client that sets its filter.
#[derive(Deserialize)]
struct FilterMessage {
    #[serde(default, rename = "send-everything")]
    everything: bool,
    #[serde(default)]
    filters: Vec<EventFilter>,
}

#[derive(Deserialize)]
struct EventFilter {
    #[serde(default, rename = "entity-type")]
    kind: String,
    #[serde(default)]
    operations: Vec<String>,
}

impl EventFilter {
    fn is_good(&self) -> bool {
        let known = ["create", "update", "delete"];
        KINDS.contains(&self.kind.as_str())
            && self.operations.iter().all(|operation| known.contains(&operation.as_str()))
    }
}

/// Which events a client receives.
enum Subscription {
    Nothing,
    Everything,
    Some(Vec<EventFilter>),
}

impl Subscription {
    fn wants(&self, event: &GarmEvent) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Some(filters) => filters.iter().any(|filter| {
                let is_named =
                    filter.operations.iter().any(|operation| operation == event.operation);
                filter.kind == event.entity_type && (filter.operations.is_empty() || is_named)
            }),
        }
    }
}

/// Why a stream has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamEnd {
    /// GARM closed the stream normally, without a reason.
    Closed,
    Broken,
}

/// How one event is delivered.
pub(crate) struct EventDelivery {
    fault: Option<Fault>,
    loss_rate: f64,
    late_rate: f64,
    late_by: Duration,
}

/// One client of the event stream.
pub(crate) struct EventSubscriber {
    subscription: Subscription,
    losses: Rng,
    delays: Rng,
    ready: VecDeque<String>,
    late: Vec<(Instant, String)>,
}

impl World {
    /// Adds a client with its own random numbers.
    pub(crate) fn admit(&mut self) -> EventSubscriber {
        let nth = self.stream.open();
        EventSubscriber {
            subscription: Subscription::Nothing,
            losses: Rng::new(self.config.seed, 5_000 + nth),
            delays: Rng::new(self.config.seed, 6_000_000 + nth),
            ready: VecDeque::new(),
            late: Vec::new(),
        }
    }

    /// How this event is delivered to one client; called for each client.
    pub(crate) fn delivery(&mut self, event: &GarmEvent) -> EventDelivery {
        let path = format!("{}/{}", event.entity_type, event.operation);
        let knobs = &self.config.knobs;
        EventDelivery {
            loss_rate: knobs.event_loss_rate,
            late_rate: knobs.event_late_rate,
            late_by: knobs.event_late_by,
            fault: self.faults.strike("EVENT", &path),
        }
    }

    /// Whether a due ping is sent.
    pub(crate) fn pings(&mut self) -> bool {
        self.faults.strike("PING", "").is_none()
    }
}

impl EventSubscriber {
    /// Handles a client's message. An empty filter changes nothing; an invalid one ends the stream.
    pub(crate) fn ask(&mut self, message: &str) -> Result<(), StreamEnd> {
        let wish: FilterMessage = serde_json::from_str(message).map_err(|_| StreamEnd::Closed)?;
        if wish.everything {
            self.subscription = Subscription::Everything;
        } else if !wish.filters.iter().all(EventFilter::is_good) {
            return Err(StreamEnd::Closed);
        } else if !wish.filters.is_empty() {
            self.subscription = Subscription::Some(wish.filters);
        }
        Ok(())
    }

    pub(crate) fn wants(&self, event: &GarmEvent) -> bool {
        self.subscription.wants(event)
    }

    pub(crate) fn hear(
        &mut self,
        event: &GarmEvent,
        delivery: &EventDelivery,
        now: Instant,
    ) -> Result<(), StreamEnd> {
        let text = event.to_json();
        let is_lost = self.losses.chance(delivery.loss_rate);
        let is_late = self.delays.chance(delivery.late_rate);
        match &delivery.fault {
            Some(Fault::Refuse | Fault::Drop) => return Err(StreamEnd::Broken),
            Some(Fault::Status(_) | Fault::Page(_) | Fault::TokenExpired) => {
                return Err(StreamEnd::Closed);
            }
            Some(Fault::LoseAnswer) => {}
            Some(Fault::Truncate) => {
                let half = text.chars().take(text.chars().count() / 2).collect();
                self.ready.push_back(half);
            }
            Some(Fault::Slow(span)) => self.late.push((now + *span, text)),
            None if is_lost => {}
            None if is_late => self.late.push((now + delivery.late_by, text)),
            None => self.ready.push_back(text),
        }
        Ok(())
    }

    /// The next message that has arrived by now.
    pub(crate) fn next(&mut self, now: Instant) -> Option<String> {
        self.ready.pop_front().or_else(|| {
            let at = self.late.iter().position(|late| late.0 <= now)?;
            Some(self.late.remove(at).1)
        })
    }

    /// When the next delayed message arrives.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.late.iter().map(|late| late.0).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{FaultRule, SimConfig};

    fn event(kind: &'static str, operation: &'static str) -> GarmEvent {
        let at = jiff::Timestamp::UNIX_EPOCH;
        GarmEvent { at, entity_type: kind, operation, payload: "{}".into() }
    }

    fn wants(wish: &str, kind: &'static str, operation: &'static str) -> Result<bool, StreamEnd> {
        let mut subscriber = World::new(SimConfig::default()).admit();
        subscriber.ask(wish)?;
        Ok(subscriber.wants(&event(kind, operation)))
    }

    #[test]
    fn a_filter_chooses_and_a_bad_one_ends_the_connection() {
        let jobs = r#"{"filters":[{"entity-type":"job","operations":["create"]}]}"#;
        assert_eq!(wants(jobs, "job", "create"), Ok(true));
        assert_eq!(wants(jobs, "job", "update"), Ok(false));
        assert_eq!(wants(jobs, "instance", "create"), Ok(false));
        assert_eq!(wants(r#"{"send-everything":true}"#, "pool", "delete"), Ok(true));
        assert_eq!(wants(r#"{"filters":[]}"#, "pool", "delete"), Ok(false));
        for bad in ["nonsense", r#"{"filters":[{"entity-type":"nothing"}]}"#, r#"{"filters":[{}]}"#]
        {
            assert_eq!(wants(bad, "pool", "delete"), Err(StreamEnd::Closed), "{bad}");
        }
    }

    /// How many of 1,000 events arrive immediately, and how many with a delay.
    fn arrivals(seed: u64, loss_rate: f64, late_rate: f64) -> (usize, usize) {
        let mut world = World::new(SimConfig { seed, ..SimConfig::default() });
        world.knobs_mut().event_loss_rate = loss_rate;
        world.knobs_mut().event_late_rate = late_rate;
        world.knobs_mut().event_late_by = Duration::from_secs(3);
        let mut subscriber = world.admit();
        let start = Instant::now();
        for _ in 0..1000 {
            let event = event("job", "update");
            let delivery = world.delivery(&event);
            subscriber.hear(&event, &delivery, start).unwrap();
        }
        let mut count = |at| std::iter::from_fn(|| subscriber.next(at)).count();
        (count(start), count(start + Duration::from_secs(3)))
    }

    #[test]
    fn losses_and_delays_are_seeded() {
        assert_eq!(arrivals(1, 0.0, 0.0), (1000, 0));
        let (at_once, late) = arrivals(1, 0.2, 0.1);
        assert!((650..790).contains(&at_once) && (40..120).contains(&late), "{at_once} {late}");
        assert_eq!(arrivals(1, 0.2, 0.1), (at_once, late));
        assert_ne!(arrivals(2, 0.2, 0.1), (at_once, late));
        assert_eq!(arrivals(1, 1.0, 0.5), (0, 0));
    }

    #[test]
    fn a_rule_applies_to_the_events_that_it_names() {
        let mut world = World::new(SimConfig::default());
        world.knobs_mut().event_late_rate = 0.0;
        world.faults.add(FaultRule::once("EVENT", "job/", Fault::LoseAnswer));
        world.faults.add(FaultRule::once("EVENT", "job/update", Fault::Truncate).after(1));
        world.faults.add(FaultRule::once("EVENT", "pool/delete", Fault::Drop));
        let mut subscriber = world.admit();
        let now = Instant::now();
        let mut arrives = |event: GarmEvent| {
            let delivery = world.delivery(&event);
            subscriber
                .hear(&event, &delivery, now)
                .map(|()| subscriber.next(now).map_or(0, |text| text.len()))
        };
        let whole = event("job", "update").to_json().len();
        let cached: Vec<_> = (0..4).map(|_| arrives(event("job", "update"))).collect();
        assert_eq!(cached, [Ok(0), Ok(whole), Ok(whole / 2), Ok(whole)]);
        assert_eq!(arrives(event("pool", "delete")), Err(StreamEnd::Broken));
    }
}
