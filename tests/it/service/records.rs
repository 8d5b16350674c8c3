//! The audit log of a running `watch`: truncated, forged, locked, required, anchored on another
//! machine.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;

use super::stage::{POOLS, Stage, eventually, get, receiver};

/// Adds lines below `watch:` of the fleet file.
fn set(stage: &Stage, lines: &[&str]) {
    let config = stage.read("runnerctl.yaml");
    let more: String = lines.iter().map(|it| format!("\n  {it}")).collect();
    let listen = "  audit: audit.jsonl";
    stage.write("runnerctl.yaml", &config.replace(listen, &format!("{listen}{more}")));
}

fn secret(stage: &Stage, name: &str, text: &str) {
    stage.write(name, text);
    let owner = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(stage.path(name), owner).unwrap();
}

fn verify(stage: &Stage, more: &[&str]) -> (Option<i32>, String) {
    let output = stage.run(&[&["audit", "verify", "audit.jsonl"], more].concat());
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text)
}

fn records(stage: &Stage) -> usize {
    stage.read("audit.jsonl").lines().count()
}

#[test]
fn a_running_watch_reports_a_truncated_audit_log_and_r11_is_no_longer_met() {
    let stage = Stage::set();
    set(&stage, &["audit_key: file:audit.key"]);
    secret(&stage, "audit.key", &"k".repeat(32));
    let mut watch = stage.watch();
    eventually("some records", || (records(&stage) > 4).then_some(()));
    let text = stage.read("audit.jsonl");
    let first: String = text.lines().take(2).map(|it| format!("{it}\n")).collect();
    stage.write("audit.jsonl", &first);
    stage.queue_held(9);
    stage.metrics_with("runnerctl_audit_breaks_total 1");
    let (code, said) = verify(&stage, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("it reports that records were cut or changed: the head was "), "{said}");
    let gap = stage.read("audit.jsonl");
    let gap = gap.lines().find(|it| it.contains("\"act\":\"log altered\"")).unwrap();
    let gap: serde_json::Value = serde_json::from_str(gap).unwrap();
    let head = |it: &serde_json::Value| it["head"].as_str().unwrap().to_owned();
    assert!(head(&gap["before"]) != head(&gap["after"]), "{gap}");
    assert!(head(&gap["after"]).starts_with("2:"), "{gap}");
    eventually("the alert", || {
        stage.read("watch.err").contains("alert `AuditLogChanged` fires").then_some(())
    });
    assert_eq!(watch.end("-TERM"), Some(0));
    let said = stage.read("watch.err");
    assert!(said.contains("the audit log was cut or changed: its head was "), "{said}");
}

/// Waits until `watch` has logged this.
fn until_said(stage: &Stage, text: &str) {
    eventually(text, || stage.read("watch.err").contains(text).then_some(()));
}

/// Writes a chain of valid hashes without HMACs of the key.
fn forge(stage: &Stage, name: &str, records: usize) {
    let log = crate::audit::audit_file(&stage.path(name), None);
    (0..records).for_each(|_| drop(log.append(&crate::audit::entry("anew")).unwrap()));
}

#[test]
fn a_running_watch_reports_a_chain_forged_without_the_key_and_r11_is_no_longer_met() {
    let stage = Stage::set();
    set(&stage, &["audit_key: file:audit.key"]);
    secret(&stage, "audit.key", &"k".repeat(32));
    let mut watch = stage.watch();
    until_said(&stage, "R11 met: ");
    forge(&stage, "forged.jsonl", records(&stage) + 5);
    std::fs::rename(stage.path("forged.jsonl"), stage.path("audit.jsonl")).unwrap();
    stage.queue_held(9);
    stage.metrics_with("runnerctl_audit_breaks_total 1");
    until_said(&stage, "the audit log was cut or changed: its head was ");
    until_said(&stage, "alert `AuditLogChanged` fires");
    until_said(&stage, "R11 not met: ");
    assert_eq!(watch.end("-TERM"), Some(0));
    assert_eq!(verify(&stage, &[]).0, Some(1));
}

