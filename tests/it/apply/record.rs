//! Every write is recorded, or is not made.

use runnerctl::audit::{Actor, CheckCriteria, Keys, NamedFile, verify};
use runnerctl::event::SilentListener;
use runnerctl::host::audit_destination::AuditDestination;
use runnerctl::host::audit_file::{AuditFile, MissingFolders, RecordWriter};
use runnerctl::host::clock::Clock;
use runnerctl::reconcile::apply::apply;
use runnerctl::reconcile::options::ApplyOptions;
use serde_json::{Value, json};

use crate::support::apply::{ApplyRig, plan, told};

fn audit_file(path: &std::path::Path) -> AuditDestination {
    let actor = Actor { user: "ada".into(), host: "box".into(), pid: 7, version: "0".into() };
    let writer = RecordWriter { actor, clock: Clock::Real, keys: Keys::default() };
    AuditDestination::File(AuditFile::open(path, writer, MissingFolders::Fail).unwrap().into())
}

#[tokio::test(start_paused = true)]
async fn runs_at_once_share_one_file_that_verifies() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("audit.jsonl");
    let mut rig = ApplyRig::new().await;
    rig.book = audit_file(&path);
    let one = rig.writer(rig.door());
    rig.book = audit_file(&path);
    let two = rig.writer(rig.door());
    let steps: Vec<_> = ["a", "b", "c", "d"].map(|it| rig.create(it)).into();
    let plan = plan(steps);
    let options = ApplyOptions::default();
    let (a, b) = tokio::join!(
        apply(&plan, &one, &options, &SilentListener),
        apply(&plan, &two, &options, &SilentListener)
    );
    assert!(a.iter().chain(&b).all(|it| it.kind.is_good()), "{:?} {:?}", told(&a), told(&b));
    let bytes = std::fs::read(&path).unwrap();
    let report = verify(&[NamedFile { name: "audit", bytes: &bytes }], CheckCriteria::default());
    assert_eq!((report.broken, report.gaps), (None, vec![]));
    assert_eq!(report.records, 2 * u64::try_from(rig.writes().len()).unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_write_that_cannot_be_recorded_is_not_made() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("audit.jsonl");
    let mut rig = ApplyRig::new().await;
    rig.book = audit_file(&path);
    std::fs::write(&path, "another program's\n").unwrap();
    let told = rig.apply(vec![rig.create("default")]).await;
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("default create failed: not sent, because `"), "{told:?}");
    assert_eq!((rig.writes(), rig.pools().await), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn without_a_book_nothing_is_recorded_and_all_is_done() {
    let mut rig = ApplyRig::new().await;
    rig.book = AuditDestination::Off;
    assert_eq!(rig.apply(vec![rig.create("default")]).await, ["default create done"]);
}

#[tokio::test(start_paused = true)]
async fn extra_specs_are_recorded_by_digest_only() {
    let rig = ApplyRig::new().await;
    let mut spec = rig.spec("default");
    let canary = json!({ "user_data": "CANARY" });
    spec.extra_specs = canary.as_object().unwrap().clone();
    let told = rig.apply(vec![rig.create_as("default", spec)]).await;
    assert_eq!(told, ["default create done"]);
    assert!(!rig.log().contains("CANARY"));
    let intent: Value = serde_json::from_str(rig.log().lines().next().unwrap()).unwrap();
    assert_eq!(intent["after"]["extra_specs"]["bytes"], canary.to_string().len());
}
