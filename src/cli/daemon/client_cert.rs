//! Reloads the client certificate for GARM when its files change. The event stream stays connected;
//! new connections use the new certificate. Also watches the expiry of the revocation lists.

use std::sync::Arc;

use super::alerting::AlertInputs;
use super::setup::DaemonConfig;
use super::startup::{DaemonParts, client_cert};
use crate::cli::connect::{RENEW, RENEW_LISTS, expiry, lists, tls_files};
use crate::cli::log::{LogFields, LogLine};
use crate::garm::{GarmError, Http};
use crate::host::clock::Clock;
use crate::metrics::MetricsState;

/// Loads the changed certificate files of `garm.tls` into the client.
pub(super) struct ClientCertReloader {
    http: Arc<Http>,
    metrics: Arc<MetricsState>,
    alert_inputs: Arc<AlertInputs>,
    /// The digest of the files at the last check.
    seen: [u8; 32],
    /// Why the files were refused, if they were.
    refused: Option<String>,
    /// The last logged warning about the revocation lists.
    lists_warning: Option<String>,
}

impl ClientCertReloader {
    pub(super) fn new(opened: &DaemonParts) -> Self {
        Self {
            http: Arc::clone(&opened.http),
            metrics: Arc::clone(&opened.metrics),
            alert_inputs: Arc::clone(&opened.alert_inputs),
            seen: tls_files(&opened.setup.file).digest(),
            refused: None,
            lists_warning: None,
        }
    }

    /// Checks the files and loads changes. Refused files are tried again each time: the key may be
    /// written after the certificate, or the certificate may become valid.
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
        // Reading files does not panic, and only the end of the program aborts it.
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
        // The same refusal at another time is not logged again.
        let why = error.to_string();
        let is_known =
            self.refused.as_deref().is_some_and(|before| untimed(before) == untimed(&why));
        if !is_known {
            let text = format!("{why}: the previous certificate stays in use");
            let line = LogLine::error("reload", text);
            let line = line.with(&LogFields::Reload { outcome: "refused" });
            error.help.map_or(line.clone(), |help| line.help(help)).emit();
        }
        self.refused = Some(why);
    }

    /// Publishes the expiry of the revocation lists, and logs each new warning about them once.
    async fn look_at_lists(&mut self, setup: &DaemonConfig) {
        let file = setup.file.clone();
        let work = move || lists(&file, Clock::Real.now());
        // Reading files does not panic, and only the end of the program aborts it.
        let Ok(lists) = tokio::task::spawn_blocking(work).await else { return };
        self.metrics.process(|process| process.crl_ends_at = lists.ends_at);
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
        self.alert_inputs.note_client_cert(expires_at);
        self.metrics.process(|process| process.client_cert_expires_at = expires_at);
        let validity = expires_at.map_or_else(String::new, |expiry| {
            format!("; the client certificate is valid until {expiry}")
        });
        let text = format!("reloaded the certificate files for GARM{validity}");
        LogLine::info("reload", text).with(&LogFields::Reload { outcome: "done" }).emit();
        if let Some(expiry) = expiry(&setup.file, Clock::Real.now()) {
            LogLine::warn("reload", expiry).help(RENEW).emit();
        }
    }
}

/// A refusal without its time.
fn untimed(why: &str) -> &str {
    why.split_once("; now it is ").map_or(why, |split| split.0)
}