#[test]
fn a_watch_with_only_the_old_key_reports_it_by_log_metric_and_alert() {
    let stage = Stage::set();
    set(&stage, &["audit_key: file:old.key"]);
    secret(&stage, "old.key", &"a".repeat(32));
    secret(&stage, "new.key", &"b".repeat(32));
    let config = stage.read("runnerctl.yaml");
    let rotated = "audit_key: file:new.key\n  previous_audit_keys: [file:old.key]";
    stage.write("rotated.yaml", &config.replace("audit_key: file:old.key", rotated));
    let rule = "alerts: [{ name: AuditGap, when: audit_gaps, above: 0, for: 1s }]";
    stage.write("runnerctl.yaml", &format!("{config}{rule}\n"));
    let mut watch = stage.watch();
    until_said(&stage, "R11 met: ");
    // Another process changes the key, and this one was not restarted.
    stage.pools(&POOLS.replace("max_runners: 20", "max_runners: 21"));
    let applied = stage.run(&["apply", "--config", "rotated.yaml", "--auto-approve"]);
    assert_eq!(applied.status.code(), Some(0), "{applied:?}");
    assert!(stage.read("audit.jsonl").contains("audit key changed"));
    stage.queue_held(9);
    until_said(&stage, "are signed with another key: list it under `watch.previous_audit_keys`");
    until_said(&stage, "scaling continues without records");
    stage.metrics_with(UP);
    until_said(&stage, "alert `AuditGap` fires");
    until_said(&stage, "R11 not met: ");
    let page = get(stage.watch, "/metrics").unwrap().1;
    let errors = page.lines().find(|it| it.starts_with("runnerctl_audit_write_errors_total "));
    assert!(errors.is_some_and(|it| !it.ends_with(" 0")), "{errors:?}");
    assert_eq!(watch.end("-TERM"), Some(0));
    let both = ["--key", "file:old.key", "--key", "file:new.key"];
    let (code, said) = verify(&stage, &both);
    assert_eq!(code, Some(0), "{said}");
}

/// R11 was once reported as met for a chain that was made without the key.
#[test]
fn a_chain_made_without_the_key_does_not_meet_r11() {
    let stage = Stage::set();
    secret(&stage, "audit.key", &"k".repeat(32));
    let mut unsigned = stage.watch();
    assert_eq!(unsigned.end("-TERM"), Some(0));
    set(&stage, &["audit_key: file:audit.key"]);
    let mut watch = stage.start_watch("signed", &[]);
    stage.until_ready(stage.watch);
    // The key is added by a record, which covers the earlier ones.
    eventually("a record of the key", || {
        stage.read("audit.jsonl").contains("audit key added").then_some(())
    });
    assert_eq!(watch.end("-TERM"), Some(0));
    assert_eq!(verify(&stage, &[]).0, Some(0));
    // The same log, written anew without the key.
    let plain: String =
        stage.read("audit.jsonl").lines().take(2).map(|it| format!("{it}\n")).collect();
    stage.write("audit.jsonl", &plain);
    let (code, said) = verify(&stage, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("its HMAC is missing or made with another key"), "{said}");
}

