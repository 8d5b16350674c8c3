//! One test per row: the step for a declared credential, and its reason.

use super::build::*;
use crate::domain::credential::{Auth, Credential, DesiredCredential};
use crate::domain::desired::Desired;
use crate::domain::fleet::{Controller, Fleet};
use crate::plan::saved::{self, SavedInputs};
use crate::plan::{Action, Operation, Plan, PlanOptions, Resource, ShownValue, plan};

fn wanted(apps: impl IntoIterator<Item = DesiredCredential>) -> Desired {
    Desired { credentials: apps.into_iter().collect(), ..desired([]) }
}

fn there(all: impl IntoIterator<Item = Credential>) -> Fleet {
    Fleet { credentials: Some(all.into_iter().collect()), ..fleet() }
}

fn ours(name: &str, app_id: u64, key: char) -> Credential {
    credential(2, name, &app(name, app_id, key).mark(&acme()))
}

/// Steps as `action name [changes] reason`.
fn check(desired: &Desired, fleet: &Fleet, expected: &[&str]) -> Plan {
    let plan = plan(desired, fleet, &PlanOptions::default());
    let side = |value: &ShownValue| match value {
        ShownValue::Absent => "?".to_owned(),
        ShownValue::Value(value) => value.to_string(),
        other => panic!("{other:?}"),
    };
    let lines: Vec<String> = plan
        .steps
        .iter()
        .map(|step| {
            let change = |change: &crate::plan::FieldChange| {
                format!("{} {}→{}", change.field, side(&change.before), side(&change.after))
            };
            let changes: Vec<String> = step.changes.iter().map(change).collect();
            let changes =
                changes.join(", ").replace(&"x".repeat(43), "x").replace(&"y".repeat(43), "y");
            let name = step.about.credential().unwrap();
            format!("{} {name} [{changes}] {}", step.action.word(), step.reason)
        })
        .collect();
    assert_eq!(lines, expected);
    plan
}

#[test]
fn a_declared_credential_that_is_not_there_is_created() {
    let plan = check(
        &wanted([app("app", 7, 'x')]),
        &there([credential(1, "other", "")]),
        &["create app [endpoint ?→\"github.com\", app_id ?→7, installation_id ?→9, \
           private_key ?→\"SHA256:x=\"] declared, but GARM has no credential with this name"],
    );
    let [step] = plan.steps.as_slice() else { panic!("one step") };
    assert_eq!(step.work, Operation::Credential { id: None, wanted: app("app", 7, 'x') });
}

#[test]
fn one_that_is_as_declared_is_no_step_whatever_its_case() {
    check(&wanted([app("app", 7, 'x')]), &there([ours("app", 7, 'x')]), &[]);
    check(&wanted([app("APP", 7, 'x')]), &there([ours("app", 7, 'x')]), &[]);
}

#[test]
fn a_rotated_key_shows_by_its_fingerprint() {
    let plan = check(
        &wanted([app("app", 7, 'y')]),
        &there([ours("app", 7, 'x')]),
        &["update app [private_key \"SHA256:x=\"→\"SHA256:y=\"] the key was rotated"],
    );
    let [step] = plan.steps.as_slice() else { panic!("one step") };
    assert_eq!(step.work, Operation::Credential { id: Some(2), wanted: app("app", 7, 'y') });
    assert_eq!(
        step.consequences,
        [
            "GARM authenticates to GitHub with it from then on, for organization `acme`",
            "once GARM works with the new key, the old one can be deleted on the App's page at \
             GitHub",
        ]
    );
}

#[test]
fn what_a_mark_does_not_tell_differs() {
    check(
        &wanted([app("app", 7, 'x')]),
        &there([ours("app", 8, 'x')]),
        &["update app [app_id 8→7] `app_id` differs"],
    );
    check(
        &wanted([app("app", 7, 'x')]),
        &there([credential(2, "app", "runnerctl=acme")]),
        &["update app [app_id ?→7, installation_id ?→9, private_key ?→\"SHA256:x=\"] \
           3 fields differ"],
    );
}

#[test]
fn what_is_not_ours_or_cannot_be_ours_is_blocked() {
    let blocked = |live: Credential, expected: &str, help: &str| {
        let plan = check(&wanted([app("app", 7, 'x')]), &there([live]), &[expected]);
        let [step] = plan.steps.as_slice() else { panic!("one step") };
        assert_eq!((step.action, &step.work), (Action::Blocked, &Operation::Nothing));
        assert_eq!(step.help.as_deref(), Some(help));
    };
    blocked(
        credential(2, "App", "made by hand"),
        "blocked app [] a credential with this name exists, but does not have this fleet's mark",
        "declare another name, or assign it to this fleet: `garm-cli github credentials update 2 \
         --description runnerctl=acme`",
    );
    blocked(
        credential(2, "app", "runnerctl=other`\u{1b}"),
        "blocked app [] the credential with this name belongs to the fleet `other'\\u{1b}`",
        "declare another name",
    );
    blocked(
        Credential { auth: Auth::Other("pat".to_owned()), ..ours("app", 7, 'x') },
        "blocked app [] the credential is of type `pat`, which GARM cannot change to an App",
        "declare another name, and set GARM's organizations to use it",
    );
    blocked(
        Credential { endpoint: "ghes".to_owned(), ..ours("app", 7, 'x') },
        "blocked app [] GARM cannot move a credential from the endpoint `ghes` to `github.com`",
        "declare it under another name, and set GARM's organizations to use it",
    );
}

#[test]
fn credentials_are_never_deleted_but_named() {
    let live = there([ours("old", 7, 'x'), credential(3, "others", "runnerctl=other")]);
    let plan = check(&wanted([]), &live, &[]);
    let texts: Vec<&str> = plan.notes.iter().map(|note| note.text.as_str()).collect();
    let said = "1 credential of this fleet not declared any more: `old`; credentials are never \
                deleted, `garm-cli github credentials delete ID` does";
    assert!(texts.contains(&said), "{texts:?}");
}

#[test]
fn credentials_stand_between_controller_and_pools_and_a_target_leaves_them_out() {
    let everything = Desired { credentials: vec![app("app", 7, 'x')], ..desired([pool("a")]) };
    let controller =
        Controller { backoff: std::time::Duration::from_secs(30), ..fleet().controller };
    let live = Fleet { controller, ..there([]) };
    let order = |options: &PlanOptions| {
        let steps = plan(&everything, &live, options).steps;
        steps.into_iter().map(|step| step.about).collect::<Vec<_>>()
    };
    let (credential, a) = (Resource::Credential("app".to_owned()), Resource::Pool(name("a")));
    assert_eq!(order(&PlanOptions::default()), [Resource::Controller, credential, a.clone()]);
    let target = PlanOptions { target: vec![name("a")], ..PlanOptions::default() };
    assert_eq!(order(&target), [a]);
}

#[test]
fn a_saved_plan_is_for_one_key() {
    let live = there([ours("app", 7, 'x')]);
    let planned = plan(&wanted([app("app", 7, 'y')]), &live, &PlanOptions::default());
    let texts = saved::SavedTexts { fleet_file: "rc.yaml", report: serde_json::Value::Null };
    let text =
        saved::write(&planned, ("https://garm.test", &texts), &SavedInputs::default(), "salt");
    let read = saved::read(&text).unwrap();
    assert_eq!(read.differences(&planned), []);
    for other in [app("app", 7, 'z'), app("app", 7, 'x'), app("app", 8, 'y')] {
        let fresh = plan(&wanted([other]), &live, &PlanOptions::default());
        assert_eq!(read.differences(&fresh), [Resource::Credential("app".to_owned())]);
    }
}
