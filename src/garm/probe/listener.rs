//! Finds the addresses of GARM's own listener if the fleet file does not name them.
//!
//! GARM reports its host name and its URLs, but not the port on which it listens. Therefore its
//! default port is tried on each of these hosts.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::lookup_host;
use tokio::time::timeout;
use url::Url;

use crate::config::HostPort;
use crate::domain::fleet::Controller;

/// `[apiserver] port` of GARM's sample configuration.
const PORT: u16 = 9997;

/// The timeout for resolving a name.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);

/// The maximum number of addresses to probe. GARM's own settings determine the list, so it could be
/// long.
const ADDRESSES_MAX: usize = 8;

/// The hosts on which GARM may run: those that it reports and the one in its URL.
pub(super) fn hosts(url: &str, controller: &Controller) -> Vec<String> {
    let urls = [url, &controller.callback_url, &controller.metadata_url, &controller.webhook_url];
    let urls: Vec<Url> = urls.into_iter().filter_map(|url| Url::parse(url).ok()).collect();
    // A host with a URL on GARM's default port is probed at that URL already.
    let fronts: BTreeSet<&str> = urls
        .iter()
        .filter(|url| url.port_or_known_default() == Some(PORT))
        .filter_map(Url::host_str)
        .collect();
    let named = urls.iter().filter_map(Url::host_str).chain([controller.hostname.as_str()]);
    let hosts: BTreeSet<&str> =
        named.filter(|host| !host.is_empty() && !fronts.contains(host)).collect();
    hosts.into_iter().map(|host| host.trim_matches(['[', ']']).to_owned()).collect()
}

/// The addresses at which these hosts may listen. Names that do not resolve are omitted. So are
/// loopback addresses, on which GARM should listen if a reverse proxy runs on the same machine.
pub(super) async fn listeners(hosts: &[String]) -> Vec<HostPort> {
    let lookups = hosts.iter().map(|host| async move {
        let found = timeout(LOOKUP_TIMEOUT, lookup_host((host.as_str(), PORT))).await;
        found
            .ok()
            .and_then(Result::ok)
            .map(Iterator::collect::<Vec<SocketAddr>>)
            .unwrap_or_default()
    });
    let found =
        join_all(lookups).await.into_iter().flatten().map(|address| address.ip().to_canonical());
    let elsewhere: BTreeSet<IpAddr> =
        found.filter(|address| !address.is_loopback() && !address.is_unspecified()).collect();
    let listener = |address: IpAddr| HostPort { host: address.to_string(), port: PORT };
    elsewhere.into_iter().take(ADDRESSES_MAX).map(listener).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controller(hostname: &str, callback: &str, metadata: &str) -> Controller {
        Controller {
            id: String::new(),
            version: String::new(),
            backoff: Duration::ZERO,
            hostname: hostname.into(),
            metadata_url: metadata.into(),
            callback_url: callback.into(),
            webhook_url: String::new(),
        }
    }

    #[test]
    fn hosts_are_those_that_garm_reports_and_that_are_not_probed_as_proxies() {
        let reported =
            controller("garm-1", "https://garm.test/api/v1/callbacks", "https://[2001:db8::1]/m");
        assert_eq!(
            hosts("https://garm.test:8443", &reported),
            ["2001:db8::1", "garm-1", "garm.test"]
        );
        assert_eq!(hosts("http://garm.test:9997", &reported), ["2001:db8::1", "garm-1"]);
        assert_eq!(hosts("https://a", &controller("", "", "no URL")), ["a"]);
    }

    #[tokio::test]
    async fn loopback_and_unresolvable_names_are_left_out() {
        let hosts =
            ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "192.0.2.7", "no-such.invalid"];
        let found = listeners(&hosts.map(str::to_owned)).await;
        assert_eq!(found, [HostPort { host: "192.0.2.7".into(), port: 9997 }]);
    }
}
