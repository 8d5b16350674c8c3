//! Classifies the failure of a request by the chain of causes of reqwest's error.

use std::error::Error as StdError;
use std::io;

use jiff::Timestamp;
use rustls::{AlertDescription, CertificateError};

use super::transport::{PresentedCertificate, Timeouts, TlsFault, TransportError};
use crate::domain::text;

/// What is known about the request besides its error.
pub(super) struct RequestContext<'a> {
    pub(super) timeouts: &'a Timeouts,
    /// What we presented, if the server requested a client certificate and has not responded yet.
    pub(super) asked: Option<PresentedCertificate>,
}

/// Classifies the failure of a request that got no response.
pub(super) fn unanswered(error: &reqwest::Error, setting: RequestContext<'_>) -> TransportError {
    let RequestContext { timeouts, asked } = setting;
    if error.is_timeout() && !is_given_up(error) {
        return match error.is_connect() {
            true => TransportError::ConnectTimeout(timeouts.connect),
            false => TransportError::Timeout(timeouts.request),
        };
    }
    if let Some(fault) = find::<rustls::Error>(error) {
        return TransportError::Tls(tls(fault, asked));
    }
    let said = text::innermost(error);
    if error.is_connect() {
        let kind = find::<io::Error>(error).map(io::Error::kind);
        return match (kind, asked) {
            _ if causes(error).any(|cause| cause.to_string() == "dns error") => {
                TransportError::Resolve(said)
            }
            // The TCP connection was open, so the server closed it during the TLS handshake.
            (Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset), Some(asked)) => {
                let alert = "the connection was closed".into();
                TransportError::Tls(TlsFault::ClientCertificate { presented: asked, alert })
            }
            (Some(io::ErrorKind::UnexpectedEof), None) => {
                TransportError::Tls(TlsFault::Other("the server closed the connection".into()))
            }
            _ => TransportError::Connect(said),
        };
    }
    if find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) {
        return TransportError::NotHttp(said);
    }
    match asked {
        Some(presented) => TransportError::ClosedOnCertificate(presented),
        None => TransportError::Closed(said),
    }
}

/// Classifies the failure of a response that was not complete.
pub(super) fn broken_off(error: &reqwest::Error, timeouts: &Timeouts) -> TransportError {
    if error.is_timeout() && !is_given_up(error) {
        return TransportError::Timeout(timeouts.request);
    }
    TransportError::Body(text::innermost(error))
}

/// Whether the kernel has closed the connection because the server acknowledged nothing: none of our
/// timeouts has passed.
fn is_given_up(error: &reqwest::Error) -> bool {
    let is_of_kernel = |error: &io::Error| {
        error.kind() == io::ErrorKind::TimedOut && error.raw_os_error().is_some()
    };
    causes(error).any(|cause| cause.downcast_ref::<io::Error>().is_some_and(is_of_kernel))
}

/// The error and its causes. An [`io::Error`] is unwrapped with `get_ref`, because its `source`
/// skips the wrapped error.
fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&cause| {
        let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map_or_else(|| cause.source(), |inner| Some(inner))
    })
}

fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    causes(error).find_map(|cause| cause.downcast_ref::<T>())
}

fn tls(error: &rustls::Error, asked: Option<PresentedCertificate>) -> TlsFault {
    match error {
        rustls::Error::InvalidCertificate(error) => certificate(error),
        rustls::Error::AlertReceived(alert) => match asked {
            Some(presented) if is_about_certificates(*alert) => {
                TlsFault::ClientCertificate { presented, alert: format!("{alert:?}") }
            }
            Some(_) | None => TlsFault::Other(format!("the server answered `{alert:?}`")),
        },
        rustls::Error::InvalidMessage(_) => TlsFault::NotTls,
        other => TlsFault::Other(text::quote(&other.to_string())),
    }
}

/// The alerts of RFC 8446 §6.2 with which servers refuse a client certificate or its absence. With
/// TLS 1.2, servers send `HandshakeFailure` if there was no certificate.
fn is_about_certificates(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
            | AlertDescription::HandshakeFailure
    )
}

fn certificate(error: &CertificateError) -> TlsFault {
    let at = |seconds: u64| {
        i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok())
    };
    match error {
        CertificateError::UnknownIssuer => TlsFault::UnknownIssuer,
        CertificateError::Expired => TlsFault::Expired(String::new()),
        CertificateError::ExpiredContext { not_after, .. } => TlsFault::Expired(
            at(not_after.as_secs()).map(|time| format!(", at {time}")).unwrap_or_default(),
        ),
        CertificateError::NotValidYet => TlsFault::NotYetValid(String::new()),
        CertificateError::NotValidYetContext { not_before, .. } => TlsFault::NotYetValid(
            at(not_before.as_secs())
                .map(|time| format!(", only from {time} on"))
                .unwrap_or_default(),
        ),
        CertificateError::NotValidForName => TlsFault::WrongName("it does not list it".into()),
        CertificateError::NotValidForNameContext { presented, .. } => {
            TlsFault::WrongName(match presented.is_empty() {
                true => "it lists no name at all".into(),
                false => {
                    let names: Vec<_> = presented.iter().map(|name| bare(name)).collect();
                    text::quote(&format!("it is for {}", names.join(", ")))
                }
            })
        }
        // rustls has no variant for this error of webpki, whose text is its name.
        CertificateError::Other(error) if error.0.to_string() == "CaUsedAsEndEntity" => {
            TlsFault::CaCertificate
        }
        other => TlsFault::BadCertificate(text::quote(&other.to_string())),
    }
}

/// The name in a debug text of rustls: `garm.test` from `DnsName("garm.test")`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}
