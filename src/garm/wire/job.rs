//! Decodes workflow jobs.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde::Deserialize;

use super::lenient::{few, or_default, time, zero_time};
use super::rows::{BodyReader, Excess, RowReader};
use super::{DecodeError, decode};
use crate::domain::entity::{EntityKey, EntityKind};
use crate::domain::job::{Job, JobStatus};
use crate::domain::label::Labels;
use crate::domain::name::{EntityId, RunnerName};
use crate::garm::budget::AnswerLimit;

#[derive(Deserialize)]
struct WireJob {
    id: i64,
    #[serde(default)]
    workflow_job_id: i64,
    #[serde(default)]
    run_id: i64,
    #[serde(default, deserialize_with = "or_default")]
    status: String,
    #[serde(default, deserialize_with = "or_default")]
    conclusion: String,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, deserialize_with = "few")]
    labels: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    runner_name: String,
    #[serde(default, deserialize_with = "or_default")]
    repository_name: String,
    #[serde(default, deserialize_with = "or_default")]
    repository_owner: String,
    org_id: Option<String>,
    repo_id: Option<String>,
    enterprise_id: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    scaleset_job_id: String,
    #[serde(default, deserialize_with = "or_default")]
    locked_by: String,
    #[serde(default = "zero_time", deserialize_with = "time")]
    created_at: Timestamp,
    #[serde(default = "zero_time", deserialize_with = "time")]
    updated_at: Timestamp,
}

/// `GET /jobs`.
pub(in crate::garm) fn jobs(bound: AnswerLimit) -> impl BodyReader<Output = Vec<Job>> {
    let mut labels: HashMap<Vec<String>, Labels> = HashMap::new();
    let mut entities: HashSet<EntityKey> = HashSet::new();
    let rows = RowReader::new(bound, move |mut wire: WireJob| {
        // Thousands of jobs share a few sets of labels and a few entities.
        let spelt = std::mem::take(&mut wire.labels);
        let mut job = job(wire);
        job.labels = labels.get(&spelt).cloned().unwrap_or_else(|| {
            let made: Labels = spelt.iter().map(String::as_str).collect();
            labels.insert(spelt, made.clone());
            made
        });
        for entity in &mut job.entities {
            match entities.get(entity) {
                Some(known) => *entity = known.clone(),
                None => drop(entities.insert(entity.clone())),
            }
        }
        Ok(Some(job))
    });
    // SQLite lists the oldest first. Jobs beyond the limit would not change the next actions.
    rows.excess(Excess::LeftOut)
}

/// A job in an event.
pub(super) fn one_job(body: &[u8]) -> Result<Job, DecodeError> {
    decode(body).map(job)
}

fn job(wire: WireJob) -> Job {
    let entities = [
        (EntityKind::Organization, wire.org_id),
        (EntityKind::Repository, wire.repo_id),
        (EntityKind::Enterprise, wire.enterprise_id),
    ];
    let entities = entities.into_iter().filter_map(|(kind, id)| {
        let id = id.filter(|id| !id.is_empty())?;
        Some(EntityKey { kind, id: EntityId::new(id) })
    });
    Job {
        id: wire.id,
        // GARM 0.1 has one id for both, and a job of a scale set has no other.
        workflow_job_id: if wire.workflow_job_id == 0 { wire.id } else { wire.workflow_job_id },
        run_id: wire.run_id,
        status: JobStatus::parse(&wire.status),
        conclusion: wire.conclusion,
        name: wire.name,
        labels: wire.labels.into_iter().collect(),
        runner: Some(wire.runner_name).filter(|name| !name.is_empty()).map(RunnerName::new),
        repository: format!("{}/{}", wire.repository_owner, wire.repository_name),
        entities: entities.collect(),
        scale_set_job: Some(wire.scaleset_job_id).filter(|id| !id.is_empty()),
        // GARM writes the zero UUID for an unlocked job.
        is_locked: wire.locked_by.chars().any(|letter| letter != '0' && letter != '-'),
        created_at: wire.created_at,
        updated_at: wire.updated_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::garm::budget::Budget;
    use crate::garm::wire::rows::read;

    fn all(body: &[u8]) -> Vec<Job> {
        read(jobs(Budget::default().jobs), body).unwrap()
    }

    #[test]
    fn absent_fields_are_zero() {
        let expected = Job {
            id: 1,
            workflow_job_id: 1,
            run_id: 0,
            status: JobStatus::Other(String::new()),
            conclusion: String::new(),
            name: String::new(),
            labels: Labels::new(),
            runner: None,
            repository: "/".into(),
            entities: Vec::new(),
            scale_set_job: None,
            is_locked: false,
            created_at: zero_time(),
            updated_at: zero_time(),
        };
        let expected = [expected];
        assert_eq!(all(br#"[{"id":1}]"#), expected);
        let nulls =
            br#"[{"id":1,"labels":null,"runner_name":null,"locked_by":null,"org_id":null}]"#;
        assert_eq!(all(nulls), expected);
    }

    #[test]
    fn a_job_of_two_webhooks_names_both_entities() {
        let body = br#"[{"id":1,"repo_id":"r","org_id":"o","enterprise_id":""}]"#;
        let key = |kind, id: &str| EntityKey { kind, id: EntityId::new(id) };
        let expected = [key(EntityKind::Organization, "o"), key(EntityKind::Repository, "r")];
        assert_eq!(all(body)[0].entities, expected);
    }

    #[test]
    fn a_job_with_a_scale_set_id_belongs_to_a_scale_set() {
        let body = br#"[{"id":9,"org_id":"o","scaleset_job_id":"5a1c"}]"#;
        let job = all(body).remove(0);
        assert_eq!((job.workflow_job_id, job.scale_set_job.as_deref()), (9, Some("5a1c")));
    }

    #[test]
    fn a_job_is_locked_by_any_id_but_the_zero_one() {
        let locked = |by: &str| {
            let body = format!(r#"[{{"id":1,"locked_by":"{by}"}}]"#);
            all(body.as_bytes())[0].is_locked
        };
        assert!(!locked(""));
        assert!(!locked("00000000-0000-0000-0000-000000000000"));
        assert!(locked("00000000-0000-0000-0000-00000000000a"));
    }
}
