//! Situations that cause each finding, and similar ones that must not.

use std::collections::BTreeMap;

use super::*;
use crate::scaling::ScalePolicies;
use crate::scaling::testing::{at, fleet, job, policy, pool, runner, secs};

fn auditor() -> IsolationAuditor {
    IsolationAuditor::new(FleetName::new("acme").unwrap(), secs(30))
}

fn on(name: &str, status: JobStatus, job: Job) -> Job {
    Job { status, runner: Some(RunnerName::new(name)), ..job }
}

fn with_job(job: i64, runner: Runner) -> Runner {
    Runner { job: Some(job), ..runner }
}

fn vm(vm: &str, runner: Runner) -> Runner {
    Runner { provider_id: Some(vm.into()), ..runner }
}

/// Reads a fleet of pool `p`, ours, and `q`, of another owner.
fn read(
    auditor: &mut IsolationAuditor,
    now: i64,
    runners: Vec<Runner>,
    jobs: Vec<Job>,
) -> Vec<IsolationFinding> {
    let mut foreign = pool("q", &["y"]);
    foreign.spec.labels = ["y"].into_iter().collect();
    auditor.read(&fleet(now, vec![pool("p", &["x"]), foreign], runners, jobs), at(now))
}

fn finding(kind: FindingKind, runner: &str, now: i64, evidence: &str) -> IsolationFinding {
    IsolationFinding {
        kind,
        pool: PoolName::new("p").unwrap(),
        pool_id: PoolId::new("p"),
        runner: Some(RunnerName::new(runner)),
        evidence: evidence.into(),
        remedy: Remedy::Inspect,
        at: at(now),
    }
}

#[test]
fn a_runner_with_two_jobs_is_found_once() {
    let mut it = auditor();
    let active = with_job(1_001, runner("p", "r", "running/active", 0));
    let first = on("r", JobStatus::InProgress, job(1, &["x"], 0));
    let second = on("r", JobStatus::InProgress, job(2, &["x"], 10));
    assert_eq!(read(&mut it, 30, vec![active.clone()], vec![first.clone()]), []);
    let found = it.changed(&RowChange::Job(second.clone()), at(40));
    let evidence = "it was seen with job 1001 and with job 1002";
    assert_eq!(found, [finding(FindingKind::TwoJobs, "r", 40, evidence)]);
    assert_eq!(read(&mut it, 60, vec![active], vec![first, second]), []);
}

#[test]
fn two_jobs_are_found_in_the_rows_of_runners_alone() {
    let mut it = auditor();
    let row = |job, second| with_job(job, runner("p", "r", "running/active", second));
    assert_eq!(read(&mut it, 30, vec![row(7, 20)], vec![]), []);
    let found = it.changed(&RowChange::Runner(row(8, 35)), at(40));
    assert_eq!(
        found,
        [finding(FindingKind::TwoJobs, "r", 40, "it was seen with job 7 and with job 8")]
    );
}

#[test]
fn one_job_seen_in_several_rows_is_one_job() {
    let mut it = auditor();
    let active = with_job(1_001, runner("p", "r", "running/active", 0));
    // GARM deleted the job's row, and a webhook restored it: another row for the same job.
    let again = Job { id: 9, ..on("r", JobStatus::InProgress, job(1, &["x"], 0)) };
    assert_eq!(read(&mut it, 30, vec![active.clone()], vec![again.clone()]), []);
    // GARM 0.1 writes no `workflow_job_id` into the runner's row.
    assert_eq!(it.changed(&RowChange::Runner(with_job(0, active.clone())), at(31)), []);
    // A queued job has no runner yet, even if its row names one.
    let queued = on("r", JobStatus::Queued, job(3, &["x"], 0));
    assert_eq!(it.changed(&RowChange::Job(queued), at(32)), []);
    let done = Job { status: JobStatus::Completed, ..again };
    assert_eq!(it.changed(&RowChange::Job(done), at(33)), []);
}

#[test]
fn two_jobs_that_arrived_before_their_runner_are_found() {
    let mut it = auditor();
    assert_eq!(read(&mut it, 30, vec![], vec![]), []);
    for id in [1, 2] {
        let job = on("r", JobStatus::InProgress, job(id, &["x"], 31));
        assert_eq!(it.changed(&RowChange::Job(job), at(31)), []);
    }
    let found = it.changed(&RowChange::Runner(runner("p", "r", "running/active", 31)), at(32));
    assert_eq!(found.iter().map(|it| it.kind).collect::<Vec<_>>(), [FindingKind::TwoJobs]);
}

