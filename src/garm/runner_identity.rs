//! The client certificate of runners (`runner_mtls`). It is checked here because a runner cannot
//! report why its certificate does not work.

use std::path::Path;

use jiff::Timestamp;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret, SecretString};
use x509_cert::der::pem::{LineEnding, encode_string};

use super::error::GarmError;
use super::pem::{Pem, shown};
use super::tls::fit_for_a_client;
use super::x509;
use crate::policy::kit::RunnerIdentity;

/// Returns certificate, key and CA as PEM without comments. Errors with [`super::ErrorKind::Input`]
/// if one of them is invalid, if the key does not belong to the certificate, or if the certificate
/// is not valid at `now`. `key_reference` is the secret reference of the key.
pub fn runner_identity(
    (cert, ca): (&Path, &Path),
    (key, key_reference): (&SecretString, &str),
    now: Timestamp,
) -> Result<RunnerIdentity, GarmError> {
    let cert_file = Pem { path: cert, setting: "runner_mtls.cert" };
    let chain = cert_file.certificates()?;
    let ca = front_authority(ca)?;
    let facts = chain.first().and_then(|certificate| x509::facts(certificate));
    let Some(facts) = facts else {
        return Err(cert_file.unfit("its first certificate is invalid", "make it anew"));
    };
    fit_for_a_client(cert_file, &facts, Some(now))?;
    let key = fitting(key, key_reference, &chain, cert)?;
    Ok(RunnerIdentity { cert: certificates(&chain), key, ca, holds_until: facts.not_after })
}

/// The CA of the reverse proxy in front of GARM, as PEM without comments. Errors with
/// [`super::ErrorKind::Input`] if the file contains no CA certificate.
pub fn front_authority(ca: &Path) -> Result<String, GarmError> {
    let file = Pem { path: ca, setting: "runner_mtls.ca" };
    let authorities = file.certificates()?;
    if authorities
        .iter()
        .all(|certificate| x509::facts(certificate).is_some_and(|facts| !facts.can_be_root))
    {
        let help = "use the CA that issued the certificate of GARM's reverse proxy";
        return Err(file.unfit("its certificate is not a CA certificate", help));
    }
    Ok(certificates(&authorities))
}

/// The key as PEM without comments. Errors if it does not belong to the certificate.
fn fitting(
    key: &SecretString,
    reference: &str,
    chain: &[CertificateDer<'static>],
    cert: &Path,
) -> Result<SecretString, GarmError> {
    let tried = format!("use `runner_mtls.key` (`{reference}`) with `{}`", shown(cert));
    let help = "set `runner_mtls.key` to the unencrypted PEM key of `runner_mtls.cert`";
    let refused = |got: &str| GarmError::input(tried.clone(), got, help);
    let der = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes())
        .map_err(|_| refused("it is not a PEM private key"))?;
    let pem = private_key(&der);
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let signer = provider
        .key_provider
        .load_private_key(der)
        .map_err(|_| refused("its algorithm is not supported"))?;
    let own = signer.public_key().map(|key| key.to_vec());
    match own == chain.first().and_then(|certificate| x509::public_key(certificate)) {
        true => Ok(pem),
        false => Err(refused("the key belongs to another certificate")),
    }
}

fn private_key(der: &PrivateKeyDer<'_>) -> SecretString {
    let label = match der {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
        _ => "PRIVATE KEY",
    };
    SecretString::from(pem(label, der.secret_der()))
}

