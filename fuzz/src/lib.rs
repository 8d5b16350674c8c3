//! The bodies of the fuzz targets: what the program does with external bytes, and what must hold for
//! all of them. An ordinary test (`tests/it/fuzzed.rs`) runs them on the seeds.

use std::collections::VecDeque;
use std::future::{pending, ready};
use std::sync::{Arc, Mutex};

use runnerctl::audit::{
    Actor, Cause, CheckCriteria, Entry, Head, Key, Keys, NamedFile, RecordKind, Subject, TailScope,
    read_tail, seal, verify,
};
use runnerctl::config::{Manifest, SourceFile, load, load_policy};
use runnerctl::domain::desired::Scope;
use runnerctl::domain::entity::{EntityKey, EntityKind};
use runnerctl::domain::name::{EntityId, PoolId, RunnerName};
use runnerctl::domain::pool::PoolChange;
use runnerctl::garm::events::{StreamLimits, StreamSignal};
use runnerctl::garm::transport::{
    Frame, FrameFuture, FrameStream, StreamFuture, StreamRequest, StreamResponse,
};
use runnerctl::garm::{
    GarmClient, GarmError, GarmLogin, Request, Response, ResponseFuture, Transport,
};
use runnerctl::plan::saved;
use runnerctl::policy::{UndeclaredPools, judge};
use runnerctl::render::problem;
use secrecy::SecretString;

/// The fleet file for decoding pool files.
const FLEET: &str = "fleet: acme\ngarm: { url: 'https://garm.test', username: a, password: 'env:P' }\n\
                     defaults: { organization: acme, provider: aws, image: i, labels: [x] }\n\
                     policy: { networks: { aws: { keys: [net, a.b], allow: ['ci-*'], required: true } },\n\
                     extra_specs: { allow_keys: [net] }, max_total_runners: 9 }\n";

/// Nothing that moves a cursor or gives a line of its own.
fn is_quiet(text: &str) {
    let bad = text.chars().find(|it| it.is_control() || ('\u{202a}'..='\u{202e}').contains(it));
    assert_eq!(bad, None, "{text:?}");
}

fn source(text: &str) -> SourceFile {
    SourceFile { path: "a.yaml".into(), text: text.into(), folder: None }
}

/// YAML: as pool file, as fleet file, as policy.
pub fn manifest(data: &[u8]) {
    let Ok(read) = SourceFile::decode("a.yaml", data.to_vec()) else { return };
    let with_fleet = load(Some(&source(FLEET)), &[source(&read.text)]);
    looked_at(&load(None, &[source(&read.text)]));
    looked_at(&load(
        Some(&read),
        &[source("pools: [{ name: a, max_runners: 1, instance_type: x }]")],
    ));
    looked_at(&with_fleet);
    let (_, problems) = load_policy(&read);
    let _ = problem::text(&problems);
    if let Some(file) = &with_fleet.fleet_file {
        let found = judge(&[&file.policy], &with_fleet.pools, UndeclaredPools::default());
        found.iter().for_each(|it| is_quiet(&it.message));
    }
}

fn looked_at(manifest: &Manifest) {
    let _ = problem::text(&manifest.problems);
    for it in &manifest.problems {
        is_quiet(&it.message);
    }
    for it in problem::annotations(&manifest.problems, None) {
        is_quiet(&it);
    }
    if let Err(problems) = manifest.complete(Scope::Whole) {
        let _ = problem::text(&problems);
    }
}

/// Returns the same response to every request except the login, and plays frames as the event stream.
struct Answering {
    status: u16,
    body: Vec<u8>,
    frames: Mutex<VecDeque<Frame>>,
}

impl Transport for Answering {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        let is_login = request.path == "/auth/login";
        let response = Response {
            status: if is_login { 200 } else { self.status },
            content_type: None,
            date: None,
            body: if is_login { br#"{"token":"t"}"#.to_vec() } else { self.body.clone() },
        };
        Box::pin(ready(Ok(response)))
    }

    fn listen(&self, _: StreamRequest) -> StreamFuture<'_> {
        let frames = std::mem::take(&mut *self.frames.lock().expect("nobody panics with it"));
        Box::pin(ready(Ok(StreamResponse::Open(Box::new(Playing(frames))))))
    }

    fn address(&self) -> String {
        "fuzzed".into()
    }
}

struct Playing(VecDeque<Frame>);

impl FrameStream for Playing {
    fn next(&mut self) -> FrameFuture<'_> {
        match self.0.pop_front() {
            Some(frame) => Box::pin(ready(Ok(frame))),
            None => Box::pin(ready(Err("over".into()))),
        }
    }
}

fn client(status: u16, body: &[u8], frames: VecDeque<Frame>) -> GarmClient {
    let transport = Answering { status, body: body.to_vec(), frames: Mutex::new(frames) };
    GarmClient::new(Arc::new(transport), GarmLogin::new("admin", SecretString::from("p")))
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build();
    runtime.expect("a runtime without a thread needs nothing").block_on(work)
}

fn told<T>(answer: Result<T, GarmError>) {
    if let Err(error) = answer {
        let text = error.to_string();
        is_quiet(&text);
        assert!(text.chars().count() < 2_000, "{text}");
    }
}

