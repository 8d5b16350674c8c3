//! `watch` with several GARMs in one process.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::fleet_of_garms::Garms;
use super::stage::{eventually, get, receiver};

/// The lines of `/metrics` about a series.
fn series(garms: &Garms, name: &str) -> Vec<String> {
    let (_, page) = get(garms.watch, "/metrics").unwrap_or_default();
    let lines = page.lines().filter(|line| line.starts_with(&format!("{name}{{")));
    lines.map(str::to_owned).collect()
}

fn until_line(garms: &Garms, line: &str) {
    eventually(line, || {
        let (_, page) = get(garms.watch, "/metrics")?;
        page.lines().any(|it| it == line).then_some(())
    });
}

/// Serves a GARM that accepts connections and never answers.
fn silent() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Ends with the process of the tests.
    std::thread::spawn(move || {
        let held: Vec<_> = listener.incoming().collect();
        drop(held);
    });
    address
}

#[test]
fn a_dead_and_a_silent_garm_keep_no_other_from_being_scaled_or_stopped() {
    let mut garms = Garms::start(&["a", "b"]);
    garms.add("dead", "127.0.0.1:9".parse().unwrap());
    garms.add("silent", silent());
    garms.write_fleet("");
    let mut watch = garms.watch("watch", &[]);
    let began = Instant::now();
    for name in ["a", "b"] {
        until_line(&garms, &format!("runner_idle{{garm=\"{name}\",pool=\"pool-{name}\"}} 2"));
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    // The process is ready, and says which GARMs are not.
    let (status, ready) = get(garms.watch, "/readyz").unwrap();
    assert_eq!(status, 200, "{ready}");
    for name in ["dead", "silent"] {
        assert!(ready.contains(&format!("GARM `{name}`: GARM has not been read yet")), "{ready}");
        assert_eq!(get(garms.watch, &format!("/readyz?garm={name}")).unwrap().0, 503);
    }
    assert_eq!(get(garms.watch, "/readyz?garm=a"), Some((200, "ready\n".into())));
    assert_eq!(get(garms.watch, "/readyz?garm=other").unwrap().0, 404);
    assert_eq!(get(garms.watch, "/healthz").unwrap().0, 200);
    assert_eq!(
        series(&garms, "runnerctl_ready"),
        [("a", 1), ("b", 1), ("dead", 0), ("silent", 0)]
            .map(|(name, value)| format!("runnerctl_ready{{garm=\"{name}\"}} {value}"))
    );
    // Every series of a GARM has the label, those of the process have not.
    let (_, page) = get(garms.watch, "/metrics").unwrap();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let is_of_process = line.starts_with("runnerctl_build_info{")
            || line.starts_with("runnerctl_config_last_reload_successful ");
        assert_eq!(line.contains("garm=\""), !is_of_process, "{line}");
    }
    pages(&garms);
    let log = garms.read("watch.err");
    assert!(log.contains(" a: watches") || log.contains(" a: runnerctl "), "{log}");
    assert!(log.contains("warning: dead: "), "{log}");
    let stopped = Instant::now();
    assert_eq!(watch.end("-TERM"), Some(0));
    assert!(stopped.elapsed() < Duration::from_secs(10), "{:?}", stopped.elapsed());
}

fn pages(garms: &Garms) {
    let (_, home) = get(garms.watch, "/").unwrap();
    for text in
        ["2 of 4 GARMs need attention: <code>dead</code> and <code>silent</code>", "/garms/a"]
    {
        assert!(home.contains(text), "{text}\n{home}");
    }
    let (status, page) = get(garms.watch, "/garms/a").unwrap();
    assert!(status == 200 && page.contains("/pools/pool-a") && !page.contains("pool-b"), "{page}");
    let (status, page) = get(garms.watch, "/pools/pool-b").unwrap();
    assert!(status == 200 && page.contains("/garms/b"), "{page}");
    assert_eq!(get(garms.watch, "/pools/pool-c").unwrap().0, 404);
    let (_, text) = get(garms.watch, "/decisions").unwrap();
    let all = crate::cli::bench::document(&text);
    let names: Vec<&String> = all["garms"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["a", "b"]);
    let (_, text) = get(garms.watch, "/decisions?garm=b").unwrap();
    let one = crate::cli::bench::document(&text);
    assert_eq!(one["pools"][0]["pool"], "pool-b");
    assert_eq!(one["pools"], all["garms"]["b"]["pools"]);
}

#[test]
fn an_alert_is_sent_once_with_the_name_of_its_garm() {
    let garms = Garms::start(&["a", "b"]);
    let (url, told) = receiver();
    garms.write_fleet(&format!(
        "alerts:\n  - {{ name: QueueDepthHigh, when: queue_depth, above: 3, for: 1s }}\n\
         receivers:\n  oncall: {{ webhook: {{ url: \"{url}\" }} }}\n"
    ));
    let _watch = garms.watch("watch", &[]);
    garms.until_ready();
    let jobs = garms.queue_held("b", 9);
    let messages = || told.lock().unwrap().clone();
    eventually("the page", || (messages().len() == 1).then_some(()));
    let page = messages().remove(0);
    assert!(page.contains("\"garm\":\"b\"") && page.contains("\"pool\":\"pool-b\""), "{page}");
    assert!(page.contains("/garms/b"), "the link leads to the page of the GARM: {page}");
    garms.cancel("b", &jobs);
    eventually("its end", || (messages().len() == 2).then_some(()));
}

