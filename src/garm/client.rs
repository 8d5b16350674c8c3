//! The client: one method for each API call that we use.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use secrecy::SecretString;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::budget::Budget;
use super::error::{ErrorKind, GarmError};
use super::events::{self, Feed, StreamLimits};
use super::session::{ApiCall, GarmLogin, Session};
use super::transport::{Method, Transport};
use super::wire::{self, BodyReader, DecodeError, DocumentReader, SpecsByPool, UnknownPoolData};
use crate::domain::credential::{Credential, DesiredCredential, RateLimit};
use crate::domain::entity::{Entity, EntityKey, EntityKind};
use crate::domain::fleet::{Controller, Provider, Proxy, Template};
use crate::domain::job::Job;
use crate::domain::name::{PoolId, PoolKind, RunnerName};
use crate::domain::poison::IgnorePoison;
use crate::domain::pool::{Pool, PoolChange, PoolSpec};
use crate::domain::runner::Runner;
use crate::domain::text;

/// A client for one GARM. It logs in with the first request and again when its token has expired;
/// otherwise it never repeats a refused request.
pub struct GarmClient {
    session: Arc<Session>,
    budget: Mutex<Budget>,
    /// What was left out of the last response for each path.
    remarks: Mutex<BTreeMap<String, String>>,
    /// Whether this GARM has answered that it does not know scale sets, so that it is not asked
    /// again.
    lacks_scale_sets: AtomicBool,
}

impl GarmClient {
    /// Makes a client; the first request connects and logs in.
    pub fn new(transport: Arc<dyn Transport>, login: GarmLogin) -> Self {
        let session = Arc::new(Session::new(transport, login));
        Self {
            session,
            budget: Mutex::default(),
            remarks: Mutex::default(),
            lacks_scale_sets: AtomicBool::new(false),
        }
    }

    /// Sets the limits on the size of responses from the number of declared pools and runners.
    pub fn expect(&self, pools: u64, runners: u64) {
        *self.budget.lock().ignoring_poison() = Budget::of(pools, runners);
    }

    fn budget(&self) -> Budget {
        *self.budget.lock().ignoring_poison()
    }

    /// What the last read of each list left out, one sentence per list: entries that cannot be
    /// decoded, and jobs beyond the limit.
    pub fn remarks(&self) -> Vec<String> {
        self.remarks
            .lock()
            .ignoring_poison()
            .iter()
            .map(|(path, text)| format!("GET {path}: {text}"))
            .collect()
    }

    /// GARM's address, for use in messages.
    pub fn address(&self) -> String {
        self.session.transport.address()
    }

    /// GARM's events from now on. Must be called inside a tokio runtime: it spawns a task that
    /// reads the stream until the [`Feed`] is dropped.
    pub fn events(&self, limits: StreamLimits) -> Feed {
        let event = self.budget().event;
        let message_max = limits.message_max.min(event);
        let taken_max = limits.taken_max.max(event.saturating_mul(2));
        events::open(Arc::clone(&self.session), StreamLimits { message_max, taken_max, ..limits })
    }

    /// GARM's own settings, and its clock.
    pub async fn controller(&self) -> Result<(Controller, Option<Timestamp>), GarmError> {
        let what = ApiCall { method: Method::Get, path: "/controller-info".into(), body: None };
        let answer = self.session.ask(&what, DocumentReader::new(wire::controller)).await?;
        Ok((answer.output, answer.date))
    }

    /// Sets `minimum_job_age_backoff`, in seconds; returns GARM's settings afterwards.
    pub async fn update_controller(&self, backoff_s: u64) -> Result<Controller, GarmError> {
        let body = json!({ "minimum_job_age_backoff": backoff_s });
        let reader = DocumentReader::new(wire::controller);
        self.send(Method::Put, "/controller".into(), Some(body), reader).await
    }

    /// All entities of one kind.
    pub async fn entities(&self, kind: EntityKind) -> Result<Vec<Entity>, GarmError> {
        let reader = wire::entities(kind, self.budget().others);
        self.list(entity_path(kind).into(), reader).await.map(|(output, _)| output)
    }

