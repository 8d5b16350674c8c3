//! What is shipped for Prometheus, Alertmanager and Grafana, tried on the real ones. `./test`
//! installs them.

mod alertmanager;
mod dashboard;
pub(crate) mod outside;
mod query;
mod rules;
mod scraped;
