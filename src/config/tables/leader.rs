//! The keys of `watch.leader` in the fleet file.

use super::super::keys::{Constraint, KeySpec, Presence, SettingKind, Shape};
use super::{TEXT, TLS, entry};

pub(super) const LEADER: &[KeySpec] = &[
    entry(
        "postgresql",
        Shape::Mapping(POSTGRESQL, Constraint::None),
        Presence::Optional,
        "a row in PostgreSQL",
    ),
    entry(
        "etcd",
        Shape::Mapping(ETCD, Constraint::BothOrNeither("username", "password")),
        Presence::Optional,
        "a key in etcd 3.4 or later",
    ),
    entry(
        "kubernetes",
        Shape::Mapping(KUBERNETES, Constraint::BothOrNeither("server", "token")),
        Presence::Optional,
        "a Lease in Kubernetes",
    ),
];

const NAME: KeySpec = entry(
    "name",
    Shape::Setting(SettingKind::LeaseName),
    Presence::Optional,
    "name of the lease; `runnerctl-FLEET` if absent; two GARMs with fleets of one name need two names",
);

const ENGINE_TLS: KeySpec = entry(
    "tls",
    Shape::Mapping(TLS, Constraint::BothOrNeither("cert", "key")),
    Presence::Optional,
    "certificates for the connection",
);

const POSTGRESQL: &[KeySpec] = &[
    entry(
        "url",
        Shape::Reference,
        Presence::Required,
        "a reference to `postgresql://USER:PASSWORD@HOST/DATABASE`; several hosts are tried in turn",
    ),
    NAME,
    ENGINE_TLS,
];

const ETCD: &[KeySpec] = &[
    entry(
        "endpoints",
        Shape::List(&Shape::Setting(SettingKind::EncryptedUrl), 1),
        Presence::Required,
        "URLs of the members; `http://` only for loopback addresses",
    ),
    entry("username", TEXT, Presence::Optional, "name of the user; with `password`"),
    entry(
        "password",
        Shape::Reference,
        Presence::Optional,
        "a reference to the user's password; with `username`",
    ),
    NAME,
    ENGINE_TLS,
];

const KUBERNETES: &[KeySpec] = &[
    entry(
        "namespace",
        Shape::Setting(SettingKind::LeaseName),
        Presence::Optional,
        "namespace of the Lease; the pod's own if absent",
    ),
    NAME,
    entry(
        "server",
        Shape::Setting(SettingKind::EncryptedUrl),
        Presence::Optional,
        "URL of the API; if absent, that of the cluster which runs the pod, with its service account",
    ),
    entry("token", Shape::Reference, Presence::Optional, "a reference to a token; with `server`"),
    entry(
        "ca",
        Shape::Setting(SettingKind::Path),
        Presence::Optional,
        "CAs of the API, in PEM; the pod's own without `server`",
    ),
];