    /// One entity with the `extra_specs` of each of its pools, which GARM's lists omit.
    pub async fn entity(&self, key: &EntityKey) -> Result<(Entity, SpecsByPool), GarmError> {
        let path = format!("{}/{}", entity_path(key.kind), segment("entity", key.id.as_str())?);
        let reader = wire::entity_with_specs(key.kind, self.budget().specs);
        self.list(path, reader).await.map(|(output, _)| output)
    }

    /// The pools of an entity whose `extra_specs` are not a JSON object. [`Self::entity`] reads
    /// those as empty.
    pub async fn without_map(&self, key: &EntityKey) -> Result<Vec<PoolId>, GarmError> {
        let path = format!("{}/{}", entity_path(key.kind), segment("entity", key.id.as_str())?);
        let document = DocumentReader::up_to(self.budget().specs.bytes, wire::without_map);
        self.send(Method::Get, path, None, document).await
    }

    /// The data in GARM's list of pools that [`Self::pools`] skips.
    pub async fn unknown_of_pools(&self) -> Result<UnknownPoolData, GarmError> {
        let document = DocumentReader::up_to(self.budget().pools.bytes, wire::unknown);
        self.send(Method::Get, "/pools".into(), None, document).await
    }

    /// The providers in GARM's configuration.
    pub async fn providers(&self) -> Result<Vec<Provider>, GarmError> {
        self.get("/providers".into(), wire::providers).await
    }

    pub async fn templates(&self) -> Result<Vec<Template>, GarmError> {
        self.get("/templates".into(), wire::templates).await
    }

    /// GitHub's rate limit for each of GARM's credentials, by name.
    pub async fn rate_limits(&self) -> Result<BTreeMap<String, RateLimit>, GarmError> {
        self.get(CREDENTIALS.into(), wire::rate_limits).await
    }

    /// The proxies that runners can use. GARM up to v0.2.1 has neither proxies nor this path.
    pub async fn proxies(&self) -> Result<Vec<Proxy>, GarmError> {
        match self.get("/proxies".into(), wire::proxies).await {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(Vec::new()),
            answer => answer,
        }
    }

    pub async fn credentials(&self) -> Result<Vec<Credential>, GarmError> {
        self.get(CREDENTIALS.into(), wire::credentials).await
    }

    /// The names of the GitHub endpoints that GARM knows.
    pub async fn endpoints(&self) -> Result<Vec<String>, GarmError> {
        self.get("/github/endpoints".into(), wire::endpoints).await
    }

    /// Every pool of an organization, repository or enterprise, without `extra_specs`.
    pub async fn pools(&self) -> Result<Vec<Pool>, GarmError> {
        self.pools_and_date().await.map(|(output, _)| output)
    }

    /// Like [`Self::pools`], with the `Date` of the answer, if it has one.
    pub async fn pools_and_date(&self) -> Result<(Vec<Pool>, Option<Timestamp>), GarmError> {
        self.list("/pools".into(), wire::pools(self.budget().pools)).await
    }

    /// Every scale set, with `extra_specs`; none if this GARM does not have the path, as before
    /// 0.2.
    pub async fn scale_sets(&self) -> Result<Vec<Pool>, GarmError> {
        if self.lacks_scale_sets.load(Ordering::Relaxed) {
            return Ok(Vec::new());
        }
        match self.list("/scalesets".into(), wire::scale_sets(self.budget().scale_sets)).await {
            Err(error) if error.kind == ErrorKind::NotFound => {
                self.lacks_scale_sets.store(true, Ordering::Relaxed);
                Ok(Vec::new())
            }
            answer => answer.map(|(output, _)| output),
        }
    }

    /// Whether this GARM has scale sets, as far as [`Self::scale_sets`] has found out.
    pub fn has_scale_sets(&self) -> bool {
        !self.lacks_scale_sets.load(Ordering::Relaxed)
    }

