//! The keys of `policy:` in the fleet file and of a policy file.

use super::super::keys::{Constraint, KeySpec, Presence, SettingKind, Shape};
use super::{BOUND, FLAG, TEXT, TEXTS, entry};
use crate::domain::field::FieldKind;

/// The requirements that `policy.accept` may name.
const REQUIREMENTS: &[&str] = &["R3", "R4", "R8", "R9", "R10", "R11"];

/// A policy file, as given with `--policy`.
pub(in crate::config) const POLICY_FILE: &[KeySpec] = &[entry(
    "policy",
    Shape::Mapping(POLICY, Constraint::None),
    Presence::Required,
    "limits in addition to those of the fleet file",
)];

pub(super) const POLICY: &[KeySpec] = &[
    entry(
        "networks",
        Shape::Named(
            &Shape::Mapping(NETWORK, Constraint::None),
            &[entry(
                "must_not_reach",
                Shape::List(&Shape::Setting(SettingKind::HostPort), 0),
                Presence::Optional,
                "addresses that a runner must not be able to reach: the installation of a runner that can connect to one is stopped",
            )],
        ),
        Presence::Optional,
        "the networks that runners may use, by provider",
    ),
    entry(
        "extra_specs",
        Shape::Mapping(EXTRA_SPECS, Constraint::None),
        Presence::Optional,
        "rules for the keys of `extra_specs`",
    ),
    entry("allowed_providers", TEXTS, Presence::Optional, "allowed providers; any if absent"),
    entry(
        "allowed_instance_types",
        TEXTS,
        Presence::Optional,
        "globs of allowed instance types; any if absent",
    ),
    entry("allowed_images", TEXTS, Presence::Optional, "globs of allowed images; any if absent"),
    entry(
        "allowed_labels",
        TEXTS,
        Presence::Optional,
        "globs, one of which each label must match; any if absent",
    ),
    entry(
        "allowed_entities",
        TEXTS,
        Presence::Optional,
        "globs of organizations, repositories and enterprises that pools may serve; any if absent",
    ),
    entry(
        "allowed_runner_groups",
        TEXTS,
        Presence::Optional,
        "globs of allowed runner groups; any if absent",
    ),
    entry(
        "allowed_templates",
        TEXTS,
        Presence::Optional,
        "globs of allowed install templates; any if absent",
    ),
    entry(
        "max_total_runners",
        BOUND,
        Presence::Optional,
        "the most runners of all pools together; those of a group count with its `max_runners` at most",
    ),
    entry(
        "forbid_enable_shell",
        FLAG,
        Presence::Default("false"),
        "whether shell access is forbidden",
    ),
    entry(
        "protected_pools",
        TEXTS,
        Presence::Optional,
        "globs of pools that are never deleted or replaced",
    ),
    entry(
        "require_mtls",
        FLAG,
        Presence::Default("false"),
        "nothing is written to GARM unless client certificates are proven to be enforced",
    ),
    entry(
        "accept",
        Shape::List(&Shape::Field(FieldKind::Choice(REQUIREMENTS)), 0),
        Presence::Optional,
        "requirements that are known not to be met",
    ),
];

const NETWORK: &[KeySpec] = &[
    entry(
        "keys",
        Shape::List(&Shape::Setting(SettingKind::Entry), 1),
        Presence::Required,
        "exact paths of the keys in `extra_specs` that choose a network",
    ),
    entry("allow", Shape::List(&TEXT, 0), Presence::Required, "globs of allowed values"),
    entry("required", FLAG, Presence::Default("false"), "whether all of the keys must be present"),
];

const EXTRA_SPECS: &[KeySpec] = &[
    entry("allow_keys", TEXTS, Presence::Optional, "keys that a pool may use; any if absent"),
    entry("show", TEXTS, Presence::Optional, "keys whose values may be shown"),
];
