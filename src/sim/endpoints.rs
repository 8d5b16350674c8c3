//! The GitHub endpoints of GARM (measured).

use super::body::Body;
use super::config::Forge;
use super::entity::EndpointRow;
use super::json::list;
use super::reply::{ApiRefusal, ApiReply};
use super::world::World;

const CREATING: &str = "failed to create github endpoint: error creating github endpoint";
const UPDATING: &str = "failed to update github endpoint: error updating github endpoint";

impl World {
    pub(super) fn route_endpoints(
        &mut self,
        method: &str,
        rest: &[&str],
        body: &[u8],
    ) -> Result<ApiReply, ApiRefusal> {
        match (method, rest) {
            ("GET", []) => Ok(ApiReply::json(list(
                self.endpoints.iter().map(|endpoint| self.show_endpoint(endpoint)),
            ))),
            ("POST", []) => self.create_endpoint(body),
            ("GET", [name]) => {
                let found = self.endpoint_named(name).ok_or_else(|| {
                    let what =
                        "failed to get github endpoint: github endpoint not found: not found";
                    ApiRefusal::NotFound(what.into())
                })?;
                Ok(ApiReply::json(self.show_endpoint(found)))
            }
            ("PUT", [name]) => self.update_endpoint(name, body),
            ("DELETE", [name]) => self.delete_endpoint(name),
            _ => Err(ApiRefusal::NoRoute),
        }
    }

    fn create_endpoint(&mut self, body: &[u8]) -> Result<ApiReply, ApiRefusal> {
        let body = Body::read(body)?;
        let text = |key| body.text(key).map(Option::unwrap_or_default);
        let urls = EndpointUrls::read(&body)?;
        let (name, description) = (text("name")?, text("description")?);
        let invalid = "error failed to validate github endpoint params";
        for (key, url) in urls.all() {
            match url.as_deref().unwrap_or_default() {
                "" => return Err(ApiRefusal::bad(format!("{invalid}: missing {key}"))),
                // GARM does not check the upload URL.
                url if key != "upload_base_url" && !is_url(url) => {
                    return Err(ApiRefusal::bad(format!("{invalid}: invalid {key}")));
                }
                _ => {}
            }
        }
        if self.endpoints.iter().any(|endpoint| endpoint.name.eq_ignore_ascii_case(&name)) {
            let what = "error github endpoint already exists: duplicate";
            return Err(ApiRefusal::Conflict(format!("{CREATING}: {what}")));
        }
        let endpoint = EndpointRow {
            name,
            description,
            api_url: urls.api.unwrap_or_default(),
            upload_url: urls.upload.unwrap_or_default(),
            base_url: urls.base.unwrap_or_default(),
            forge: Forge::GitHub,
            created_at: self.now,
            updated_at: self.now,
        };
        let shown = self.show_endpoint(&endpoint);
        self.endpoints.push(endpoint);
        Ok(ApiReply::json(shown))
    }

    fn update_endpoint(&mut self, name: &str, body: &[u8]) -> Result<ApiReply, ApiRefusal> {
        let body = Body::read(body)?;
        let (urls, description) = (EndpointUrls::read(&body)?, body.text("description")?);
        for (key, url) in urls.all() {
            if key != "upload_base_url" && url.as_deref().is_some_and(|url| !is_url(url)) {
                let invalid = "failed to validate github endpoint params";
                return Err(ApiRefusal::bad(format!("{invalid}: invalid {key}")));
            }
        }
        let now = self.now;
        let found = self
            .endpoints
            .iter_mut()
            .find(|endpoint| endpoint.name.eq_ignore_ascii_case(name))
            .ok_or_else(|| {
                let what = "error github endpoint not found: not found";
                ApiRefusal::NotFound(format!("{UPDATING}: {what}"))
            })?;
        found.description = description.unwrap_or_else(|| found.description.clone());
        found.api_url = urls.api.unwrap_or_else(|| found.api_url.clone());
        found.upload_url = urls.upload.unwrap_or_else(|| found.upload_url.clone());
        found.base_url = urls.base.unwrap_or_else(|| found.base_url.clone());
        found.updated_at = now;
        let found = self.endpoint_named(name).ok_or(ApiRefusal::Server)?;
        Ok(ApiReply::json(self.show_endpoint(found)))
    }

    /// Returns 204 even if there is none. An endpoint with credentials cannot be deleted.
    fn delete_endpoint(&mut self, name: &str) -> Result<ApiReply, ApiRefusal> {
        if self
            .credentials
            .values()
            .any(|credentials| credentials.endpoint.eq_ignore_ascii_case(name))
        {
            return Err(ApiRefusal::bad(
                "failed to delete github endpoint: error deleting github endpoint: cannot delete \
                 endpoint with associated entities: invalid request",
            ));
        }
        self.endpoints.retain(|endpoint| !endpoint.name.eq_ignore_ascii_case(name));
        Ok(ApiReply::bare(204))
    }
}

/// The URLs in a request, as given.
struct EndpointUrls {
    api: Option<String>,
    upload: Option<String>,
    base: Option<String>,
}

impl EndpointUrls {
    fn read(body: &Body<'_>) -> Result<Self, ApiRefusal> {
        let text = |key| body.text(key);
        Ok(Self {
            api: text("api_base_url")?,
            upload: text("upload_base_url")?,
            base: text("base_url")?,
        })
    }

    /// In the order in which GARM checks them.
    fn all(&self) -> [(&'static str, &Option<String>); 3] {
        [("api_base_url", &self.api), ("upload_base_url", &self.upload), ("base_url", &self.base)]
    }
}

fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty())
}