    /// Every pool, then every scale set, with the `Date` of the first answer, if it has one.
    pub async fn pools_of_all_kinds(&self) -> Result<(Vec<Pool>, Option<Timestamp>), GarmError> {
        let (mut pools, date) = self.pools_and_date().await?;
        pools.extend(self.scale_sets().await?);
        Ok((pools, date))
    }

    /// One pool or scale set with its instances.
    pub async fn pool(&self, id: &PoolId) -> Result<(Pool, Vec<Runner>), GarmError> {
        let reader = wire::pool_with_runners(self.budget().runners);
        self.send(Method::Get, pool_path(id)?, None, reader).await
    }

    pub async fn runners(&self) -> Result<Vec<Runner>, GarmError> {
        let reader = wire::runners(self.budget().runners);
        self.list("/instances".into(), reader).await.map(|(output, _)| output)
    }

    /// The instances of one pool or scale set.
    pub async fn runners_of(&self, id: &PoolId) -> Result<Vec<Runner>, GarmError> {
        let reader = wire::runners(self.budget().runners);
        self.send(Method::Get, format!("{}/instances", pool_path(id)?), None, reader).await
    }

    /// One instance with its history.
    pub async fn runner(&self, name: &RunnerName) -> Result<Runner, GarmError> {
        self.get(runner_path(name)?, wire::runner).await
    }

    /// Every job in GARM's database.
    pub async fn jobs(&self) -> Result<Vec<Job>, GarmError> {
        self.list("/jobs".into(), wire::jobs(self.budget().jobs)).await.map(|(output, _)| output)
    }

    /// Creates a pool, or a scale set if the spec has the name of one. Never retried: after an
    /// error that is not certain, read the list.
    pub async fn create_pool(
        &self,
        entity: &EntityKey,
        spec: &PoolSpec,
    ) -> Result<Pool, GarmError> {
        let id = segment("entity", entity.id.as_str())?;
        let (list, body) = match &spec.scale_set_name {
            None => ("pools", wire::create_body(spec)),
            Some(name) => ("scalesets", wire::scale_set_body(name, spec)),
        };
        let path = format!("{}/{id}/{list}", entity_path(entity.kind));
        let reader = wire::pool_with_runners(self.budget().runners);
        self.send(Method::Post, path, Some(body), reader).await.map(|(output, _)| output)
    }

    /// Changes a pool or scale set and returns it as GARM has stored it.
    pub async fn update_pool(&self, id: &PoolId, change: &PoolChange) -> Result<Pool, GarmError> {
        let body = Some(match id.kind() {
            PoolKind::Pool => wire::change_body(change),
            PoolKind::ScaleSet => wire::scale_set_change_body(change),
        });
        let reader = wire::pool_with_runners(self.budget().runners);
        self.send(Method::Put, pool_path(id)?, body, reader).await.map(|(output, _)| output)
    }

    /// Deletes an empty pool or scale set. GARM also reports success for one that does not exist,
    /// and for a scale set that it keeps because GitHub did not answer.
    pub async fn delete_pool(&self, id: &PoolId) -> Result<(), GarmError> {
        self.send(Method::Delete, pool_path(id)?, None, DocumentReader::new(nothing)).await
    }

    /// Removes one runner that is not busy; a busy one is [`ErrorKind::Refused`]. Never forced, and
    /// `bypassGHUnauthorized` is never sent: it kills a running job (GARM.md §0.7).
    pub async fn delete_runner(&self, name: &RunnerName) -> Result<(), GarmError> {
        self.send(Method::Delete, runner_path(name)?, None, DocumentReader::new(nothing)).await
    }

    /// Creates credentials for a GitHub App, with `mark` as their description. Never retried: after
    /// an error that is not certain, read the list.
    pub async fn create_credential(
        &self,
        wanted: &DesiredCredential,
        mark: &str,
        key: &SecretString,
    ) -> Result<Credential, GarmError> {
        let body = Some(wire::new_credential_body(wanted, mark, key));
        let reader = DocumentReader::new(wire::credential);
        self.send(Method::Post, CREDENTIALS.into(), body, reader).await
    }

