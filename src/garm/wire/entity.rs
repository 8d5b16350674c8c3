//! Decodes organizations, repositories and enterprises.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::lenient::{or_default, tree};
use super::pool::extra_specs;
use super::rows::{BodyReader, EnvelopeReader, RowReader};
use super::{DecodeError, decode};
use crate::domain::entity::{Entity, EntityKey, EntityKind, PoolManager};
use crate::domain::name::{EntityId, PoolId};
use crate::garm::budget::AnswerLimit;

#[derive(Default, Deserialize)]
struct WireManager {
    #[serde(default, deserialize_with = "or_default")]
    running: bool,
    #[serde(default, deserialize_with = "or_default")]
    failure_reason: String,
}

#[derive(Default, Deserialize)]
struct WireEndpoint {
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    endpoint_type: String,
}

/// A pool inside an entity: without labels and entity, but with `extra_specs`.
#[derive(Deserialize)]
struct WireInnerPool {
    id: String,
    #[serde(default, deserialize_with = "tree")]
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
    endpoint: WireEndpoint,
    #[serde(default, deserialize_with = "or_default")]
    agent_mode: bool,
}

/// The `extra_specs` of an entity's pools, which only the response for one entity contains.
pub type SpecsByPool = Vec<(PoolId, Map<String, Value>)>;

/// The pools whose `extra_specs` are neither an object nor absent. GARM accepts any JSON; we read
/// it as empty.
pub(in crate::garm) fn without_map(body: &[u8]) -> Result<Vec<PoolId>, DecodeError> {
    #[derive(Deserialize)]
    struct WirePoolList {
        #[serde(default, rename = "pool", deserialize_with = "or_default")]
        pools: Vec<WireInnerPool>,
    }
    let wire: WirePoolList = decode(body)?;
    let is_odd = |pool: &WireInnerPool| !matches!(pool.extra_specs, None | Some(Value::Object(_)));
    Ok(wire.pools.into_iter().filter(is_odd).map(|pool| PoolId::new(pool.id)).collect())
}

/// `GET /organizations/ID`, `/repositories/ID`, `/enterprises/ID`: the entity, and the
/// `extra_specs` of each of its pools.
pub(in crate::garm) fn entity_with_specs(
    kind: EntityKind,
    bound: AnswerLimit,
) -> impl BodyReader<Output = (Entity, SpecsByPool)> {
    let specs =
        |pool: WireInnerPool| Ok(Some((PoolId::new(pool.id), extra_specs(pool.extra_specs))));
    EnvelopeReader {
        rows: RowReader::below("pool", bound, specs),
        read: move |head: &[u8], specs| Ok((entity(kind, decode(head)?), specs)),
    }
}

/// `GET /organizations`, `/repositories`, `/enterprises`.
pub(in crate::garm) fn entities(
    kind: EntityKind,
    bound: AnswerLimit,
) -> impl BodyReader<Output = Vec<Entity>> {
    RowReader::new(bound, move |wire: WireEntity| Ok(Some(entity(kind, wire))))
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
        forge: wire.endpoint.endpoint_type,
        agent_mode: wire.agent_mode,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::garm::budget::Budget;
    use crate::garm::wire::rows::read;

    #[test]
    fn a_single_entity_has_the_extra_specs_of_its_pools() {
        let body = br#"{"id":"e","name":"n","pool_manager_status":{"running":true},"pool":[
            {"id":"a","extra_specs":{"zone":"b","n":12345678901234567}},{"id":"b"},
            {"id":"c","extra_specs":null}]}"#;
        let bound = Budget::default().specs;
        let one = |body: &[u8]| read(entity_with_specs(EntityKind::Organization, bound), body);
        let (entity, specs) = one(body).unwrap();
        assert_eq!((entity.name.as_str(), &entity.manager), ("n", &PoolManager::Running));
        let specs: Vec<_> =
            specs.into_iter().map(|(id, it)| (id.to_string(), Value::Object(it))).collect();
        let zone = serde_json::json!({ "zone": "b", "n": 12_345_678_901_234_567_u64 });
        let none = || Value::Object(Map::new());
        assert_eq!(specs, [("a".into(), zone), ("b".into(), none()), ("c".into(), none())]);
        let bare = one(br#"{"id":"e"}"#).unwrap();
        assert!(bare.1.is_empty());
    }

    /// A stopped manager has no `running` field (GARM.md §j).
    #[test]
    fn a_manager_without_running_has_stopped() {
        let manager = |status: &str| {
            let body = format!(r#"[{{"id":"e","name":"n","pool_manager_status":{status}}}]"#);
            let reader = entities(EntityKind::Enterprise, Budget::default().others);
            read(reader, body.as_bytes()).unwrap()[0].manager.clone()
        };
        let stopped = |reason: &str| PoolManager::Stopped { reason: reason.into() };
        assert_eq!(manager(r#"{"running":true}"#), PoolManager::Running);
        assert_eq!(manager(r#"{"failure_reason":"gone"}"#), stopped("gone"));
        assert_eq!(manager("{}"), stopped(""));
        assert_eq!(manager("null"), stopped(""));
    }
}
