//! The TLS configuration of a connection to a store.

use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::BuilderVerifierExt;

use super::{fault, unreadable};
use crate::config::TlsFiles;
use crate::domain::text::quote;
use crate::election::StoreFault;

/// A configuration that trusts the CA of `files`, else the platform's, and presents its certificate.
pub(super) fn configuration(files: &TlsFiles) -> Result<ClientConfig, StoreFault> {
    // The provider is explicit: rustls's default panics when the dependency graph has two.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let invalid = |error: rustls::Error| fault(quote(&error.to_string()));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(invalid)?;
    let builder = match &files.ca {
        Some(path) => builder.with_root_certificates(roots(path)?),
        None => builder.with_platform_verifier().map_err(invalid)?,
    };
    let Some(client) = &files.client else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates(&client.cert)?;
    let key = PrivateKeyDer::from_pem_file(&client.key)
        .map_err(|error| unreadable(&client.key, error))?;
    builder.with_client_auth_cert(chain, key).map_err(|error| unreadable(&client.cert, error))
}

/// A configuration for plain connections to this machine, which needs no roots.
pub(super) fn plain() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("aws-lc-rs has suites for both protocol versions")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth()
}

fn roots(path: &Path) -> Result<RootCertStore, StoreFault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| unreadable(path, error))?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, StoreFault> {
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match found.map_err(|error| unreadable(path, error))? {
        none if none.is_empty() => Err(unreadable(path, "it contains no certificate")),
        some => Ok(some),
    }
}
