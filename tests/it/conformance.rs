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
mod settings;

use garm::Garm;
use runnerctl::sim::{GarmDatabase, GarmVariant, GarmVersion};

/// The GARMs that are simulated: release and main, and main on PostgreSQL, which the release does not
/// know.
const VARIANTS: [GarmVariant; 3] = [
    GarmVariant { version: GarmVersion::V0_2_1, database: GarmDatabase::Sqlite },
    GarmVariant { version: GarmVersion::Main, database: GarmDatabase::Sqlite },
    GarmVariant { version: GarmVersion::Main, database: GarmDatabase::Postgresql },
];

/// Runs one assertion on each simulated GARM and, when one is given, on a real one.
async fn on_each<F: AsyncFn(&Garm)>(assertion: F) {
    let simulated = VARIANTS.map(async |variant| assertion(&Garm::simulated(variant).await).await);
    futures_util::future::join_all(simulated).await;
    if let Some((garm, _turn)) = Garm::real().await {
        assertion(&garm).await;
    }
}
