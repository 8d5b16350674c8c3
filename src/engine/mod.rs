//! Observe, act (the one writer), apply, watch. Owns every sleep.
//!
//! [`observe`] reads GARM into a fleet; [`apply`] carries a plan out. Neither decides what is to
//! be done: a plan leaves no choice open but what to do when GARM is not any more as it was read,
//! and then the answer is to leave it alone. Only [`act`] calls a method of the client that writes.

pub mod act;
pub mod apply;
mod create;
mod guard;
mod idle;
pub mod observe;
mod read;
pub mod record;
mod retire;
mod rotate;
mod site;
mod step;
mod trouble;
mod twin;
pub mod watch;
