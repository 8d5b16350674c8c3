//! `schema`: the JSON Schema of the files.

use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use crate::config::schema;

/// Prints the schema, which is the same for every output format.
pub fn run(cx: Context<'_>) -> Result<Exit, Failure> {
    cx.print.raw(&format!("{:#}\n", schema()))?;
    Ok(Exit::Done)
}
