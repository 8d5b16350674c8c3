//! Generates the script of the runner kit.

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::KitParts;
use crate::config::HostPort;

const BEGIN: &str = include_str!("begin.sh");
const REACH: &str = include_str!("reach.sh");
const MTLS: &str = include_str!("mtls.sh");
const SHARED: &str = include_str!("shared.sh");
const SIGNED: &str = include_str!("signed.sh");
const PROVE: &str = include_str!("prove.sh");
const END: &str = include_str!("end.sh");

/// The system on which a kit runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KitTarget {
    /// The folder that is used as `/`; empty for `/` itself.
    pub root: PathBuf,
    /// `USER:GROUP` of the account that runs jobs.
    pub owner: String,
}

impl KitTarget {
    /// A runner, where jobs run as the account that GARM's install script creates (`runner`).
    pub fn runner() -> Self {
        Self { root: PathBuf::new(), owner: "runner:runner".to_owned() }
    }
}

/// Generates the script, which may contain the private key. Its only external input is PEM, a URL,
/// hosts and ports.
pub fn script(parts: &KitParts, place: &KitTarget) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(16 << 10));
    text.push_str(&lean(BEGIN).replace("@ROOT@", &quoted(&shown(&place.root))));
    if !parts.must_not_reach.is_empty() {
        let places: Vec<String> = parts.must_not_reach.iter().map(target).collect();
        text.push_str(&lean(REACH).replace("@PLACES@", &places.join(" ")));
    }
    let (ca, certificate, fill) = match (&parts.identity, &parts.signer) {
        (Some(identity), _) => (
            &identity.ca,
            SHARED,
            vec![("@CERT@", word(&identity.cert)), ("@KEY@", word(identity.key.expose_secret()))],
        ),
        (None, Some(signer)) => (&signer.ca, SIGNED, vec![("@SIGNER@", word(&signer.url))]),
        (None, None) => {
            text.push_str(&lean(END));
            return text;
        }
    };
    push(&mut text, MTLS, &[("@CA@", word(ca))]);
    push(&mut text, certificate, &fill);
    push(&mut text, PROVE, &[("@OWNER@", word(&place.owner))]);
    text.push_str(&lean(END));
    text
}

/// Appends a part and fills in its placeholders, which must occur in the order of `fill`.
fn push(text: &mut Zeroizing<String>, part: &str, fill: &[(&str, Zeroizing<String>)]) {
    let part = lean(part);
    let mut rest = part.as_str();
    for (mark, value) in fill {
        let Some((before, after)) = rest.split_once(mark) else { continue };
        text.push_str(before);
        text.push_str(value);
        rest = after;
    }
    text.push_str(rest);
}

/// Removes comments, blank lines and indentation, because the size of user data is limited.
fn lean(part: &str) -> String {
    let lines = part.lines().map(str::trim_start);
    let lines =
        lines.filter(|line| !line.is_empty() && (!line.starts_with('#') || line.starts_with("#!")));
    lines.map(|line| format!("{line}\n")).collect()
}

/// An address in the form of bash's `/dev/tcp/`.
fn target(place: &HostPort) -> String {
    quoted(&format!("{}/{}", place.host, place.port))
}

/// Quotes text as a single word of the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Quotes text as a single word of the shell, without trailing white space.
fn word(text: &str) -> Zeroizing<String> {
    Zeroizing::new(quoted(text.trim_end()))
}
