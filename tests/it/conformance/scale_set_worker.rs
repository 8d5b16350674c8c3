//! Scale sets: their API, GARM's worker and the events of both (GARM.md §scale-sets).

use runnerctl::sim::GarmVersion;
use serde_json::{Value, json};

use super::events::{about, listen};
use super::garm::{Garm, keys, merged, tags};
use super::on_each;

const BAD: &str = "Bad Request";
const NO_SUCH_ID: &str = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";
const NO_SET: &str = "error fetching scale set: error fetching scale set by ID: not found";

/// A valid body of a disabled scale set.
fn draft(garm: &Garm, name: &str, fields: Value) -> Value {
    let body = json!({
        "name": name, "provider_name": garm.provider, "image": "ubuntu:24.04", "flavor": "small",
        "os_type": "linux", "os_arch": "amd64", "labels": [name], "max_runners": 4,
    });
    merged(body, fields)
}

fn sets_of(garm: &Garm) -> String {
    format!("/organizations/{}/scalesets", garm.organization)
}

async fn made(garm: &Garm, name: &str, fields: Value) -> Value {
    let body = draft(garm, name, fields);
    let answer = garm.ask("POST", &sets_of(garm), Some(&body)).await;
    assert_eq!(answer.status, 200, "POST {body}: {}", answer.text);
    answer.json
}

fn path(set: &Value) -> String {
    format!("/scalesets/{}", set["id"].as_u64().unwrap())
}

async fn put(garm: &Garm, set: &Value, body: Value) -> Value {
    let answer = garm.ask("PUT", &path(set), Some(&body)).await;
    assert_eq!(answer.status, 200, "PUT {body}: {}", answer.text);
    answer.json
}

async fn rows(garm: &Garm, set: &Value) -> Vec<Value> {
    garm.get(&format!("{}/instances", path(set))).await.as_array().unwrap().clone()
}

fn states(rows: &[Value]) -> Vec<(&str, &str)> {
    rows.iter()
        .map(|row| (row["status"].as_str().unwrap(), row["runner_status"].as_str().unwrap()))
        .collect()
}

async fn wait_for(garm: &Garm, set: &Value, expected: &[(&str, &str)]) -> Vec<Value> {
    garm.eventually(&format!("{expected:?}"), async || {
        let rows = rows(garm, set).await;
        (states(&rows) == expected).then_some(rows)
    })
    .await
}

/// Drains a scale set and deletes it. GARM crashes if the DELETE follows the PUT at once.
async fn remove(garm: &Garm, set: &Value) {
    put(garm, set, json!({ "min_idle_runners": 0, "max_runners": 0 })).await;
    wait_for(garm, set, &[]).await;
    put(garm, set, json!({ "enabled": false })).await;
    garm.pass(3).await;
    let answer = garm.ask("DELETE", &path(set), None).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    assert_eq!(garm.ask("GET", &path(set), None).await.status, 404);
}

const LISTED: [&str; 23] = [
    "created_at",
    "disable_update",
    "enable_shell",
    "endpoint",
    "extra_specs",
    "flavor",
    "generation",
    "github-runner-group",
    "id",
    "image",
    "max_runners",
    "name",
    "org_id",
    "org_name",
    "os_arch",
    "os_type",
    "provider_name",
    "runner_bootstrap_timeout",
    "runner_prefix",
    "scale_set_id",
    "state",
    "status_messages",
    "updated_at",
];

#[tokio::test]
async fn a_scale_set_has_these_fields_wherever_it_is_shown() {
    on_each(async |garm| {
        let fields = json!({ "labels": ["shown", "Large", "large"], "extra_specs": { "z": 1 } });
        let set = made(garm, "shown", fields).await;
        let listed = [LISTED.as_slice(), &["tags", "template_id"]].concat();
        let whole = [listed.as_slice(), &["template_name"]].concat();
        assert_eq!(keys(&set), whole.iter().copied().collect());
        assert_eq!(garm.get(&path(&set)).await, set);
        let all = garm.get("/scalesets").await;
        let row = all.as_array().unwrap().iter().find(|row| row["id"] == set["id"]).unwrap();
        assert_eq!(keys(row), listed.iter().copied().collect());
        for (key, value) in row.as_object().unwrap() {
            assert_eq!(*value, set[key], "{key}");
        }
        let own = garm.get(&sets_of(garm)).await;
        let own = own.as_array().unwrap().iter().find(|row| row["id"] == set["id"]).unwrap();
        assert_eq!(keys(own), keys(row));
        assert_eq!(own["endpoint"]["name"], Value::Null);
        assert_eq!(
            tags(&set).iter().map(|it| it.to_lowercase()).collect::<Vec<_>>(),
            ["large", "shown"]
        );
        for (key, expected) in [
            ("state", json!("pending_create")),
            ("runner_prefix", json!("garm")),
            ("runner_bootstrap_timeout", json!(20)),
            ("github-runner-group", json!("Default")),
            ("generation", json!(0)),
            ("status_messages", Value::Null),
            ("extra_specs", json!({ "z": 1 })),
            ("enabled", Value::Null),
        ] {
            assert_eq!(set[key], expected, "{key}");
        }
        let bare = made(garm, "bare", json!({ "labels": [], "enabled": false })).await;
        assert_eq!(bare["tags"], Value::Null);
        assert!(!keys(&bare).contains("extra_specs"));
        remove(garm, &bare).await;
        remove(garm, &set).await;
    })
    .await;
}