#[test]
fn a_runner_that_outlives_its_job_is_removed_until_it_is_gone() {
    let mut it = auditor();
    let row = |state: &str| runner("p", "r", state, 0);
    let done = on("r", JobStatus::Completed, job(1, &["x"], 60));
    for now in [60, 90, 120, 150, 179] {
        assert_eq!(read(&mut it, now, vec![row("running/idle")], vec![done.clone()]), [], "{now}");
    }
    let found = read(&mut it, 180, vec![row("running/idle")], vec![done.clone()]);
    let evidence = "job 1001 had ended 2m before it was last seen, and its deletion has not begun: \
                    `running/idle`";
    let expected = finding(FindingKind::OutlivedJob, "r", 180, evidence);
    assert_eq!(found, [IsolationFinding { remedy: Remedy::Remove, ..expected }]);
    let doomed = [(PoolId::new("p"), RunnerName::new("r"))];
    assert_eq!(it.to_remove(), doomed);
    assert_eq!(read(&mut it, 210, vec![row("running/idle")], vec![done.clone()]), []);
    assert_eq!(it.to_remove(), doomed);
    assert_eq!(read(&mut it, 240, vec![row("pending_delete/idle")], vec![done]), []);
    assert_eq!(it.to_remove(), []);
    assert_eq!(it.watched().jobs, 0);
    assert_eq!(read(&mut it, 270, vec![], vec![]), []);
    assert_eq!(it.watched().jobs, 1);
}

