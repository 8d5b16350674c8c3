//! GARM's credentials for GitHub. Responses never contain the secrets or an App's ids (measured);
//! requests contain the private key as base64 of its PEM.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::lenient::or_default;
use super::{DecodeError, decode, list};
use crate::domain::credential::{Auth, Credential, DesiredCredential, RateLimit};

#[derive(Deserialize)]
struct WireCredential {
    id: u64,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    description: String,
    #[serde(default, rename = "auth-type", deserialize_with = "or_default")]
    auth: String,
    #[serde(default, deserialize_with = "or_default")]
    endpoint: WireEndpointName,
}

#[derive(Default, Deserialize)]
struct WireEndpointName {
    #[serde(default, deserialize_with = "or_default")]
    name: String,
}

impl From<WireCredential> for Credential {
    fn from(wire: WireCredential) -> Self {
        Self {
            id: wire.id,
            name: wire.name,
            description: wire.description,
            endpoint: wire.endpoint.name,
            auth: if wire.auth == "app" { Auth::App } else { Auth::Other(wire.auth) },
        }
    }
}

/// `GET /github/credentials`.
pub(in crate::garm) fn credentials(body: &[u8]) -> Result<Vec<Credential>, DecodeError> {
    Ok(list::<WireCredential>(body)?.into_iter().map(Credential::from).collect())
}

#[derive(Deserialize)]
struct WireCredentialLimit {
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    rate_limit: Option<WireRateLimit>,
}

#[derive(Deserialize)]
struct WireRateLimit {
    #[serde(default, deserialize_with = "or_default")]
    limit: u64,
    #[serde(default, deserialize_with = "or_default")]
    remaining: u64,
    #[serde(default, deserialize_with = "or_default")]
    reset: i64,
}

/// The rate limits in `GET /github/credentials`, by name. Credentials that GARM has not used yet
/// have none.
pub(in crate::garm) fn rate_limits(
    body: &[u8],
) -> Result<BTreeMap<String, RateLimit>, DecodeError> {
    let limit = |wire: WireCredentialLimit| {
        let WireRateLimit { limit, remaining, reset } = wire.rate_limit?;
        let resets_at = Timestamp::from_second(reset).ok().filter(|_| reset > 0);
        Some((wire.name, RateLimit { limit, remaining, resets_at }))
    };
    Ok(list::<WireCredentialLimit>(body)?.into_iter().filter_map(limit).collect())
}

/// `GET /github/endpoints`.
pub(in crate::garm) fn endpoints(body: &[u8]) -> Result<Vec<String>, DecodeError> {
    Ok(list::<WireEndpointName>(body)?.into_iter().map(|endpoint| endpoint.name).collect())
}

/// The response to POST and PUT.
pub(in crate::garm) fn credential(body: &[u8]) -> Result<Credential, DecodeError> {
    decode::<WireCredential>(body).map(Credential::from)
}

/// `POST /github/credentials`.
pub(in crate::garm) fn new_credential_body(
    wanted: &DesiredCredential,
    mark: &str,
    key: &SecretString,
) -> Value {
    json!({
        "name": wanted.name,
        "description": mark,
        "endpoint": wanted.endpoint,
        "auth_type": "app",
        "app": app(wanted, key),
    })
}

/// `PUT /github/credentials/ID`. GARM accepts only a complete App, and returns 200 for an endpoint
/// without setting it (measured).
pub(in crate::garm) fn credential_body(
    wanted: &DesiredCredential,
    mark: &str,
    key: &SecretString,
) -> Value {
    json!({ "description": mark, "app": app(wanted, key) })
}

fn app(wanted: &DesiredCredential, key: &SecretString) -> Value {
    json!({
        "app_id": wanted.app_id,
        "installation_id": wanted.installation_id,
        "private_key_bytes": STANDARD.encode(key.expose_secret()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_fields_are_empty_and_other_auth_types_keep_their_name() {
        let got = credentials(
            br#"[{"id":1,"name":"a","auth-type":"pat"},
                 {"id":2,"name":"b","description":"d","auth-type":"app","endpoint":{"name":"e"}}]"#,
        );
        let bare = Credential {
            id: 1,
            name: "a".into(),
            description: String::new(),
            endpoint: String::new(),
            auth: Auth::Other("pat".into()),
        };
        let app = Credential {
            id: 2,
            name: "b".into(),
            description: "d".into(),
            endpoint: "e".into(),
            auth: Auth::App,
        };
        assert_eq!(got, Ok(vec![bare, app]));
        let limited = rate_limits(
            br#"[{"name":"a","rate_limit":{"limit":5000,"used":5000,"reset":1795480897}},
                 {"name":"b","rate_limit":null},{"name":"c"}]"#,
        );
        let resets_at = Timestamp::from_second(1_795_480_897).ok();
        let used_up = RateLimit { limit: 5_000, remaining: 0, resets_at };
        assert_eq!(limited, Ok([("a".to_owned(), used_up)].into()));
        assert_eq!(credentials(b"null"), Ok(vec![]));
        assert!(credential(b"{}").is_err());
    }
}
