//! Leadership: one of several `watch` writes to GARM and sends alerts.
//!
//! [`Campaign`] carries out the requests of the [election](crate::election) and sleeps between them.
//! [`Fence`] says at any moment whether this process may write, and [`FencedTransport`] asks it right
//! before each request that can change GARM. [`LeaseShares`] shares several leases out among the
//! processes.

mod campaign;
mod fence;
mod fenced_transport;
mod lease_shares;

pub use campaign::{Campaign, LeaderView, LeadershipState, LeaseOfCampaign, LedTerm};
pub use fence::Fence;
pub use fenced_transport::FencedTransport;
pub use lease_shares::LeaseShares;
