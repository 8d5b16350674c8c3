//! The event stream (GARM.md §g), and how our client decodes it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use runnerctl::domain::name::PoolId;
use runnerctl::garm::events::{StreamLimits, StreamSignal};
use runnerctl::garm::{GarmClient, GarmLogin, Http, HttpOptions};
use runnerctl::scaling::RowChange;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::garm::{Garm, id, keys};
use super::on_each;

/// Timeout, for the slower of the two.
const PATIENCE: Duration = Duration::from_secs(60);

const ZERO: &str = "0001-01-01T00:00:00Z";

/// One subscriber.
pub(super) struct Ear(WebSocketStream<MaybeTlsStream<TcpStream>>);

async fn open(
    garm: &Garm,
    query: &str,
    authorization: Option<String>,
) -> Result<Ear, tungstenite::Error> {
    let url = format!("{}/api/v1/ws/events{query}", garm.url().replacen("http", "ws", 1));
    let mut request = url.into_client_request().unwrap();
    if let Some(authorization) = authorization {
        request.headers_mut().insert("Authorization", authorization.parse().unwrap());
    }
    tokio_tungstenite::connect_async(request).await.map(|it| Ear(it.0))
}

/// A subscriber whose filter has been read.
pub(super) async fn listen(garm: &Garm, filter: &Value) -> Ear {
    let mut ear = open(garm, "", Some(format!("Bearer {}", garm.token()))).await.unwrap();
    ear.wish(filter).await;
    ear
}

impl Ear {
    async fn wish(&mut self, filter: &Value) {
        self.0.send(Message::text(filter.to_string())).await.unwrap();
        // A pong shows that what was sent before the ping has been read.
        self.0.send(Message::Ping(b"read?".to_vec().into())).await.unwrap();
        while !matches!(self.message().await, Some(Message::Pong(_))) {}
    }

    /// The next message; `None` at the end.
    async fn message(&mut self) -> Option<Message> {
        tokio::time::timeout(PATIENCE, self.0.next()).await.unwrap().map(Result::unwrap)
    }

    /// Events up to and including the first that matches.
    pub(super) async fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let message = self.message().await.unwrap();
            let Message::Text(text) = message else { continue };
            let event: Value = serde_json::from_str(&text).unwrap();
            let is_last = fits(&event);
            all.push(event);
            if is_last {
                return all;
            }
        }
    }
}

/// Entity type and operation.
pub(super) fn about(event: &Value) -> (&str, &str) {
    (event["entity-type"].as_str().unwrap(), event["operation"].as_str().unwrap())
}

/// A filter for the events that `watch` uses.
fn ours() -> Value {
    let kinds = ["instance", "job", "pool"].map(|it| json!({ "entity-type": it }));
    json!({ "filters": kinds })
}

#[tokio::test]
async fn the_stream_requires_a_token_in_the_header() {
    on_each(async |garm| {
        let token = garm.token();
        for (query, authorization) in [
            (String::new(), None),
            (String::new(), Some("Bearer nonsense".to_owned())),
            (format!("?token={token}"), None),
        ] {
            let refused = open(garm, &query, authorization).await.err().unwrap();
            let tungstenite::Error::Http(response) = refused else { panic!("{refused}") };
            assert_eq!(response.status().as_u16(), 401);
        }
    })
    .await;
}

#[tokio::test]
async fn events_of_a_pool_have_its_row_and_its_delete_is_a_stub() {
    on_each(async |garm| {
        let mut ear = listen(garm, &ours()).await;
        let pool = garm.pool("told", json!({})).await;
        garm.put(id(&pool), json!({ "priority": 3 })).await;
        garm.remove(id(&pool)).await;
        let is_end =
            |it: &Value| about(it) == ("pool", "delete") && it["payload"]["id"] == pool["id"];
        let mut all = ear.until(is_end).await;
        let stub = all.pop().unwrap();
        for event in &all {
            assert_eq!(keys(event), ["entity-type", "operation", "payload"].into(), "{event}");
            assert_eq!(event["payload"]["id"], pool["id"]);
            assert_eq!(event["payload"]["image"], json!("ubuntu:24.04"));
            assert!(event["payload"]["org_id"].is_string(), "{event}");
        }
        assert!(all.iter().any(|it| about(it) == ("pool", "create")), "{all:?}");
        assert!(all.iter().any(|it| it["payload"]["priority"] == json!(3)), "{all:?}");
        let payload = &stub["payload"];
        assert_eq!((&payload["created_at"], &payload["updated_at"]), (&json!(ZERO), &json!(ZERO)));
        for absent in ["image", "tags", "org_id", "max_runners", "instances"] {
            assert!(!keys(payload).contains(absent), "{absent} in {payload}");
        }
    })
    .await;
}

