//! Describes an open circuit breaker.

use super::words::{Mood, at, count_of};
use crate::scaling::Decision;
use crate::scaling::circuit_breaker::CircuitCause;

/// Why a circuit is open that a single failure has opened.
pub const NO_CAPACITY: &str = "the provider has no quota or capacity left";

/// The value of the limit `circuit` then.
pub const LACKED: &str = "no quota or capacity";

/// Whether the circuit is open for lack of quota or capacity.
pub(super) fn lacks_capacity(decision: &Decision) -> bool {
    decision.rules.circuit.open.is_some_and(|open| open.cause == CircuitCause::NoCapacity)
}

/// Why one runner is started.
pub(super) fn probe(decision: &Decision) -> String {
    match lacks_capacity(decision) {
        true => "to see whether the provider has quota and capacity again".to_owned(),
        false => format!(
            "to see whether the provider works again, after {}",
            count_of(decision.rules.circuit.failures, "failure")
        ),
    }
}

/// Why no runner is started, and when one is tried.
pub(super) fn suspended(decision: &Decision, mood: Mood) -> String {
    let why = if lacks_capacity(decision) { NO_CAPACITY } else { "runners keep failing" };
    let open = decision.rules.circuit.open;
    format!("because {why}; {} one {}", mood.verb("try"), at(decision, open.map(|it| it.probe_at)))
}
