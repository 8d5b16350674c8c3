//! The client: one method per call of GARM's API that we use.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::error::{Error, Kind};
use super::transport::{Method, Request, Response, Transport};
use super::wire;
use crate::domain::entity::{Entity, EntityKey, EntityKind};
use crate::domain::fleet::{Controller, Provider, Template};
use crate::domain::job::Job;
use crate::domain::name::{PoolId, RunnerName};
use crate::domain::pool::{Pool, PoolChange, PoolSpec};
use crate::domain::runner::Runner;

/// A password under way.
pub type PasswordReply<'a> = Pin<Box<dyn Future<Output = Result<SecretString, Error>> + Send + 'a>>;

/// Where the password comes from. Asked at each login and nowhere else, so that a rotated password is
/// taken up by itself and none is held in between.
pub trait Password: Send + Sync {
    /// Brings the password, or says why it cannot be had.
    fn resolve(&self) -> PasswordReply<'_>;
}

/// A password that is known already.
impl Password for SecretString {
    fn resolve(&self) -> PasswordReply<'_> {
        Box::pin(std::future::ready(Ok(self.clone())))
    }
}

/// User name and password of GARM's admin.
#[derive(Clone)]
pub struct Login {
    /// User name.
    pub username: String,
    /// Where the password comes from.
    pub password: Arc<dyn Password>,
}

impl Login {
    /// A login with a password that is known already.
    pub fn new(username: impl Into<String>, password: SecretString) -> Self {
        Self { username: username.into(), password: Arc::new(password) }
    }
}

/// Speaks to one GARM. Logs in by itself, keeps the token in memory only.
pub struct Client {
    transport: Arc<dyn Transport>,
    login: Login,
    token: Mutex<Option<SecretString>>,
}

impl Client {
    /// Opens no connection yet.
    pub fn new(transport: Arc<dyn Transport>, login: Login) -> Self {
        Self { transport, login, token: Mutex::new(None) }
    }

    /// Where it goes, for people.
    pub fn address(&self) -> String {
        self.transport.address()
    }

    /// GARM's own settings, and GARM's clock.
    pub async fn controller(&self) -> Result<(Controller, Option<Timestamp>), Error> {
        let response = self.call(Method::Get, "/controller-info", None).await?;
        Ok((wire::controller(&response.body)?, response.date))
    }

    /// Sets `minimum_job_age_backoff`, in seconds.
    pub async fn update_controller(&self, backoff_s: u64) -> Result<Controller, Error> {
        let body = json!({ "minimum_job_age_backoff": backoff_s });
        wire::controller(&self.call(Method::Put, "/controller", Some(body)).await?.body)
    }

    /// All entities of one kind.
    pub async fn entities(&self, kind: EntityKind) -> Result<Vec<Entity>, Error> {
        wire::entities(kind, &self.get(entity_path(kind)).await?)
    }

    /// The providers of GARM's configuration.
    pub async fn providers(&self) -> Result<Vec<Provider>, Error> {
        wire::providers(&self.get("/providers").await?)
    }

    /// The install templates.
    pub async fn templates(&self) -> Result<Vec<Template>, Error> {
        wire::templates(&self.get("/templates").await?)
    }

    /// Every pool.
    pub async fn pools(&self) -> Result<Vec<Pool>, Error> {
        wire::pools(&self.get("/pools").await?)
    }

    /// One pool with its instances.
    pub async fn pool(&self, id: &PoolId) -> Result<(Pool, Vec<Runner>), Error> {
        wire::pool_with_runners(&self.get(&format!("/pools/{id}")).await?)
    }

    /// Every instance.
    pub async fn runners(&self) -> Result<Vec<Runner>, Error> {
        wire::runners(&self.get("/instances").await?)
    }

    /// The instances of one pool.
    pub async fn runners_of(&self, id: &PoolId) -> Result<Vec<Runner>, Error> {
        wire::runners(&self.get(&format!("/pools/{id}/instances")).await?)
    }