#[tokio::test]
async fn a_post_is_checked_after_github_was_asked_and_without_a_reason() {
    on_each(async |garm| {
        let set = made(garm, "taken", json!({})).await;
        let posts = sets_of(garm);
        let template = "failed to find suitable template: ";
        let none = "no template ID supplied and no default template can be found";
        let group = format!(
            "failed to get github runner group for entity {}: getting runner group ID: runner group \
             nowhere not found",
            garm.organization
        );
        let cases = [
            (json!({ "provider_name": "" }), (500, "Server error", String::new())),
            (json!({ "image": "" }), (500, "Server error", String::new())),
            (json!({ "flavor": "" }), (500, "Server error", String::new())),
            (json!({ "max_runners": 0 }), (500, "Server error", String::new())),
            (json!({ "min_idle_runners": 5 }), (500, "Server error", String::new())),
            (json!({ "max_runners": -1 }), (400, BAD, "invalid request".into())),
            (json!({ "os_type": "mac" }), (400, BAD, format!("{template}{none}"))),
            (json!({ "github-runner-group": "nowhere" }), (404, "Not Found", group)),
        ];
        for (fields, (status, error, details)) in cases {
            let body = draft(garm, "refused", fields);
            let answer = garm.ask("POST", &posts, Some(&body)).await;
            garm.assert_refused(&answer, (status, error, &details), &body.to_string());
        }
        let answer = garm.ask("POST", &posts, Some(&draft(garm, "taken", json!({})))).await;
        let details = answer.json["details"].as_str().unwrap();
        assert_eq!((answer.status, details.contains("a runner scale set named taken exists")), (400, true));
        for (id, status) in [("bad", 400), (NO_SUCH_ID, 404)] {
            let path = format!("/organizations/{id}/scalesets");
            let answer = garm.ask("POST", &path, Some(&draft(garm, "x", json!({})))).await;
            assert_eq!(answer.status, status, "{}", answer.text);
        }
        // The provider and the architecture are not checked.
        let fields = json!({ "provider_name": "nowhere", "os_arch": "none" });
        let unchecked = made(garm, "unchecked", fields).await;
        remove(garm, &unchecked).await;
        remove(garm, &set).await;
    })
    .await;
}

#[tokio::test]
async fn a_put_changes_what_it_names_and_ignores_what_cannot_change() {
    on_each(async |garm| {
        let set = made(garm, "changed", json!({ "extra_specs": { "z": 1 } })).await;
        let ignored = json!({
            "labels": ["another"], "tags": ["another"], "provider_name": "another", "image": "",
            "runner_group": "", "github-runner-group": "another",
        });
        assert_eq!(put(garm, &set, ignored).await, set);
        for (key, value, generation) in [
            ("max_runners", json!(0), 0),
            ("max_runners", json!(3), 0),
            ("min_idle_runners", json!(1), 0),
            ("min_idle_runners", json!(0), 0),
            ("runner_prefix", json!("other"), 0),
            ("runner_bootstrap_timeout", json!(30), 0),
            ("name", json!("renamed"), 0),
            ("image", json!("ubuntu:26.04"), 1),
            ("image", json!("ubuntu:26.04"), 1),
            ("extra_specs", json!({ "z": 2 }), 2),
            ("os_arch", json!("i386"), 3),
        ] {
            let after = put(garm, &set, json!({ key: value })).await;
            // A zero is absent.
            let is_there = after[key] == value || (value == 0 && after[key].is_null());
            assert!(is_there, "{key}: {after}");
            assert_eq!(after["generation"], generation, "{key}");
        }
        let updating = "error updating pool: error executing update callback: error fetching runner \
                        group from github: runner group nowhere does not exist";
        for (body, expected) in [
            (json!({ "min_idle_runners": 9 }), (400, BAD, "min_idle_runners cannot be larger than max_runners")),
            (json!({ "runner_bootstrap_timeout": 0 }), (400, BAD, "runner_bootstrap_timeout cannot be 0")),
            (json!({ "runner_group": "nowhere" }), (404, "Not Found", updating)),
            (json!({ "template_id": 99 }), (404, "Not Found", "failed to find suitable template: failed to get template: failed to get template: not found")),
        ] {
            let answer = garm.ask("PUT", &path(&set), Some(&body)).await;
            garm.assert_refused(&answer, expected, &body.to_string());
        }
        let proxy = garm.ask("PUT", &path(&set), Some(&json!({ "proxy_id": 77 }))).await;
        let is_main = garm.variant.version == GarmVersion::Main;
        assert_eq!(proxy.status, if is_main { 400 } else { 200 }, "{}", proxy.text);
        remove(garm, &set).await;
    })
    .await;
}

