//! The setup states of GARM, and the value that breaks it (GARM.md §b, §0.11).

use runnerctl::sim::{ApiRequest, SetupState, SimConfig, World};
use serde_json::{Value, json};

use super::asked::Asked;

/// A request without a token.
fn bare(world: &mut World, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let request = ApiRequest { method, path, authorization: None, body: body.as_bytes() };
    let reply = world.handle(request);
    (reply.status, serde_json::from_str(&reply.body).unwrap_or(Value::Null))
}

#[test]
fn without_an_admin_everything_is_init_required() {
    let mut world = World::new(SimConfig { setup: SetupState::Fresh, ..SimConfig::default() });
    let expected = (409, json!({ "error": "init_required", "details": "Missing superuser" }));
    for (method, path) in [("GET", "/pools"), ("POST", "/auth/login"), ("GET", "/controller")] {
        assert_eq!(bare(&mut world, method, path, &json!({})), expected, "{method} {path}");
    }
    let weak = json!({ "username": "a", "password": "short", "email": "a@b.c" });
    let (status, refusal) = bare(&mut world, "POST", "/first-run", &weak);
    assert_eq!((status, &refusal["details"]), (400, &json!("password is too weak")));
    let strong =
        json!({ "username": "root", "password": "a-long-and-strong-one", "email": "a@b.c" });
    assert_eq!(bare(&mut world, "POST", "/first-run", &strong).0, 200);
    assert_eq!(bare(&mut world, "POST", "/auth/login", &strong).0, 200);
    assert_eq!(bare(&mut world, "POST", "/first-run", &strong).0, 409);
}

#[test]
fn without_urls_only_the_controller_answers() {
    let mut asked =
        Asked(World::new(SimConfig { setup: SetupState::NoUrls, ..SimConfig::default() }));
    for path in ["/pools", "/controller-info", "/providers"] {
        let (status, refusal) = asked.answer("GET", path, &Value::Null);
        assert_eq!((status, &refusal["error"]), (409, &json!("urls_required")), "{path}");
    }
    assert_eq!(asked.answer("GET", "/controller", &Value::Null).0, 200);
    let urls = json!({
        "metadata_url": "http://g/api/v1/metadata", "callback_url": "http://g/api/v1/callbacks",
        "agent_url": "http://g/agent",
    });
    asked.put("/controller", &urls);
    assert_eq!(asked.answer("GET", "/pools", &Value::Null), (200, json!([])));
}

#[test]
fn one_backoff_breaks_the_controller_and_one_overflows() {
    let mut asked = Asked::new();
    let pool = asked.pool("linux", json!({}));
    asked.put("/controller", &json!({ "minimum_job_age_backoff": 9_223_372_036_u64 }));
    asked.queue(1, "linux", 600);
    asked.wait(60);
    assert_eq!(asked.states(&pool), [""; 0]);
    // One second more overflows, and GARM creates runners at once (GARM.md §d).
    asked.put("/controller", &json!({ "minimum_job_age_backoff": 9_223_372_037_u64 }));
    asked.wait(6);
    assert_eq!(asked.states(&pool).len(), 1);
    asked.put("/controller", &json!({ "minimum_job_age_backoff": u64::MAX }));
    assert_eq!(asked.answer("GET", "/controller", &Value::Null).0, 500);
    let (status, refusal) = asked.answer("GET", "/pools", &Value::Null);
    assert_eq!((status, &refusal["error"]), (409, &json!("urls_required")));
    let back = json!({ "minimum_job_age_backoff": 30 });
    assert_eq!(asked.answer("PUT", "/controller", &back).0, 500);
}

#[test]
fn a_token_expires_after_a_day() {
    let mut asked = Asked::new();
    let token = format!("Bearer {}", asked.0.admin_token());
    let status = |asked: &mut Asked| {
        let authorization = Some(token.as_str());
        asked.0.handle(ApiRequest { method: "GET", path: "/jobs", authorization, body: b"" }).status
    };
    asked.wait(24 * 3600 - 1);
    assert_eq!(status(&mut asked), 200);
    asked.wait(1);
    assert_eq!(status(&mut asked), 401);
}
