//! GitHub App credentials: what is asked for, what GARM shows of them, and the mark by which the
//! two are compared. GARM shows neither the App's ids nor its key, so the mark has to tell.

use std::fmt;

use jiff::Timestamp;

use super::name::FleetName;

/// The first word of a mark, before the fleet's name.
const MARK: &str = "runnerctl=";

/// How a fingerprint begins.
const SHA256: &str = "SHA256:";

/// Base64 of a SHA-256, in characters, padding included.
const DIGEST_LEN: usize = 44;

/// The SHA-256 of a public key (its DER `SubjectPublicKeyInfo`) as GitHub's page of an App prints
/// it: `SHA256:` and base64. Not a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Nothing when `text` is none.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(SHA256)?;
        let is_base64 = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'+' | b'/' | b'=');
        (digits.len() == DIGEST_LEN && digits.bytes().all(is_base64)).then(|| Self(text.to_owned()))
    }

    /// As GitHub prints it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A GitHub App as GARM is to have it. The private key itself is not here: no plan holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredCredential {
    /// Name in GARM.
    pub name: String,
    /// GARM's name of the GitHub endpoint.
    pub endpoint: String,
    /// The App's id.
    pub app_id: u64,
    /// The installation's id.
    pub installation_id: u64,
    /// Of the key that its reference leads to.
    pub key: Fingerprint,
}

impl DesiredCredential {
    /// The description by which the credential is known again.
    pub fn mark(&self, fleet: &FleetName) -> String {
        let Self { app_id, installation_id, key, .. } = self;
        format!("{MARK}{fleet} app={app_id} installation={installation_id} key={key}")
    }
}

/// How GARM signs in to GitHub with a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// As an App.
    App,
    /// Otherwise: with a personal access token, in GARM's own word.
    Other(String),
}

/// A credential as GARM shows it: everything but what it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// GARM's id.
    pub id: u64,
    /// Unique in GARM, whatever its case (measured).
    pub name: String,
    /// What somebody has written beside it; ours holds the mark.
    pub description: String,
    /// GARM's name of the GitHub endpoint.
    pub endpoint: String,
    /// How it signs in.
    pub auth: Auth,
}

impl Credential {
    /// Whether a fleet file means this one: GARM folds the case of names.
    pub fn is_named(&self, name: &str) -> bool {
        self.name.to_lowercase() == name.to_lowercase()
    }

    /// What its mark says; nothing without one.
    pub fn mark(&self) -> Option<CredentialMark> {
        CredentialMark::read(&self.description)
    }
}

/// What GitHub lets a credential ask, as GARM saw it last. GARM asks every 30 s, and keeps the last
/// answer while GitHub refuses the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests in an hour.
    pub limit: u64,
    /// Those of them that are left.
    pub remaining: u64,
    /// When the hour ends, on GitHub's clock.
    pub resets_at: Option<Timestamp>,
}

/// A mark, read. What it leaves out or garbles is unknown, and so a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialMark {
    /// Whose credential, as it stands there.
    pub fleet: String,
    /// The App's id.
    pub app_id: Option<u64>,
    /// The installation's id.
    pub installation_id: Option<u64>,
    /// Of the key that GARM was given last.
    pub key: Option<Fingerprint>,
}

impl CredentialMark {
    /// Reads the words of a description, in any order; words that are not ours are stepped over.
    /// Two marks in one are none.
    pub fn read(description: &str) -> Option<Self> {
        let words: Vec<&str> = description.split_whitespace().collect();
        let after = |key: &str| {
            let mut found = words.iter().filter_map(|it| it.strip_prefix(key));
            found.next().filter(|_| found.next().is_none())
        };
        Some(Self {
            fleet: after(MARK)?.to_owned(),
            app_id: after("app=").and_then(|it| it.parse().ok()),
            installation_id: after("installation=").and_then(|it| it.parse().ok()),
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
            key: key.map(|it| Fingerprint(it.into())),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
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
    fn what_a_mark_leaves_out_or_garbles_is_unknown() {
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
    fn a_fingerprint_has_the_form_that_github_prints() {
        assert_eq!(Fingerprint::parse(KEY).unwrap().to_string(), KEY);
        for bad in
            ["", "SHA256:", &KEY[7..], &KEY[..50], &KEY.replace('4', " "), &format!("{KEY}=")]
        {
            assert_eq!(Fingerprint::parse(bad), None, "{bad}");
        }
    }
}