#[test]
fn watch_refuses_a_short_or_wrong_audit_key_at_its_start() {
    let stage = Stage::set();
    set(&stage, &["audit_key: file:audit.key"]);
    secret(&stage, "audit.key", "secret");
    let refused = stage.run(&["watch", "--once"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(3), "{said}");
    assert!(said.contains("the audit key has 6 bytes; it needs at least 32"), "{said}");
    secret(&stage, "audit.key", &"a".repeat(32));
    assert_eq!(stage.run(&["watch", "--once"]).status.code(), Some(0));
    secret(&stage, "audit.key", &"b".repeat(32));
    let refused = stage.run(&["watch", "--once"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(6), "{said}");
    assert!(said.contains("are signed with another key: list it under"), "{said}");
    // With both keys the log continues, and so does a check.
    secret(&stage, "old.key", &"a".repeat(32));
    set(&stage, &["previous_audit_keys: [file:old.key]"]);
    assert_eq!(stage.run(&["watch", "--once"]).status.code(), Some(0));
    let (code, said) = verify(&stage, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("HMAC: checked"), "{said}");
    let both = ["--key", "file:old.key", "--key", "file:audit.key"];
    assert_eq!(verify(&stage, &both).0, Some(0));
    assert_eq!(verify(&stage, &both[..2]).0, Some(1));
}

const UP: &str =
    "runnerctl_scaling_actions_total{pool=\"default\",direction=\"up\",outcome=\"done\"} 1";

#[test]
fn scaling_continues_while_another_process_holds_the_audit_file() {
    let stage = Stage::set();
    let mut watch = stage.watch();
    let holder = File::open(stage.path("audit.jsonl")).unwrap();
    holder.lock().unwrap();
    let begun = std::time::Instant::now();
    stage.queue_held(9);
    stage.metrics_with(UP);
    // The pool's own delay is a second, and a write waits two for its record.
    assert!(begun.elapsed().as_secs() < 15, "{:?}", begun.elapsed());
    assert_eq!(get(stage.watch, "/readyz").unwrap().0, 200);
    let page = get(stage.watch, "/metrics").unwrap().1;
    let errors = page.lines().find(|it| it.starts_with("runnerctl_audit_write_errors_total "));
    assert!(errors.is_some_and(|it| !it.ends_with(" 0")), "{errors:?}");
    drop(holder);
    eventually("the gap", || stage.read("audit.jsonl").contains("records lost").then_some(()));
    assert_eq!(watch.end("-TERM"), Some(0));
    let said = stage.read("watch.err");
    assert!(
        said.contains("is locked by another process: scaling continues without records"),
        "{said}"
    );
    let (code, said) = verify(&stage, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("could not be written: the log is not complete"), "{said}");
}

#[test]
fn if_records_are_required_watch_writes_nothing_and_is_not_ready_while_the_audit_file_is_held() {
    let stage = Stage::set();
    set(&stage, &["audit_required: true"]);
    let mut watch = stage.watch();
    let holder = File::open(stage.path("audit.jsonl")).unwrap();
    holder.lock().unwrap();
    let level = stage.status()["level"].clone();
    stage.queue_held(9);
    let reason =
        eventually("an end of readiness", || get(stage.watch, "/readyz").filter(|it| it.0 == 503));
    assert!(reason.1.contains("`watch.audit_required` is set, and writes cannot be"), "{reason:?}");
    assert_eq!(stage.status()["level"], level);
    drop(holder);
    stage.until_ready(stage.watch);
    stage.metrics_with(UP);
    assert_eq!(watch.end("-TERM"), Some(0));
    let said = stage.read("watch.err");
    assert!(
        said.contains("watch writes nothing to GARM until the audit file is writable again"),
        "{said}"
    );
    assert!(said.contains("writable again, and watch writes to GARM again: "), "{said}");
    let (code, said) = verify(&stage, &[]);
    assert_eq!((code, said.contains("not complete")), (Some(0), false), "{said}");
}

/// RFC 8410, sections 10.1 and 10.3.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
    -----END PRIVATE KEY-----\n";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
    -----END PUBLIC KEY-----\n";

#[test]
fn statements_on_another_machine_prove_that_earlier_records_are_unchanged() {
    let stage = Stage::set();
    std::fs::create_dir(stage.path("mount")).unwrap();
    secret(&stage, "anchor.key", PRIVATE);
    stage.write("anchor.pub", PUBLIC);
    set(&stage, &["audit_anchor: { key: file:anchor.key, every: 10s, file: mount/anchor.jsonl }"]);
    let mut watch = stage.watch();
    eventually("a statement", || {
        std::fs::read_to_string(stage.path("mount/anchor.jsonl")).ok().filter(|it| !it.is_empty())
    });
    // The last statement is made at the end.
    assert_eq!(watch.end("-TERM"), Some(0));
    let anchor = ["--anchor", "mount/anchor.jsonl", "--anchor-key", "anchor.pub"];
    let (code, said) = verify(&stage, &anchor);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("0 came later"), "{said}");

    // Cut, and written anew with a chain that verifies: detected without any key of the log.
    let whole = stage.read("audit.jsonl");
    let count = whole.lines().count();
    let cut: String = whole.lines().take(count - 1).map(|it| format!("{it}\n")).collect();
    stage.write("audit.jsonl", &cut);
    assert_eq!(verify(&stage, &[]).0, Some(0));
    let (code, said) = verify(&stage, &anchor);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("are missing at the end, which were anchored at "), "{said}");
    std::fs::remove_file(stage.path("audit.jsonl")).unwrap();
    forge(&stage, "audit.jsonl", count);
    let (code, said) = verify(&stage, &anchor);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("differs from the record anchored at "), "{said}");

    // The key for checking cannot sign a statement.
    let statement = stage.read("mount/anchor.jsonl");
    stage.write("mount/anchor.jsonl", &statement.replace("\"seq\":", "\"seq\":1"));
    let (code, said) = verify(&stage, &anchor);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("its signature is invalid: it was changed or forged"), "{said}");
}

