//! Posts a body to a webhook, for messages that are no alerts.

use super::client::ReceiverClient;
use super::endpoint::{ReceiverEndpoint, ReceiverError};
use super::queue::SendResult;

pub struct WebhookClient(ReceiverClient);

impl WebhookClient {
    /// Makes a client; the first message connects.
    pub fn new(target: ReceiverEndpoint) -> Result<Self, ReceiverError> {
        ReceiverClient::new(target).map(Self)
    }

    /// Posts `body` unchanged. Errors in a few words, without the address.
    pub async fn send(&self, json: String) -> Result<(), String> {
        let answer = self.0.post(json).await;
        match answer.fate {
            SendResult::Delivered => Ok(()),
            SendResult::Failed(_) | SendResult::Refused => Err(answer.detail),
        }
    }
}
