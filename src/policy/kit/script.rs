//! The text of the kit.

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::Parts;
use crate::manifest::HostPort;

const BEGIN: &str = include_str!("begin.sh");
const REACH: &str = include_str!("reach.sh");
const MTLS: &str = include_str!("mtls.sh");
const END: &str = include_str!("end.sh");

/// Where a kit is at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The folder that stands for `/`; empty for `/` itself.
    pub root: PathBuf,
    /// `USER:GROUP` of the account that jobs run under.
    pub owner: String,
}

impl Place {
    /// A runner: the account is GARM's own (`runner`, in `/home/runner`).
    pub fn runner() -> Self {
        Self { root: PathBuf::new(), owner: "runner:runner".to_owned() }
    }
}

/// The script. It holds the private key, and nothing of it comes from outside but PEM, hosts and
/// ports.
pub fn script(parts: &Parts, place: &Place) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(16 << 10));
    text.push_str(&BEGIN.replace("@ROOT@", &quoted(&shown(&place.root))));
    if !parts.must_not_reach.is_empty() {
        let places: Vec<String> = parts.must_not_reach.iter().map(target).collect();
        text.push_str(&REACH.replace("@PLACES@", &places.join(" ")));
    }
    if let Some(identity) = &parts.identity {
        let fill = [
            ("@CERT@", lines(&identity.cert)),
            ("@KEY@", lines(identity.key.expose_secret())),
            ("@CA@", lines(&identity.ca)),
            ("@OWNER@", Zeroizing::new(quoted(&place.owner))),
        ];
        let mut rest = MTLS;
        for (mark, value) in &fill {
            // The marks stand in this order.
            let Some((before, after)) = rest.split_once(mark) else { continue };
            text.push_str(before);
            text.push_str(value);
            rest = after;
        }
        text.push_str(rest);
    }
    text.push_str(END);
    text
}

/// As bash's `/dev/tcp/` takes it.
fn target(place: &HostPort) -> String {
    quoted(&format!("{}/{}", place.host, place.port))
}

/// A word of the shell that means just this text.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// PEM that ends its last line.
fn lines(pem: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(pem.len() + 1));
    text.push_str(pem.trim_end());
    text.push('\n');
    text
}
