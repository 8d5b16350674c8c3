//! GARM's credentials for GitHub: personal access tokens and Apps (measured).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pkcs1::RsaPrivateKeyRef;

use super::body::Body;
use super::entity::CredentialsRow;
use super::json::list;
use super::reply::{ApiRefusal, ApiReply};
use super::routes::ApiRequest;
use super::world::World;

const INVALID: &str = "failed to validate github credentials params";
const CREATE: &str = "failed to create github credentials: error creating github credentials";
const UPDATE: &str = "failed to update github credentials: error updating github credentials";

impl World {
    pub(super) fn route_credentials(
        &mut self,
        request: ApiRequest<'_>,
        rest: &[&str],
    ) -> Result<ApiReply, ApiRefusal> {
        match (request.method, rest) {
            ("GET", []) => {
                let rows = self.credentials.values();
                Ok(ApiReply::json(list(rows.map(|row| self.show_credentials_with_limit(row)))))
            }
            ("POST", []) => self.create_credentials(request.body),
            ("GET", [id]) => {
                let found = self.find_credentials(id)?.ok_or_else(|| {
                    ApiRefusal::NotFound(
                        "failed to get github credentials: github credentials not found: not found"
                            .into(),
                    )
                })?;
                Ok(ApiReply::json(self.show_credentials_alone(found)))
            }
            ("PUT", [id]) => self.update_credentials(id, request.body),
            ("DELETE", [id]) => self.delete_credentials(id),
            _ => Err(ApiRefusal::NoRoute),
        }
    }

    /// GARM's credentials as `NAME (DESCRIPTION) …`, with the ids and key that no response shows.
    pub fn credentials_made_of(&self) -> Vec<String> {
        let shown = |credentials: &CredentialsRow| {
            format!("{} ({}) {}", credentials.name, credentials.description, credentials.made_of)
        };
        self.credentials.values().map(shown).collect()
    }

    fn find_credentials(&self, id: &str) -> Result<Option<&CredentialsRow>, ApiRefusal> {
        let id: u64 = id.parse().map_err(|_| ApiRefusal::body())?;
        Ok(self.credentials.get(&id))
    }

    /// A name is unique across all endpoints, ignoring case.
    fn create_credentials(&mut self, body: &[u8]) -> Result<ApiReply, ApiRefusal> {
        let body = Body::read(body)?;
        let text = |key| body.text(key).map(Option::unwrap_or_default);
        let (name, endpoint, auth_type) = (text("name")?, text("endpoint")?, text("auth_type")?);
        let description = text("description")?;
        let app = GitHubApp::read(&body)?;
        let token = token(&body)?;
        let invalid = |what: &str| ApiRefusal::bad(format!("{INVALID}: {what}"));
        if name.is_empty() {
            return Err(invalid("missing name"));
        }
        if endpoint.is_empty() {
            return Err(invalid("missing endpoint"));
        }
        let made_of = match auth_type.as_str() {
            "app" => app.unwrap_or_default().check()?,
            "pat" if token.as_deref().unwrap_or_default().is_empty() => {
                return Err(invalid("missing oauth2_token"));
            }
            "pat" => "a token".to_owned(),
            _ => return Err(invalid("invalid auth_type")),
        };
        if self.endpoint_named(&endpoint).is_none() {
            let details = format!("{CREATE}: github endpoint not found: not found");
            return Err(ApiRefusal::NotFound(details));
        }
        if self.is_taken(&name, None) {
            let details = format!("{CREATE}: github credentials already exists: duplicate");
            return Err(ApiRefusal::Conflict(details));
        }
        self.credentials_made += 1;
        let credentials = CredentialsRow {
            id: self.credentials_made,
            name,
            description,
            endpoint,
            auth_type,
            made_of,
            created_at: self.now,
            updated_at: self.now,
        };
        let shown = self.show_credentials(&credentials);
        self.credentials.insert(credentials.id, credentials);
        Ok(ApiReply::json(shown))
    }

    fn is_taken(&self, name: &str, but: Option<u64>) -> bool {
        let mut others =
            self.credentials.values().filter(|credentials| Some(credentials.id) != but);
        others.any(|other| other.name.eq_ignore_ascii_case(name))
    }