#[test]
fn a_reload_moves_pools_adds_and_removes_garms() {
    let mut garms = Garms::start(&["a", "b"]);
    garms.start_sandbox("c");
    garms.write_fleet("");
    let watch = garms.watch("watch", &[]);
    garms.until_ready();
    // A new GARM is watched, one that was removed is not.
    garms.declare("c");
    garms.apply_to("c");
    garms.forget("b");
    garms.write_fleet("");
    watch.signal("-HUP");
    until_line(&garms, "runner_idle{garm=\"c\",pool=\"pool-c\"} 2");
    eventually("the end of b", || {
        let (_, page) = get(garms.watch, "/metrics")?;
        (!page.contains("garm=\"b\"")).then_some(())
    });
    let log = garms.read("watch.err");
    assert!(log.contains("b: no longer in the files: stopping"), "{log}");
    // A pool that moves is scaled where it is now.
    garms.move_pool("c", "a");
    garms.apply_to("a");
    watch.signal("-HUP");
    until_line(&garms, "runner_idle{garm=\"a\",pool=\"pool-c\"} 2");
    eventually("the end of the series of c", || {
        series(&garms, "queue_depth").iter().all(|line| !line.contains("garm=\"c\"")).then_some(())
    });
    // Files with an error change nothing, and the change from `garms` to `garm` needs a restart.
    let before = garms.read("runnerctl.yaml");
    garms.write("runnerctl.yaml", &before.replace("garms:", "garmss:"));
    watch.signal("-HUP");
    until_line(&garms, "runnerctl_config_last_reload_successful 0");
    garms.write("runnerctl.yaml", &before);
    watch.signal("-HUP");
    until_line(&garms, "runnerctl_config_last_reload_successful 1");
    assert_eq!(series(&garms, "queue_depth").len(), 2);
}

#[test]
fn a_garm_with_a_wrong_password_is_tried_again_while_the_others_are_scaled() {
    let garms = Garms::start(&["a", "b"]);
    garms.write_fleet("");
    let password = garms.read("b.yaml.password");
    garms.write("b.yaml.password", "wrong\n");
    let watch = garms.watch("watch", &[]);
    until_line(&garms, "runner_idle{garm=\"a\",pool=\"pool-a\"} 2");
    let ready = eventually("the reason", || {
        let (status, page) = get(garms.watch, "/readyz?garm=b")?;
        (status == 503 && page.contains("401 Not Authorized")).then_some(page)
    });
    assert!(!ready.contains("wrong\n"), "{ready}");
    assert_eq!(get(garms.watch, "/healthz").unwrap().0, 200);
    let (_, home) = get(garms.watch, "/").unwrap();
    assert!(home.contains("1 of 2 GARMs needs attention: <code>b</code>"), "{home}");
    garms.write("b.yaml.password", &password);
    watch.signal("-HUP");
    until_line(&garms, "runner_idle{garm=\"b\",pool=\"pool-b\"} 2");
    let log = garms.read("watch.err");
    assert!(log.contains("error: b: ") && log.contains("tries again in 15s"), "{log}");
}

#[test]
fn once_and_selected_garms() {
    let mut garms = Garms::start(&["a", "b"]);
    garms.write_fleet("");
    let done = garms.run(&["watch", "--once"]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let log = String::from_utf8_lossy(&done.stderr).into_owned();
    for text in ["a: ", "b: ", "2 GARMs with 2 pools"] {
        assert!(log.contains(text), "{text}\n{log}");
    }
    assert!(garms.path("audit.a.jsonl").exists() && garms.path("audit.b.jsonl").exists());
    garms.stop_sandbox("b");
    let failed = garms.run(&["watch", "--release"]);
    assert_eq!(failed.status.code(), Some(4), "{failed:?}");
    let log = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(log.contains("1 of 2 GARMs failed: `b`"), "{log}");
    let one = garms.run(&["watch", "--once", "--garm", "a"]);
    assert_eq!(one.status.code(), Some(0), "{one:?}");
    let none = garms.run(&["watch", "--once", "--garm", "z"]);
    assert_eq!(none.status.code(), Some(64), "{none:?}");
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(
        said.contains("`--garm z`: the fleet file names no such GARM")
            && said.contains("`a` and `b`"),
        "{said}"
    );
}

#[test]
fn status_tells_which_garms_a_watch_does_not_watch() {
    let garms = Garms::start(&["a", "b"]);
    garms.write_fleet("");
    let _watch = garms.watch("watch", &["--garm", "a"]);
    until_line(&garms, "runner_idle{garm=\"a\",pool=\"pool-a\"} 2");
    let status = garms.run(&["status", "-o", "json"]);
    let status = crate::cli::bench::document(&String::from_utf8(status.stdout).unwrap());
    let watch = |garm: &str| &status["garms"][garm]["watch"];
    assert_eq!(watch("a")["running"], true, "{status}");
    assert_eq!(watch("b")["why"], "no GARM of this name is watched", "{status}");
}