#[tokio::test]
async fn ids_are_numbers_and_an_unknown_one_is_deleted_with_success() {
    on_each(async |garm| {
        for (method, path, expected) in [
            ("GET", "/scalesets/4000000", (404, "Not Found", NO_SET)),
            ("PUT", "/scalesets/4000000", (404, "Not Found", NO_SET)),
            ("GET", "/scalesets/bad", (400, BAD, "invalid request")),
            ("DELETE", "/scalesets/bad", (400, BAD, "invalid request")),
            ("GET", "/scalesets/4294967296", (400, BAD, "invalid request")),
            ("POST", "/scalesets", (404, "Not found", "Resource not found")),
        ] {
            let answer = garm.ask(method, path, Some(&json!({}))).await;
            garm.assert_refused(&answer, expected, &format!("{method} {path}"));
        }
        assert_eq!(garm.ask("DELETE", "/scalesets/4000000", None).await.status, 200);
        assert_eq!(garm.get("/scalesets/4000000/instances").await, json!([]));
    })
    .await;
}

#[tokio::test]
async fn an_enabled_scale_set_is_not_deleted_nor_is_its_entity() {
    on_each(async |garm| {
        let set = made(garm, "kept", json!({ "enabled": true })).await;
        let refused = async |path: &str, what| {
            let answer = garm.ask("DELETE", path, None).await;
            garm.assert_refused(&answer, (400, BAD, what), path);
        };
        refused(&path(&set), "scale set is enabled; disable it first").await;
        let entity = format!("/organizations/{}", garm.organization);
        if garm.get(&format!("{entity}/pools")).await == json!([]) {
            let what = "organization has scale sets defined; delete them first";
            refused(&entity, what).await;
        }
        remove(garm, &set).await;
    })
    .await;
}

/// The rows of these jobs, which scale sets have.
async fn job_rows(garm: &Garm, jobs: &[i64]) -> Vec<Value> {
    let all = garm.get("/jobs").await;
    let ids: Vec<_> = jobs.iter().map(ToString::to_string).collect();
    let is_ours =
        |row: &&Value| ids.iter().any(|id| row["scaleset_job_id"].as_str() == Some(id.as_str()));
    all.as_array().unwrap().iter().filter(is_ours).cloned().collect()
}

#[tokio::test]
async fn jobs_are_assigned_get_runners_and_are_gone_at_the_end() {
    on_each(async |garm| {
        let fields = json!({ "enabled": true, "max_runners": 2 });
        let set = made(garm, "busy-set", fields).await;
        garm.pass(8).await;
        let jobs = garm.queue("busy-set", json!({ "count": 2, "duration_s": 600 })).await;
        garm.eventually("two assigned jobs", async || {
            let shown = garm.get(&path(&set)).await;
            (shown["desired_runner_count"] == 2).then_some(())
        })
        .await;
        let queued = job_rows(garm, &jobs).await;
        let id = |row: &Value| row["scaleset_job_id"].as_str().unwrap().to_owned();
        assert_eq!(queued.len(), 2);
        for row in &queued {
            assert!(!keys(row).contains("workflow_job_id"), "{row}");
            assert!(jobs.iter().any(|job| job.to_string() == id(row)));
            assert_eq!(row["runner_group_name"], "Default");
            assert_eq!(row["org_id"], json!(garm.organization));
            assert_eq!(row["action"], "push");
        }
        let active = [("running", "active"); 2];
        let rows = wait_for(garm, &set, &active).await;
        for row in &rows {
            assert_eq!((&row["scale_set_id"], &row["generation"]), (&set["id"], &json!(0)));
            assert!(!keys(row).contains("pool_id"), "{row}");
            assert_eq!(row["job"]["status"], "in_progress");
            let one = format!("/instances/{}", row["name"].as_str().unwrap());
            let answer = garm.ask("DELETE", &one, None).await;
            let details = answer.json["details"].as_str().unwrap();
            assert!(answer.status == 400 && details.contains("still running"), "{details}");
        }
        let running = job_rows(garm, &jobs).await;
        assert!(running.iter().all(|row| row["status"] == "in_progress"), "{running:?}");
        assert!(running.iter().all(|row| row["runner_name"].is_string()), "{running:?}");
        let answer = garm.ask("DELETE", &path(&set), None).await;
        garm.assert_refused(&answer, (400, BAD, "scale set has runners"), "busy");
        for job in &jobs {
            garm.github("POST", &format!("/jobs/{job}/complete"), None).await;
        }
        wait_for(garm, &set, &[]).await;
        assert_eq!(job_rows(garm, &jobs).await.len(), 0);
        assert_eq!(garm.get(&path(&set)).await["desired_runner_count"], Value::Null);
        remove(garm, &set).await;
    })
    .await;
}

