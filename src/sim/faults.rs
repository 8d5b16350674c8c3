//! Faults between a client and GARM: what the doors do to a request instead of answering it, and to
//! an event on its way.
//!
//! The request for the event stream is `GET /ws/events`. An event has the method `EVENT` and a path
//! like `instance/update`; a ping has the method `PING` and no path.

use std::time::Duration;

/// What goes wrong with a request. With an event: [`Fault::LoseAnswer`] loses it without a word,
/// [`Fault::Slow`] lets later ones overtake it, [`Fault::Truncate`] brings half of it,
/// [`Fault::Refuse`] and [`Fault::Drop`] break the connection, the others have GARM close it. With a
/// ping: each loses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nobody listens. Nothing is carried out.
    Refuse,
    /// The connection is closed before an answer. Nothing is carried out.
    Drop,
    /// The request *is carried out*, and the connection closed before the answer.
    LoseAnswer,
    /// The request *is carried out*, and the answer breaks off in the middle.
    Truncate,
    /// This status, with GARM's kind of JSON. Nothing is carried out.
    Status(u16),
    /// This status, with a proxy's HTML. Nothing is carried out.
    Page(u16),
    /// The answer comes so much later. It is carried out at once.
    Slow(Duration),
    /// The token is refused as too old. Nothing is carried out.
    TokenExpired,
}

/// Which requests a fault is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultRule {
    /// `GET`, `POST`, …; empty for any.
    pub method: String,
    /// A part of the path; empty for any.
    pub path: String,
    /// So many fitting requests are let through first.
    pub skip: u32,
    /// So many are then hit.
    pub times: u32,
    /// What hits them.
    pub fault: Fault,
}

impl FaultRule {
    /// Hits the next request of this method whose path contains `path`.
    pub fn once(method: &str, path: &str, fault: Fault) -> Self {
        Self { method: method.into(), path: path.into(), skip: 0, times: 1, fault }
    }

    /// Hits every request of this method whose path contains `path`.
    pub fn always(method: &str, path: &str, fault: Fault) -> Self {
        Self { times: u32::MAX, ..Self::once(method, path, fault) }
    }

    /// The same, after so many fitting requests.
    #[must_use]
    pub fn after(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    fn fits(&self, method: &str, path: &str) -> bool {
        (self.method.is_empty() || self.method == method)
            && (self.path.is_empty() || path.contains(&self.path))
    }
}

/// The rules in force, first come, first served.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Vec<FaultRule>,
    hits: u32,
}

impl Faults {
    /// Adds a rule.
    pub fn add(&mut self, rule: FaultRule) {
        self.rules.push(rule);
    }

    /// Drops every rule.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// How many requests were hit so far.
    pub fn hits(&self) -> u32 {
        self.hits
    }

    /// What hits this request, if anything. A door asks once for each request.
    pub fn strike(&mut self, method: &str, path: &str) -> Option<Fault> {
        for rule in self.rules.iter_mut().filter(|it| it.times > 0 && it.fits(method, path)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_skips_then_hits_then_is_spent() {
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
