//! The rows of GARM, of the files and of the plan, by the keys under which `status` looks them up.

use std::collections::HashMap;

use super::fleet_status::StatusInputs;
use crate::config::DeclaredPool;
use crate::domain::entity::{Entity, EntityKey};
use crate::domain::job::Job;
use crate::domain::name::PoolId;
use crate::domain::runner::Runner;
use crate::plan::Step;

/// Where several rows have one key, the first counts, except for runners and steps.
pub(super) struct StatusIndex<'a> {
    pub(super) inputs: StatusInputs<'a>,
    declared: HashMap<&'a str, &'a DeclaredPool>,
    entities: HashMap<&'a EntityKey, &'a Entity>,
    runners: HashMap<&'a PoolId, Vec<&'a Runner>>,
    jobs: HashMap<i64, &'a Job>,
    steps: HashMap<&'a str, Vec<&'a Step>>,
}

impl<'a> StatusIndex<'a> {
    pub(super) fn new(inputs: StatusInputs<'a>) -> Self {
        let StatusInputs { declared, fleet, plan, .. } = inputs;
        let runners = fleet.runners.iter();
        let steps = plan.into_iter().flat_map(|plan| &plan.steps);
        Self {
            inputs,
            declared: declared.iter().rev().map(|pool| (pool.name.as_str(), pool)).collect(),
            entities: fleet.entities.iter().rev().map(|entity| (&entity.key, entity)).collect(),
            runners: grouped(runners.filter_map(|runner| Some((runner.pool.as_ref()?, runner)))),
            jobs: fleet.jobs.iter().rev().map(|job| (job.workflow_job_id, job)).collect(),
            steps: grouped(steps.filter_map(|step| Some((step.about.pool()?.as_str(), step)))),
        }
    }

    pub(super) fn declared(&self, name: &str) -> Option<&'a DeclaredPool> {
        self.declared.get(name).copied()
    }

    pub(super) fn entity(&self, key: &EntityKey) -> Option<&'a Entity> {
        self.entities.get(key).copied()
    }

    pub(super) fn runners_of(&self, pool: &PoolId) -> &[&'a Runner] {
        self.runners.get(pool).map_or(&[], Vec::as_slice)
    }

    pub(super) fn job(&self, workflow_job_id: i64) -> Option<&'a Job> {
        self.jobs.get(&workflow_job_id).copied()
    }

    /// The steps of the plan about the pool with this name.
    pub(super) fn steps_about(&self, pool: &str) -> &[&'a Step] {
        self.steps.get(pool).map_or(&[], Vec::as_slice)
    }
}

fn grouped<K: std::hash::Hash + Eq, V>(rows: impl Iterator<Item = (K, V)>) -> HashMap<K, Vec<V>> {
    let mut by_key: HashMap<K, Vec<V>> = HashMap::new();
    for (key, row) in rows {
        by_key.entry(key).or_default().push(row);
    }
    by_key
}
