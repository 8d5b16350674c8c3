//! Finds pools that cannot have the kit, or whose own scripts could read the key in it.

use serde_json::Value;

use super::{ENTRY, KitContents, SCRIPTS};
use crate::config::{Code, DeclaredPool, PolicySettings};
use crate::domain::name::PoolName;
use crate::domain::text::code;
use crate::policy::Violation;
use crate::policy::networks::folded;

/// The key of `extra_specs` with which a pool sets its own install script. That script runs while
/// the private key is on the machine.
const TEMPLATE: &str = "runner_install_template";

/// All objections to the kit, in the order of the pools. `policy` is that of the fleet file alone:
/// another policy cannot allow more.
pub fn objections(
    wanted: KitContents,
    policy: &PolicySettings,
    pools: &[DeclaredPool],
) -> Vec<Violation> {
    let all = |pool| {
        let system = system(pool, wanted).into_iter();
        let shell = (wanted == KitContents::Certificate).then(|| shell(pool)).flatten();
        system.chain(shell).chain(scripts(pool, policy))
    };
    match wanted {
        KitContents::Nothing => Vec::new(),
        KitContents::ReachCheck | KitContents::Certificate => pools.iter().flat_map(all).collect(),
    }
}

/// The violation of a pool whose entity is in agent mode, which only GARM knows. `field` is the key
/// of the entity's field.
pub fn agent_mode(pool: &PoolName, field: &'static str) -> Violation {
    Violation {
        pool: pool.clone(),
        field,
        key: None,
        code: Code::NoKit,
        message: "`runner_mtls` cannot be used with GARM's agent mode, which this entity is \
                  in: the agent connects without the certificate, and can read its key"
            .to_owned(),
        help: "turn agent mode off for it, or remove `runner_mtls` from the fleet file".to_owned(),
    }
}

fn violation(pool: &DeclaredPool, field: &'static str, code: Code, message: String) -> Violation {
    Violation { pool: pool.name.clone(), field, key: None, code, message, help: String::new() }
}

fn with(violation: Violation, help: impl Into<String>) -> Violation {
    Violation { help: help.into(), ..violation }
}

/// Refuses other systems than Linux, because the kit is a bash script.
fn system(pool: &DeclaredPool, wanted: KitContents) -> Option<Violation> {
    if pool.os_type == "linux" {
        return None;
    }
    let (key, why) = match wanted {
        KitContents::Certificate => ("runner_mtls", "provides no certificate for"),
        KitContents::ReachCheck | KitContents::Nothing => {
            ("policy.networks.must_not_reach", "checks nothing on")
        }
    };
    let message =
        format!("`{key}` {why} {} runners: its kit supports only linux", code(&pool.os_type));
    Some(with(
        violation(pool, "os_type", Code::NoKit, message),
        format!("declare the pool in a fleet without `{key}`"),
    ))
}

fn shell(pool: &DeclaredPool) -> Option<Violation> {
    pool.enable_shell.then(|| {
        let message =
            "`runner_mtls` cannot be used with shell access, through which the key can be read";
        with(
            violation(pool, "enable_shell", Code::NoKit, message.to_owned()),
            "remove `enable_shell`",
        )
    })
}

/// Checks the pool's own scripts and install script. GARM and its providers ignore the case of
/// keys.
fn scripts(pool: &DeclaredPool, policy: &PolicySettings) -> Vec<Violation> {
    let own = pool.extra_specs.iter().filter(|(_, value)| !value.is_null());
    own.filter_map(|(key, value)| {
        let name = [SCRIPTS, TEMPLATE].into_iter().find(|name| folded(key) == *name)?;
        let is_allowed =
            policy.extra_specs_allow_keys.iter().flatten().any(|allowed| allowed == key);
        let found = |message, help: String| {
            let violation = violation(pool, "extra_specs", Code::OwnScripts, message);
            Some(with(Violation { key: Some(key.clone()), ..violation }, help))
        };
        if !is_allowed {
            return found(
                format!(
                    "{} in `extra_specs` runs beside the runner kit, which it could read and undo",
                    code(key)
                ),
                format!("remove it, or allow `{name}` by name in `policy.extra_specs.allow_keys`"),
            );
        }
        if key != name {
            let message = format!("{} in `extra_specs` means `{name}`", code(key));
            return found(message, format!("write `{name}`"));
        }
        if name == SCRIPTS {
            clash(value).and_then(|(message, help)| found(message, help))
        } else {
            None
        }
    })
    .collect()
}

