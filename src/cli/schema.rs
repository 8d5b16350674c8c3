//! `schema`: the JSON Schema of the files.

use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use crate::config::schema;

/// Prints the schema, which is a document of its own under either form of output.
pub fn run(cx: Context<'_>) -> Result<Exit, Failure> {
    cx.print.raw(&format!("{:#}\n", schema()))?;
    Ok(Exit::Done)
}