    /// Replaces the ids, key and description of a GitHub App's credentials.
    pub async fn update_credential(
        &self,
        id: u64,
        wanted: &DesiredCredential,
        mark: &str,
        key: &SecretString,
    ) -> Result<Credential, GarmError> {
        let body = Some(wire::credential_body(wanted, mark, key));
        let reader = DocumentReader::new(wire::credential);
        self.send(Method::Put, format!("{CREDENTIALS}/{id}"), body, reader).await
    }

    async fn get<T>(
        &self,
        path: String,
        read: impl FnOnce(&[u8]) -> Result<T, DecodeError> + Send,
    ) -> Result<T, GarmError> {
        self.send(Method::Get, path, None, DocumentReader::new(read)).await
    }

    /// Reads a list, remembers what was left out of it, and also returns GARM's clock.
    async fn list<R: BodyReader>(
        &self,
        path: String,
        reader: R,
    ) -> Result<(R::Output, Option<Timestamp>), GarmError> {
        let what = ApiCall { method: Method::Get, path, body: None };
        let answer = self.session.ask(&what, reader).await?;
        let mut remarks = self.remarks.lock().ignoring_poison();
        match answer.remark {
            Some(remark) => drop(remarks.insert(what.path, remark)),
            None => drop(remarks.remove(&what.path)),
        }
        Ok((answer.output, answer.date))
    }

    async fn send<R: BodyReader>(
        &self,
        method: Method,
        path: String,
        body: Option<Value>,
        reader: R,
    ) -> Result<R::Output, GarmError> {
        let what = ApiCall { method, path, body };
        Ok(self.session.ask(&what, reader).await?.output)
    }
}

const CREDENTIALS: &str = "/github/credentials";

fn entity_path(kind: EntityKind) -> &'static str {
    match kind {
        EntityKind::Organization => "/organizations",
        EntityKind::Repository => "/repositories",
        EntityKind::Enterprise => "/enterprises",
    }
}

fn pool_path(id: &PoolId) -> Result<String, GarmError> {
    match id.kind() {
        PoolKind::Pool => Ok(format!("/pools/{}", segment("pool", id.as_str())?)),
        PoolKind::ScaleSet => Ok(format!("/scalesets/{id}")),
    }
}

fn runner_path(name: &RunnerName) -> Result<String, GarmError> {
    Ok(format!("/instances/{}", segment("runner", name.as_str())?))
}

