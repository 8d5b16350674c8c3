//! Certificates made for a test.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use runnerctl::garm::tls;
use tempfile::TempDir;

/// A CA and what it signs, as files.
pub(super) struct Authority {
    pub(super) folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

/// For whom, and from when until when (years).
pub(super) struct Wanted {
    pub(super) name: &'static str,
    pub(super) years: (i32, i32),
}

pub(super) const VALID: (i32, i32) = (2020, 2090);
pub(super) const SERVER: Wanted = Wanted { name: "127.0.0.1", years: VALID };
pub(super) const CLIENT: Wanted = Wanted { name: "operator", years: VALID };

impl Authority {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, format!("CA {}", folder.path().display()));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        std::fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem())
            .unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes `NAME.pem` and `NAME.key`.
    pub(super) fn sign(&self, file: &str, wanted: &Wanted) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![wanted.name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, wanted.name);
        params.not_before = date_time_ymd(wanted.years.0, 1, 1);
        params.not_after = date_time_ymd(wanted.years.1, 1, 1);
        let paths = (self.path(&format!("{file}.pem")), self.path(&format!("{file}.key")));
        std::fs::write(&paths.0, params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        std::fs::write(&paths.1, key.serialize_pem()).unwrap();
        paths
    }

    /// The same, for those alone whom this usage names.
    pub(super) fn sign_for(
        &self,
        file: &str,
        usage: ExtendedKeyUsagePurpose,
    ) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        let paths = (self.path(&format!("{file}.pem")), self.path(&format!("{file}.key")));
        std::fs::write(&paths.0, params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        std::fs::write(&paths.1, key.serialize_pem()).unwrap();
        paths
    }

    pub(super) fn trusted(&self) -> tls::Files {
        tls::Files { ca: Some(self.path("ca.pem")), ..tls::Files::default() }
    }

    /// The trust in this authority, whose folder stays until the test process ends.
    pub(super) fn trusted_for_ever(mut self) -> tls::Files {
        let files = self.trusted();
        self.folder.disable_cleanup(true);
        files
    }

    pub(super) fn presenting(&self, (cert, key): (PathBuf, PathBuf)) -> tls::Files {
        tls::Files { ca: Some(self.path("ca.pem")), cert: Some(cert), key: Some(key) }
    }
}
