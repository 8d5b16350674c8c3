//! `healthcheck`: asks a running `watch` whether its loop runs.

use crate::config::{self, FleetFile};
use crate::host::files::read_fleet;
use crate::metrics::watch_client::{AskError, WatchEndpoint};

use super::args::HealthcheckArgs;
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::load::{missing_fleet_file, stop_at};

/// Fails (1) when no `watch` answers, or when it is not healthy.
pub async fn run(args: &HealthcheckArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    let watch = endpoint(args, cx)?;
    match watch.health().await {
        Ok(()) => {
            cx.print.result(&format!("the `watch` at {watch} is healthy\n"))?;
            Ok(Exit::Done)
        }
        Err(AskError::NotRunning) => {
            Err(Failure::new(Exit::Failed, format!("no `watch` is running at {watch}")))
        }
        Err(AskError::NoAnswer(why)) => {
            Err(Failure::new(Exit::Failed, format!("the `watch` at {watch} is not healthy: {why}")))
        }
    }
}

/// The address to ask: that of `--url`, else that of the fleet file. An `http://` address needs no
/// fleet file.
fn endpoint(args: &HealthcheckArgs, cx: Context<'_>) -> Result<WatchEndpoint, Failure> {
    let is_plain = args.url.as_ref().is_some_and(|url| url.scheme() == "http");
    let file = if is_plain { None } else { fleet_file(cx)? };
    let identity = file.as_ref().and_then(|file| file.garm.tls.as_ref()?.client.clone());
    let settings = file.as_ref().and_then(|file| file.watch.clone()).unwrap_or_default();
    match &args.url {
        Some(url) => WatchEndpoint::at(url, &settings, identity)
            .map_err(|(message, help)| Failure::usage(message).help(help)),
        None if file.is_none() => Err(missing_fleet_file()),
        None => Ok(WatchEndpoint::new(&settings, identity)),
    }
}

/// The fleet file, if there is one. Problems in pool files do not matter here: a `watch` keeps the
/// last good ones.
fn fleet_file(cx: Context<'_>) -> Result<Option<FleetFile>, Failure> {
    let Some(start) = &cx.settings.paths.fleet else { return Ok(None) };
    let source = read_fleet(start).map_err(|problem| vec![problem]);
    let manifest = source.map(|source| config::load(Some(&source), &[]));
    let problems = match &manifest {
        Ok(manifest) => &manifest.problems,
        Err(problems) => problems,
    };
    stop_at(problems, cx)?;
    Ok(manifest.ok().and_then(|manifest| manifest.fleet_files().next().cloned()))
}
