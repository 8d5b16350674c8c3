//! What the loop tells about itself: `/metrics`, `/healthz`, `/readyz`, `/decisions`.
//!
//! Decides how a [`Snapshot`] and what was counted stand in Prometheus' text format, and when the
//! process is healthy and ready; never what they mean. The loop writes to a [`Board`] and never
//! waits for a reader; whoever asks gets the last that was written, with the age of the
//! observation measured at that moment.

pub mod ask;
pub mod bind;
pub mod catalog;
pub mod certificates;
pub mod counters;
pub mod instrumented_transport;
mod places;
mod render;
pub mod routes;
pub mod serve;
pub mod snapshot;
pub mod state;

pub use bind::{BindError, bind};
pub use certificates::Certificates;
pub use counters::{Counter, Timing};
pub use instrumented_transport::Metered;
pub use serve::{Door, serve};
pub use snapshot::{PoolGauges, Process, Snapshot};
pub use state::{Board, Config, Explain, Limits};
