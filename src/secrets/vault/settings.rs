//! Vault's address and credentials, from the environment variables of Vault's own tools.

use std::ffi::OsString;
use std::path::PathBuf;

use secrecy::SecretString;

use super::super::error::SourceError;
use crate::domain::address::{PlainHttp, base_url};

/// The file in which Kubernetes mounts the token of a pod.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

#[derive(Debug, Clone)]
pub struct VaultSettings {
    /// `VAULT_ADDR` without a trailing slash: an `https://` URL, or `http://` for this machine.
    pub address: String,
    /// The namespace in `VAULT_NAMESPACE`, if it is set.
    pub namespace: Option<String>,
    /// `VAULT_CACERT`: the CA that signed Vault's certificate. It replaces the system's roots.
    pub ca: Option<PathBuf>,
    pub access: VaultAuth,
}

/// How to authenticate. The first method whose variables are set is used.
#[derive(Debug, Clone)]
pub enum VaultAuth {
    /// The token in `VAULT_TOKEN`.
    Token(SecretString),
    /// A login with `VAULT_ROLE_ID` and `VAULT_SECRET_ID`.
    AppRole { role_id: String, secret_id: SecretString },
    /// A login with the role in `VAULT_K8S_ROLE` and the pod's own token.
    Kubernetes {
        role: String,
        /// The file with the pod's token.
        token: PathBuf,
    },
}

/// Looks up an environment variable.
type EnvLookup<'l> = &'l dyn Fn(&str) -> Option<OsString>;

impl VaultSettings {
    /// Reads the variables. An empty variable counts as unset. `VAULT_SKIP_VERIFY` is ignored,
    /// because certificate checks cannot be turned off.
    pub(in crate::secrets) fn read(look: EnvLookup<'_>) -> Result<Self, SourceError> {
        let address = text(look, "VAULT_ADDR")?.ok_or_else(|| {
            SourceError::new("`VAULT_ADDR` is not set")
                .help("set it to the URL of Vault, such as `https://vault.example.com:8200`")
        })?;
        Ok(Self {
            address: checked(&address)?,
            namespace: text(look, "VAULT_NAMESPACE")?,
            ca: look("VAULT_CACERT").filter(|path| !path.is_empty()).map(PathBuf::from),
            access: access(look)?,
        })
    }
}

fn access(look: EnvLookup<'_>) -> Result<VaultAuth, SourceError> {
    if let Some(token) = text(look, "VAULT_TOKEN")? {
        return Ok(VaultAuth::Token(SecretString::from(token)));
    }
    let half = |there: &str, missing: &str| {
        SourceError::new(format!("`{there}` is set without `{missing}`"))
            .help("an AppRole requires both")
    };
    match (text(look, "VAULT_ROLE_ID")?, text(look, "VAULT_SECRET_ID")?) {
        (Some(role_id), Some(secret_id)) => {
            return Ok(VaultAuth::AppRole { role_id, secret_id: SecretString::from(secret_id) });
        }
        (Some(_), None) => return Err(half("VAULT_ROLE_ID", "VAULT_SECRET_ID")),
        (None, Some(_)) => return Err(half("VAULT_SECRET_ID", "VAULT_ROLE_ID")),
        (None, None) => {}
    }
    match text(look, "VAULT_K8S_ROLE")? {
        Some(role) => Ok(VaultAuth::Kubernetes { role, token: PathBuf::from(SERVICE_ACCOUNT) }),
        None => Err(SourceError::new("there are no credentials for Vault").help(
            "set `VAULT_TOKEN`, or `VAULT_ROLE_ID` and `VAULT_SECRET_ID`, or `VAULT_K8S_ROLE`",
        )),
    }
}

fn text(look: EnvLookup<'_>, name: &str) -> Result<Option<String>, SourceError> {
    match look(name).filter(|value| !value.is_empty()) {
        None => Ok(None),
        // The error is dropped, because it contains the value.
        Some(value) => match value.into_string() {
            Ok(text) if text.chars().all(|letter| letter.is_ascii_graphic()) => Ok(Some(text)),
            Ok(_) | Err(_) => Err(SourceError::new(format!(
                "`{name}` contains characters that are invalid in a request"
            ))),
        },
    }
}

