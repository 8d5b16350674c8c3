//! The three facts of a certificate that people are told: from when, until when, and whether it
//! may sign others. Everything else is rustls's business.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::domain::der::{BOOLEAN, Der, INTEGER, OCTETS, OID, SEQUENCE};

/// Facts of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    /// A CA's, or signed by itself: it can be what other certificates lead to.
    pub(super) can_be_root: bool,
}

/// Reads DER (RFC 5280 §4.1); nothing when it is not a certificate.
pub(super) fn facts(der: &[u8]) -> Option<Facts> {
    let mut certificate = Der::new(Der::new(der).take(SEQUENCE)?);
    let mut body = Der::new(certificate.take(SEQUENCE)?);
    body.skip(VERSION);
    body.take(INTEGER)?;
    let _algorithm = body.take(SEQUENCE)?;
    let issuer = body.take(SEQUENCE)?;
    let mut validity = Der::new(body.take(SEQUENCE)?);
    let subject = body.take(SEQUENCE)?;
    let _key = body.take(SEQUENCE)?;
    body.skip(ISSUER_ID);
    body.skip(SUBJECT_ID);
    let is_ca = body.take(EXTENSIONS).and_then(is_ca).unwrap_or(false);
    Some(Facts {
        can_be_root: issuer == subject || is_ca,
        not_before: time(validity.next()?)?,
        not_after: time(validity.next()?)?,
    })
}

/// The content of a certificate's public key (`SubjectPublicKeyInfo`), of whatever version it is:
/// certificates of version 1, as `openssl x509 -req` makes them, are refused by rustls and taken by
/// everybody else.
pub(super) fn public_key(der: &[u8]) -> Option<&[u8]> {
    let mut certificate = Der::new(Der::new(der).take(SEQUENCE)?);
    let mut body = Der::new(certificate.take(SEQUENCE)?);
    body.skip(VERSION);
    body.take(INTEGER)?;
    let [_algorithm, _issuer, _validity, _subject] = [(); 4].map(|()| body.take(SEQUENCE));
    body.take(SEQUENCE)
}

/// The content of a DER sequence.
pub(super) fn sequence(der: &[u8]) -> Option<&[u8]> {
    Der::new(der).take(SEQUENCE)
}

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;
const ISSUER_ID: u8 = 0x81;
const SUBJECT_ID: u8 = 0x82;
const EXTENSIONS: u8 = 0xa3;

/// `2.5.29.19`.
const BASIC_CONSTRAINTS: [u8; 3] = [0x55, 0x1d, 0x13];

fn is_ca(extensions: &[u8]) -> Option<bool> {
    let mut extensions = Der::new(Der::new(extensions).take(SEQUENCE)?);
    while !extensions.is_at_end() {
        let mut extension = Der::new(extensions.take(SEQUENCE)?);
        let id = extension.take(OID)?;
        extension.skip(BOOLEAN);
        let value = extension.take(OCTETS)?;
        if id == BASIC_CONSTRAINTS {
            let mut constraints = Der::new(Der::new(value).take(SEQUENCE)?);
            return Some(constraints.take(BOOLEAN).is_some_and(|it| it != [0]));
        }
    }
    Some(false)
}

/// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`; two digits mean 1950 to 2049.
fn time((tag, digits): (u8, &[u8])) -> Option<Timestamp> {
    let text = std::str::from_utf8(digits).ok()?.strip_suffix('Z')?;
    let text = match (tag, text.as_bytes().first()?) {
        (UTC_TIME, b'5'..=b'9') => format!("19{text}"),
        (UTC_TIME, _) => format!("20{text}"),
        (GENERALIZED_TIME, _) => text.to_owned(),
        _ => return None,
    };
    let at = DateTime::strptime("%Y%m%d%H%M%S", &text).ok()?;
    // The last hours of the year 9999, which stand for "never", are beyond what we can hold.
    Some(Offset::UTC.to_timestamp(at).unwrap_or(Timestamp::MAX))
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
    fn validity_and_use_are_read() {
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
            let expected = Facts {
                not_before: format!("{from}-01-02T00:00:00Z").parse().unwrap(),
                not_after: format!("{until}-12-31T00:00:00Z").parse().unwrap(),
                can_be_root,
            };
            assert_eq!(facts(&der), Some(expected));
        }
    }

    #[test]
    fn broken_certificates_are_none_and_no_panic() {
        let der = made(IsCa::NoCa, (2020, 2030), None);
        for cut in 0..der.len() {
            assert_eq!(facts(&der[..cut]), None, "{cut}");
        }
        for at in 0..der.len() {
            let mut broken = der.clone();
            broken[at] ^= 0xff;
            let _ = facts(&broken);
        }
        assert_eq!(facts(b""), None);
        assert_eq!(facts(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
