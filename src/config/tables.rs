//! The keys of all files. The decoder, the JSON Schema, "did you mean" and the reference
//! documentation all read these tables; pool fields come from [`crate::domain::field`].

mod leader;
mod policy;
mod watch;

use std::sync::LazyLock;

use super::alert_series::AlertSeries;
use super::keys::{Constraint, KeySpec, Presence, SettingKind, Shape};
use crate::domain::field::{Absent, FIELDS, FieldKind, TEXT_MAX};
use policy::POLICY;
pub(super) use policy::POLICY_FILE;
use watch::WATCH;

const fn entry(key: &'static str, shape: Shape, need: Presence, help: &'static str) -> KeySpec {
    KeySpec { key, shape, need, help }
}

const TEXT: Shape = Shape::Field(FieldKind::Text { max: TEXT_MAX });
const FLAG: Shape = Shape::Field(FieldKind::Flag);
const TEXTS: Shape = Shape::List(&Shape::Setting(SettingKind::Entry), 0);
const SECONDS: FieldKind = FieldKind::Duration { min_s: 0, whole_minutes: false };

pub(super) static POOL_FILE: &[KeySpec] = &[entry(
    "pools",
    Shape::List(&Shape::Pool, 0),
    Presence::Required,
    "the pools, each with its fields",
)];

pub(super) static FLEET_FILE: &[KeySpec] = &[
    entry(
        "fleet",
        Shape::Setting(SettingKind::FleetName),
        Presence::Required,
        "name of the fleet, which owns the pools in GARM: `[a-z0-9-]`, at most 20 characters",
    ),
    entry(
        "garm",
        Shape::Mapping(GARM, Constraint::EncryptedGarm),
        Presence::RequiredWithout("garms"),
        "how to connect to GARM",
    ),
    entry(
        "garms",
        Shape::NamedGarms(&Shape::Mapping(GARM, Constraint::EncryptedGarm)),
        Presence::Optional,
        "several GARMs by name, each like `garm`; that of `garm` beside them is named `default`; see `docs/many-garms.md`",
    ),
    entry(
        "controller",
        Shape::Mapping(CONTROLLER, Constraint::None),
        Presence::Optional,
        "GARM's own settings, which apply to all its pools",
    ),
    entry(
        "defaults",
        Shape::Defaults,
        Presence::Optional,
        "pool fields for every pool that does not set them itself",
    ),
    entry(
        "groups",
        Shape::Named(&Shape::Mapping(GROUP, Constraint::None), &[]),
        Presence::Optional,
        "pools that share a limit, by the name of the group; see `docs/scaling.md`",
    ),
    entry("watch", Shape::Mapping(WATCH, Constraint::None), Presence::Optional, "the scaling loop"),
    entry(
        "alerts",
        Shape::List(&Shape::Mapping(ALERT, Constraint::ExactlyOne(&["above", "below"])), 0),
        Presence::Optional,
        "alert rules; `QueueDepthHigh`, `GarmNotFollowing` and `AuditLogChanged` are built in, and a rule with the same name and `when` replaces one of them",
    ),
    entry(
        "receivers",
        Shape::Named(
            &Shape::Mapping(RECEIVER, Constraint::ExactlyOne(&["alertmanager", "webhook"])),
            &[],
        ),
        Presence::Optional,
        "where alerts go, by name",
    ),
    entry(
        "policy",
        Shape::Mapping(POLICY, Constraint::None),
        Presence::Optional,
        "limits on what pools may request",
    ),
    entry(
        "runner_mtls",
        Shape::Mapping(RUNNER_MTLS, Constraint::PairOrOther("cert", "key", "signer")),
        Presence::Optional,
        "the kit with which the runners of all pools connect to GARM with a client certificate; see `docs/runner-kit.md`",
    ),
    entry(
        "credentials",
        Shape::List(&Shape::Mapping(CREDENTIAL, Constraint::None), 0),
        Presence::Optional,
        "GitHub Apps that GARM should use",
    ),
];

const GARM: &[KeySpec] = &[
    entry(
        "url",
        Shape::Setting(SettingKind::Url),
        Presence::Required,
        "GARM's URL; `http://` only for a loopback address, or with `insecure_http`",
    ),
    entry(
        "insecure_http",
        FLAG,
        Presence::Default("false"),
        "whether `url` may be `http://` beyond loopback: password and tokens are then sent unencrypted",
    ),
    entry("username", TEXT, Presence::Default("admin"), "name of GARM's administrator"),
    entry(
        "password",
        Shape::Reference,
        Presence::Required,
        "a reference to the administrator's password",
    ),
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
        "GARM's own ports, which must not be reachable from here",
    ),
    entry(
        "probe_runner_cert",
        Shape::Mapping(CERT, Constraint::None),
        Presence::Optional,
        "a runner's certificate, which the API must refuse and the callbacks must accept",
    ),
    entry(
        "crls",
        Shape::List(&Shape::Setting(SettingKind::Path), 0),
        Presence::Optional,
        "the revocation lists of GARM's front, in PEM; `runnerctl` warns before they expire",
    ),
];

