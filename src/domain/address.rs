//! Rules for addresses that more than one room applies.

use url::Host;

/// Whether `host` is this machine, decided without a lookup: `localhost`, or an address that never
/// leaves the machine. Plain HTTP to it can be read only on this machine.
pub fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

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
}
