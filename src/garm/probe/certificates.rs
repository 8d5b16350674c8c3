//! Client certificates for probes: generated ones, which servers must refuse, and configured ones.

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::config::CertFiles;
use crate::garm::error::GarmError;
use crate::garm::pem::{Pem, shown};

/// Whether a generated certificate has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CertificateValidity {
    Current,
    Past,
}

/// Generates a self-signed client certificate, whose key is only in memory.
pub(super) fn certificate(validity: CertificateValidity) -> Result<CertifiedKey, GarmError> {
    let failed = |error: &dyn std::fmt::Display| {
        let help = "this is a bug: report it";
        GarmError::input("make a certificate for the mTLS probes", error.to_string(), help)
    };
    let key = KeyPair::generate().map_err(|error| failed(&error))?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "runnerctl probe");
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    let (from, until) = match validity {
        CertificateValidity::Current => (2020, 2090),
        CertificateValidity::Past => (2020, 2021),
    };
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    let certificate = params.self_signed(&key).map_err(|error| failed(&error))?;
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(vec![certificate.der().clone()], der, &provider)
        .map_err(|error| failed(&error))
}

/// Reads a configured certificate. `setting` is its name in errors.
pub(super) fn from_files(
    files: &CertFiles,
    setting: &'static str,
) -> Result<CertifiedKey, GarmError> {
    let chain = Pem { path: &files.cert, setting }.certificates()?;
    let key = Pem { path: &files.key, setting }.key()?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map_err(|error| {
        GarmError::input(
            format!("use `{setting}` (`{}`)", shown(&files.cert)),
            format!("certificate and key cannot be used together: {error}"),
            "give the key of that certificate",
        )
    })
}
