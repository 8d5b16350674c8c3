//! Posts a body to a webhook, for messages that are not alerts.

use super::client::ReceiverClient;
use super::endpoint::{ReceiverEndpoint, ReceiverError};
use super::queue::SendResult;

pub struct WebhookClient(ReceiverClient);

impl WebhookClient {
    /// Creates a client. The first message opens the connection.
    pub fn new(target: ReceiverEndpoint) -> Result<Self, ReceiverError> {
        ReceiverClient::new(target).map(Self)
    }

    /// Posts `json` unchanged. Errors with a few words that never contain the URL.
    pub async fn send(&self, json: String) -> Result<(), String> {
        let answer = self.0.post(json).await;
        match answer.fate {
            SendResult::Delivered => Ok(()),
            SendResult::Failed(_) | SendResult::Refused => Err(answer.detail),
        }
    }
}
