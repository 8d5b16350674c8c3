//! The private key of a GitHub App: judged, named by its fingerprint, and put into the one form
//! that GARM takes. No error holds a part of it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, SubjectPublicKeyInfoDer};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::domain::credential::Fingerprint;
use crate::domain::der::{Der, INTEGER, OCTETS, OID, SEQUENCE};

/// The key of an App, fit for GARM.
#[derive(Debug, Clone)]
pub struct AppKey {
    /// Of its public half.
    pub fingerprint: Fingerprint,
    /// PEM of PKCS#1. GARM answers 500 to PKCS#8 (measured); GitHub gives out PKCS#1, and secrets
    /// managers and tools keep either.
    pub pem: SecretString,
}

/// Why a text is no key of an App. Never holds a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidKey {
    /// What is wrong, fit to follow a colon.
    pub got: &'static str,
    /// What to do about it.
    pub help: &'static str,
}

const GET_ONE: &str = "the key of a GitHub App is the file that its page gives out under \"Private \
                       keys\"; it begins with `-----BEGIN RSA PRIVATE KEY-----`";
const DECRYPT: &str = "keep it decrypted in the secrets manager: `openssl rsa -traditional -in KEY \
                       -out DECRYPTED`";
const LINES: &str = "keep the PEM with its line breaks, as the file has them";

/// `1.2.840.113549.1.1.1`, the algorithm of an RSA key.
const RSA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

impl AppKey {
    /// Reads PEM: PKCS#1 or PKCS#8, RSA, 2048 bits or more, not encrypted, one key.
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
                Err(InvalidKey { got: "it holds more than one private key", help: GET_ONE })
            }
        }
    }

    fn of(der: &[u8]) -> Result<Self, InvalidKey> {
        let broken =
            InvalidKey { got: "its RSA key is broken, or shorter than 2048 bits", help: GET_ONE };
        let key = PrivateKeyDer::from(PrivatePkcs1KeyDer::from(der));
        let signing = any_supported_type(&key).map_err(|_| broken)?;
        let public = signing.public_key().ok_or(broken)?;
        Ok(Self { fingerprint: fingerprint(&public).ok_or(broken)?, pem: pem(der) })
    }
}

const EC: &str = "it is an elliptic curve key, and a GitHub App has an RSA key";

fn fingerprint(public: &SubjectPublicKeyInfoDer<'_>) -> Option<Fingerprint> {
    let digest = Sha256::digest(public.as_ref());
    Fingerprint::parse(&format!("SHA256:{}", STANDARD.encode(digest)))
}

/// One section of PEM: its label, and the DER in it.
type Section = (SectionKind, Zeroizing<Vec<u8>>);

/// What the PEM holds, in order. What is no PEM at all holds nothing.
fn sections(text: &str) -> Result<Vec<Section>, InvalidKey> {
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED")
    {
        return Err(InvalidKey {
            got: "the key is encrypted, and there is nobody to ask",
            help: DECRYPT,
        });
    }
    if text.contains("-----BEGIN ") && text.contains("\\n") {
        let got = "its line breaks are written as the two characters `\\n`";
        return Err(InvalidKey { got, help: LINES });
    }
    if text.contains("-----BEGIN ") && text.lines().count() < 3 {
        return Err(InvalidKey { got: "its line breaks are lost", help: LINES });
    }
    <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes())
        .map(|it| it.map(|(kind, der)| (kind, Zeroizing::new(der))))
        .collect::<Result<_, _>>()
        // The error itself quotes the line.
        .map_err(|_| InvalidKey { got: "its PEM is cut or broken", help: LINES })
}

fn without_key(text: &str, sections: &[Section]) -> InvalidKey {
    let got = match sections.first() {
        Some((SectionKind::Certificate, _)) => "it holds a certificate and no private key",
        Some((SectionKind::PublicKey, _)) => "it holds a public key and no private one",
        _ if text.contains("BEGIN RSA PUBLIC KEY-----") => {
            "it holds a public key and no private one"
        }
        _ if text.contains("BEGIN OPENSSH PRIVATE KEY-----") => "it is a key of OpenSSH's own form",
        _ => "it holds no private key in PEM",
    };
    InvalidKey { got, help: GET_ONE }
}

