//! GARM's events over the in-memory transport, in virtual time.

use std::sync::Arc;
use std::time::Duration;

use runnerctl::domain::entity::EntityKind;
use runnerctl::garm::GarmClient;
use runnerctl::garm::events::{Feed, StreamLimits, StreamSignal};
use runnerctl::scaling::RowChange;
use runnerctl::sim::in_memory::InMemoryWorld;
use runnerctl::sim::{ApiRequest, Fault, FaultRule, JobBatch, SimConfig, World};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

/// A timeout in virtual time.
const LONG: Duration = Duration::from_secs(600);

fn bench(config: SimConfig) -> (Arc<InMemoryWorld>, GarmClient, Feed) {
    let memory = InMemoryWorld::new(World::new(config));
    let client = memory.client();
    let feed = client.events(StreamLimits::default());
    (memory, client, feed)
}

async fn connected(feed: &mut Feed) {
    assert_eq!(next(feed).await, StreamSignal::Connected);
}

async fn next(feed: &mut Feed) -> StreamSignal {
    timeout(LONG, feed.next()).await.unwrap().unwrap()
}

/// One change as a short text.
fn words(change: &RowChange) -> String {
    match change {
        RowChange::Runner(it) => format!("runner {}/{}", it.status.word(), it.runner_status.word()),
        RowChange::RunnerGone(_) => "runner gone".into(),
        RowChange::Job(it) => format!("job {}", it.status.word()),
        RowChange::JobGone(_) => "job gone".into(),
        RowChange::Pool(it) => format!("pool of level {}", it.spec.min_idle_runners),
        RowChange::PoolGone(_) => "pool gone".into(),
    }
}

/// All signals within this span.
async fn within(feed: &mut Feed, span: Duration) -> Vec<StreamSignal> {
    let end = Instant::now() + span;
    let mut all = Vec::new();
    while let Ok(signal) = tokio::time::timeout_at(end, feed.next()).await {
        all.push(signal.unwrap());
    }
    all
}

fn changes(signals: &[StreamSignal]) -> Vec<String> {
    let all = signals.iter().flat_map(|it| match it {
        StreamSignal::Changes(changes) => changes.iter().map(words).collect(),
        StreamSignal::Connected
        | StreamSignal::Settings
        | StreamSignal::Lost(_)
        | StreamSignal::Overflow => Vec::new(),
    });
    all.collect()
}

/// Sends a request as the admin.
fn ask(memory: &InMemoryWorld, method: &str, path: &str, body: &Value) -> Value {
    let reply = memory.with(|it| {
        let token = format!("Bearer {}", it.admin_token());
        let body = body.to_string();
        it.handle(ApiRequest { method, path, authorization: Some(&token), body: body.as_bytes() })
    });
    assert_eq!(reply.status, 200, "{method} {path}: {}", reply.body);
    serde_json::from_str(&reply.body).unwrap()
}

