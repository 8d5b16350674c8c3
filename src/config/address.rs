//! URLs, hosts and ports in the files.

use std::net::{Ipv6Addr, SocketAddr};

use url::{Host, Url};

use super::diagnostic_code::Code;
use super::invalid_value::InvalidValue;
use super::settings::HostPort;
use crate::domain::address::{self, PlainHttp};

/// The longest host name, in characters.
pub(super) const HOST_MAX: usize = 253;

/// Parses a base URL. It has no user, no query and no fragment, and the trailing slash is dropped.
/// Errors never quote the text, which may hold a password.
pub(super) fn url(text: &str, plain: PlainHttp) -> Result<String, InvalidValue> {
    let invalid = |message: &str| InvalidValue::new(Code::Url, message);
    if text.contains('@') {
        return Err(invalid("the URL contains an `@`: it must not contain a user or password")
            .help("set `username` and `password` instead, the password as a reference"));
    }
    if text.contains(['?', '#']) {
        return Err(
            invalid("the URL contains a `?` or a `#`").help("remove the query and the fragment")
        );
    }
    let Some(parts) = parts(text) else {
        return Err(invalid("invalid URL").help("such as `https://garm.example.com`"));
    };
    if plain == PlainHttp::LoopbackOnly && parts.is_unencrypted() {
        return Err(invalid(UNENCRYPTED).help(ENCRYPTED));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// The refusal of plain HTTP beyond loopback, and what to write instead.
const UNENCRYPTED: &str =
    "`http://` is allowed only for a loopback address: the password would be sent unencrypted";
const ENCRYPTED: &str = "use `https://…`, or `http://127.0.0.1:…`";

/// Refuses plain HTTP beyond loopback for `garm.url`, a valid URL.
pub(super) fn encrypted(url: &str) -> Result<(), InvalidValue> {
    if !parts(url).is_some_and(|parts| parts.is_unencrypted()) {
        return Ok(());
    }
    let or = "or set `garm.insecure_http: true`: password and tokens are then sent unencrypted";
    Err(InvalidValue::new(Code::Url, UNENCRYPTED).help(format!("{ENCRYPTED}, {or}")))
}

/// Checks the form of a URL that is itself a secret, such as a chat's webhook.
pub(super) fn url_with_secret(text: &str) -> Result<(), InvalidValue> {
    match parts(text) {
        Some(_) => Ok(()),
        None => {
            let invalid = InvalidValue::new(Code::Url, "invalid URL");
            Err(invalid.help("such as `https://hooks.example.com/…`"))
        }
    }
}

/// The parts of a URL that matter here.
struct UrlParts<'t> {
    scheme: &'t str,
    host: &'t str,
}

impl UrlParts<'_> {
    /// Whether it is plain HTTP to another machine.
    fn is_unencrypted(&self) -> bool {
        self.scheme == "http" && !is_loopback(self.host)
    }
}

/// Splits `http://HOST`, `https://HOST:PORT/REST` and the like. It accepts less than the standard,
/// so that a regular expression can state the same rule in the schema: plain ASCII, lower-case
/// scheme, no user.
fn parts(text: &str) -> Option<UrlParts<'_>> {
    let (scheme, rest) = text.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let is_port = authority.rsplit_once(':').filter(|(host, _)| is_host(host));
    let host = match is_port {
        Some((host, digits)) => port(digits).map(|_| host)?,
        None => Some(authority).filter(|host| is_host(host))?,
    };
    let fits = matches!(scheme, "http" | "https")
        && tail.bytes().all(|b| b.is_ascii_graphic())
        && Url::parse(text).is_ok();
    fits.then_some(UrlParts { scheme, host })
}

/// Whether `host` is a name, an IPv4 address or an IPv6 address in brackets.
fn is_host(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    (1..=HOST_MAX).contains(&host.len()) && host.bytes().all(is_name)
}

/// Parses a port from 1 to 65535 without leading zeros.
fn port(digits: &str) -> Option<u16> {
    let is_plain = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    is_plain.then(|| digits.parse().ok())?
}

fn is_loopback(host: &str) -> bool {
    // The schema's pattern accepts only this spelling of the IPv6 address.
    if host.starts_with('[') {
        return host == "[::1]";
    }
    // Not by `Host::parse`, which takes `127.1` and `0x7f000001` for addresses.
    match host.parse() {
        Ok(ip) => address::is_loopback(&Host::Ipv4(ip)),
        Err(_) => address::is_loopback(&Host::Domain(host)),
    }
}

/// Parses `ADDRESS:PORT`, with an IPv6 address in brackets.
pub(super) fn listen(text: &str) -> Result<SocketAddr, InvalidValue> {
    let is_plain = text.rsplit_once(':').is_some_and(|parts| port(parts.1).is_some());
    text.parse().ok().filter(|_| is_plain).ok_or_else(|| {
        InvalidValue::new(Code::Address, "invalid address: an IP address and a port are required")
            .help("such as `127.0.0.1:9477`, `0.0.0.0:9477` or `[::1]:9477`")
    })
}

/// Parses `HOST:PORT`; an IPv6 address must be in brackets.
pub(super) fn host_port(text: &str) -> Result<HostPort, InvalidValue> {
    let split = text.rsplit_once(':').filter(|(host, _)| is_host(host));
    split.and_then(|(host, digits)| Some((host, port(digits)?))).map_or_else(
        || {
            Err(InvalidValue::new(Code::Address, "invalid address: a host and a port are required")
                .help("such as `10.0.0.1:9997`, `db.example.com:5432` or `[fd00::1]:443`"))
        },
        |(host, port)| {
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            Ok(HostPort { host, port })
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_only() {
        for good in [
            "https://garm.example.com",
            "https://garm.example.com:8443/base/",
            "https://[fd00::1]:8443",
            "http://127.0.0.1:9997",
            "http://127.1.2.3",
            "http://localhost:80/",
            "http://[::1]:9997",
        ] {
            assert_eq!(
                url(good, PlainHttp::LoopbackOnly).as_deref(),
                Ok(good.trim_end_matches('/'))
            );
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
            "http://127.1",
            "http://0x7f000001",
            "https://garm.example.com:0",
            "https://garm.example.com:65536",
            "https://[::1",
            "https://é.example.com",
            "",
        ] {
            assert_eq!(
                url(bad, PlainHttp::LoopbackOnly).map_err(|invalid| invalid.code),
                Err(Code::Url),
                "{bad}"
            );
        }
        assert!(url("http://alertmanager:9093", PlainHttp::Anywhere).is_ok());
    }

    #[test]
    fn hosts_need_ports() {
        let host = |text| host_port(text).map(|parsed| (parsed.host, parsed.port)).ok();
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
    fn listeners_are_numeric_addresses() {
        assert!(listen("127.0.0.1:9477").is_ok() && listen("[::]:1").is_ok());
        for bad in ["localhost:1", "127.0.0.1", ":9477", "127.0.0.1:65536"] {
            assert!(listen(bad).is_err(), "{bad}");
        }
    }
}
