//! The status of a fleet with pools in every state.

mod job_table;
mod scale_sets;

use std::collections::BTreeMap;

use anstream::adapter::strip_str;
use serde_json::{Value, json};

use super::*;
use crate::config::DeclaredPool;
use crate::domain::entity::{Entity, PoolManager};
use crate::domain::fleet::Fleet;
use crate::domain::name::{FleetName, PoolName};
use crate::domain::runner::Runner;
use crate::render::decision::{DecisionEffect, DecisionView};
use crate::render::document;
use crate::scaling::testing::{entity, fleet, job, pool, runner, settings};
use crate::scaling::{ScaledPool, forecast};

fn declared(name: &str) -> DeclaredPool {
    DeclaredPool { garm: None, entity: None, provider: None, image: None, settings: settings(name) }
}

/// The status while no `watch` runs.
fn look(declared: &[DeclaredPool], fleet: &Fleet) -> FleetStatus {
    let managed: Vec<ScaledPool<'_>> = declared
        .iter()
        .filter_map(|it| {
            let pool = fleet.pools.iter().find(|pool| pool.id.as_str() == it.name.as_str())?;
            Some(ScaledPool { pool, policy: &it.scale })
        })
        .collect();
    let told = forecast(fleet, &managed).into_iter().map(|(id, decision)| {
        let name = PoolName::new(id.as_str()).unwrap();
        let told = DecisionView::of(&name, &decision, DecisionEffect::NotWritten);
        (name, told)
    });
    let source = Some(DecisionSource::NotRunning { address: "http://127.0.0.1:9477".into() });
    look_with(declared, fleet, &PoolDecisions { source, by_pool: told.collect() })
}

fn look_with(declared: &[DeclaredPool], fleet: &Fleet, decisions: &PoolDecisions) -> FleetStatus {
    let owner = FleetName::new("acme").unwrap();
    fleet_status(StatusInputs { owner: &owner, declared, fleet, plan: None, decisions })
}

fn busy(name: &str, job: i64) -> Runner {
    Runner { job: Some(job), ..runner("default", name, "running/active", -300) }
}

fn everything() -> FleetStatus {
    let mut off = pool("off", &["off"]);
    off.spec.enabled = false;
    let mut old = pool("old", &["old"]);
    old.spec.labels = ["runnerctl-old=acme/default"].into_iter().collect();
    let mut foreign = pool("theirs", &[]);
    foreign.spec.labels = ["theirs"].into_iter().collect();
    let mut failed = runner("off", "off-1", "error/pending", -90);
    failed.provider_fault = Some("quota exceeded\u{1b}[2J\n".into());
    let runners =
        vec![busy("default-1", 1_009), runner("default", "default-2", "running/idle", -9), failed];
    let jobs = vec![job(1, &["x"], -185), job(2, &["x"], -40), job(9, &["x"], -400)];
    let pools = vec![pool("default", &["x"]), off, old, pool("lost", &["y"]), foreign];
    look(&[declared("default"), declared("off"), declared("new")], &fleet(0, pools, runners, jobs))
}

