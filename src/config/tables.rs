//! What the files may hold. The decoder, the JSON Schema, "did you mean" and the reference
//! documentation all read these tables; pool fields come from [`crate::domain::field`].

mod watch;

use std::sync::LazyLock;

use super::keys::{Constraint, KeySpec, Presence, SettingKind, Shape};
use super::settings::AlertSeries;
use crate::domain::field::{Absent, FIELDS, FieldKind, TEXT_MAX};
use watch::WATCH;

const fn entry(key: &'static str, shape: Shape, need: Presence, help: &'static str) -> KeySpec {
    KeySpec { key, shape, need, help }
}

const TEXT: Shape = Shape::Field(FieldKind::Text { max: TEXT_MAX });
const FLAG: Shape = Shape::Field(FieldKind::Flag);
const TEXTS: Shape = Shape::List(&Shape::Setting(SettingKind::Entry), 0);
const SECONDS: FieldKind = FieldKind::Duration { min_s: 0, whole_minutes: false };

/// A pool file.
pub(super) static POOL_FILE: &[KeySpec] = &[entry(
    "pools",
    Shape::List(&Shape::Pool, 0),
    Presence::Required,
    "the pools, each with its fields",
)];

/// The fleet file.
pub(super) static FLEET_FILE: &[KeySpec] = &[
    entry(
        "fleet",
        Shape::Setting(SettingKind::FleetName),
        Presence::Required,
        "owner of the pools in GARM: `[a-z0-9-]`, at most 20",
    ),
    entry("garm", Shape::Mapping(GARM, Constraint::None), Presence::Required, "how to reach GARM"),
    entry(
        "controller",
        Shape::Mapping(CONTROLLER, Constraint::None),
        Presence::Optional,
        "GARM's own settings, global to that GARM",
    ),
    entry(
        "defaults",
        Shape::Defaults,
        Presence::Optional,
        "pool fields, filled into every pool that does not say otherwise",
    ),
    entry("watch", Shape::Mapping(WATCH, Constraint::None), Presence::Optional, "the scaling loop"),
    entry(
        "alerts",
        Shape::List(&Shape::Mapping(ALERT, Constraint::ExactlyOne("above", "below")), 0),
        Presence::Optional,
        "alert rules; `QueueDepthHigh`, `GarmNotFollowing` and `AuditLogChanged` are built in, a rule with the same name and `when` replaces one",
    ),
    entry(
        "receivers",
        Shape::Named(
            &Shape::Mapping(RECEIVER, Constraint::ExactlyOne("alertmanager", "webhook")),
            &[],
        ),
        Presence::Optional,
        "where alerts go, by name",
    ),
    entry(
        "policy",
        Shape::Mapping(POLICY, Constraint::None),
        Presence::Optional,
        "guardrails for what pools may ask for",
    ),
    entry(
        "runner_mtls",
        Shape::Mapping(RUNNER_MTLS, Constraint::PairOrOther("cert", "key", "signer")),
        Presence::Optional,
        "the kit with which runners speak to GARM by client certificate, for all pools; see `docs/runner-kit.md`",
    ),
    entry(
        "credentials",
        Shape::List(&Shape::Mapping(CREDENTIAL, Constraint::None), 0),
        Presence::Optional,
        "GitHub Apps that GARM is to use",
    ),
];

const GARM: &[KeySpec] = &[
    entry(
        "url",
        Shape::Setting(SettingKind::GarmUrl),
        Presence::Required,
        "GARM's address; `http://` only to a loopback address",
    ),
    entry("username", TEXT, Presence::Default("admin"), "GARM's admin"),
    entry("password", Shape::Reference, Presence::Required, "a reference to the admin's password"),
    entry(
        "tls",
        Shape::Mapping(TLS, Constraint::BothOrNeither("cert", "key")),
        Presence::Optional,
        "certificates for the connection",
    ),
    entry(
        "backend",
        Shape::List(&Shape::Setting(SettingKind::HostPort), 0),
        Presence::Optional,
        "GARM's own ports, which must not answer from here",
    ),
    entry(
        "probe_runner_cert",
        Shape::Mapping(CERT, Constraint::None),
        Presence::Optional,
        "a runner's certificate, with which the API must be refused, and callbacks must not",
    ),
    entry(
        "crls",
        Shape::List(&Shape::Setting(SettingKind::Path), 0),
        Presence::Optional,
        "the revocation lists of GARM's front, PEM; their end is warned of",
    ),
];

