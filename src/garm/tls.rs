//! The TLS configuration of HTTP requests and of the event stream.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};
use rustls_platform_verifier::BuilderVerifierExt;
use sha2::{Digest, Sha256};

use super::error::GarmError;
use super::pem::{Pem, shown};
use super::transport::PresentedCertificate;
use super::x509;

/// The PEM files of `garm.tls`, all optional. Paths are already resolved against the folder of the
/// fleet file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GarmTlsFiles {
    /// The CA of GARM's certificate. It replaces the platform's root CAs.
    pub ca: Option<PathBuf>,
    /// Our certificate with its chain; requires `key`.
    pub cert: Option<PathBuf>,
    /// The unencrypted key of `cert`.
    pub key: Option<PathBuf>,
}

impl GarmTlsFiles {
    /// A digest of the files' contents; an unreadable file counts as empty.
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for path in [&self.ca, &self.cert, &self.key].into_iter().flatten() {
            let content = Pem { path, setting: "garm.tls" }.read().unwrap_or_default();
            digest.update(content.len().to_be_bytes());
            digest.update(&content);
        }
        digest.finalize().into()
    }
}

/// When the first certificate of a file expires; `None` if the file contains none.
pub fn holds_until(cert: &Path) -> Option<Timestamp> {
    let chain = Pem { path: cert, setting: "garm.tls.cert" }.certificates().ok()?;
    Some(x509::facts(chain.first()?)?.not_after)
}

/// A TLS configuration and the client certificate that it presents.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The configuration for reqwest. It offers only HTTP/1.1, because GARM supports nothing else
    /// and a WebSocket requires it.
    pub config: ClientConfig,
    identity: Arc<ClientIdentity>,
}

impl Tls {
    /// Reads the files. Errors with [`super::ErrorKind::Input`] if one is missing or invalid, if
    /// the key does not belong to the certificate, if our certificate is not for clients or not
    /// valid at `now`, or if there is no root CA.
    pub fn new(files: &GarmTlsFiles, now: Option<Timestamp>) -> Result<Self, GarmError> {
        // The provider is explicit because rustls panics if the dependency graph has two providers
        // and no default is set.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let identity = ClientIdentity::new(files, now, &provider)?;
        Self::with(files.ca.as_deref(), identity, provider)
    }

    /// A configuration that trusts `ca` and presents `key`, or no certificate.
    pub(super) fn showing(ca: Option<&Path>, key: Option<CertifiedKey>) -> Result<Self, GarmError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        Self::with(ca, ClientIdentity::showing(key), provider)
    }

    /// Uses this configuration, without a client certificate.
    pub(super) fn of(config: ClientConfig) -> Self {
        Self { config, identity: Arc::new(ClientIdentity::showing(None)) }.afresh()
    }

    /// A copy for one connection, which records separately whether the server requested a
    /// certificate. It does not resume sessions, because in a resumed session the server requests
    /// no certificate.
    pub(super) fn afresh(&self) -> Self {
        let ClientIdentity { key, presented, .. } = &*self.identity;
        let (key, presented) = (key.clone(), presented.clone());
        let identity = Arc::new(ClientIdentity { key, presented, asked: AtomicBool::new(false) });
        let mut config = self.config.clone();
        config.client_auth_cert_resolver = Arc::clone(&identity) as _;
        config.resumption = Resumption::disabled();
        Self { config, identity }
    }

    fn with(
        ca: Option<&Path>,
        identity: ClientIdentity,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, GarmError> {
        let identity = Arc::new(identity);
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("aws-lc-rs has suites for both protocol versions");
        let builder = match ca {
            Some(path) => {
                builder.with_root_certificates(roots(Pem { path, setting: "garm.tls.ca" })?)
            }
            None => builder.with_platform_verifier().map_err(|error| no_roots(&error))?,
        };
        let mut config = builder.with_client_cert_resolver(Arc::clone(&identity) as _);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config, identity })
    }

    /// What we presented, if a server has requested a client certificate since [`Self::met`].
    pub(super) fn asked(&self) -> Option<PresentedCertificate> {
        let is_asked = self.identity.asked.load(Ordering::Relaxed);
        is_asked.then(|| self.identity.presented.clone())
    }

    /// Records that a server has responded, so it accepted what we presented.
    pub(super) fn met(&self) {
        self.identity.asked.store(false, Ordering::Relaxed);
    }
}

/// Our certificate, if any, and whether a server requested it. With TLS 1.3, a refusal may be only
/// a closed connection; this distinguishes it from a crash.
#[derive(Debug)]
struct ClientIdentity {
    key: Option<Arc<CertifiedKey>>,
    presented: PresentedCertificate,
    asked: AtomicBool,
}

