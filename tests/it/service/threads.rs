//! A system that refuses threads: failures are reported, and nothing panics.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::stage::{POOLS, Stage, eventually, get};

/// Lets a process start `count` threads, and refuses further ones as the kernel does at the limit
/// of a cgroup or a user.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg) {
    static atomic_int made;
    const char *allowed = getenv("THREADS_ALLOWED");
    if (allowed && atomic_fetch_add(&made, 1) >= atoi(allowed)) return EAGAIN;
    int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    *(void **)&next = dlsym(RTLD_NEXT, "pthread_create");
    return next(thread, attr, start, arg);
}
"#;

fn shim(stage: &Stage) -> PathBuf {
    let (source, library) = (stage.path("threads.c"), stage.path("threads.so"));
    std::fs::write(&source, SHIM).unwrap();
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let mut command = Command::new(compiler);
    command.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl");
    let status = command.stdin(Stdio::null()).status().expect("a C compiler is needed");
    assert!(status.success());
    library
}

#[test]
fn a_refused_thread_causes_an_error_or_a_wait_and_never_a_panic() {
    let stage = Stage::set();
    let shim = shim(&stage);
    let shim = shim.to_str().unwrap();
    let with = |allowed: &'static str| [("LD_PRELOAD", shim), ("THREADS_ALLOWED", allowed)];
    for line in [&["plan"][..], &["validate", "--online"], &["status"], &["watch", "--once"]] {
        for allowed in ["0", "1", "2", "3", "4"] {
            let output = stage.run_with(line, &with(allowed));
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!said.contains("panicked"), "{line:?} with {allowed}: {said}");
            match output.status.code() {
                Some(0) => assert_ne!(allowed, "0", "{line:?} does without its pool"),
                Some(1) => assert!(said.contains("cannot start "), "{line:?}, {allowed}: {said}"),
                other => panic!("{line:?} with {allowed}: {other:?}: {said}"),
            }
            if allowed == "0" {
                assert!(said.contains("TasksMax="), "{said}");
            }
        }
        // One for the pool, and for `watch` one beside the loop, one for the log and one for the audit file.
        assert!(stage.run_with(line, &with("4")).status.success(), "{line:?}");
    }
}

#[test]
fn a_watch_that_is_refused_further_threads_serves_pages_and_ends_normally() {
    let stage = Stage::set();
    let shim = shim(&stage);
    let variables = [("LD_PRELOAD", shim.to_str().unwrap()), ("THREADS_ALLOWED", "4")];
    let mut watch = stage.start_watch_with("few", &[], &variables);
    stage.until_ready(stage.watch);
    for path in ["/healthz", "/metrics", "/decisions"] {
        eventually(path, || (get(stage.watch, path)?.0 == 200).then_some(()));
    }
    stage.pools(&POOLS.replace("max_runners: 20", "max_runners: 7"));
    watch.signal("-HUP");
    stage.metrics_with("runnerctl_pool_max_runners{pool=\"default\"} 7");
    assert_eq!(watch.end("-TERM"), Some(0), "{}", stage.read("few.err"));
    assert!(!stage.read("few.err").contains("panicked"), "{}", stage.read("few.err"));
}
