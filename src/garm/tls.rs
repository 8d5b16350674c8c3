//! The one TLS configuration: for HTTP now, for the event stream later.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::BuilderVerifierExt;

use super::error::Error;

/// Largest PEM file that is read, in bytes. The whole bundle of a Linux distribution has a
/// quarter of this.
const PEM_MAX: u64 = 1 << 20;

/// The PEM files of `garm.tls`, all optional, already taken relative to the fleet file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// The CA that signs GARM's certificate. It replaces the platform's roots.
    pub ca: Option<PathBuf>,
    /// Our certificate with its chain; goes together with `key`.
    pub cert: Option<PathBuf>,
    /// The key of `cert`, not encrypted.
    pub key: Option<PathBuf>,
}

/// A TLS configuration, and whether a server has asked for a client certificate.
#[derive(Debug, Clone)]
pub struct Tls {
    /// For reqwest and, cloned, for the event stream. Offers HTTP/1.1 only: GARM speaks nothing
    /// else, and a WebSocket needs it.
    pub config: ClientConfig,
    identity: Arc<Identity>,
}

impl Tls {
    /// Reads the files. Errors with [`super::Kind::Input`] when one is missing, is not what it should be, or
    /// when certificate and key do not fit.
    pub fn new(files: &Files) -> Result<Self, Error> {
        // A provider by hand: with two in the dependency graph the default one panics.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let identity = Arc::new(Identity::new(client_key(files, &provider)?));
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| internal(&error))?;
        let builder = match &files.ca {
            Some(path) => builder.with_root_certificates(roots(path)?),
            None => builder.with_platform_verifier().map_err(|error| no_roots(&error))?,
        };
        let mut config = builder.with_client_cert_resolver(Arc::clone(&identity) as _);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config, identity })
    }

    /// Whether a server has asked for a client certificate since this configuration was made.
    pub fn was_asked(&self) -> bool {
        self.identity.asked.load(Ordering::Relaxed)
    }
}

/// Our certificate, if any, and a note whether it was asked for: a refusal under TLS 1.3 is only
/// a closed connection, and this note is what tells it from a crash.
#[derive(Debug)]
struct Identity {
    key: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl Identity {
    fn new(key: Option<CertifiedKey>) -> Self {
        Self { key: key.map(Arc::new), asked: AtomicBool::new(false) }
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.key.clone()
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}

fn roots(path: &Path) -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    for cert in certificates(path, "garm.tls.ca")? {
        store.add(cert).map_err(|error| {
            Error::input(
                format!("read `garm.tls.ca` from `{}`", path.display()),
                format!("a certificate in it is broken: {error}"),
                "put the PEM of the CA that signed GARM's certificate there",
            )
        })?;
    }
    Ok(store)
}

fn client_key(files: &Files, provider: &CryptoProvider) -> Result<Option<CertifiedKey>, Error> {
    let (cert, key) = match (&files.cert, &files.key) {
        (Some(cert), Some(key)) => (cert, key),
        (None, None) => return Ok(None),
        (Some(_), None) => return Err(half_identity("garm.tls.cert", "garm.tls.key")),
        (None, Some(_)) => return Err(half_identity("garm.tls.key", "garm.tls.cert")),
    };
    let chain = certificates(cert, "garm.tls.cert")?;
    let pem = read(key, "garm.tls.key")?;
    let der = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| {
        Error::input(
            format!("read `garm.tls.key` from `{}`", key.display()),
            "it holds no private key in PEM",
            "put the key of `garm.tls.cert` there",
        )
    })?;
    let certified = CertifiedKey::from_der(chain, der, provider).map_err(|error| {
        Error::input(
            format!("use `{}` with `{}`", cert.display(), key.display()),
            format!("certificate and key do not go together: {error}"),
            "check that both files belong to one certificate",
        )
    })?;
    Ok(Some(certified))
}

fn half_identity(there: &str, missing: &str) -> Error {
    Error::input(
        "build the TLS configuration",
        format!("`{there}` is given without `{missing}`"),
        format!("add `{missing}`, or leave both out"),
    )
}

fn certificates(path: &Path, setting: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let pem = read(path, setting)?;
    let tried = format!("read `{setting}` from `{}`", path.display());
    let help = "a PEM certificate begins with `-----BEGIN CERTIFICATE-----`";
    let certs = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Error::input(tried.clone(), format!("it is not PEM: {error}"), help))?;
    if certs.is_empty() {
        return Err(Error::input(tried, "it holds no certificate", help));
    }
    Ok(certs)
}

fn read(path: &Path, setting: &str) -> Result<Vec<u8>, Error> {
    let tried = || format!("read `{setting}` from `{}`", path.display());
    let help = format!("check the path in `{setting}`; it is relative to the fleet file");
    let mut pem = Vec::new();
    File::open(path)
        .and_then(|file| file.take(PEM_MAX + 1).read_to_end(&mut pem))
        .map_err(|error| Error::input(tried(), error.to_string(), help.as_str()))?;
    if pem.len() as u64 > PEM_MAX {
        return Err(Error::input(tried(), "it is larger than 1 MiB", help.as_str()));
    }
    Ok(pem)
}

fn internal(error: &rustls::Error) -> Error {
    Error::input("build the TLS configuration", error.to_string(), "this is a bug: report it")
}

fn no_roots(error: &rustls::Error) -> Error {
    Error::input(
        "read the platform's certificate authorities",
        error.to_string(),
        "install them (`ca-certificates`), or name GARM's own CA as `garm.tls.ca`",
    )
}
