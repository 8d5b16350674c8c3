//! `validate --online` for several GARMs.

use super::{OfGarm, each};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::load::CheckedFiles;
use crate::cli::step_summary::{self, failure_text};
use crate::cli::validate::{OnlineAnswers, OnlineResults, ask as ask_one};
use crate::domain::name::GarmName;

/// What each of the named GARMs has of what the files name; all if none is named.
pub(in crate::cli) async fn ask(
    files: &CheckedFiles,
    wanted: &[GarmName],
    cx: Context<'_>,
) -> Vec<(Option<GarmName>, Result<OnlineResults, Failure>)> {
    let own = files.per_garm().into_iter().filter_map(|own| {
        let garm = own.manifest.fleet_file.as_ref()?.garm.name.clone()?;
        (wanted.is_empty() || wanted.contains(&garm)).then_some((garm, own))
    });
    let work = async |own: CheckedFiles, cx: Context<'_>| ask_one(&own, cx).await;
    let results = each(own.collect(), cx, work).await;
    results.into_iter().map(|OfGarm { garm, result }| (Some(garm), result)).collect()
}

/// Prints the failures to stderr, each with the name of its GARM, and appends them to the step summary.
pub(in crate::cli) fn tell_failed(asked: &OnlineAnswers, cx: Context<'_>) {
    for (garm, asked) in asked {
        if let (Some(garm), Err(failure)) = (garm, asked) {
            step_summary::write(|| failure_text(failure, "validate", Some(garm)), cx);
            cx.print.labelled(garm).say(&failure.text());
        }
    }
}
