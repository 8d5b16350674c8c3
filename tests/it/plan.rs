//! Scenarios: a directory contains the files (`runnerctl.yaml` and `pools/`, or `pools.yaml` for a
//! part of the fleet) and GARM's answers (`garm.json`: path → body). The resulting plan is a
//! snapshot beside them, as text and as JSON.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anstream::adapter::strip_str;
use jiff::Timestamp;
use runnerctl::config::{self, Manifest, has_error};
use runnerctl::domain::desired::{Desired, Scope};
use runnerctl::domain::entity::EntityKind;
use runnerctl::domain::fleet::Fleet;
use runnerctl::garm::{GarmClient, GarmLogin, Request, Response, ResponseFuture, Transport};
use runnerctl::host::clock::Clock;
use runnerctl::host::files::{self, PoolFiles, SourcePath};
use runnerctl::plan::{Plan, PlanOptions, plan};
use runnerctl::reconcile::read_fleet::{FleetRequest, TemplatesRequest, read_fleet};
use runnerctl::render::plan::{PlanHeading, json, markdown, text};
use secrecy::SecretString;
use serde_json::{Value, json};

/// GARM's answers, from a file. A path that is not in the file returns an empty list.
struct Answers(Value);

impl Transport for Answers {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        let body = match request.path.as_str() {
            "/auth/login" => json!({ "token": "t" }),
            path => self.0.get(path).cloned().unwrap_or_else(|| json!([])),
        };
        let response = Response {
            status: 200,
            content_type: Some("application/json".to_owned()),
            date: Some("2026-11-20T12:00:00Z".parse::<Timestamp>().unwrap()),
            body: body.to_string().into_bytes(),
        };
        Box::pin(async move { Ok(response) })
    }

    fn address(&self) -> String {
        "https://garm.example.com".to_owned()
    }
}

fn scenarios() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut all: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|it| it.unwrap().path()).collect();
    all.sort();
    all
}

fn declared(folder: &Path) -> (Manifest, Desired) {
    let (pools, scope) = match folder.join("pools") {
        whole if whole.is_dir() => (whole, Scope::Whole),
        _ => (folder.join("pools.yaml"), Scope::Part),
    };
    let fleet = files::read_fleet(&SourcePath::Named(folder.join("runnerctl.yaml"))).unwrap();
    let PoolFiles { sources: pools, problems: unread, .. } =
        files::read_pools(&[SourcePath::Named(pools)]);
    assert_eq!(unread, []);
    let manifest = config::load(Some(&fleet), &pools);
    assert!(!has_error(&manifest.problems), "{:#?}", manifest.problems);
    let desired = manifest.complete(scope).unwrap();
    (manifest, desired)
}

fn read(folder: &Path) -> Fleet {
    let answers = serde_json::from_slice(&fs::read(folder.join("garm.json")).unwrap()).unwrap();
    let login = GarmLogin::new("admin", SecretString::from("password"));
    let client = GarmClient::new(Arc::new(Answers(answers)), login);
    let ask = FleetRequest {
        kinds: EntityKind::ALL.to_vec(),
        templates: TemplatesRequest::Named,
        proxies: true,
        ..FleetRequest::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(read_fleet(&client, &ask, &Clock::Real)).unwrap()
}

fn planned(folder: &Path) -> Plan {
    let (manifest, desired) = declared(folder);
    let policy = &manifest.fleet_file.as_ref().unwrap().policy;
    let options = PlanOptions {
        target: Vec::new(),
        protected: policy.protected_pools.clone(),
        show_keys: policy.extra_specs_show.clone(),
        ..PlanOptions::default()
    };
    plan(&desired, &read(folder), &options)
}

fn heading() -> PlanHeading {
    PlanHeading {
        garm: None,
        garm_url: "https://garm.example.com".to_owned(),
        fleet_file: "runnerctl.yaml".to_owned(),
    }
}

#[test]
fn every_scenario_plans_as_its_snapshots_say() {
    for folder in scenarios() {
        let plan = planned(&folder);
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(&folder);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| {
            let said = text(&plan, &heading(), 100);
            insta::assert_snapshot!("text", strip_str(&said).to_string());
            insta::assert_snapshot!("json", format!("{:#}", json(&plan, &[], None)));
        });
    }
}

#[test]
fn no_scenario_shows_a_secret_or_moves_the_cursor_in_any_form() {
    for folder in scenarios() {
        let plan = planned(&folder);
        let said = strip_str(&text(&plan, &heading(), 100)).to_string();
        for form in [&said, &markdown(&plan, &heading())] {
            assert!(!form.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{form}");
            assert!(!form.lines().any(|it| it.trim_start().starts_with("::")), "{form}");
        }
        for form in [said, markdown(&plan, &heading()), json(&plan, &[], None).to_string()] {
            assert!(!form.contains("hunter2"), "{form}");
        }
    }
}

#[test]
fn markdown_of_hostile_text_is_inert() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/hostile");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("markdown", markdown(&planned(&folder), &heading())));
}
