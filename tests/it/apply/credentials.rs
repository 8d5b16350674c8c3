//! Giving GARM a GitHub App takes one request, whatever happens to its answer, and the key never
//! appears in a record.

use std::collections::BTreeMap;

use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use runnerctl::domain::credential::{Auth, Credential, DesiredCredential};
use runnerctl::plan::{Action, Operation, Resource, Step};
use runnerctl::reconcile::options::ApplyOptions;
use runnerctl::secrets::AppKey;
use runnerctl::sim::{Fault, FaultRule};
use secrecy::{ExposeSecret, SecretString};

use crate::support::apply::{ApplyRig, fleet, step};

fn key() -> AppKey {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    AppKey::read(&SecretString::from(key.serialize_pem())).unwrap()
}

fn wanted(app_id: u64, key: &AppKey) -> DesiredCredential {
    DesiredCredential {
        name: "app".into(),
        endpoint: "simhub".into(),
        app_id,
        installation_id: 9,
        key: key.fingerprint.clone(),
    }
}

fn credential(id: Option<u64>, wanted: &DesiredCredential) -> Step {
    let action = if id.is_some() { Action::Update } else { Action::Create };
    let work = Operation::Credential { id, wanted: wanted.clone() };
    Step { about: Resource::Credential("app".into()), ..step(action, "", None, work) }
}

fn with(key: &AppKey) -> ApplyOptions {
    ApplyOptions { keys: BTreeMap::from([("app".into(), key.clone())]), ..ApplyOptions::default() }
}

/// GARM's credentials besides the world's own token.
fn made_of(rig: &ApplyRig) -> Vec<String> {
    rig.memory.with(|it| it.credentials_made_of().split_off(1))
}

async fn credentials(rig: &ApplyRig) -> Vec<Credential> {
    rig.client.credentials().await.unwrap()
}

/// The contents of a credential according to the simulated GARM.
fn shown(wanted: &DesiredCredential, key: &AppKey) -> String {
    use base64::Engine;
    let digits: String =
        key.pem.expose_secret().lines().filter(|it| !it.starts_with('-')).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(digits).unwrap();
    // SEQUENCE, version, then the modulus with its header and a zero before 256 bytes.
    let modulus = &der[4 + 3 + 4..][..257];
    let end: String = modulus.iter().rev().take(4).map(|it| format!("{it:02x}")).collect();
    let (mark, app_id) = (wanted.mark(&fleet()), wanted.app_id);
    format!("app ({mark}) app {app_id}, installation 9, key …{end}")
}

