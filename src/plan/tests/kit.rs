//! The runner kit in plans: it is added to every pool, renewed and removed, and its key is never
//! shown.

use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::build::*;
use super::model::{carry_out, writes};
use super::rows::changed;
use crate::domain::desired::{Desired, DesiredPool};
use crate::domain::fleet::Fleet;
use crate::plan::saved::{self, SavedInputs};
use crate::plan::{Action, Plan, PlanOptions, Resource, RunnerKit, ShownValue, plan};
use crate::policy::kit::{self, Kit, KitParts, RunnerIdentity};

const CANARY: &str = "canary-key-77b0";
const FIELD: &str = "extra_specs.pre_install_scripts.00-runnerctl";

/// A kit with this certificate, which expires this many days after the fleet is read.
fn ready(cert: &str, days: i64) -> RunnerKit {
    let identity = RunnerIdentity {
        cert: cert.to_owned(),
        key: SecretString::from(CANARY),
        ca: "ca".to_owned(),
        holds_until: at(days * 24 * 3600),
    };
    RunnerKit::Ready(Kit::new(&KitParts { identity: Some(identity), ..KitParts::default() }))
}

fn planned(desired: &Desired, fleet: &Fleet, kit: &RunnerKit) -> Plan {
    plan(desired, fleet, &PlanOptions { kit: kit.clone(), ..PlanOptions::default() })
}

fn carried_out(desired: &Desired, fleet: &mut Fleet, kit: &RunnerKit) -> Plan {
    let plan = planned(desired, fleet, kit);
    for write in writes(&plan) {
        carry_out(fleet, &write);
    }
    plan
}

/// Action and changed fields of each step.
fn lines(plan: &Plan) -> Vec<String> {
    let fields = |step: &crate::plan::Step| -> Vec<String> {
        step.changes.iter().map(|change| change.field.clone()).collect()
    };
    plan.steps
        .iter()
        .map(|step| format!("{} {}", step.action.word(), fields(step).join(" ")))
        .collect()
}

fn with_specs(name: &str, specs: Value) -> DesiredPool {
    let Value::Object(extra_specs) = specs else { panic!("{specs} is not an object") };
    changed(pool(name), |pool| pool.settings.extra_specs = extra_specs)
}

fn specs_of(fleet: &Fleet) -> Vec<&Map<String, Value>> {
    fleet.pools.iter().map(|pool| &pool.spec.extra_specs).collect()
}

#[test]
fn it_comes_with_the_pool_is_renewed_and_goes_and_what_is_the_pools_own_stays() {
    let own = json!({ "disk_gb": 20, "pre_install_scripts": { "10-proxy": "eA==" } });
    let wanted = desired([pool("plain"), with_specs("scripted", own.clone())]);
    let mut there = fleet();
    let made = carried_out(&wanted, &mut there, &ready("one", 90));
    assert!(made.steps.iter().all(|step| step.action == Action::Create), "{made:#?}");
    assert!(specs_of(&there).iter().all(|specs| kit::entry(specs).is_some()));
    assert_eq!(lines(&planned(&wanted, &there, &ready("one", 90))), [""; 0]);

    let change = format!("update {FIELD}");
    let renewed = carried_out(&wanted, &mut there, &ready("two", 90));
    assert_eq!(lines(&renewed), [change.as_str(), change.as_str()]);
    let [change_of_kit] = renewed.steps[0].changes.as_slice() else { panic!("one change") };
    let (ShownValue::Kit { digest: old }, ShownValue::Kit { digest: new }) =
        (&change_of_kit.before, &change_of_kit.after)
    else {
        panic!("{change_of_kit:?}")
    };
    assert_ne!(old, new);
    assert_eq!(lines(&planned(&wanted, &there, &ready("two", 90))), [""; 0]);

    let gone = carried_out(&wanted, &mut there, &RunnerKit::None);
    assert_eq!(lines(&gone), [change.as_str(), change.as_str()]);
    assert_eq!(specs_of(&there), [&Map::new(), own.as_object().unwrap()]);
    assert_eq!(lines(&planned(&wanted, &there, &RunnerKit::None)), [""; 0]);
}

