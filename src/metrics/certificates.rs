//! TLS of the listener: its certificate, and the CA of the client certificates that it requires.

use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::sync::watch;

use crate::config::ListenerTls;
use crate::garm::GarmError;
use crate::garm::pem::{Pem, shown};

/// The current configuration. A connection keeps the one that was current when it was accepted.
#[derive(Debug)]
pub struct Certificates {
    sender: watch::Sender<Arc<ServerConfig>>,
}

impl Certificates {
    /// Reads the files. Errors with [`crate::garm::ErrorKind::Input`] if one is missing or invalid,
    /// or if certificate and key do not match.
    pub fn read(files: &ListenerTls) -> Result<Self, GarmError> {
        Ok(Self { sender: watch::Sender::new(Arc::new(configuration(files)?)) })
    }

    /// Reads the files again; an error changes nothing. Open connections keep their configuration
    /// until they end, at the latest after [`super::serve::LIFE`].
    pub fn reload(&self, files: &ListenerTls) -> Result<(), GarmError> {
        let fresh = Arc::new(configuration(files)?);
        self.sender.send_replace(fresh);
        Ok(())
    }

    /// The current configuration, for the next connection.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.sender.borrow())
    }
}

fn configuration(files: &ListenerTls) -> Result<ServerConfig, GarmError> {
    // The provider is explicit because rustls panics if the dependency graph has two providers and
    // no default is set.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = Pem { path: &files.server.cert, setting: "watch.tls.cert" }.certificates()?;
    let key = Pem { path: &files.server.key, setting: "watch.tls.key" }.key()?;
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(files, &error))?;
    let builder = match verifier(files)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config =
        builder.with_single_cert(chain, key).map_err(|error| unusable(files, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// With `client_ca`, every page requires a client certificate, including health checks. If only
/// some paths required one, a new path could be left unprotected by mistake.
fn verifier(files: &ListenerTls) -> Result<Option<Arc<dyn ClientCertVerifier>>, GarmError> {
    let Some(path) = &files.client_ca else { return Ok(None) };
    let pem = Pem { path, setting: "watch.tls.client_ca" };
    let broken = |error: &dyn std::fmt::Display| {
        let help = "put the CA that signs the client certificates there";
        pem.unfit(format!("a certificate in it cannot be used: {error}"), help)
    };
    let mut roots = RootCertStore::empty();
    for cert in pem.certificates()? {
        roots.add(cert).map_err(|error| broken(&error))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
    verifier.map(Some).map_err(|error| broken(&error))
}

fn unusable(files: &ListenerTls, error: &rustls::Error) -> GarmError {
    let (cert, key) = (shown(&files.server.cert), shown(&files.server.key));
    let got = match error {
        rustls::Error::InconsistentKeys(_) => "the key belongs to another certificate".into(),
        other => format!("they cannot be used: {other}"),
    };
    let tried = format!("use `watch.tls.cert` `{cert}` with `{key}`");
    GarmError::input(tried, got, "give `watch.tls.key` the key of `watch.tls.cert`")
}
