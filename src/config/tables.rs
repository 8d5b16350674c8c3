//! What the files may hold. The decoder, the JSON Schema, "did you mean" and the reference
//! documentation all read these tables; pool fields come from [`crate::domain::field`].

mod watch;

use std::sync::LazyLock;

use super::keys::{Entry, Need, Setting, Shape, Tie};
use super::settings::Series;
use crate::domain::field::{Absent, FIELDS, Kind, TEXT_MAX};
use watch::WATCH;

const fn entry(key: &'static str, shape: Shape, need: Need, help: &'static str) -> Entry {
    Entry { key, shape, need, help }
}

const TEXT: Shape = Shape::Field(Kind::Text { max: TEXT_MAX });
const FLAG: Shape = Shape::Field(Kind::Flag);
const TEXTS: Shape = Shape::List(&Shape::Setting(Setting::Entry), 0);
const SECONDS: Kind = Kind::Duration { min_s: 0, whole_minutes: false };

/// A pool file.
pub(super) static POOL_FILE: &[Entry] = &[entry(
    "pools",
    Shape::List(&Shape::Pool, 0),
    Need::Required,
    "the pools, each with its fields",
)];

/// The fleet file.
pub(super) static FLEET_FILE: &[Entry] = &[
    entry(
        "fleet",
        Shape::Setting(Setting::FleetName),
        Need::Required,
        "owner of the pools in GARM: `[a-z0-9-]`, at most 20",
    ),
    entry("garm", Shape::Record(GARM, Tie::Free), Need::Required, "how to reach GARM"),
    entry(
        "controller",
        Shape::Record(CONTROLLER, Tie::Free),
        Need::Optional,
        "GARM's own settings, global to that GARM",
    ),
    entry(
        "defaults",
        Shape::Defaults,
        Need::Optional,
        "pool fields, filled into every pool that does not say otherwise",
    ),
    entry("watch", Shape::Record(WATCH, Tie::Free), Need::Optional, "the scaling loop"),
    entry(
        "alerts",
        Shape::List(&Shape::Record(ALERT, Tie::Either("above", "below")), 0),
        Need::Optional,
        "alert rules; `QueueDepthHigh`, `GarmNotFollowing` and `AuditLogChanged` are built in, a rule with the same name and `when` replaces one",
    ),
    entry(
        "receivers",
        Shape::Named(&Shape::Record(RECEIVER, Tie::Either("alertmanager", "webhook")), &[]),
        Need::Optional,
        "where alerts go, by name",
    ),
    entry(
        "policy",
        Shape::Record(POLICY, Tie::Free),
        Need::Optional,
        "guardrails for what pools may ask for",
    ),
    entry(
        "runner_mtls",
        Shape::Record(RUNNER_MTLS, Tie::PairOr("cert", "key", "signer")),
        Need::Optional,
        "the kit with which runners speak to GARM by client certificate, for all pools; see `docs/runner-kit.md`",
    ),
    entry(
        "credentials",
        Shape::List(&Shape::Record(CREDENTIAL, Tie::Free), 0),
        Need::Optional,
        "GitHub Apps that GARM is to use",
    ),
];

const GARM: &[Entry] = &[
    entry(
        "url",
        Shape::Setting(Setting::GarmUrl),
        Need::Required,
        "GARM's address; `http://` only to a loopback address",
    ),
    entry("username", TEXT, Need::Default("admin"), "GARM's admin"),
    entry("password", Shape::Reference, Need::Required, "a reference to the admin's password"),
    entry(
        "tls",
        Shape::Record(TLS, Tie::Both("cert", "key")),
        Need::Optional,
        "certificates for the connection",
    ),
    entry(
        "backend",
        Shape::List(&Shape::Setting(Setting::HostPort), 0),
        Need::Optional,
        "GARM's own ports, which must not answer from here",
    ),
    entry(
        "probe_runner_cert",
        Shape::Record(CERT, Tie::Free),
        Need::Optional,
        "a runner's certificate, with which the API must be refused, and callbacks must not",
    ),
    entry(
        "crls",
        Shape::List(&Shape::Setting(Setting::Path), 0),
        Need::Optional,
        "the revocation lists of GARM's front, PEM; their end is warned of",
    ),
];