/// The message and help if merging the kit would overwrite something in `scripts`.
fn clash(scripts: &Value) -> Option<(String, String)> {
    let Some(map) = scripts.as_object() else {
        let message = format!("`{SCRIPTS}` in `extra_specs` must map names to scripts");
        return Some((message, "write `NAME: SCRIPT` with the script in base64".to_owned()));
    };
    map.contains_key(ENTRY).then(|| {
        let message = format!("`{ENTRY}` in `{SCRIPTS}` is the name of the runner kit");
        (message, "rename the script".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{SourceFile, load};

    /// The objections to a pool with these fields; `allowed` lists allowed keys.
    #[track_caller]
    fn check(wanted: KitContents, allowed: &[&str], fields: &str, expected: &[&str]) {
        let text = format!("pools: [{{ name: a, max_runners: 1, instance_type: m5, {fields} }}]");
        let manifest = load(None, &[SourceFile { path: "a.yaml".into(), text, folder: None }]);
        let policy = PolicySettings {
            extra_specs_allow_keys: Some(allowed.iter().map(|key| (*key).to_owned()).collect())
                .filter(|keys: &Vec<String>| !keys.is_empty()),
            ..PolicySettings::default()
        };
        let said: Vec<String> = objections(wanted, &policy, &manifest.pools)
            .into_iter()
            .map(|objection| {
                format!(
                    "{} {}: {}; {}",
                    objection.code.text(),
                    objection.field,
                    objection.message,
                    objection.help
                )
            })
            .collect();
        assert_eq!(said, expected, "{fields}");
    }

    const OWN: &str = "RC0808 extra_specs: `pre_install_scripts` in `extra_specs` runs beside the \
                       runner kit, which it could read and undo; remove it, or allow \
                       `pre_install_scripts` by name in `policy.extra_specs.allow_keys`";

    #[test]
    fn an_ordinary_pool_has_no_objection() {
        for fields in ["extra_specs: { disk_gb: 20 }", "extra_specs: { pre_install_scripts: null }"]
        {
            check(KitContents::Certificate, &[], fields, &[]);
            check(KitContents::ReachCheck, &[], fields, &[]);
        }
        check(KitContents::Nothing, &[], "os_type: windows, enable_shell: true", &[]);
        check(KitContents::Nothing, &[], "extra_specs: { pre_install_scripts: { x: eA== } }", &[]);
    }

    #[test]
    fn a_pools_own_scripts_must_be_allowed_by_name() {
        let fields = "extra_specs: { pre_install_scripts: { x: eA== } }";
        for wanted in [KitContents::Certificate, KitContents::ReachCheck] {
            check(wanted, &[], fields, &[OWN]);
            check(wanted, &["disk_gb"], fields, &[OWN]);
            check(wanted, &["pre_install_scripts"], fields, &[]);
        }
        check(
            KitContents::Certificate,
            &[],
            "extra_specs: { runner_install_template: eA== }",
            &["RC0808 extra_specs: `runner_install_template` in `extra_specs` runs beside the \
               runner kit, which it could read and undo; remove it, or allow \
               `runner_install_template` by name in `policy.extra_specs.allow_keys`"],
        );
    }

    #[test]
    fn another_spelling_means_the_same_key() {
        let fields = "extra_specs: { Pre_Install_\u{17f}cripts: { x: eA== } }";
        let own = OWN.replacen("`pre_install_scripts`", "`Pre_Install_\u{17f}cripts`", 1);
        check(KitContents::Certificate, &["pre_install_scripts"], fields, &[&own]);
        check(
            KitContents::Certificate,
            &["Pre_Install_\u{17f}cripts"],
            fields,
            &["RC0808 extra_specs: `Pre_Install_\u{17f}cripts` in `extra_specs` means \
               `pre_install_scripts`; write `pre_install_scripts`"],
        );
    }

    #[test]
    fn invalid_scripts_and_scripts_with_our_name_are_refused() {
        let check = |fields, expected: &str| {
            check(KitContents::Certificate, &["pre_install_scripts"], fields, &[expected]);
        };
        check(
            "extra_specs: { pre_install_scripts: [eA==] }",
            "RC0808 extra_specs: `pre_install_scripts` in `extra_specs` must map names to \
             scripts; write `NAME: SCRIPT` with the script in base64",
        );
        check(
            "extra_specs: { pre_install_scripts: { 00-runnerctl: eA== } }",
            "RC0808 extra_specs: `00-runnerctl` in `pre_install_scripts` is the name of the runner \
             kit; rename the script",
        );
    }

    #[test]
    fn pools_that_cannot_have_the_kit_are_refused() {
        check(
            KitContents::Certificate,
            &[],
            "os_type: windows, enable_shell: true",
            &[
                "RC0807 os_type: `runner_mtls` provides no certificate for `windows` runners: its kit \
               supports only linux; declare the pool in a fleet without `runner_mtls`",
                "RC0807 enable_shell: `runner_mtls` cannot be used with shell access, through \
               which the key can be read; remove `enable_shell`",
            ],
        );
        check(
            KitContents::ReachCheck,
            &[],
            "os_type: windows, enable_shell: true",
            &["RC0807 os_type: `policy.networks.must_not_reach` checks nothing on `windows` \
               runners: its kit supports only linux; declare the pool in a fleet without \
               `policy.networks.must_not_reach`"],
        );
    }

    #[test]
    fn the_key_names_are_already_folded() {
        assert_eq!(folded(SCRIPTS), SCRIPTS);
        assert_eq!(folded(TEMPLATE), TEMPLATE);
    }
}
