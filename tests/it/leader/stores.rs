//! The same requests to each store.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use runnerctl::config::{
    EtcdLeader, KubernetesLeader, KubernetesServer, LeaderEngine, LeaderSettings, PostgresLeader,
    TlsFiles,
};
use runnerctl::domain::secret::SecretRef;
use runnerctl::election::{
    FiredAlert, LeaseNotes, LeaseRecord, Member, MembersRecord, StoredLease, StoredMembers,
    SwapResult,
};
use runnerctl::lease_store::{LeaseStore, LeaseStores, StoreSecret};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::engines::{Etcd, LeaseApi, PASSWORD, Postgres, TOKEN};
use crate::service::stage::free_address;

pub(super) const NAME: &str = "ci-leader";

pub(super) fn secret(value: impl Into<String>) -> StoreSecret {
    let value = value.into();
    Arc::new(move || {
        let value = value.clone();
        Box::pin(async move { Ok(SecretString::from(value)) })
    })
}

/// A secret that changes, and the secret of a store that contains it.
pub(super) fn changing<F: Fn(&str) -> String + Send + Sync + 'static>(
    value: &str,
) -> (Arc<Mutex<String>>, impl FnOnce(F) -> StoreSecret) {
    let current = Arc::new(Mutex::new(value.to_owned()));
    let read = Arc::clone(&current);
    let of = move |of: F| -> StoreSecret {
        Arc::new(move || {
            let value = of(&read.lock().unwrap());
            Box::pin(async move { Ok(SecretString::from(value)) })
        })
    };
    (current, of)
}

/// A reference that is not resolved here.
pub(super) fn reference() -> SecretRef {
    SecretRef::Env("NOT_READ".into())
}

pub(super) fn etcd(name: &str, endpoints: Vec<String>) -> Arc<dyn LeaseStore> {
    let engine = EtcdLeader { endpoints, user: None, tls: TlsFiles::default() };
    open(&settings(name, LeaderEngine::Etcd(engine)), None)
}

pub(super) fn postgresql(name: &str, url: String, ca: Option<PathBuf>) -> Arc<dyn LeaseStore> {
    let tls = TlsFiles { ca, client: None };
    let engine = LeaderEngine::PostgreSql(PostgresLeader { url: reference(), tls });
    open(&settings(name, engine), Some(secret(url)))
}

fn kubernetes(api: &LeaseApi, token: StoreSecret) -> Arc<dyn LeaseStore> {
    let engine = KubernetesLeader {
        namespace: Some("ci".into()),
        server: Some(KubernetesServer {
            url: format!("http://{}", api.address),
            token: reference(),
        }),
        ca: None,
    };
    open(&settings(NAME, LeaderEngine::Kubernetes(engine)), Some(token))
}

pub(super) fn open(settings: &LeaderSettings, secret: Option<StoreSecret>) -> Arc<dyn LeaseStore> {
    LeaseStores::open(settings, secret).unwrap().lease(settings.name.clone())
}

/// What counting the processes relies on.
async fn members_are_compared_and_swapped(engine: LeaderEngine, secret: Option<StoreSecret>) {
    let store = LeaseStores::open(&settings(NAME, engine), secret).unwrap().members(NAME.into());
    let member = |beat| Member { group: "eu us".into(), beat };
    let record = |beat| MembersRecord([("host-a:1:ff".to_owned(), member(beat))].into());
    assert_eq!(store.read().await, Ok(None));
    let first = done(store.swap(None, &record(1)).await.unwrap());
    assert_eq!(store.swap(None, &record(2)).await, Ok(SwapResult::Conflict));
    let second = done(store.swap(Some(&first), &record(3)).await.unwrap());
    assert_eq!(store.swap(Some(&first), &record(4)).await, Ok(SwapResult::Conflict));
    let stored = StoredMembers { record: record(3), version: second };
    assert_eq!(store.read().await, Ok(Some(stored)));
}

#[tokio::test]
async fn each_store_keeps_the_record_of_the_processes() {
    let etcd = Etcd::start();
    let tls = TlsFiles::default();
    let engine = EtcdLeader { endpoints: vec![etcd.url()], user: None, tls: tls.clone() };
    members_are_compared_and_swapped(LeaderEngine::Etcd(engine), None).await;
    let server = Postgres::start();
    let engine = LeaderEngine::PostgreSql(PostgresLeader { url: reference(), tls });
    let url = secret(server.url(server.address));
    members_are_compared_and_swapped(engine, Some(url)).await;
    let api = LeaseApi::start();
    let server = KubernetesServer { url: format!("http://{}", api.address), token: reference() };
    let engine = KubernetesLeader { namespace: Some("ci".into()), server: Some(server), ca: None };
    let engine = LeaderEngine::Kubernetes(engine);
    members_are_compared_and_swapped(engine, Some(secret(TOKEN))).await;
}

