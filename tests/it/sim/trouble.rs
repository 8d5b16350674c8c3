//! Faults of GitHub, of providers and of VMs (GARM.md §d, §j).

use std::time::Duration;

use runnerctl::sim::JobBatch;
use serde_json::{Value, json};

use super::asked::Asked;

#[test]
fn a_lost_end_of_a_job_is_noticed_within_five_minutes() {
    let mut asked = Asked::new();
    let pool = asked.pool("linux", json!({ "min_idle_runners": 1, "max_runners": 1 }));
    asked.wait(20);
    asked.put(&pool, &json!({ "min_idle_runners": 0 }));
    asked.queue(1, "linux", 10);
    asked.wait(1);
    asked.0.knobs_mut().webhooks = false;
    asked.wait(30);
    assert_eq!(asked.states(&pool), ["running/active"]);
    let gone = asked.seconds_until(|it| it.states(&pool).is_empty());
    assert!((200..=305).contains(&gone), "{gone}");
    assert_eq!(asked.jobs(), []);
}

/// With a timeout of one minute, a runner that never becomes idle is removed at a five-minute tick.
fn is_reaped(turn: impl FnOnce(&mut Asked), state: &str) {
    let mut asked = Asked::new();
    turn(&mut asked);
    let fields = json!({ "min_idle_runners": 1, "runner_bootstrap_timeout": 1 });
    let pool = asked.pool("linux", fields);
    asked.wait(120);
    assert_eq!(asked.states(&pool), [state]);
    let first = asked.get(&format!("{pool}/instances"))[0]["name"].clone();
    *asked.0.knobs_mut() = runnerctl::sim::Knobs::default();
    let healed = asked.seconds_until(|it| {
        let now = it.get(&format!("{pool}/instances"))[0].clone();
        now["name"] != first && now["runner_status"] == "idle"
    });
    assert!((150..=210).contains(&healed), "{healed}");
}

#[test]
fn a_vm_that_never_reports_is_removed_and_replaced() {
    is_reaped(|it| it.0.knobs_mut().boot_hang_rate = 1.0, "running/pending");
}

#[test]
fn a_runner_whose_install_failed_is_removed_and_replaced() {
    is_reaped(|it| it.0.knobs_mut().boot_fail_rate = 1.0, "running/failed");
}

#[test]
fn a_failed_create_does_not_recover_by_itself_when_the_provider_does() {
    let mut asked = Asked::new();
    asked.0.knobs_mut().create_fail_rate = 1.0;
    let pool = asked.pool("linux", json!({ "min_idle_runners": 1 }));
    asked.wait(75);
    assert_eq!(asked.states(&pool), ["error/pending"]);
    asked.0.knobs_mut().create_fail_rate = 0.0;
    asked.wait(60);
    assert_eq!(asked.states(&pool), ["error/pending"], "it counts as idle");
    let name = asked.get(&format!("{pool}/instances"))[0]["name"].as_str().unwrap().to_owned();
    asked.ask("DELETE", &format!("/instances/{name}"), &Value::Null);
    asked.wait(25);
    assert_eq!(asked.states(&pool), ["running/idle"]);
}

#[test]
fn refused_credentials_stop_the_pool_manager_until_the_tools_loop_succeeds() {
    let mut asked = Asked::new();
    let pool = asked.pool("linux", json!({ "min_idle_runners": 1 }));
    asked.wait(20);
    let status = |asked: &mut Asked| asked.get("/organizations")[0]["pool_manager_status"].clone();
    asked.0.knobs_mut().pat = "another".into();
    asked.wait(10);
    assert_eq!(status(&mut asked), json!({ "running": true }), "no loop has noticed yet");
    let name = asked.get(&format!("{pool}/instances"))[0]["name"].as_str().unwrap().to_owned();
    let path = format!("/instances/{name}");
    let refused = asked.answer("DELETE", &path, &Value::Null);
    assert_eq!(refused, (401, json!({ "error": "Not Authorized", "details": "" })));
    let reason = json!({ "failure_reason": "failed to remove runner: %!q(<nil>)" });
    assert_eq!(status(&mut asked), reason);
    // Pools can still be changed, without effect.
    asked.put(&pool, &json!({ "min_idle_runners": 3 }));
    asked.wait(30);
    assert_eq!(asked.states(&pool), ["running/idle"]);
    let bypassed =
        asked.answer("DELETE", &format!("{path}?bypassGHUnauthorized=true"), &Value::Null);
    assert_eq!(bypassed.0, 200);
    asked.0.knobs_mut().pat = String::new();
    let recovered = asked.seconds_until(|it| status(it) == json!({ "running": true }));
    assert!((200..=300).contains(&recovered), "{recovered}");
    asked.wait(90);
    assert_eq!(asked.states(&pool), ["running/idle"; 3]);
}

