//! Runs a round of mTLS probes and reports its result.

use std::sync::Arc;

use tracing::Level;

use super::compliance::audited;
use super::mtls_schedule::{MtlsRound, ProbeRound};
use super::startup::DaemonParts;
use crate::cli::log::{LogFields, LogLine};
use crate::cli::requirements;
use crate::domain::fleet::Controller;
use crate::domain::proof::Proof;
use crate::garm::probe;
use crate::monitor::compliance::MtlsFact;

/// Makes a round: the probes, and the reads that the report on the requirements needs.
pub(super) fn round(opened: &DaemonParts) -> Box<dyn FnMut(Controller) -> ProbeRound + Send> {
    let file = Arc::new(opened.setup.file.clone());
    let (client, compliance) = (Arc::clone(&opened.client), Arc::clone(&opened.compliance));
    let destination = opened.destination.clone();
    Box::new(move |controller| {
        let (file, destination) = (Arc::clone(&file), destination.clone());
        let (client, compliance) = (Arc::clone(&client), Arc::clone(&compliance));
        Box::pin(async move {
            let doors = probe::ProbeTargets::of(&file.garm, &controller);
            let (credentials, audit) = tokio::join!(client.credentials(), audited(&destination));
            // If GARM does not answer, the requirement is reported as *cannot tell*.
            let credentials =
                credentials.ok().map(|found| requirements::credentials(&found, &file));
            compliance.asked(credentials, audit);
            probe::prove(&doors).await
        })
    })
}

/// Reports the result of a round: to metrics and alert rules each time, to the log and the audit
/// file if it has changed.
pub(super) fn result_reporter(opened: &DaemonParts) -> impl Fn(&MtlsRound) + Send + use<> {
    let (metrics, alert_inputs) = (Arc::clone(&opened.metrics), Arc::clone(&opened.alert_inputs));
    let records = opened.records.clone();
    let compliance = Arc::clone(&opened.compliance);
    let unencrypted = requirements::unencrypted(&opened.setup.file.garm);
    move |round| {
        metrics.process(|process| process.is_mtls_enforced = round.is_enforced);
        alert_inputs.note_mtls(round.is_enforced);
        let level = match (round.is_changed, round.word) {
            (false, _) => Level::DEBUG,
            (true, Proof::Enforced) => Level::INFO,
            (true, Proof::Unreachable | Proof::CannotTell | Proof::NotEnforced) => Level::WARN,
        };
        if round.is_changed {
            records.proven(round);
        }
        let line = LogLine::new(level, "mtls", round.sentence.clone())
            .with(&LogFields::Mtls { result: round.word.word() });
        let help = "run `runnerctl validate --online` to see every probe";
        let is_open = round.word != Proof::Enforced;
        if is_open { line.help(help) } else { line }.emit();
        let probed = || MtlsFact::of(round.word, round.sentence.clone());
        compliance.proven(unencrypted.clone().unwrap_or_else(probed));
    }
}
