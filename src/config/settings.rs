//! The fleet file, read: typed settings, every path taken relative to the file, every secret a
//! reference. Source: DESIGN §3 and §7.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use crate::domain::desired::ControllerSettings;
use crate::domain::name::FleetName;
use crate::domain::secret::SecretRef;

/// The fleet file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetFile {
    /// Its path, as shown to the user.
    pub path: String,
    /// Owner of the pools in GARM.
    pub fleet: FleetName,
    /// How to reach GARM.
    pub garm: GarmSettings,
    /// GARM's own settings, where the file asks for any.
    pub controller: ControllerSettings,
    /// The loop; absent when the file says nothing about it.
    pub watch: Option<WatchSettings>,
    /// Alert rules, in the order of the file.
    pub alerts: Vec<AlertRule>,
    /// Alert receivers, by name.
    pub receivers: Vec<Receiver>,
    /// Guardrails.
    pub policy: PolicySettings,
    /// The kit that runners get.
    pub runner_mtls: Option<RunnerMtls>,
    /// GitHub App credentials that GARM gets.
    pub credentials: Vec<CredentialSettings>,
}

/// How to reach GARM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GarmSettings {
    /// `https://…`, or `http://` to a loopback address; no trailing slash, no user, no query.
    pub url: String,
    /// GARM's admin; `admin` by default.
    pub username: String,
    /// The admin's password.
    pub password: SecretRef,
    /// Certificates; absent: the system's roots and no client certificate.
    pub tls: Option<TlsFiles>,
    /// GARM's own ports, which must not answer from here.
    pub backend: Vec<HostPort>,
    /// A runner's certificate, with which the API must be refused, and callbacks must not.
    pub probe_runner_cert: Option<CertFiles>,
    /// The revocation lists of GARM's front, whose dates are watched.
    pub crls: Vec<PathBuf>,
}

/// Certificates for a connection; `cert` and `key` come together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Authorities to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// Client certificate and its private key.
    pub client: Option<CertFiles>,
}

/// A certificate and its private key, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertFiles {
    /// Certificate, with its chain.
    pub cert: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// A host and a port, the host being a name or an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPort {
    /// Name or address; IPv6 without brackets.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
}

/// The loop's own settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchSettings {
    /// Where metrics and health are served; `127.0.0.1:9477` by default.
    pub listen: SocketAddr,
    /// Time between two full reads; 30 s by default, 5 s at least.
    pub resync: Duration,
    /// The audit file; absent: in the state folder.
    pub audit: Option<PathBuf>,
    /// Key of the audit records' HMACs.
    pub audit_key: Option<SecretRef>,
    /// Keys that earlier records were signed with.
    pub previous_audit_keys: Vec<SecretRef>,
    /// Nothing is written to GARM that cannot be recorded.
    pub audit_required: bool,
    /// Where signed statements about the audit log go; absent: nowhere.
    pub audit_anchor: Option<AuditAnchor>,
    /// TLS of the listener; absent: plain HTTP.
    pub tls: Option<ListenerTls>,
}

impl Default for WatchSettings {
    /// What holds for a fleet file that says nothing about the loop.
    fn default() -> Self {
        Self {
            listen: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9477)),
            resync: Duration::from_secs(30),
            audit: None,
            audit_key: None,
            previous_audit_keys: Vec::new(),
            audit_required: false,
            audit_anchor: None,
            tls: None,
        }
    }
}

/// Where signed statements about the audit log go, so that its proof does not rest on the machine
/// that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditAnchor {
    /// The Ed25519 key that signs them.
    pub key: SecretRef,
    /// Between two statements; 5 min by default.
    pub every: Duration,
    /// A file that they are appended to.
    pub file: Option<PathBuf>,
    /// Where they are posted to.
    pub webhook: Option<WebhookUrl>,
    /// Whether each message to the alert receivers carries the newest one.
    pub alerts: bool,
}