/// Creates a pool of the organization; returns its path.
async fn pool(memory: &InMemoryWorld, client: &GarmClient, fields: Value) -> String {
    let entity = client.entities(EntityKind::Organization).await.unwrap().remove(0).key;
    let path = format!("/organizations/{}/pools", entity.id.as_str());
    let pool = ask(memory, "POST", &path, &super::asked::draft(&["linux"], fields));
    format!("/pools/{}", pool["id"].as_str().unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_events_of_a_runner_arrive_in_order() {
    let mut config = SimConfig::default();
    config.knobs.event_late_rate = 0.0;
    let (memory, client, mut feed) = bench(config);
    connected(&mut feed).await;
    let path = pool(&memory, &client, json!({ "enabled": true, "min_idle_runners": 1 })).await;
    let boot = within(&mut feed, Duration::from_secs(30)).await;
    let expected = [
        "pool of level 1",
        "runner pending_create/pending",
        "runner creating/pending",
        "runner running/pending",
        "runner running/installing",
        "runner running/idle",
    ];
    let mut seen = changes(&boot);
    // Each message of the install script is a write of the row.
    seen.dedup();
    assert_eq!(seen, expected);

    ask(&memory, "PUT", &path, &json!({ "min_idle_runners": 0 }));
    let order = JobBatch::new(1, &["linux"]).lasting(Duration::from_secs(5));
    memory.with(|it| it.queue_jobs(&order));
    let work = changes(&within(&mut feed, Duration::from_secs(60)).await);
    let at = |text: &str| {
        work.iter().position(|it| it == text).unwrap_or_else(|| panic!("{text} in {work:?}"))
    };
    let order = [
        "pool of level 0",
        "job queued",
        "job in_progress",
        "runner running/active",
        "job completed",
        "runner running/terminated",
        "runner gone",
    ];
    assert!(order.map(at).is_sorted(), "{work:?}");
    // The row of a job is deleted with its runner's, without an event (GARM.md §g).
    assert!(!work.iter().any(|it| it == "job gone"), "{work:?}");
}

#[tokio::test(start_paused = true)]
async fn a_garm_without_pings_is_dead() {
    let (memory, _client, mut feed) = bench(SimConfig::default());
    connected(&mut feed).await;
    assert_eq!(within(&mut feed, Duration::from_secs(3600)).await, []);
    memory.with(|it| it.faults.add(FaultRule::always("PING", "", Fault::Drop)));
    let since = Instant::now();
    let why = "GARM was silent for 75s, pings included";
    assert_eq!(next(&mut feed).await, StreamSignal::Lost(why.into()));
    assert!(since.elapsed() <= Duration::from_secs(75));
    connected(&mut feed).await;
    assert!(since.elapsed() <= Duration::from_secs(77));
}

#[tokio::test(start_paused = true)]
async fn a_broken_stream_is_reopened_and_a_refused_one_backs_off() {
    let (memory, _client, mut feed) = bench(SimConfig::default());
    connected(&mut feed).await;
    memory.cut_streams();
    assert_eq!(next(&mut feed).await, StreamSignal::Lost("the connection was closed".into()));
    connected(&mut feed).await;

    // GARM is down for ten minutes: the reason is signalled once, and attempts become rare.
    memory.with(|it| it.faults.add(FaultRule::always("GET", "/ws/events", Fault::Refuse)));
    let before = memory.with(|it| it.faults.hits());
    memory.cut_streams();
    let told = within(&mut feed, LONG).await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(matches!(&told[1], StreamSignal::Lost(why) if why.contains("connection refused")));
    let tries = memory.with(|it| it.faults.hits()) - before;
    assert!((20..=50).contains(&tries), "{tries} tries in ten minutes");
    memory.with(|it| it.faults.clear());
    let since = Instant::now();
    connected(&mut feed).await;
    assert!(since.elapsed() <= Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_renewed_and_a_refused_login_is_signalled() {
    let (memory, client, mut feed) = bench(SimConfig::default());
    connected(&mut feed).await;
    tokio::time::sleep(Duration::from_secs(25 * 3600)).await;
    memory.cut_streams();
    assert_eq!(next(&mut feed).await, StreamSignal::Lost("the connection was closed".into()));
    connected(&mut feed).await;
    let logins =
        memory.with(|it| it.requests().iter().filter(|it| it.path == "/auth/login").count());
    assert_eq!(logins, 2);

    memory.with(|it| it.faults.add(FaultRule::once("GET", "/ws/events", Fault::Page(502))));
    memory.cut_streams();
    assert_eq!(next(&mut feed).await, StreamSignal::Lost("the connection was closed".into()));
    let StreamSignal::Lost(why) = next(&mut feed).await else { panic!("not refused") };
    assert!(why.starts_with("listen to the events at http://garm.example.com: 502"), "{why}");
    connected(&mut feed).await;
    drop(client);
}

/// The events received in ten busy minutes.
async fn heard(seed: u64, loss_rate: f64) -> (Vec<String>, usize) {
    let mut config = SimConfig { seed, ..SimConfig::default() };
    config.knobs.event_loss_rate = loss_rate;
    config.knobs.event_late_rate = 0.1;
    config.knobs.event_late_by = Duration::from_secs(2);
    let (memory, client, mut feed) = bench(config);
    connected(&mut feed).await;
    pool(&memory, &client, json!({ "enabled": true, "min_idle_runners": 2 })).await;
    let order = JobBatch::new(10, &["linux"]).lasting(Duration::from_secs(5));
    memory.with(|it| it.queue_jobs(&order));
    let signals = within(&mut feed, LONG).await;
    let mut newest = std::collections::HashMap::new();
    let mut inverted = 0;
    for signal in &signals {
        let StreamSignal::Changes(changes) = signal else { panic!("{signal:?}") };
        for change in changes {
            if let RowChange::Runner(runner) = change {
                let before = newest.entry(runner.id.clone()).or_insert(runner.updated_at);
                inverted += usize::from(*before > runner.updated_at);
                *before = runner.updated_at.max(*before);
            }
        }
    }
    (changes(&signals), inverted)
}

#[tokio::test(start_paused = true)]
async fn losses_and_order_depend_on_the_seed() {
    let (all, inverted) = heard(1, 0.0).await;
    assert!(inverted > 0, "{all:?}");
    let (some, _) = heard(1, 0.3).await;
    assert!(some.len() < all.len() * 9 / 10, "{} of {}", some.len(), all.len());
    assert_eq!(heard(1, 0.3).await.0, some);
    assert_ne!(heard(2, 0.3).await.0, some);
}

#[tokio::test(start_paused = true)]
async fn half_a_message_is_skipped_and_the_next_is_received() {
    let (memory, client, mut feed) = bench(SimConfig::default());
    connected(&mut feed).await;
    memory.with(|it| it.faults.add(FaultRule::once("EVENT", "pool/create", Fault::Truncate)));
    pool(&memory, &client, json!({})).await;
    pool(&memory, &client, json!({})).await;
    let heard = within(&mut feed, Duration::from_secs(1)).await;
    assert_eq!(changes(&heard), ["pool of level 0"]);
    assert_eq!(feed.misread(), 1);
}