impl ClientIdentity {
    fn showing(key: Option<CertifiedKey>) -> Self {
        let presented = match key {
            Some(_) => PresentedCertificate::Certificate("the certificate of a probe".into()),
            None => PresentedCertificate::Nothing,
        };
        Self { key: key.map(Arc::new), presented, asked: AtomicBool::new(false) }
    }

    fn new(
        files: &GarmTlsFiles,
        now: Option<Timestamp>,
        provider: &CryptoProvider,
    ) -> Result<Self, GarmError> {
        let (cert, key) = match (&files.cert, &files.key) {
            (Some(cert), Some(key)) => (cert, key),
            (None, None) => {
                let (key, presented) = (None, PresentedCertificate::Nothing);
                return Ok(Self { key, presented, asked: AtomicBool::new(false) });
            }
            (Some(_), None) => return Err(half("garm.tls.cert", "garm.tls.key")),
            (None, Some(_)) => return Err(half("garm.tls.key", "garm.tls.cert")),
        };
        let file = Pem { path: cert, setting: "garm.tls.cert" };
        let chain = file.certificates()?;
        let der = Pem { path: key, setting: "garm.tls.key" }.key()?;
        let facts = chain.first().and_then(|certificate| x509::facts(certificate));
        let validity = facts.as_ref().map_or_else(String::new, |facts| {
            format!(" (valid from {} until {})", facts.not_before, facts.not_after)
        });
        let presented = PresentedCertificate::Certificate(format!("`{}`{validity}", shown(cert)));
        let certified = CertifiedKey::from_der(chain, der, provider).map_err(|error| {
            let tried = format!("use `garm.tls.cert` `{}` with `{}`", shown(cert), shown(key));
            let got = match error {
                rustls::Error::InconsistentKeys(_) => {
                    "the key belongs to another certificate".into()
                }
                other => format!("they cannot be used: {other}"),
            };
            GarmError::input(tried, got, "set `garm.tls.key` to the key of `garm.tls.cert`")
        })?;
        if let Some(facts) = facts {
            fit_for_a_client(file, &facts, now)?;
        }
        Ok(Self { key: Some(Arc::new(certified)), presented, asked: AtomicBool::new(false) })
    }
}

/// Refuses a certificate that every server would refuse. Here the reason can be reported, whereas a
/// server with TLS 1.3 may only close the connection.
pub(super) fn fit_for_a_client(
    file: Pem<'_>,
    facts: &x509::CertificateFacts,
    now: Option<Timestamp>,
) -> Result<(), GarmError> {
    if !facts.is_for_clients {
        let got = "its certificate is not for clients: its extended key usage lacks `clientAuth`";
        return Err(file.unfit(got, "use a client certificate, not a server's"));
    }
    let Some(now) = now else { return Ok(()) };
    let span = format!("from {} until {}; now it is {now:.0}", facts.not_before, facts.not_after);
    if now > facts.not_after {
        let help = "renew it, or correct this machine's clock";
        return Err(file.unfit(format!("its certificate has expired: it was valid {span}"), help));
    }
    if now < facts.not_before {
        let help = "wait, or correct this machine's clock";
        return Err(
            file.unfit(format!("its certificate is not valid yet: it is valid {span}"), help)
        );
    }
    Ok(())
}

impl ResolvesClientCert for ClientIdentity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.key.clone()
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}

fn half(there: &str, missing: &str) -> GarmError {
    GarmError::input(
        "read `garm.tls`",
        format!("`{there}` is set without `{missing}`"),
        format!("set `{missing}`, or omit both"),
    )
}

/// The root CAs. Refuses a file without a CA certificate, with which every connection would fail
/// with "unknown CA".
fn roots(pem: Pem<'_>) -> Result<RootCertStore, GarmError> {
    let help = "use the CA that issued GARM's certificate";
    let certificates = pem.certificates()?;
    if certificates
        .iter()
        .all(|certificate| x509::facts(certificate).is_some_and(|facts| !facts.can_be_root))
    {
        let got = "its certificate is not a CA certificate";
        return Err(pem.unfit(got, format!("{help}, not that certificate itself")));
    }
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        store
            .add(certificate)
            .map_err(|_| pem.unfit("it contains an invalid certificate", help))?;
    }
    Ok(store)
}

fn no_roots(error: &rustls::Error) -> GarmError {
    GarmError::input(
        "read the certificate authorities of this machine",
        error.to_string(),
        "install them (`ca-certificates`), or give GARM's own CA as `garm.tls.ca`",
    )
}