/// The PKCS#1 key inside of a PKCS#8 one (RFC 5958 §2).
fn inside_pkcs8(der: &[u8]) -> Result<&[u8], InvalidKey> {
    let read = || {
        let mut body = Der::new(Der::new(der).take(SEQUENCE)?);
        body.take(INTEGER)?;
        let algorithm = Der::new(body.take(SEQUENCE)?).take(OID)?;
        Some((algorithm, body.take(OCTETS)?))
    };
    match read() {
        Some((algorithm, key)) if algorithm == RSA => Ok(key),
        Some(_) => Err(InvalidKey {
            got: "it is no RSA key, and a GitHub App has an RSA key",
            help: GET_ONE,
        }),
        None => Err(InvalidKey { got: "its key is cut or broken", help: GET_ONE }),
    }
}

/// PEM of PKCS#1, 64 characters a line.
fn pem(der: &[u8]) -> SecretString {
    let digits = Zeroizing::new(STANDARD.encode(der));
    let mut pem = String::with_capacity(digits.len() + digits.len() / 64 + 80);
    pem.push_str("-----BEGIN RSA PRIVATE KEY-----\n");
    let mut rest = digits.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    pem.push_str("-----END RSA PRIVATE KEY-----\n");
    SecretString::from(pem)
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
    fn one_key_has_one_fingerprint_in_either_form() {
        let key = made(&PKCS_RSA_SHA256);
        let pkcs8 = key.serialize_pem();
        let from_pkcs8 = read(&pkcs8).unwrap();
        let digest = STANDARD.encode(Sha256::digest(key.subject_public_key_info()));
        assert_eq!(from_pkcs8.fingerprint.as_str(), format!("SHA256:{digest}"));
        let pkcs1 = from_pkcs8.pem.expose_secret();
        assert!(pkcs1.starts_with("-----BEGIN RSA PRIVATE KEY-----\nMII"), "not PKCS#1");
        assert!(pkcs1.lines().all(|it| it.len() <= 64));
        // Without the newline at its end, which secrets drop, with other text around, and CRLF.
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
    fn what_is_no_key_of_an_app_is_named() {
        let key = made(&PKCS_RSA_SHA256);
        let pem = key.serialize_pem();
        check("", "it holds no private key in PEM");
        check("s3cret", "it holds no private key in PEM");
        check(&pem.replace('\n', "\\n"), "its line breaks are written as the two characters `\\n`");
        check(&pem.replace('\n', " "), "its line breaks are lost");
        check(&pem[..pem.len() / 2], "its PEM is cut or broken");
        check(&pem.replace("MII", "M!I"), "its PEM is cut or broken");
        check(&format!("{pem}{pem}"), "it holds more than one private key");
        check(
            &pem.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
            "the key is encrypted, and there is nobody to ask",
        );
        let header =
            "BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0\n";
        let old = pem.replace("BEGIN PRIVATE KEY-----", header).replace("END ", "END RSA ");
        check(&old, "the key is encrypted, and there is nobody to ask");
        let rsa = pem.replace("PRIVATE KEY", "RSA PRIVATE KEY");
        check(&rsa, "its RSA key is broken, or shorter than 2048 bits");
        check(&key.public_key_pem(), "it holds a public key and no private one");
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap().pem();
        check(&certificate, "it holds a certificate and no private key");
        let ssh = pem.replace("PRIVATE KEY", "OPENSSH PRIVATE KEY");
        check(&ssh, "it is a key of OpenSSH's own form");
        for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ED25519] {
            let got = "it is no RSA key, and a GitHub App has an RSA key";
            check(&made(algorithm).serialize_pem(), got);
        }
        check(&pem.replace("PRIVATE KEY", "EC PRIVATE KEY"), EC);
    }

    #[test]
    fn broken_keys_are_errors_and_no_panic() {
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
    fn a_key_is_not_in_its_debug_form() {
        let key = read(&made(&PKCS_RSA_SHA256).serialize_pem()).unwrap();
        let debug = format!("{key:?}");
        assert!(!debug.contains("MII") && debug.contains("SHA256:"), "{debug}");
    }
}
