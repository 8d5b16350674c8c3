//! The private key of a GitHub App: checked, identified by its fingerprint, and converted to the
//! only form that GARM accepts. No error contains a part of it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, SubjectPublicKeyInfoDer};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use x509_cert::der::pem::{LineEnding, encode_string};
use zeroize::Zeroizing;

use crate::domain::credential::Fingerprint;

/// The key of a GitHub App in the form that GARM accepts.
#[derive(Debug, Clone)]
pub struct AppKey {
    /// The fingerprint of its public key.
    pub fingerprint: Fingerprint,
    /// PKCS#1 in PEM. GARM answers 500 to PKCS#8 (measured). GitHub issues PKCS#1, but secrets
    /// managers and tools store either.
    pub pem: SecretString,
}

/// Why a text is not the key of a GitHub App. Never contains a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidKey {
    /// What is wrong, as a clause that can follow a colon.
    pub got: &'static str,
    pub help: &'static str,
}

const GET_ONE: &str = "the key of a GitHub App is the file that you download from its page under \"Private \
                       keys\"; it begins with `-----BEGIN RSA PRIVATE KEY-----`";
const DECRYPT: &str = "store it decrypted in the secrets manager: `openssl rsa -traditional -in KEY \
                       -out DECRYPTED`";
const LINES: &str = "store the PEM with its line breaks, as in the file";

/// The algorithm identifier `rsaEncryption` of RFC 8017.
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

impl AppKey {
    /// Parses PEM with exactly one unencrypted RSA key of at least 2048 bits, in PKCS#1 or PKCS#8.
    pub fn read(secret: &SecretString) -> Result<Self, InvalidKey> {
        let text = secret.expose_secret();
        let sections = sections(text)?;
        let mut keys = Vec::new();
        for (kind, der) in &sections {
            match kind {
                SectionKind::RsaPrivateKey => keys.push(der.as_slice()),
                SectionKind::PrivateKey => keys.push(inside_pkcs8(der)?),
                SectionKind::EcPrivateKey => return Err(InvalidKey { got: EC, help: GET_ONE }),
                _ => {}
            }
        }
        match keys.as_slice() {
            [] => Err(without_key(text, &sections)),
            [der] => Self::of(der),
            [_, _, ..] => {
                Err(InvalidKey { got: "it contains more than one private key", help: GET_ONE })
            }
        }
    }

    fn of(der: &[u8]) -> Result<Self, InvalidKey> {
        let broken =
            InvalidKey { got: "its RSA key is invalid or shorter than 2048 bits", help: GET_ONE };
        let key = PrivateKeyDer::from(PrivatePkcs1KeyDer::from(der));
        let signing = any_supported_type(&key).map_err(|_| broken)?;
        let public = signing.public_key().ok_or(broken)?;
        Ok(Self { fingerprint: fingerprint(&public).ok_or(broken)?, pem: pem(der) })
    }
}

const EC: &str = "it is an elliptic curve key, but a GitHub App has an RSA key";

fn fingerprint(public: &SubjectPublicKeyInfoDer<'_>) -> Option<Fingerprint> {
    let digest = Sha256::digest(public.as_ref());
    Fingerprint::parse(&format!("SHA256:{}", STANDARD.encode(digest)))
}

/// A section of a PEM text: its label and its DER.
type PemSection = (SectionKind, Zeroizing<Vec<u8>>);

/// The sections of a PEM text, in order. Other text has no sections.
fn sections(text: &str) -> Result<Vec<PemSection>, InvalidKey> {
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED")
    {
        return Err(InvalidKey { got: "the key is encrypted", help: DECRYPT });
    }
    if text.contains("-----BEGIN ") && text.contains("\\n") {
        let got = "its line breaks are written as the two characters `\\n`";
        return Err(InvalidKey { got, help: LINES });
    }
    if text.contains("-----BEGIN ") && text.lines().count() < 3 {
        return Err(InvalidKey { got: "its line breaks are missing", help: LINES });
    }
    <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes())
        .map(|found| found.map(|(kind, der)| (kind, Zeroizing::new(der))))
        .collect::<Result<_, _>>()
        // The library's error is dropped, because it quotes the line.
        .map_err(|_| InvalidKey { got: "its PEM is truncated or invalid", help: LINES })
}

fn without_key(text: &str, sections: &[PemSection]) -> InvalidKey {
    let got = match sections.first() {
        Some((SectionKind::Certificate, _)) => "it contains a certificate but no private key",
        Some((SectionKind::PublicKey, _)) => "it contains a public key but no private key",
        _ if text.contains("BEGIN RSA PUBLIC KEY-----") => {
            "it contains a public key but no private key"
        }
        _ if text.contains("BEGIN OPENSSH PRIVATE KEY-----") => {
            "it is a key in OpenSSH's own format"
        }
        _ => "it contains no private key in PEM",
    };
    InvalidKey { got, help: GET_ONE }
}

