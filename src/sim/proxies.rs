//! Proxies for runners, which pools refer to by id.

use jiff::Timestamp;

use super::body::Body;
use super::json::{Object, list};
use super::reply::{ApiRefusal, ApiReply};
use super::world::World;

const CREATING: &str = "failed to create proxy";
const UPDATING: &str = "failed to update proxy: failed to update proxy";
const DELETING: &str = "failed to delete proxy: failed to delete proxy";
const NO_URL: &str = "at least one of http_proxy or https_proxy must be set";
const TAKEN: &str = "a proxy already exists with the specified name";
const NO_USER: &str = "password cannot be set without a username";

#[derive(Debug, Clone)]
pub(crate) struct ProxyRow {
    pub(crate) id: u64,
    pub(crate) name: String,
    description: String,
    http: String,
    https: String,
    exempt: String,
    username: String,
    /// The password itself is not stored, since no response contains it.
    has_password: bool,
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
                let found = self.proxies.get(&number(id)?).ok_or_else(|| {
                    ApiRefusal::NotFound(
                        "failed to get proxy: failed to get proxy: not found".into(),
                    )
                })?;
                Ok(ApiReply::json(show(found)))
            }
            ("PUT", [id]) => self.update_proxy(id, body),
            ("DELETE", [id]) => self.delete_proxy(id),
            _ => Err(ApiRefusal::NoRoute),
        }
    }

    fn create_proxy(&mut self, body: &[u8]) -> Result<ApiReply, ApiRefusal> {
        let body = Body::read(body)?;
        let text = |key| body.text(key).map(Option::unwrap_or_default);
        let id = self.proxies.keys().last().map_or(1, |id| id + 1);
        let proxy = ProxyRow {
            id,
            name: text("name")?,
            description: text("description")?,
            http: text("http_proxy")?,
            https: text("https_proxy")?,
            exempt: text("no_proxy")?,
            username: text("username")?,
            has_password: !text("password")?.is_empty(),
            created_at: self.now,
            updated_at: self.now,
        };
        check_new(&proxy).map_err(|refusal| refusal.within("failed to validate create params"))?;
        self.check_proxy_name(&proxy).map_err(|refusal| refusal.within(CREATING))?;
        let shown = show(&proxy);
        self.proxies.insert(id, proxy);
        Ok(ApiReply::json(shown))
    }

    /// Absent fields stay unchanged; an empty text clears a field, except the name.
    fn update_proxy(&mut self, id: &str, body: &[u8]) -> Result<ApiReply, ApiRefusal> {
        let id = number(id)?;
        let body = Body::read(body)?;
        let [name, http, https] = ["name", "http_proxy", "https_proxy"].map(|key| body.text(key));
        let (name, http, https) = (name?, http?, https?);
        check_update(name.as_deref(), [http.as_deref(), https.as_deref()])
            .map_err(|refusal| refusal.within("failed to validate update params"))?;
        let before = self.proxies.get(&id).ok_or_else(|| {
            ApiRefusal::NotFound(format!("{UPDATING}: failed to get proxy: not found"))
        })?;
        let kept = |new: Option<String>, old: &String| new.unwrap_or_else(|| old.clone());
        let password = body.text("password")?;
        let mut after = ProxyRow {
            name: kept(name, &before.name),
            description: kept(body.text("description")?, &before.description),
            http: kept(http, &before.http),
            https: kept(https, &before.https),
            exempt: kept(body.text("no_proxy")?, &before.exempt),
            username: kept(body.text("username")?, &before.username),
            has_password: password.map_or(before.has_password, |password| !password.is_empty()),
            ..before.clone()
        };
        after.updated_at = self.now;
        if after.http.is_empty() && after.https.is_empty() {
            return Err(ApiRefusal::bad(NO_URL).within(UPDATING));
        }
        if after.username.is_empty() && after.has_password {
            let what = format!("{UPDATING}: error updating proxy credentials");
            return Err(ApiRefusal::bad(NO_USER).within(&what));
        }
        self.check_proxy_name(&after).map_err(|refusal| refusal.within(UPDATING))?;
        let shown = show(&after);
        self.proxies.insert(id, after);
        Ok(ApiReply::json(shown))
    }

    /// Returns 200 even if there is none. A proxy that a pool uses cannot be deleted.
    fn delete_proxy(&mut self, id: &str) -> Result<ApiReply, ApiRefusal> {
        let id = number(id)?;
        let of_pools = self.pools.values().map(|pool| pool.proxy);
        let of_scale_sets = self.scale_sets.values().map(|set| set.proxy);
        if id != 0 && of_pools.chain(of_scale_sets).any(|proxy| proxy == id) {
            let what = "cannot delete proxy while in use by pools or scale sets";
            return Err(ApiRefusal::bad(what).within(DELETING));
        }
        self.proxies.remove(&id);
        Ok(ApiReply::done())
    }

    /// A name is unique, ignoring case.
    fn check_proxy_name(&self, proxy: &ProxyRow) -> Result<(), ApiRefusal> {
        let is_taken =
            |other: &ProxyRow| other.id != proxy.id && other.name.eq_ignore_ascii_case(&proxy.name);
        match self.proxies.values().any(is_taken) {
            true => Err(ApiRefusal::Conflict(TAKEN.into())),
            false => Ok(()),
        }
    }

    /// A pool must refer to an existing proxy; 0 means none.
    pub(super) fn check_proxy(&self, id: Option<u64>) -> Result<(), ApiRefusal> {
        match id {
            Some(id) if id != 0 && !self.proxies.contains_key(&id) => Err(ApiRefusal::bad(
                format!("error checking pool proxy: proxy with ID {id} does not exist"),
            )),
            Some(_) | None => Ok(()),
        }
    }
}

