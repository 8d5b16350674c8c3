//! What a round of probes asks, and who is told what it has shown.

use std::sync::Arc;

use serde_json::json;
use tracing::Level;

use super::compliance::audited;
use super::mtls_schedule::{MtlsRound, ProbeRound};
use super::startup::DaemonParts;
use crate::cli::log::LogLine;
use crate::cli::requirements;
use crate::domain::fleet::Controller;
use crate::domain::proof::Proof;
use crate::garm::probe;
use crate::monitor::compliance::MtlsFact;

/// A round: the probes, and beside them what else the report on the requirements needs to know.
pub(super) fn round(opened: &DaemonParts) -> Box<dyn FnMut(Controller) -> ProbeRound + Send> {
    let file = Arc::new(opened.setup.file.clone());
    let (client, verdicts) = (Arc::clone(&opened.client), Arc::clone(&opened.verdicts));
    let book = opened.book.clone();
    Box::new(move |controller| {
        let (file, book) = (Arc::clone(&file), book.clone());
        let (client, verdicts) = (Arc::clone(&client), Arc::clone(&verdicts));
        Box::pin(async move {
            let doors = probe::ProbeTargets::of(&file.garm, &controller);
            let (credentials, audit) = tokio::join!(client.credentials(), audited(&book));
            // A GARM that does not tell leaves the question open.
            let credentials = credentials.ok().map(|it| requirements::credentials(&it, &file));
            verdicts.asked(credentials, audit);
            probe::prove(&doors).await
        })
    })
}

/// Tells what a round of probes has shown: the board and the alert rules each time, log and audit
/// file when the word is another.
pub(super) fn herald(opened: &DaemonParts) -> impl Fn(&MtlsRound) + Send + use<> {
    let (metrics, facts) = (Arc::clone(&opened.metrics), Arc::clone(&opened.facts));
    let records = opened.records.clone();
    let verdicts = Arc::clone(&opened.verdicts);
    move |it| {
        metrics.process(|process| process.is_mtls_enforced = it.is_enforced);
        facts.note_mtls(it.is_enforced);
        let level = match (it.is_changed, it.word) {
            (false, _) => Level::DEBUG,
            (true, Proof::Enforced) => Level::INFO,
            (true, Proof::Unreachable | Proof::CannotTell | Proof::NotEnforced) => Level::WARN,
        };
        if it.is_changed {
            records.proven(it);
        }
        let line = LogLine::new(level, "mtls", it.sentence.clone())
            .with(json!({ "result": it.word.word() }));
        let help = "`runnerctl validate --online` shows every probe";
        let is_open = it.word != Proof::Enforced;
        if is_open { line.help(help) } else { line }.emit();
        verdicts.proven(MtlsFact::of(it.word, it.sentence.clone()));
    }
}
