//! The files that are shipped for Prometheus, Alertmanager and Grafana, tested with the real
//! programs. `./test` installs them.

mod alertmanager;
mod dashboard;
pub(crate) mod outside;
mod query;
mod rules;
mod scraped;
