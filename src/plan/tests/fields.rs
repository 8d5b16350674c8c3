//! Fields with rules of their own: fields that are left alone or cleared, values for which GARM
//! creates no runners, and templates and proxies that are referred to by name.

use super::build::*;
use super::rows::{changed, check, with};
use crate::domain::desired::DesiredPool;
use crate::domain::fleet::{Fleet, Template};
use crate::domain::pool::{NO_PROXY, Pool, PoolChange, PoolSpec};
use crate::plan::{Operation, PlanOptions, ShownValue, plan};

/// GARM's own templates for Linux (1) and Windows (2), and one made by hand for Linux (9).
fn templates() -> Vec<Template> {
    let own = |id, name, os_type| Template { is_system: true, ..template(id, name, os_type) };
    vec![
        own(1, "github_linux", "linux"),
        own(2, "github_windows", "windows"),
        template(9, "mine", "linux"),
    ]
}

fn there(pools: impl IntoIterator<Item = Pool>) -> Fleet {
    Fleet { templates: templates(), proxies: proxies(), ..with(pools) }
}

/// The only change that a plan makes to the pool.
fn change(declared: DesiredPool, live: Pool) -> PoolChange {
    let made = plan(&desired([declared]), &there([live]), &PlanOptions::default());
    match made.steps.as_slice() {
        [step] => match &step.work {
            Operation::Change { change, .. } => change.clone(),
            other => panic!("{other:?}"),
        },
        steps => panic!("{steps:#?}"),
    }
}

/// The pool that a plan creates.
fn created(declared: DesiredPool, live: impl IntoIterator<Item = Pool>) -> PoolSpec {
    let made = plan(&desired([declared]), &there(live), &PlanOptions::default());
    let new = made.steps.into_iter().find_map(|step| match step.work {
        Operation::Create(new) | Operation::Replace { new, .. } => Some(new.spec),
        _ => None,
    });
    new.expect("a plan that creates")
}

#[test]
fn no_group_and_no_proxy_are_asked_for_and_absent_ones_are_left_alone() {
    let live = changed_live(|pool| {
        pool.spec.runner_group = "builders".to_owned();
        pool.spec.proxy_id = Some(2);
    });
    check(&desired([pool("a")]), &there([live.clone()]), &[]);
    let none = changed(pool("a"), |pool| {
        pool.settings.runner_group = Some(String::new());
        pool.settings.proxy = Some(String::new());
    });
    let asked = PoolChange {
        runner_group: Some(String::new()),
        proxy_id: Some(NO_PROXY),
        ..PoolChange::default()
    };
    assert_eq!(change(none.clone(), live), asked);
    check(&desired([none]), &there([changed_live(|_| {})]), &[]);
}

#[test]
fn a_proxy_is_found_by_name_in_any_case_or_blocks() {
    let named = |text: &str| changed(pool("a"), |pool| pool.settings.proxy = Some(text.to_owned()));
    let live = || changed_live(|pool| pool.spec.proxy_id = Some(2));
    let asked = PoolChange { proxy_id: Some(1), ..PoolChange::default() };
    assert_eq!(change(named("SQUID"), live()), asked);
    check(&desired([named("other")]), &there([live()]), &[]);
    check(&desired([named("gone")]), &there([live()]), &["blocked a [] GARM has no proxy `gone`"]);
}

#[test]
fn an_unmanaged_switch_makes_no_difference_and_a_new_pool_is_on() {
    let unmanaged = changed(pool("a"), |pool| pool.settings.enabled = None);
    let off = || changed_live(|pool| pool.spec.enabled = false);
    check(&desired([unmanaged.clone()]), &there([off()]), &[]);
    check(&desired([unmanaged.clone()]), &there([changed_live(|_| {})]), &[]);
    assert!(created(unmanaged.clone(), []).enabled);
    // A pool that replaces another one is enabled only if that one is.
    let moved = changed(unmanaged.clone(), |pool| pool.provider = "gcp".to_owned());
    assert!(!created(moved, [off()]).enabled);
    // A create that was interrupted has yet to switch its pool on.
    let unfinished = changed_live(|pool| {
        pool.spec.enabled = false;
        pool.spec.min_idle_runners = 0;
        pool.updated_at = pool.created_at;
    });
    assert_eq!(change(unmanaged, unfinished).enabled, Some(true));
}

