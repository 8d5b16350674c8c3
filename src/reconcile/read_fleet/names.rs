//! Reads what GARM has of the kinds of objects that files refer to by name, without the fleet.

use crate::domain::entity::{Entity, EntityKind};
use crate::domain::fleet::{Provider, Proxy, Template};
use crate::garm::{GarmClient, GarmError};

/// The objects to read besides the providers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamesRequest {
    /// The kinds of entities to read.
    pub kinds: Vec<EntityKind>,
    /// Whether to read the install templates.
    pub templates: bool,
    /// Whether to read the proxies.
    pub proxies: bool,
    /// Whether to read the endpoints of GitHub and Gitea.
    pub endpoints: bool,
    /// Whether to find out if this GARM has scale sets.
    pub scale_sets: bool,
}

/// The objects that GARM has; empty if they were not requested.
#[derive(Debug, Clone, Default)]
pub struct GarmNames {
    pub providers: Vec<Provider>,
    pub entities: Vec<Entity>,
    pub templates: Vec<Template>,
    pub proxies: Vec<Proxy>,
    /// The names of the endpoints of GitHub and Gitea.
    pub endpoints: Vec<String>,
    /// Whether this GARM has scale sets; absent if that was not requested.
    pub has_scale_sets: Option<bool>,
}

/// Reads the providers and what is requested, one request after another.
pub async fn read_names(
    client: &GarmClient,
    request: &NamesRequest,
) -> Result<GarmNames, GarmError> {
    let mut names = GarmNames { providers: client.providers().await?, ..GarmNames::default() };
    for kind in &request.kinds {
        names.entities.extend(client.entities(*kind).await?);
    }
    if request.templates {
        names.templates = client.templates().await?;
    }
    if request.proxies {
        names.proxies = client.proxies().await?;
    }
    if request.endpoints {
        names.endpoints = client.endpoints().await?;
    }
    if request.scale_sets {
        client.scale_sets().await?;
        names.has_scale_sets = Some(client.has_scale_sets());
    }
    Ok(names)
}
