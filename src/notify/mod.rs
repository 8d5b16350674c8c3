//! Alerts to those who are on call.