#[test]
fn an_outage_of_github_is_not_reported_and_ends_at_once() {
    let mut asked = Asked::new();
    asked.0.knobs_mut().api_fail_rate = 1.0;
    let pool = asked.pool("linux", json!({ "min_idle_runners": 1 }));
    asked.wait(120);
    assert_eq!(asked.states(&pool), [""; 0]);
    let status = asked.get("/organizations")[0]["pool_manager_status"].clone();
    assert_eq!(status, json!({ "running": true }));
    asked.0.knobs_mut().api_fail_rate = 0.0;
    let healed = asked.seconds_until(|it| it.states(&pool) == ["running/idle"]);
    assert!(healed <= 16, "{healed}");
}

#[test]
fn a_lost_webhook_leaves_a_job_unknown() {
    let mut asked = Asked::new();
    asked.pool("linux", json!({}));
    asked.0.knobs_mut().webhook_drop_rate = 1.0;
    let job = asked.queue(1, "linux", 10)[0];
    asked.0.knobs_mut().webhook_drop_rate = 0.0;
    asked.wait(60);
    assert_eq!(asked.jobs(), []);
    asked.0.redeliver(job);
    assert_eq!(asked.jobs(), [(job, "queued".to_owned())]);
}

#[test]
fn the_removal_race_kills_a_job_and_is_noted() {
    let mut asked = Asked::new();
    let pool = asked.pool("linux", json!({ "min_idle_runners": 1, "max_runners": 1 }));
    asked.wait(20);
    asked.0.knobs_mut().busy_lag = Duration::from_secs(3);
    asked.0.knobs_mut().webhook_delay = Duration::from_secs(2);
    let job = asked.queue(1, "linux", 60)[0];
    asked.wait(1);
    let name = asked.get(&format!("{pool}/instances"))[0]["name"].as_str().unwrap().to_owned();
    let answer = asked.answer("DELETE", &format!("/instances/{name}"), &Value::Null);
    assert_eq!(answer.0, 200);
    asked.wait(10);
    assert_eq!(asked.0.killed_jobs(), [job]);
}

#[test]
fn a_delete_that_the_provider_refuses_is_retried() {
    let mut asked = Asked::new();
    let pool = asked.pool("linux", json!({ "min_idle_runners": 1 }));
    asked.wait(20);
    asked.put(&pool, &json!({ "min_idle_runners": 0 }));
    asked.0.knobs_mut().delete_fail_rate = 1.0;
    let name = asked.get(&format!("{pool}/instances"))[0]["name"].as_str().unwrap().to_owned();
    asked.ask("DELETE", &format!("/instances/{name}"), &Value::Null);
    asked.wait(20);
    assert_eq!(asked.states(&pool), ["pending_delete/idle"]);
    asked.0.knobs_mut().delete_fail_rate = 0.0;
    asked.wait(10);
    assert_eq!(asked.states(&pool), [""; 0]);
}

#[test]
fn jobs_without_a_matching_runner_stay_queued() {
    let mut asked = Asked::new();
    asked.pool("linux", json!({ "min_idle_runners": 1 }));
    asked.wait(20);
    asked.0.queue_jobs(&JobBatch::new(1, &["linux"]).of("octo/tools"));
    asked.wait(60);
    assert_eq!(asked.jobs(), [], "the organization's hook does not cover the repository");
}
