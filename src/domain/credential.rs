//! GitHub App credentials: the declared ones, what GARM shows of its own, and the mark by which the
//! two are compared. GARM shows neither the App's ids nor its key, so a mark in the credential's
//! description records them.

use std::fmt;

use jiff::Timestamp;

use super::name::FleetName;

/// First word of a mark, followed by the fleet's name.
const MARK: &str = "runnerctl=";

const SHA256: &str = "SHA256:";

/// Length of a SHA-256 in base64, in characters, padding included.
const DIGEST_LEN: usize = 44;

/// The SHA-256 of a public key (its DER `SubjectPublicKeyInfo`), written as on the GitHub page of
/// an App: `SHA256:` and base64. It is not a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Returns `None` if `text` is not a fingerprint.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(SHA256)?;
        let is_base64 =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
        (digits.len() == DIGEST_LEN && digits.bytes().all(is_base64)).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A GitHub App as declared for GARM. It does not contain the private key, so that no plan holds
/// one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredCredential {
    pub name: String,
    /// GARM's name for the GitHub endpoint.
    pub endpoint: String,
    pub app_id: u64,
    pub installation_id: u64,
    /// Fingerprint of the key that the reference resolves to.
    pub key: Fingerprint,
}

impl DesiredCredential {
    /// The description that identifies the credential in GARM.
    pub fn mark(&self, fleet: &FleetName) -> String {
        let Self { app_id, installation_id, key, .. } = self;
        format!("{MARK}{fleet} app={app_id} installation={installation_id} key={key}")
    }
}

/// How GARM authenticates to GitHub with a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    App,
    /// Any other way, in GARM's own word; usually a personal access token.
    Other(String),
}

/// A credential as GARM shows it: everything except the secret itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    pub id: u64,
    /// Unique in GARM without regard to case (measured).
    pub name: String,
    /// Free text; this fleet's credentials hold their mark in it.
    pub description: String,
    /// GARM's name for the GitHub endpoint.
    pub endpoint: String,
    pub auth: Auth,
}

impl Credential {
    /// Whether `name` in a fleet file means this credential: GARM ignores the case of names.
    pub fn is_named(&self, name: &str) -> bool {
        self.name.to_lowercase() == name.to_lowercase()
    }

    /// The mark in its description, if there is one.
    pub fn mark(&self) -> Option<CredentialMark> {
        CredentialMark::read(&self.description)
    }
}

/// GitHub's rate limit of a credential, as GARM last saw it. GARM asks every 30 s and keeps the
/// last answer while GitHub refuses the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// The number of requests that GitHub allows per hour.
    pub limit: u64,
    /// Requests left in the current hour.
    pub remaining: u64,
    /// When the hour ends, by GitHub's clock.
    pub resets_at: Option<Timestamp>,
}

/// A parsed mark. A missing or malformed part is `None`, which counts as a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialMark {
    /// The owning fleet, as written.
    pub fleet: String,
    pub app_id: Option<u64>,
    pub installation_id: Option<u64>,
    /// Fingerprint of the key that GARM was last given.
    pub key: Option<Fingerprint>,
}

impl CredentialMark {
    /// Parses a description. Its words may stand in any order, and unknown words are ignored. A
    /// description with two fleets has no mark.
    pub fn read(description: &str) -> Option<Self> {
        let words: Vec<&str> = description.split_whitespace().collect();
        let after = |key: &str| {
            let mut found = words.iter().filter_map(|word| word.strip_prefix(key));
            found.next().filter(|_| found.next().is_none())
        };
        Some(Self {
            fleet: after(MARK)?.to_owned(),
            app_id: after("app=").and_then(|id| id.parse().ok()),
            installation_id: after("installation=").and_then(|id| id.parse().ok()),
            key: after("key=").and_then(Fingerprint::parse),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    fn mark(fleet: &str, ids: (Option<u64>, Option<u64>), key: Option<&str>) -> CredentialMark {
        CredentialMark {
            fleet: fleet.into(),
            app_id: ids.0,
            installation_id: ids.1,
            key: key.map(|digest| Fingerprint(digest.into())),
        }
    }

    #[test]
    fn a_written_mark_parses_to_the_same_values() {
        let desired = DesiredCredential {
            name: "app".into(),
            endpoint: "github.com".into(),
            app_id: 7,
            installation_id: u64::MAX,
            key: Fingerprint::parse(KEY).unwrap(),
        };
        let text = desired.mark(&FleetName::new("acme").unwrap());
        assert_eq!(
            text,
            format!("runnerctl=acme app=7 installation=18446744073709551615 key={KEY}")
        );
        let expected = mark("acme", (Some(7), Some(u64::MAX)), Some(KEY));
        assert_eq!(CredentialMark::read(&text), Some(expected));
    }

    #[test]
    fn missing_and_malformed_parts_of_a_mark_are_unknown() {
        let check = |text: &str, expected| assert_eq!(CredentialMark::read(text), expected);
        check("", None);
        check("the App of team a", None);
        check("xrunnerctl=acme", None);
        check("runnerctl=acme runnerctl=other", None);
        check("runnerctl=acme", Some(mark("acme", (None, None), None)));
        let text = format!("  the App key={KEY}\tinstallation=9\nrunnerctl=acme app=-7 ");
        check(&text, Some(mark("acme", (None, Some(9)), Some(KEY))));
        check("runnerctl=acme app=1 app=2 key=SHA256:x", Some(mark("acme", (None, None), None)));
    }

    #[test]
    fn fingerprints_have_the_format_that_github_prints() {
        assert_eq!(Fingerprint::parse(KEY).unwrap().to_string(), KEY);
        for bad in
            ["", "SHA256:", &KEY[7..], &KEY[..50], &KEY.replace('4', " "), &format!("{KEY}=")]
        {
            assert_eq!(Fingerprint::parse(bad), None, "{bad}");
        }
    }
}
