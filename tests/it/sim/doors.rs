//! The two doors under faults: what a client of each sees.

use std::time::Duration;

use runnerctl::sim::http::Server;
use runnerctl::sim::{Config, Fault, Rule, World};

/// A server on a free port, its world, and a client.
async fn server() -> (String, std::sync::Arc<runnerctl::sim::http::Shared>, reqwest::Client) {
    let address = "127.0.0.1:0".parse().unwrap();
    let server = Server::bind(address, World::new(Config::default()), 1).await.unwrap();
    let base = format!("http://{}/api/v1", server.address());
    let shared = server.shared();
    tokio::spawn(server.serve(std::future::pending()));
    (base, shared, reqwest::Client::builder().no_proxy().build().unwrap())
}

#[tokio::test]
async fn only_a_loopback_address_is_listened_on() {
    let address = "0.0.0.0:0".parse().unwrap();
    let refused = Server::bind(address, World::new(Config::default()), 1).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
}

#[tokio::test]
async fn each_fault_looks_over_http_as_it_is_called() {
    let (base, shared, client) = server().await;
    let token = format!("Bearer {}", shared.with(World::admin_token));
    let get = async || {
        let request = client.get(format!("{base}/jobs")).header("Authorization", &token);
        let response = request.send().await.map_err(|_| "no answer")?;
        let status = response.status().as_u16();
        let text = response.text().await.map_err(|_| "half an answer")?;
        Ok::<_, &str>((status, text))
    };
    let add = |fault| shared.with(|it| it.faults.add(Rule::once("GET", "/jobs", fault)));
    let carried_out = || shared.with(|it| it.requests().len());
    let cases = [
        (Fault::Refuse, Err("no answer"), 0),
        (Fault::Drop, Err("no answer"), 0),
        (Fault::LoseAnswer, Err("no answer"), 1),
        (Fault::Truncate, Err("half an answer"), 1),
        (Fault::Status(503), Ok(503), 0),
        (Fault::Page(502), Ok(502), 0),
        (Fault::TokenExpired, Ok(401), 0),
        (Fault::Slow(Duration::from_millis(1)), Ok(200), 1),
    ];
    for (fault, expected, writes) in cases {
        let before = carried_out();
        add(fault.clone());
        let seen = get().await.map(|it| it.0);
        assert_eq!(seen, expected, "{fault:?}");
        assert_eq!(carried_out() - before, writes, "{fault:?}");
    }
    assert_eq!(get().await, Ok((200, "[]\n".to_owned())));
}

#[tokio::test]
async fn an_answer_carries_the_worlds_date() {
    let (base, shared, client) = server().await;
    let response = client.get(format!("{base}/jobs")).send().await.unwrap();
    let date = response.headers()["date"].to_str().unwrap().to_owned();
    assert!(date.contains("01 Jan 2026 00:00:0"), "{date} at {}", shared.with(|it| it.now()));
    assert_eq!(response.headers()["content-type"], "application/json");
}

#[tokio::test]
async fn a_world_that_is_full_answers_whole_and_stays_full() {
    let mut world = World::new(Config::default());
    let load = runnerctl::sim::Load { pools: 10, runners: 25, jobs: 12 };
    world.load(load);
    let count = |world: &mut World, path| {
        let token = format!("Bearer {}", world.admin_token());
        let authorization = Some(token.as_str());
        let request = runnerctl::sim::Request { method: "GET", path, authorization, body: b"" };
        let all: serde_json::Value = serde_json::from_str(&world.handle(request).body).unwrap();
        all.as_array().unwrap().len()
    };
    for _ in 0..2 {
        let counts = ["/pools", "/instances", "/jobs"].map(|it| count(&mut world, it));
        assert_eq!(counts, [10, 25, 12]);
        world.advance(Duration::from_secs(1800));
    }
    assert!(world.killed_jobs().is_empty());
}
