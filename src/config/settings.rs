//! The settings of the fleet file, typed: paths are resolved relative to the file, secrets are
//! references. Source: DESIGN §3 and §7.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use super::alert_series::AlertSeries;
use super::leader::LeaderSettings;
use crate::domain::desired::ControllerSettings;
use crate::domain::name::{FleetName, GarmName};
use crate::domain::secret::SecretRef;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetFile {
    pub path: String,
    /// The owner of the pools in GARM.
    pub fleet: FleetName,
    /// How to connect to GARM. A file with `garms` is read as one of these for each GARM.
    pub garm: GarmSettings,
    /// GARM's own settings, if the file sets any.
    pub controller: ControllerSettings,
    /// The scaling loop, if the file configures it.
    pub watch: Option<WatchSettings>,
    /// In the order of the file.
    pub alerts: Vec<AlertRule>,
    pub receivers: Vec<Receiver>,
    /// Limits on what pools may request.
    pub policy: PolicySettings,
    /// The kit that is installed on runners.
    pub runner_mtls: Option<RunnerMtls>,
    /// GitHub App credentials to give to GARM.
    pub credentials: Vec<CredentialSettings>,
}

/// How to connect to GARM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GarmSettings {
    /// Its name in `garms`; `None` for the only GARM of a fleet file without `garms`.
    pub name: Option<GarmName>,
    /// `https://…`, or `http://` if `insecure_http` or loopback; without trailing slash, user or
    /// query.
    pub url: String,
    /// Whether `http://` beyond loopback is allowed.
    pub insecure_http: bool,
    /// GARM's administrator; `admin` by default.
    pub username: String,
    pub password: SecretRef,
    /// `None`: the system's roots and no client certificate.
    pub tls: Option<TlsFiles>,
    /// GARM's own ports, which must not be reachable from here.
    pub backend: Vec<HostPort>,
    /// A runner's certificate, which the API must refuse and the callbacks must accept.
    pub probe_runner_cert: Option<CertFiles>,
    /// The revocation lists of GARM's front, whose expiry is watched.
    pub crls: Vec<PathBuf>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// CAs to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// The client certificate and its private key.
    pub client: Option<CertFiles>,
}

/// A certificate and its private key, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertFiles {
    /// The certificate, with its chain.
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPort {
    /// A name or an address; IPv6 without brackets.
    pub host: String,
    /// The TCP port, from 1 to 65535.
    pub port: u16,
}

/// Settings of the scaling loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchSettings {
    /// The address that serves the status page, metrics, health and decisions; `127.0.0.1:9477` by
    /// default.
    pub listen: SocketAddr,
    /// Shortest time between two full reads; 30 s by default, at least 5 s.
    pub resync: Duration,
    /// The audit file; `None` for the one in the state directory.
    pub audit: Option<PathBuf>,
    /// The key for the HMACs of audit records.
    pub audit_key: Option<SecretRef>,
    pub previous_audit_keys: Vec<SecretRef>,
    /// Whether writes to GARM that cannot be recorded are refused.
    pub audit_required: bool,
    /// When the audit file is closed; `None` if never, or by another program.
    pub audit_rotate: Option<AuditRotation>,
    /// Where signed statements about the audit log go, if anywhere.
    pub audit_anchor: Option<AuditAnchor>,
    /// How one of several `watch` is elected; `None`: each writes.
    pub leader: Option<LeaderSettings>,
    /// TLS for the listener; `None` for plain HTTP.
    pub tls: Option<ListenerTls>,
}

impl Default for WatchSettings {
    /// The settings for a fleet file without `watch`.
    fn default() -> Self {
        Self {
            listen: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9477)),
            resync: Duration::from_secs(30),
            audit: None,
            audit_key: None,
            previous_audit_keys: Vec::new(),
            audit_required: false,
            audit_rotate: None,
            audit_anchor: None,
            leader: None,
            tls: None,
        }
    }
}

/// When the audit file is closed and compressed, and how many closed ones are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditRotation {
    /// Size from which the file is closed, in MiB; 64 by default.
    pub max_size_mib: u32,
    /// Age of the first record from which the file is closed; 1 d by default.
    pub every: Duration,
    /// Number of closed segments that are kept; `None` for all.
    pub keep: Option<usize>,
}

/// Where signed statements about the audit log go, so that its proof does not depend on the machine
/// that writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditAnchor {
    /// The Ed25519 key that signs them.
    pub key: SecretRef,
    /// Time between two statements; 5 min by default.
    pub every: Duration,
    /// A file that they are appended to.
    pub file: Option<PathBuf>,
    /// A URL that they are posted to.
    pub webhook: Option<WebhookUrl>,
    /// Whether each message to the alert receivers includes the newest one.
    pub alerts: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerTls {
    pub server: CertFiles,
    /// CAs for client certificates; `None` requests none.
    pub client_ca: Option<PathBuf>,
}

