//! Files that change while `watch` runs.

use std::os::unix::fs::PermissionsExt;

use super::stage::{POOLS, Stage, eventually};

const TAKEN: &str = "runnerctl_config_last_reload_successful 1";
const REFUSED: &str = "runnerctl_config_last_reload_successful 0";

#[test]
fn an_invalid_file_keeps_the_previous_configuration_until_it_is_corrected() {
    let stage = Stage::set();
    let mut watch = stage.watch();
    stage.pools(&POOLS.replace("max_runners", "max_runers"));
    watch.signal("-HUP");
    let page = stage.metrics_with(REFUSED);
    assert!(page.contains("runnerctl_pool_max_runners{pool=\"default\"} 20\n"), "{page}");
    let said = eventually("the problem in the log", || {
        let said = stage.read("watch.err");
        said.contains("unknown key `max_runers`").then_some(said)
    });
    assert!(said.contains("the previous configuration stays in use"), "{said}");
    stage.pools(&POOLS.replace("max_runners: 20", "max_runners: 7"));
    watch.signal("-HUP");
    stage.metrics_with("runnerctl_pool_max_runners{pool=\"default\"} 7");
    stage.metrics_with(TAKEN);
    assert_eq!(watch.end("-TERM"), Some(0));
}

#[test]
fn watch_reloads_changed_files_without_a_signal_and_names_settings_that_need_a_restart() {
    let stage = Stage::set();
    let _watch = stage.watch();
    let config = stage.read("runnerctl.yaml");
    stage.write("runnerctl.yaml", &config.replace("username: admin", "username: root"));
    stage.pools(&POOLS.replace("max_runners: 20", "max_runners: 8"));
    stage.metrics_with("runnerctl_pool_max_runners{pool=\"default\"} 8");
    let said = stage.read("watch.err");
    assert!(said.contains("`garm` has changed: restart `watch` to apply the change"), "{said}");
}

#[test]
fn a_pool_that_differs_from_its_file_is_drift() {
    let stage = Stage::set();
    let _watch = stage.watch();
    stage.metrics_with("runnerctl_config_drift{pool=\"default\"} 0");
    stage.pools(&POOLS.replace("max_runners: 20", "max_runners: 21"));
    stage.metrics_with("runnerctl_config_drift{pool=\"default\"} 1");
    assert!(stage.run(&["apply", "--auto-approve", "--no-audit"]).status.success());
    stage.metrics_with("runnerctl_config_drift{pool=\"default\"} 0");
}

/// The secret with the receiver's address is written a moment after the file that names it.
#[test]
fn a_refused_configuration_is_applied_once_its_cause_outside_the_files_is_gone() {
    let stage = Stage::set();
    let mut watch = stage.watch();
    let config = stage.read("runnerctl.yaml");
    let receiver = "receivers:\n  oncall:\n    webhook:\n      url: file:late.url\n";
    stage.write("runnerctl.yaml", &format!("{config}{receiver}"));
    stage.metrics_with(REFUSED);
    stage.write("late.tmp", "http://127.0.0.1:9/x\n");
    let only_ours = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(stage.path("late.tmp"), only_ours).unwrap();
    std::fs::rename(stage.path("late.tmp"), stage.path("late.url")).unwrap();
    stage.metrics_with(TAKEN);
    assert_eq!(watch.end("-TERM"), Some(0));
    let said = stage.read("watch.err");
    let refusals = said.matches("late.url").count();
    assert_eq!(refusals, 1, "it is tried at each look and said once: {said}");
    assert!(said.contains("reloaded the changed files"), "{said}");
}

/// `watch` applies one part of a changed file at once; the other part needs an `apply`.
#[test]
fn settings_that_need_an_apply_are_named_until_it_is_done() {
    let stage = Stage::set();
    let _watch = stage.watch();
    let config = stage.read("runnerctl.yaml");
    stage.write(
        "runnerctl.yaml",
        &config.replace("minimum_job_age_backoff: 5m", "minimum_job_age_backoff: 6m"),
    );
    stage.pools(&POOLS.replace("max_runners: 20", "max_runners: 21"));
    let says = |what: &str| {
        eventually(what, || stage.read("watch.err").contains(what).then_some(()));
    };
    says("`controller` has changed: run `apply` to change it in GARM");
    says(
        "default: the pool in GARM differs from its file in `max_runners`; run `runnerctl apply` to change it",
    );
    assert!(stage.run(&["apply", "--auto-approve", "--no-audit"]).status.success());
    says("default: the pool in GARM matches its file again");
}