/// Many requests at once, of which each must be answered: they share one connection.
#[tokio::test(flavor = "multi_thread")]
async fn requests_for_many_leases_share_a_connection() {
    let server = Postgres::start();
    let engine = PostgresLeader { url: reference(), tls: TlsFiles::default() };
    let settings = settings(NAME, LeaderEngine::PostgreSql(engine));
    let url = secret(server.url(server.address));
    let stores = LeaseStores::open(&settings, Some(url.clone())).unwrap();
    // The table is made by the first.
    assert_eq!(stores.lease("first".into()).read().await, Ok(None));
    let tasks: Vec<_> = (0..100)
        .map(|at| {
            let store = stores.lease(format!("lease-{at}"));
            tokio::spawn(async move { store.swap(None, &record(at)).await.unwrap() })
        })
        .collect();
    for task in tasks {
        done(task.await.unwrap());
    }
    let address = url().await.unwrap();
    let (client, connection) =
        tokio_postgres::connect(address.expose_secret(), tokio_postgres::NoTls).await.unwrap();
    let _connection = tokio::spawn(connection);
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'runnerctl'";
    let row = client.query_one(count, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 1);
}

pub(super) fn settings(name: &str, engine: LeaderEngine) -> LeaderSettings {
    LeaderSettings { name: name.into(), engine }
}

fn record(number: u64) -> LeaseRecord {
    let at: Timestamp = "2026-01-02T03:04:05.123456789Z".parse().unwrap();
    let alert = FiredAlert { rule: "Queue \"é\"".into(), pool: Some("web".into()), since: at };
    LeaseRecord {
        holder: "host-a:1:ff".into(),
        term: 7,
        number,
        since: at,
        written_at: at,
        notes: LeaseNotes { audit_head: Some("3:ab".into()), alerts: vec![alert] },
    }
}

fn done(result: SwapResult) -> String {
    match result {
        SwapResult::Done(version) => version,
        SwapResult::Conflict => panic!("the swap was refused"),
    }
}

