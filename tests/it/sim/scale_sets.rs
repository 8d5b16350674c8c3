//! The scale sets of the simulated GARM over minutes: races, faults and what a client cannot see
//! without them (GARM.md §scale-sets).

use runnerctl::sim::in_memory::InMemoryWorld;
use runnerctl::sim::{Forge, GarmVariant, GarmVersion, InitialLoad, LogEvent, SimConfig, World};
use serde_json::{Value, json};

use super::asked::{Asked, draft};

/// Creates an enabled scale set with additional fields; returns its path.
fn set(asked: &mut Asked, name: &str, more: &Value) -> String {
    let path = format!("/organizations/{}/scalesets", asked.organization());
    let mut body = draft(&[], json!({ "name": name, "labels": [name], "enabled": true }));
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let set = asked.ask("POST", &path, &body);
    format!("/scalesets/{}", set["id"].as_u64().unwrap_or_else(|| panic!("{set}")))
}

fn desired(asked: &mut Asked, set: &str) -> u64 {
    asked.get(set)["desired_runner_count"].as_u64().unwrap_or(0)
}

fn started(asked: &Asked) -> usize {
    let log = asked.0.log().iter();
    log.filter(|entry| matches!(entry.what, LogEvent::JobStarted { .. })).count()
}

#[test]
fn twelve_jobs_from_zero_start_within_twenty_seconds_and_leave_nothing() {
    let mut asked = Asked::new();
    let set = set(&mut asked, "linux", &json!({ "max_runners": 12 }));
    asked.wait(10);
    asked.queue(12, "linux", 30);
    let all = asked.seconds_until(|it| started(it) == 12);
    assert!((10..=20).contains(&all), "{all}");
    assert_eq!(desired(&mut asked, &set), 12);
    let gone = asked.seconds_until(|it| it.states(&set).is_empty());
    assert!((30..=40).contains(&gone), "{gone}");
    assert_eq!((desired(&mut asked, &set), asked.get("/jobs")), (0, json!([])));
    assert!(asked.0.killed_jobs().is_empty());
}

#[test]
fn rows_in_deletion_delay_the_next_runners() {
    let mut asked = Asked::new();
    asked.0.knobs_mut().delete_delay = std::time::Duration::from_secs(60);
    let set = set(&mut asked, "linux", &json!({ "max_runners": 2 }));
    asked.wait(10);
    asked.queue(2, "linux", 5);
    asked.seconds_until(|it| started(it) == 2);
    asked.queue(2, "linux", 5);
    let next = asked.seconds_until(|it| started(it) == 4);
    assert!((65..=95).contains(&next), "{next}");
    assert_eq!(asked.states(&set).len(), 2);
}

#[test]
fn no_more_jobs_are_assigned_than_the_maximum() {
    let mut asked = Asked::new();
    let set = set(&mut asked, "linux", &json!({ "max_runners": 2 }));
    asked.wait(10);
    asked.queue(5, "linux", 20);
    asked.wait(8);
    assert_eq!((desired(&mut asked, &set), asked.get("/jobs").as_array().unwrap().len()), (2, 2));
    // The next poll brings the new maximum: at the next message, or after 50 s.
    asked.put(&set, &json!({ "max_runners": 5 }));
    let more = asked.seconds_until(|it| desired(it, &set) == 5);
    assert!(more <= 50, "{more}");
    // A lower maximum ends the session and takes no job back.
    asked.put(&set, &json!({ "max_runners": 1 }));
    asked.wait(2);
    assert!(desired(&mut asked, &set) >= 3);
    let all = asked.seconds_until(|it| started(it) == 5);
    assert!(all < 200, "{all}");
}

#[test]
fn a_stalled_burst_waits_for_a_write_that_changes_something() {
    let mut asked = Asked::new();
    asked.0.knobs_mut().first_burst_stall_rate = 1.0;
    let set = set(&mut asked, "linux", &json!({ "max_runners": 6 }));
    asked.wait(10);
    asked.queue(3, "linux", 20);
    asked.wait(400);
    assert_eq!((desired(&mut asked, &set), asked.states(&set).len()), (3, 0));
    asked.put(&set, &json!({ "min_idle_runners": 0, "max_runners": 6 }));
    asked.wait(60);
    assert_eq!(asked.states(&set).len(), 0, "equal values do nothing");
    asked.put(&set, &json!({ "min_idle_runners": 1 }));
    asked.put(&set, &json!({ "min_idle_runners": 0 }));
    let rescued = asked.seconds_until(|it| !it.states(&set).is_empty());
    assert!(rescued <= 6, "{rescued}");
    // Later bursts do not stall.
    asked.seconds_until(|it| it.states(&set).is_empty());
    asked.queue(3, "linux", 20);
    asked.wait(30);
    assert_eq!(started(&asked), 6);
}