const TLS: &[Entry] = &[
    entry(
        "ca",
        Shape::Setting(Setting::Path),
        Need::Optional,
        "authorities to trust instead of the system's, PEM",
    ),
    entry(
        "cert",
        Shape::Setting(Setting::Path),
        Need::Optional,
        "client certificate, PEM; with `key`",
    ),
    entry(
        "key",
        Shape::Setting(Setting::Path),
        Need::Optional,
        "its private key, PEM; with `cert`",
    ),
];

const CERT: &[Entry] = &[
    entry("cert", Shape::Setting(Setting::Path), Need::Required, "certificate, PEM"),
    entry("key", Shape::Setting(Setting::Path), Need::Required, "its private key, PEM"),
];

const CONTROLLER: &[Entry] = &[
    entry(
        "minimum_job_age_backoff",
        Shape::Setting(Setting::Backoff),
        Need::Optional,
        "GARM starts a runner by itself for each job older than this; absent: left alone",
    ),
    entry("shared", FLAG, Need::Default("false"), "this fleet decides for all fleets on that GARM"),
];

const SERIES: &[&str] = &{
    let mut words = [""; Series::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = Series::ALL[at].word();
        at += 1;
    }
    words
};

const BOUND: Shape = Shape::Field(Kind::Count { min: 0, max: u32::MAX });

const ALERT: &[Entry] = &[
    entry(
        "name",
        Shape::Field(Kind::Text { max: 64 }),
        Need::Required,
        "name of the alert, unique",
    ),
    entry("when", Shape::Field(Kind::Choice(SERIES)), Need::Required, "what is watched"),
    entry("above", BOUND, Need::Optional, "fires above this number; or `below`"),
    entry("below", BOUND, Need::Optional, "fires below this number; or `above`"),
    entry("for", Shape::Field(SECONDS), Need::Default("0s"), "how long that must have lasted"),
    entry(
        "notify",
        Shape::List(&TEXT, 1),
        Need::Optional,
        "names of receivers; absent: every receiver",
    ),
];

const ALERTMANAGER: &[Entry] =
    &[entry("url", Shape::Setting(Setting::Url), Need::Required, "its base address")];

const WEBHOOK: &[Entry] = &[entry(
    "url",
    Shape::UrlOrReference,
    Need::Required,
    "where to post: the URL, or a reference to it",
)];

const RECEIVER: &[Entry] = &[
    entry(
        "alertmanager",
        Shape::Record(ALERTMANAGER, Tie::Free),
        Need::Optional,
        "an Alertmanager, API version 2; or `webhook`",
    ),
    entry(
        "webhook",
        Shape::Record(WEBHOOK, Tie::Free),
        Need::Optional,
        "a webhook that takes JSON; or `alertmanager`",
    ),
];

/// The requirements that `policy.accept` may name.
const REQUIREMENTS: &[&str] = &["R3", "R4", "R8", "R9", "R10", "R11"];

/// A policy file: what `--policy` names.
pub(super) const POLICY_FILE: &[Entry] = &[entry(
    "policy",
    Shape::Record(POLICY, Tie::Free),
    Need::Required,
    "guardrails, laid over those of the fleet file",
)];

