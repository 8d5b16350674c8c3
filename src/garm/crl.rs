//! The certificate revocation lists of the reverse proxy in front of GARM. Once a list has expired,
//! the proxy refuses every certificate of that CA, so the expiry is monitored.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject;

use super::error::GarmError;
use super::pem::Pem;
use super::x509;

/// When a revocation list expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlExpiry {
    /// The file that contains the list.
    pub path: PathBuf,
    /// When it expires: its `nextUpdate`.
    pub at: Timestamp,
}

/// The list that expires first; `None` if none of the lists expires. Errors with
/// [`super::ErrorKind::Input`] if a file cannot be read or contains no list.
pub fn first_to_expire(paths: &[PathBuf]) -> Result<Option<CrlExpiry>, GarmError> {
    let mut all = Vec::new();
    for path in paths {
        all.extend(ends(path)?.into_iter().map(|at| CrlExpiry { path: path.clone(), at }));
    }
    Ok(all.into_iter().min_by_key(|expiry| expiry.at))
}

fn ends(path: &Path) -> Result<Vec<Timestamp>, GarmError> {
    let file = Pem { path, setting: "garm.crls" };
    let pem = file.read()?;
    let help = "a revocation list in PEM begins with `-----BEGIN X509 CRL-----`";
    let lists: Vec<CertificateRevocationListDer<'_>> =
        CertificateRevocationListDer::pem_slice_iter(&pem)
            .collect::<Result<_, _>>()
            .map_err(|_| file.unfit("its PEM is truncated or invalid", help))?;
    if lists.is_empty() {
        return Err(file.unfit("it contains no PEM revocation list", help));
    }
    let ends = lists.iter().map(|list| x509::list_ends(list));
    let ends: Option<Vec<_>> = ends.collect();
    let ends = ends.ok_or_else(|| file.unfit("a revocation list in it is invalid", help))?;
    Ok(ends.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer,
        KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
    };

    use super::*;

    fn list(year: i32) -> String {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::CrlSign];
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(year, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let issuer = Issuer::new(params, KeyPair::generate().unwrap());
        list.signed_by(&issuer).unwrap().pem().unwrap()
    }

    #[test]
    fn the_list_that_expires_first_is_returned() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let operators = write("operators.crl", &list(2060));
        let both = write("both.crl", &(list(2070) + &list(2030)));
        let ends = first_to_expire(&[operators.clone(), both.clone()]).unwrap().unwrap();
        assert_eq!((ends.path, ends.at.to_string()), (both, "2030-01-01T00:00:00Z".into()));
        let ends = first_to_expire(std::slice::from_ref(&operators)).unwrap().unwrap();
        assert_eq!(ends.at.to_string(), "2060-01-01T00:00:00Z");
        assert_eq!(first_to_expire(&[]), Ok(None));

        let cut = write("cut.crl", &list(2030)[..200]);
        let none = write("none.crl", "no list\n");
        for (path, got) in [
            (cut, "its PEM is truncated or invalid"),
            (none, "it contains no PEM revocation list"),
            (folder.path().join("absent"), "No such file or directory (os error 2)"),
        ] {
            assert_eq!(first_to_expire(&[operators.clone(), path]).unwrap_err().got, got);
        }
    }

    /// `openssl ca -gencrl` writes version 1 unless extensions are configured.
    #[test]
    fn a_list_of_version_1_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v1.crl");
        std::fs::write(&path, V1).unwrap();
        let ends = first_to_expire(&[path]).unwrap().unwrap();
        assert_eq!(ends.at.to_string(), "2030-01-01T00:00:00Z");
    }

    const V1: &str = "\
-----BEGIN X509 CRL-----
MIGRMDkwCgYIKoZIzj0EAwIwDTELMAkGA1UEAwwCY2EXDTIwMDEwMTAwMDAwMFoX
DTMwMDEwMTAwMDAwMFowCgYIKoZIzj0EAwIDSAAwRQIhANb83mbqiaSqjkfu0ide
23pY7txQDUbbYPCLEXAgYClmAiAz39xYwLIjdi4Sa4Q3FD2Zu7pAZKU+7R5Xl4qD
tTzP6w==
-----END X509 CRL-----
";
}
