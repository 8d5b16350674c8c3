//! Endpoints, credentials, templates, providers, the controller and its user as JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::config::Forge;
use super::entity::{CredentialsRow, EndpointRow, EntityRow, EntityType, TemplateRow};
use super::json::{Object, Truth, list, quoted, zero_time};
use super::rest_view::Depth;
use super::world::World;

impl World {
    pub(super) fn show_endpoint_of(&self, entity: &EntityRow) -> String {
        self.credentials
            .get(&entity.credentials)
            .and_then(|credentials| self.endpoint_named(&credentials.endpoint))
            .map_or_else(|| self.show_no_endpoint(), |endpoint| self.show_endpoint(endpoint))
    }

    /// The name of an entity's endpoint.
    pub(super) fn endpoint_name_of(&self, entity: &EntityRow) -> &str {
        self.credentials.get(&entity.credentials).map_or("", |credentials| &credentials.endpoint)
    }

    pub(super) fn endpoint_named(&self, name: &str) -> Option<&EndpointRow> {
        self.endpoints.iter().find(|endpoint| endpoint.name.eq_ignore_ascii_case(name))
    }

    pub(super) fn show_no_endpoint(&self) -> String {
        Object::new().time("created_at", zero_time()).time("updated_at", zero_time()).end()
    }

    pub(super) fn show_endpoint(&self, endpoint: &EndpointRow) -> String {
        Object::new()
            .text("name", &endpoint.name)
            .text_if("description", &endpoint.description)
            .text("api_base_url", &endpoint.api_url)
            .text("upload_base_url", &endpoint.upload_url)
            .text("base_url", &endpoint.base_url)
            .time("created_at", endpoint.created_at)
            .time("updated_at", endpoint.updated_at)
            .text("endpoint_type", endpoint.forge.word())
            .end()
    }

    pub(super) fn show_credentials(&self, credentials: &CredentialsRow) -> String {
        self.credentials_fields(credentials, Depth::Inner).end()
    }

    fn credentials_fields(&self, credentials: &CredentialsRow, depth: Depth) -> Object {
        let users = |kind| {
            let rows = self.entities.iter().filter(move |(_, entity)| {
                depth == Depth::One && entity.kind == kind && entity.credentials == credentials.id
            });
            rows.map(|(key, entity)| self.show_entity(*key, entity, Depth::Inner))
        };
        let endpoint = self.endpoint_named(&credentials.endpoint);
        let url = |url: fn(&EndpointRow) -> &String| {
            endpoint.map_or("", |endpoint| url(endpoint).as_str())
        };
        let shown = endpoint
            .map_or_else(|| self.show_no_endpoint(), |endpoint| self.show_endpoint(endpoint));
        let forge = endpoint.map_or(Forge::GitHub, |endpoint| endpoint.forge);
        Object::new()
            .number("id", credentials.id)
            .text_if("name", &credentials.name)
            .text_if("description", &credentials.description)
            .text_if("api_base_url", url(|endpoint| &endpoint.api_url))
            .text_if("upload_base_url", url(|endpoint| &endpoint.upload_url))
            .text_if("base_url", url(|endpoint| &endpoint.base_url))
            .text("auth-type", &credentials.auth_type)
            .text("forge_type", forge.word())
            .list_if("repositories", users(EntityType::Repository))
            .list_if("organizations", users(EntityType::Organization))
            .list_if("enterprises", users(EntityType::Enterprise))
            .raw("endpoint", &shown)
            .time("created_at", credentials.created_at)
            .time("updated_at", credentials.updated_at)
    }

    /// Only the response for one id names the users of the credentials.
    pub(super) fn show_credentials_alone(&self, credentials: &CredentialsRow) -> String {
        self.with_limit(credentials, self.credentials_fields(credentials, Depth::One))
    }

    /// The list of credentials contains GitHub's rate limit.
    pub(super) fn show_credentials_with_limit(&self, credentials: &CredentialsRow) -> String {
        self.with_limit(credentials, self.credentials_fields(credentials, Depth::List))
    }

    /// Unused credentials have made no call to GitHub, so their limit is unknown.
    fn with_limit(&self, credentials: &CredentialsRow, fields: Object) -> String {
        match self.is_used(credentials.id) {
            true => fields.raw("rate_limit", &self.show_rate_limit()).end(),
            false => fields.end(),
        }
    }

    fn show_rate_limit(&self) -> String {
        Object::new()
            .number("limit", 15_000)
            .number("used", 1)
            .number("remaining", 14_999)
            .number("reset", self.now.as_second() + 3600)
            .end()
    }

    /// `data` is null in the list and base64 by id (GARM.md §a).
    pub(super) fn show_template(&self, template: &TemplateRow, depth: Depth) -> String {
        let body = match depth {
            Depth::List => "null".to_owned(),
            Depth::One | Depth::Write | Depth::Event | Depth::Inner => {
                quoted(&STANDARD.encode(&template.body))
            }
        };
        Object::new()
            .number("id", template.id)
            .time("created_at", template.created_at)
            .time("updated_at", template.updated_at)
            .text("name", &template.name)
            .text("description", &template.description)
            .text("os_type", &template.os_type)
            .text_if("forge_type", &template.forge_type)
            .raw("data", &body)
            .text_if("owner_id", &template.owner)
            .end()
    }

    pub(super) fn show_providers(&self) -> String {
        list(self.config.providers.iter().map(|name| {
            Object::new()
                .text("name", name)
                .text("type", "external")
                .text("description", &format!("simulated provider {name}"))
                .end()
        }))
    }

    /// The response to PUT and events have no `hostname` (measured).
    pub(super) fn show_controller(&self, depth: Depth) -> String {
        let controller = &self.controller;
        let hostname = if depth == Depth::One { "garm-sim" } else { "" };
        Object::new()
            .text("controller_id", &controller.id)
            .text_if("hostname", hostname)
            .text_if("metadata_url", &controller.metadata_url)
            .text_if("callback_url", &controller.callback_url)
            .text_if("webhook_url", &controller.webhook_url)
            .text_if("controller_webhook_url", &controller.own_webhook_url())
            .text_if("agent_url", &controller.agent_url)
            .text(
                "garm_agent_releases_url",
                "https://api.github.com/repos/cloudbase/garm-agent/releases",
            )
            .raw("enable_agent_tools_sync", "false")
            .text("garm_agent_version", "")
            .raw("allow_insecure_garm_agent", "false")
            .number_if("minimum_job_age_backoff", controller.backoff)
            .text("version", self.config.variant.version.word())
            .end()
    }

    pub(super) fn show_user(&self, email: &str, full_name: &str) -> String {
        Object::new()
            .text("id", &self.controller.user_id)
            .time("created_at", self.now)
            .time("updated_at", self.now)
            .text("email", email)
            .text("username", &self.config.username)
            .text_if("full_name", full_name)
            .truth("enabled", Truth(true))
            .truth("is_admin", Truth(true))
            .end()
    }
}
