//! Faults between a client and GARM, applied to requests and to events.
//!
//! The request for the event stream is `GET /ws/events`. An event has the method `EVENT` and a path
//! like `instance/update`; a ping has the method `PING` and no path.

use std::time::Duration;

use super::log::LogEvent;
use super::world::World;

/// What goes wrong with a request. For an event: [`Fault::LoseAnswer`] loses it silently,
/// [`Fault::Slow`] lets later ones overtake it, [`Fault::Truncate`] delivers half of it,
/// [`Fault::Refuse`] and [`Fault::Drop`] break the connection, and the others make GARM close it.
/// For a ping: each fault loses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The connection is refused. The request has no effect.
    Refuse,
    /// The connection is closed before a response. The request has no effect.
    Drop,
    /// The request *takes effect*, and the connection is closed before the response.
    LoseAnswer,
    /// The request *takes effect*, and the response breaks off in the middle.
    Truncate,
    /// This status with GARM's error JSON. The request has no effect.
    Status(u16),
    /// This status with a proxy's HTML. The request has no effect.
    Page(u16),
    /// The response is delayed by this much. The request takes effect immediately.
    Slow(Duration),
    /// The token is refused as expired. The request has no effect.
    TokenExpired,
}

/// Which requests a fault applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultRule {
    /// `GET`, `POST`, …; empty for any.
    pub method: String,
    /// A part of the path; empty for any.
    pub path: String,
    /// How many matching requests pass first.
    pub skip: u32,
    /// How many are then affected.
    pub times: u32,
    pub fault: Fault,
}

impl FaultRule {
    /// Applies to the next request of this method whose path contains `path`.
    pub fn once(method: &str, path: &str, fault: Fault) -> Self {
        Self { method: method.into(), path: path.into(), skip: 0, times: 1, fault }
    }

    /// Applies to every request of this method whose path contains `path`.
    pub fn always(method: &str, path: &str, fault: Fault) -> Self {
        Self { times: u32::MAX, ..Self::once(method, path, fault) }
    }

    /// The same rule, after this many matching requests.
    #[must_use]
    pub fn after(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    fn fits(&self, method: &str, path: &str) -> bool {
        (self.method.is_empty() || self.method == method)
            && (self.path.is_empty() || path.contains(&self.path))
    }
}

/// The active rules; the first that matches applies.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Vec<FaultRule>,
    hits: u32,
}

impl Faults {
    pub fn add(&mut self, rule: FaultRule) {
        self.rules.push(rule);
    }

    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// How many requests were affected so far.
    pub fn hits(&self) -> u32 {
        self.hits
    }

    /// The fault for this request, if any. Called once per request.
    pub fn strike(&mut self, method: &str, path: &str) -> Option<Fault> {
        for rule in self.rules.iter_mut().filter(|rule| rule.times > 0 && rule.fits(method, path)) {
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            if rule.times != u32::MAX {
                rule.times -= 1;
            }
            self.hits += 1;
            return Some(rule.fault.clone());
        }
        None
    }
}

/// How long GARM is unavailable after a crash.
const AWAY: Duration = Duration::from_secs(3);

impl World {
    /// GARM crashes and is started again: the response to the present request is lost, every event
    /// stream breaks, requests are refused for 3 seconds, and the workers of scale sets begin anew.
    /// Not simulated: the loops of pools go on meanwhile.
    pub fn crash(&mut self) {
        self.crashes += 1;
        self.back_at = self.now + AWAY;
        self.stop_workers();
        self.note(LogEvent::Crashed);
    }

    /// How many times GARM has crashed.
    pub fn crashes(&self) -> u64 {
        self.crashes
    }

    /// Whether GARM is unavailable after a crash.
    pub(super) fn is_away(&self) -> bool {
        self.now < self.back_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_skips_then_applies_then_is_used_up() {
        let mut faults = Faults::default();
        faults.add(FaultRule::once("PUT", "/pools/", Fault::LoseAnswer).after(1));
        let hits: Vec<_> = ["/pools/a", "/pools/b", "/pools/c"]
            .into_iter()
            .map(|path| (faults.strike("GET", path), faults.strike("PUT", path)))
            .collect();
        assert_eq!(hits, [(None, None), (None, Some(Fault::LoseAnswer)), (None, None)]);
        assert_eq!(faults.hits(), 1);
    }
}
