//! `status` for several GARMs.
//!
//! A GARM that is slow does not delay what is known of the others for longer than one interval of
//! `--follow`: its last status is shown again, and the read goes on.

use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::{OfGarm, document, each, failed, for_garm, tell_failures};
use crate::cli::args::{Output, StatusArgs};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::load::Loaded;
use crate::cli::spinner::reading;
use crate::cli::status::{CLEAR, StatusRun, check_pools, detail, keep, look};
use crate::domain::name::GarmName;
use crate::domain::text::{count, escape};
use crate::render::status::{self, FleetStatus};
use crate::render::style::{NAME, paint};
use crate::render::words::span;
use crate::render::wrap::on_screen;

/// The status of one GARM and its address.
struct GarmStatus {
    address: String,
    status: FleetStatus,
    /// How long a newer read has been going on without an answer, when it is late.
    waiting: Option<Duration>,
}

pub(in crate::cli) async fn run(
    args: &StatusArgs,
    loaded: Vec<(GarmName, Loaded)>,
    cx: Context<'_>,
) -> Result<Exit, Failure> {
    if args.follow {
        return follow(args, loaded, cx).await;
    }
    let work = async |loaded: Loaded, cx: Context<'_>| {
        let run = StatusRun::of(loaded, args, cx)?;
        let read = reading(&run.address(), look(&run), cx).await;
        run.tell_remarks(cx);
        let (status, hint) = read?;
        hint.iter().for_each(|hint| cx.print.say(hint));
        Ok(GarmStatus { address: run.address(), status, waiting: None })
    };
    let results = selected(each(loaded, cx, work).await, args)?;
    match cx.settings.output {
        Output::Json => cx.print.document("status", json(&results, args))?,
        Output::Text | Output::Markdown => cx.print.result(&text(&results, args, cx))?,
    }
    tell_failures(&results, cx);
    Ok(Exit::worst(failed(&results)))
}

/// The wanted pools of each GARM; a GARM without any is left out. Fails (64) if no GARM has a pool
/// of that name, unless it may be one of a GARM that could not be read.
fn selected(
    results: Vec<OfGarm<GarmStatus>>,
    args: &StatusArgs,
) -> Result<Vec<OfGarm<GarmStatus>>, Failure> {
    if args.only.is_empty() {
        return Ok(results);
    }
    if results.iter().all(|own| own.result.is_ok()) {
        let read = results.iter().filter_map(|own| own.result.as_ref().ok());
        let pools = read.flat_map(|own| &own.status.pools);
        check_pools(&args.only, pools.map(|pool| pool.name.as_str()))?;
    }
    let kept = results.into_iter().filter_map(|OfGarm { garm, result }| match result {
        Ok(own) => {
            let own = GarmStatus { status: keep(own.status, &args.only), ..own };
            (!own.status.pools.is_empty()).then_some(OfGarm { garm, result: Ok(own) })
        }
        Err(failure) => Some(OfGarm { garm, result: Err(failure) }),
    });
    Ok(kept.collect())
}

fn json(results: &[OfGarm<GarmStatus>], args: &StatusArgs) -> serde_json::Value {
    document(results, |_, own| status::json(&own.status, detail(args)))
}

fn text(results: &[OfGarm<GarmStatus>], args: &StatusArgs, cx: Context<'_>) -> String {
    let read = || results.iter().filter_map(|own| Some((&own.garm, own.result.as_ref().ok()?)));
    let texts = read().map(|(garm, own)| {
        let late = own.waiting.map_or_else(String::new, |waiting| {
            format!(", no answer for {} to the next read", span(waiting))
        });
        let heading = paint(NAME, format!("{garm}, {}{late}", escape(&own.address)));
        let show = if args.follow { status::dated } else { status::text };
        format!("{heading}\n{}", show(&own.status, detail(args), cx.print.width()))
    });
    let statuses: Vec<_> = read().map(|(garm, own)| (garm, own.status.groups.as_slice())).collect();
    let groups = status::across(&statuses, cx.print.width());
    texts.chain((!groups.is_empty()).then_some(groups)).collect::<Vec<_>>().join("\n")
}

type Read<'a> = Pin<Box<dyn Future<Output = (usize, Result<FleetStatus, Failure>)> + 'a>>;

