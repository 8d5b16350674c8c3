//! The status page as HTML: `/` for the fleet, `/garms/NAME` for one of several GARMs,
//! `/pools/NAME` for a pool. The pages are read-only,
//! and have neither scripts nor external resources.
//!
//! Decides what the pages conclude and how they show it. Never queries GARM or reads a clock.
//! **Invariant:** every value from GARM or a file goes through [`html::Html`], which escapes it.

mod chart;
mod fleet;
mod frame;
mod garms;
mod html;
mod pool;
mod values;
mod verdict;

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

pub use fleet::fleet;
pub use garms::{garms, missing_pool_of_all, overview};
pub use pool::{missing_pool, pool};
pub use values::{
    FleetPage, GarmOverview, GarmRow, GarmsPage, HealthCheck, PageAlert, PageEntry, PageFrame,
    PageObservation, PoolOverview, PoolPage, PoolScaling, Tone,
};

/// The header `Content-Security-Policy` of every page. It allows only the inline style sheet, by its
/// digest, and the inline icon.
pub static SECURITY_POLICY: LazyLock<String> = LazyLock::new(|| {
    let digest = STANDARD.encode(Sha256::digest(frame::STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    )
});

#[cfg(test)]
mod tests;
