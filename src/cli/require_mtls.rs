//! Whether mTLS is proven to be enforced, for commands that must not write otherwise.

use tracing::info;

use super::failure::Failure;
use crate::config::FleetFile;
use crate::domain::fleet::Controller;
use crate::domain::proof::{Probe, Proof};
use crate::garm::probe::{self, ProbeTargets};
use crate::render::proof;

/// The probes that `policy.require_mtls` asks for; absent where it is not set. Take at most about
/// ten seconds. Fails (3) when a certificate file of ours cannot be used.
pub(super) async fn probes(
    file: &FleetFile,
    controller: &Controller,
) -> Result<Option<Vec<Probe>>, Failure> {
    if !file.policy.require_mtls {
        return Ok(None);
    }
    let probes = probe::prove(&ProbeTargets::of(&file.garm, controller)).await?;
    info!(event = "step", "probed mTLS: {}", proof::sentence(&probes));
    Ok(Some(probes))
}

/// Refuses (6) unless every probe was refused. An unreachable GARM is no proof.
pub(super) fn check(probes: Option<&[Probe]>) -> Result<(), Failure> {
    match probes {
        Some(probes) if Proof::of(probes) != Proof::Enforced => {
            Err(refusal(&proof::sentence(probes)))
        }
        Some(_) | None => Ok(()),
    }
}

/// The refusal (6), for what the probes have shown.
pub(super) fn refusal(sentence: &str) -> Failure {
    Failure::refused(format!("`policy.require_mtls` is set, and {sentence}"))
        .help("`runnerctl validate --online` shows every probe")
}
