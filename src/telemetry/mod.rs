//! What the loop tells about itself: `/metrics`, `/healthz`, `/readyz`, `/decisions`.
//!
//! Decides how a [`Snapshot`] and what was counted stand in Prometheus' text format, and when the
//! process is healthy and ready; never what they mean. The loop writes to a [`Board`] and never
//! waits for a reader; whoever asks gets the last that was written, with the age of the
//! observation measured at that moment.

pub mod ask;
pub mod bind;
pub mod board;
pub mod certificates;
pub mod count;
pub mod metered;
pub mod pages;
mod places;
mod render;
pub mod series;
pub mod serve;
pub mod snapshot;

pub use bind::{BindError, bind};
pub use board::{Board, Config, Explain, Limits};
pub use certificates::Certificates;
pub use count::{Counter, Timing};
pub use metered::Metered;
pub use serve::{Door, serve};
pub use snapshot::{PoolGauges, Process, Snapshot};
