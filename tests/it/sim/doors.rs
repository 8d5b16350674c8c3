//! What clients of the HTTP and in-memory transports observe when faults are simulated.

use std::time::Duration;

use runnerctl::sim::http::SimServer;
use runnerctl::sim::{Fault, FaultRule, SimConfig, World};

/// A server on a free port, its world, and a client.
async fn server() -> (String, std::sync::Arc<runnerctl::sim::http::SharedWorld>, reqwest::Client) {
    let address = "127.0.0.1:0".parse().unwrap();
    let server = SimServer::bind(address, World::new(SimConfig::default()), 1).await.unwrap();
    let base = format!("http://{}/api/v1", server.address());
    let shared = server.shared();
    tokio::spawn(server.serve(std::future::pending()));
    (base, shared, reqwest::Client::builder().no_proxy().build().unwrap())
}

#[tokio::test]
async fn only_a_loopback_address_is_listened_on() {
    let address = "0.0.0.0:0".parse().unwrap();
    let refused = SimServer::bind(address, World::new(SimConfig::default()), 1).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
}

#[tokio::test]
async fn each_fault_has_its_effect_over_http() {
    let (base, shared, client) = server().await;
    let token = format!("Bearer {}", shared.with(World::admin_token));
    let get = async || {
        let request = client.get(format!("{base}/jobs")).header("Authorization", &token);
        let response = request.send().await.map_err(|_| "no answer")?;
        let status = response.status().as_u16();
        let text = response.text().await.map_err(|_| "half an answer")?;
        Ok::<_, &str>((status, text))
    };
    let add = |fault| shared.with(|it| it.faults.add(FaultRule::once("GET", "/jobs", fault)));
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
async fn a_response_has_the_worlds_date() {
    let (base, shared, client) = server().await;
    let response = client.get(format!("{base}/jobs")).send().await.unwrap();
    let date = response.headers()["date"].to_str().unwrap().to_owned();
    assert!(date.contains("01 Jan 2026 00:00:0"), "{date} at {}", shared.with(|it| it.now()));
    assert_eq!(response.headers()["content-type"], "application/json");
}

#[tokio::test]
async fn a_loaded_world_responds_completely_and_stays_loaded() {
    let mut world = World::new(SimConfig::default());
    let load = runnerctl::sim::InitialLoad { pools: 10, runners: 25, jobs: 12, scale_sets: 0 };
    world.load(load);
    let count = |world: &mut World, path| {
        let token = format!("Bearer {}", world.admin_token());
        let authorization = Some(token.as_str());
        let request = runnerctl::sim::ApiRequest { method: "GET", path, authorization, body: b"" };
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

/// 5,000 queued jobs and 10,000 idle runners: comparing each pair would keep a world busy for
/// hours.
#[test]
fn a_world_of_the_documented_size_keeps_up() {
    let mut world = World::new(SimConfig::default());
    world.load(runnerctl::sim::InitialLoad {
        pools: 1_000,
        runners: 10_000,
        jobs: 5_000,
        scale_sets: 0,
    });
    world.advance(Duration::from_secs(10));
    let token = format!("Bearer {}", world.admin_token());
    let request = runnerctl::sim::ApiRequest {
        method: "GET",
        path: "/jobs",
        authorization: Some(token.as_str()),
        body: b"",
    };
    let body = world.handle(request).body;
    assert_eq!(body.matches("\"workflow_job_id\"").count(), 5_000);
}

#[tokio::test]
async fn events_come_over_a_websocket_once_a_filter_is_sent() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;

    let (base, shared, client) = server().await;
    let url = format!("{}/ws/events", base.replace("http:", "ws:"));
    let refused = tokio_tungstenite::connect_async(&url).await.unwrap_err();
    assert!(refused.to_string().contains("401"), "{refused}");

    let token = format!("Bearer {}", shared.with(World::admin_token));
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("Authorization", token.parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let wish = r#"{"filters":[{"entity-type":"pool","operations":["create","delete"]}]}"#;
    socket.send(Message::text(wish)).await.unwrap();
    // A pong shows that the filter before it has been read.
    socket.send(Message::Ping(Vec::new().into())).await.unwrap();
    assert!(matches!(socket.next().await, Some(Ok(Message::Pong(_)))));

    let get = |path: &str| client.get(format!("{base}{path}")).header("Authorization", &token);
    let text = get("/organizations").send().await.unwrap().text().await.unwrap();
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    let path = format!("/organizations/{}/pools", all[0]["id"].as_str().unwrap());
    let body = super::asked::draft(&["linux"], serde_json::json!({})).to_string();
    let post = client.post(format!("{base}{path}")).header("Authorization", &token).body(body);
    let text = post.send().await.unwrap().text().await.unwrap();
    let pool: serde_json::Value = serde_json::from_str(&text).unwrap();
    let one = format!("{base}/pools/{}", pool["id"].as_str().unwrap());
    let put = client.put(&one).header("Authorization", &token).body(r#"{"priority":3}"#);
    assert_eq!(put.send().await.unwrap().status().as_u16(), 200);
    let delete = client.delete(&one).header("Authorization", &token);
    assert_eq!(delete.send().await.unwrap().status().as_u16(), 200);

    let mut seen = Vec::new();
    while seen.len() < 2 {
        if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
            let event: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(event["payload"]["id"], pool["id"]);
            seen.push(event["operation"].as_str().unwrap().to_owned());
        }
    }
    seen.sort();
    assert_eq!(seen, ["create", "delete"]);

    socket.send(Message::text("nonsense")).await.unwrap();
    let end = socket.next().await.unwrap().unwrap();
    assert!(matches!(end, Message::Close(Some(frame)) if u16::from(frame.code) == 1000));
}
