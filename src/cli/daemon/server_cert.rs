//! Reloads the certificate of the metrics listener when its files change; refused files are tried
//! again at each check.

use std::sync::Arc;

use crate::cli::log::{LogFields, LogLine};
use crate::config::ListenerTls;
use crate::garm::GarmError;
use crate::garm::tls::GarmTlsFiles;
use crate::metrics::Certificates;

/// Loads changed certificate files of `watch.tls` into the listener.
pub(super) struct ServerCertReloader {
    certificates: Arc<Certificates>,
    files: ListenerTls,
    /// The digest of the files at the last check.
    seen: [u8; 32],
    /// Why the files were refused, if they were.
    refused: Option<String>,
}

impl ServerCertReloader {
    pub(super) fn new(certificates: Arc<Certificates>, files: ListenerTls) -> Self {
        let seen = digest(&files);
        Self { certificates, files, seen, refused: None }
    }

    /// Checks the files and loads changes.
    pub(super) async fn look(&mut self) {
        let (files, seen) = (self.files.clone(), self.seen);
        let (certificates, is_refused) = (Arc::clone(&self.certificates), self.refused.is_some());
        let work = move || {
            let digest = digest(&files);
            let is_due = digest != seen || is_refused;
            (digest, is_due.then(|| certificates.reload(&files)))
        };
        // Reading files does not panic, and only the end of the program aborts it.
        let Ok((digest, reloaded)) = tokio::task::spawn_blocking(work).await else { return };
        self.seen = digest;
        match reloaded {
            None => {}
            Some(Ok(())) => {
                self.refused = None;
                let text = "reloaded the certificate of the listener";
                let line = LogLine::info("reload", text);
                line.with(&LogFields::Reload { outcome: "done" }).emit();
            }
            Some(Err(error)) => self.refuse(error),
        }
    }

    fn refuse(&mut self, error: GarmError) {
        let why = error.to_string();
        if self.refused.as_ref() != Some(&why) {
            let text = format!("{why}: the previous certificate stays in use");
            let line = LogLine::error("reload", text);
            let line = line.with(&LogFields::Reload { outcome: "refused" });
            error.help.map_or(line.clone(), |help| line.help(help)).emit();
        }
        self.refused = Some(why);
    }

    /// Loads other files; an error leaves the previous certificate in use.
    pub(super) fn take(&mut self, files: &ListenerTls) -> Result<(), GarmError> {
        if *files == self.files {
            return Ok(());
        }
        self.certificates.reload(files)?;
        (self.files, self.seen, self.refused) = (files.clone(), digest(files), None);
        Ok(())
    }
}

fn digest(files: &ListenerTls) -> [u8; 32] {
    let server = &files.server;
    GarmTlsFiles {
        ca: files.client_ca.clone(),
        cert: Some(server.cert.clone()),
        key: Some(server.key.clone()),
    }
    .digest()
}