#[test]
fn a_lost_message_leaves_its_job_waiting() {
    let mut asked = Asked::new();
    let set = set(&mut asked, "linux", &json!({}));
    asked.wait(10);
    asked.0.knobs_mut().message_loss_rate = 1.0;
    let lost = asked.queue(1, "linux", 20)[0];
    asked.wait(5);
    asked.0.knobs_mut().message_loss_rate = 0.0;
    let is_lost = |what: &LogEvent| *what == LogEvent::MessageLost { jobs: vec![lost] };
    assert!(asked.0.log().iter().any(|entry| is_lost(&entry.what)));
    asked.wait(300);
    assert_eq!((desired(&mut asked, &set), started(&asked)), (0, 0));
    asked.queue(1, "linux", 20);
    asked.wait(30);
    assert_eq!(started(&asked), 1, "other jobs are served");
}

#[test]
fn a_lost_end_is_noticed_within_five_minutes() {
    let mut asked = Asked::new();
    let set = set(&mut asked, "linux", &json!({}));
    asked.wait(10);
    asked.queue(1, "linux", 20);
    asked.seconds_until(|it| it.states(&set) == ["running/active"]);
    asked.0.knobs_mut().message_loss_rate = 1.0;
    asked.wait(60);
    assert_eq!(asked.states(&set), ["running/active"]);
    let gone = asked.seconds_until(|it| it.states(&set).is_empty());
    assert!(gone <= 310, "{gone}");
}

#[test]
fn late_and_repeated_messages_lose_no_job() {
    let mut asked = Asked::new();
    let knobs = asked.0.knobs_mut();
    (knobs.message_late_rate, knobs.message_twice_rate) = (0.3, 0.3);
    let set = set(&mut asked, "linux", &json!({ "max_runners": 10 }));
    asked.wait(10);
    for _ in 0..6 {
        asked.queue(5, "linux", 15);
        asked.wait(20);
    }
    asked.wait(400);
    assert_eq!(started(&asked), 30);
    assert_eq!(asked.states(&set).len(), 0);
    assert!(asked.0.killed_jobs().is_empty());
}

#[test]
fn a_cancelled_job_gives_its_place_back() {
    let mut asked = Asked::new();
    let set = set(&mut asked, "linux", &json!({ "max_runners": 1 }));
    asked.wait(10);
    let jobs = asked.queue(2, "linux", 20);
    asked.wait(1);
    asked.0.end_job(jobs[0], "cancelled");
    asked.wait(1);
    let rows = asked.get("/jobs");
    assert_eq!(rows[0]["conclusion"], "canceled");
    assert_eq!((&rows[0]["runner_name"], desired(&mut asked, &set)), (&Value::Null, 1));
    asked.seconds_until(|it| started(it) == 1);
    let gone = asked.seconds_until(|it| it.get("/jobs") == json!([]));
    assert!((250..=330).contains(&gone), "{gone}");
}

#[test]
fn the_jobs_of_a_deleted_scale_set_go_to_a_pool() {
    let mut asked = Asked::new();
    let set = set(&mut asked, "linux", &json!({ "max_runners": 1 }));
    asked.wait(10);
    asked.put(&set, &json!({ "max_runners": 0 }));
    asked.wait(1);
    asked.queue(2, "linux", 20);
    asked.put(&set, &json!({ "enabled": false }));
    asked.wait(2);
    assert_eq!(asked.answer("DELETE", &set, &Value::Null).0, 200);
    asked.pool("linux", json!({ "min_idle_runners": 2 }));
    asked.wait(30);
    assert_eq!(started(&asked), 2);
}

#[test]
fn a_pool_with_the_labels_of_a_scale_set_makes_runners_for_jobs_that_it_cannot_have() {
    let mut asked = Asked(World::new(SimConfig { backoff: 5, ..SimConfig::default() }));
    set(
        &mut asked,
        "linux",
        &json!({ "max_runners": 1, "extra_specs": { "sim_create_fail_rate": 1 } }),
    );
    let pool = asked.pool("linux", json!({ "max_runners": 6 }));
    asked.wait(10);
    asked.queue(1, "linux", 20);
    asked.wait(90);
    assert!(!asked.states(&pool).is_empty());
    assert_eq!(started(&asked), 0);
}

