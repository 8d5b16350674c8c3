//! `schema`: the JSON Schema of the files.

use super::Context;
use super::exit::Exit;
use super::failure::Failure;

/// Prints the schema.
pub fn run(_cx: Context<'_>) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Failed, "`schema` is being built"))
}