fn certificates(chain: &[CertificateDer<'_>]) -> String {
    chain.iter().map(|certificate| pem("CERTIFICATE", certificate)).collect()
}

fn pem(label: &str, der: &[u8]) -> String {
    encode_string(label, LineEnding::LF, der)
        .expect("a valid label, and DER of at most 1 MiB, whose length cannot overflow")
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
        KeyPair, PKCS_RSA_SHA256, date_time_ymd,
    };

    use super::*;

    const NOW: &str = "2026-11-25T12:00:00Z";

    /// A CA, a certificate that it signed for these years, and its key.
    struct Files {
        folder: tempfile::TempDir,
        key: String,
    }

    fn files(key: &KeyPair, years: (i32, i32)) -> Files {
        let folder = tempfile::tempdir().unwrap();
        let ca_key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&ca_key).unwrap().pem();
        let mut wanted = CertificateParams::new(vec!["runner".to_owned()]).unwrap();
        wanted.distinguished_name.push(DnType::CommonName, "runner");
        wanted.not_before = date_time_ymd(years.0, 1, 1);
        wanted.not_after = date_time_ymd(years.1, 1, 1);
        let cert = wanted.signed_by(key, &Issuer::new(params, ca_key)).unwrap().pem();
        std::fs::write(folder.path().join("ca.pem"), ca).unwrap();
        let talkative = format!("subject=runner\n{cert}\n# end\n");
        std::fs::write(folder.path().join("runner.pem"), talkative).unwrap();
        Files { folder, key: key.serialize_pem() }
    }

    impl Files {
        fn read(&self, cert: &str, key: &str, ca: &str) -> Result<RunnerIdentity, String> {
            let path = |name: &str| self.folder.path().join(name);
            let key = SecretString::from(key);
            let now = NOW.parse().unwrap();
            runner_identity((&path(cert), &path(ca)), (&key, "env:KEY"), now).map_err(|error| {
                let folder = self.folder.path().to_str().unwrap();
                format!("{error}; {}", error.help.clone().unwrap_or_default())
                    .replace(folder, "DIR")
            })
        }

        fn check(&self, cert: &str, key: &str, ca: &str, expected: &str) {
            let said = self.read(cert, key, ca).map(drop).unwrap_err();
            assert_eq!(said, expected);
            assert!(!said.contains(&key[..key.len().min(60)]) || key.len() < 30, "{said}");
        }
    }

    #[test]
    fn a_valid_pair_becomes_pem_without_comments() {
        let rsa = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        for key in [KeyPair::generate().unwrap(), rsa] {
            let files = files(&key, (2020, 2030));
            let identity = files.read("runner.pem", &files.key, "ca.pem").unwrap();
            assert!(identity.cert.starts_with("-----BEGIN CERTIFICATE-----\nMII"));
            assert!(identity.cert.ends_with("\n-----END CERTIFICATE-----\n"));
            let text = std::fs::read_to_string(files.folder.path().join("runner.pem")).unwrap();
            assert!(text.replace("\r\n", "\n").contains(&identity.cert), "letter by letter");
            let same = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
            assert_eq!(same(identity.key.expose_secret()), same(&files.key));
            assert_eq!(identity.holds_until.to_string(), "2030-01-01T00:00:00Z");
        }
    }

    #[test]
    fn a_pair_that_no_runner_could_use_is_refused() {
        let files = files(&KeyPair::generate().unwrap(), (2020, 2030));
        let other = KeyPair::generate().unwrap().serialize_pem();
        let help = "set `runner_mtls.key` to the unencrypted PEM key of `runner_mtls.cert`";
        let use_key = "use `runner_mtls.key` (`env:KEY`) with `DIR/runner.pem`";
        let check = |cert, key, ca, expected: &str| files.check(cert, key, ca, expected);
        let foreign = format!("{use_key}: the key belongs to another certificate; {help}");
        check("runner.pem", &other, "ca.pem", &foreign);
        let no_key = format!("{use_key}: it is not a PEM private key; {help}");
        check("runner.pem", "hunter2", "ca.pem", &no_key);
        check(
            "runner.pem",
            &files.key,
            "runner.pem",
            "read `runner_mtls.ca` from `DIR/runner.pem`: its certificate is not a CA certificate; \
             use the CA that issued the certificate of GARM's reverse proxy",
        );
    }

    #[track_caller]
    fn check_certificate(files: &Files, expected: &str) {
        let expected =
            format!("read `runner_mtls.cert` from `DIR/runner.pem`: its certificate {expected}");
        files.check("runner.pem", &files.key, "ca.pem", &expected);
    }

    #[test]
    fn a_certificate_outside_its_validity_is_refused() {
        check_certificate(
            &files(&KeyPair::generate().unwrap(), (2020, 2021)),
            "has expired: it was valid from 2020-01-01T00:00:00Z until 2021-01-01T00:00:00Z; now it is \
             2026-11-25T12:00:00Z; renew it, or correct this machine's clock",
        );
        check_certificate(
            &files(&KeyPair::generate().unwrap(), (2027, 2030)),
            "is not valid yet: it is valid from 2027-01-01T00:00:00Z until 2030-01-01T00:00:00Z; now \
             it is 2026-11-25T12:00:00Z; wait, or correct this machine's clock",
        );
    }

    #[test]
    fn a_server_certificate_is_refused() {
        let key = KeyPair::generate().unwrap();
        let made = files(&key, (2020, 2030));
        let mut server = CertificateParams::default();
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server = server.self_signed(&key).unwrap().pem();
        std::fs::write(made.folder.path().join("runner.pem"), server).unwrap();
        check_certificate(
            &made,
            "is not for clients: its extended key usage lacks `clientAuth`; use a client certificate, \
             not a server's",
        );
    }
}
