//! `/` and `/pools/NAME` of a running `watch`.

use super::stage::{Stage, eventually, get};

/// The page, once it contains all of these texts.
fn page_with(stage: &Stage, path: &str, texts: &[&str]) -> String {
    eventually(&format!("{path}: {texts:?}"), || {
        let (status, page) = get(stage.watch, path)?;
        (status == 200 && texts.iter().all(|text| page.contains(text))).then_some(page)
    })
}

#[test]
fn the_page_shows_jobs_actions_and_a_decision_and_then_their_age() {
    let mut stage = Stage::set();
    let _watch = stage.watch();
    assert!(
        stage
            .read("watch.err")
            .contains(&format!("serves the status page at http://{}/", stage.watch))
    );
    page_with(&stage, "/", &["<title>sandbox: ", "/pools/default", "2 idle"]);
    stage.queue_held(9);
    let page = page_with(&stage, "/", &["9 jobs wait", "level raised from", "class=\"trend\""]);
    assert!(!page.contains("No job waits"), "{page}");
    for check in
        ["<dt>GARM</dt>", "<dt>Events</dt><dd>connected", "<dt>Audit log</dt>", "<dt>mTLS</dt>"]
    {
        assert!(page.contains(check), "{check}\n{page}");
    }
    let pool = page_with(&stage, "/pools/default", &["What each rule says", "m5.large"]);
    assert!(pool.contains("peak 9 jobs"), "{pool}");
    let (status, missing) = get(stage.watch, "/pools/defualt").unwrap();
    assert_eq!(status, 404);
    assert!(missing.contains("Is it <a href=\"/pools/default\">default</a>?"), "{missing}");

    stage.stop_garm();
    let old = [
        "this page shows the state at that time",
        "Nothing is written to GARM",
        "<title>sandbox: GARM was last read",
        "GARM cannot be read",
        "would ",
    ];
    let page = page_with(&stage, "/", &old);
    assert!(!page.contains("<dt>Events</dt><dd>connected"), "{page}");
    page_with(&stage, "/pools/default", &["this page shows the state at that time", "frozen: "]);
}

#[test]
fn the_page_shows_a_dry_run_and_a_garm_that_never_answered() {
    let mut stage = Stage::set();
    let watch = stage.start_watch("watch", &["--dry-run"]);
    stage.queue_held(9);
    let page = page_with(
        &stage,
        "/",
        &["Dry run: decisions are not written to GARM", "would start", "a dry run records nothing"],
    );
    assert!(page.contains("not written to GARM</li>"), "{page}");
    drop(watch);
    stage.stop_garm();
    let _watch = stage.start_watch("again", &[]);
    let page = page_with(&stage, "/", &["GARM has not been read yet", "GARM cannot be read"]);
    assert!(page.contains("GARM http://127.0.0.1"), "{page}");
}

#[test]
fn the_words_of_a_failing_provider_are_on_the_page_before_its_runners_are_removed() {
    let stage = Stage::set();
    stage.knobs(r#"{"create_fail_rate":1.0}"#);
    let _watch = stage.watch();
    stage.queue_held(9);
    let words = ["could not be created: its provider says: ", "sim: injected create failure"];
    page_with(&stage, "/pools/default", &words);
    page_with(&stage, "/", &words);
    let log = stage.read("watch.err");
    let warnings = log.lines().filter(|line| line.contains("could not be created"));
    assert_eq!(warnings.count(), 1, "{log}");
    assert!(!log.contains("is being deleted"), "{log}");
}
