//! `validate`: every problem of the files.

use std::path::PathBuf;

use super::Context;
use super::exit::Exit;
use super::failure::Failure;

/// `validate`
#[derive(Debug, clap::Args)]
pub struct ValidateArgs {
    /// Pool files or folders, instead of --pools
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// A warning fails, too
    #[arg(long)]
    pub strict: bool,
}

/// Checks the files.
pub fn run(_args: &ValidateArgs, _cx: Context<'_>) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Failed, "`validate` is being built"))
}