/// TLS of the listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerTls {
    /// Certificate and key.
    pub server: CertFiles,
    /// Authorities of client certificates; absent: none is asked for.
    pub client_ca: Option<PathBuf>,
}

/// What an alert watches. The closed list of DESIGN §6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertSeries {
    /// Jobs that wait for a runner, per pool.
    QueueDepth,
    /// Age of the oldest of them, in seconds, stuck ones included, per pool.
    OldestQueuedJobAgeSeconds,
    /// Jobs without a runner of their own, per pool.
    UnservedJobs,
    /// 1 while a pool's circuit is open, per pool.
    CircuitOpen,
    /// 1 while GARM does not create the runners that a pool's level asks for, per pool.
    LevelNotFollowed,
    /// Age of the last full read, in seconds.
    ObservationAgeSeconds,
    /// Findings of the isolation auditor.
    EphemeralViolations,
    /// 1 when enforced, 0 when not.
    MtlsEnforced,
    /// Gaps in the audit log within the last hour.
    AuditGaps,
    /// How often records of the audit log were found cut or changed within the last hour.
    AuditBreaks,
    /// Age of the last signed statement about the audit log that was delivered, in seconds.
    AuditAnchorAgeSeconds,
    /// Seconds until the client certificate expires.
    ClientCertExpiresInSeconds,
}

impl AlertSeries {
    /// Every series, in the order of the documentation.
    pub const ALL: [Self; 12] = [
        Self::QueueDepth,
        Self::OldestQueuedJobAgeSeconds,
        Self::UnservedJobs,
        Self::CircuitOpen,
        Self::LevelNotFollowed,
        Self::ObservationAgeSeconds,
        Self::EphemeralViolations,
        Self::MtlsEnforced,
        Self::AuditGaps,
        Self::AuditBreaks,
        Self::AuditAnchorAgeSeconds,
        Self::ClientCertExpiresInSeconds,
    ];

    /// The word of the fleet file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::QueueDepth => "queue_depth",
            Self::OldestQueuedJobAgeSeconds => "oldest_queued_job_age_seconds",
            Self::UnservedJobs => "unserved_jobs",
            Self::CircuitOpen => "circuit_open",
            Self::LevelNotFollowed => "level_not_followed",
            Self::ObservationAgeSeconds => "observation_age_seconds",
            Self::EphemeralViolations => "ephemeral_violations",
            Self::MtlsEnforced => "mtls_enforced",
            Self::AuditGaps => "audit_gaps",
            Self::AuditBreaks => "audit_breaks",
            Self::AuditAnchorAgeSeconds => "audit_anchor_age_seconds",
            Self::ClientCertExpiresInSeconds => "client_cert_expires_in_seconds",
        }
    }
}

/// On which side of a number an alert fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// Fires above this.
    Above(u32),
    /// Fires below this.
    Below(u32),
}

/// One alert rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRule {
    /// Its name; one of [`Self::built_in`] replaces that rule.
    pub name: String,
    /// What it watches.
    pub when: AlertSeries,
    /// When it fires.
    pub bound: Threshold,
    /// How long the condition must have lasted; nothing by default.
    pub lasting: Duration,
    /// Names of receivers; empty: every receiver.
    pub notify: Vec<String>,
}

impl AlertRule {
    /// The rules that are in force without being written down. Each notifies every receiver; a
    /// rule of the file with the same name about the same series replaces it.
    pub fn built_in() -> [Self; 3] {
        let rule = |name: &str, when, above, lasting| Self {
            name: name.to_owned(),
            when,
            bound: Threshold::Above(above),
            lasting,
            notify: Vec::new(),
        };
        [
            // R6.
            rule("QueueDepthHigh", AlertSeries::QueueDepth, 20, Duration::from_mins(5)),
            rule("GarmNotFollowing", AlertSeries::LevelNotFollowed, 0, Duration::ZERO),
            rule("AuditLogChanged", AlertSeries::AuditBreaks, 0, Duration::ZERO),
        ]
    }
}

