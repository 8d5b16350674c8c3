//! The HTTP pages of `watch`: `/metrics`, `/healthz`, `/readyz`, `/decisions`, and the status page at
//! `/`.
//!
//! Decides how a [`Snapshot`] and the counters are written in the text format of Prometheus, and
//! when the process is healthy and ready. Never decides what the values mean. The loop of each GARM
//! writes to a [`MetricsState`] and never waits for a reader; a request gets the last values of all
//! of them ([`ProcessMetrics`]), with the age of the last full read at the time of the request.

pub mod bind;
pub mod catalog;
pub mod certificates;
mod connections;
pub mod counters;
mod exposition;
mod gauges;
pub mod instrumented_transport;
mod metric_def;
pub mod process;
pub mod routes;
pub mod serve;
pub mod snapshot;
pub mod state;
pub mod watch_client;

pub use crate::monitor::PoolGauges;
pub use bind::{BindError, bind};
pub use certificates::Certificates;
pub use counters::{Counter, Timing};
pub use instrumented_transport::InstrumentedTransport;
pub use process::ProcessMetrics;
pub use serve::{MetricsServer, serve};
pub use snapshot::{ProcessGauges, ReloadResult, Snapshot};
pub use state::{
    DecisionsRenderer, HealthLimits, HtmlPage, MetricsState, OverviewRenderer, PageRenderer,
    PageRequest, PageSource,
};