#[tokio::test]
async fn a_level_is_held_until_the_maximum_is_lowered() {
    on_each(async |garm| {
        let fields = json!({ "enabled": true, "max_runners": 3, "min_idle_runners": 3 });
        let set = made(garm, "level-set", fields).await;
        wait_for(garm, &set, &[("running", "idle"); 3]).await;
        put(garm, &set, json!({ "min_idle_runners": 1 })).await;
        wait_for(garm, &set, &[("running", "idle")]).await;
        // Disabled, it makes no runner and still removes those above its level.
        put(garm, &set, json!({ "enabled": false, "min_idle_runners": 0 })).await;
        wait_for(garm, &set, &[]).await;
        put(garm, &set, json!({ "min_idle_runners": 2 })).await;
        garm.pass(12).await;
        assert_eq!(rows(garm, &set).await.len(), 0);
        put(garm, &set, json!({ "enabled": true })).await;
        wait_for(garm, &set, &[("running", "idle"); 2]).await;
        remove(garm, &set).await;
    })
    .await;
}

#[tokio::test]
async fn a_failed_create_is_removed_and_made_anew() {
    on_each(async |garm| {
        let specs = json!({ "lab_create_fail_rate": 1 });
        let fields = json!({ "enabled": true, "min_idle_runners": 1, "extra_specs": specs });
        let set = made(garm, "failing-set", fields).await;
        let first = wait_for(garm, &set, &[("error", "pending")]).await.remove(0);
        assert!(first["provider_fault"].is_string());
        garm.eventually("another row", async || {
            let rows = rows(garm, &set).await;
            rows.first().is_some_and(|row| row["name"] != first["name"]).then_some(())
        })
        .await;
        remove(garm, &set).await;
    })
    .await;
}

#[tokio::test]
async fn only_the_events_of_the_api_have_tags() {
    on_each(async |garm| {
        let kinds = ["scaleset", "instance"].map(|it| json!({ "entity-type": it }));
        let mut ear = listen(garm, &json!({ "filters": kinds })).await;
        let set = made(garm, "told-set", json!({ "enabled": true })).await;
        put(garm, &set, json!({ "max_runners": 1 })).await;
        garm.pass(8).await;
        let job = garm.queue("told-set", json!({})).await;
        wait_for(garm, &set, &[("running", "active")]).await;
        garm.github("POST", &format!("/jobs/{}/complete", job[0]), None).await;
        remove(garm, &set).await;
        let is_end =
            |it: &Value| about(it) == ("scaleset", "delete") && it["payload"]["id"] == set["id"];
        let all = ear.until(is_end).await;
        let ours: Vec<_> = all.iter().filter(|it| it["payload"]["id"] == set["id"]).collect();
        assert_eq!(about(ours[0]), ("scaleset", "create"));
        assert_eq!(ours[0]["payload"], set);
        assert_eq!(ours[1]["payload"]["max_runners"], 1);
        assert_eq!(ours[1]["payload"]["tags"], set["tags"]);
        let assigned = ours.iter().find(|it| it["payload"]["desired_runner_count"] == 1).unwrap();
        assert!(!keys(&assigned["payload"]).contains("tags"), "{assigned}");
        assert_eq!(assigned["payload"]["endpoint"]["name"], Value::Null);
        assert!(!keys(&ours.last().unwrap()["payload"]).contains("tags"));
        let of_rows = |operation| {
            all.iter().find(|it| {
                about(it) == ("instance", operation) && it["payload"]["scale_set_id"] == set["id"]
            })
        };
        assert_eq!(of_rows("create").unwrap()["payload"]["status"], "pending_create");
        assert_eq!(of_rows("delete").unwrap()["payload"]["status"], Value::Null);
        let is_deleted = |it: &Value| it["payload"]["status"] == "deleted";
        assert!(all.iter().any(is_deleted), "its last state");
    })
    .await;
}
