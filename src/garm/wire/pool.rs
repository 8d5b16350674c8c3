//! Decodes pools and scale sets, and the instances in the response for one pool.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::lenient::{count, few, or_default, pool_id, time, tree, zero_time};
use super::rows::{BodyReader, EnvelopeReader, RowReader};
use super::runner::{WireRunner, decode_runner};
use super::{DecodeError, decode};
use crate::domain::entity::{EntityKey, EntityKind};
use crate::domain::label::Labels;
use crate::domain::name::{EntityId, PoolId, PoolKind};
use crate::domain::pool::{NO_PROXY, Pool, PoolDetail, PoolSpec, ScaleSetState};
use crate::domain::runner::Runner;
use crate::garm::budget::AnswerLimit;

/// The bootstrap timeout of a pool that stores 0, as one created without a timeout does. Lists omit
/// the field then; the response for one pool has this value (`RunnerTimeout` in GARM's `params`).
const BOOTSTRAP_DEFAULT_MIN: u32 = 20;

/// What GARM stores for a scale set in GitHub's default runner group.
pub(super) const DEFAULT_GROUP: &str = "Default";

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireName {
    #[serde(deserialize_with = "or_default")]
    name: String,
}

#[derive(Deserialize)]
struct WirePool {
    #[serde(deserialize_with = "pool_id")]
    id: String,
    /// Only scale sets have a name, the two fields below it, and a number as id.
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, deserialize_with = "count")]
    desired_runner_count: u32,
    #[serde(default, deserialize_with = "or_default")]
    scale_set_id: u64,
    #[serde(default, deserialize_with = "or_default")]
    runner_prefix: String,
    #[serde(default, deserialize_with = "or_default")]
    provider_name: String,
    #[serde(default, deserialize_with = "count")]
    max_runners: u32,
    #[serde(default, deserialize_with = "count")]
    min_idle_runners: u32,
    #[serde(default, deserialize_with = "or_default")]
    image: String,
    #[serde(default, deserialize_with = "or_default")]
    flavor: String,
    #[serde(default, deserialize_with = "or_default")]
    os_type: String,
    #[serde(default, deserialize_with = "or_default")]
    os_arch: String,
    #[serde(default, deserialize_with = "few")]
    tags: Vec<WireName>,
    #[serde(default, deserialize_with = "or_default")]
    enabled: bool,
    org_id: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    org_name: String,
    repo_id: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    repo_name: String,
    enterprise_id: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    enterprise_name: String,
    #[serde(default, deserialize_with = "or_default")]
    endpoint: WireName,
    #[serde(default, deserialize_with = "count")]
    runner_bootstrap_timeout: u32,
    #[serde(default, deserialize_with = "tree")]
    extra_specs: Option<Value>,
    #[serde(default, rename = "github-runner-group", deserialize_with = "or_default")]
    runner_group: String,
    #[serde(default, deserialize_with = "count")]
    priority: u32,
    template_id: Option<u64>,
    proxy_id: Option<u64>,
    #[serde(default, deserialize_with = "or_default")]
    enable_shell: bool,
    /// Absent before GARM 0.2, always present since (GARM.md §k).
    generation: Option<u64>,
    #[serde(default = "zero_time", deserialize_with = "time")]
    created_at: Timestamp,
    #[serde(default = "zero_time", deserialize_with = "time")]
    updated_at: Timestamp,
}

/// `GET /pools`, whose rows lack `extra_specs`. Pools of none of our three kinds of entity are left
/// out: GARM has them for whole Gitea servers. If such a pool, or one that cannot be decoded, has
/// our label, that is an error, because it must not be taken for absent.
pub(in crate::garm) fn pools(bound: AnswerLimit) -> impl BodyReader<Output = Vec<Pool>> {
    rows(bound, PoolDetail::Listed)
}

/// `GET /scalesets`, whose rows contain `extra_specs`.
pub(in crate::garm) fn scale_sets(bound: AnswerLimit) -> impl BodyReader<Output = Vec<Pool>> {
    rows(bound, PoolDetail::Whole)
}

/// The rows of a list. `detail` is that of a row without `extra_specs`.
fn rows(bound: AnswerLimit, detail: PoolDetail) -> impl BodyReader<Output = Vec<Pool>> {
    let rows = RowReader::new(bound, move |wire: WirePool| {
        let id = wire.id.clone();
        let is_marked = !labels(&wire.tags).marks().is_empty();
        let carries_specs = wire.extra_specs.is_some();
        match pool(wire) {
            Some(mut pool) => {
                if !carries_specs {
                    pool.detail = detail;
                }
                Ok(Some(pool))
            }
            None if is_marked => Err(no_entity(&id)),
            None => Ok(None),
        }
    });
    rows.vital(may_be_marked)
}

