//! Decodes events (GARM.md §g): the kind of row, the operation, and the row or a stub of it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::job::one_job;
use super::lenient::pool_id;
use super::pool::one_pool;
use super::{DecodeError, decode, runner};
use crate::domain::name::PoolId;
use crate::scaling::RowChange;

#[derive(Deserialize)]
struct WireEvent<'a> {
    #[serde(rename = "entity-type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    operation: Cow<'a, str>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// The only field that is always set in the row of a delete.
#[derive(Deserialize)]
struct DeletedRow<Id> {
    id: Id,
}

#[derive(Deserialize)]
struct WireId {
    #[serde(default, deserialize_with = "pool_id")]
    id: String,
}

/// The content of an event.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::garm) enum EventContent {
    Row(Box<RowChange>),
    /// GARM's own settings have changed.
    Settings,
}

/// Decodes an event; `None` for a kind of row or an operation that we do not use. The instances in
/// the event of a pool are ignored: they lack fields that a list has (GARM.md §a), and have their
/// own events.
pub(in crate::garm) fn event(body: &[u8]) -> Result<Option<EventContent>, DecodeError> {
    let wire: WireEvent<'_> =
        serde_json::from_slice(body).map_err(|error| DecodeError(super::not_json(body, &error)))?;
    if (&*wire.kind, &*wire.operation) == ("controller", "update") {
        return Ok(Some(EventContent::Settings));
    }
    Ok(row(&wire)?.map(|change| EventContent::Row(Box::new(change))))
}

fn row(wire: &WireEvent<'_>) -> Result<Option<RowChange>, DecodeError> {
    let payload = wire.payload.get().as_bytes();
    Ok(match (&*wire.kind, &*wire.operation) {
        ("instance", "create" | "update") => {
            text_id(payload)?;
            Some(RowChange::Runner(runner(payload)?))
        }
        ("instance", "delete") => Some(RowChange::RunnerGone(text_id(payload)?)),
        ("job", "create" | "update") => Some(RowChange::Job(one_job(payload)?)),
        ("job", "delete") => Some(RowChange::JobGone(decode::<DeletedRow<i64>>(payload)?.id)),
        ("pool" | "scaleset", "create" | "update") => {
            text_id(payload)?;
            one_pool(payload)?.map(RowChange::Pool)
        }
        ("pool" | "scaleset", "delete") => {
            Some(RowChange::PoolGone(PoolId::new(text_id(payload)?)))
        }
        (_, _) => None,
    })
}

/// The id of a row; a row without one cannot be identified.
fn text_id(payload: &[u8]) -> Result<String, DecodeError> {
    let id = decode::<WireId>(payload)?.id;
    if id.is_empty() { Err(DecodeError("a row without an id".into())) } else { Ok(id) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(
        kind: &str,
        operation: &str,
        payload: &Value,
    ) -> Result<Option<RowChange>, DecodeError> {
        let event = json!({ "entity-type": kind, "operation": operation, "payload": payload });
        event_of(&event.to_string())
    }

    fn event_of(text: &str) -> Result<Option<RowChange>, DecodeError> {
        Ok(event(text.as_bytes())?.map(|content| match content {
            EventContent::Row(change) => *change,
            EventContent::Settings => panic!("no row: {text}"),
        }))
    }

    #[test]
    fn changed_settings_are_reported_without_their_values() {
        let text = r#"{"entity-type":"controller","operation":"update","payload":{"x":[]}}"#;
        assert_eq!(event(text.as_bytes()), Ok(Some(EventContent::Settings)));
    }

    #[test]
    fn deletes_are_stubs() {
        let gone = |kind, payload| read(kind, "delete", &payload).unwrap();
        let stub = json!({ "id": "i1", "name": "garm-x", "updated_at": "0001-01-01T00:00:00Z" });
        assert_eq!(gone("instance", stub), Some(RowChange::RunnerGone("i1".into())));
        let pool = json!({ "id": "p1", "generation": 0 });
        assert_eq!(gone("pool", pool), Some(RowChange::PoolGone(PoolId::new("p1"))));
        assert_eq!(gone("job", json!({ "id": 7 })), Some(RowChange::JobGone(7)));
    }

    #[test]
    fn scale_sets_are_read_as_pools() {
        let row = json!({ "id": 7, "name": "x", "org_id": "o", "desired_runner_count": 3 });
        let Some(RowChange::Pool(set)) = read("scaleset", "update", &row).unwrap() else {
            panic!("no pool: {row}")
        };
        assert_eq!(set.id, PoolId::new("7"));
        assert_eq!(set.scale_set.map(|state| state.desired_runner_count), Some(3));
        let gone = read("scaleset", "delete", &json!({ "id": 7 })).unwrap();
        assert_eq!(gone, Some(RowChange::PoolGone(PoolId::new("7"))));
    }

    #[test]
    fn events_that_we_do_not_use_are_skipped() {
        let row = json!({ "id": "x", "name": "n" });
        for kind in ["organization", "template", "", "something new"] {
            assert_eq!(read(kind, "update", &row), Ok(None), "{kind}");
        }
        for operation in ["", "renamed", "UPDATE"] {
            assert_eq!(read("instance", operation, &row), Ok(None), "{operation}");
        }
        // A pool of a whole Gitea server belongs to none of our kinds of entity.
        assert_eq!(read("pool", "update", &json!({ "id": "p" })), Ok(None));
    }

    #[test]
    fn a_row_without_an_id_is_an_error() {
        for (kind, operation) in [
            ("instance", "create"),
            ("instance", "delete"),
            ("pool", "update"),
            ("pool", "delete"),
            ("job", "update"),
            ("job", "delete"),
        ] {
            for payload in [json!({}), json!({ "id": null, "name": "n" }), json!([]), json!(null)] {
                assert!(read(kind, operation, &payload).is_err(), "{kind} {operation} {payload}");
            }
        }
    }

    #[test]
    fn a_text_that_is_not_an_event_is_an_error() {
        let deep = "[".repeat(100_000);
        for text in ["", "null", "{}", "[]", "garbage", r#"{"entity-type":1}"#, &deep] {
            assert!(event_of(text).is_err(), "{}", &text[..text.len().min(20)]);
        }
        assert!(event(b"\xff\xfe").is_err());
        let nested = format!(
            r#"{{"entity-type":"job","operation":"update","payload":{}{}}}"#,
            "[".repeat(1000),
            "]".repeat(1000)
        );
        assert!(event_of(&nested).is_err());
    }

    /// Events recorded from a real GARM.
    #[test]
    fn recorded_events_are_decoded() {
        let recorded = include_str!("../../../tests/garm/events.jsonl");
        let mut counts = [0; 6];
        for line in recorded.lines() {
            let place = match event_of(line).unwrap() {
                Some(RowChange::Runner(it)) => {
                    assert!(it.pool.is_some() && it.created_at.as_second() > 0, "{line}");
                    0
                }
                Some(RowChange::RunnerGone(_)) => 1,
                Some(RowChange::Job(it)) => {
                    assert!(!it.entities.is_empty() && it.updated_at.as_second() > 0, "{line}");
                    2
                }
                Some(RowChange::JobGone(_)) => 3,
                Some(RowChange::Pool(it)) => {
                    assert!(!it.spec.image.is_empty(), "{line}");
                    4
                }
                Some(RowChange::PoolGone(_)) => 5,
                None => continue,
            };
            counts[place] += 1;
        }
        assert!(counts.iter().enumerate().all(|(at, it)| at == 3 || *it > 0), "{counts:?}");
    }
}