/// Checks the URL: secrets may be sent unencrypted only within this machine.
fn checked(address: &str) -> Result<String, SourceError> {
    let url = base_url(address, PlainHttp::LoopbackOnly).map_err(|error| {
        SourceError::new(format!("`VAULT_ADDR`: {error}"))
            .help("use a URL such as `https://vault.example.com:8200`")
    })?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The settings from these variables, as text without secrets.
    fn read(variables: &[(&str, &str)]) -> Result<String, String> {
        let look = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        };
        let settings = VaultSettings::read(&look).map_err(|why| {
            assert!(!format!("{why:?}").contains("canary"), "{why:?}");
            why.got
        })?;
        assert!(!format!("{settings:?}").contains("canary"), "{settings:?}");
        let access = match &settings.access {
            VaultAuth::Token(_) => "token".to_owned(),
            VaultAuth::AppRole { role_id, .. } => format!("role {role_id}"),
            VaultAuth::Kubernetes { role, token } => format!("pod {role} by {}", token.display()),
        };
        Ok(format!("{} {:?} {access}", settings.address, settings.namespace))
    }

    const ADDR: (&str, &str) = ("VAULT_ADDR", "https://vault.test:8200/");
    const TOKEN: (&str, &str) = ("VAULT_TOKEN", "canary-token");

    #[test]
    fn the_first_available_method_is_used() {
        let role = [("VAULT_ROLE_ID", "r1"), ("VAULT_SECRET_ID", "canary-secret")];
        let pod = ("VAULT_K8S_ROLE", "runners");
        let at = "https://vault.test:8200 None";
        for (variables, expected) in [
            (vec![ADDR, TOKEN, role[0], role[1], pod], format!("{at} token")),
            (vec![ADDR, ("VAULT_TOKEN", ""), role[0], role[1], pod], format!("{at} role r1")),
            (vec![ADDR, pod], format!("{at} pod runners by {SERVICE_ACCOUNT}")),
            (
                vec![ADDR, TOKEN, ("VAULT_NAMESPACE", "team/a")],
                "https://vault.test:8200 Some(\"team/a\") token".into(),
            ),
        ] {
            assert_eq!(read(&variables), Ok(expected));
        }
    }

    #[test]
    fn missing_and_incomplete_variables_are_reported() {
        let nothing = "there are no credentials for Vault";
        for (variables, expected) in [
            (vec![TOKEN], "`VAULT_ADDR` is not set"),
            (vec![("VAULT_ADDR", ""), TOKEN], "`VAULT_ADDR` is not set"),
            (vec![ADDR], nothing),
            (
                vec![ADDR, ("VAULT_ROLE_ID", "r")],
                "`VAULT_ROLE_ID` is set without `VAULT_SECRET_ID`",
            ),
            (
                vec![ADDR, ("VAULT_SECRET_ID", "canary")],
                "`VAULT_SECRET_ID` is set without `VAULT_ROLE_ID`",
            ),
            (
                vec![ADDR, ("VAULT_TOKEN", "canary\nX: y")],
                "`VAULT_TOKEN` contains characters that are invalid in a request",
            ),
        ] {
            assert_eq!(read(&variables), Err(expected.into()));
        }
    }

    #[test]
    fn addresses_that_would_leak_secrets_are_refused() {
        let at = |address| read(&[("VAULT_ADDR", address), TOKEN]).err();
        assert_eq!(at("http://127.0.0.1:8200"), None);
        assert_eq!(at("https://vault.test/under/a/path"), None);
        for (address, expected) in [
            ("http://vault.test", "`http://` would send secrets unencrypted"),
            ("https://canary:canary@vault.test", "it contains a user name or a password"),
            ("https://vault.test?canary", "it contains a query"),
            ("ftp://vault.test", "`ftp:` is neither `https:` nor `http:`"),
            ("vault.test:8200", "it has no host"),
            ("nonsense", "it does not begin with `https://`"),
        ] {
            let got = at(address).unwrap();
            assert!(got.starts_with(&format!("`VAULT_ADDR`: {expected}")), "{address}: {got}");
        }
    }
}
