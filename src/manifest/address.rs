//! URLs, hosts and ports.

use std::net::{IpAddr, SocketAddr};

use url::{Host, Url};

use super::code::Code;
use super::leaf::Misfit;
use super::settings::HostPort;

/// Where plain HTTP may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    /// To this machine only: a password travels in it.
    Loopback,
    /// Anywhere.
    Anywhere,
}

/// Reads a base URL. No user, no query, no fragment; the trailing slash is dropped. Never quotes
/// the text, which may hold a password.
pub(super) fn url(text: &str, plain: Plain) -> Result<String, Misfit> {
    let misfit = |message: &str| Misfit::new(Code::Url, message);
    if text.contains('@') {
        return Err(misfit("the URL has an `@`: no user and no password stand in a URL")
            .help("put them where they belong, as references"));
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(misfit("the URL has a blank or a control character"));
    }
    let Ok(url) = Url::parse(text) else {
        return Err(misfit("this is no URL").help("such as `https://garm.example.com`"));
    };
    let Some(host) = url.host().filter(|_| matches!(url.scheme(), "http" | "https")) else {
        return Err(misfit("the URL begins with neither `https://` nor `http://`")
            .help("such as `https://garm.example.com`"));
    };
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Err(misfit("the URL begins with neither `https://` nor `http://`"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(misfit("the URL has a `?` or a `#`").help("end it before that"));
    }
    if url.scheme() == "http" && plain == Plain::Loopback && !is_loopback(&host) {
        return Err(misfit(
            "`http://` goes only to a loopback address: the password would travel open",
        )
        .help("write `https://…`, or `http://127.0.0.1:…`"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Judges a URL that is a secret by itself, such as a chat's webhook: only its beginning.
pub(super) fn url_with_secret(text: &str) -> Result<(), Misfit> {
    let is_url = Url::parse(text).is_ok_and(|it| it.has_host());
    let is_clean = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    if is_url && is_clean && (text.starts_with("https://") || text.starts_with("http://")) {
        return Ok(());
    }
    Err(Misfit::new(Code::Url, "this is no URL").help("such as `https://hooks.example.com/…`"))
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => name.eq_ignore_ascii_case("localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Reads `ADDRESS:PORT`.
pub(super) fn listen(text: &str) -> Result<SocketAddr, Misfit> {
    text.parse().map_err(|_| {
        Misfit::new(Code::Address, "this is no address with a port")
            .help("such as `127.0.0.1:9477`, `0.0.0.0:9477` or `[::1]:9477`")
    })
}

/// Reads `HOST:PORT`; an IPv6 address stands in brackets.
pub(super) fn host_port(text: &str) -> Result<HostPort, Misfit> {
    let misfit = || {
        Misfit::new(Code::Address, "this is no host with a port")
            .help("such as `10.0.0.1:9997`, `db.example.com:5432` or `[fd00::1]:443`")
    };
    let (host, port) = text.rsplit_once(':').ok_or_else(misfit)?;
    let is_digits = port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
    let port = Some(port).filter(|_| is_digits).and_then(|it| it.parse().ok());
    let port = port.filter(|it: &u16| *it > 0).ok_or_else(misfit)?;
    let host = match host.strip_prefix('[') {
        Some(rest) => {
            let inner = rest.strip_suffix(']').ok_or_else(misfit)?;
            let is_ipv6 = inner.parse::<IpAddr>().is_ok_and(|it| it.is_ipv6());
            if is_ipv6 { inner } else { return Err(misfit()) }
        }
        None => host,
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.is_empty() || host.len() > 253 || !(text.starts_with('[') || host.chars().all(is_name))
    {
        return Err(misfit());
    }
    Ok(HostPort { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_goes_to_loopback_only() {
        for good in [
            "https://garm.example.com",
            "https://garm.example.com:8443/base/",
            "http://127.0.0.1:9997",
            "http://127.1.2.3",
            "http://localhost:80/",
            "http://[::1]:9997",
        ] {
            assert_eq!(url(good, Plain::Loopback).as_deref(), Ok(good.trim_end_matches('/')));
        }
        for bad in [
            "http://garm.example.com",
            "http://10.0.0.1",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "ftp://garm.example.com",
            "garm.example.com",
            "https://",
            "https://u:p@garm.example.com",
            "https://garm.example.com?x=1",
            "https://garm.example.com#x",
            "https://garm .example.com",
            "HTTPS:garm.example.com",
            "",
        ] {
            assert_eq!(url(bad, Plain::Loopback).map_err(|it| it.code), Err(Code::Url), "{bad}");
        }
        assert!(url("http://alertmanager:9093", Plain::Anywhere).is_ok());
    }

    #[test]
    fn hosts_come_with_ports() {
        let host = |text| host_port(text).map(|it| (it.host, it.port)).ok();
        assert_eq!(host("10.0.0.1:9997"), Some(("10.0.0.1".into(), 9997)));
        assert_eq!(host("db.example.com:5432"), Some(("db.example.com".into(), 5432)));
        assert_eq!(host("[fd00::1]:443"), Some(("fd00::1".into(), 443)));
        for bad in [
            "",
            "a",
            "a:",
            ":1",
            "a:0",
            "a:65536",
            "a:+1",
            "a b:1",
            "fd00::1:443",
            "[x]:1",
            "[::1:1",
        ] {
            assert_eq!(host(bad), None, "{bad}");
        }
    }

    #[test]
    fn listeners_are_addresses_in_numbers() {
        assert!(listen("127.0.0.1:9477").is_ok() && listen("[::]:1").is_ok());
        for bad in ["localhost:1", "127.0.0.1", ":9477", "127.0.0.1:65536"] {
            assert!(listen(bad).is_err(), "{bad}");
        }
    }
}