/// What the election relies on.
pub(super) async fn compares_and_swaps(store: Arc<dyn LeaseStore>) {
    assert_eq!(store.read().await, Ok(None));
    let missing = store.swap(Some("1"), &record(0)).await;
    assert_eq!(missing, Ok(SwapResult::Conflict), "there is nothing to replace");
    let first = done(store.swap(None, &record(1)).await.unwrap());
    let stored = StoredLease { record: record(1), version: first.clone() };
    assert_eq!(store.read().await, Ok(Some(stored)));
    assert_eq!(store.swap(None, &record(2)).await, Ok(SwapResult::Conflict));
    let second = done(store.swap(Some(&first), &record(3)).await.unwrap());
    assert_ne!(first, second);
    assert_eq!(store.swap(Some(&first), &record(4)).await, Ok(SwapResult::Conflict));
    // Of many at once, one wins, and the record is the winner's.
    let many = (10..18).map(|number| {
        let (store, second) = (Arc::clone(&store), second.clone());
        tokio::spawn(async move { store.swap(Some(&second), &record(number)).await.unwrap() })
    });
    let mut winners = Vec::new();
    for (number, task) in (10..18).zip(many.collect::<Vec<_>>()) {
        if let SwapResult::Done(version) = task.await.unwrap() {
            winners.push(StoredLease { record: record(number), version });
        }
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(store.read().await, Ok(winners.pop()));
}

#[tokio::test]
async fn etcd_compares_and_swaps_and_another_member_is_asked_if_one_is_away() {
    let mut server = Etcd::start();
    let away = format!("http://{}", free_address());
    let store = etcd(NAME, vec![away, server.url()]);
    compares_and_swaps(Arc::clone(&store)).await;
    let before = store.read().await.unwrap();
    server.stop();
    let gone = store.read().await.unwrap_err();
    assert!(gone.message.starts_with("no answer from http://127.0.0.1:"), "{gone}");
    server.begin();
    assert_eq!(store.read().await, Ok(before), "a restart loses nothing");
}

#[tokio::test]
async fn postgresql_compares_and_swaps_with_tls_and_after_a_restart() {
    let mut server = Postgres::start();
    compares_and_swaps(postgresql(NAME, server.url(server.address), None)).await;
    let encrypted = format!("{}?sslmode=require", server.url(server.address));
    let (password, of) = changing(PASSWORD);
    let url = encrypted.clone();
    let engine = LeaderEngine::PostgreSql(PostgresLeader {
        url: reference(),
        tls: TlsFiles { ca: Some(server.ca()), client: None },
    });
    let store = open(&settings(NAME, engine), Some(of(move |new| url.replace(PASSWORD, new))));
    let before = store.read().await.unwrap();
    assert!(before.is_some());
    // The system's CAs do not know that of the test.
    assert!(postgresql(NAME, encrypted, None).read().await.is_err());
    server.stop();
    assert!(store.read().await.is_err());
    server.begin();
    assert_eq!(store.read().await, Ok(before.clone()), "a new connection is made");
    // The password changes: open connections stay, new ones need it.
    let (client, connection) =
        tokio_postgres::connect(&server.url(server.address), tokio_postgres::NoTls).await.unwrap();
    let _connection = tokio::spawn(connection);
    client.batch_execute("ALTER USER runnerctl PASSWORD 'new-horse'").await.unwrap();
    assert_eq!(store.read().await, Ok(before.clone()));
    server.stop();
    assert!(store.read().await.is_err());
    server.begin();
    for _ in 0..2 {
        let refused = store.read().await.unwrap_err();
        assert!(refused.message.contains("password authentication failed"), "{refused}");
    }
    *password.lock().unwrap() = "new-horse".into();
    assert_eq!(store.read().await, Ok(before), "the secret is resolved again");
    let wrong = server.url(server.address).replace("correct", "wrong");
    let refused = postgresql(NAME, wrong, None).read().await.unwrap_err();
    assert!(refused.message.contains("password authentication failed"), "{refused}");
    assert!(!refused.message.contains("horse"), "{refused}");
    let other = postgresql(NAME, "postgresql://runnerctl:secret@[".into(), None);
    let refused = other.read().await.unwrap_err();
    assert!(refused.message.ends_with("is not a URL of PostgreSQL"), "{refused}");
}

#[tokio::test]
async fn a_lease_of_kubernetes_is_replaced_by_its_version_and_shows_who_leads() {
    let api = LeaseApi::start();
    let store = kubernetes(&api, secret(TOKEN));
    compares_and_swaps(Arc::clone(&store)).await;
    let spec = api.lease(NAME)["spec"].clone();
    let expected = json!({
        "holderIdentity": "host-a:1:ff",
        "leaseDurationSeconds": 9,
        "leaseTransitions": 7,
        "acquireTime": "2026-01-02T03:04:05.123456Z",
        "renewTime": "2026-01-02T03:04:05.123456Z",
    });
    assert_eq!(spec, expected);
    let version = store.read().await.unwrap().unwrap().version;
    for status in [409, 410, 404] {
        api.refuse_once(status);
        let swap = store.swap(Some(&version), &record(20)).await;
        assert_eq!(swap, Ok(SwapResult::Conflict), "{status}");
    }
    for status in [500, 403] {
        api.refuse_once(status);
        assert!(store.swap(Some(&version), &record(20)).await.is_err(), "{status}");
    }
    api.refuse_once(403);
    let refused = store.read().await.unwrap_err();
    assert!(refused.help.contains("deploy/kubernetes/leader.yaml"), "{refused:?}");
}

#[tokio::test]
async fn a_rotated_token_is_resolved_again_and_the_request_repeated_once() {
    let api = LeaseApi::start();
    let (token, of) = changing(TOKEN);
    let store = kubernetes(&api, of(str::to_owned));
    assert_eq!(store.read().await, Ok(None));
    api.rotate("service-account-2");
    assert!(store.read().await.is_err(), "the new token is not there yet");
    *token.lock().unwrap() = "service-account-2".into();
    api.asked();
    assert_eq!(store.read().await, Ok(None));
    assert_eq!(api.asked().len(), 2, "401, and once more with the new token");
}

/// The requests for many leases learn at the same time that their token has ended.
#[tokio::test(flavor = "multi_thread")]
async fn many_requests_whose_token_is_refused_resolve_it_once() {
    let api = LeaseApi::start();
    let (token, of) = changing(TOKEN);
    let resolved = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&resolved);
    let store = kubernetes(
        &api,
        of(move |token: &str| {
            count.fetch_add(1, Ordering::SeqCst);
            token.to_owned()
        }),
    );
    assert_eq!(store.read().await, Ok(None));
    for (round, fresh) in ["service-account-2", "service-account-3"].into_iter().enumerate() {
        *token.lock().unwrap() = fresh.into();
        api.rotate(fresh);
        let read = |_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.read().await })
        };
        for answer in (0..50).map(read).collect::<Vec<_>>() {
            assert_eq!(answer.await.unwrap(), Ok(None));
        }
        assert_eq!(resolved.load(Ordering::SeqCst), round + 2);
    }
}
