//! Delivers alerts to Alertmanagers and webhooks.
//!
//! Decides how a [`Notification`] is worded for a receiver, and when it is sent, repeated and given
//! up; never whether something is an alert. Reads no clock but tokio's, for waiting: times come
//! with the notifications. A [`DeliveryListener`] receives the outcome of each attempt.

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
