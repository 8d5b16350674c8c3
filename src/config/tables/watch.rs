//! The keys of `watch:` in the fleet file.

use super::super::keys::{Constraint, KeySpec, Presence, SettingKind, Shape};
use super::leader::LEADER;
use super::{FLAG, entry};
use crate::domain::field::FieldKind;

pub(super) const WATCH: &[KeySpec] = &[
    entry(
        "listen",
        Shape::Setting(SettingKind::Listen),
        Presence::Default("127.0.0.1:9477"),
        "address that serves the status page, metrics, health and decisions",
    ),
    entry(
        "resync",
        Shape::Field(FieldKind::Duration { min_s: 5, whole_minutes: false }),
        Presence::Default("30s"),
        "shortest time between two full reads of GARM, at least 5s; slow reads are further apart",
    ),
    entry(
        "audit",
        Shape::Setting(SettingKind::Path),
        Presence::Optional,
        "the audit file; in the state directory if absent",
    ),
    entry(
        "audit_key",
        Shape::Reference,
        Presence::Optional,
        "a reference to the key for the HMACs of audit records, at least 32 bytes",
    ),
    entry(
        "previous_audit_keys",
        Shape::List(&Shape::Reference, 0),
        Presence::Optional,
        "references to the keys of earlier records; new records use `audit_key`",
    ),
    entry(
        "audit_required",
        FLAG,
        Presence::Default("false"),
        "whether writes to GARM that cannot be recorded are refused; otherwise scaling goes on without records",
    ),
    entry(
        "audit_rotate",
        Shape::Mapping(AUDIT_ROTATE, Constraint::None),
        Presence::Optional,
        "when the audit file is closed, compressed and entered in its manifest; without it, another program may rename the file",
    ),
    entry(
        "audit_anchor",
        Shape::Mapping(AUDIT_ANCHOR, Constraint::None),
        Presence::Optional,
        "where signed statements about the audit log go, outside this machine",
    ),
    entry(
        "leader",
        Shape::Mapping(LEADER, Constraint::ExactlyOne(&["postgresql", "etcd", "kubernetes"])),
        Presence::Optional,
        "where several `watch` agree which of them leads; only that one writes and sends alerts; see `docs/availability.md`",
    ),
    entry(
        "tls",
        Shape::Mapping(LISTENER_TLS, Constraint::None),
        Presence::Optional,
        "TLS for metrics and health",
    ),
];

const AUDIT_ROTATE: &[KeySpec] = &[
    entry(
        "max_size_mib",
        Shape::Field(FieldKind::Count { min: 1, max: 4_096 }),
        Presence::Default("64"),
        "size from which the file is closed, in MiB",
    ),
    entry(
        "every",
        Shape::Field(FieldKind::Duration { min_s: 60, whole_minutes: false }),
        Presence::Default("1d"),
        "age of its first record from which the file is closed, at least 1m",
    ),
    entry(
        "keep",
        Shape::Field(FieldKind::Count { min: 2, max: 1_000_000 }),
        Presence::Optional,
        "number of closed segments that are kept; older ones are deleted; all are kept if absent",
    ),
];

const AUDIT_ANCHOR: &[KeySpec] = &[
    entry(
        "key",
        Shape::Reference,
        Presence::Required,
        "a reference to the Ed25519 key that signs them, as PKCS #8 in PEM",
    ),
    entry(
        "every",
        Shape::Field(FieldKind::Duration { min_s: 10, whole_minutes: false }),
        Presence::Default("5m"),
        "time between two statements, at least 10s",
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
        "the URL that they are posted to, or a reference to it",
    ),
    entry(
        "alerts",
        FLAG,
        Presence::Default("false"),
        "whether each message to the alert receivers includes the newest one",
    ),
];

const LISTENER_TLS: &[KeySpec] = &[
    entry(
        "cert",
        Shape::Setting(SettingKind::Path),
        Presence::Required,
        "server certificate, in PEM",
    ),
    entry("key", Shape::Setting(SettingKind::Path), Presence::Required, "its private key, in PEM"),
    entry(
        "client_ca",
        Shape::Setting(SettingKind::Path),
        Presence::Optional,
        "CAs for client certificates; none are requested if absent",
    ),
];