/// Whether a row may contain one of our labels.
fn may_be_marked(row: &[u8]) -> bool {
    let row = row.to_ascii_lowercase();
    row.windows(MARK.len()).any(|window| window == MARK)
}

/// The prefix of all our labels, also of retired pools.
const MARK: &[u8] = b"runnerctl";

/// `GET /pools/ID`, and the response to POST and PUT of a pool.
pub(in crate::garm) fn pool_with_runners(
    bound: AnswerLimit,
) -> impl BodyReader<Output = (Pool, Vec<Runner>)> {
    let runner = |wire: WireRunner| Ok(Some(decode_runner(wire)));
    let read = |head: &[u8], runners| {
        let wire: WirePool = decode(head)?;
        let id = wire.id.clone();
        Ok((pool(wire).ok_or_else(|| no_entity(&id))?, runners))
    };
    EnvelopeReader { rows: RowReader::below("instances", bound, runner), read }
}

/// A pool in an event; `None` if it belongs to none of our kinds of entity.
pub(super) fn one_pool(body: &[u8]) -> Result<Option<Pool>, DecodeError> {
    Ok(pool(decode(body)?))
}

fn no_entity(id: &str) -> DecodeError {
    DecodeError(format!("pool `{id}` has no organization, repository or enterprise"))
}

fn pool(wire: WirePool) -> Option<Pool> {
    let named = |id: Option<String>| id.filter(|id| !id.is_empty());
    let (kind, id, entity_name) =
        match (named(wire.org_id), named(wire.repo_id), named(wire.enterprise_id)) {
            (Some(id), _, _) => (EntityKind::Organization, id, wire.org_name),
            (None, Some(id), _) => (EntityKind::Repository, id, wire.repo_name),
            (None, None, Some(id)) => (EntityKind::Enterprise, id, wire.enterprise_name),
            (None, None, None) => return None,
        };
    let id_of_pool = PoolId::new(wire.id);
    let is_set = id_of_pool.kind() == PoolKind::ScaleSet;
    let spec = PoolSpec {
        scale_set_name: is_set.then_some(wire.name),
        provider: wire.provider_name,
        image: wire.image,
        flavor: wire.flavor,
        os_type: wire.os_type,
        os_arch: wire.os_arch,
        labels: labels(&wire.tags),
        enabled: wire.enabled,
        max_runners: wire.max_runners,
        min_idle_runners: wire.min_idle_runners,
        runner_prefix: wire.runner_prefix,
        // GARM stores a name for the default group of a scale set, and none for that of a pool.
        runner_group: match wire.runner_group {
            group if is_set && group == DEFAULT_GROUP => String::new(),
            group => group,
        },
        bootstrap_timeout_min: match wire.runner_bootstrap_timeout {
            0 => BOOTSTRAP_DEFAULT_MIN,
            minutes => minutes,
        },
        priority: wire.priority,
        template_id: wire.template_id.filter(|id| *id != 0),
        proxy_id: wire.proxy_id.filter(|id| *id != NO_PROXY),
        enable_shell: wire.enable_shell,
        extra_specs: extra_specs(wire.extra_specs),
    };
    Some(Pool {
        scale_set: is_set.then_some(ScaleSetState {
            desired_runner_count: wire.desired_runner_count,
            github_id: wire.scale_set_id,
        }),
        id: id_of_pool,
        entity: EntityKey { kind, id: EntityId::new(id) },
        entity_name,
        endpoint: wire.endpoint.name,
        spec,
        detail: PoolDetail::Whole,
        generation: wire.generation,
        created_at: wire.created_at,
        updated_at: wire.updated_at,
    })
}

fn labels(tags: &[WireName]) -> Labels {
    tags.iter().map(|tag| tag.name.as_str()).collect()
}

