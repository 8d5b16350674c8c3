//! Assertions about GARM's API, run against the simulated GARM and, if `RUNNERCTL_TEST_GARM` names
//! a file that describes one, against a real GARM (`tests/README.md`).
//!
//! They use HTTP and JSON directly, so that a misspelt key cannot pass in both the client and the
//! simulator. Where the simulator and GARM disagree, GARM is right.

mod controller;
mod credentials;
mod events;
mod garm;
mod instances;
mod jobs;
mod pools;
mod refusals;
mod scale_set_worker;
mod scaling;
mod settings;

use garm::Garm;
use runnerctl::sim::{GarmDatabase, GarmVariant, GarmVersion};

/// The simulated GARMs: release and main on SQLite, and main on PostgreSQL, which the release does
/// not support.
const VARIANTS: [GarmVariant; 3] = [
    GarmVariant { version: GarmVersion::V0_2_1, database: GarmDatabase::Sqlite },
    GarmVariant { version: GarmVersion::Main, database: GarmDatabase::Sqlite },
    GarmVariant { version: GarmVersion::Main, database: GarmDatabase::Postgresql },
];

/// Runs an assertion on each simulated GARM and, if there is one, on a real GARM.
async fn on_each<F: AsyncFn(&Garm)>(assertion: F) {
    let simulated = VARIANTS.map(async |variant| assertion(&Garm::simulated(variant).await).await);
    futures_util::future::join_all(simulated).await;
    if let Some((garm, _turn)) = Garm::real().await {
        assertion(&garm).await;
    }
}
