//! Delivers alerts to Alertmanagers and webhooks.
//!
//! Decides how a [`Notification`] is worded for a receiver, and when it is sent, repeated or given
//! up. Never decides whether something is an alert. Reads only tokio's clock, for waiting; the
//! times in messages come with the notifications. A [`DeliveryListener`] receives the outcome of
//! each attempt.

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
