//! GARM's settings, providers, templates and proxies.

use std::time::Duration;

use serde::Deserialize;

use super::lenient::or_default;
use super::{DecodeError, decode, list};
use crate::domain::fleet::{Controller, Provider, Proxy, Template};

/// The owner of GARM's built-in templates.
const SYSTEM: &str = "system";

#[derive(Deserialize)]
struct WireController {
    controller_id: String,
    #[serde(default, deserialize_with = "or_default")]
    version: String,
    #[serde(default, deserialize_with = "or_default")]
    minimum_job_age_backoff: u64,
    #[serde(default, deserialize_with = "or_default")]
    hostname: String,
    #[serde(default, deserialize_with = "or_default")]
    metadata_url: String,
    #[serde(default, deserialize_with = "or_default")]
    callback_url: String,
    #[serde(default, deserialize_with = "or_default")]
    webhook_url: String,
}

#[derive(Deserialize)]
struct WireTemplate {
    id: u64,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    os_type: String,
    #[serde(default, deserialize_with = "or_default")]
    forge_type: String,
    #[serde(default, deserialize_with = "or_default")]
    owner_id: String,
}

#[derive(Deserialize)]
struct WireProxy {
    id: u64,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
}

#[derive(Deserialize)]
struct WireProvider {
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, rename = "type", deserialize_with = "or_default")]
    kind: String,
    #[serde(default, deserialize_with = "or_default")]
    description: String,
}

/// `GET /controller-info`, and the response to a PUT. A response without the id is not from GARM.
pub(in crate::garm) fn controller(body: &[u8]) -> Result<Controller, DecodeError> {
    let wire: WireController = decode(body)?;
    Ok(Controller {
        id: wire.controller_id,
        version: wire.version,
        backoff: Duration::from_secs(wire.minimum_job_age_backoff),
        hostname: wire.hostname,
        metadata_url: wire.metadata_url,
        callback_url: wire.callback_url,
        webhook_url: wire.webhook_url,
    })
}

/// `GET /providers`.
pub(in crate::garm) fn providers(body: &[u8]) -> Result<Vec<Provider>, DecodeError> {
    let wire = list::<WireProvider>(body)?;
    Ok(wire
        .into_iter()
        .map(|provider| Provider {
            name: provider.name,
            kind: provider.kind,
            description: provider.description,
        })
        .collect())
}

/// `GET /templates`.
pub(in crate::garm) fn templates(body: &[u8]) -> Result<Vec<Template>, DecodeError> {
    let wire = list::<WireTemplate>(body)?;
    Ok(wire
        .into_iter()
        .map(|template| Template {
            id: template.id,
            name: template.name,
            os_type: template.os_type,
            forge: template.forge_type,
            is_system: template.owner_id == SYSTEM,
        })
        .collect())
}

/// `GET /proxies`.
pub(in crate::garm) fn proxies(body: &[u8]) -> Result<Vec<Proxy>, DecodeError> {
    let wire = list::<WireProxy>(body)?;
    Ok(wire.into_iter().map(|proxy| Proxy { id: proxy.id, name: proxy.name }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_backoff_is_zero() {
        let got = controller(br#"{"controller_id":"c"}"#).unwrap();
        let expected = Controller {
            id: "c".into(),
            version: String::new(),
            backoff: Duration::ZERO,
            hostname: String::new(),
            metadata_url: String::new(),
            callback_url: String::new(),
            webhook_url: String::new(),
        };
        assert_eq!(got, expected);
    }

    #[test]
    fn a_response_without_an_id_is_not_from_garm() {
        assert!(controller(br#"{"status":"ok"}"#).is_err());
    }
}