    /// One instance with its history.
    pub async fn runner(&self, name: &RunnerName) -> Result<Runner, Error> {
        wire::runner(&self.get(&format!("/instances/{}", segment(name.as_str()))).await?)
    }

    /// Every job that GARM has recorded.
    pub async fn jobs(&self) -> Result<Vec<Job>, Error> {
        wire::jobs(&self.get("/jobs").await?)
    }

    /// Creates a pool. Never retried: on an error that is not certain, read the list.
    pub async fn create_pool(&self, entity: &EntityKey, spec: &PoolSpec) -> Result<Pool, Error> {
        let path = format!("{}/{}/pools", entity_path(entity.kind), entity.id);
        let response = self.call(Method::Post, &path, Some(wire::create_body(spec))).await?;
        wire::pool_with_runners(&response.body).map(|it| it.0)
    }

    /// Changes a pool and brings what GARM made of it.
    pub async fn update_pool(&self, id: &PoolId, change: &PoolChange) -> Result<Pool, Error> {
        let body = wire::change_body(change);
        let response = self.call(Method::Put, &format!("/pools/{id}"), Some(body)).await?;
        wire::pool_with_runners(&response.body).map(|it| it.0)
    }

    /// Deletes an empty pool. Deleting an absent one succeeds, as GARM has it.
    pub async fn delete_pool(&self, id: &PoolId) -> Result<(), Error> {
        self.call(Method::Delete, &format!("/pools/{id}"), None).await.map(drop)
    }

    /// Removes one runner that is not busy; a busy one is [`Kind::Refused`]. Never forced, and
    /// `bypassGHUnauthorized` is never sent: it kills a running job (GARM.md §0.7).
    pub async fn delete_runner(&self, name: &RunnerName) -> Result<(), Error> {
        let path = format!("/instances/{}", segment(name.as_str()));
        self.call(Method::Delete, &path, None).await.map(drop)
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>, Error> {
        self.call(Method::Get, path, None).await.map(|it| it.body)
    }

    /// One request, with one fresh login if the token has expired.
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Response, Error> {
        let token = self.token().await?;
        match self.send(method, path, body.clone(), Some(token.clone())).await {
            Err(error) if error.kind == Kind::Token => {
                self.forget(&token).await;
                let token = self.token().await?;
                self.send(method, path, body, Some(token)).await
            }
            other => other,
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        token: Option<SecretString>,
    ) -> Result<Response, Error> {
        let tried = format!("{} {path}", method.word());
        let request = Request { method, path: path.to_owned(), body, token };
        let response = self.transport.send(request).await.map_err(|error| Error {
            got: error.to_string(),
            kind: Kind::Transport(error),
            tried: tried.clone(),
            help: None,
        })?;
        wire::check(&tried, response)
    }

    /// The token in force; logs in when there is none. One login at a time.
    async fn token(&self) -> Result<SecretString, Error> {
        let mut token = self.token.lock().await;
        if let Some(token) = &*token {
            return Ok(token.clone());
        }
        let password = self.login.password.resolve().await?;
        let body = json!({
            "username": self.login.username,
            "password": password.expose_secret(),
        });
        let response = self.send(Method::Post, "/auth/login", Some(body), None).await?;
        let fresh = wire::token(&response.body)?;
        *token = Some(fresh.clone());
        Ok(fresh)
    }

    /// Drops a token that was refused, unless another task has renewed it already.
    async fn forget(&self, refused: &SecretString) {
        let mut token = self.token.lock().await;
        if token.as_ref().is_some_and(|it| it.expose_secret() == refused.expose_secret()) {
            *token = None;
        }
    }
}

fn entity_path(kind: EntityKind) -> &'static str {
    match kind {
        EntityKind::Organization => "/organizations",
        EntityKind::Repository => "/repositories",
        EntityKind::Enterprise => "/enterprises",
    }
}

/// A name as one segment of a path.
fn segment(name: &str) -> String {
    url::form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>().replace('+', "%20")
}
