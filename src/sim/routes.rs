//! Routes the requests of GARM's API.

use super::config::GarmVersion;
use super::entity::EntityType;
use super::json::list;
use super::reply::{ApiRefusal, ApiReply};
use super::rest_view::Depth;
use super::row_key::{EntityRowKey, PoolRowKey};
use super::world::{Exchange, World};

/// A request to GARM's API.
#[derive(Debug, Clone, Copy)]
pub struct ApiRequest<'a> {
    /// `GET`, `POST`, `PUT`, `DELETE`, …
    pub method: &'a str,
    /// Path below `/api/v1`, with leading slash and query.
    pub path: &'a str,
    pub authorization: Option<&'a str>,
    /// The body of the request; empty without one.
    pub body: &'a [u8],
}

impl World {
    /// Handles a request at the present time.
    pub fn handle(&mut self, request: ApiRequest<'_>) -> ApiReply {
        let reply = self.answer(request).unwrap_or_else(ApiReply::from);
        let secret = ["/auth/", "/first-run", "/github/credentials"];
        let is_secret = secret.iter().any(|prefix| request.path.starts_with(prefix));
        self.remember(Exchange {
            at: self.now,
            method: request.method.to_owned(),
            path: request.path.to_owned(),
            body: if is_secret {
                String::new()
            } else {
                String::from_utf8_lossy(request.body).into_owned()
            },
            status: reply.status,
        });
        reply
    }

    /// The checks before everything except login and controller: an admin, the URLs, a token.
    pub(super) fn check_entry(&self, authorization: Option<&str>) -> Result<(), ApiRefusal> {
        if !self.controller.has_admin {
            return Err(ApiRefusal::InitRequired);
        }
        if !self.controller.has_urls() {
            return Err(ApiRefusal::UrlsRequired);
        }
        self.check_token(authorization)
    }

    fn answer(&mut self, request: ApiRequest<'_>) -> Result<ApiReply, ApiRefusal> {
        if let Some(moved) = super::paths::redirect(&format!("/api/v1{}", request.path)) {
            return Ok(moved);
        }
        let (path, query) = request.path.split_once('?').unwrap_or((request.path, ""));
        let names: Vec<String> =
            path.trim_matches('/').split('/').map(super::query::decode).collect();
        let segments: Vec<&str> = names.iter().map(String::as_str).collect();
        match request.method {
            "GET" | "POST" | "PUT" | "DELETE" => {}
            "OPTIONS" => return Ok(ApiReply::bare(200)),
            // GARM's router responds itself, before it checks the token (GARM.md §b).
            _ => return Ok(ApiReply::bare(405)),
        }
        if let ("POST", ["first-run"]) = (request.method, segments.as_slice()) {
            return self.first_run(request.body);
        }
        if !self.controller.has_admin {
            return Err(ApiRefusal::InitRequired);
        }
        if let ("POST", ["auth", "login"]) = (request.method, segments.as_slice()) {
            return self.login(request.body);
        }
        // The controller is reachable before the URLs are set (GARM.md §b).
        let is_controller =
            matches!((request.method, segments.as_slice()), ("GET" | "PUT", ["controller"]));
        if !is_controller && !self.controller.has_urls() {
            return Err(ApiRefusal::UrlsRequired);
        }
        self.check_token(request.authorization)?;
        self.route(request, &segments, query)
    }

    fn route(
        &mut self,
        request: ApiRequest<'_>,
        segments: &[&str],
        query: &str,
    ) -> Result<ApiReply, ApiRefusal> {
        let body = request.body;
        match (request.method, segments) {
            ("GET", ["controller" | "controller-info"]) => self.get_controller(),
            ("PUT", ["controller"]) => self.put_controller(body),
            ("GET", ["metrics-token"]) => Ok(self.metrics_token()),
            ("GET", ["providers"]) => Ok(ApiReply::json(self.show_providers())),
            ("GET", ["jobs"]) => Ok(ApiReply::json(list(
                self.jobs.values().map(|job| self.show_job(job, Depth::List)),
            ))),
            ("GET", ["pools"]) => Ok(ApiReply::json(list(
                self.pools.values().map(|pool| self.show_pool(pool, Depth::List)),
            ))),
            (method, ["pools", id]) => self.one_pool(method, id, body),
            ("GET", ["pools", id, "instances"]) => self.pool_instances(id, query),
            ("GET", ["instances"]) => Ok(ApiReply::json(list(
                self.instances.values().map(|instance| self.show_instance(instance, Depth::List)),
            ))),
            ("GET", ["instances", name]) => self.get_instance(name),
            ("DELETE", ["instances", name]) => self.delete_instance(name, query),
            // Releases have neither.
            (_, ["proxies" | "forge-instances", ..])
                if self.config.variant.version != GarmVersion::Main =>
            {
                Err(ApiRefusal::NoRoute)
            }
            (method, ["scalesets", rest @ ..]) => {
                self.route_scale_sets(method, rest, (query, body))
            }
            (method, ["proxies", rest @ ..]) => self.route_proxies(method, rest, body),
            (_, ["organizations" | "repositories" | "enterprises", rest @ ..]) => {
                let kind = EntityType::of_path(segments[0]).ok_or(ApiRefusal::NoRoute)?;
                self.route_entity(request, kind, rest, query)
            }
            (_, ["templates" | "github" | "credentials", ..]) => {
                self.route_settings(request, segments, query)
            }
            (method, _) => self.route_absent(method, segments),
        }
    }

