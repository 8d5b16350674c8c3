//! Generates certificates for tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, RevokedCertParams, SerialNumber, date_time_ymd,
};
use runnerctl::garm::tls;
use tempfile::TempDir;

/// A CA that signs certificates into files.
pub(super) struct Authority {
    pub(super) folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
    /// The certificates of the CAs above it, nearest first; empty for a root.
    above: String,
    /// The serial number of each certificate that it signed.
    serials: Mutex<BTreeMap<PathBuf, u64>>,
}

/// The subject and validity (in years) of a certificate to sign.
pub(super) struct Wanted {
    pub(super) name: &'static str,
    pub(super) years: (i32, i32),
}

pub(super) const VALID: (i32, i32) = (2020, 2090);
pub(super) const SERVER: Wanted = Wanted { name: "127.0.0.1", years: VALID };
pub(super) const CLIENT: Wanted = Wanted { name: "operator", years: VALID };

/// The parameters and key of a CA certificate.
fn authority(name: &str) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params, KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap())
}

impl Authority {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (params, key) = authority(&format!("CA {}", folder.path().display()));
        let pem = params.self_signed(&key).unwrap().pem();
        std::fs::write(folder.path().join("ca.key"), key.serialize_pem()).unwrap();
        Self::with(folder, Issuer::new(params, key), &pem, String::new())
    }

    /// An intermediate CA below this one, with any name.
    pub(super) fn sub(&self, name: &str) -> Self {
        let (params, key) = authority(name);
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        let above = pem.clone() + &self.above;
        Self::with(tempfile::tempdir().unwrap(), Issuer::new(params, key), &pem, above)
    }

    fn with(folder: TempDir, issuer: Issuer<'static, KeyPair>, pem: &str, above: String) -> Self {
        std::fs::write(folder.path().join("ca.pem"), pem).unwrap();
        let authority = Self { folder, issuer, above, serials: Mutex::default() };
        authority.revoke(&[]);
        authority
    }

    /// Its name, as the issuer in certificates that it signed.
    pub(super) fn name(&self) -> String {
        format!("CA {}", self.folder.path().display())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes `ca.crl`, which revokes exactly these certificates.
    pub(super) fn revoke(&self, certificates: &[&Path]) {
        self.list_until(2090, certificates);
    }

    /// The same, with a list that expires in the year `year`.
    pub(super) fn list_until(&self, year: i32, certificates: &[&Path]) {
        let serials = self.serials.lock().unwrap();
        let revoked = certificates.iter().map(|it| RevokedCertParams {
            serial_number: SerialNumber::from(serials[*it]),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(year, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let pem = list.signed_by(&self.issuer).unwrap().pem().unwrap();
        std::fs::write(self.path("ca.crl"), pem).unwrap();
    }

    /// Writes `NAME.pem`, with the CAs above this one, and `NAME.key`.
    pub(super) fn sign(&self, file: &str, wanted: &Wanted) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![wanted.name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, wanted.name);
        params.not_before = date_time_ymd(wanted.years.0, 1, 1);
        params.not_after = date_time_ymd(wanted.years.1, 1, 1);
        let paths = (self.path(&format!("{file}.pem")), self.path(&format!("{file}.key")));
        let mut serials = self.serials.lock().unwrap();
        let serial = serials.values().max().map_or(1, |it| it + 1);
        params.serial_number = Some(SerialNumber::from(serial));
        serials.insert(paths.0.clone(), serial);
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        std::fs::write(&paths.0, pem + &self.above).unwrap();
        std::fs::write(&paths.1, key.serialize_pem()).unwrap();
        paths
    }

    /// The same, with another extended key usage.
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

    pub(super) fn trusted(&self) -> tls::GarmTlsFiles {
        tls::GarmTlsFiles { ca: Some(self.path("ca.pem")), ..tls::GarmTlsFiles::default() }
    }

    /// The same for a CA whose folder must outlive this value.
    pub(super) fn trusted_for_ever(mut self) -> tls::GarmTlsFiles {
        let files = self.trusted();
        self.folder.disable_cleanup(true);
        files
    }

    pub(super) fn presenting(&self, (cert, key): (PathBuf, PathBuf)) -> tls::GarmTlsFiles {
        tls::GarmTlsFiles { ca: Some(self.path("ca.pem")), cert: Some(cert), key: Some(key) }
    }
}
