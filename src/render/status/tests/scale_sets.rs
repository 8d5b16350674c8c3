//! The waiting jobs of scale sets.

use super::*;
use crate::domain::job::Job;
use crate::domain::name::{PoolId, PoolKind};
use crate::domain::pool::{Pool, ScaleSetState};

/// A scale set of at most 2 runners, to which GitHub has assigned `assigned` jobs.
fn set(assigned: u32) -> Pool {
    let state = ScaleSetState { desired_runner_count: assigned, github_id: 1 };
    let mut set = Pool { id: PoolId::new("7"), scale_set: Some(state), ..pool("gpu", &[]) };
    set.spec.scale_set_name = Some("gpu".to_owned());
    set.spec.max_runners = 2;
    set
}

fn queued(id: i64) -> Job {
    Job { workflow_job_id: id, scale_set_job: Some(format!("s{id}")), ..job(id, &["GPU"], -40) }
}

fn status(assigned: u32, jobs: Vec<Job>) -> FleetStatus {
    let mut gpu = declared("gpu");
    gpu.settings.kind = PoolKind::ScaleSet;
    gpu.settings.scale.max_runners = 2;
    let runners = ["gpu-1", "gpu-2"].map(|name| Runner {
        pool: Some(PoolId::new("7")),
        ..runner("7", name, "running/active", -300)
    });
    let fleet = fleet(0, vec![set(assigned)], runners.into(), jobs);
    let mut status = look(&[gpu], &fleet);
    status.jobs = Some(job_rows(&status, &fleet, &[]));
    status
}

fn texts(status: &FleetStatus) -> (u32, String, String) {
    let plain = |text: &str| strip_str(text).to_string();
    let jobs = jobs::table_of_jobs(status.jobs.as_deref().unwrap(), status.unlisted_jobs(), 120);
    let summary = plain(&summary(status, 200));
    (status.pools[0].snapshot.queue_depth, summary, plain(&jobs))
}

#[test]
fn assigned_jobs_without_a_row_wait() {
    let (depth, summary, jobs) = texts(&status(4, vec![]));
    assert_eq!(depth, 2);
    // The row of the scale set was last written then, so all of them had been assigned.
    let expected = "1 pool: 2 active, 0 idle, 0 booting, 0 failed; 2 jobs waiting, the oldest for \
                    2h 30m; 1 pool needs attention";
    assert_eq!(summary, expected);
    let expected = "2 jobs assigned to scale sets by GitHub, without a row in GARM yet\n";
    assert_eq!(jobs, expected);
    let document = json(&status(4, vec![]), StatusDetail::Pools);
    assert_eq!(
        (&document["jobs"], &document["unlisted_jobs"]),
        (&serde_json::json!([]), &serde_json::json!(2))
    );
}

#[test]
fn the_rows_of_garm_say_which_jobs_wait_and_for_how_long() {
    let status = status(4, vec![queued(3), queued(4)]);
    let (depth, summary, _) = texts(&status);
    assert_eq!((depth, status.unlisted_jobs()), (2, 0));
    assert!(summary.contains("; 2 jobs waiting, the oldest for 40s;"), "{summary}");
    let rows = status.jobs.as_deref().unwrap().iter();
    let rows: Vec<_> = rows.map(|row| (row.id, row.pool.as_deref(), row.why.as_str())).collect();
    let full = "the scale set has `max_runners` runners";
    assert_eq!(rows, [(3, Some("gpu"), full), (4, Some("gpu"), full)]);
}

#[test]
fn a_job_that_no_scale_set_fits_is_listed_even_if_a_pool_has_its_labels() {
    let other = Job { labels: ["x"].into_iter().collect(), ..queued(5) };
    let mut fleet = fleet(0, vec![pool("web", &["x"]), set(0)], vec![], vec![other]);
    fleet.jobs[0].entities = vec![fleet.pools[0].entity.clone()];
    let mut status = look(&[], &fleet);
    status.jobs = Some(job_rows(&status, &fleet, &[]));
    let rows = status.jobs.as_deref().unwrap().iter();
    let rows: Vec<_> = rows.map(|row| (row.id, row.pool.as_deref(), row.why.as_str())).collect();
    assert_eq!(rows, [(5, None, "no scale set in GARM has its labels")]);
}

#[test]
fn running_jobs_do_not_wait() {
    assert_eq!(texts(&status(2, vec![])).0, 0);
    let kind = json(&status(2, vec![]), StatusDetail::Pools)["pools"][0]["kind"].clone();
    assert_eq!(kind, serde_json::json!("scale_set"));
}
