//! TLS of the listener: its own certificate, and whose client certificates it wants to see.

use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::sync::watch;

use crate::config::ListenerTls;
use crate::garm::GarmError;
use crate::garm::pem::{Pem, shown};

/// The configuration in force. Connections take the one of the moment in which they are accepted.
#[derive(Debug)]
pub struct Certificates {
    sender: watch::Sender<Arc<ServerConfig>>,
}

impl Certificates {
    /// Reads the files. Errors with [`crate::garm::ErrorKind::Input`] when one is missing, is not what
    /// it should be, or when certificate and key do not go together.
    pub fn read(files: &ListenerTls) -> Result<Self, GarmError> {
        Ok(Self { sender: watch::Sender::new(Arc::new(configuration(files)?)) })
    }

    /// Reads the files again; on an error what was in force stays. Open connections keep theirs
    /// until they end, see [`super::serve::LIFE`].
    pub fn reload(&self, files: &ListenerTls) -> Result<(), GarmError> {
        let fresh = Arc::new(configuration(files)?);
        self.sender.send_replace(fresh);
        Ok(())
    }

    /// For the door, which follows every reload.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.sender.borrow())
    }
}

fn configuration(files: &ListenerTls) -> Result<ServerConfig, GarmError> {
    // A provider by hand: with two in the dependency graph the default one panics.
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

/// With `client_ca` every page wants a client certificate, health included: a listener that needs
/// one for some paths only is easily left open by the next path.
fn verifier(files: &ListenerTls) -> Result<Option<Arc<dyn ClientCertVerifier>>, GarmError> {
    let Some(path) = &files.client_ca else { return Ok(None) };
    let pem = Pem { path, setting: "watch.tls.client_ca" };
    let broken = |error: &dyn std::fmt::Display| {
        let help = "put the CA that signs the certificates of those who may ask there";
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
