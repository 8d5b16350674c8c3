//! Scenarios as directories: `tests/config/<case>/` holds a fleet file, if any, and pool files; the
//! report is stored beside them. `canary` is the secret in all of them, and is never shown.

use std::fs;
use std::path::{Path, PathBuf};

use anstream::adapter::strip_str;
use runnerctl::config::{Problem, load};
use runnerctl::host::files::{self, PoolFiles, SourcePath};
use runnerctl::render::problem;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config")
}

fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> =
        fs::read_dir(folder()).unwrap().map(|it| it.unwrap().path()).collect();
    cases.sort();
    cases
}

/// Paths as they are seen from the case's folder.
fn read(case: &Path) -> Vec<Problem> {
    let relative = |path: &str| path.trim_start_matches(&format!("{}/", case.display())).to_owned();
    let fleet = case.join("runnerctl.yaml");
    let mut fleet =
        fleet.exists().then(|| files::read_fleet(&SourcePath::Named(fleet.clone())).unwrap());
    let PoolFiles { sources: mut pools, problems: unread, .. } =
        files::read_pools(&[SourcePath::Named(case.join("pools"))]);
    assert_eq!(unread, []);
    for source in pools.iter_mut().chain(&mut fleet) {
        source.path = relative(&source.path);
    }
    load(fleet.as_ref(), &pools).problems
}

#[test]
fn every_scenario_reports_what_stands_beside_it() {
    let cases = cases();
    assert!(cases.len() > 30);
    for case in cases {
        let problems = read(&case);
        let report = problem::text(&problems);
        insta::with_settings!({
            snapshot_path => &case,
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!("report", strip_str(&report).to_string());
        });
    }
}

#[test]
fn no_output_of_any_scenario_holds_its_secret() {
    for case in cases() {
        let problems = read(&case);
        let outputs = [
            problem::text(&problems),
            problem::json(&problems).to_string(),
            problem::annotations(&problems, None).join("\n"),
            format!("{problems:?}"),
        ];
        for output in outputs {
            assert!(!output.contains("canary"), "{}: {output}", case.display());
        }
    }
}

#[test]
fn every_place_lies_in_its_file() {
    for case in cases() {
        for problem in read(&case) {
            let text = fs::read_to_string(case.join(&problem.place.file)).unwrap();
            let spot = problem.place.spot.unwrap();
            let line = text.lines().nth(spot.line as usize - 1).unwrap_or("");
            assert!(spot.column as usize <= line.chars().count() + 1, "{}", problem.place);
        }
    }
}