#[test]
fn a_delete_right_after_disabling_crashes_garm() {
    let mut asked = Asked::new();
    let set = set(&mut asked, "linux", &json!({}));
    asked.wait(10);
    asked.put(&set, &json!({ "enabled": false }));
    asked.ask("DELETE", &set, &Value::Null);
    assert_eq!(asked.0.crashes(), 1);
    let second = self::set(&mut asked, "other", &json!({}));
    asked.wait(10);
    asked.put(&second, &json!({ "enabled": false }));
    asked.wait(2);
    asked.ask("DELETE", &second, &Value::Null);
    assert_eq!((asked.0.crashes(), asked.get("/scalesets")), (1, json!([])));
}

#[test]
fn a_delete_that_github_refuses_says_200_and_does_nothing() {
    let mut asked = Asked::new();
    let set = set(&mut asked, "linux", &json!({ "enabled": false }));
    asked.0.knobs_mut().api_fail_rate = 1.0;
    assert_eq!(asked.answer("DELETE", &set, &Value::Null).0, 200);
    asked.0.knobs_mut().api_fail_rate = 0.0;
    assert_eq!(asked.get(&set)["name"], "linux");
}

#[test]
fn an_old_garm_has_no_scale_sets_and_gitea_refuses_them() {
    let variant = GarmVariant { version: GarmVersion::V0_1_8, ..GarmVariant::default() };
    let mut old = Asked(World::new(SimConfig { variant, ..SimConfig::default() }));
    let own = format!("/organizations/{}/scalesets", old.organization());
    for (method, path) in [("GET", "/scalesets"), ("GET", own.as_str()), ("POST", own.as_str())] {
        let (status, answer) = old.answer(method, path, &json!({}));
        assert_eq!((status, &answer["details"]), (404, &json!("Resource not found")), "{path}");
    }
    let gitea = SimConfig { forge: Forge::Gitea, ..SimConfig::default() };
    let mut gitea = Asked(World::new(gitea));
    let own = format!("/organizations/{}/scalesets", gitea.organization());
    let body = draft(&[], json!({ "name": "linux" }));
    let (status, answer) = gitea.answer("POST", &own, &body);
    let what = "scale sets are only supported for github entities";
    assert_eq!((status, &answer["details"]), (400, &json!(what)));
    assert_eq!(gitea.get("/scalesets"), json!([]));
    assert_eq!(gitea.get("/pools"), json!([]));
}

#[test]
fn arriving_jobs_reach_pools_and_scale_sets() {
    let mut asked = Asked::new();
    let load = InitialLoad { pools: 1, runners: 2, scale_sets: 2, ..InitialLoad::default() };
    asked.0.load(load);
    asked.0.keep_arriving(std::time::Duration::from_secs(5));
    asked.wait(300);
    let mut asked_for = std::collections::BTreeSet::new();
    for entry in asked.0.log() {
        if let LogEvent::JobQueued { labels, .. } = &entry.what {
            asked_for.extend(labels.clone());
        }
    }
    assert_eq!(
        asked_for.iter().map(String::as_str).collect::<Vec<_>>(),
        ["by-hand-1", "by-hand-set-1", "by-hand-set-2"]
    );
    assert!(started(&asked) > 30);
}

#[tokio::test(start_paused = true)]
async fn a_crashed_garm_refuses_requests_for_three_seconds() {
    let mut asked = Asked::new();
    let set = set(&mut asked, "linux", &json!({}));
    asked.wait(10);
    asked.put(&set, &json!({ "enabled": false }));
    asked.ask("DELETE", &set, &Value::Null);
    let memory = InMemoryWorld::new(asked.0);
    let begun = tokio::time::Instant::now();
    let first = memory.client().pools().await;
    assert!(first.is_err() || begun.elapsed().as_secs() >= 3, "{first:?}");
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(memory.client().pools().await.unwrap(), []);
}

#[test]
fn jobs_survive_a_crash_of_garm() {
    let mut asked = Asked::new();
    let set = set(&mut asked, "linux", &json!({ "max_runners": 3 }));
    asked.wait(10);
    asked.queue(6, "linux", 30);
    asked.seconds_until(|it| started(it) == 3);
    asked.0.crash();
    asked.wait(20);
    asked.0.crash();
    let all = asked.seconds_until(|it| started(it) == 6);
    assert!((20..=90).contains(&all), "{all}");
    asked.seconds_until(|it| it.states(&set).is_empty());
    assert_eq!((desired(&mut asked, &set), asked.get("/jobs")), (0, json!([])));
    assert!(asked.0.killed_jobs().is_empty());
}