#[test]
fn status_shows_what_pools_do_and_which_are_unhealthy() {
    let text = text(&everything(), StatusDetail::Runners, 120);
    insta::assert_snapshot!(strip_str(&text).to_string(), @r"
        5 pools: 1 active, 1 idle, 0 booting, 1 failed; 2 jobs waiting, the oldest for 3m 5s; 5 pools need attention

        POOL     ENABLED  ACTIVE  IDLE  BOOTING  FAILED  MIN–MAX  LEVEL  QUEUE  OLDEST  SCALER  HEALTH
        ────────────────────────────────────────────────────────────────────────────────────────────────────
        default  yes           1     1        0       0     2–20      0      2   3m 5s  wait    late
        default  yes           0     0        0       0     0–20      0      0       –  –       retired
        lost     yes           0     0        0       0     0–20      0      0       –  –       undeclared
        new      –             0     0        0       0     2–20      –      0       –  –       not in GARM
        off      no            0     0        0       1     2–20      0      0       –  –       failing

        ! default: a job has waited for 3m 5s, longer than `max_queue_wait` (2m)
        ! default: replaced by a new pool: `apply` drains it and deletes it
        ! lost: ours, and in none of the files that were read
        ! new: not in GARM yet: `apply` creates it
        ✗ off: runner `off-1` failed: its provider says: quota exceeded\u{1b}[2J
        · off: starts no runners; those it has take jobs

        no `watch` is running at http://127.0.0.1:9477; one that starts now:
        → default: would start none yet: 1 job has no runner, and no more than 5 wait (`scale_up_threshold`)

        RUNNER     POOL     STATE   IN GARM         AGE     JOB OR FAULT
        ────────────────────────────────────────────────────────────────────────────
        default-1  default  active  running/active      5m  build (acme/app)
        default-2  default  idle    running/idle        9s
        off-1      off      failed  error/pending   1m 30s  quota exceeded\u{1b}[2J

        1 pool in this GARM that this fleet does not own, not shown
        ");
}

#[test]
fn a_table_with_long_names_leaves_columns_out_where_the_screen_is_narrow() {
    let name = "a-name-of-28-characters-long";
    let shown = |width, runners| {
        let fleet = fleet(0, vec![pool(name, &["x"])], runners, vec![]);
        let text = text(&look(&[declared(name)], &fleet), StatusDetail::Pools, width);
        let text = strip_str(&text).to_string();
        assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
        let header = text.lines().find(|line| line.starts_with("POOL")).unwrap();
        header.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let all = "POOL ON ACT IDLE BOOT FAIL MIN–MAX LEVEL QUEUE OLDEST SCALER HEALTH";
    assert_eq!(shown(99, vec![]), all);
    assert_eq!(shown(80, vec![]), "POOL ACT IDLE BOOT MIN–MAX QUEUE OLDEST SCALER HEALTH");
    let failed = runner(name, "r", "error/pending", -90);
    assert!(shown(80, vec![failed]).contains(" FAIL "), "a column that differs stays");
}

#[test]
fn everything_except_provider_errors_fits_80_columns() {
    let text = strip_str(&text(&everything(), StatusDetail::Pools, 80)).to_string();
    assert!(text.lines().all(|it| it.chars().count() <= 80), "{text}");
    let dated = strip_str(&dated(&everything(), StatusDetail::Pools, 80)).to_string();
    assert!(dated.lines().all(|it| it.chars().count() <= 80), "{dated}");
    let lead = dated.strip_suffix(text.split_once("\n\n").unwrap().1).unwrap();
    assert!(lead.starts_with(&format!("{}  5 pools: ", everything().observed_at)), "{lead}");
    insta::assert_snapshot!(text, @r"
        5 pools: 1 active, 1 idle, 0 booting, 1 failed; 2 jobs waiting, the oldest for
        3m 5s; 5 pools need attention

        POOL    ON  ACT IDLE BOOT FAIL MIN–MAX LEVEL QUEUE OLDEST SCALER HEALTH
        ────────────────────────────────────────────────────────────────────────────
        default yes   1    1    0    0    2–20     0     2  3m 5s wait   late
        default yes   0    0    0    0    0–20     0     0      – –      retired
        lost    yes   0    0    0    0    0–20     0     0      – –      undeclared
        new     –     0    0    0    0    2–20     –     0      – –      not in GARM
        off     no    0    0    0    1    2–20     0     0      – –      failing

        ! default: a job has waited for 3m 5s, longer than `max_queue_wait` (2m)
        ! default: replaced by a new pool: `apply` drains it and deletes it
        ! lost: ours, and in none of the files that were read
        ! new: not in GARM yet: `apply` creates it
        ✗ off: runner `off-1` failed: its provider says: quota exceeded\u{1b}[2J
        · off: starts no runners; those it has take jobs

        no `watch` is running at http://127.0.0.1:9477; one that starts now:
        → default: would start none yet: 1 job has no runner, and no more than 5 wait
          (`scale_up_threshold`)

        1 pool in this GARM that this fleet does not own, not shown
        ");
}

#[test]
fn the_document_has_the_keys_of_the_design() {
    let healthy = look(
        &[declared("default")],
        &fleet(
            0,
            vec![pool("default", &["x"])],
            vec![runner("default", "a", "running/idle", 0), busy("b", 7)],
            vec![job(1, &["x"], -40)],
        ),
    );
    let expected = json!({
        "fleet": "acme",
        "controller_id": "controller",
        "observed_at": "2026-09-21T14:13:20Z",
        "watch": {
            "address": "http://127.0.0.1:9477",
            "running": false,
            "why": null,
            "at": null,
            "applied": null,
        },
        "pools": [{
            "name": "default",
            "kind": "pool",
            "pool_id": "default",
            "standing": "declared",
            "enabled": true,
            "active": 1,
            "idle": 1,
            "booting": 0,
            "failed": 0,
            "suspect": 0,
            "min_runners": 2,
            "max_runners": 20,
            "level": 0,
            "queue_depth": 1,
            "oldest_wait_seconds": 40,
            "stuck_jobs": 0,
            "remarks": [],
        }],
    });
    let mut got = json(&healthy, StatusDetail::Pools);
    document::check(&schema(), &got);
    document::check(&schema(), &json(&healthy, StatusDetail::Runners));
    let decision = got["pools"][0].as_object_mut().unwrap().remove("decision").unwrap();
    assert_eq!(got, expected);
    let is_of = |key: &str| decision[key].as_str().unwrap();
    assert_eq!((is_of("pool"), is_of("reason")), ("default", "served"));
}

#[test]
fn a_stopped_pool_manager_is_the_most_severe_remark() {
    let mut fleet = fleet(0, vec![pool("default", &["x"])], vec![], vec![]);
    fleet.entities.push(Entity {
        key: entity("acme"),
        name: "acme".into(),
        endpoint: "github.com".into(),
        credentials: "app".into(),
        manager: PoolManager::Stopped { reason: "bad credentials".into() },
        forge: String::new(),
        agent_mode: false,
    });
    let status = look(&[declared("default")], &fleet);
    let words: Vec<_> =
        status.pools[0].remarks.iter().map(|it| (it.word, it.text.as_str())).collect();
    assert_eq!(
        words,
        [
            (
                "stopped",
                "GARM does nothing for organization acme at the moment and says: bad credentials"
            ),
            ("below minimum", "0 of the 2 that `min_runners` asks for"),
        ]
    );
}

#[test]
fn a_failed_create_is_reported_while_garm_repeats_it() {
    let mut told = runner("default", "default-1", "error/pending", -2);
    told.provider_fault = Some("quota exceeded".into());
    let untold = runner("default", "default-2", "error/pending", -2);
    let remarks = |runners: Vec<Runner>| {
        let fleet = fleet(0, vec![pool("default", &["x"])], runners, Vec::new());
        let pool = look(&[declared("default")], &fleet).pools.remove(0);
        pool.remarks.into_iter().filter(|it| it.word == "creates fail").map(|it| it.text).collect()
    };
    let said: Vec<String> = remarks(vec![told, untold.clone()]);
    let expected = "the creation of 2 runners has failed, and GARM tries again: the provider of \
                    `default-1` says: quota exceeded";
    assert_eq!(said, [expected]);
    let said: Vec<String> = remarks(vec![untold]);
    assert!(said[0].ends_with("the provider gives no reason"), "{said:?}");
    assert!(remarks(vec![busy("default-1", 1)]).is_empty());
}

#[test]
fn a_short_backoff_of_garm_is_reported_only_where_it_matters() {
    let delays = || [30, 600].into_iter().map(Duration::from_secs);
    let said = impatience(Duration::from_secs(30), delays());
    assert_eq!(
        said.as_deref(),
        Some(
            "GARM itself starts a runner for each job older than 30s (`minimum_job_age_backoff`), \
             so the scaling policy of 2 pools hardly acts"
        )
    );
    assert_eq!(impatience(Duration::from_secs(720), delays()), None);
}

/// A running `watch` knows more than a single read of GARM shows.
#[test]
fn the_numbers_of_a_pool_are_those_of_the_running_watch() {
    let jobs: Vec<_> = (1..=8).map(|it| job(it, &["x"], -300)).collect();
    let leaving =
        (1..=2).map(|it| runner("default", &format!("l{it}"), "pending_delete/idle", -9)).collect();
    let fleet = fleet(0, vec![pool("default", &["x"])], leaving, jobs);
    let scale = settings("default").scale;
    let managed = ScaledPool { pool: &fleet.pools[0], policy: &scale };
    let decision = forecast(&fleet, &[managed]).into_values().next().unwrap();
    let name = PoolName::new("default").unwrap();
    let decision = DecisionView::of(&name, &decision, DecisionEffect::Applied);
    let mut value = Value::clone(&decision.value);
    value["inputs"]["jobs"] = json!({
        "queued": 3, "stuck": 5,
        "oldest_queued_at": "2026-09-21T14:13:00Z", "oldest_stuck_at": "2026-09-21T14:03:20Z",
    });
    value["level_not_followed"] = json!({ "sentence": "GARM has not created 3 runners" });
    value["short"] = json!("start 3");
    value["sentence"] = json!("starts 3 runners: \u{1b}[2J");
    let told = DecisionView::read(value).unwrap();
    let decisions = PoolDecisions {
        source: Some(DecisionSource::Watch {
            address: "https://127.0.0.1:9477".into(),
            at: "2026-09-21T14:13:17Z".parse().unwrap(),
            is_applied: true,
            leader: None,
        }),
        by_pool: [(name, told)].into(),
    };
    let status = look_with(&[declared("default")], &fleet, &decisions);
    let text = text(&status, StatusDetail::Pools, 120);
    insta::assert_snapshot!(strip_str(&text).to_string(), @r"
        1 pool: 0 active, 0 idle, 0 booting, 0 failed; 3 jobs waiting, the oldest for 10m; 1 pool needs attention

        POOL     ENABLED  ACTIVE  IDLE  BOOTING  FAILED  MIN–MAX  LEVEL  QUEUE  OLDEST  SCALER   HEALTH
        ─────────────────────────────────────────────────────────────────────────────────────────────────────
        default  yes           0     0        0       0     2–20      0      3     10m  start 3  GARM stalls

        ✗ default: GARM has not created 3 runners
        ! default: 0 of the 2 that `min_runners` asks for
        ! default: a job has waited for 10m, longer than `max_queue_wait` (2m)
        ! default: 5 jobs wait beside idle runners that do not get them: their webhooks were lost, or the runner group or its
          visibility keeps them from this pool

        scaled by the `watch` at https://127.0.0.1:9477, as of 3s ago
        → default: starts 3 runners: \u{1b}[2J
        ");
    let mut stuck = status.clone();
    stuck.pools[0].snapshot.queue_depth = 0;
    let text = super::text(&stuck, StatusDetail::Pools, 120);
    assert!(text.contains("; no job waiting but stuck ones, the oldest for 10m; "), "{text}");
}

#[test]
fn a_watch_that_gives_no_decisions_is_reported_as_unknown() {
    let fleet = fleet(0, vec![pool("default", &["x"])], vec![], vec![]);
    let source = DecisionSource::Unknown { address: "https://[::1]:9477".into(), why: "no".into() };
    let decisions = PoolDecisions { source: Some(source), by_pool: BTreeMap::new() };
    let status = look_with(&[declared("default")], &fleet, &decisions);
    let text = strip_str(&text(&status, StatusDetail::Pools, 120)).to_string();
    let expected = "whether a `watch` is running at https://[::1]:9477 is not known: no\n";
    assert!(text.ends_with(expected), "{text}");
    assert_eq!(json(&status, StatusDetail::Pools)["watch"]["running"], Value::Null);
}

#[test]
fn suspect_runners_are_not_counted_as_idle() {
    let runners =
        vec![runner("default", "a", "running/idle", 0), runner("default", "b", "running/idle", 0)];
    let fleet = fleet(0, vec![pool("default", &["x"])], runners, vec![]);
    let mut status = look(&[declared("default")], &fleet);
    let mut value = Value::clone(&status.pools.remove(0).decision.unwrap().value);
    value["suspect_runners"] = json!(["b"]);
    let told = DecisionView::read(value).unwrap();
    let by_pool = [(PoolName::new("default").unwrap(), told)].into();
    let status =
        look_with(&[declared("default")], &fleet, &PoolDecisions { source: None, by_pool });
    let pool = &json(&status, StatusDetail::Pools)["pools"][0];
    assert_eq!((&pool["idle"], &pool["suspect"]), (&json!(1), &json!(1)), "{pool}");
    let words: Vec<_> = status.pools[0].remarks.iter().map(|remark| remark.word).collect();
    assert_eq!(words, ["below minimum", "suspect"]);
}

#[test]
fn a_pool_served_only_by_a_long_backoff_is_unhealthy() {
    let mut unscaled = declared("default");
    unscaled.settings.scale.autoscale = false;
    let runners =
        vec![runner("default", "a", "running/idle", 0), runner("default", "b", "running/idle", 0)];
    let mut fleet = fleet(0, vec![pool("default", &["x"])], runners, vec![]);
    let words = |fleet: &Fleet| -> Vec<_> {
        let lines = look(std::slice::from_ref(&unscaled), fleet).pools;
        lines[0].remarks.iter().map(|it| it.word).collect()
    };
    fleet.controller.backoff = Duration::from_secs(300);
    assert_eq!(words(&fleet), ["slow"]);
    fleet.controller.backoff = Duration::from_secs(30);
    assert_eq!(words(&fleet), [""; 0]);
    let pools = || [("b", 30), ("a", 30), ("c", 600)].map(|it| (it.0, Duration::from_secs(it.1)));
    let said = left_to_garm(Duration::from_secs(300), pools().into_iter());
    assert_eq!(
        said.as_deref(),
        Some(
            "runnerctl does not scale `a` and `b`: only GARM starts runners for their jobs, each after 5m \
             (`minimum_job_age_backoff`)"
        )
    );
    assert_eq!(left_to_garm(Duration::from_secs(30), pools().into_iter()), None);
}
