//! One body to one address, for what is no alert.

use super::client::ReceiverClient;
use super::endpoint::{ReceiverEndpoint, ReceiverError};
use super::queue::SendResult;

/// Posts JSON to a webhook.
pub struct WebhookClient(ReceiverClient);

impl WebhookClient {
    /// Opens no connection yet.
    pub fn new(target: ReceiverEndpoint) -> Result<Self, ReceiverError> {
        ReceiverClient::new(target).map(Self)
    }

    /// Posts it as it is. Errors in a few words, which hold no address.
    pub async fn send(&self, json: String) -> Result<(), String> {
        let answer = self.0.post(json).await;
        match answer.fate {
            SendResult::Delivered => Ok(()),
            SendResult::Failed(_) | SendResult::Refused => Err(answer.detail),
        }
    }
}