    fn route_entity(
        &mut self,
        request: ApiRequest<'_>,
        kind: EntityType,
        rest: &[&str],
        query: &str,
    ) -> Result<ApiReply, ApiRefusal> {
        let body = request.body;
        match (request.method, rest) {
            ("GET", []) => {
                // Filters by exact name, owner and endpoint.
                let fits = |key: &str, value: &str| {
                    super::query::value(query, key)
                        .is_none_or(|wanted| wanted.is_empty() || wanted == value)
                };
                let rows = self.entities.iter().filter(|(_, entity)| {
                    entity.kind == kind
                        && fits("name", &entity.name)
                        && (kind != EntityType::Repository || fits("owner", &entity.owner))
                        && fits("endpoint", self.endpoint_name_of(entity))
                });
                Ok(ApiReply::json(list(
                    rows.map(|(key, entity)| self.show_entity(*key, entity, Depth::List)),
                )))
            }
            ("POST", []) => self.create_entity(kind, body),
            ("PUT", [id]) => self.update_entity(kind, id, body),
            ("GET", [id]) => {
                let what =
                    format!("error fetching {}: error fetching {}", kind.long(), kind.short());
                let key = self.find_entity(kind, id).map_err(|refusal| refusal.within(&what))?;
                let entity = self.entities.get(&key).ok_or(ApiRefusal::Server)?;
                Ok(ApiReply::json(self.show_entity(key, entity, Depth::One)))
            }
            ("DELETE", [id]) => self.delete_entity(kind, id),
            ("POST", [id, "pools"]) => self.create_pool(kind, id, body),
            ("GET", [id, "pools"]) => {
                let what = "error fetching pools: error fetching pools";
                let key = self.existing_entity(kind, id).map_err(|refusal| refusal.within(what))?;
                let rows = self.pools.values().filter(|pool| pool.entity == key);
                Ok(ApiReply::json(list(rows.map(|row| self.show_pool(row, Depth::List)))))
            }
            (method, [id, "scalesets"]) => self.route_entity_scale_sets(method, (kind, id), body),
            ("GET", [id, "instances"]) => {
                let what = match kind {
                    EntityType::Organization | EntityType::Enterprise => "error fetching instances",
                    // GARM's own typo.
                    EntityType::Repository => "error , errfetching instances",
                };
                let what = format!("{what}: error fetching entity");
                let key =
                    self.existing_entity(kind, id).map_err(|refusal| refusal.within(&what))?;
                Ok(ApiReply::json(list(self.entity_instances(key).into_iter())))
            }
            (method, [id, "webhook"]) if kind != EntityType::Enterprise => {
                self.entity_hook(method, (kind, id), body)
            }
            (method, [id, "pools", pool]) => self.entity_pool(method, (kind, id), pool, body),
            _ => Err(ApiRefusal::NoRoute),
        }
    }

    /// By pool, then in order of creation.
    fn entity_instances(&self, entity: EntityRowKey) -> Vec<String> {
        self.pools
            .values()
            .filter(|pool| pool.entity == entity)
            .flat_map(|pool| &pool.instances)
            .filter_map(|key| self.instances.get(key))
            .map(|pool| self.show_instance(pool, Depth::List))
            .collect()
    }

    fn entity_pool(
        &mut self,
        method: &str,
        (kind, entity): (EntityType, &str),
        id: &str,
        body: &[u8],
    ) -> Result<ApiReply, ApiRefusal> {
        let owner = self.find_entity(kind, entity);
        let pool = self.find_pool(id).ok();
        let of = pool.and_then(|key| self.pools.get(&key)).map(|pool| pool.entity);
        let found = pool.filter(|_| owner.as_ref().is_ok_and(|owner| Some(*owner) == of));
        let none = "error fetching pool: fetching pool: error finding pool: not found";
        match (method, found) {
            ("GET" | "PUT" | "DELETE", _) if uuid(id).is_none() => Err(ApiRefusal::bad(
                "error fetching pool: fetching pool: error parsing id: invalid request",
            )),
            // The only call that looks up the entity separately.
            ("PUT", _) if owner.is_err() => {
                let what = format!(
                    "failed to get repo: error failed to get entity from db: error fetching {}",
                    kind.short()
                );
                owner.map_err(|refusal| refusal.within(&what)).and(Err(ApiRefusal::Server))
            }
            ("PUT", Some(key)) => self.update_entity_pool(key, body),
            ("GET" | "DELETE", Some(_)) => self.one_pool(method, id, body),
            // Deleting an unknown pool succeeds; a pool of another entity is not found.
            ("DELETE", None) if pool.is_none() => Ok(ApiReply::done()),
            ("GET" | "PUT" | "DELETE", None) => Err(ApiRefusal::NotFound(none.into())),
            _ => Err(ApiRefusal::NoRoute),
        }
    }

