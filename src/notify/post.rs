//! One body to one address, for what is no alert.

use super::client::Client;
use super::queue::Fate;
use super::target::{Target, TargetError};

/// Posts JSON to a webhook.
pub struct Post(Client);

impl Post {
    /// Opens no connection yet.
    pub fn new(target: Target) -> Result<Self, TargetError> {
        Client::new(target).map(Self)
    }

    /// Posts it as it is. Errors in a few words, which hold no address.
    pub async fn send(&self, json: String) -> Result<(), String> {
        let answer = self.0.post(json).await;
        match answer.fate {
            Fate::Delivered => Ok(()),
            Fate::Failed(_) | Fate::Refused => Err(answer.detail),
        }
    }
}
