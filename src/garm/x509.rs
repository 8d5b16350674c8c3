//! Reads the properties of a certificate that messages mention: its validity, whether it can be a
//! root, and whether it is for clients. rustls checks everything else.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use x509_cert::Certificate;
use x509_cert::der::asn1::AnyRef;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode, Encode, Tag, Tagged};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage};
use x509_cert::time::Time;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CertificateFacts {
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    /// Whether it is a CA certificate or self-signed, so that other certificates can chain to it.
    pub(super) can_be_root: bool,
    /// Whether its extended key usage includes clients, or is absent.
    pub(super) is_for_clients: bool,
}

/// `clientAuth` and `anyExtendedKeyUsage` (RFC 5280 §4.2.1.12).
const FOR_CLIENTS: [ObjectIdentifier; 2] = [
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2"),
    ObjectIdentifier::new_unwrap("2.5.29.37.0"),
];

/// Parses a DER certificate (RFC 5280 §4.1) of any version; `None` if it is invalid.
pub(super) fn facts(der: &[u8]) -> Option<CertificateFacts> {
    let certificate = Certificate::from_der(der).ok()?;
    let body = certificate.tbs_certificate();
    let constraints = body.get_extension::<BasicConstraints>().ok().flatten();
    let is_for_clients = match body.get_extension::<ExtendedKeyUsage>() {
        Ok(None) => true,
        Ok(Some((_, usage))) => usage.0.iter().any(|purpose| FOR_CLIENTS.contains(purpose)),
        Err(_) => false,
    };
    Some(CertificateFacts {
        can_be_root: body.issuer() == body.subject()
            || constraints.is_some_and(|(_, constraints)| constraints.ca),
        is_for_clients,
        not_before: timestamp(body.validity().not_before),
        not_after: timestamp(body.validity().not_after),
    })
}

/// The public key (`SubjectPublicKeyInfo`, DER) of a certificate of any version. Not read with
/// rustls, which refuses certificates of version 1; `openssl x509 -req` creates them, and every
/// other program accepts them.
pub(super) fn public_key(der: &[u8]) -> Option<Vec<u8>> {
    let certificate = Certificate::from_der(der).ok()?;
    certificate.tbs_certificate().subject_public_key_info().to_der().ok()
}

/// The `nextUpdate` of a DER revocation list (RFC 5280 §5.1): `Some(None)` if the list does not
/// expire, `None` if it is invalid. Parsed by hand, because the library's type requires a version,
/// which lists of version 1 (`openssl ca -gencrl`) omit.
pub(super) fn list_ends(der: &[u8]) -> Option<Option<Timestamp>> {
    let list = Vec::<AnyRef<'_>>::from_der(der).ok()?;
    let body = list.first()?.to_der().ok()?;
    let fields = Vec::<AnyRef<'_>>::from_der(&body).ok()?;
    let mut fields = fields.iter().skip_while(|field| field.tag() == Tag::Integer);
    let [_algorithm, _issuer] = [fields.next()?, fields.next()?];
    let time = |field: &AnyRef<'_>| Time::from_der(&field.to_der().ok()?).ok().map(timestamp);
    let _this_update = time(fields.next()?)?;
    match fields.next() {
        Some(value) if matches!(value.tag(), Tag::UtcTime | Tag::GeneralizedTime) => {
            Some(Some(time(value)?))
        }
        Some(_) | None => Some(None),
    }
}

/// Converts a time. The last hours of the year 9999, which stand for "never", are outside jiff's
/// range.
fn timestamp(time: Time) -> Timestamp {
    let since_1970: Duration = time.to_unix_duration();
    let at = SignedDuration::try_from(since_1970).ok().map(Timestamp::from_duration);
    at.and_then(Result::ok).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

    use super::*;

    fn made(is_ca: IsCa, years: (i32, i32), issuer: Option<&Issuer<'_, KeyPair>>) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["garm.test".into()]).unwrap();
        params.is_ca = is_ca;
        params.not_before = date_time_ymd(years.0, 1, 2);
        params.not_after = date_time_ymd(years.1, 12, 31);
        match issuer {
            Some(issuer) => params.signed_by(&key, issuer).unwrap().der().to_vec(),
            None => params.self_signed(&key).unwrap().der().to_vec(),
        }
    }

    #[test]
    fn validity_and_usage_are_read() {
        let ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let mut named = CertificateParams::default();
        named.distinguished_name.push(rcgen::DnType::CommonName, "another");
        let issuer = Issuer::new(named, KeyPair::generate().unwrap());
        for (der, from, until, can_be_root) in [
            (made(ca, (2020, 2049), Some(&issuer)), "2020", "2049", true),
            (made(IsCa::NoCa, (1975, 2050), Some(&issuer)), "1975", "2050", false),
            (made(IsCa::ExplicitNoCa, (2020, 2030), Some(&issuer)), "2020", "2030", false),
            (made(IsCa::NoCa, (2020, 2030), None), "2020", "2030", true),
        ] {
            let expected = CertificateFacts {
                not_before: format!("{from}-01-02T00:00:00Z").parse().unwrap(),
                not_after: format!("{until}-12-31T00:00:00Z").parse().unwrap(),
                can_be_root,
                is_for_clients: true,
            };
            assert_eq!(facts(&der), Some(expected));
        }
    }

    #[test]
    fn the_extended_key_usage_decides_whether_a_certificate_is_for_clients() {
        use rcgen::ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
        for (usages, expected) in [
            (vec![], true),
            (vec![ClientAuth], true),
            (vec![ServerAuth, ClientAuth], true),
            (vec![Any], true),
            (vec![ServerAuth], false),
        ] {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec!["garm.test".into()]).unwrap();
            params.extended_key_usages = usages;
            let der = params.self_signed(&key).unwrap().der().to_vec();
            assert_eq!(facts(&der).unwrap().is_for_clients, expected);
        }
    }

    #[test]
    fn broken_certificates_are_refused_without_a_panic() {
        let der = made(IsCa::NoCa, (2020, 2030), None);
        for cut in 0..der.len() {
            assert_eq!(facts(&der[..cut]), None, "{cut}");
        }
        for at in 0..der.len() {
            let mut broken = der.clone();
            broken[at] ^= 0xff;
            let _ = (facts(&broken), public_key(&broken), list_ends(&broken));
        }
        assert_eq!(facts(b""), None);
        assert_eq!(facts(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
