//! Alerts that reach somebody.

use std::os::unix::fs::PermissionsExt;

use super::stage::{Stage, eventually, receiver};

/// Keeps the receiver's address where it is referred to.
fn address(stage: &Stage, url: &str) {
    stage.write("hook.url", &format!("{url}\n"));
    let only_ours = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(stage.path("hook.url"), only_ours).unwrap();
}

/// More than 5 waiting jobs are told to that address.
fn tell_on_call(stage: &Stage) {
    let config = stage.read("runnerctl.yaml");
    let alerts = "alerts:\n  - name: QueueDepthHigh\n    when: queue_depth\n    above: 5\n    \
        for: 1s\n    notify: [oncall]\nreceivers:\n  oncall:\n    webhook:\n      \
        url: file:hook.url\n";
    stage.write("runnerctl.yaml", &format!("{config}{alerts}"));
}

#[test]
fn a_long_queue_reaches_a_receiver_whose_address_is_a_secret_and_its_end_does_too() {
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
fn a_receivers_address_that_was_rotated_is_read_again_at_a_hangup() {
    let stage = Stage::set();
    let ((old, told_old), (new, told_new)) = (receiver(), receiver());
    address(&stage, &old);
    tell_on_call(&stage);
    let mut watch = stage.watch();
    address(&stage, &new);
    watch.signal("-HUP");
    let same = "the files are as they were";
    eventually(same, || stage.read("watch.err").contains(same).then_some(()));
    stage.queue_held(9);
    let word = "QueueDepthHigh";
    eventually(word, || told_new.lock().unwrap().iter().any(|it| it.contains(word)).then_some(()));
    assert_eq!(watch.end("-TERM"), Some(0));
    assert_eq!(*told_old.lock().unwrap(), [""; 0]);
    assert!(!stage.read("watch.err").contains("secret-path"));
}

/// The shipped unit for systemd starts it in `/`.
#[test]
fn a_receivers_file_is_looked_for_beside_the_fleet_file_wherever_it_is_started() {
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
