//! GARM's API: from a request to what answers it.

use super::entity::{EntityKey, Kind};
use super::json::list;
use super::pool::PoolKey;
use super::reply::{Refusal, Reply};
use super::show::Depth;
use super::world::{Exchange, World};

/// One request to GARM's API.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `GET`, `POST`, `PUT`, `DELETE`, …
    pub method: &'a str,
    /// Path below `/api/v1`, with its leading slash and its query.
    pub path: &'a str,
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// The body; empty for none.
    pub body: &'a [u8],
}

impl World {
    /// Answers a request at the present instant.
    pub fn handle(&mut self, request: Request<'_>) -> Reply {
        let reply = self.answer(request).unwrap_or_else(Reply::from);
        let is_secret =
            request.path.starts_with("/auth/") || request.path.starts_with("/first-run");
        self.requests.push(Exchange {
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

    fn answer(&mut self, request: Request<'_>) -> Result<Reply, Refusal> {
        let (path, query) = request.path.split_once('?').unwrap_or((request.path, ""));
        let names: Vec<String> =
            path.trim_matches('/').split('/').map(super::query::decode).collect();
        let segments: Vec<&str> = names.iter().map(String::as_str).collect();
        match request.method {
            "GET" | "POST" | "PUT" | "DELETE" => {}
            "OPTIONS" => return Ok(Reply::bare(200)),
            // GARM's router answers these by itself, before it asks for a token (GARM.md §b).
            _ => return Ok(Reply::bare(405)),
        }
        if let ("POST", ["first-run"]) = (request.method, segments.as_slice()) {
            return self.first_run(request.body);
        }
        if !self.controller.has_admin {
            return Err(Refusal::InitRequired);
        }
        if let ("POST", ["auth", "login"]) = (request.method, segments.as_slice()) {
            return self.login(request.body);
        }
        // The controller is within reach before the URLs are set (GARM.md §b).
        let is_controller =
            matches!((request.method, segments.as_slice()), ("GET" | "PUT", ["controller"]));
        if !is_controller && !self.controller.has_urls() {
            return Err(Refusal::UrlsRequired);
        }
        self.check_token(request.authorization)?;
        self.route(request, &segments, query)
    }

    fn route(
        &mut self,
        request: Request<'_>,
        segments: &[&str],
        query: &str,
    ) -> Result<Reply, Refusal> {
        let body = request.body;
        match (request.method, segments) {
            ("GET", ["controller" | "controller-info"]) => self.get_controller(),
            ("PUT", ["controller"]) => self.put_controller(body),
            ("GET", ["metrics-token"]) => Ok(self.metrics_token()),
            ("GET", ["providers"]) => Ok(Reply::json(self.show_providers())),
            ("GET", ["jobs"]) => {
                Ok(Reply::json(list(self.jobs.values().map(|it| self.show_job(it, Depth::List)))))
            }
            ("GET", ["pools"]) => {
                Ok(Reply::json(list(self.pools.values().map(|it| self.show_pool(it, Depth::List)))))
            }
            (method, ["pools", id]) => self.one_pool(method, id, body),
            ("GET", ["pools", id, "instances"]) => self.pool_instances(id, query),
            ("GET", ["instances"]) => Ok(Reply::json(list(
                self.instances.values().map(|it| self.show_instance(it, Depth::List)),
            ))),
            ("GET", ["instances", name]) => self.get_instance(name),
            ("DELETE", ["instances", name]) => self.delete_instance(name, query),
            ("GET", ["scalesets" | "proxies" | "forge-instances"]) => Ok(Reply::json("[]".into())),
            (_, ["organizations" | "repositories" | "enterprises", rest @ ..]) => {
                let kind = Kind::of_path(segments[0]).ok_or(Refusal::NoRoute)?;
                self.route_entity(request, kind, rest)
            }
            (_, ["templates" | "github" | "credentials", ..]) => {
                self.route_settings(request, segments, query)
            }
            _ => Err(Refusal::NoRoute),
        }
    }

    fn route_entity(
        &mut self,
        request: Request<'_>,
        kind: Kind,
        rest: &[&str],
    ) -> Result<Reply, Refusal> {
        let body = request.body;
        match (request.method, rest) {
            ("GET", []) => {
                let rows = self.entities.iter().filter(|it| it.1.kind == kind);
                Ok(Reply::json(list(rows.map(|(key, it)| self.show_entity(*key, it, Depth::List)))))
            }
            ("GET", [id]) => {
                let what =
                    format!("error fetching {}: error fetching {}", kind.long(), kind.short());
                let key = self.find_entity(kind, id).map_err(|it| it.within(&what))?;
                let entity = self.entities.get(&key).ok_or(Refusal::Server)?;
                Ok(Reply::json(self.show_entity(key, entity, Depth::One)))
            }
            ("DELETE", [id]) => self.delete_entity(kind, id),
            ("POST", [id, "pools"]) => self.create_pool(kind, id, body),
            ("GET", [id, "pools"]) => {
                let what = "error fetching pools: error fetching pools";
                let key = self.existing_entity(kind, id).map_err(|it| it.within(what))?;
                let rows = self.pools.values().filter(|it| it.entity == key);
                Ok(Reply::json(list(rows.map(|it| self.show_pool(it, Depth::List)))))
            }
            ("GET", [id, "instances"]) => {
                let what = "error fetching instances: error fetching entity";
                let key = self.existing_entity(kind, id).map_err(|it| it.within(what))?;
                Ok(Reply::json(list(self.entity_instances(key).into_iter())))
            }
            (method, [id, "pools", pool]) => self.entity_pool(method, (kind, id), pool, body),
            _ => Err(Refusal::NoRoute),
        }
    }

    /// By pool, then in order of creation.
    fn entity_instances(&self, entity: EntityKey) -> Vec<String> {
        self.pools
            .values()
            .filter(|it| it.entity == entity)
            .flat_map(|it| &it.instances)
            .filter_map(|it| self.instances.get(it))
            .map(|it| self.show_instance(it, Depth::List))
            .collect()
    }

    fn entity_pool(
        &mut self,
        method: &str,
        (kind, entity): (Kind, &str),
        id: &str,
        body: &[u8],
    ) -> Result<Reply, Refusal> {
        let owner = self.find_entity(kind, entity);
        let found = self.find_pool(id).ok().filter(|key| {
            let of = self.pools.get(key).map(|it| it.entity);
            owner.as_ref().is_ok_and(|it| Some(*it) == of)
        });
        match (method, found) {
            ("GET" | "PUT" | "DELETE", _) if !is_uuid(id) => Err(Refusal::bad(
                "error fetching pool: fetching pool: error parsing id: invalid request",
            )),
            ("GET" | "PUT" | "DELETE", Some(_)) => self.one_pool(method, id, body),
            ("DELETE", None) => Ok(Reply::done()),
            ("GET" | "PUT", None) => Err(Refusal::NotFound(
                "error fetching pool: fetching pool: error finding pool: not found".into(),
            )),
            _ => Err(Refusal::NoRoute),
        }
    }

    fn one_pool(&mut self, method: &str, id: &str, body: &[u8]) -> Result<Reply, Refusal> {
        match method {
            "GET" => {
                let key = self.find_pool(id).map_err(|it| it.within("error fetching pool"))?;
                let pool = self.pools.get(&key).ok_or(Refusal::Server)?;
                Ok(Reply::json(self.show_pool(pool, Depth::One)))
            }
            "PUT" => {
                super::body::Body::read(body)?;
                let key = self.find_pool(id).map_err(|it| it.within("error fetching pool"))?;
                self.update_pool(key, body)
            }
            "DELETE" => self.delete_pool(id),
            _ => Err(Refusal::NoRoute),
        }
    }

    /// An unknown pool has no instances, which is no error.
    fn pool_instances(&self, id: &str, query: &str) -> Result<Reply, Refusal> {
        if !is_uuid(id) {
            return Err(Refusal::bad(
                "error fetching instances: error parsing id: invalid request",
            ));
        }
        let Some(pool) = self.pool_ids.get(&id.to_lowercase()).and_then(|it| self.pools.get(it))
        else {
            return Ok(Reply::json("[]".into()));
        };
        let only_outdated = super::query::is_true(query, "outdatedOnly");
        let rows = pool
            .instances
            .iter()
            .filter_map(|it| self.instances.get(it))
            .filter(|it| !only_outdated || it.generation < pool.generation)
            .map(|it| self.show_instance(it, Depth::List));
        Ok(Reply::json(list(rows)))
    }

    /// The pool with this id, or GARM's words for why there is none.
    pub(super) fn find_pool(&self, id: &str) -> Result<PoolKey, Refusal> {
        if !is_uuid(id) {
            return Err(Refusal::bad(
                "error fetching pool by ID: error parsing id: invalid request",
            ));
        }
        self.pool_ids
            .get(&id.to_lowercase())
            .copied()
            .ok_or_else(|| Refusal::NotFound("error fetching pool by ID: not found".into()))
    }

    /// The entity with this id, or GARM's words for why there is none.
    pub(super) fn find_entity(&self, kind: Kind, id: &str) -> Result<EntityKey, Refusal> {
        if !is_uuid(id) {
            return Err(Refusal::bad("error parsing id: invalid request"));
        }
        self.entity_of(&id.to_lowercase(), kind)
            .ok_or_else(|| Refusal::NotFound("not found".into()))
    }

    /// The same, as GARM asks before it lists what hangs on an entity.
    fn existing_entity(&self, kind: Kind, id: &str) -> Result<EntityKey, Refusal> {
        self.find_entity(kind, id).map_err(|it| match it {
            Refusal::NotFound(_) => {
                it.within("error checking entity existence: error entity not found")
            }
            other => other,
        })
    }
}

/// What GARM takes for an id: 32 hexadecimal digits, with dashes or without.
pub(crate) fn is_uuid(text: &str) -> bool {
    let has_dashes = text.len() == 36
        && [8, 13, 18, 23].iter().all(|it| text.as_bytes().get(*it) == Some(&b'-'));
    let digits = text.chars().filter(|it| *it != '-').collect::<String>();
    (has_dashes || text.len() == 32)
        && digits.len() == 32
        && digits.chars().all(|it| it.is_ascii_hexdigit())
}
