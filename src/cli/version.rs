//! `version`: what `--version` prints, or a document.

use schemars::JsonSchema;
use serde::Serialize;

use super::args::Output;
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use crate::render::document;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The fields of the document beside `format_version` and `command`.
#[derive(Serialize, JsonSchema)]
pub(super) struct VersionJson {
    version: &'static str,
}

/// Prints the version of this program.
pub fn run(cx: Context<'_>) -> Result<Exit, Failure> {
    match cx.settings.output {
        Output::Json => {
            cx.print.document("version", document::value(&VersionJson { version: VERSION }))?;
        }
        Output::Text | Output::Markdown => cx.print.result(&format!("runnerctl {VERSION}\n"))?,
    }
    Ok(Exit::Done)
}
