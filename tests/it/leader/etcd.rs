//! etcd with users, with TLS and with three members.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use runnerctl::config::{CertFiles, EtcdLeader, EtcdUser, LeaderEngine, TlsFiles};
use runnerctl::election::{StoreFault, StoredLease, SwapResult, WRITE_FOR};
use runnerctl::lease_store::{LeaseStore, StoreSecret};
use serde_json::json;

use super::engines::{Etcd, PASSWORD};
use super::pair::released;
use super::proxy::Proxy;
use super::stores::{self, NAME, changing, compares_and_swaps, open, reference, settings};

fn store(etcd: &Etcd, tls: TlsFiles, secret: Option<StoreSecret>) -> Arc<dyn LeaseStore> {
    let user = secret.is_some().then(|| EtcdUser { name: NAME.into(), password: reference() });
    let engine = EtcdLeader { endpoints: vec![etcd.url()], user, tls };
    open(&settings(NAME, LeaderEngine::Etcd(engine)), secret)
}

/// Creates root and a user who may only use the keys of leases, and requires a login.
fn require_login(etcd: &Etcd) {
    let key = |text: &str| STANDARD.encode(text);
    let (from, to) = (key("runnerctl/leader/"), key("runnerctl/leader0"));
    let role = json!({ "permType": "READWRITE", "key": from, "range_end": to });
    for (path, body) in [
        ("user/add", json!({ "name": "root", "password": PASSWORD })),
        ("role/add", json!({ "name": "root" })),
        ("user/grant", json!({ "user": "root", "role": "root" })),
        ("user/add", json!({ "name": NAME, "password": PASSWORD })),
        ("role/add", json!({ "name": NAME })),
        ("role/grant", json!({ "name": NAME, "perm": role })),
        ("user/grant", json!({ "user": NAME, "role": NAME })),
        ("enable", json!({})),
    ] {
        etcd.post(&format!("/v3/auth/{path}"), &body);
    }
}

#[tokio::test]
async fn a_token_that_expires_or_is_forgotten_is_renewed_and_a_changed_password_is_read_again() {
    let mut etcd = Etcd::start_with_tokens_of(1);
    require_login(&etcd);
    let (password, of) = changing(PASSWORD);
    let store = store(&etcd, TlsFiles::default(), Some(of(str::to_owned)));
    compares_and_swaps(Arc::clone(&store)).await;
    let before = store.read().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(store.read().await.as_ref(), Ok(&before), "the token has expired");
    etcd.stop();
    assert!(store.read().await.is_err());
    etcd.begin();
    assert_eq!(store.read().await.as_ref(), Ok(&before), "etcd has forgotten the token");

    let login = json!({ "name": "root", "password": PASSWORD });
    let token = etcd.post("/v3/auth/authenticate", &login)["token"].as_str().unwrap().to_owned();
    let change = json!({ "name": NAME, "password": "new-horse" });
    etcd.post_as(&token, "/v3/auth/user/changepw", &change);
    let refused = store.read().await.unwrap_err();
    assert!(refused.message.contains("authentication failed"), "{refused}");
    assert!(!refused.message.contains("horse"), "{refused}");
    *password.lock().unwrap() = "new-horse".into();
    assert_eq!(store.read().await.as_ref(), Ok(&before));
}

#[tokio::test]
async fn a_member_that_requires_client_certificates_gets_that_of_the_fleet_file() {
    let etcd = Etcd::start_with_tls();
    let ca = Some(etcd.file("ca.pem"));
    let client = CertFiles { cert: etcd.file("client.pem"), key: etcd.file("client.key") };
    compares_and_swaps(store(&etcd, TlsFiles { ca: ca.clone(), client: Some(client) }, None)).await;
    let refused = store(&etcd, TlsFiles { ca, client: None }, None).read().await.unwrap_err();
    assert!(refused.message.starts_with("no answer from https://"), "{refused}");
    assert!(refused.message.contains("ertificate"), "{refused}");
    let gone = TlsFiles { ca: Some(Path::new("gone.pem").into()), client: None };
    let engine = EtcdLeader { endpoints: vec![etcd.url()], user: None, tls: gone };
    let missing = runnerctl::lease_store::LeaseStores::open(
        &settings(NAME, LeaderEngine::Etcd(engine)),
        None,
    );
    assert!(missing.is_err_and(|fault| fault.message.starts_with("cannot read `gone.pem`")));
}

/// Reads as the campaign does, with its limit for one request.
async fn read(store: &Arc<dyn LeaseStore>) -> Result<Option<StoredLease>, StoreFault> {
    let late = || StoreFault { message: "late".into(), help: "" };
    let limited = tokio::time::timeout(Duration::from_millis(1_900), store.read()).await;
    limited.unwrap_or_else(|_| Err(late()))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_members_one_may_be_cut_off_or_die_and_two_must_live() {
    let mut members = Etcd::start_cluster();
    let proxies: Vec<Proxy> = members.iter().map(|one| Proxy::start(one.address)).collect();
    let urls = proxies.iter().map(|proxy| format!("http://{}", proxy.address)).collect();
    let store = stores::etcd(NAME, urls);
    assert!(matches!(store.swap(None, &released()).await, Ok(SwapResult::Done(_))));
    let before = store.read().await.unwrap();

    // The member that is asked first answers no more.
    proxies[0].cut();
    assert_eq!(read(&store).await.as_ref(), Ok(&before), "the next member is asked");
    let began = Instant::now();
    assert_eq!(read(&store).await.as_ref(), Ok(&before));
    assert!(began.elapsed() < Duration::from_millis(800), "it stays with the one that answers");
    proxies[0].heal();

    // The leader of the cluster dies: a lease survives the election of the next one.
    let leader = members.iter().position(Etcd::is_leader).unwrap();
    members[leader].stop();
    let died = Instant::now();
    while read(&store).await.is_err() {
        assert!(died.elapsed() < WRITE_FOR, "{:?}", died.elapsed());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }

    // Without a majority none answers, and with one again all is as before.
    let other = (leader + 1) % 3;
    members[other].stop();
    assert!(read(&store).await.is_err());
    assert!(read(&store).await.is_err());
    members[other].begin();
    assert_eq!(read(&store).await.as_ref(), Ok(&before));
}
