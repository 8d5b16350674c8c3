//! The facts of a certificate that people are told: from when, until when, whether it may sign
//! others, and whether it is for clients. Everything else is rustls's business.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::domain::der::{BOOLEAN, Der, INTEGER, OCTETS, OID, SEQUENCE};

/// Facts of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CertificateFacts {
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    /// A CA's, or signed by itself: it can be what other certificates lead to.
    pub(super) can_be_root: bool,
    /// Its extended key usage names clients, or there is none.
    pub(super) is_for_clients: bool,
}

/// Reads DER (RFC 5280 §4.1); nothing when it is not a certificate.
pub(super) fn facts(der: &[u8]) -> Option<CertificateFacts> {
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
    let extensions = body.take(EXTENSIONS).unwrap_or_default();
    let constraints = extension(extensions, &BASIC_CONSTRAINTS);
    let usage = extension(extensions, &EXTENDED_KEY_USAGE);
    Some(CertificateFacts {
        can_be_root: issuer == subject || constraints.and_then(is_ca).unwrap_or(false),
        is_for_clients: usage.is_none_or(is_for_clients),
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

/// When a revocation list ends (RFC 5280 §5.1), if it ever does; nothing when it is not one.
pub(super) fn list_ends(der: &[u8]) -> Option<Option<Timestamp>> {
    let mut list = Der::new(Der::new(der).take(SEQUENCE)?);
    let mut body = Der::new(list.take(SEQUENCE)?);
    body.skip(INTEGER);
    let [_algorithm, _issuer] = [body.take(SEQUENCE)?, body.take(SEQUENCE)?];
    let _this_update = time(body.next()?)?;
    match body.next() {
        Some((tag @ (UTC_TIME | GENERALIZED_TIME), digits)) => Some(Some(time((tag, digits))?)),
        Some(_) | None => Some(None),
    }
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

/// `2.5.29.37`.
const EXTENDED_KEY_USAGE: [u8; 3] = [0x55, 0x1d, 0x25];

/// `clientAuth`, `1.3.6.1.5.5.7.3.2`, and `anyExtendedKeyUsage`, `2.5.29.37.0`.
const FOR_CLIENTS: [&[u8]; 2] =
    [&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02], &[0x55, 0x1d, 0x25, 0x00]];

/// The value of the extension with this name.
fn extension<'a>(extensions: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let mut extensions = Der::new(Der::new(extensions).take(SEQUENCE)?);
    while !extensions.is_at_end() {
        let mut extension = Der::new(extensions.take(SEQUENCE)?);
        let id = extension.take(OID)?;
        extension.skip(BOOLEAN);
        let value = extension.take(OCTETS)?;
        if id == wanted {
            return Some(value);
        }
    }
    None
}

fn is_ca(constraints: &[u8]) -> Option<bool> {
    let mut constraints = Der::new(Der::new(constraints).take(SEQUENCE)?);
    Some(constraints.take(BOOLEAN).is_some_and(|it| it != [0]))
}

fn is_for_clients(usage: &[u8]) -> bool {
    let Some(usages) = Der::new(usage).take(SEQUENCE) else { return false };
    let mut usages = Der::new(usages);
    std::iter::from_fn(|| usages.take(OID)).any(|it| FOR_CLIENTS.contains(&it))
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
    fn the_extended_key_usage_says_for_whom_it_is() {
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
