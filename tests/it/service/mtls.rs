//! The proof of mTLS in `watch`, `plan` and `apply`, against a sandbox without mTLS and behind a
//! real nginx.

use super::stage::{Stage, eventually};
use crate::garm_http::front::Front;

const REQUIRED: &str = "policy: { require_mtls: true }\n";

impl Stage {
    fn require_mtls(&self) {
        let config = self.read("runnerctl.yaml");
        self.write("runnerctl.yaml", &format!("{config}{REQUIRED}"));
    }

    /// The audit records with this `act`.
    fn records(&self, act: &str) -> usize {
        let act = format!(r#""act":"{act}""#);
        self.read("audit.jsonl").lines().filter(|it| it.contains(&act)).count()
    }
}

#[test]
fn watch_reports_a_garm_without_mtls_by_metric_log_and_record() {
    let stage = Stage::set();
    let mut watch = stage.watch();
    stage.metrics_with("runnerctl_mtls_enforced 0");
    let said = ["warning: mTLS is not enforced: ", "by plain HTTP: GARM answered 401"];
    let has_all = |log: String| said.iter().all(|it| log.contains(it));
    eventually("both words", || has_all(stage.read("watch.err")).then_some(()));
    eventually("the record", || (stage.records("mtls not enforced") == 1).then_some(()));
    assert_eq!(watch.end("-TERM"), Some(0));
}

#[test]
fn watch_without_a_required_mtls_proof_exits_with_6_before_the_first_write() {
    let stage = Stage::with_garm();
    stage.require_mtls();
    let refusal = "`policy.require_mtls` is set, and mTLS is not enforced: ";
    let planned = stage.run(&["plan"]);
    let said = String::from_utf8(planned.stderr).unwrap();
    assert_eq!(planned.status.code(), Some(0), "{said}");
    assert!(said.contains(&format!("warning: `apply` is refused: {refusal}")), "{said}");
    for line in [&["apply", "--auto-approve", "--no-audit"][..], &["watch", "--once"], &["watch"]] {
        let output = stage.run(line);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(6), "{line:?}: {said}");
        assert!(said.contains(&format!("error: {refusal}")), "{line:?}: {said}");
        assert!(
            said.contains("help: run `runnerctl validate --online` to see every probe"),
            "{said}"
        );
    }
    // `plan` writes nothing: the pool that `apply` would have created does not exist.
    let level = &stage.status()["pool_id"];
    assert!(level.is_null(), "{level}");
    assert_eq!(stage.run(&["watch", "--once", "--dry-run"]).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_scales_behind_the_proxy_and_is_held_when_the_proxy_stops_asking_for_certificates() {
    let mut front = Front::open().await;
    let stage = Stage::with_garm();
    front.describe(&stage.path("runnerctl.yaml"), stage.watch);
    stage.require_mtls();
    let applied = stage.run(&["apply", "--auto-approve", "--no-audit"]);
    assert!(applied.status.success(), "{applied:?}");
    let mut watch = stage.watch();
    stage.metrics_with("runnerctl_mtls_enforced 1");
    eventually("the record", || (stage.records("mtls enforced") == 1).then_some(()));

    front.leave_open().await;
    watch.signal("-HUP");
    stage.metrics_with("runnerctl_mtls_enforced 0");
    let held = "nothing is written to any pool: `policy.require_mtls` is set, and mTLS is not";
    eventually(held, || stage.read("watch.err").contains(held).then_some(()));
    eventually("the record", || (stage.records("mtls not enforced") == 1).then_some(()));

    front.shut().await;
    watch.signal("-HUP");
    stage.metrics_with("runnerctl_mtls_enforced 1");
    let again = "mTLS is proven to be enforced: no longer frozen";
    eventually(again, || stage.read("watch.err").contains(again).then_some(()));
    assert_eq!(watch.end("-TERM"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_taken_over_and_the_stream_goes_on() {
    let front = Front::open().await;
    let stage = Stage::with_garm();
    front.describe(&stage.path("runnerctl.yaml"), stage.watch);
    assert!(stage.run(&["apply", "--auto-approve", "--no-audit"]).status.success());
    let mut watch = stage.watch();
    let expiry =
        |seconds: u64| format!("runnerctl_tls_client_cert_expiry_timestamp_seconds {seconds}");
    // The first day of 2090, and that of 2080.
    stage.metrics_with(&expiry(3_786_912_000));
    stage.metrics_with("runnerctl_event_stream_connected 1");
    front.renew(2080);
    watch.signal("-HUP");
    stage.metrics_with(&expiry(3_471_292_800));
    let said =
        "reloaded the certificate files for GARM; the client certificate is valid until 2080";
    eventually(said, || stage.read("watch.err").contains(said).then_some(()));
    stage.metrics_with("runnerctl_event_stream_connected 1");
    assert_eq!(stage.read("watch.err").matches("connected to GARM's event stream").count(), 1);
    // An expired certificate is refused by name, and the old one stays in use.
    front.renew(2021);
    watch.signal("-HUP");
    let said =
        "its certificate has expired: it was valid from 2020-01-01T00:00:00Z until 2021-01-01";
    eventually(said, || stage.read("watch.err").contains(said).then_some(()));
    stage.metrics_with(&expiry(3_471_292_800));
    assert_eq!(watch.end("-TERM"), Some(0));
    let output = stage.run(&["status"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), told.contains(said)), (Some(3), true), "{told}");
}
