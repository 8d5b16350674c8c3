//! Alerts to those who are on call: Alertmanager and webhooks.
//!
//! Decides how a [`Notification`] is worded for a receiver, when it is sent, sent again and given
//! up; never whether something is an alert. Knows no clock but tokio's, for waiting: times come
//! with the notifications. What becomes of each attempt is told to a [`Report`].

mod alertmanager;
mod client;
pub mod notification;
pub mod notifier;
mod post;
mod queue;
pub mod target;
mod webhook;
mod worker;

pub use notification::{Notification, State};
pub use notifier::{Delivery, Enclosure, Notifier, Outcome, Report};
pub use post::Post;
pub use target::{Kind, Target, TargetError};
