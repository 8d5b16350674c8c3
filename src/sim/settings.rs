//! Templates, endpoints, and the removal of entities.

use super::entity::Kind;
use super::json::list;
use super::query;
use super::reply::{Refusal, Reply};
use super::routes::Request;
use super::show::Depth;
use super::world::World;

impl World {
    pub(super) fn route_settings(
        &mut self,
        request: Request<'_>,
        segments: &[&str],
        query: &str,
    ) -> Result<Reply, Refusal> {
        match (request.method, segments) {
            ("GET", ["templates"]) => Ok(Reply::json(self.list_templates(query))),
            ("GET", ["templates", id]) => self.get_template(id),
            ("GET", ["credentials"]) => self.route_credentials(request, &[]),
            (_, ["github", "credentials", rest @ ..]) => self.route_credentials(request, rest),
            ("GET", ["github", "endpoints"]) => {
                Ok(Reply::json(list(self.endpoints.iter().map(|it| self.show_endpoint(it)))))
            }
            ("GET", ["github", "endpoints", name]) => {
                let found = self.endpoint_named(name).ok_or_else(|| {
                    Refusal::NotFound(
                        "failed to get github endpoint: github endpoint not found: not found"
                            .into(),
                    )
                })?;
                Ok(Reply::json(self.show_endpoint(found)))
            }
            _ => Err(Refusal::NoRoute),
        }
    }

    fn list_templates(&self, query: &str) -> String {
        let fits = |key: &str, value: &str| {
            query::value(query, key).is_none_or(|it| it.is_empty() || it == value)
        };
        let part = query::value(query, "partialName").unwrap_or_default().to_lowercase();
        let rows = self.templates.values().filter(|it| {
            fits("osType", &it.os_type)
                && fits("forgeType", &it.forge_type)
                && it.name.to_lowercase().contains(&part)
        });
        list(rows.map(|it| self.show_template(it, Depth::List)))
    }

    fn get_template(&self, id: &str) -> Result<Reply, Refusal> {
        let number: u64 = id
            .parse()
            .map_err(|_| Refusal::bad(format!("invalid value for \"templateID\": \"{id}\"")))?;
        let found = self.templates.get(&number).ok_or_else(|| {
            Refusal::NotFound("failed to get template: failed to get template: not found".into())
        })?;
        Ok(Reply::json(self.show_template(found, Depth::One)))
    }

    /// An entity with pools stays (GARM.md §b).
    pub(super) fn delete_entity(&mut self, kind: Kind, id: &str) -> Result<Reply, Refusal> {
        let what = format!("error fetching {0}: error fetching {0}", kind.short());
        let key = self.find_entity(kind, id).map_err(|it| it.within(&what))?;
        let pools: Vec<_> =
            self.pools.values().filter(|it| it.entity == key).map(|it| it.id.clone()).collect();
        if !pools.is_empty() {
            return Err(Refusal::bad(format!(
                "{} has pools defined ({})",
                kind.short(),
                pools.join(", ")
            )));
        }
        self.entities.remove(&key);
        Ok(Reply::done())
    }
}
