//! Which job waits for which pool, and how many runners a pool needs (DESIGN §5).
//!
//! Decides, from what GARM shows and from what is remembered, two things of a pool and nothing
//! else: the level (`min_idle_runners`) and which runners may go. Never talks to GARM, never reads
//! a clock: `now` is an argument, on GARM's clock, and the memory is a value.
//!
//! A [`Picture`] is the fleet, indexed; events change it row by row. [`route`] gives the waiting
//! jobs of one entity to its pools, [`decide`] looks at one pool, [`turn`] does both for an entity
//! and asks only about the pools for which something has changed. [`glance`] does without memory.

pub mod census;
mod changes;
pub mod circuit;
mod deal;
pub mod decide;
pub mod decision;
mod foresee;
pub mod glance;
pub mod handout;
mod level;
pub mod memory;
pub mod moment;
mod passed;
pub mod picture;
pub mod pressure;
pub mod queue;
pub mod route;
mod share;
pub mod site;
mod starts;
mod states;
pub mod stock;
mod stuck;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod turn;
mod unit;

pub use census::{Census, Class, classify};
pub use decide::{Observation, decide};
pub use decision::{Decision, Direction, Freeze, Inputs, Reason, Rules};
pub use foresee::foresee;
pub use glance::{Glance, Managed, floor, glance};
pub use memory::{Memory, PoolMemory, SiteMemory};
pub use moment::Moment;
pub use picture::{Change, Picture};
pub use route::{Around, Routing, Tally, route};
pub use site::{Policies, Site};
pub use states::States;
pub use stock::Stock;
pub use turn::{Turn, turn, turn_all};
