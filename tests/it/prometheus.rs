//! The shipped files for Prometheus, Alertmanager and Grafana, tested with the real programs, which
//! `./test` installs.

mod alertmanager;
mod dashboard;
pub(crate) mod outside;
mod query;
mod rules;
mod scraped;
