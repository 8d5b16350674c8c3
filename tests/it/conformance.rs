//! What GARM's API does, as assertions: run against the simulated GARM always, and against a real
//! one as well when `RUNNERCTL_TEST_GARM` names a file that describes it (`tests/README.md`).
//!
//! Speaks HTTP and JSON by itself, so that a misspelt key cannot pass both the client and the
//! simulator. Where the two disagree GARM is right.

mod controller;
mod credentials;
mod events;
mod garm;
mod instances;
mod jobs;
mod pools;
mod refusals;
mod scaling;

use garm::Garm;

/// Runs one assertion on the simulated GARM and, when one is given, on a real one.
async fn on_each<F: AsyncFn(&Garm)>(assertion: F) {
    assertion(&Garm::simulated().await).await;
    if let Some((garm, _turn)) = Garm::real().await {
        assertion(&garm).await;
    }
}