/// What `--follow` knows of one GARM.
#[derive(Default)]
struct LastRead {
    status: Option<Result<FleetStatus, Failure>>,
    /// Since when a read has been going on.
    since: Option<Instant>,
}

/// Shows all GARMs at each interval until a signal arrives or stdout is closed. Fails (64) if a wanted
/// pool does not exist when each GARM has been read for the first time.
async fn follow(
    args: &StatusArgs,
    loaded: Vec<(GarmName, Loaded)>,
    cx: Context<'_>,
) -> Result<Exit, Failure> {
    let mut runs: Vec<(GarmName, StatusRun<'_>)> = Vec::new();
    for (garm, loaded) in loaded {
        let print = cx.print.labelled(&garm);
        let run = StatusRun::of(loaded, args, Context { settings: cx.settings, print: &print })?;
        runs.push((garm, run));
    }
    let mut known: Vec<LastRead> = runs.iter().map(|_| LastRead::default()).collect();
    let mut has_been_whole = false;
    let mut reads: FuturesUnordered<Read<'_>> = FuturesUnordered::new();
    loop {
        let begun = Instant::now();
        for (at, (last, (garm, run))) in known.iter_mut().zip(&runs).enumerate() {
            if last.since.is_none() {
                last.since = Some(begun);
                let is_first = !matches!(last.status, Some(Ok(_)));
                reads.push(Box::pin(async move {
                    let read = for_garm(garm, cx, async |cx| {
                        let read = look(run).await;
                        if let (true, Ok((_, hint))) = (is_first, &read) {
                            run.tell_remarks(cx);
                            hint.iter().for_each(|hint| cx.print.say(hint));
                        }
                        read.map(|view| view.0).map_err(|failure| failure.at(garm))
                    });
                    (at, read.await)
                }));
            }
        }
        let deadline = begun + args.interval;
        while let Ok(Some((at, read))) = timeout_at(deadline, reads.next()).await {
            known[at] = LastRead { status: Some(read), since: None };
        }
        let results = results(&runs, &known);
        let is_whole = results.iter().all(|own| own.result.is_ok());
        match selected(results, args) {
            Ok(results) => show(&results, args, cx)?,
            // A pool that has been shown may be deleted later.
            Err(unknown) if has_been_whole => cx.print.say(&unknown.text()),
            Err(unknown) => return Err(unknown),
        }
        has_been_whole |= is_whole;
        if cx.print.is_unread() {
            return Ok(Exit::Done);
        }
        tokio::time::sleep_until(deadline).await;
    }
}

/// What is known of each GARM: its last status, or why there is none.
fn results(runs: &[(GarmName, StatusRun<'_>)], known: &[LastRead]) -> Vec<OfGarm<GarmStatus>> {
    let own = runs.iter().zip(known).map(|((garm, run), last)| {
        let result = match &last.status {
            Some(Ok(status)) => {
                let waiting = last.since.map(|since| since.elapsed());
                Ok(GarmStatus { address: run.address(), status: status.clone(), waiting })
            }
            Some(Err(failure)) => Err(failure.clone()),
            None => Err(Failure::new(
                Exit::Unavailable,
                format!("no answer from {} yet", run.address()),
            )),
        };
        OfGarm { garm: garm.clone(), result }
    });
    own.collect()
}

fn show(results: &[OfGarm<GarmStatus>], args: &StatusArgs, cx: Context<'_>) -> Result<(), Failure> {
    if cx.settings.output == Output::Json {
        return cx.print.document_line("status", json(results, args));
    }
    let failures = results.iter().filter_map(|own| {
        let failure = own.result.as_ref().err()?;
        Some(format!("{}\n{}\n", paint(NAME, &own.garm), failure.text()))
    });
    let text = [text(results, args, cx)].into_iter().chain(failures).collect::<Vec<_>>().join("\n");
    let Some(lines) = cx.print.height() else { return cx.print.result(&text) };
    cx.print.raw(CLEAR)?;
    // One line for the note, and one for the cursor.
    let (kept, rest) = on_screen(&text, cx.print.width(), lines.saturating_sub(2));
    let note = match rest {
        0 => String::new(),
        rest => format!("… {}; `--garm NAME` shows one GARM\n", count(rest, "more line")),
    };
    cx.print.result(&(kept + &note))
}
