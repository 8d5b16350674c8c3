//! Reads YAML: the desired state, and every problem in it with its location.
//!
//! Decides what the files mean and whether they make sense; collects all problems of a run. Never
//! opens a file, resolves a secret or queries GARM. Only one module names the YAML library.

mod address;
mod alert_series;
mod checks;
mod constraints;
mod declared;
mod decode;
mod diagnostic_code;
mod diagnostics;
mod extra_specs;
mod field_spans;
mod file_reporter;
mod fleet;
mod garms;
mod groups;
mod invalid_value;
mod keys;
mod leader;
mod leaves;
mod manifest;
mod node;
mod number;
mod patterns;
mod pool;
mod problem;
mod reference;
mod scalar;
mod schema;
mod settings;
mod source;
mod suggest;
mod tables;
mod text;
mod text_rules;
mod time;
mod value;
mod yaml;

pub use alert_series::AlertSeries;
pub use declared::DeclaredPool;
pub use diagnostic_code::{Code, Severity};
pub use leader::{
    EtcdLeader, EtcdUser, KubernetesLeader, KubernetesServer, LeaderEngine, LeaderSettings,
    PostgresLeader,
};
pub use leaves::leaves;
pub use manifest::{FieldProblem, Manifest, load, load_in_doubt, load_policy};
pub use problem::{Annotation, Excerpt, Location, Position, Problem, Role, has_error};
pub use reference::parse_reference;
pub use schema::{SchemaRoot, schema, schema_of};
pub use settings::{
    AlertRule, AuditAnchor, AuditRotation, CertFiles, CredentialSettings, FleetFile, GarmSettings,
    HostPort, ListenerTls, NetworkRule, PolicySettings, Receiver, ReceiverKind, RunnerCertificate,
    RunnerMtls, Threshold, TlsFiles, WatchSettings, WebhookUrl,
};
pub use source::{FILE_MAX, SourceFile, TOTAL_MAX};