fn check_new(proxy: &ProxyRow) -> Result<(), ApiRefusal> {
    if proxy.name.is_empty() {
        return Err(ApiRefusal::bad("name cannot be empty"));
    }
    if proxy.http.is_empty() && proxy.https.is_empty() {
        return Err(ApiRefusal::bad(NO_URL));
    }
    for url in [&proxy.http, &proxy.https].into_iter().filter(|url| !url.is_empty()) {
        check_url(url)?;
    }
    if proxy.has_password && proxy.username.is_empty() {
        return Err(ApiRefusal::bad(NO_USER));
    }
    Ok(())
}

fn check_update(name: Option<&str>, urls: [Option<&str>; 2]) -> Result<(), ApiRefusal> {
    if name == Some("") {
        return Err(ApiRefusal::bad("name cannot be empty"));
    }
    urls.into_iter().flatten().filter(|url| !url.is_empty()).try_for_each(check_url)
}

fn check_url(url: &str) -> Result<(), ApiRefusal> {
    let scheme = url.split_once(':').map_or("", |parts| parts.0).to_lowercase();
    if !["http", "https", "socks5"].contains(&scheme.as_str()) {
        return Err(ApiRefusal::bad(format!(
            "invalid proxy URL scheme {scheme:?}; supported schemes are http, https and socks5"
        )));
    }
    let rest = url.split_once("://").map_or("", |parts| parts.1);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.rsplit('@').next().unwrap_or_default().is_empty() {
        return Err(ApiRefusal::bad(format!("invalid proxy URL: {url:?}; missing host")));
    }
    if authority.contains('@') {
        let what =
            "proxy URLs must not embed credentials; use the username and password fields instead";
        return Err(ApiRefusal::bad(what));
    }
    Ok(())
}

fn number(id: &str) -> Result<u64, ApiRefusal> {
    id.parse().map_err(|_| ApiRefusal::bad(format!("invalid value for \"proxyID\": \"{id}\"")))
}

fn show(proxy: &ProxyRow) -> String {
    Object::new()
        .number("id", proxy.id)
        .time("created_at", proxy.created_at)
        .time("updated_at", proxy.updated_at)
        .text("name", &proxy.name)
        .text_if("description", &proxy.description)
        .text_if("http_proxy", &proxy.http)
        .text_if("https_proxy", &proxy.https)
        .text_if("no_proxy", &proxy.exempt)
        .text_if("username", &proxy.username)
        .end()
}
