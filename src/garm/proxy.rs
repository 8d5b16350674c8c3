//! Proxies in the environment. They are not used for GARM, because the fleet file alone determines
//! how it is reached. If GARM cannot be reached, the error names the variable that other programs
//! would use.

use std::net::IpAddr;

use url::{Host, Url};

use crate::domain::address::is_loopback;

/// The variables for each scheme, in the order in which curl reads them.
const HTTPS: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
const HTTP: [&str; 3] = ["http_proxy", "all_proxy", "ALL_PROXY"];

/// The variable that names the proxy that other programs would use for `url`; `None` for this
/// machine and for a host that `NO_PROXY` covers. `variable` looks up an environment variable.
pub fn ignored_proxy(url: &str, variable: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let url = Url::parse(url).ok()?;
    let host = url.host().filter(|host| !is_loopback(host))?;
    let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let names: &[&str] = if url.scheme() == "https" { &HTTPS } else { &HTTP };
    let name = names.iter().copied().find(|name| set(name).is_some())?;
    let exceptions = set("no_proxy").or_else(|| set("NO_PROXY")).unwrap_or_default();
    let is_excepted = exceptions.split(',').any(|exception| covers(exception.trim(), &host));
    (!is_excepted).then_some(name)
}

/// Whether an entry of `NO_PROXY` covers the host. An entry is `*`, a domain (which includes its
/// subdomains), an address or a network.
fn covers(exception: &str, host: &Host<&str>) -> bool {
    let ip = match host {
        Host::Domain(name) => {
            let domain = exception.trim_start_matches("*.").trim_start_matches('.');
            let domain = domain.to_ascii_lowercase();
            let is_below = || name.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.'));
            return exception == "*" || !domain.is_empty() && (*name == domain || is_below());
        }
        Host::Ipv4(ip) => IpAddr::V4(*ip),
        Host::Ipv6(ip) => IpAddr::V6(*ip),
    };
    let (network, length) = match exception.split_once('/') {
        Some((network, length)) => (network, length.parse().ok()),
        None => (exception, Some(128)),
    };
    let network = network.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let in_network = network.zip(length).is_some_and(|(network, length)| {
        network.is_ipv4() == ip.is_ipv4() && prefix(network, length) == prefix(ip, length)
    });
    exception == "*" || in_network
}

/// The first `length` bits of an address.
fn prefix(ip: IpAddr, length: u32) -> u128 {
    let (bits, width) = match ip {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()), 32),
        IpAddr::V6(ip) => (ip.to_bits(), 128),
    };
    bits.checked_shr(width - length.min(width)).unwrap_or(0)
}

/// Adds a sentence about an unused proxy to the help of a failed connection.
pub(super) fn with_ignored(help: Option<String>, proxy: Option<&str>) -> Option<String> {
    let Some(name) = proxy else { return help };
    let sentence = format!(
        "`{name}` is set, but proxies of the environment are not used for GARM: the event stream \
         would not pass through them, so this machine needs a direct connection"
    );
    Some(help.map_or_else(|| sentence.clone(), |help| format!("{help}; {sentence}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, set: &[(&str, &str)], expected: Option<&str>) {
        let variable = |name: &str| {
            set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        assert_eq!(ignored_proxy(url, variable), expected, "{url} {set:?}");
    }

    #[test]
    fn the_variable_that_other_programs_would_use_is_named() {
        let proxy = "http://proxy:3128";
        check("https://garm.test", &[], None);
        check("https://garm.test", &[("HTTPS_PROXY", "")], None);
        check("https://garm.test", &[("HTTPS_PROXY", proxy)], Some("HTTPS_PROXY"));
        let both = [("HTTPS_PROXY", proxy), ("https_proxy", proxy)];
        check("https://garm.test", &both, Some("https_proxy"));
        check("https://garm.test", &[("ALL_PROXY", proxy)], Some("ALL_PROXY"));
        check("http://garm.test", &[("HTTPS_PROXY", proxy)], None);
        check("http://garm.test", &[("http_proxy", proxy)], Some("http_proxy"));
        check("http://127.0.0.1:9997", &[("ALL_PROXY", proxy)], None);
    }

    #[test]
    fn a_host_that_no_proxy_covers_needs_no_proxy() {
        let named = |url: &str, exceptions: &str, expected: Option<&str>| {
            check(url, &[("ALL_PROXY", "http://p"), ("NO_PROXY", exceptions)], expected);
        };
        for (url, exceptions) in [
            ("https://garm.test", "*"),
            ("https://garm.test", "other.test, garm.test"),
            ("https://garm.test", ".Test"),
            ("https://garm.test", "*.test"),
            ("https://10.1.2.3", "10.1.2.3"),
            ("https://10.1.2.3", "10.0.0.0/8"),
            ("https://10.1.2.3", "0.0.0.0/0"),
            ("https://[fd00::1]:8443", "fd00::/8"),
        ] {
            named(url, exceptions, None);
        }
        for (url, exceptions) in [
            ("https://garm.test", "arm.test"),
            ("https://garm.test", ","),
            ("https://garm.test", "x.garm.test"),
            ("https://10.1.2.3", "10.1.2.4/30,10.1.2,11.0.0.0/8"),
            ("https://[fd00::1]", "0.0.0.0/0"),
        ] {
            named(url, exceptions, Some("ALL_PROXY"));
        }
    }
}
