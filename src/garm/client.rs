//! The client: one method per call of GARM's API that we use.

use std::sync::Arc;

use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::error::{Error, Kind};
use super::session::{Login, Session, What};
use super::transport::{Method, Transport};
use super::wire::{self, Misread};
use crate::domain::entity::{Entity, EntityKey, EntityKind};
use crate::domain::fleet::{Controller, Provider, Template};
use crate::domain::job::Job;
use crate::domain::name::{PoolId, RunnerName};
use crate::domain::pool::{Pool, PoolChange, PoolSpec};
use crate::domain::runner::Runner;
use crate::domain::text;

/// Speaks to one GARM. Logs in by itself at the first request, and again when its token has
/// expired; a refused request is otherwise never repeated.
pub struct Client {
    session: Session,
}

impl Client {
    /// Opens no connection yet.
    pub fn new(transport: Arc<dyn Transport>, login: Login) -> Self {
        Self { session: Session::new(transport, login) }
    }

    /// Where it goes, for people.
    pub fn address(&self) -> String {
        self.session.transport.address()
    }

    /// GARM's own settings, and GARM's clock.
    pub async fn controller(&self) -> Result<(Controller, Option<Timestamp>), Error> {
        let what = What { method: Method::Get, path: "/controller-info".into(), body: None };
        self.session.ask(&what, |it| Ok((wire::controller(&it.body)?, it.date))).await
    }

    /// Sets `minimum_job_age_backoff`, in seconds.
    pub async fn update_controller(&self, backoff_s: u64) -> Result<Controller, Error> {
        let body = json!({ "minimum_job_age_backoff": backoff_s });
        self.send(Method::Put, "/controller".into(), Some(body), wire::controller).await
    }

    /// All entities of one kind.
    pub async fn entities(&self, kind: EntityKind) -> Result<Vec<Entity>, Error> {
        self.get(entity_path(kind).into(), |body| wire::entities(kind, body)).await
    }

    /// The providers of GARM's configuration.
    pub async fn providers(&self) -> Result<Vec<Provider>, Error> {
        self.get("/providers".into(), wire::providers).await
    }

    /// The install templates.
    pub async fn templates(&self) -> Result<Vec<Template>, Error> {
        self.get("/templates".into(), wire::templates).await
    }

    /// Every pool of an organization, a repository or an enterprise.
    pub async fn pools(&self) -> Result<Vec<Pool>, Error> {
        self.get("/pools".into(), wire::pools).await
    }

    /// One pool with its instances.
    pub async fn pool(&self, id: &PoolId) -> Result<(Pool, Vec<Runner>), Error> {
        self.get(pool_path(id)?, wire::pool_with_runners).await
    }

    /// Every instance.
    pub async fn runners(&self) -> Result<Vec<Runner>, Error> {
        self.get("/instances".into(), wire::runners).await
    }

    /// The instances of one pool.
    pub async fn runners_of(&self, id: &PoolId) -> Result<Vec<Runner>, Error> {
        self.get(format!("{}/instances", pool_path(id)?), wire::runners).await
    }

    /// One instance with its history.
    pub async fn runner(&self, name: &RunnerName) -> Result<Runner, Error> {
        self.get(runner_path(name)?, wire::runner).await
    }

    /// Every job that GARM has recorded.
    pub async fn jobs(&self) -> Result<Vec<Job>, Error> {
        self.get("/jobs".into(), wire::jobs).await
    }

    /// Creates a pool. Never retried: on an error that is not certain, read the list.
    pub async fn create_pool(&self, entity: &EntityKey, spec: &PoolSpec) -> Result<Pool, Error> {
        let id = segment("entity", entity.id.as_str())?;
        let path = format!("{}/{id}/pools", entity_path(entity.kind));
        let body = Some(wire::create_body(spec));
        self.send(Method::Post, path, body, wire::pool_with_runners).await.map(|it| it.0)
    }

    /// Changes a pool and brings what GARM made of it.
    pub async fn update_pool(&self, id: &PoolId, change: &PoolChange) -> Result<Pool, Error> {
        let body = Some(wire::change_body(change));
        self.send(Method::Put, pool_path(id)?, body, wire::pool_with_runners).await.map(|it| it.0)
    }

    /// Deletes an empty pool. Deleting an absent one succeeds, as GARM has it.
    pub async fn delete_pool(&self, id: &PoolId) -> Result<(), Error> {
        self.send(Method::Delete, pool_path(id)?, None, nothing).await
    }

    /// Removes one runner that is not busy; a busy one is [`Kind::Refused`]. Never forced, and
    /// `bypassGHUnauthorized` is never sent: it kills a running job (GARM.md §0.7).
    pub async fn delete_runner(&self, name: &RunnerName) -> Result<(), Error> {
        self.send(Method::Delete, runner_path(name)?, None, nothing).await
    }

    async fn get<T>(
        &self,
        path: String,
        read: impl FnOnce(&[u8]) -> Result<T, Misread>,
    ) -> Result<T, Error> {
        self.send(Method::Get, path, None, read).await
    }

    async fn send<T>(
        &self,
        method: Method,
        path: String,
        body: Option<Value>,
        read: impl FnOnce(&[u8]) -> Result<T, Misread>,
    ) -> Result<T, Error> {
        let what = What { method, path, body };
        self.session.ask(&what, |response| read(&response.body)).await
    }
}

fn entity_path(kind: EntityKind) -> &'static str {
    match kind {
        EntityKind::Organization => "/organizations",
        EntityKind::Repository => "/repositories",
        EntityKind::Enterprise => "/enterprises",
    }
}

fn pool_path(id: &PoolId) -> Result<String, Error> {
    Ok(format!("/pools/{}", segment("pool", id.as_str())?))
}

fn runner_path(name: &RunnerName) -> Result<String, Error> {
    Ok(format!("/instances/{}", segment("runner", name.as_str())?))
}

/// A name of GARM's as one segment of a path. Everything but letters, digits, `-`, `_`, `~` and
/// `.` is encoded. An empty name or one of dots would name another thing, and is refused.
fn segment(what: &str, name: &str) -> Result<String, Error> {
    if matches!(name, "" | "." | "..") {
        return Err(Error {
            kind: Kind::NotGarm,
            tried: format!("address a {what}"),
            got: format!("GARM names it `{}`, which cannot stand in a URL", text::quote(name)),
            help: None,
        });
    }
    let mut segment = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~' | b'.') {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(segment)
}

/// What a DELETE brings: no body, or JSON that does not matter. A page is not GARM's.
fn nothing(body: &[u8]) -> Result<(), Misread> {
    let is_fine =
        body.trim_ascii().is_empty() || serde_json::from_slice::<IgnoredAny>(body).is_ok();
    if is_fine { Ok(()) } else { Err(Misread("an answer that is not GARM's".into())) }
}
