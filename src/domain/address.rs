//! Rules for addresses that more than one room applies.

use url::{Host, ParseError, Url};

/// Whether `host` is this machine, decided without a lookup: `localhost`, or an address that never
/// leaves the machine. Plain HTTP to it can be read only on this machine.
pub fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    }
}

/// Which hosts plain HTTP may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainHttp {
    /// Only this machine, because secrets are sent over it.
    LoopbackOnly,
    Anywhere,
}

/// Whether requests to this URL can be read on the network: `http://` to another machine.
pub fn is_unencrypted(url: &str) -> bool {
    let url = Url::parse(url).ok().filter(|url| url.scheme() == "http");
    url.as_ref().and_then(Url::host).is_some_and(|host| !is_loopback(&host))
}

/// Why secrets cannot be sent to a URL. The messages follow a colon and never quote the URL, which
/// may contain a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("it does not begin with `https://`")]
    NoScheme,
    #[error("{0}")]
    Syntax(ParseError),
    #[error("it has no host")]
    NoHost,
    #[error("`http://` would send secrets unencrypted; it is allowed only for this machine")]
    Unencrypted,
    #[error("`{0}:` is neither `https:` nor `http:`")]
    Scheme(String),
    #[error("it contains a user name or a password")]
    Login,
    #[error("it contains a query or a fragment")]
    Query,
}

/// Parses a base URL to which secrets are sent: `https://`, or `http://` where `plain` allows it,
/// without user, query or fragment.
pub fn base_url(text: &str, plain: PlainHttp) -> Result<Url, UrlError> {
    let url = Url::parse(text).map_err(|error| match error {
        ParseError::RelativeUrlWithoutBase => UrlError::NoScheme,
        other => UrlError::Syntax(other),
    })?;
    let is_loopback = is_loopback(&url.host().ok_or(UrlError::NoHost)?);
    match url.scheme() {
        "https" => {}
        "http" if is_loopback || plain == PlainHttp::Anywhere => {}
        "http" => return Err(UrlError::Unencrypted),
        other => return Err(UrlError::Scheme(other.to_owned())),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::Login);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(UrlError::Query);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        let is_ours = |url: &str| is_loopback(&Url::parse(url).unwrap().host().unwrap());
        for ours in ["localhost", "LOCALHOST", "127.0.0.1", "127.1", "127.9.8.7", "[::1]"] {
            assert!(is_ours(&format!("http://{ours}/")), "{ours}");
        }
        for other in [
            "localhost.example.com",
            "localhost.",
            "127.0.0.1.nip.io",
            "128.0.0.1",
            "0.0.0.0",
            "10.0.0.1",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[fe80::1]",
        ] {
            assert!(!is_ours(&format!("http://{other}/")), "{other}");
        }
    }

    #[test]
    fn secrets_are_sent_only_where_they_cannot_leak() {
        for good in ["https://garm.test/base", "http://127.0.0.1:9997", "http://localhost"] {
            assert!(base_url(good, PlainHttp::LoopbackOnly).is_ok(), "{good}");
            assert!(!is_unencrypted(good), "{good}");
        }
        for (bad, error) in [
            ("garm.test", UrlError::NoScheme),
            ("https://[::1", UrlError::Syntax(ParseError::InvalidIpv6Address)),
            ("garm.test:8443", UrlError::NoHost),
            ("http://garm.test", UrlError::Unencrypted),
            ("ftp://garm.test", UrlError::Scheme("ftp".into())),
            ("https://a:b@garm.test", UrlError::Login),
            ("https://garm.test?x", UrlError::Query),
            ("https://garm.test#x", UrlError::Query),
        ] {
            assert_eq!(base_url(bad, PlainHttp::LoopbackOnly), Err(error), "{bad}");
        }
        assert!(is_unencrypted("http://garm.test"));
        assert!(base_url("http://garm.test", PlainHttp::Anywhere).is_ok());
        for bad in ["ftp://garm.test", "http://a:b@garm.test", "http://garm.test?x"] {
            assert!(base_url(bad, PlainHttp::Anywhere).is_err(), "{bad}");
        }
    }
}
