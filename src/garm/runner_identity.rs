//! `runner_mtls`: the certificate that runners get, judged here, because on a runner nobody is
//! there to read why it does not work.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::error::Error;
use super::pem::{Pem, shown};
use super::x509;
use crate::policy::kit::Identity;

/// Base64 digits of a line of PEM (RFC 7468).
const LINE: usize = 64;

/// Reads certificate and authority, and takes the key, as PEM without any comment. Errors
/// ([`super::Kind::Input`]) when one of them is not what it should be, certificate and key do not
/// fit, or the certificate does not hold at `now`. `key_reference` is what the key came from.
pub fn runner_identity(
    (cert, ca): (&Path, &Path),
    (key, key_reference): (&SecretString, &str),
    now: Timestamp,
) -> Result<Identity, Error> {
    let cert_file = Pem { path: cert, setting: "runner_mtls.cert" };
    let chain = cert_file.certificates()?;
    let ca_file = Pem { path: ca, setting: "runner_mtls.ca" };
    let authorities = ca_file.certificates()?;
    let help = "put the CA that signed the certificate of GARM's front there";
    if authorities.iter().all(|it| x509::facts(it).is_some_and(|it| !it.can_be_root)) {
        let got = "its certificate is not a CA's: it signs no other";
        return Err(ca_file.unfit(got, help));
    }
    let facts = chain.first().and_then(|it| x509::facts(it));
    let Some(facts) = facts else {
        return Err(cert_file.unfit("its first certificate is broken", "make it anew"));
    };
    if !(facts.not_before..=facts.not_after).contains(&now) {
        let got = format!(
            "it holds from {} until {}, and now it is {now}",
            facts.not_before, facts.not_after
        );
        return Err(cert_file.unfit(got, "renew it, or correct this machine's clock"));
    }
    let key = fitting(key, key_reference, &chain, cert)?;
    Ok(Identity {
        cert: certificates(&chain),
        key,
        ca: certificates(&authorities),
        holds_until: facts.not_after,
    })
}

/// The key in PEM, when it is the certificate's.
fn fitting(
    key: &SecretString,
    reference: &str,
    chain: &[CertificateDer<'static>],
    cert: &Path,
) -> Result<SecretString, Error> {
    let tried = format!("use `runner_mtls.key` (`{reference}`) with `{}`", shown(cert));
    let help = "give `runner_mtls.key` the key of `runner_mtls.cert`, in PEM and not encrypted";
    let refused = |got: &str| Error::input(tried.clone(), got, help);
    let der = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes())
        .map_err(|_| refused("it is no private key in PEM"))?;
    let pem = private_key(&der);
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let signer = provider
        .key_provider
        .load_private_key(der)
        .map_err(|_| refused("it is of a kind that nobody signs with"))?;
    let own = signer.public_key();
    let own = own.as_deref().and_then(x509::sequence);
    match own == chain.first().and_then(|it| x509::public_key(it)) {
        true => Ok(pem),
        false => Err(refused("the key is of another certificate")),
    }
}

fn private_key(der: &PrivateKeyDer<'_>) -> SecretString {
    let label = match der {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
        _ => "PRIVATE KEY",
    };
    SecretString::from(pem(label, der.secret_der()).to_string())
}

fn certificates(chain: &[CertificateDer<'_>]) -> String {
    chain.iter().map(|it| pem("CERTIFICATE", it).to_string()).collect()
}

fn pem(label: &str, der: &[u8]) -> Zeroizing<String> {
    let digits = Zeroizing::new(STANDARD.encode(der));
    let mut text = Zeroizing::new(String::with_capacity(digits.len() + digits.len() / LINE + 80));
    text.push_str(&format!("-----BEGIN {label}-----\n"));
    let mut rest = digits.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(LINE));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}
