//! Decodes instances.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;

use super::lenient::{last, or_default, time, zero_time};
use super::rows::{BodyReader, RowReader};
use super::{DecodeError, decode};
use crate::domain::name::{PoolId, RunnerName};
use crate::domain::runner::{Runner, RunnerStatus, Status, StatusMessage};
use crate::garm::budget::AnswerLimit;

/// How much of a provider fault is kept, in bytes of text; a multiple of 3, so that its base64 ends
/// evenly. Providers put whole tool outputs there.
const FAULT_MAX: usize = 4095;

#[derive(Deserialize)]
struct WireJobRef {
    #[serde(default)]
    id: i64,
    #[serde(default)]
    workflow_job_id: i64,
}

#[derive(Default, Deserialize)]
struct WireCapabilities {
    #[serde(default, deserialize_with = "or_default")]
    has_shell: bool,
}

#[derive(Deserialize)]
struct WireMessage {
    #[serde(default = "zero_time", deserialize_with = "time")]
    created_at: Timestamp,
    #[serde(default, deserialize_with = "or_default")]
    message: String,
    #[serde(default, deserialize_with = "or_default")]
    event_level: String,
}

#[derive(Deserialize)]
pub(super) struct WireRunner {
    #[serde(default, deserialize_with = "or_default")]
    id: String,
    name: String,
    pool_id: Option<String>,
    scale_set_id: Option<u64>,
    #[serde(default, deserialize_with = "or_default")]
    provider_name: String,
    provider_id: Option<String>,
    agent_id: Option<i64>,
    #[serde(default, deserialize_with = "or_default")]
    status: String,
    #[serde(default, deserialize_with = "or_default")]
    runner_status: String,
    #[serde(default = "zero_time", deserialize_with = "time")]
    created_at: Timestamp,
    #[serde(default = "zero_time", deserialize_with = "time")]
    updated_at: Timestamp,
    job: Option<WireJobRef>,
    provider_fault: Option<String>,
    #[serde(default = "zero_time", deserialize_with = "time")]
    heartbeat: Timestamp,
    #[serde(default, deserialize_with = "or_default")]
    capabilities: WireCapabilities,
    generation: Option<u64>,
    #[serde(default, deserialize_with = "last")]
    status_messages: Vec<WireMessage>,
}

/// `GET /instances`, `GET /pools/ID/instances`.
pub(in crate::garm) fn runners(bound: AnswerLimit) -> impl BodyReader<Output = Vec<Runner>> {
    let mut pools: HashSet<PoolId> = HashSet::new();
    RowReader::new(bound, move |wire| {
        let mut runner = decode_runner(wire);
        // All runners of a pool share one id string.
        runner.pool = runner.pool.map(|id| pools.get(&id).cloned().unwrap_or(id));
        pools.extend(runner.pool.clone());
        Ok(Some(runner))
    })
}

/// `GET /instances/NAME`.
pub(in crate::garm) fn runner(body: &[u8]) -> Result<Runner, DecodeError> {
    decode(body).map(decode_runner)
}

pub(super) fn decode_runner(wire: WireRunner) -> Runner {
    let messages = wire.status_messages.into_iter();
    Runner {
        id: wire.id,
        name: RunnerName::new(wire.name),
        pool: match (wire.pool_id, wire.scale_set_id) {
            (Some(id), _) if !id.is_empty() => Some(PoolId::new(id)),
            (_, Some(id)) if id > 0 => Some(PoolId::new(id.to_string())),
            (_, _) => None,
        },
        provider: wire.provider_name,
        provider_id: wire.provider_id.filter(|id| !id.is_empty()),
        agent_id: wire.agent_id.filter(|id| *id != 0),
        status: Status::parse(&wire.status),
        runner_status: RunnerStatus::parse(&wire.runner_status),
        created_at: wire.created_at,
        updated_at: wire.updated_at,
        // The job of a scale set has no other id than GARM's; so have all jobs of GARM 0.1.
        job: wire
            .job
            .map(|job| if job.workflow_job_id == 0 { job.id } else { job.workflow_job_id }),
        provider_fault: wire
            .provider_fault
            .filter(|text| !text.is_empty())
            .map(|text| fault(&text)),
        heartbeat: Some(wire.heartbeat).filter(|time| *time > zero_time()),
        has_shell: wire.capabilities.has_shell,
        // GARM writes 0 for every runner of a scale set.
        generation: wire.generation.filter(|_| wire.scale_set_id.is_none()),
        messages: messages
            .map(|message| StatusMessage {
                at: message.created_at,
                text: message.message,
                level: message.event_level,
            })
            .collect(),
    }
}

/// The text of a provider fault: decoded from base64 and cut at [`FAULT_MAX`]. A text that is not
/// base64 is kept as it is.
fn fault(encoded: &str) -> String {
    let encoded_max = FAULT_MAX / 3 * 4;
    let is_long = encoded.len() > encoded_max;
    let head = &encoded.as_bytes()[..encoded.len().min(encoded_max)];
    let bytes = STANDARD.decode(head).unwrap_or_else(|_| head[..head.len().min(FAULT_MAX)].into());
    let mut text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
    if is_long {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_fields_are_zero() {
        let expected = Runner {
            id: String::new(),
            name: RunnerName::new("r"),
            pool: None,
            provider: String::new(),
            provider_id: None,
            agent_id: None,
            status: Status::Other(String::new()),
            runner_status: RunnerStatus::Other(String::new()),
            created_at: zero_time(),
            updated_at: zero_time(),
            job: None,
            provider_fault: None,
            heartbeat: None,
            has_shell: false,
            generation: None,
            messages: vec![],
        };
        let nulls = r#"{"name":"r","id":null,"pool_id":"","agent_id":0,"job":null,"status":null,
            "provider_fault":"","heartbeat":"0001-01-01T00:00:00Z","capabilities":null,
            "status_messages":null}"#;
        assert_eq!(runner(br#"{"name":"r"}"#).unwrap(), expected);
        assert_eq!(runner(nulls.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn a_runner_of_a_scale_set_belongs_to_its_number() {
        let row =
            br#"{"name":"r","scale_set_id":7,"generation":0,"job":{"id":4,"scaleset_job_id":"x"}}"#;
        let runner = runner(row).unwrap();
        assert_eq!(runner.pool, Some(PoolId::new("7")));
        assert_eq!((runner.job, runner.generation), (Some(4), None));
    }

    #[test]
    fn a_provider_fault_is_decoded_and_bounded() {
        assert_eq!(fault(&STANDARD.encode("no capacity\n")), "no capacity");
        assert_eq!(fault("plain words"), "plain words");
        assert_eq!(fault(&STANDARD.encode(b"a\xffb")), "a\u{fffd}b");
        let long = fault(&STANDARD.encode("x".repeat(1 << 20)));
        assert_eq!(long, format!("{}…", "x".repeat(FAULT_MAX)));
        assert_eq!(fault(&"é".repeat(10_000)).chars().next_back(), Some('…'));
    }
}
