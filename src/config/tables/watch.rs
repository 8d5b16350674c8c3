//! `watch:` of the fleet file.

use super::super::keys::{Constraint, KeySpec, Presence, SettingKind, Shape};
use super::{FLAG, entry};
use crate::domain::field::FieldKind;

pub(super) const WATCH: &[KeySpec] = &[
    entry(
        "listen",
        Shape::Setting(SettingKind::Listen),
        Presence::Default("127.0.0.1:9477"),
        "where metrics and health are served",
    ),
    entry(
        "resync",
        Shape::Field(FieldKind::Duration { min_s: 5, whole_minutes: false }),
        Presence::Default("30s"),
        "time between two full reads of GARM, 5s at least",
    ),
    entry(
        "audit",
        Shape::Setting(SettingKind::Path),
        Presence::Optional,
        "the audit file; absent: in the state folder",
    ),
    entry(
        "audit_key",
        Shape::Reference,
        Presence::Optional,
        "a reference to the key of the audit records' HMACs, 32 bytes at least",
    ),
    entry(
        "previous_audit_keys",
        Shape::List(&Shape::Reference, 0),
        Presence::Optional,
        "references to keys that signed earlier records: the log goes on with `audit_key`",
    ),
    entry(
        "audit_required",
        FLAG,
        Presence::Default("false"),
        "nothing is written to GARM that cannot be recorded; else scaling goes on without",
    ),
    entry(
        "audit_anchor",
        Shape::Mapping(AUDIT_ANCHOR, Constraint::None),
        Presence::Optional,
        "where signed statements about the audit log go, outside of this machine",
    ),
    entry(
        "tls",
        Shape::Mapping(LISTENER_TLS, Constraint::None),
        Presence::Optional,
        "TLS for metrics and health",
    ),
];

const AUDIT_ANCHOR: &[KeySpec] = &[
    entry(
        "key",
        Shape::Reference,
        Presence::Required,
        "a reference to the Ed25519 key that signs them, PKCS #8 in PEM",
    ),
    entry(
        "every",
        Shape::Field(FieldKind::Duration { min_s: 10, whole_minutes: false }),
        Presence::Default("5m"),
        "time between two of them, 10s at least",
    ),
    entry(
        "file",
        Shape::Setting(SettingKind::Path),
        Presence::Optional,
        "a file that they are appended to, on another mount",
    ),
    entry(
        "webhook",
        Shape::UrlOrReference,
        Presence::Optional,
        "where they are posted to: the URL, or a reference to it",
    ),
    entry(
        "alerts",
        FLAG,
        Presence::Default("false"),
        "each message to the alert receivers carries the newest one",
    ),
];

const LISTENER_TLS: &[KeySpec] = &[
    entry("cert", Shape::Setting(SettingKind::Path), Presence::Required, "server certificate, PEM"),
    entry("key", Shape::Setting(SettingKind::Path), Presence::Required, "its private key, PEM"),
    entry(
        "client_ca",
        Shape::Setting(SettingKind::Path),
        Presence::Optional,
        "authorities of client certificates; absent: none is asked for",
    ),
];