/// The bodies of these requests, one per line.
fn bodies(requests: &[String]) -> String {
    requests.iter().map(|it| format!("{}\n", it.split_once("\r\n\r\n").unwrap().1)).collect()
}

#[test]
fn statements_posted_to_a_webhook_prove_the_log_and_refuse_a_forged_one() {
    let stage = Stage::set();
    secret(&stage, "anchor.key", PRIVATE);
    stage.write("anchor.pub", PUBLIC);
    let (url, told) = receiver();
    let anchor = format!("audit_anchor: {{ key: file:anchor.key, every: 10s, webhook: '{url}' }}");
    set(&stage, &[&anchor]);
    let mut watch = stage.watch();
    eventually("a statement", || (!told.lock().unwrap().is_empty()).then_some(()));
    stage.metrics_with("runnerctl_audit_anchors_total{place=\"webhook\",outcome=\"delivered\"} 1");
    assert_eq!(watch.end("-TERM"), Some(0));
    let statements = bodies(&told.lock().unwrap());
    assert!(statements.lines().count() > 1, "one is made at the end: {statements}");
    stage.write("kept.jsonl", &statements);
    let anchor = ["--anchor", "kept.jsonl", "--anchor-key", "anchor.pub"];
    let (code, said) = verify(&stage, &anchor);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("0 came later"), "{said}");

    let count = records(&stage);
    std::fs::remove_file(stage.path("audit.jsonl")).unwrap();
    forge(&stage, "audit.jsonl", count + 3);
    assert_eq!(verify(&stage, &[]).0, Some(0), "the forged chain is sound by itself");
    let (code, said) = verify(&stage, &anchor);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("differs from the record anchored at "), "{said}");
}

#[test]
fn an_apply_anchors_its_records_or_warns() {
    let stage = Stage::with_garm();
    secret(&stage, "anchor.key", PRIVATE);
    stage.write("anchor.pub", PUBLIC);
    let (url, told) = receiver();
    set(&stage, &[&format!("audit_anchor: {{ key: file:anchor.key, webhook: '{url}' }}")]);
    let applied = stage.run(&["apply", "--auto-approve"]);
    assert_eq!(applied.status.code(), Some(0), "{applied:?}");
    stage.write("kept.jsonl", &bodies(&told.lock().unwrap()));
    let anchor = ["--anchor", "kept.jsonl", "--anchor-key", "anchor.pub"];
    let (code, said) = verify(&stage, &anchor);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("0 came later"), "{said}");

    // The receiver is gone: the writes are done, and the exit code says so.
    let config = stage.read("runnerctl.yaml");
    stage.write("runnerctl.yaml", &config.replace(&url, "http://127.0.0.1:1/canary"));
    stage.pools(&POOLS.replace("max_runners: 20", "max_runners: 21"));
    let applied = stage.run(&["apply", "--auto-approve"]);
    let said = String::from_utf8(applied.stderr).unwrap();
    assert_eq!(applied.status.code(), Some(0), "{said}");
    let warning = "the signed statement about the audit log was not delivered to its webhook: ";
    assert!(said.contains(warning), "{said}");
    assert!(!said.contains("canary"), "{said}");
    assert_eq!(told.lock().unwrap().len(), 1);

    // A log that is named by `--audit` is another one.
    stage.write("runnerctl.yaml", &config);
    stage.pools(POOLS);
    let applied = stage.run(&["apply", "--auto-approve", "--audit", "other.jsonl"]);
    assert_eq!(applied.status.code(), Some(0), "{applied:?}");
    assert_eq!(told.lock().unwrap().len(), 1);
}