#[tokio::test]
async fn events_of_a_runner_have_its_row_and_its_delete_is_a_stub() {
    on_each(async |garm| {
        let mut ear = listen(garm, &ours()).await;
        let fields = json!({ "enabled": true, "min_idle_runners": 1, "max_runners": 1 });
        let pool = garm.pool("life-told", fields).await;
        let runner = garm.wait_for(id(&pool), 1, "running", "idle").await.remove(0);
        garm.put(id(&pool), json!({ "min_idle_runners": 0 })).await;
        let job = garm.queue("life-told", json!({ "duration_s": 1 })).await[0];
        let is_end =
            |it: &Value| about(it) == ("instance", "delete") && it["payload"]["id"] == runner["id"];
        let all = ear.until(is_end).await;
        let states: Vec<_> = all
            .iter()
            .filter(|it| about(it).0 == "instance" && it["payload"]["id"] == runner["id"])
            .map(|it| (it["payload"]["status"].as_str(), it["payload"]["runner_status"].as_str()))
            .collect();
        for state in [
            (Some("pending_create"), Some("pending")),
            (Some("running"), Some("idle")),
            (Some("running"), Some("active")),
            // The stub.
            (None, None),
        ] {
            assert!(states.contains(&state), "{state:?} in {states:?}");
        }
        let idle = all.iter().find(|it| it["payload"]["runner_status"] == json!("idle")).unwrap();
        assert_eq!(idle["payload"]["pool_id"], pool["id"]);
        assert!(idle["payload"]["status_messages"].as_array().is_some_and(|it| !it.is_empty()));
        assert_eq!(all.last().unwrap()["payload"]["updated_at"], json!(ZERO));
        let is_job =
            |it: &&Value| about(it).0 == "job" && it["payload"]["workflow_job_id"] == json!(job);
        let jobs: Vec<_> = all.iter().filter(is_job).collect();
        assert!(jobs.iter().any(|it| it["payload"]["status"] == json!("queued")), "{jobs:?}");
        assert!(jobs.iter().any(|it| it["payload"]["status"] == json!("in_progress")), "{jobs:?}");
        assert!(jobs.iter().all(|it| it["payload"]["org_id"] == json!(garm.organization)));
        assert!(!jobs.iter().any(|it| about(it).1 == "delete"), "{jobs:?}");
        garm.remove(id(&pool)).await;
    })
    .await;
}

#[tokio::test]
async fn a_new_filter_replaces_the_old_one_and_an_empty_one_does_not() {
    on_each(async |garm| {
        let of = |operation: &str| {
            json!({ "filters": [{ "entity-type": "pool", "operations": [operation] }] })
        };
        let mut ear = listen(garm, &of("create")).await;
        ear.wish(&of("delete")).await;
        ear.wish(&json!({ "filters": [] })).await;
        let pool = garm.pool("filtered", json!({})).await;
        garm.remove(id(&pool)).await;
        let first = ear.until(|_| true).await.remove(0);
        assert_eq!(about(&first), ("pool", "delete"));
        assert_eq!(first["payload"]["id"], pool["id"]);
    })
    .await;
}

#[tokio::test]
async fn a_bad_filter_ends_the_stream() {
    on_each(async |garm| {
        for bad in ["nonsense", r#"{"filters":[{"entity-type":"nothing"}]}"#] {
            let mut ear = listen(garm, &ours()).await;
            ear.0.send(Message::text(bad)).await.unwrap();
            let mut end = ear.message().await.unwrap();
            // GARM writes a text and stops, and the text is mostly lost.
            if let Message::Text(word) = &end {
                assert!(word.ends_with(" filter"), "{word}");
                end = ear.message().await.unwrap();
            }
            let Message::Close(Some(frame)) = end else { panic!("{end:?}") };
            assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1000, ""));
        }
    })
    .await;
}

#[tokio::test]
async fn the_client_decodes_garms_events() {
    on_each(async |garm| {
        let (name, password) = garm.login.clone();
        let http = Http::new(&HttpOptions::new(garm.url())).unwrap();
        let client =
            GarmClient::new(Arc::new(http), GarmLogin::new(name, SecretString::from(password)));
        let mut feed = client.events(StreamLimits::default());
        let mut next = async || tokio::time::timeout(PATIENCE, feed.next()).await.unwrap().unwrap();
        assert_eq!(next().await, StreamSignal::Connected);
        let fields = json!({ "enabled": true, "min_idle_runners": 1, "max_runners": 1 });
        let pool = garm.pool("heard", fields).await;
        garm.wait_for(id(&pool), 1, "running", "idle").await;
        let job = garm.queue("heard", json!({ "hold": true })).await[0];
        garm.eventually("the job", async || garm.job(job).await).await;
        garm.github("POST", &format!("/jobs/{job}/cancel"), None).await;
        garm.remove(id(&pool)).await;
        let mut heard = Vec::new();
        let end = RowChange::PoolGone(PoolId::new(id(&pool)));
        while !heard.contains(&end) {
            match next().await {
                StreamSignal::Changes(changes) => heard.extend(changes),
                other => panic!("{other:?}"),
            }
        }
        // The row in an event is the row that GARM lists.
        let idle = heard.iter().find_map(|it| match it {
            RowChange::Runner(it) if it.is_idle() => Some(it),
            _ => None,
        });
        let idle = idle.unwrap();
        assert_eq!(idle.pool, Some(PoolId::new(id(&pool))));
        assert!(!idle.messages.is_empty());
        assert!(heard.contains(&RowChange::RunnerGone(idle.id.clone())));
        let is_job = |it: &RowChange| matches!(it, RowChange::Job(it) if it.workflow_job_id == job);
        assert!(heard.iter().any(is_job));
        assert_eq!(feed.misread(), 0);
    })
    .await;
}