#[test]
fn the_row_of_a_runner_shows_that_its_job_has_ended() {
    let mut it = auditor();
    let row = runner("p", "r", "running/terminated", 20);
    let found: Vec<usize> =
        (1..=8).map(|n| read(&mut it, n * 30, vec![row.clone()], vec![]).len()).collect();
    assert_eq!(found, [0, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(it.to_remove().len(), 1);
}

#[test]
fn a_busy_runner_is_reported_and_never_removed() {
    let mut it = auditor();
    let row = runner("p", "r", "running/active", 0);
    let done = on("r", JobStatus::Completed, job(1, &["x"], 30));
    let mut found = Vec::new();
    for n in 1..=10 {
        found.extend(read(&mut it, n * 30, vec![row.clone()], vec![done.clone()]));
        assert_eq!(it.to_remove(), []);
    }
    let evidence = "job 1001 had ended 2m before it was last seen, and GARM shows it busy: \
                    `running/active`; a busy runner is not removed";
    assert_eq!(found, [finding(FindingKind::OutlivedJob, "r", 150, evidence)]);
    // Now it is idle, long after the end of its job.
    read(&mut it, 330, vec![runner("p", "r", "running/idle", 320)], vec![done]);
    assert_eq!(it.to_remove().len(), 1);
}

#[test]
fn a_runner_that_garm_is_deleting_has_ten_minutes() {
    let mut it = auditor();
    let row = runner("p", "r", "deleting/terminated", 0);
    let mut found = Vec::new();
    for n in 1..=30 {
        found.extend(read(&mut it, n * 30, vec![row.clone()], vec![]));
        assert_eq!(it.to_remove(), []);
    }
    let evidence = "its job had ended 10m30s before it was last seen, and GARM has not finished \
                    deleting it: `deleting/terminated`";
    assert_eq!(found, [finding(FindingKind::OutlivedJob, "r", 630, evidence)]);
}

#[test]
fn nothing_is_concluded_from_a_period_without_reads() {
    let row = || vec![runner("p", "r", "running/idle", 0)];
    let done = || vec![on("r", JobStatus::Completed, job(1, &["x"], 10))];
    // This program did not run: the job ended long ago, but the runner is observed only now.
    let mut it = auditor();
    assert_eq!(read(&mut it, 5_000, row(), done()), []);
    assert_eq!(read(&mut it, 5_119, row(), done()), [], "after a break of its own");
    // GARM could not be read.
    let mut it = auditor();
    assert_eq!(read(&mut it, 30, row(), done()), []);
    assert_eq!(read(&mut it, 900, row(), done()), []);
    assert_eq!(read(&mut it, 930, row(), done()), []);
    // A late event shows the state when its row was written.
    let late = RowChange::Runner(runner("p", "r", "running/idle", 40));
    assert_eq!(it.changed(&late, at(1_100)), []);
    // A row shows nothing about the time after it was read.
    assert_eq!(it.to_remove(), []);
}

#[test]
fn shell_access_is_found_once_for_each_runner() {
    let mut it = auditor();
    let shell = |name| Runner { has_shell: true, ..runner("p", name, "running/idle", 0) };
    let found = read(&mut it, 30, vec![shell("r")], vec![]);
    assert_eq!(
        found,
        [finding(FindingKind::ShellAccess, "r", 30, "GARM's agent offers a shell on it")]
    );
    let found = read(&mut it, 60, vec![shell("r"), shell("s")], vec![]);
    assert_eq!(
        found,
        [finding(FindingKind::ShellAccess, "s", 60, "GARM's agent offers a shell on it")]
    );
}

#[test]
fn a_provider_without_single_job_registration_is_reported_once() {
    let mut it = auditor();
    let row = |name: &str, state: &str| Runner { agent_id: None, ..runner("p", name, state, 0) };
    // Rows in later states or in deletion do not show how the runner was registered.
    assert_eq!(read(&mut it, 30, vec![row("r", "running/installing")], vec![]), []);
    assert_eq!(read(&mut it, 60, vec![row("r", "pending_delete/pending")], vec![]), []);
    let found = it.changed(&RowChange::Runner(row("s", "pending_create/pending")), at(61));
    let evidence = "its row has no `agent_id` while `pending`: provider `lab` does not seem to \
                    register runners for a single job";
    assert_eq!(found, [finding(FindingKind::RegistrationUnknown, "s", 61, evidence)]);
    let others = vec![row("t", "creating/pending"), row("s", "running/pending")];
    assert_eq!(read(&mut it, 90, others, vec![]), []);
    assert_eq!(
        FindingKind::RegistrationUnknown.impact(),
        super::super::finding::RequirementImpact::Undetermined
    );
}

#[test]
fn a_reused_vm_is_found_even_after_its_first_runner_is_gone() {
    let mut it = auditor();
    let first = vm("i-1", runner("p", "r", "running/idle", 0));
    assert_eq!(read(&mut it, 30, vec![first], vec![]), []);
    it.changed(&RowChange::RunnerGone("id-r".into()), at(40));
    let second = vm("i-1", runner("p", "s", "running/pending", 50));
    let found = it.changed(&RowChange::Runner(second.clone()), at(50));
    let evidence = "VM `i-1` of provider `lab` runs runner `s` and ran runner `r` before";
    assert_eq!(found, [finding(FindingKind::VmReused, "s", 50, evidence)]);
    assert_eq!(read(&mut it, 60, vec![second], vec![]), []);
}

#[test]
fn a_reused_vm_is_found_across_fleets_but_not_across_providers() {
    let mut it = auditor();
    let ours = vm("i-1", runner("p", "r", "running/idle", 0));
    let theirs = vm("i-1", runner("q", "s", "running/idle", 0));
    let elsewhere =
        Runner { provider: "gcp".into(), ..vm("i-1", runner("p", "t", "running/idle", 0)) };
    let both = [
        vm("i-2", runner("q", "u", "running/idle", 0)),
        vm("i-2", runner("q", "v", "running/idle", 0)),
    ];
    let rows = [ours, theirs, elsewhere].into_iter().chain(both).collect();
    let evidence = "VM `i-1` of provider `lab` runs runner `s` and ran runner `r` before";
    assert_eq!(
        read(&mut it, 30, rows, vec![]),
        [finding(FindingKind::VmReused, "r", 30, evidence)]
    );
}

#[test]
fn a_repeated_create_is_the_same_runner_on_another_vm() {
    let mut it = auditor();
    let row = |provider_id: Option<&str>, state: &str, second| Runner {
        provider_id: provider_id.map(str::to_owned),
        // An instance that is embedded in its pool does not name its provider.
        provider: String::new(),
        ..runner("p", "r", state, second)
    };
    let rows = [
        row(None, "pending_create/pending", 1),
        row(Some("i-1"), "error/pending", 2),
        row(None, "pending_create/pending", 3),
        row(Some("i-2"), "running/pending", 4),
        row(Some("i-1"), "running/pending", 5),
    ];
    assert_eq!(read(&mut it, 0, vec![], vec![]), []);
    for row in rows {
        assert_eq!(it.changed(&RowChange::Runner(row), at(6)), []);
    }
    let named = vm("i-1", runner("p", "r", "running/idle", 7));
    assert_eq!(it.changed(&RowChange::Runner(named), at(8)), []);
}

#[test]
fn a_pool_that_stays_below_its_minimum_is_found() {
    let mut it = auditor();
    let mut found = Vec::new();
    for n in 0..=12 {
        let now = n * 30;
        let fleet = fleet(now, vec![pool("p", &["x"])], vec![], vec![]);
        found.extend(it.read(&fleet, at(now)));
        let fleet_index =
            FleetIndex::new(fleet, ScalePolicies::from([(PoolId::new("p"), policy())]));
        found.extend(it.tick(&fleet_index, &BTreeSet::new(), at(now)));
        // An evaluation with an outdated read ends the measurement.
        let late = it.clone().tick(&fleet_index, &BTreeSet::new(), at(now + 400));
        assert_eq!(late, []);
    }
    let evidence = "for 5m, 0 of at least 2 runners have been active, idle or booting, although \
                    only 0 of at most 20 exist and the circuit breaker is closed";
    let expected = finding(FindingKind::BelowMin, "", 300, evidence);
    assert_eq!(found, [IsolationFinding { runner: None, ..expected }]);
    assert_eq!(it.watched().findings, BTreeMap::from([(FindingKind::BelowMin, 1)]));
    assert_eq!(it.watched().since, Some(at(0)));
}

#[test]
fn runners_of_other_fleets_and_of_scale_sets_are_ignored() {
    let mut it = auditor();
    let bad = |runner: Runner| Runner {
        has_shell: true,
        agent_id: None,
        job: Some(1),
        runner_status: RunnerStatus::Pending,
        ..runner
    };
    let theirs = bad(runner("q", "r", "running/pending", 0));
    let scale_set = Runner { pool: None, ..bad(runner("q", "s", "running/pending", 0)) };
    for n in 1..=10 {
        let jobs = ["r", "s"].map(|it| on(it, JobStatus::Completed, job(2, &["y"], 0)));
        let rows = vec![theirs.clone(), scale_set.clone()];
        assert_eq!(read(&mut it, n * 30, rows, jobs.to_vec()), []);
    }
    read(&mut it, 330, vec![], vec![]);
    assert_eq!(
        *it.watched(),
        IsolationSummary { since: Some(at(30)), ..IsolationSummary::default() }
    );
}

#[test]
fn a_retired_pool_still_belongs_to_the_fleet() {
    let mut it = auditor();
    let mut old = pool("p", &["x"]);
    old.spec.labels = ["x", "runnerctl-old=acme/p"].into_iter().collect();
    let shell = Runner { has_shell: true, ..runner("p", "r", "running/idle", 0) };
    let found = it.read(&fleet(30, vec![old.clone()], vec![], vec![]), at(30));
    assert_eq!(found, []);
    assert_eq!(it.changed(&RowChange::Runner(shell.clone()), at(31)).len(), 1);
    // Its mark is removed.
    old.spec.labels = ["x"].into_iter().collect();
    it.changed(&RowChange::Pool(old), at(32));
    let other = Runner { id: "id-s".into(), name: RunnerName::new("s"), ..shell };
    assert_eq!(it.changed(&RowChange::Runner(other), at(33)), []);
}

#[test]
fn only_vms_are_remembered_after_their_runners_are_gone() {
    let mut it = auditor();
    for n in 0..50 {
        let name = format!("r{n}");
        let row = with_job(n, vm(&name, runner("p", &name, "running/active", n)));
        it.changed(&RowChange::Runner(row), at(n));
        it.changed(&RowChange::RunnerGone(format!("id-{name}")), at(n));
        let stray = on(&format!("s{n}"), JobStatus::InProgress, job(n, &["x"], n));
        it.changed(&RowChange::Job(stray), at(n));
    }
    read(&mut it, 100, vec![], vec![]);
    assert_eq!((it.tracks.len(), it.names.len(), it.strays.len()), (0, 0, 0));
    for n in 0..2 * i64::try_from(STRAYS_MAX).unwrap() {
        let stray = on(&format!("s{n}"), JobStatus::InProgress, job(n, &["x"], n));
        it.changed(&RowChange::Job(stray), at(n));
    }
    assert_eq!(it.strays.len(), STRAYS_MAX);
}