const POLICY: &[Entry] = &[
    entry(
        "networks",
        Shape::Named(
            &Shape::Record(NETWORK, Tie::Free),
            &[entry(
                "must_not_reach",
                Shape::List(&Shape::Setting(Setting::HostPort), 0),
                Need::Optional,
                "addresses that a runner must not be able to reach: an install that can connect is stopped",
            )],
        ),
        Need::Optional,
        "which networks runners may be put into, by provider",
    ),
    entry(
        "extra_specs",
        Shape::Record(EXTRA_SPECS, Tie::Free),
        Need::Optional,
        "rules for the keys of `extra_specs`",
    ),
    entry("allowed_providers", TEXTS, Need::Optional, "providers that may be used; absent: any"),
    entry(
        "allowed_instance_types",
        TEXTS,
        Need::Optional,
        "globs of instance types that may be used; absent: any",
    ),
    entry("allowed_images", TEXTS, Need::Optional, "globs of images that may be used; absent: any"),
    entry(
        "allowed_labels",
        TEXTS,
        Need::Optional,
        "globs, one of which each label has to match; absent: any",
    ),
    entry(
        "allowed_entities",
        TEXTS,
        Need::Optional,
        "globs of organizations, repositories, enterprises that pools may serve; absent: any",
    ),
    entry(
        "allowed_runner_groups",
        TEXTS,
        Need::Optional,
        "globs of runner groups that may be named; absent: any",
    ),
    entry(
        "allowed_templates",
        TEXTS,
        Need::Optional,
        "globs of install templates that may be named; absent: any",
    ),
    entry("max_total_runners", BOUND, Need::Optional, "most runners of all pools together"),
    entry("forbid_enable_shell", FLAG, Need::Default("false"), "no pool may have shell access"),
    entry(
        "protected_pools",
        TEXTS,
        Need::Optional,
        "globs of pools that are never deleted or replaced",
    ),
    entry(
        "require_mtls",
        FLAG,
        Need::Default("false"),
        "nothing is written to GARM unless client certificates are proven to be enforced",
    ),
    entry(
        "accept",
        Shape::List(&Shape::Field(Kind::Choice(REQUIREMENTS)), 0),
        Need::Optional,
        "requirements that are known not to be met",
    ),
];

const NETWORK: &[Entry] = &[
    entry(
        "keys",
        Shape::List(&Shape::Setting(Setting::Entry), 1),
        Need::Required,
        "exact paths of keys in `extra_specs` that choose a network",
    ),
    entry("allow", Shape::List(&TEXT, 0), Need::Required, "globs of values that are allowed"),
    entry("required", FLAG, Need::Default("false"), "none of the keys may be absent"),
];

const EXTRA_SPECS: &[Entry] = &[
    entry("allow_keys", TEXTS, Need::Optional, "keys that a pool may use; absent: any"),
    entry("show", TEXTS, Need::Optional, "keys whose values may be shown"),
];

const RUNNER_MTLS: &[Entry] = &[
    entry(
        "cert",
        Shape::Setting(Setting::Path),
        Need::Optional,
        "the runners' certificate, PEM; with `key`",
    ),
    entry("key", Shape::Reference, Need::Optional, "a reference to its private key; with `cert`"),
    entry(
        "signer",
        Shape::Setting(Setting::GarmUrl),
        Need::Optional,
        "instead of both: where each runner has a certificate of its own signed",
    ),
    entry("ca", Shape::Setting(Setting::Path), Need::Required, "authority of GARM's front, PEM"),
];

const CREDENTIAL: &[Entry] = &[
    entry("name", TEXT, Need::Required, "name of the credentials in GARM, unique"),
    entry("endpoint", TEXT, Need::Default("github.com"), "GARM's name of the GitHub endpoint"),
    entry("app_id", Shape::Setting(Setting::Id), Need::Required, "the App's id"),
    entry("installation_id", Shape::Setting(Setting::Id), Need::Required, "the installation's id"),
    entry(
        "private_key",
        Shape::Reference,
        Need::Required,
        "a reference to the App's private key, PEM",
    ),
];

/// The fields of a pool, as entries of a mapping.
pub(super) static POOL: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    FIELDS
        .iter()
        .map(|field| {
            let need = match field.absent {
                Absent::Required if field.in_defaults => Need::Later,
                Absent::Required => Need::Required,
                Absent::Default(value) => Need::Default(value),
                Absent::NeededForPlan
                | Absent::Derived(_)
                | Absent::LeftAlone
                | Absent::Nothing => Need::Optional,
            };
            entry(field.key, Shape::Field(field.kind), need, field.help)
        })
        .collect()
});

/// The fields that `defaults` may set.
pub(super) static DEFAULTS: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let may = |key: &str| FIELDS.iter().any(|it| it.key == key && it.in_defaults);
    POOL.iter().filter(|it| may(it.key)).map(|it| Entry { need: Need::Optional, ..*it }).collect()
});