const TLS: &[KeySpec] = &[
    entry(
        "ca",
        Shape::Setting(SettingKind::Path),
        Presence::Optional,
        "authorities to trust instead of the system's, PEM",
    ),
    entry(
        "cert",
        Shape::Setting(SettingKind::Path),
        Presence::Optional,
        "client certificate, PEM; with `key`",
    ),
    entry(
        "key",
        Shape::Setting(SettingKind::Path),
        Presence::Optional,
        "its private key, PEM; with `cert`",
    ),
];

const CERT: &[KeySpec] = &[
    entry("cert", Shape::Setting(SettingKind::Path), Presence::Required, "certificate, PEM"),
    entry("key", Shape::Setting(SettingKind::Path), Presence::Required, "its private key, PEM"),
];

const CONTROLLER: &[KeySpec] = &[
    entry(
        "minimum_job_age_backoff",
        Shape::Setting(SettingKind::Backoff),
        Presence::Optional,
        "GARM starts a runner by itself for each job older than this; absent: left alone",
    ),
    entry(
        "shared",
        FLAG,
        Presence::Default("false"),
        "this fleet decides for all fleets on that GARM",
    ),
];

const SERIES: &[&str] = &{
    let mut words = [""; AlertSeries::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = AlertSeries::ALL[at].word();
        at += 1;
    }
    words
};

const BOUND: Shape = Shape::Field(FieldKind::Count { min: 0, max: u32::MAX });

const ALERT: &[KeySpec] = &[
    entry(
        "name",
        Shape::Field(FieldKind::Text { max: 64 }),
        Presence::Required,
        "name of the alert, unique",
    ),
    entry("when", Shape::Field(FieldKind::Choice(SERIES)), Presence::Required, "what is watched"),
    entry("above", BOUND, Presence::Optional, "fires above this number; or `below`"),
    entry("below", BOUND, Presence::Optional, "fires below this number; or `above`"),
    entry("for", Shape::Field(SECONDS), Presence::Default("0s"), "how long that must have lasted"),
    entry(
        "notify",
        Shape::List(&TEXT, 1),
        Presence::Optional,
        "names of receivers; absent: every receiver",
    ),
];

const ALERTMANAGER: &[KeySpec] =
    &[entry("url", Shape::Setting(SettingKind::Url), Presence::Required, "its base address")];

const WEBHOOK: &[KeySpec] = &[entry(
    "url",
    Shape::UrlOrReference,
    Presence::Required,
    "where to post: the URL, or a reference to it",
)];

const RECEIVER: &[KeySpec] = &[
    entry(
        "alertmanager",
        Shape::Mapping(ALERTMANAGER, Constraint::None),
        Presence::Optional,
        "an Alertmanager, API version 2; or `webhook`",
    ),
    entry(
        "webhook",
        Shape::Mapping(WEBHOOK, Constraint::None),
        Presence::Optional,
        "a webhook that takes JSON; or `alertmanager`",
    ),
];

/// The requirements that `policy.accept` may name.
const REQUIREMENTS: &[&str] = &["R3", "R4", "R8", "R9", "R10", "R11"];

/// A policy file: what `--policy` names.
pub(super) const POLICY_FILE: &[KeySpec] = &[entry(
    "policy",
    Shape::Mapping(POLICY, Constraint::None),
    Presence::Required,
    "guardrails, laid over those of the fleet file",
)];

