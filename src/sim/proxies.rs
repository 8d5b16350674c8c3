//! Proxies: settings by name that pools refer to, of which a runner is told.

use jiff::Timestamp;

use super::body::Body;
use super::json::{Object, list};
use super::reply::{ApiRefusal, ApiReply};
use super::world::World;

/// One row. The password is not kept: nothing ever shows it.
#[derive(Debug, Clone)]
pub(crate) struct ProxyRow {
    pub(crate) id: u64,
    pub(crate) name: String,
    description: String,
    http: String,
    https: String,
    exempt: String,
    username: String,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl World {
    pub(super) fn route_proxies(
        &mut self,
        method: &str,
        rest: &[&str],
        body: &[u8],
    ) -> Result<ApiReply, ApiRefusal> {
        match (method, rest) {
            ("GET", []) => Ok(ApiReply::json(list(self.proxies.values().map(show)))),
            ("POST", []) => self.create_proxy(body),
            ("GET", [id]) => {
                let id: Option<u64> = id.parse().ok();
                let found = id.and_then(|it| self.proxies.get(&it)).ok_or_else(|| {
                    ApiRefusal::NotFound(
                        "failed to get proxy: failed to get proxy: not found".into(),
                    )
                })?;
                Ok(ApiReply::json(show(found)))
            }
            _ => Err(ApiRefusal::NoRoute),
        }
    }

    fn create_proxy(&mut self, body: &[u8]) -> Result<ApiReply, ApiRefusal> {
        let body = Body::read(body)?;
        let text = |key| body.text(key).map(Option::unwrap_or_default);
        let id = self.proxies.keys().last().map_or(1, |it| it + 1);
        let proxy = ProxyRow {
            id,
            name: text("name")?,
            description: text("description")?,
            http: text("http_proxy")?,
            https: text("https_proxy")?,
            exempt: text("no_proxy")?,
            username: text("username")?,
            created_at: self.now,
            updated_at: self.now,
        };
        if proxy.http.is_empty() && proxy.https.is_empty() {
            return Err(ApiRefusal::bad("at least one of http_proxy or https_proxy must be set")
                .within("failed to create proxy: failed to validate create params"));
        }
        if self.proxies.values().any(|it| it.name.eq_ignore_ascii_case(&proxy.name)) {
            return Err(ApiRefusal::Conflict(
                "a proxy already exists with the specified name".into(),
            )
            .within("failed to create proxy"));
        }
        let shown = show(&proxy);
        self.proxies.insert(id, proxy);
        Ok(ApiReply::json(shown))
    }

    /// A pool refers to a proxy that is there, or with 0 to none.
    pub(super) fn check_proxy(&self, id: Option<u64>) -> Result<(), ApiRefusal> {
        match id {
            Some(id) if id != 0 && !self.proxies.contains_key(&id) => Err(ApiRefusal::bad(
                format!("error checking pool proxy: proxy with ID {id} does not exist"),
            )),
            Some(_) | None => Ok(()),
        }
    }
}

fn show(it: &ProxyRow) -> String {
    Object::new()
        .number("id", it.id)
        .time("created_at", it.created_at)
        .time("updated_at", it.updated_at)
        .text("name", &it.name)
        .text_if("description", &it.description)
        .text_if("http_proxy", &it.http)
        .text_if("https_proxy", &it.https)
        .text_if("no_proxy", &it.exempt)
        .text_if("username", &it.username)
        .end()
}