/// Absent, `null` and `{}` are equal. GARM also accepts an array or a string, which no provider can
/// use; in a pool of ours it is replaced.
pub(super) fn extra_specs(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(map)) => map,
        None
        | Some(
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_),
        ) => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::garm::budget::Budget;
    use crate::garm::wire::rows::read;

    fn pools(body: &[u8]) -> Result<Vec<Pool>, DecodeError> {
        read(super::pools(Budget::default().pools), body)
    }

    fn one(body: &str) -> Pool {
        let mut pools = pools(format!("[{body}]").as_bytes()).unwrap();
        assert_eq!(pools.len(), 1);
        pools.remove(0)
    }

    #[test]
    fn absent_fields_are_zero_or_garms_default() {
        let expected = Pool {
            id: PoolId::new("p"),
            entity: EntityKey { kind: EntityKind::Organization, id: EntityId::new("o") },
            entity_name: String::new(),
            endpoint: String::new(),
            spec: PoolSpec {
                scale_set_name: None,
                provider: String::new(),
                image: String::new(),
                flavor: String::new(),
                os_type: String::new(),
                os_arch: String::new(),
                labels: Labels::new(),
                enabled: false,
                max_runners: 0,
                min_idle_runners: 0,
                runner_prefix: String::new(),
                runner_group: String::new(),
                bootstrap_timeout_min: 20,
                priority: 0,
                template_id: None,
                proxy_id: None,
                enable_shell: false,
                extra_specs: Map::new(),
            },
            detail: PoolDetail::Listed,
            scale_set: None,
            generation: None,
            created_at: zero_time(),
            updated_at: zero_time(),
        };
        assert_eq!(one(r#"{"id":"p","org_id":"o"}"#), expected);
        let nulls = r#"{"id":"p","org_id":"o","repo_id":null,"tags":null,"instances":null,
            "extra_specs":null,"max_runners":null,"enabled":null,"image":null,"endpoint":null,
            "generation":null,"template_id":null,"created_at":null,"priority":null}"#;
        assert_eq!(one(nulls), expected);
    }

    #[test]
    fn an_invalid_pool_of_another_team_does_not_hide_the_others() {
        let body = r#"[
            {"id":"huge","org_id":"o","max_runners":4294967296,"priority":18446744073709551615},
            {"id":"negative","org_id":"o","max_runners":-1,"created_at":"never"},
            {"id":"listed","org_id":"o","extra_specs":[1,2],"tags":[{"id":"t"}]},
            {"id":"gitea","forge_instance_id":"f","tags":[{"name":"linux"}]},
            {"id":"good","enterprise_id":"e"}]"#;
        let got: Vec<_> = pools(body.as_bytes())
            .unwrap()
            .into_iter()
            .map(|pool| (pool.id.to_string(), pool.spec.max_runners, pool.spec.priority))
            .collect();
        let expected =
            [("huge", u32::MAX, u32::MAX), ("negative", 0, 0), ("listed", 0, 0), ("good", 0, 0)];
        assert_eq!(got, expected.map(|(id, max, priority)| (id.to_owned(), max, priority)));
    }

    #[test]
    fn a_pool_with_our_label_and_no_entity_is_an_error() {
        let body = r#"[{"id":"p7","forge_instance_id":"f","tags":[{"name":"RunnerCtl=acme/x"}]}]"#;
        let expected = "pool `p7` has no organization, repository or enterprise";
        assert_eq!(pools(body.as_bytes()), Err(DecodeError(expected.into())));
    }

    #[test]
    fn scale_sets_are_read_as_pools_with_a_number() {
        let body = br#"[{"id":7,"scale_set_id":3,"name":"linux","org_id":"o","max_runners":4,
            "desired_runner_count":2,"github-runner-group":"Default","generation":1,
            "tags":[{"name":"runnerctl=acme/linux"}],"state":"pending_create"}]"#;
        let pools = read(scale_sets(Budget::default().pools), body).unwrap();
        let [set] = pools.as_slice() else { panic!("{pools:?}") };
        assert_eq!(
            (set.id.as_str(), set.kind(), set.spec.kind()),
            ("7", PoolKind::ScaleSet, PoolKind::ScaleSet)
        );
        assert_eq!(set.spec.scale_set_name.as_deref(), Some("linux"));
        assert_eq!(set.scale_set, Some(ScaleSetState { desired_runner_count: 2, github_id: 3 }));
        assert_eq!((set.detail, set.spec.runner_group.as_str()), (PoolDetail::Whole, ""));
    }

    /// A list always omits them; the response for one pool omits them only if there are none.
    #[test]
    fn only_the_response_for_one_pool_proves_absent_extra_specs() {
        let row = r#"{"id":"p","org_id":"o"}"#;
        assert_eq!(one(row).detail, PoolDetail::Listed);
        let alone = pool_with_runners(Budget::default().runners);
        assert_eq!(read(alone, row.as_bytes()).unwrap().0.detail, PoolDetail::Whole);
    }

    #[test]
    fn extra_specs_are_kept_unchanged() {
        let body = r#"{"id":"p","org_id":"o","extra_specs":{"a":[{"b":null}],"n":12345678901234567890123,"v":1.10}}"#;
        let pool = one(body);
        assert_eq!(pool.detail, PoolDetail::Whole);
        let got = Value::Object(pool.spec.extra_specs).to_string();
        assert_eq!(got, r#"{"a":[{"b":null}],"n":12345678901234567890123,"v":1.10}"#);
    }
}
