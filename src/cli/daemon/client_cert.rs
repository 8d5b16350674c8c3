//! The client certificate for GARM while the loop runs: taken over when its files change. The event
//! stream goes on; connections made afterwards show the new one. Beside it, the end of the
//! revocation lists of GARM's front.

use std::sync::Arc;

use serde_json::json;

use super::alerting::AlertInputs;
use super::setup::DaemonConfig;
use super::startup::{DaemonParts, client_cert};
use crate::cli::connect::{RENEW, RENEW_LISTS, expiry, lists, tls_files};
use crate::cli::log::LogLine;
use crate::garm::{GarmError, Http};
use crate::host::clock::Clock;
use crate::metrics::MetricsState;

/// What is in force, by its digest.
pub(super) struct ClientCertReloader {
    http: Arc<Http>,
    metrics: Arc<MetricsState>,
    facts: Arc<AlertInputs>,
    /// Of the files as they were looked at last.
    seen: [u8; 32],
    /// Why they are not in force, if they are not.
    refused: Option<String>,
    /// The warning about the revocation lists that was logged last.
    lists_warning: Option<String>,
}

impl ClientCertReloader {
    pub(super) fn new(opened: &DaemonParts) -> Self {
        Self {
            http: Arc::clone(&opened.http),
            metrics: Arc::clone(&opened.metrics),
            facts: Arc::clone(&opened.facts),
            seen: tls_files(&opened.setup.file).digest(),
            refused: None,
            lists_warning: None,
        }
    }

    /// Looks at the files, and takes over what has changed in them. What is refused is tried again
    /// each time: one file may be written and the other not yet, a certificate becomes valid.
    pub(super) async fn look(&mut self, setup: &DaemonConfig) {
        self.look_at_lists(setup).await;
        let files = tls_files(&setup.file);
        if files.ca.is_none() && files.cert.is_none() {
            return;
        }
        let (http, seen) = (Arc::clone(&self.http), self.seen);
        let is_refused = self.refused.is_some();
        let work = move || {
            let digest = files.digest();
            let is_due = digest != seen || is_refused;
            (digest, is_due.then(|| http.renew(&files, Clock::Real.now())))
        };
        // Reading files does not panic, and nothing but the end of the program aborts it.
        let Ok((digest, renewed)) = tokio::task::spawn_blocking(work).await else { return };
        self.seen = digest;
        match renewed {
            None => {}
            Some(Ok(())) => {
                self.refused = None;
                self.renewed(setup);
            }
            Some(Err(error)) => self.refuse(error),
        }
    }

    fn refuse(&mut self, error: GarmError) {
        // The moment at which it was tried is no news.
        let why = error.to_string();
        let is_known = self.refused.as_deref().is_some_and(|it| untimed(it) == untimed(&why));
        if !is_known {
            let text = format!("{why}: what was in force stays in force");
            let line = LogLine::error("reload", text);
            let line = line.with(json!({ "outcome": "refused" }));
            error.help.map_or(line.clone(), |it| line.help(it)).emit();
        }
        self.refused = Some(why);
    }

    /// Publishes when the revocation lists end, and warns once of each thing that is wrong.
    async fn look_at_lists(&mut self, setup: &DaemonConfig) {
        let file = setup.file.clone();
        let work = move || lists(&file, Clock::Real.now());
        // Reading files does not panic, and nothing but the end of the program aborts it.
        let Ok(lists) = tokio::task::spawn_blocking(work).await else { return };
        self.metrics.process(|it| it.crl_ends_at = lists.ends_at);
        if lists.warning != self.lists_warning {
            self.lists_warning.clone_from(&lists.warning);
            if let Some(warning) = lists.warning {
                let line = LogLine::warn("front", warning).help(RENEW_LISTS);
                line.emit();
            }
        }
    }

    fn renewed(&self, setup: &DaemonConfig) {
        let expires_at = client_cert(setup);
        self.facts.note_client_cert(expires_at);
        self.metrics.process(|it| it.client_cert_expires_at = expires_at);
        let holds = expires_at.map_or_else(String::new, |it| format!(", it holds until {it}"));
        let text = format!("the certificate files for GARM have changed and are in force{holds}");
        LogLine::info("reload", text).with(json!({ "outcome": "done" })).emit();
        if let Some(expiry) = expiry(&setup.file, Clock::Real.now()) {
            LogLine::warn("reload", expiry).help(RENEW).emit();
        }
    }
}

/// A refusal without the time at which it was made.
fn untimed(why: &str) -> &str {
    why.split_once("; now it is ").map_or(why, |it| it.0)
}