    fn one_pool(&mut self, method: &str, id: &str, body: &[u8]) -> Result<ApiReply, ApiRefusal> {
        match method {
            "GET" => {
                let key =
                    self.find_pool(id).map_err(|refusal| refusal.within("error fetching pool"))?;
                let pool = self.pools.get(&key).ok_or(ApiRefusal::Server)?;
                Ok(ApiReply::json(self.show_pool(pool, Depth::One)))
            }
            "PUT" => {
                super::body::Body::read(body)?;
                let key =
                    self.find_pool(id).map_err(|refusal| refusal.within("error fetching pool"))?;
                self.update_pool(key, body)
            }
            "DELETE" => self.delete_pool(id),
            _ => Err(ApiRefusal::NoRoute),
        }
    }

    /// An unknown pool has no instances, without an error.
    fn pool_instances(&self, id: &str, query: &str) -> Result<ApiReply, ApiRefusal> {
        let id = uuid(id).ok_or_else(|| {
            ApiRefusal::bad("error fetching instances: error parsing id: invalid request")
        })?;
        let Some(pool) = self.pool_ids.get(&id).and_then(|key| self.pools.get(key)) else {
            return Ok(ApiReply::json("[]".into()));
        };
        let only_outdated = super::query::is_true(query, "outdatedOnly");
        let rows = pool
            .instances
            .iter()
            .filter_map(|key| self.instances.get(key))
            .filter(|instance| !only_outdated || instance.generation < pool.generation)
            .map(|instance| self.show_instance(instance, Depth::List));
        Ok(ApiReply::json(list(rows)))
    }

    /// The pool with this id, or GARM's error.
    pub(super) fn find_pool(&self, id: &str) -> Result<PoolRowKey, ApiRefusal> {
        let id = uuid(id).ok_or_else(|| {
            ApiRefusal::bad("error fetching pool by ID: error parsing id: invalid request")
        })?;
        self.pool_ids
            .get(&id)
            .copied()
            .ok_or_else(|| ApiRefusal::NotFound("error fetching pool by ID: not found".into()))
    }

    /// The entity with this id, or GARM's error.
    pub(super) fn find_entity(
        &self,
        kind: EntityType,
        id: &str,
    ) -> Result<EntityRowKey, ApiRefusal> {
        let Some(uuid) = uuid(id) else {
            // For a repository the message is the UUID library's.
            let why = match (kind, id.len()) {
                (EntityType::Repository, 36) => "invalid UUID format".to_owned(),
                (EntityType::Repository, length) => format!("invalid UUID length: {length}"),
                (EntityType::Organization | EntityType::Enterprise, _) => {
                    "invalid request".to_owned()
                }
            };
            return Err(ApiRefusal::bad(format!("error parsing id: {why}")));
        };
        self.entity_of(&uuid, kind).ok_or_else(|| ApiRefusal::NotFound("not found".into()))
    }

    /// The same, with the error that lists of an entity's objects have.
    pub(super) fn existing_entity(
        &self,
        kind: EntityType,
        id: &str,
    ) -> Result<EntityRowKey, ApiRefusal> {
        if uuid(id).is_none() {
            return Err(ApiRefusal::bad("error parsing id: invalid request"));
        }
        self.find_entity(kind, id).map_err(|refusal| match refusal {
            ApiRefusal::NotFound(_) => {
                refusal.within("error checking entity existence: error entity not found")
            }
            other => other,
        })
    }
}

/// Normalizes an id. GARM also accepts it without dashes, in braces and as a URN.
pub(crate) fn uuid(text: &str) -> Option<String> {
    let bare = match text.len() {
        45 => text.get(9..).filter(|_| text.to_lowercase().starts_with("urn:uuid:")),
        38 => text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')),
        _ => Some(text),
    }?;
    let has_dashes = bare.len() == 36
        && [8, 13, 18, 23].iter().all(|dash| bare.as_bytes().get(*dash) == Some(&b'-'));
    let digits = if has_dashes { bare.replace('-', "") } else { bare.to_owned() }.to_lowercase();
    if digits.len() != 32 || !digits.chars().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let part = |range| digits.get(range).unwrap_or_default();
    Some(format!(
        "{}-{}-{}-{}-{}",
        part(0..8),
        part(8..12),
        part(12..16),
        part(16..20),
        part(20..32)
    ))
}

#[cfg(test)]
mod tests {
    use super::uuid;

    #[test]
    fn an_id_is_accepted_in_every_form_that_garm_accepts() {
        let id = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";
        let forms = [
            id.to_owned(),
            id.to_uppercase(),
            id.replace('-', ""),
            format!("{{{id}}}"),
            format!("urn:uuid:{id}"),
        ];
        for form in forms {
            assert_eq!(uuid(&form).as_deref(), Some(id), "{form}");
        }
        for bad in ["", "bad", "3f2504e0-4f89-11d3-9a0c-0305e82c330", &"x".repeat(36)] {
            assert_eq!(uuid(bad), None, "{bad}");
        }
    }
}