#[test]
fn a_change_of_the_pools_own_scripts_is_told_apart_from_the_kit() {
    let before = with_specs("a", json!({ "pre_install_scripts": { "10-proxy": "eA==" } }));
    let after = with_specs("a", json!({ "pre_install_scripts": { "10-proxy": "eQ==" } }));
    let mut there = fleet();
    carried_out(&desired([before]), &mut there, &ready("one", 90));
    let wanted = desired([after]);
    let same_kit = planned(&wanted, &there, &ready("one", 90));
    assert_eq!(lines(&same_kit), ["update extra_specs.pre_install_scripts"]);
    let other_kit = planned(&wanted, &there, &ready("two", 90));
    assert_eq!(lines(&other_kit), [format!("update extra_specs.pre_install_scripts {FIELD}")]);
}

#[test]
fn without_the_key_there_is_no_difference_in_the_kit() {
    let wanted = desired([pool("a"), pool("b")]);
    let mut there = fleet();
    carried_out(&wanted, &mut there, &ready("one", 90));
    there.pools[1].spec.extra_specs.insert("by_hand".to_owned(), json!(1));
    let seen = planned(&wanted, &there, &RunnerKit::Unread);
    assert_eq!(lines(&seen), ["update extra_specs.by_hand"]);
    let mut bare = fleet();
    carried_out(&wanted, &mut bare, &RunnerKit::None);
    assert_eq!(lines(&planned(&wanted, &bare, &RunnerKit::Unread)), [""; 0]);
}

#[test]
fn neither_plan_nor_saved_plan_shows_the_key_and_the_saved_one_is_held_to_the_same_kit() {
    let wanted = desired([pool("a")]);
    let mut there = fleet();
    carried_out(&wanted, &mut there, &ready("one", 90));
    let plan = planned(&wanted, &there, &ready("two", 90));
    let texts = saved::SavedTexts { fleet_file: "rc.yaml", report: Value::Null };
    let text =
        saved::write(&plan, ("https://garm.example.com", &texts), &SavedInputs::default(), "salt");
    for secret in [CANARY, "Y2FuYXJ5", "BEGIN"] {
        assert!(!text.contains(secret), "{text}");
        let changes = format!("{:?}", plan.steps[0].changes);
        assert!(!changes.contains(secret), "{changes}");
    }
    let read = saved::read(&text).unwrap();
    assert_eq!(read.differences(&planned(&wanted, &there, &ready("two", 30))), []);
    assert_eq!(
        read.differences(&planned(&wanted, &there, &ready("three", 90))),
        [Resource::Pool(name("a"))]
    );
}

/// Checks the notes by their first words.
fn check_notes(kit: &RunnerKit, metadata_url: &str, expected: &[&str]) {
    let mut there = fleet();
    there.controller.metadata_url = metadata_url.to_owned();
    let notes = planned(&desired([pool("a")]), &there, kit).notes;
    let said: Vec<&str> = notes.iter().map(|note| note.text.as_str()).collect();
    assert_eq!(said.len(), expected.len(), "{said:?}");
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn what_would_stop_every_install_is_said_before() {
    let https = "https://garm.example.com/api/v1/metadata";
    let http = "http://garm.example.com/api/v1/metadata";
    check_notes(&ready("one", 90), https, &[]);
    check_notes(&RunnerKit::None, http, &[]);
    check_notes(
        &ready("one", 90),
        http,
        &[
            "GARM sends runners to `http://garm.example.com/api/v1/metadata`, where no certificate is \
           requested",
        ],
    );
    check_notes(
        &ready("one", 13),
        https,
        &["the runners' certificate expires at 2025-10-22T08:53:20Z, in 13 days"],
    );
    check_notes(&ready(&"x".repeat(9000), 90), https, &["the runner kit has 1"]);
}
