//! `sandbox`: the simulated GARM as a local server.

use super::Context;
use super::exit::Exit;
use super::failure::Failure;

/// `sandbox`
#[derive(Debug, clap::Args)]
pub struct SandboxArgs {}

/// Serves until stopped.
pub async fn run(_args: &SandboxArgs, _cx: Context<'_>) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Failed, "`sandbox` is being built"))
}
