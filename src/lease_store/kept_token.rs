//! A token that all requests to a server share, kept until it is refused.

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use crate::election::StoreFault;

#[derive(Default)]
pub(super) struct KeptToken(Mutex<Option<SecretString>>);

impl KeptToken {
    /// The kept token, or else a fresh one. Others wait meanwhile, so that one of them gets it for all.
    pub(super) async fn get(
        &self,
        fresh: impl Future<Output = Result<SecretString, StoreFault>>,
    ) -> Result<SecretString, StoreFault> {
        let mut kept = self.0.lock().await;
        match &*kept {
            Some(token) => Ok(token.clone()),
            None => Ok(kept.insert(fresh.await?).clone()),
        }
    }

    /// Drops a token that was refused, unless another request has replaced it by now.
    pub(super) async fn refuse(&self, token: &SecretString) {
        let mut kept = self.0.lock().await;
        if kept.as_ref().is_some_and(|kept| kept.expose_secret() == token.expose_secret()) {
            *kept = None;
        }
    }
}