const POLICY: &[KeySpec] = &[
    entry(
        "networks",
        Shape::Named(
            &Shape::Mapping(NETWORK, Constraint::None),
            &[entry(
                "must_not_reach",
                Shape::List(&Shape::Setting(SettingKind::HostPort), 0),
                Presence::Optional,
                "addresses that a runner must not be able to reach: an install that can connect is stopped",
            )],
        ),
        Presence::Optional,
        "which networks runners may be put into, by provider",
    ),
    entry(
        "extra_specs",
        Shape::Mapping(EXTRA_SPECS, Constraint::None),
        Presence::Optional,
        "rules for the keys of `extra_specs`",
    ),
    entry(
        "allowed_providers",
        TEXTS,
        Presence::Optional,
        "providers that may be used; absent: any",
    ),
    entry(
        "allowed_instance_types",
        TEXTS,
        Presence::Optional,
        "globs of instance types that may be used; absent: any",
    ),
    entry(
        "allowed_images",
        TEXTS,
        Presence::Optional,
        "globs of images that may be used; absent: any",
    ),
    entry(
        "allowed_labels",
        TEXTS,
        Presence::Optional,
        "globs, one of which each label has to match; absent: any",
    ),
    entry(
        "allowed_entities",
        TEXTS,
        Presence::Optional,
        "globs of organizations, repositories, enterprises that pools may serve; absent: any",
    ),
    entry(
        "allowed_runner_groups",
        TEXTS,
        Presence::Optional,
        "globs of runner groups that may be named; absent: any",
    ),
    entry(
        "allowed_templates",
        TEXTS,
        Presence::Optional,
        "globs of install templates that may be named; absent: any",
    ),
    entry("max_total_runners", BOUND, Presence::Optional, "most runners of all pools together"),
    entry("forbid_enable_shell", FLAG, Presence::Default("false"), "no pool may have shell access"),
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
        "exact paths of keys in `extra_specs` that choose a network",
    ),
    entry("allow", Shape::List(&TEXT, 0), Presence::Required, "globs of values that are allowed"),
    entry("required", FLAG, Presence::Default("false"), "none of the keys may be absent"),
];

const EXTRA_SPECS: &[KeySpec] = &[
    entry("allow_keys", TEXTS, Presence::Optional, "keys that a pool may use; absent: any"),
    entry("show", TEXTS, Presence::Optional, "keys whose values may be shown"),
];

const RUNNER_MTLS: &[KeySpec] = &[
    entry(
        "cert",
        Shape::Setting(SettingKind::Path),
        Presence::Optional,
        "the runners' certificate, PEM; with `key`",
    ),
    entry(
        "key",
        Shape::Reference,
        Presence::Optional,
        "a reference to its private key; with `cert`",
    ),
    entry(
        "signer",
        Shape::Setting(SettingKind::GarmUrl),
        Presence::Optional,
        "instead of both: where each runner has a certificate of its own signed",
    ),
    entry(
        "ca",
        Shape::Setting(SettingKind::Path),
        Presence::Required,
        "authority of GARM's front, PEM",
    ),
];

const CREDENTIAL: &[KeySpec] = &[
    entry("name", TEXT, Presence::Required, "name of the credentials in GARM, unique"),
    entry("endpoint", TEXT, Presence::Default("github.com"), "GARM's name of the GitHub endpoint"),
    entry("app_id", Shape::Setting(SettingKind::Id), Presence::Required, "the App's id"),
    entry(
        "installation_id",
        Shape::Setting(SettingKind::Id),
        Presence::Required,
        "the installation's id",
    ),
    entry(
        "private_key",
        Shape::Reference,
        Presence::Required,
        "a reference to the App's private key, PEM",
    ),
];

/// The fields of a pool, as entries of a mapping.
pub(super) static POOL: LazyLock<Vec<KeySpec>> = LazyLock::new(|| {
    FIELDS
        .iter()
        .map(|field| {
            let need = match field.absent {
                Absent::Required if field.in_defaults => Presence::Later,
                Absent::Required => Presence::Required,
                Absent::Default(value) => Presence::Default(value),
                Absent::NeededForPlan
                | Absent::Derived(_)
                | Absent::LeftAlone
                | Absent::Nothing => Presence::Optional,
            };
            entry(field.key, Shape::Field(field.kind), need, field.help)
        })
        .collect()
});

/// The fields that `defaults` may set.
pub(super) static DEFAULTS: LazyLock<Vec<KeySpec>> = LazyLock::new(|| {
    let may = |key: &str| FIELDS.iter().any(|it| it.key == key && it.in_defaults);
    POOL.iter()
        .filter(|it| may(it.key))
        .map(|it| KeySpec { need: Presence::Optional, ..*it })
        .collect()
});
