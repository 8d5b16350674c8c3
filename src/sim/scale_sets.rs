//! Jobs of scale sets, of which pools see only a row in GARM's list of jobs (GARM.md §scale-sets).
//! The scale sets themselves are not simulated.

use super::entity::EntityType;
use super::job::JobRow;
use super::json::zero_time;
use super::rest_view::Depth;
use super::world::World;

impl World {
    /// Queues jobs of a scale set in the first organization. GARM records each with its id in the
    /// scale set's queue, without a webhook's id.
    pub fn queue_scale_set_jobs(&mut self, count: usize, labels: &[&str]) {
        let organization =
            self.entities.iter().find(|found| found.1.kind == EntityType::Organization);
        let Some((entity, owner)) = organization.map(|found| (*found.0, found.1.name.clone()))
        else {
            return;
        };
        for _ in 0..count {
            self.jobs_made += 1;
            let id = self.jobs_made;
            let row = JobRow {
                id,
                workflow_job_id: 0,
                scale_set_job_id: self.rng.ids.uuid(),
                run_id: id,
                status: "queued",
                conclusion: String::new(),
                name: "build".into(),
                started_at: zero_time(),
                completed_at: zero_time(),
                runner_id: 0,
                repository: "app".into(),
                owner: owner.clone(),
                run_url: String::new(),
                labels: labels.iter().map(|label| (*label).to_owned()).collect(),
                entities: vec![(EntityType::Organization, entity)],
                locked_by: None,
                created_at: self.now,
                updated_at: self.now,
                instance: None,
            };
            self.jobs.insert(id, row);
            self.emit_job("create", id, Depth::Event);
        }
    }
}