/// Encodes a name from GARM as one path segment: everything except letters, digits, `-`, `_`, `~`
/// and `.`. An empty name, `.` or `..` would address something else and is an error.
fn segment(what: &str, name: &str) -> Result<String, GarmError> {
    if matches!(name, "" | "." | "..") {
        return Err(GarmError {
            kind: ErrorKind::NotGarm,
            tried: format!("address a {what}"),
            got: format!("GARM's name for it, `{}`, cannot be part of a URL", text::quote(name)),
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

/// Reads the response to a DELETE: no body, or JSON that does not matter. An HTML page does not
/// come from GARM.
fn nothing(body: &[u8]) -> Result<(), DecodeError> {
    let is_fine =
        body.trim_ascii().is_empty() || serde_json::from_slice::<IgnoredAny>(body).is_ok();
    if is_fine { Ok(()) } else { Err(DecodeError("a response that is not from GARM".into())) }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use secrecy::{ExposeSecret, SecretString};

    use super::*;
    use crate::garm::{Request, Response, ResponseFuture, TlsFault, TransportError};

    type Answer = Box<dyn Fn(&Request) -> Result<(u16, String), TransportError> + Send + Sync>;

    /// A scripted GARM that records its requests.
    struct Script {
        answer: Answer,
        asked: Mutex<Vec<String>>,
    }

    impl Transport for Script {
        fn send(&self, request: Request) -> ResponseFuture<'_> {
            let token = request.token.as_ref().map_or("-", |token| token.expose_secret());
            let line = format!("{} {} {token}", request.method.word(), request.path);
            self.asked.lock().unwrap().push(line);
            Box::pin(async move {
                tokio::task::yield_now().await;
                let (status, body) = (self.answer)(&request)?;
                Ok(Response { status, content_type: None, date: None, body: body.into() })
            })
        }

        fn address(&self) -> String {
            "https://garm.test".into()
        }
    }

    const PASSWORD: &str = "canary-password";

    fn client<F>(answer: F) -> (GarmClient, Arc<Script>)
    where
        F: Fn(&Request) -> Result<(u16, String), TransportError> + Send + Sync + 'static,
    {
        let script = Arc::new(Script { answer: Box::new(answer), asked: Mutex::default() });
        let login = GarmLogin::new("admin", SecretString::from(PASSWORD));
        (GarmClient::new(Arc::clone(&script) as _, login), script)
    }

    fn asked(script: &Script) -> Vec<String> {
        std::mem::take(&mut *script.asked.lock().unwrap())
    }

    fn refusal(error: &str) -> String {
        json!({ "error": error, "details": "" }).to_string()
    }

    /// Issues `token-1`, `token-2`, … and accepts only those from number `good` on.
    fn with_tokens(good: usize) -> impl Fn(&Request) -> Result<(u16, String), TransportError> {
        let given = Mutex::new(0);
        move |request| {
            let Some(token) = &request.token else {
                let mut given = given.lock().unwrap();
                *given += 1;
                return Ok((200, json!({ "token": format!("token-{given}") }).to_string()));
            };
            let number: usize = token.expose_secret().trim_start_matches("token-").parse().unwrap();
            match (number >= good, request.method) {
                (false, _) => Ok((401, refusal("Authentication failed"))),
                (true, Method::Get) => Ok((200, "[]".into())),
                (true, _) => Ok((200, String::new())),
            }
        }
    }

    fn text(error: &GarmError) -> String {
        let help = error.help.as_deref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
        format!("{error}{help}")
    }

    #[tokio::test]
    async fn the_first_request_logs_in_and_later_ones_use_the_token() {
        let (client, script) = client(with_tokens(1));
        client.pools().await.unwrap();
        client.jobs().await.unwrap();
        let expected = ["POST /auth/login -", "GET /pools token-1", "GET /jobs token-1"];
        assert_eq!(asked(&script), expected);
    }

    #[tokio::test]
    async fn an_expired_token_is_renewed_and_the_write_is_repeated_once() {
        let (client, script) = client(with_tokens(2));
        client.delete_pool(&PoolId::new("p")).await.unwrap();
        let expected = [
            "POST /auth/login -",
            "DELETE /pools/p token-1",
            "POST /auth/login -",
            "DELETE /pools/p token-2",
        ];
        assert_eq!(asked(&script), expected);
    }

    #[tokio::test]
    async fn a_new_token_that_is_refused_is_an_error() {
        let (client, script) = client(with_tokens(usize::MAX));
        let error = client.pools().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Token);
        insta::assert_snapshot!(text(&error), @"
        GET /pools at https://garm.test: 401 Authentication failed
        help: GARM refuses the token that it has just issued: check its clock, and that `garm.url` does not lead to several GARMs with different secrets
        ");
        assert_eq!(asked(&script).len(), 4);
    }

    /// GitHub has refused GARM, so a new login would not help (GARM.md §0.6).
    #[tokio::test]
    async fn a_401_from_github_does_not_cause_a_login() {
        let (client, script) = client(|request| {
            let is_delete = request.method == Method::Delete;
            if is_delete { Ok((401, refusal("Not Authorized"))) } else { with_tokens(1)(request) }
        });
        let error = client.delete_runner(&RunnerName::new("r")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::GithubRefused);
        insta::assert_snapshot!(text(&error), @"
        DELETE /instances/r: 401 Not Authorized
        help: GitHub refuses GARM's own credentials: renew them (see `garm-cli github credentials list`)
        ");
        assert_eq!(asked(&script), ["POST /auth/login -", "DELETE /instances/r token-1"]);
    }

    #[tokio::test]
    async fn concurrent_requests_share_one_login_and_one_renewal() {
        let (client, script) = client(with_tokens(2));
        let results = join_all((0..20).map(|_| client.pools())).await;
        assert!(results.iter().all(Result::is_ok));
        let asked = asked(&script);
        let count = |line: &str| asked.iter().filter(|request| *request == line).count();
        assert_eq!(count("POST /auth/login -"), 2);
        assert_eq!(count("GET /pools token-1"), 20);
        assert_eq!(count("GET /pools token-2"), 20);
    }

    #[tokio::test]
    async fn concurrent_requests_try_a_wrong_password_once() {
        let (client, script) = client(|_| Ok((401, refusal("Not Authorized"))));
        let results = join_all((0..20).map(|_| client.pools())).await;
        let errors: Vec<_> = results.into_iter().map(Result::unwrap_err).collect();
        assert!(errors.iter().all(|error| *error == errors[0]));
        assert_eq!(errors[0].kind, ErrorKind::Credentials);
        insta::assert_snapshot!(text(&errors[0]), @"
        log in at https://garm.test as `admin`: 401 Not Authorized
        help: check `garm.username` and what `garm.password` refers to
        ");
        assert_eq!(asked(&script), ["POST /auth/login -"]);
        client.pools().await.unwrap_err();
        assert_eq!(asked(&script), ["POST /auth/login -"]);
    }

    #[tokio::test]
    async fn a_cancelled_login_does_not_block_the_next_one() {
        let (client, _) = client(with_tokens(1));
        tokio::select! {
            biased;
            _ = client.pools() => panic!("it cannot be done yet"),
            () = std::future::ready(()) => {}
        }
        client.pools().await.unwrap();
    }

    /// Returns another password at each login, as a secrets manager does after a rotation.
    struct Rotating(Mutex<u32>);

    impl crate::garm::PasswordSource for Rotating {
        fn resolve(&self) -> crate::garm::PasswordFuture<'_> {
            let mut count = self.0.lock().unwrap();
            *count += 1;
            let password = match *count {
                1 | 2 => Ok(SecretString::from(format!("password-{count}"))),
                _ => Err(GarmError::input(
                    "resolve `garm.password`",
                    "the variable is not set",
                    "set it",
                )),
            };
            Box::pin(std::future::ready(password))
        }
    }

    #[tokio::test]
    async fn the_password_is_resolved_at_each_login() {
        let seen = Arc::new(Mutex::new(vec![]));
        let passwords = Arc::clone(&seen);
        let answer: Answer = Box::new(move |request| {
            if request.token.is_none() {
                let body = request.body.as_ref().unwrap();
                passwords.lock().unwrap().push(body["password"].as_str().unwrap().to_owned());
                return Ok((200, json!({ "token": "t" }).to_string()));
            }
            Ok((401, refusal("Authentication failed")))
        });
        let script = Arc::new(Script { answer, asked: Mutex::default() });
        let password = Arc::new(Rotating(Mutex::new(0)));
        let client = GarmClient::new(script, GarmLogin { username: "admin".into(), password });
        assert_eq!(client.pools().await.unwrap_err().kind, ErrorKind::Token);
        let error = client.pools().await.unwrap_err();
        assert!(error.is_input());
        assert_eq!(error.to_string(), "resolve `garm.password`: the variable is not set");
        assert_eq!(*seen.lock().unwrap(), ["password-1", "password-2"]);
    }

    /// A debugging proxy, for example, quotes the request in its response.
    #[tokio::test]
    async fn neither_password_nor_token_is_ever_in_an_error() {
        let token = "canary-token";
        for leak in [PASSWORD, token] {
            for status in [200, 400, 401, 404, 409, 422, 500, 502] {
                for body in [
                    json!({ "error": leak, "details": format!("{}{leak}", "x".repeat(190)) })
                        .to_string(),
                    format!("<html><title>you sent {leak}</title>"),
                    format!("you sent {leak}"),
                    json!([{ "name": 1, leak: leak, "id": leak, "generation": leak }]).to_string(),
                    json!({ "token": { leak: leak } }).to_string(),
                ] {
                    for is_login in [false, true] {
                        let body = body.clone();
                        let (client, _) = client(move |request| {
                            if request.token.is_none() && !is_login {
                                return Ok((200, json!({ "token": token }).to_string()));
                            }
                            Ok((status, body.clone()))
                        });
                        // The other secret is not in that request.
                        if is_login != (leak == PASSWORD) {
                            continue;
                        }
                        let error = client.pools().await.map(drop).unwrap_err();
                        let shown = format!("{error} {error:?}");
                        assert!(!shown.contains("canary"), "{status}: {shown}");
                    }
                }
            }
        }
    }

    #[tokio::test]
    async fn hostile_names_stay_within_their_path_segment() {
        let (client, script) = client(with_tokens(1));
        for name in ["../pools/p", "a?b=c", "a#b", "a b%2e", "é\n", "%2e%2e"] {
            client.delete_runner(&RunnerName::new(name)).await.unwrap();
        }
        let expected = [
            "POST /auth/login -",
            "DELETE /instances/..%2Fpools%2Fp token-1",
            "DELETE /instances/a%3Fb%3Dc token-1",
            "DELETE /instances/a%23b token-1",
            "DELETE /instances/a%20b%252e token-1",
            "DELETE /instances/%C3%A9%0A token-1",
            "DELETE /instances/%252e%252e token-1",
        ];
        assert_eq!(asked(&script), expected);
        for name in ["", ".", ".."] {
            let error = client.delete_pool(&PoolId::new(name)).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::NotGarm, "{name:?}");
        }
        assert_eq!(asked(&script), [""; 0]);
    }

    #[tokio::test]
    async fn a_successful_response_that_is_not_from_garm_is_an_error() {
        let page = "<html><head><title>Welcome to nginx!</title></head></html>";
        let (client, _) = client(move |request| {
            if request.token.is_some() { Ok((200, page.into())) } else { with_tokens(1)(request) }
        });
        let error = client.pools().await.unwrap_err();
        insta::assert_snapshot!(text(&error), @"
        GET /pools at https://garm.test: 200 with a page titled `Welcome to nginx!`
        help: check that `garm.url` leads to GARM itself, without `/api/v1`, that no proxy responds in its place, and that `garm.tls.cert` is the kind of certificate that a reverse proxy in front of it requires
        ");
        assert!(!client.delete_pool(&PoolId::new("p")).await.unwrap_err().is_certain());
        assert!(!client.runner(&RunnerName::new("r")).await.unwrap_err().is_certain());
    }

    #[tokio::test]
    async fn texts_from_garm_are_bounded_and_escaped() {
        let (client, _) = client(|request| {
            let details = format!("\u{1b}[2J{}", "x".repeat(10_000));
            let body = json!({ "error": "Bad Request", "details": details }).to_string();
            if request.token.is_some() { Ok((400, body)) } else { with_tokens(1)(request) }
        });
        let error = client.pools().await.unwrap_err();
        assert!(error.got.starts_with(r"400 Bad Request: \u{1b}[2Jxxx"), "{}", error.got);
        assert_eq!(error.got.chars().count(), text::QUOTE_MAX + 1);
    }

    #[tokio::test]
    async fn a_refused_client_certificate_has_its_own_error_kind() {
        let (client, _) = client(|_| {
            Err(TransportError::Tls(TlsFault::ClientCertificate {
                presented: crate::garm::PresentedCertificate::Nothing,
                alert: "CertificateRequired".into(),
            }))
        });
        let error = client.pools().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::ClientCertificate);
        insta::assert_snapshot!(text(&error), @"
        log in at https://garm.test as `admin`: the server asked for a client certificate, got none, and refused: CertificateRequired
        help: set `garm.tls.cert` and `garm.tls.key`
        ");
    }
}
