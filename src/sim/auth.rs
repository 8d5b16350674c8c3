//! Login and tokens (GARM.md §h), and the two meanings of 401 (GARM.md §0.6).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::body::Body;
use super::json::{Object, Truth};
use super::reply::{ApiRefusal, ApiReply};
use super::world::World;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenScope {
    Admin,
    /// Reads `/metrics` only; the API refuses it.
    Metrics,
}

impl World {
    /// `POST /auth/login`.
    pub(super) fn login(&mut self, body: &[u8]) -> Result<ApiReply, ApiRefusal> {
        let body = Body::read(body)?;
        let username = body.text("username")?.unwrap_or_default();
        let password = body.text("password")?.unwrap_or_default();
        if username != self.config.username || password != self.config.password {
            return Err(ApiRefusal::NotAuthorized);
        }
        Ok(ApiReply::json(self.show_token(TokenScope::Admin)))
    }

    /// `GET /metrics-token`.
    pub(super) fn metrics_token(&mut self) -> ApiReply {
        ApiReply::json(self.show_token(TokenScope::Metrics))
    }

    fn show_token(&mut self, bearer: TokenScope) -> String {
        Object::new().text("token", &self.make_token(bearer)).end()
    }

    /// An admin token for scripts that do not log in.
    pub fn admin_token(&mut self) -> String {
        self.make_token(TokenScope::Admin)
    }

    fn make_token(&mut self, bearer: TokenScope) -> String {
        let expires = self.now + self.config.token_lifetime;
        let is_admin = bearer == TokenScope::Admin;
        let claims = Object::new()
            .text("user", if is_admin { &self.controller.user_id } else { "" })
            .text("token_id", &self.rng.ids.word(16))
            .text("full_name", if is_admin { "Simulated Admin" } else { "" })
            .truth("is_admin", Truth(is_admin))
            .truth("read_metrics", Truth(!is_admin))
            .number("generation", 0)
            .text("iss", "garm")
            .number("exp", expires.as_second())
            .end();
        let head = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = self.sign(&signed);
        let now = self.now;
        self.controller.tokens.retain(|_, (_, expires)| *expires > now);
        self.controller.tokens.insert(signature.clone(), (is_admin, expires));
        format!("{signed}.{signature}")
    }

    fn sign(&self, text: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.controller.secret.as_bytes())
            .expect("HMAC takes a key of any length");
        mac.update(text.as_bytes());
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    /// Checks an `Authorization` header. GARM ignores the word before the token (GARM.md §b).
    pub(super) fn check_token(&self, authorization: Option<&str>) -> Result<(), ApiRefusal> {
        let words: Vec<_> = authorization.unwrap_or_default().split(' ').collect();
        let [_, token] = words.as_slice() else {
            return Err(ApiRefusal::Token);
        };
        let (signed, signature) = token.rsplit_once('.').ok_or(ApiRefusal::Token)?;
        if self.sign(signed) != signature {
            return Err(ApiRefusal::Token);
        }
        match self.controller.tokens.get(signature) {
            Some((true, expires)) if *expires > self.now => Ok(()),
            Some(_) | None => Err(ApiRefusal::Token),
        }
    }
}
