//! Alerts that reach their receivers.

use std::os::unix::fs::PermissionsExt;

use super::stage::{Stage, eventually, receiver};

/// Writes the receiver's address to the file of its reference.
fn address(stage: &Stage, url: &str) {
    stage.write("hook.url", &format!("{url}\n"));
    let only_ours = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(stage.path("hook.url"), only_ours).unwrap();
}

/// Adds an alert of more than 5 waiting jobs for that address.
fn tell_on_call(stage: &Stage) {
    let config = stage.read("runnerctl.yaml");
    let alerts = "alerts:\n  - name: QueueDepthHigh\n    when: queue_depth\n    above: 5\n    \
        for: 1s\n    notify: [oncall]\nreceivers:\n  oncall:\n    webhook:\n      \
        url: file:hook.url\n";
    stage.write("runnerctl.yaml", &format!("{config}{alerts}"));
}

#[test]
fn an_alert_and_its_end_reach_a_receiver_with_a_secret_address() {
    let stage = Stage::set();
    let (url, told) = receiver();
    address(&stage, &url);
    tell_on_call(&stage);
    let mut watch = stage.watch();
    let jobs = stage.queue_held(9);
    let heard = |word: &str| {
        eventually(word, || {
            let told = told.lock().unwrap();
            told.iter().find(|it| it.contains(word)).cloned()
        })
    };
    let firing = heard("QueueDepthHigh");
    assert!(firing.contains("`queue_depth` of pool `default` is 9, above 5 for 1s"), "{firing}");
    assert!(firing.contains("docs/operations.md#queuedepthhigh"), "{firing}");
    let page = format!("\"http://{}/\"", stage.watch);
    assert!(firing.contains(&page), "{firing}");
    stage.metrics_with(
        "runnerctl_alert_deliveries_total{receiver=\"oncall\",outcome=\"delivered\"} 1",
    );
    stage.cancel(&jobs);
    heard("no longer above 5");
    assert_eq!(watch.end("-TERM"), Some(0));
    let said = stage.read("watch.err");
    assert!(said.contains("alert `QueueDepthHigh` fires"), "{said}");
    assert!(!said.contains("secret-path"), "{said}");
}

#[test]
fn sighup_reads_a_rotated_receiver_address() {
    let stage = Stage::set();
    let ((old, told_old), (new, told_new)) = (receiver(), receiver());
    address(&stage, &old);
    tell_on_call(&stage);
    let mut watch = stage.watch();
    address(&stage, &new);
    watch.signal("-HUP");
    let same = "the files are unchanged";
    eventually(same, || stage.read("watch.err").contains(same).then_some(()));
    stage.queue_held(9);
    let word = "QueueDepthHigh";
    eventually(word, || told_new.lock().unwrap().iter().any(|it| it.contains(word)).then_some(()));
    assert_eq!(watch.end("-TERM"), Some(0));
    assert_eq!(*told_old.lock().unwrap(), [""; 0]);
    assert!(!stage.read("watch.err").contains("secret-path"));
}

/// The shipped systemd unit starts `watch` in `/`.
#[test]
fn a_receivers_secret_file_is_relative_to_the_fleet_file() {
    let stage = Stage::set();
    let (url, _) = receiver();
    address(&stage, &url);
    tell_on_call(&stage);
    let config = stage.path("runnerctl.yaml");
    let shell = format!("cd / && exec \"$@\" --config {}", config.display());
    let mut watch = stage.start_watch_in(&shell, "watch");
    stage.until_ready(stage.watch);
    assert_eq!(watch.end("-TERM"), Some(0));
}
