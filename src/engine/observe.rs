//! One reading of GARM.

use crate::domain::entity::EntityKind;
use crate::domain::fleet::Fleet;
use crate::garm::{Client, Error};
use crate::host::clock::Clock;

/// What of GARM is wanted besides pools, instances and jobs. Each kind and the templates cost one
/// request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The kinds of entities.
    pub kinds: Vec<EntityKind>,
    /// The install templates.
    pub templates: Templates,
}

/// Whether the install templates are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Templates {
    /// A manifest names one.
    Wanted,
    /// None does.
    Unwanted,
}

/// Reads all that a plan needs: the controller, each kind of entity, templates if wanted, then
/// pools, instances and jobs, in this order: an instance's pool is there already, and a job that
/// came last is merely unknown. The time is GARM's own (its `Date`), else this machine's.
pub async fn read_fleet(client: &Client, ask: &Ask, clock: &Clock) -> Result<Fleet, Error> {
    let (controller, date) = client.controller().await?;
    let observed_at = date.unwrap_or_else(|| clock.now());
    let mut entities = Vec::new();
    for kind in &ask.kinds {
        entities.extend(client.entities(*kind).await?);
    }
    let templates = match ask.templates {
        Templates::Wanted => client.templates().await?,
        Templates::Unwanted => Vec::new(),
    };
    Ok(Fleet {
        observed_at,
        controller,
        entities,
        entity_kinds: ask.kinds.clone(),
        pools: client.pools().await?,
        runners: client.runners().await?,
        jobs: client.jobs().await?,
        templates,
    })
}