/// The PKCS#1 key inside a PKCS#8 one (RFC 5958 §2).
fn inside_pkcs8(der: &[u8]) -> Result<&[u8], InvalidKey> {
    match PrivateKeyInfoRef::try_from(der) {
        Ok(info) if info.algorithm.oid == RSA => Ok(info.private_key.as_bytes()),
        Ok(_) => Err(InvalidKey {
            got: "it is not an RSA key, but a GitHub App has an RSA key",
            help: GET_ONE,
        }),
        Err(_) => Err(InvalidKey { got: "its key is truncated or invalid", help: GET_ONE }),
    }
}

fn pem(der: &[u8]) -> SecretString {
    let pem = encode_string("RSA PRIVATE KEY", LineEnding::LF, der);
    SecretString::from(pem.expect("a valid label, and DER that was decoded from a text"))
}

#[cfg(test)]
mod tests {
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData};
    use rcgen::{RsaKeySize, SignatureAlgorithm};

    use super::*;

    fn made(algorithm: &'static SignatureAlgorithm) -> KeyPair {
        match algorithm == &PKCS_RSA_SHA256 {
            true => KeyPair::generate_rsa_for(algorithm, RsaKeySize::_2048).unwrap(),
            false => KeyPair::generate_for(algorithm).unwrap(),
        }
    }

    fn read(text: &str) -> Result<AppKey, InvalidKey> {
        AppKey::read(&SecretString::from(text))
    }

    fn check(text: &str, expected: &str) {
        assert_eq!(read(text).unwrap_err().got, expected, "{text}");
    }

    #[test]
    fn a_key_has_the_same_fingerprint_in_both_forms() {
        let key = made(&PKCS_RSA_SHA256);
        let pkcs8 = key.serialize_pem();
        let from_pkcs8 = read(&pkcs8).unwrap();
        let digest = STANDARD.encode(Sha256::digest(key.subject_public_key_info()));
        assert_eq!(from_pkcs8.fingerprint.as_str(), format!("SHA256:{digest}"));
        let pkcs1 = from_pkcs8.pem.expose_secret();
        assert!(pkcs1.starts_with("-----BEGIN RSA PRIVATE KEY-----\nMII"), "not PKCS#1");
        assert!(pkcs1.lines().all(|line| line.len() <= 64));
        // Without the final newline, which secrets managers drop; with other text around it; and
        // with CRLF.
        for text in [
            pkcs1.to_owned(),
            pkcs1.trim_end().to_owned(),
            format!("Bag Attributes\n{pkcs1}\n"),
            pkcs8.replace('\n', "\r\n"),
        ] {
            let again = read(&text).unwrap();
            assert_eq!(again.fingerprint, from_pkcs8.fingerprint);
            assert_eq!(again.pem.expose_secret(), pkcs1);
        }
        let other = read(&made(&PKCS_RSA_SHA256).serialize_pem()).unwrap();
        assert_ne!(other.fingerprint, from_pkcs8.fingerprint);
    }

    #[test]
    fn other_keys_and_texts_are_refused_with_a_reason() {
        let key = made(&PKCS_RSA_SHA256);
        let pem = key.serialize_pem();
        check("", "it contains no private key in PEM");
        check("s3cret", "it contains no private key in PEM");
        check(&pem.replace('\n', "\\n"), "its line breaks are written as the two characters `\\n`");
        check(&pem.replace('\n', " "), "its line breaks are missing");
        check(&pem[..pem.len() / 2], "its PEM is truncated or invalid");
        check(&pem.replace("MII", "M!I"), "its PEM is truncated or invalid");
        check(&format!("{pem}{pem}"), "it contains more than one private key");
        check(&pem.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"), "the key is encrypted");
        let header =
            "BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0\n";
        let old = pem.replace("BEGIN PRIVATE KEY-----", header).replace("END ", "END RSA ");
        check(&old, "the key is encrypted");
        let rsa = pem.replace("PRIVATE KEY", "RSA PRIVATE KEY");
        check(&rsa, "its RSA key is invalid or shorter than 2048 bits");
        check(&key.public_key_pem(), "it contains a public key but no private key");
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap().pem();
        check(&certificate, "it contains a certificate but no private key");
        let ssh = pem.replace("PRIVATE KEY", "OPENSSH PRIVATE KEY");
        check(&ssh, "it is a key in OpenSSH's own format");
        for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ED25519] {
            let got = "it is not an RSA key, but a GitHub App has an RSA key";
            check(&made(algorithm).serialize_pem(), got);
        }
        check(&pem.replace("PRIVATE KEY", "EC PRIVATE KEY"), EC);
    }

    #[test]
    fn truncated_keys_are_errors_and_never_panic() {
        let der = made(&PKCS_RSA_SHA256).serialize_der();
        for cut in (0..der.len()).step_by(7) {
            let section = |label: &str, der: &[u8]| {
                format!(
                    "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
                    STANDARD.encode(der)
                )
            };
            assert!(read(&section("PRIVATE KEY", &der[..cut])).is_err());
            assert!(read(&section("RSA PRIVATE KEY", &der[cut..])).is_err());
        }
    }

    #[test]
    fn debug_output_does_not_contain_the_key() {
        let key = read(&made(&PKCS_RSA_SHA256).serialize_pem()).unwrap();
        let debug = format!("{key:?}");
        assert!(!debug.contains("MII") && debug.contains("SHA256:"), "{debug}");
    }
}
