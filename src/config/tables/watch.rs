//! `watch:` of the fleet file.

use super::super::keys::{Entry, Need, Setting, Shape, Tie};
use super::{FLAG, entry};
use crate::domain::field::Kind;

pub(super) const WATCH: &[Entry] = &[
    entry(
        "listen",
        Shape::Setting(Setting::Listen),
        Need::Default("127.0.0.1:9477"),
        "where metrics and health are served",
    ),
    entry(
        "resync",
        Shape::Field(Kind::Duration { min_s: 5, whole_minutes: false }),
        Need::Default("30s"),
        "time between two full reads of GARM, 5s at least",
    ),
    entry(
        "audit",
        Shape::Setting(Setting::Path),
        Need::Optional,
        "the audit file; absent: in the state folder",
    ),
    entry(
        "audit_key",
        Shape::Reference,
        Need::Optional,
        "a reference to the key of the audit records' HMACs, 32 bytes at least",
    ),
    entry(
        "previous_audit_keys",
        Shape::List(&Shape::Reference, 0),
        Need::Optional,
        "references to keys that signed earlier records: the log goes on with `audit_key`",
    ),
    entry(
        "audit_required",
        FLAG,
        Need::Default("false"),
        "nothing is written to GARM that cannot be recorded; else scaling goes on without",
    ),
    entry(
        "audit_anchor",
        Shape::Record(AUDIT_ANCHOR, Tie::Free),
        Need::Optional,
        "where signed statements about the audit log go, outside of this machine",
    ),
    entry(
        "tls",
        Shape::Record(LISTENER_TLS, Tie::Free),
        Need::Optional,
        "TLS for metrics and health",
    ),
];

const AUDIT_ANCHOR: &[Entry] = &[
    entry(
        "key",
        Shape::Reference,
        Need::Required,
        "a reference to the Ed25519 key that signs them, PKCS #8 in PEM",
    ),
    entry(
        "every",
        Shape::Field(Kind::Duration { min_s: 10, whole_minutes: false }),
        Need::Default("5m"),
        "time between two of them, 10s at least",
    ),
    entry(
        "file",
        Shape::Setting(Setting::Path),
        Need::Optional,
        "a file that they are appended to, on another mount",
    ),
    entry(
        "webhook",
        Shape::UrlOrReference,
        Need::Optional,
        "where they are posted to: the URL, or a reference to it",
    ),
    entry(
        "alerts",
        FLAG,
        Need::Default("false"),
        "each message to the alert receivers carries the newest one",
    ),
];

const LISTENER_TLS: &[Entry] = &[
    entry("cert", Shape::Setting(Setting::Path), Need::Required, "server certificate, PEM"),
    entry("key", Shape::Setting(Setting::Path), Need::Required, "its private key, PEM"),
    entry(
        "client_ca",
        Shape::Setting(Setting::Path),
        Need::Optional,
        "authorities of client certificates; absent: none is asked for",
    ),
];
