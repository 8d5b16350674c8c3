//! The start of `watch`, and the errors that prevent it.

use std::net::TcpListener;

use super::stage::{Stage, eventually, free_address, get};

#[test]
fn an_occupied_address_exits_with_1_and_a_hint() {
    let stage = Stage::with_garm();
    let _taken = TcpListener::bind(stage.watch).unwrap();
    let output = stage.run(&["watch"]);
    let expected = format!(
        "error: cannot listen on `{}`: another program is listening there\nhelp: stop it (another \
         `watch`?), or choose another port with `--listen` or `watch.listen`\n",
        stage.watch
    );
    assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn watch_exits_with_4_for_a_wrong_password_3_for_an_invalid_file_and_64_for_an_invalid_command_line()
 {
    let stage = Stage::with_garm();
    let password = stage.read("sandbox.yaml.password");
    stage.write("sandbox.yaml.password", "not-it\n");
    let output = stage.run(&["watch"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("password"), "{said}");
    stage.write("sandbox.yaml.password", &password);
    stage.pools("pools: [{ name: x }]\n");
    assert_eq!(stage.run(&["watch"]).status.code(), Some(3));
    for wrong in [&["--listen", "here"][..], &["-o", "markdown"], &["--once", "--release"]] {
        let line = [&["watch"], wrong].concat();
        assert_eq!(stage.run(&line).status.code(), Some(64), "{wrong:?}");
    }
}

#[test]
fn an_unwritable_audit_file_exits_with_6_before_any_request() {
    let stage = Stage::with_garm();
    let config = stage.read("runnerctl.yaml");
    stage.write("runnerctl.yaml", &config.replace("audit.jsonl", "absent/audit.jsonl"));
    let output = stage.run(&["watch"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert!(said.contains("`watch.audit`"), "{said}");
}

#[test]
fn without_garm_watch_reports_it_waits_and_serves_its_pages() {
    let mut stage = Stage::set();
    stage.stop_garm();
    let mut watch = stage.start_watch("watch", &[]);
    let said = "error: GARM cannot be read";
    eventually(said, || stage.read("watch.err").contains(said).then_some(()));
    assert_eq!(get(stage.watch, "/healthz"), Some((200, "ok\n".to_owned())));
    let (status, reasons) = get(stage.watch, "/readyz").unwrap();
    assert_eq!(status, 503, "{reasons}");
    // It comes back with another password in the same file.
    stage.start_garm();
    stage.until_ready(stage.watch);
    assert_eq!(watch.end("-TERM"), Some(0));
}

#[test]
fn a_dry_run_writes_nothing_to_garm_and_records_nothing() {
    let stage = Stage::set();
    let level = stage.status()["level"].clone();
    let _watch = stage.start_watch("watch", &["--dry-run"]);
    stage.until_ready(stage.watch);
    stage.queue_held(9);
    let up = "runnerctl_scaling_decisions_total{pool=\"default\",direction=\"up\",reason=\"pressure\"} 1";
    let page = stage.metrics_with(up);
    assert!(!page.contains("method=\"PUT\""), "{page}");
    assert_eq!(stage.status()["level"], level);
    assert!(!stage.path("audit.jsonl").exists());
}

#[test]
fn two_watchers_agree() {
    let stage = Stage::set();
    let _first = stage.watch();
    let other = free_address();
    let _second = stage.start_watch("other", &["--listen", &other.to_string()]);
    stage.until_ready(other);
    stage.queue_held(9);
    let level = |address| {
        let (_, page) = get(address, "/decisions")?;
        let report: serde_json::Value = serde_json::from_str(&page).ok()?;
        report["pools"][0]["inputs"]["jobs"]["queued"].as_u64().filter(|it| *it == 9)?;
        report["pools"][0]["level"].as_u64()
    };
    let agreed = eventually("two that agree", || {
        let (one, two) = (level(stage.watch)?, level(other)?);
        (one == two && stage.status()["booting"] != 0).then_some(one)
    });
    assert!(agreed <= 20, "{agreed}");
}

/// glibc reads these variables only at the start of a process, so the process re-executes itself.
#[cfg(target_env = "gnu")]
#[test]
fn memory_of_large_answers_is_returned_unless_malloc_variables_are_set() {
    let stage = Stage::with_garm();
    let said = |watch: &super::stage::Process| {
        let file = format!("/proc/{}/environ", watch.id());
        let text = String::from_utf8(std::fs::read(file).unwrap()).unwrap();
        let lines = text.split('\0').filter(|it| it.starts_with("MALLOC_"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut watch = stage.watch();
    let mut settings = said(&watch);
    settings.sort();
    let expected =
        ["MALLOC_ARENA_MAX=2", "MALLOC_MMAP_THRESHOLD_=131072", "MALLOC_TRIM_THRESHOLD_=131072"];
    assert_eq!(settings, expected);
    let name = std::fs::read_to_string(format!("/proc/{}/comm", watch.id())).unwrap();
    assert_eq!(name, "runnerctl\n", "under its own name");
    assert_eq!(watch.end("-TERM"), Some(0));
    let mut watch = stage.start_watch_with("watch2", &[], &[("MALLOC_ARENA_MAX", "1")]);
    stage.until_ready(stage.watch);
    assert_eq!(said(&watch), ["MALLOC_ARENA_MAX=1"]);
    assert_eq!(watch.end("-TERM"), Some(0));
}
