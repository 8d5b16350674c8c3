//! Probes mTLS for commands that must not write without a proof that it is enforced.

use tracing::info;

use super::failure::Failure;
use crate::config::FleetFile;
use crate::domain::fleet::Controller;
use crate::domain::proof::{Probe, Proof};
use crate::garm::probe::{self, ProbeTargets};
use crate::render::proof;

/// Runs the probes if `policy.require_mtls` is set, within about ten seconds. Fails (3) if a
/// certificate file is invalid.
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

/// Fails (6) unless the probes prove that mTLS is enforced. An unreachable GARM is not a proof.
/// Passes if no probes were made.
pub(super) fn check(probes: Option<&[Probe]>) -> Result<(), Failure> {
    match probes {
        Some(probes) if Proof::of(probes) != Proof::Enforced => {
            Err(refusal(&proof::sentence(probes)))
        }
        Some(_) | None => Ok(()),
    }
}

/// The failure (6) for the result of the probes.
pub(super) fn refusal(sentence: &str) -> Failure {
    Failure::refused(format!("`policy.require_mtls` is set, and {sentence}"))
        .help("run `runnerctl validate --online` to see every probe")
}
