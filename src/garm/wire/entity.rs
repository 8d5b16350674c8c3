//! Organizations, repositories, enterprises.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::lenient::or_default;
use super::pool::extra_specs;
use super::{Misread, decode, list};
use crate::domain::entity::{Entity, EntityKey, EntityKind, PoolManager};
use crate::domain::name::{EntityId, PoolId};

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

/// A pool inside an entity: without its labels and its own entity, but with its `extra_specs`.
#[derive(Deserialize)]
struct WireInside {
    id: String,
    extra_specs: Option<Value>,
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
    /// Only in the answer about a single one.
    #[serde(default, rename = "pool", deserialize_with = "or_default")]
    pools: Vec<WireInside>,
}

/// What only a single entity's answer tells of its pools.
pub type SpecsByPool = Vec<(PoolId, Map<String, Value>)>;

/// `GET /organizations/ID`, `/repositories/ID`, `/enterprises/ID`: the entity, and `extra_specs` of
/// each of its pools.
pub(in crate::garm) fn entity_with_specs(
    kind: EntityKind,
    body: &[u8],
) -> Result<(Entity, SpecsByPool), Misread> {
    let mut wire: WireEntity = decode(body)?;
    let pools = std::mem::take(&mut wire.pools);
    let specs = pools.into_iter().map(|it| (PoolId::new(it.id), extra_specs(it.extra_specs)));
    Ok((entity(kind, wire), specs.collect()))
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

    #[test]
    fn an_entity_alone_tells_the_extra_specs_of_its_pools() {
        let body = br#"{"id":"e","name":"n","pool_manager_status":{"running":true},"pool":[
            {"id":"a","extra_specs":{"zone":"b","n":12345678901234567}},{"id":"b"},
            {"id":"c","extra_specs":null}]}"#;
        let (entity, specs) = entity_with_specs(EntityKind::Organization, body).unwrap();
        assert_eq!((entity.name.as_str(), &entity.manager), ("n", &PoolManager::Running));
        let specs: Vec<_> =
            specs.into_iter().map(|(id, it)| (id.to_string(), Value::Object(it))).collect();
        let zone = serde_json::json!({ "zone": "b", "n": 12_345_678_901_234_567_u64 });
        let none = || Value::Object(Map::new());
        assert_eq!(specs, [("a".into(), zone), ("b".into(), none()), ("c".into(), none())]);
        let bare = entity_with_specs(EntityKind::Organization, br#"{"id":"e"}"#).unwrap();
        assert!(bare.1.is_empty());
    }

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