/// The threshold of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    Above(u32),
    Below(u32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRule {
    /// Its name; a rule named like one of [`Self::built_in`] replaces that one.
    pub name: String,
    pub when: AlertSeries,
    pub bound: Threshold,
    /// How long the condition must have lasted; zero by default.
    pub lasting: Duration,
    /// Names of receivers; empty for all receivers.
    pub notify: Vec<String>,
}

impl AlertRule {
    /// The rules that are always active. Each notifies all receivers; a rule in the file with the
    /// same name and series replaces it.
    pub fn built_in() -> [Self; 3] {
        let rule = |name: &str, when, above, lasting| Self {
            name: name.to_owned(),
            when,
            bound: Threshold::Above(above),
            lasting,
            notify: Vec::new(),
        };
        [
            // Required by R6.
            rule("QueueDepthHigh", AlertSeries::QueueDepth, 20, Duration::from_mins(5)),
            rule("GarmNotFollowing", AlertSeries::LevelNotFollowed, 0, Duration::ZERO),
            rule("AuditLogChanged", AlertSeries::AuditBreaks, 0, Duration::ZERO),
        ]
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    pub name: String,
    pub kind: ReceiverKind,
}

/// The kind of a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiverKind {
    /// An Alertmanager, API version 2.
    Alertmanager { url: String },
    /// A webhook that accepts JSON.
    Webhook {
        /// The URL to post to; often a secret itself.
        url: WebhookUrl,
    },
}

#[derive(Clone, PartialEq, Eq)]
pub enum WebhookUrl {
    /// Written in the file; must not be shown.
    Plain(String),
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

/// The kit with which runners connect to GARM with a client certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerMtls {
    /// The source of a runner's certificate.
    pub certificate: RunnerCertificate,
    /// The CA of GARM's front, in PEM.
    pub ca: PathBuf,
}

/// The source of a runner's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunnerCertificate {
    /// All runners of the fleet share one.
    Shared { cert: PathBuf, key: SecretRef },
    /// Each runner has its own, for a key generated on its machine.
    Signed {
        /// The URL for signing requests.
        signer: String,
    },
}

/// A GitHub App that GARM should use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialSettings {
    /// The name of the credentials in GARM.
    pub name: String,
    /// GARM's name for the GitHub endpoint; `github.com` by default.
    pub endpoint: String,
    pub app_id: u64,
    pub installation_id: u64,
    /// The private key, in PEM.
    pub private_key: SecretRef,
}

/// Limits on what a pool may request. `None` allows everything; `Some` of an empty list allows
/// nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicySettings {
    /// The networks that runners may use, by provider.
    pub networks: Vec<NetworkRule>,
    pub must_not_reach: Vec<HostPort>,
    /// Keys that `extra_specs` may have.
    pub extra_specs_allow_keys: Option<Vec<String>>,
    pub extra_specs_show: Vec<String>,
    pub allowed_providers: Option<Vec<String>>,
    /// Globs of allowed instance types.
    pub allowed_instance_types: Option<Vec<String>>,
    /// Globs of allowed images.
    pub allowed_images: Option<Vec<String>>,
    /// Globs, one of which each label of a pool must match.
    pub allowed_labels: Option<Vec<String>>,
    /// Globs of organizations, repositories and enterprises that pools may serve.
    pub allowed_entities: Option<Vec<String>>,
    /// Globs of allowed runner groups.
    pub allowed_runner_groups: Option<Vec<String>>,
    /// Globs of allowed install templates.
    pub allowed_templates: Option<Vec<String>>,
    /// The most runners of all pools together.
    pub max_total_runners: Option<u32>,
    /// Whether shell access is forbidden.
    pub forbid_enable_shell: bool,
    pub protected_pools: Vec<String>,
    /// Whether nothing may be written unless client certificates are proven to be enforced.
    pub require_mtls: bool,
    /// Requirements that are known not to be met: `R3`, `R4`, `R8` to `R11`.
    pub accept: Vec<String>,
}

/// The networks that runners of one provider may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRule {
    pub provider: String,
    /// Exact paths of the keys in `extra_specs` that choose a network.
    pub keys: Vec<String>,
    /// Globs of allowed values.
    pub allow: Vec<String>,
    /// Whether all keys must be present.
    pub required: bool,
}