#[tokio::test(start_paused = true)]
async fn an_app_is_given_to_garm_by_one_request_and_its_key_is_nowhere_else() {
    let rig = ApplyRig::new().await;
    let key = key();
    let wanted = wanted(7, &key);
    let told = rig.apply_with(vec![credential(None, &wanted)], &with(&key)).await;
    assert_eq!(told, ["- create done"]);
    assert_eq!(made_of(&rig), [shown(&wanted, &key)]);
    let all = credentials(&rig).await;
    let expected = Credential {
        id: 2,
        name: "app".into(),
        description: wanted.mark(&fleet()),
        endpoint: "simhub".into(),
        auth: Auth::App,
    };
    assert_eq!(all[1], expected);
    assert_eq!(rig.records(), ["intent create credential", "outcome create credential done"]);
    let pem = key.pem.expose_secret();
    let log = rig.log();
    assert!(pem.lines().filter(|it| it.len() > 20).all(|it| !log.contains(it)), "{log}");
    assert!(log.contains(key.fingerprint.as_str()) && log.contains(r#""credential":"app""#));
    // A second run finds it and writes nothing.
    rig.forget();
    let told = rig.apply_with(vec![credential(None, &wanted)], &with(&key)).await;
    assert_eq!(told, ["- create already done: created by another run"]);
    assert_eq!(rig.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_rotated_key_replaces_the_old_one() {
    let rig = ApplyRig::new().await;
    let (old, new) = (key(), key());
    rig.apply_with(vec![credential(None, &wanted(7, &old))], &with(&old)).await;
    let rotated = wanted(7, &new);
    let told = rig.apply_with(vec![credential(Some(2), &rotated)], &with(&new)).await;
    assert_eq!(told, ["- update done"]);
    assert_eq!(made_of(&rig), [shown(&rotated, &new)]);
    let told = rig.apply_with(vec![credential(Some(2), &rotated)], &with(&new)).await;
    assert_eq!(told, ["- update already done: already up to date"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_read_back() {
    for fault in [Fault::LoseAnswer, Fault::Truncate] {
        let rig = ApplyRig::new().await;
        let (old, new) = (key(), key());
        let rule = |method| FaultRule::once(method, "/github/credentials", fault.clone());
        rig.memory.with(|it| it.faults.add(rule("POST")));
        let made = wanted(7, &old);
        let told = rig.apply_with(vec![credential(None, &made)], &with(&old)).await;
        assert_eq!(
            (told, made_of(&rig)),
            (vec!["- create done".to_owned()], vec![shown(&made, &old)])
        );
        rig.memory.with(|it| it.faults.add(rule("PUT")));
        let changed = wanted(8, &new);
        let told = rig.apply_with(vec![credential(Some(2), &changed)], &with(&new)).await;
        let expected = vec![shown(&changed, &new)];
        assert_eq!((told, made_of(&rig)), (vec!["- update done".to_owned()], expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_that_never_arrived_is_not_sent_again() {
    let rig = ApplyRig::new().await;
    let key = key();
    rig.memory.with(|it| it.faults.add(FaultRule::once("POST", "/credentials", Fault::Drop)));
    let told = rig.apply_with(vec![credential(None, &wanted(7, &key))], &with(&key)).await;
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("- create failed: POST /github/credentials at "), "{told:?}");
    assert_eq!((rig.writes().len(), made_of(&rig)), (0, vec![]));
    assert_eq!(rig.records()[1], "outcome create credential refused");
}

#[tokio::test(start_paused = true)]
async fn two_runs_at_once_make_one_credential() {
    let rig = ApplyRig::new().await;
    let key = key();
    let wanted = wanted(7, &key);
    let options = with(&key);
    // The first run reads the list and sends slowly; the second has finished by then.
    let slow = Fault::Slow(std::time::Duration::from_secs(1));
    rig.memory.with(|it| it.faults.add(FaultRule::once("GET", "/github/credentials", slow)));
    let run = || rig.apply_with(vec![credential(None, &wanted)], &options);
    let (first, second) = tokio::join!(run(), run());
    assert_eq!(first, ["- create already done: created by another run"]);
    assert_eq!(second, ["- create done"]);
    assert_eq!(made_of(&rig), [shown(&wanted, &key)]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_ours_by_now_is_left_alone() {
    let rig = ApplyRig::new().await;
    let (old, new) = (key(), key());
    let strange = DesiredCredential { name: "APP".into(), ..wanted(1, &old) };
    rig.client.create_credential(&strange, "made by hand", &old.pem).await.unwrap();
    let told = rig.apply_with(vec![credential(None, &wanted(7, &new))], &with(&new)).await;
    assert_eq!(told, ["- create blocked: a credential `APP` exists now and has other contents"]);
    let told = rig.apply_with(vec![credential(Some(2), &wanted(7, &new))], &with(&new)).await;
    let expected = "- update blocked: the credential no longer bears this fleet's mark";
    assert_eq!(told, [expected]);
    let told = rig.apply_with(vec![credential(Some(9), &wanted(7, &new))], &with(&new)).await;
    assert_eq!(told, ["- update blocked: the credential no longer exists"]);
    assert_eq!(credentials(&rig).await[1].description, "made by hand");
}

#[tokio::test(start_paused = true)]
async fn another_key_than_the_planned_one_is_not_sent() {
    let rig = ApplyRig::new().await;
    let (planned, other) = (key(), key());
    let told = rig.apply_with(vec![credential(None, &wanted(7, &planned))], &with(&other)).await;
    assert_eq!(told, ["- create blocked: the planned key is not available"]);
    assert_eq!(rig.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_garm_does_not_have_is_its_own_refusal() {
    let rig = ApplyRig::new().await;
    let key = key();
    let nowhere = DesiredCredential { endpoint: "nowhere".into(), ..wanted(7, &key) };
    let told = rig.apply_with(vec![credential(None, &nowhere)], &with(&key)).await;
    let expected = "- create failed: POST /github/credentials: 404 Not Found: failed to create \
                    github credentials: error creating github credentials: github endpoint not \
                    found: not found";
    assert_eq!(told, [expected]);
}
