//! Organizations, repositories, enterprises.

use serde::Deserialize;

use super::lenient::or_default;
use super::{Misread, list};
use crate::domain::entity::{Entity, EntityKey, EntityKind, PoolManager};
use crate::domain::name::EntityId;

#[derive(Default, Deserialize)]
struct WireManager {
    #[serde(default, deserialize_with = "or_default")]
    running: bool,
    #[serde(default, deserialize_with = "or_default")]
    failure_reason: String,
}

#[derive(Default, Deserialize)]
struct Named {
    #[serde(default, deserialize_with = "or_default")]
    name: String,
}

#[derive(Deserialize)]
struct WireEntity {
    id: String,
    #[serde(default, deserialize_with = "or_default")]
    owner: String,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    credentials_name: String,
    #[serde(default, deserialize_with = "or_default")]
    pool_manager_status: WireManager,
    #[serde(default, deserialize_with = "or_default")]
    endpoint: Named,
    #[serde(default, deserialize_with = "or_default")]
    agent_mode: bool,
}

/// `GET /organizations`, `/repositories`, `/enterprises`.
pub(in crate::garm) fn entities(kind: EntityKind, body: &[u8]) -> Result<Vec<Entity>, Misread> {
    Ok(list::<WireEntity>(body)?.into_iter().map(|it| entity(kind, it)).collect())
}

fn entity(kind: EntityKind, wire: WireEntity) -> Entity {
    let name = match kind {
        EntityKind::Repository => format!("{}/{}", wire.owner, wire.name),
        EntityKind::Organization | EntityKind::Enterprise => wire.name,
    };
    let manager = if wire.pool_manager_status.running {
        PoolManager::Running
    } else {
        PoolManager::Stopped { reason: wire.pool_manager_status.failure_reason }
    };
    Entity {
        key: EntityKey { kind, id: EntityId::new(wire.id) },
        name,
        endpoint: wire.endpoint.name,
        credentials: wire.credentials_name,
        manager,
        agent_mode: wire.agent_mode,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GARM.md §j: a stopped manager has no `running` at all.
    #[test]
    fn a_manager_that_does_not_say_that_it_runs_has_stopped() {
        let manager = |status: &str| {
            let body = format!(r#"[{{"id":"e","name":"n","pool_manager_status":{status}}}]"#);
            entities(EntityKind::Enterprise, body.as_bytes()).unwrap()[0].manager.clone()
        };
        let stopped = |reason: &str| PoolManager::Stopped { reason: reason.into() };
        assert_eq!(manager(r#"{"running":true}"#), PoolManager::Running);
        assert_eq!(manager(r#"{"failure_reason":"gone"}"#), stopped("gone"));
        assert_eq!(manager("{}"), stopped(""));
        assert_eq!(manager("null"), stopped(""));
    }
}
