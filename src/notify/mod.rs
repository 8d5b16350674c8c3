//! Alerts to those who are on call: Alertmanager and webhooks.
//!
//! Decides how a [`Notification`] is worded for a receiver, when it is sent, sent again and given
//! up; never whether something is an alert. Knows no clock but tokio's, for waiting: times come
//! with the notifications. What becomes of each attempt is told to a [`DeliveryListener`].

mod alertmanager;
mod client;
pub mod endpoint;
pub mod notification;
pub mod notifier;
mod post;
mod queue;
mod webhook;
mod worker;

pub use notification::Notification;

pub use crate::monitor::AlertStatus;
pub use endpoint::{ReceiverApi, ReceiverEndpoint, ReceiverError};
pub use notifier::{Attachment, Delivery, DeliveryListener, DeliveryOutcome, Notifier};
pub use post::WebhookClient;