/// Where alerts go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// Its name in the fleet file.
    pub name: String,
    /// What it is.
    pub kind: ReceiverKind,
}

/// What kind of receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiverKind {
    /// An Alertmanager, API version 2.
    Alertmanager {
        /// Its base URL.
        url: String,
    },
    /// A webhook that takes JSON.
    Webhook {
        /// Where to post; often a secret by itself.
        url: WebhookUrl,
    },
}

/// A webhook's URL.
#[derive(Clone, PartialEq, Eq)]
pub enum WebhookUrl {
    /// As it stands in the file; not to be shown.
    Plain(String),
    /// By reference.
    Secret(SecretRef),
}

impl std::fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plain(_) => f.write_str("Plain(…)"),
            Self::Secret(reference) => write!(f, "Secret({reference})"),
        }
    }
}

/// The kit that runners get, to speak to GARM with a client certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerMtls {
    /// Where a runner's certificate comes from.
    pub certificate: RunnerCertificate,
    /// Authority of GARM's front, PEM.
    pub ca: PathBuf,
}

/// Where a runner's certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunnerCertificate {
    /// All runners of the fleet have the same.
    Shared {
        /// Certificate, PEM.
        cert: PathBuf,
        /// Private key.
        key: SecretRef,
    },
    /// Each has its own, for a key that is made on its machine.
    Signed {
        /// Where signing requests go.
        signer: String,
    },
}

/// A GitHub App that GARM is to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialSettings {
    /// Name of the credentials in GARM.
    pub name: String,
    /// GARM's name of the GitHub endpoint; `github.com` by default.
    pub endpoint: String,
    /// Application id.
    pub app_id: u64,
    /// Installation id.
    pub installation_id: u64,
    /// Private key, PEM.
    pub private_key: SecretRef,
}

/// Guardrails: what a pool may ask for. Empty lists and absent bounds forbid nothing, `Some` of an
/// empty list forbids all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicySettings {
    /// Which networks runners may be put into, by provider.
    pub networks: Vec<NetworkRule>,
    /// Addresses that a runner must not be able to reach.
    pub must_not_reach: Vec<HostPort>,
    /// Keys that `extra_specs` may have; absent: any.
    pub extra_specs_allow_keys: Option<Vec<String>>,
    /// Keys of `extra_specs` whose values may be shown.
    pub extra_specs_show: Vec<String>,
    /// Providers that may be used; absent: any.
    pub allowed_providers: Option<Vec<String>>,
    /// Globs of instance types that may be used; absent: any.
    pub allowed_instance_types: Option<Vec<String>>,
    /// Globs of images that may be used; absent: any.
    pub allowed_images: Option<Vec<String>>,
    /// Globs that each label of a pool has to match one of; absent: any.
    pub allowed_labels: Option<Vec<String>>,
    /// Globs of organizations, repositories and enterprises that pools may serve; absent: any.
    pub allowed_entities: Option<Vec<String>>,
    /// Globs of runner groups that may be named; absent: any.
    pub allowed_runner_groups: Option<Vec<String>>,
    /// Globs of install templates that may be named; absent: any.
    pub allowed_templates: Option<Vec<String>>,
    /// Most runners of all pools together.
    pub max_total_runners: Option<u32>,
    /// No pool may have shell access.
    pub forbid_enable_shell: bool,
    /// Globs of pools that are never deleted or replaced.
    pub protected_pools: Vec<String>,
    /// Nothing is done unless client certificates are proven to be enforced.
    pub require_mtls: bool,
    /// Requirements that are known not to be met: `R3`, `R4`, `R8` to `R11`.
    pub accept: Vec<String>,
}

/// Which networks runners of one provider may be put into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRule {
    /// The provider.
    pub provider: String,
    /// Exact paths of keys in `extra_specs` that choose a network.
    pub keys: Vec<String>,
    /// Globs of values that are allowed.
    pub allow: Vec<String>,
    /// The keys may not be absent.
    pub required: bool,
}