/// GARM's responses: the first byte selects the status, and the rest is the body that every method of
/// the client decodes.
pub fn wire(data: &[u8]) {
    let Some((first, body)) = data.split_first() else { return };
    let statuses = [200, 200, 200, 400, 401, 403, 404, 409, 500, 502];
    let client = client(statuses[usize::from(*first) % statuses.len()], body, VecDeque::new());
    let (pool, runner) = (PoolId::new("p"), RunnerName::new("r"));
    let entity = EntityKey { kind: EntityKind::Organization, id: EntityId::new("o") };
    block_on(async {
        told(client.pools().await);
        told(client.pool(&pool).await);
        told(client.runners().await);
        told(client.runner(&runner).await);
        told(client.jobs().await);
        told(client.controller().await);
        told(client.providers().await);
        told(client.templates().await);
        told(client.credentials().await);
        told(client.entity(&entity).await);
        for kind in EntityKind::ALL {
            told(client.entities(kind).await);
        }
        told(client.update_pool(&pool, &PoolChange::default()).await);
        told(client.update_controller(300).await);
        told(client.delete_pool(&pool).await);
        told(client.delete_runner(&runner).await);
    });
}

/// Events, one per line: each is delivered or counted, and the end of the stream is signalled.
pub fn events(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let frames: VecDeque<Frame> = text.lines().map(|it| Frame::Text(it.into())).collect();
    let sent = frames.len();
    let client = Arc::new(client(200, b"[]", frames));
    let limits = StreamLimits { waiting_max: 64, ..StreamLimits::default() };
    block_on(async {
        let mut feed = client.events(limits);
        let mut taken = 0;
        let mut is_overflown = false;
        loop {
            // If there are no more signals, paused time reaches the timeout at once.
            let patience = tokio::time::Duration::from_secs(3_600);
            let signal = tokio::time::timeout(patience, feed.next()).await;
            match signal.expect("the end of the stream is told").expect("the task lives") {
                StreamSignal::Connected | StreamSignal::Settings => {}
                StreamSignal::Overflow => is_overflown = true,
                StreamSignal::Changes(changes) => taken += changes.len(),
                StreamSignal::Lost(why) => {
                    is_quiet(&why);
                    break;
                }
            }
        }
        let misread = usize::try_from(feed.misread()).expect("no more than were sent");
        assert!(
            taken + misread <= sent && (is_overflown || taken <= 64),
            "{taken} {misread} {sent}"
        );
        drop(feed);
        let _ = tokio::time::timeout(tokio::time::Duration::from_secs(1), pending::<()>()).await;
    });
}

fn actor() -> Actor {
    Actor { user: "ada".into(), host: "box".into(), pid: 7, version: "0".into() }
}

/// A valid log of three records.
fn sound(key: &Key) -> String {
    let mut head = Head::start();
    let mut text = String::new();
    for detail in ["one", "two", "three"] {
        let entry = Entry {
            time: jiff::Timestamp::UNIX_EPOCH,
            actor: actor(),
            kind: RecordKind::Event,
            act: "test".into(),
            subject: Subject::Log,
            before: None,
            after: None,
            cause: Cause::default(),
            seen: None,
            intent: None,
            verdict: None,
            detail: detail.into(),
        };
        let (line, next) = seal(&entry, &head, Some(key));
        text.push_str(&line);
        head = next;
    }
    text
}

/// Audit files: any bytes lead to a verdict, and any damage that they do to a valid log is found,
/// except missing records at its ends. The first two bytes say where and how much of the log the rest
/// replaces.
pub fn audit(data: &[u8]) {
    let key = Key::new(SecretString::from("k"));
    let halves = data.split_at(data.iter().position(|it| *it == 0x1d).unwrap_or(data.len()));
    let keys = Keys::checking(vec![key.clone()]);
    for keys in [None, Some(&keys)] {
        let file = |name, bytes| NamedFile { name, bytes };
        let criteria = CheckCriteria { keys, ..CheckCriteria::default() };
        let report = verify(&[file("a", data)], criteria);
        if let Some(it) = &report.broken {
            is_quiet(&it.reason);
        }
        let criteria = CheckCriteria { head: Some(&Head::start()), ..criteria };
        let _ = verify(&[file("b", halves.1), file("a", halves.0)], criteria);
    }
    for scope in [TailScope::WholeFile, TailScope::EndOfFile] {
        let _ = read_tail(data, scope, &keys);
    }
    let [at, length, rest @ ..] = data else { return };
    let log = sound(&key).into_bytes();
    let at = (usize::from(*at) * log.len()) >> 8;
    let end = (at + usize::from(*length) * 8).min(log.len());
    let edited = [&log[..at], rest, &log[end..]].concat();
    let report = verify(
        &[NamedFile { name: "a", bytes: &edited }],
        CheckCriteria { keys: Some(&keys), ..CheckCriteria::default() },
    );
    if report.broken.is_none() && !edited.is_empty() {
        let is_part = log.windows(edited.len()).any(|it| it == edited);
        assert!(is_part && edited.ends_with(b"\n"), "{}", String::from_utf8_lossy(&edited));
    }
}

/// Saved plans.
pub fn saved(data: &[u8]) {
    if let Err(error) = saved::read(&String::from_utf8_lossy(data)) {
        is_quiet(&error.to_string());
    }
}