const TLS: &[KeySpec] = &[
    entry(
        "ca",
        Shape::Setting(SettingKind::Path),
        Presence::Optional,
        "CAs to trust instead of the system's, in PEM",
    ),
    entry(
        "cert",
        Shape::Setting(SettingKind::Path),
        Presence::Optional,
        "client certificate, in PEM; with `key`",
    ),
    entry(
        "key",
        Shape::Setting(SettingKind::Path),
        Presence::Optional,
        "its private key, in PEM; with `cert`",
    ),
];

const CERT: &[KeySpec] = &[
    entry("cert", Shape::Setting(SettingKind::Path), Presence::Required, "certificate, in PEM"),
    entry("key", Shape::Setting(SettingKind::Path), Presence::Required, "its private key, in PEM"),
];

const CONTROLLER: &[KeySpec] = &[
    entry(
        "minimum_job_age_backoff",
        Shape::Setting(SettingKind::Backoff),
        Presence::Optional,
        "GARM itself starts a runner for each job older than this; if absent, it stays as it is in GARM",
    ),
    entry(
        "shared",
        FLAG,
        Presence::Default("false"),
        "whether this fleet sets them for all fleets on that GARM",
    ),
];

const GROUP: &[KeySpec] = &[
    entry(
        "max_runners",
        Shape::Field(FieldKind::Count { min: 1, max: u32::MAX }),
        Presence::Required,
        "the most runners of all its pools together; `watch` keeps to it",
    ),
    entry(
        "pools",
        Shape::List(&TEXT, 1),
        Presence::Required,
        "names of its pools; a pool can be in one group",
    ),
];

const BOUND: Shape = Shape::Field(FieldKind::Count { min: 0, max: u32::MAX });

const ALERT: &[KeySpec] = &[
    entry(
        "name",
        Shape::Field(FieldKind::Text { max: 64 }),
        Presence::Required,
        "name of the alert, unique",
    ),
    entry(
        "when",
        Shape::Field(FieldKind::Choice(AlertSeries::WORDS)),
        Presence::Required,
        "what is watched",
    ),
    entry("above", BOUND, Presence::Optional, "fires above this number; or `below`"),
    entry("below", BOUND, Presence::Optional, "fires below this number; or `above`"),
    entry(
        "for",
        Shape::Field(SECONDS),
        Presence::Default("0s"),
        "how long the condition must have lasted",
    ),
    entry(
        "notify",
        Shape::List(&TEXT, 1),
        Presence::Optional,
        "names of receivers; all receivers if absent",
    ),
];

const ALERTMANAGER: &[KeySpec] =
    &[entry("url", Shape::Setting(SettingKind::Url), Presence::Required, "its base URL")];

const WEBHOOK: &[KeySpec] = &[entry(
    "url",
    Shape::UrlOrReference,
    Presence::Required,
    "the URL to post to, or a reference to it",
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
        "a webhook that accepts JSON; or `alertmanager`",
    ),
];

const RUNNER_MTLS: &[KeySpec] = &[
    entry(
        "cert",
        Shape::Setting(SettingKind::Path),
        Presence::Optional,
        "the runners' certificate, in PEM; with `key`",
    ),
    entry(
        "key",
        Shape::Reference,
        Presence::Optional,
        "a reference to its private key; with `cert`",
    ),
    entry(
        "signer",
        Shape::Setting(SettingKind::EncryptedUrl),
        Presence::Optional,
        "instead of both: the URL of the signer that issues a certificate to each runner",
    ),
    entry(
        "ca",
        Shape::Setting(SettingKind::Path),
        Presence::Required,
        "CA of GARM's front, in PEM",
    ),
];

const CREDENTIAL: &[KeySpec] = &[
    entry("name", TEXT, Presence::Required, "name of the credentials in GARM, unique"),
    entry("endpoint", TEXT, Presence::Default("github.com"), "GARM's name for the GitHub endpoint"),
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
        "a reference to the App's private key, in PEM",
    ),
];

/// The fields of a pool, as keys of a mapping.
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
    let may = |key: &str| FIELDS.iter().any(|field| field.key == key && field.in_defaults);
    POOL.iter()
        .filter(|entry| may(entry.key))
        .map(|entry| KeySpec { need: Presence::Optional, ..*entry })
        .collect()
});