    /// Updates name, description, token or App; ignores an endpoint. A name in use is a 500.
    fn update_credentials(&mut self, id: &str, body: &[u8]) -> Result<ApiReply, ApiRefusal> {
        let id: u64 = id.parse().map_err(|_| ApiRefusal::body())?;
        let body = Body::read(body)?;
        let (name, description) = (body.text("name")?, body.text("description")?);
        let (app, token) = (GitHubApp::read(&body)?, token(&body)?);
        let app = app.map(GitHubApp::check).transpose()?;
        let found = self.credentials.get(&id).ok_or_else(|| {
            ApiRefusal::NotFound(format!("{UPDATE}: github credentials not found: not found"))
        })?;
        let is_app = found.auth_type == "app";
        if token.is_some() && is_app {
            let what = "cannot update PAT credentials for app: invalid request";
            return Err(ApiRefusal::bad(format!("{UPDATE}: {what}")));
        }
        if app.is_some() && !is_app {
            let what = "cannot update app credentials for PAT: invalid request";
            return Err(ApiRefusal::bad(format!("{UPDATE}: {what}")));
        }
        if name.as_ref().is_some_and(|name| self.is_taken(name, Some(id))) {
            return Err(ApiRefusal::Server);
        }
        let now = self.now;
        let found = self.credentials.get_mut(&id).ok_or(ApiRefusal::Server)?;
        let is_changed =
            name.is_some() || description.is_some() || app.is_some() || token.is_some();
        found.name = name.unwrap_or_else(|| found.name.clone());
        found.description = description.unwrap_or_else(|| found.description.clone());
        found.made_of = app.unwrap_or_else(|| found.made_of.clone());
        if is_changed {
            found.updated_at = now;
        }
        let found = self.credentials.get(&id).ok_or(ApiRefusal::Server)?;
        Ok(ApiReply::json(self.show_credentials(found)))
    }

    /// Returns 204 even if there are none. Credentials in use cannot be deleted.
    fn delete_credentials(&mut self, id: &str) -> Result<ApiReply, ApiRefusal> {
        let id: u64 = id.parse().map_err(|_| ApiRefusal::body())?;
        if self.credentials.contains_key(&id) && self.is_used(id) {
            let what = "cannot delete credentials with repositories: invalid request";
            return Err(ApiRefusal::bad(format!(
                "failed to delete github credentials: error deleting github credentials: {what}"
            )));
        }
        self.credentials.remove(&id);
        Ok(ApiReply::bare(204))
    }

    /// Whether an entity uses them.
    pub(super) fn is_used(&self, credentials: u64) -> bool {
        self.entities.values().any(|entity| entity.credentials == credentials)
    }
}

/// The token in a request.
fn token(body: &Body<'_>) -> Result<Option<String>, ApiRefusal> {
    let Some(pat) = body.raw("pat").filter(|pat| *pat != "null") else { return Ok(None) };
    Ok(Some(Body::read(pat.as_bytes())?.text("oauth2_token")?.unwrap_or_default()))
}

/// The App in a request.
#[derive(Default)]
struct GitHubApp {
    app_id: u64,
    installation_id: u64,
    key: Vec<u8>,
}

impl GitHubApp {
    fn read(body: &Body<'_>) -> Result<Option<Self>, ApiRefusal> {
        let Some(app) = body.raw("app").filter(|app| *app != "null") else { return Ok(None) };
        let app = Body::read(app.as_bytes())?;
        let id = |key| app.number(key).map(Option::unwrap_or_default);
        let (app_id, installation_id) = (id("app_id")?, id("installation_id")?);
        if app_id > i64::MAX.unsigned_abs() || installation_id > i64::MAX.unsigned_abs() {
            return Err(ApiRefusal::body());
        }
        let key = app.text("private_key_bytes")?.unwrap_or_default();
        let key = STANDARD.decode(key).map_err(|_| ApiRefusal::body())?;
        Ok(Some(Self { app_id, installation_id, key }))
    }

    /// A description with the ids and the end of the key's modulus. Any key but an RSA key in
    /// PKCS#1 is a 500.
    fn check(self) -> Result<String, ApiRefusal> {
        let invalid = |what: &str| Err(ApiRefusal::bad(format!("{INVALID}: invalid app: {what}")));
        if self.app_id == 0 {
            return invalid("missing app_id");
        }
        if self.installation_id == 0 {
            return invalid("missing installation_id");
        }
        if self.key.is_empty() {
            return invalid("missing private_key_bytes");
        }
        let Some(der) = first_block(&self.key) else {
            return invalid("invalid private_key_bytes");
        };
        let key = RsaPrivateKeyRef::try_from(der.as_slice()).map_err(|_| ApiRefusal::Server)?;
        let print: String =
            key.modulus.as_bytes().iter().rev().take(4).map(|byte| format!("{byte:02x}")).collect();
        let Self { app_id, installation_id, .. } = self;
        Ok(format!("app {app_id}, installation {installation_id}, key …{print}"))
    }
}

/// The first PEM block, as Go's decoder reads it: whatever its label and the length of its lines.
fn first_block(pem: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?;
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (_, rest) = rest.split_once("-----\n")?;
    let (digits, _) = rest.split_once("-----END ")?;
    STANDARD.decode(digits.split_whitespace().collect::<String>()).ok()
}
