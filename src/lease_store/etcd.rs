//! Each record as a key in etcd, through the JSON gateway of its v3 API.
//!
//! Reads are linearizable, as is etcd's default: a member without a quorum does not answer. A request
//! that one member does not answer goes to the next one; a swap may, because the same swap cannot
//! succeed twice.

use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::http::{JsonAnswer, JsonClient};
use super::kept_token::KeptToken;
use super::{NewRecord, RecordStore, StoreFuture, StoreSecret, StoredText, fault};
use crate::config::EtcdLeader;
use crate::domain::text::quote;
use crate::election::{StoreFault, SwapResult};

const HELP: &str = "the user needs read and write permission on the key `runnerctl/leader/NAME`; \
     etcd must serve its JSON gateway at `/v3/`";

pub(super) struct EtcdStore {
    endpoints: Vec<String>,
    /// The index of the member that is asked first.
    first: AtomicUsize,
    client: JsonClient,
    login: Option<EtcdLogin>,
}

struct EtcdLogin {
    name: String,
    password: StoreSecret,
    /// For the header.
    token: KeptToken,
}

impl EtcdStore {
    pub(super) fn open(
        settings: &EtcdLeader,
        secret: Option<StoreSecret>,
    ) -> Result<Self, StoreFault> {
        let endpoints = settings.endpoints.clone();
        let client = JsonClient::new(&settings.tls, endpoints.iter().map(String::as_str))?;
        let login = settings.user.as_ref().zip(secret).map(|(user, password)| EtcdLogin {
            name: user.name.clone(),
            password,
            token: KeptToken::default(),
        });
        Ok(Self { endpoints, first: AtomicUsize::new(0), client, login })
    }

    /// Posts to the members in turn until one answers.
    async fn post(&self, path: &str, body: &Value) -> Result<Value, StoreFault> {
        let mut last = fault("no endpoint");
        let first = self.first.load(Ordering::Relaxed);
        for at in first..first + self.endpoints.len() {
            let endpoint = &self.endpoints[at % self.endpoints.len()];
            // If this future is dropped, the next request begins with the next member, too.
            self.first.store(at + 1, Ordering::Relaxed);
            match self.post_to(endpoint, path, body).await {
                Ok(answer) => {
                    self.first.store(at, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn post_to(&self, endpoint: &str, path: &str, body: &Value) -> Result<Value, StoreFault> {
        let url = format!("{endpoint}{path}");
        let send = |token| self.client.send((Method::POST, &url), token, Some(body));
        let answer = match &self.login {
            None => send(None).await?,
            Some(login) => {
                let token = login.token.get(self.log_in(login, endpoint)).await?;
                let answer = send(Some(&token)).await?;
                // 401 of an expired token, and 400 of a member that does not know it since a restart.
                if is_unknown_token(&answer) {
                    login.token.refuse(&token).await;
                    let token = login.token.get(self.log_in(login, endpoint)).await?;
                    send(Some(&token)).await?
                } else {
                    answer
                }
            }
        };
        match answer.status {
            200 => Ok(answer.body),
            _ => Err(answer.refusal(&url, HELP)),
        }
    }

    async fn log_in(&self, login: &EtcdLogin, endpoint: &str) -> Result<SecretString, StoreFault> {
        let password = (login.password)().await.map_err(fault)?;
        let url = format!("{endpoint}/v3/auth/authenticate");
        let body = json!({ "name": login.name, "password": password.expose_secret() });
        let answer = self.client.send((Method::POST, &url), None, Some(&body)).await?;
        let token = answer.body["token"].as_str().filter(|_| answer.status == 200);
        Ok(SecretString::from(token.ok_or_else(|| answer.refusal(&url, HELP))?))
    }
}

fn is_unknown_token(answer: &JsonAnswer) -> bool {
    let said = answer.body["error"].as_str().unwrap_or_default();
    answer.status == 401 || said.contains("invalid auth token")
}

/// A number that the gateway writes as text, because JSON's are not exact.
fn number(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned).or_else(|| value.as_u64().map(|number| number.to_string()))
}

fn unclear(what: &str) -> StoreFault {
    StoreFault { help: HELP, ..fault(format!("etcd's answer has no {what}")) }
}

fn key(name: &str) -> String {
    format!("runnerctl/leader/{name}")
}

impl RecordStore for EtcdStore {
    fn read<'a>(&'a self, name: &'a str) -> StoreFuture<'a, Option<StoredText>> {
        Box::pin(async move {
            let key = STANDARD.encode(key(name));
            let answer = self.post("/v3/kv/range", &json!({ "key": key })).await?;
            // A gateway of another version answers 200 with something else.
            if answer["header"]["revision"].is_null() {
                return Err(unclear("revision"));
            }
            let Some(found) = answer["kvs"].as_array().and_then(|found| found.first()) else {
                return Ok(None);
            };
            let version =
                number(&found["mod_revision"]).ok_or_else(|| unclear("`mod_revision`"))?;
            let value = found["value"].as_str().unwrap_or_default();
            let bytes = STANDARD.decode(value).map_err(|error| fault(quote(&error.to_string())))?;
            Ok(Some(StoredText { text: String::from_utf8_lossy(&bytes).into_owned(), version }))
        })
    }

    fn swap<'a>(
        &'a self,
        name: &'a str,
        expected: Option<&'a str>,
        record: NewRecord,
    ) -> StoreFuture<'a, SwapResult> {
        Box::pin(async move {
            let key = STANDARD.encode(key(name));
            let unchanged = match expected {
                Some(version) => json!({
                    "key": key, "target": "MOD", "result": "EQUAL", "mod_revision": version,
                }),
                None => json!({
                    "key": key, "target": "CREATE", "result": "EQUAL", "create_revision": "0",
                }),
            };
            let put = json!({ "key": key, "value": STANDARD.encode(record.text) });
            let body = json!({ "compare": [unchanged], "success": [{ "request_put": put }] });
            let answer = self.post("/v3/kv/txn", &body).await?;
            // The gateway leaves out what is false.
            if answer["succeeded"].as_bool() != Some(true) {
                return match answer["header"]["revision"].is_null() {
                    true => Err(unclear("revision")),
                    false => Ok(SwapResult::Conflict),
                };
            }
            number(&answer["header"]["revision"])
                .map(SwapResult::Done)
                .ok_or_else(|| unclear("revision"))
        })
    }

    fn describe(&self, name: &str) -> String {
        format!("the key `{}` in etcd", key(name))
    }
}
