//! The one TLS configuration: for HTTP now, for the event stream later.

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

/// The PEM files of `garm.tls`, all optional, already taken relative to the fleet file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GarmTlsFiles {
    /// The CA that signs GARM's certificate. It replaces the platform's roots.
    pub ca: Option<PathBuf>,
    /// Our certificate with its chain; goes together with `key`.
    pub cert: Option<PathBuf>,
    /// The key of `cert`, not encrypted.
    pub key: Option<PathBuf>,
}

impl GarmTlsFiles {
    /// A digest of what is in the files; the same for one that cannot be read as for an empty one.
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

/// Until when a certificate holds; nothing when the file does not hold one.
pub fn holds_until(cert: &Path) -> Option<Timestamp> {
    let chain = Pem { path: cert, setting: "garm.tls.cert" }.certificates().ok()?;
    Some(x509::facts(chain.first()?)?.not_after)
}

/// A TLS configuration, and what it has to show when a server asks for a client certificate.
#[derive(Debug, Clone)]
pub struct Tls {
    /// For reqwest and, cloned, for the event stream. Offers HTTP/1.1 only: GARM speaks nothing
    /// else, and a WebSocket needs it.
    pub config: ClientConfig,
    identity: Arc<ClientIdentity>,
}

impl Tls {
    /// Reads the files. Errors with [`super::ErrorKind::Input`] when one is missing or is not what it
    /// should be, when certificate and key do not fit, when our certificate is not for clients or
    /// does not hold at `now`, or when there is no root to trust.
    pub fn new(files: &GarmTlsFiles, now: Option<Timestamp>) -> Result<Self, GarmError> {
        // A provider by hand: with two in the dependency graph the default one panics.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let identity = ClientIdentity::new(files, now, &provider)?;
        Self::with(files.ca.as_deref(), identity, provider)
    }

    /// The same trust, and this to show instead of our own certificate.
    pub(super) fn showing(ca: Option<&Path>, key: Option<CertifiedKey>) -> Result<Self, GarmError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        Self::with(ca, ClientIdentity::showing(key), provider)
    }

    /// With these settings, and no certificate to show.
    pub(super) fn of(config: ClientConfig) -> Self {
        Self { config, identity: Arc::new(ClientIdentity::showing(None)) }.afresh()
    }

    /// The same for one connection: with a note of its own whether it was asked for a certificate,
    /// and without a session to resume, in which a server would not ask.
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

    /// What a server got to see, if one has asked for a client certificate since [`Self::met`].
    pub(super) fn asked(&self) -> Option<PresentedCertificate> {
        let is_asked = self.identity.asked.load(Ordering::Relaxed);
        is_asked.then(|| self.identity.presented.clone())
    }

    /// Notes that a server has answered: what it asked for was good enough.
    pub(super) fn met(&self) {
        self.identity.asked.store(false, Ordering::Relaxed);
    }
}

/// Our certificate, if any, and a note whether it was asked for: a refusal under TLS 1.3 is only
/// a closed connection, and this note is what tells it from a crash.
#[derive(Debug)]
struct ClientIdentity {
    key: Option<Arc<CertifiedKey>>,
    presented: PresentedCertificate,
    asked: AtomicBool,
}

impl ClientIdentity {
    fn showing(key: Option<CertifiedKey>) -> Self {
        let presented = match key {
            Some(_) => PresentedCertificate::Certificate("one made or given for a probe".into()),
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
        let facts = chain.first().and_then(|it| x509::facts(it));
        let validity = facts.as_ref().map_or_else(String::new, |it| {
            format!(" (valid from {} until {})", it.not_before, it.not_after)
        });
        let presented = PresentedCertificate::Certificate(format!("`{}`{validity}", shown(cert)));
        let certified = CertifiedKey::from_der(chain, der, provider).map_err(|error| {
            let tried = format!("use `garm.tls.cert` `{}` with `{}`", shown(cert), shown(key));
            let got = match error {
                rustls::Error::InconsistentKeys(_) => "the key is of another certificate".into(),
                other => format!("they cannot be used: {other}"),
            };
            GarmError::input(tried, got, "give `garm.tls.key` the key of `garm.tls.cert`")
        })?;
        if let Some(facts) = facts {
            fit_for_a_client(file, &facts, now)?;
        }
        Ok(Self { key: Some(Arc::new(certified)), presented, asked: AtomicBool::new(false) })
    }
}

/// A certificate that every front refuses is refused here, where the reason can be told: under
/// TLS 1.3 a refusal is only a closed connection.
pub(super) fn fit_for_a_client(
    file: Pem<'_>,
    facts: &x509::CertificateFacts,
    now: Option<Timestamp>,
) -> Result<(), GarmError> {
    if !facts.is_for_clients {
        let got = "its certificate is not for clients: its extended key usage leaves \
                   `clientAuth` out";
        return Err(file.unfit(got, "put a client certificate there, not a server's"));
    }
    let Some(now) = now else { return Ok(()) };
    let span = format!("from {} until {}; now it is {now:.0}", facts.not_before, facts.not_after);
    if now > facts.not_after {
        let help = "renew it, or correct this machine's clock";
        return Err(file.unfit(format!("its certificate has expired: it held {span}"), help));
    }
    if now < facts.not_before {
        let help = "wait, or correct this machine's clock";
        return Err(file.unfit(format!("its certificate is not valid yet: it holds {span}"), help));
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
        format!("`{there}` is given without `{missing}`"),
        format!("give `{missing}`, or leave both out"),
    )
}

/// What to trust. A certificate that signs nothing would leave only "unknown CA" at each
/// connection, so it is refused here.
fn roots(pem: Pem<'_>) -> Result<RootCertStore, GarmError> {
    let help = "put the CA that signed GARM's certificate there";
    let certificates = pem.certificates()?;
    if certificates.iter().all(|it| x509::facts(it).is_some_and(|it| !it.can_be_root)) {
        let got = "its certificate is not a CA's: it signs no other";
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