#[test]
fn a_replace_keeps_all_that_files_leave_alone_and_still_means_something() {
    let old = || {
        changed_live(|pool| {
            pool.spec.runner_group = "builders".to_owned();
            pool.spec.template_id = Some(9);
            pool.spec.proxy_id = Some(2);
        })
    };
    let kept = |spec: &PoolSpec| (spec.runner_group.clone(), spec.template_id, spec.proxy_id);
    let moved = |f: fn(&mut DesiredPool)| kept(&created(changed(pool("a"), f), [old()]));
    let group = || "builders".to_owned();
    assert_eq!(moved(|pool| pool.provider = "gcp".to_owned()), (group(), Some(9), Some(2)));
    let elsewhere = |pool: &mut DesiredPool| pool.entity.name = "beta".to_owned();
    let organization = organization("org-2", "beta", "github.com");
    let mut fleet = there([old()]);
    fleet.entities.push(organization);
    let made = plan(&desired([changed(pool("a"), elsewhere)]), &fleet, &PlanOptions::default());
    let Operation::Replace { new, .. } = &made.steps[0].work else { panic!("{made:#?}") };
    assert_eq!(kept(&new.spec), (String::new(), Some(9), Some(2)));
}

/// GARM takes the new system, keeps the template of the old one, and refuses that pair in the POST
/// of every later replace.
#[test]
fn a_pool_of_another_system_gets_a_template_for_it() {
    let windows = || changed(pool("a"), |pool| pool.settings.os_type = "windows".to_owned());
    let mine = |pool: &mut Pool| pool.spec.template_id = Some(9);
    let asked = |template_id| PoolChange {
        os_type: Some("windows".to_owned()),
        template_id,
        ..PoolChange::default()
    };
    assert_eq!(change(windows(), changed_live(mine)), asked(Some(2)));
    let said = plan(&desired([windows()]), &there([changed_live(mine)]), &PlanOptions::default());
    let said =
        said.steps[0].changes.iter().find(|change| change.field == "template").unwrap().clone();
    let name = |text: &str| ShownValue::Value(text.into());
    assert_eq!((said.before, said.after), (name("mine"), name("github_windows")));
    assert_eq!(
        change(windows(), changed_live(|pool| pool.spec.template_id = Some(2))),
        asked(None)
    );
    let mut bare = there([changed_live(mine)]);
    bare.templates.retain(|template| template.os_type == "linux");
    check(
        &desired([windows()]),
        &bare,
        &["blocked a [] template `mine` is for `linux`, but the pool is for `windows`"],
    );
}

#[test]
fn a_replace_drops_a_template_that_does_not_fit() {
    let moved = changed(pool("a"), |pool| {
        pool.provider = "gcp".to_owned();
        pool.settings.os_type = "windows".to_owned();
    });
    let stuck = |pool: &mut Pool| {
        pool.spec.os_type = "windows".to_owned();
        pool.spec.template_id = Some(9);
    };
    assert_eq!(created(moved.clone(), [changed_live(stuck)]).template_id, None);
    let fitting = changed_live(|pool| pool.spec.template_id = Some(2));
    assert_eq!(created(moved, [fitting]).template_id, Some(2));
}

#[test]
fn a_declared_template_has_to_be_for_the_pools_system_and_forge() {
    let named = |os_type: &str| {
        changed(pool("a"), |pool| {
            pool.settings.template = Some("mine".to_owned());
            pool.settings.os_type = os_type.to_owned();
        })
    };
    check(
        &desired([named("windows")]),
        &there([]),
        &["blocked a [] template `mine` is for `linux`, but the pool is for `windows`"],
    );
    let mut gitea = there([]);
    gitea.entities[0].forge = "gitea".to_owned();
    check(
        &desired([named("linux")]),
        &gitea,
        &["blocked a [] template `mine` is for `github`, but the pool is for `gitea`"],
    );
    assert_eq!(created(named("linux"), []).template_id, Some(9));
}

#[test]
fn what_garm_makes_no_runners_of_is_blocked_and_the_rest_plans() {
    let old = changed(pool("a"), |pool| pool.settings.os_arch = "i386".to_owned());
    let apple = changed(pool("b"), |pool| pool.settings.os_type = "macos".to_owned());
    check(
        &desired([old.clone(), apple, pool("c")]),
        &there([]),
        &[
            "blocked a [] GARM creates no runners for `os_arch: i386`",
            "blocked b [] GARM creates no runners for `os_type: macos`",
            "create c [] declared, but no pool in GARM has the label `runnerctl=acme/c`",
        ],
    );
    check(
        &desired([old.clone()]),
        &there([changed_live(|_| {})]),
        &["blocked a [] GARM creates no runners for `os_arch: i386`"],
    );
    // A pool to which an update has given such a value matches its file.
    check(
        &desired([old]),
        &there([changed_live(|pool| pool.spec.os_arch = "i386".to_owned())]),
        &[],
    );
}

fn changed_live(change: impl FnOnce(&mut Pool)) -> Pool {
    let mut live = live(&pool("a"));
    change(&mut live);
    live
}
