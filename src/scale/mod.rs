//! Which job waits for which pool, and how many runners a pool needs (DESIGN §5).
//!
//! Decides, from what GARM shows and from what is remembered, two things of a pool and nothing
//! else: the level (`min_idle_runners`) and which idle runners may go. Never talks to GARM, never
//! reads a clock: `now` is an argument, on GARM's clock, and the memory is a value.

pub mod census;
pub mod glance;
pub mod moment;
pub mod queue;
pub mod route;
pub mod site;
pub mod stock;
#[cfg(test)]
pub(crate) mod testing;

pub use census::{Census, Class, classify};
pub use glance::{Glance, Managed, floor, glance};
pub use moment::Moment;
pub use route::{Former, Routing, route};
pub use site::Site;
pub use stock::Stock;
