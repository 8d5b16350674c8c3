//! `audit verify`: whether an audit log is whole.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Context;
use super::args::Output;
use super::exit::Exit;
use super::failure::Failure;
use super::load::stop_at;
use super::places::{Places, Surroundings};
use crate::audit::{Check, Head, Key, Report};
use crate::domain::secret::SecretRef;
use crate::host::{files, logs};
use crate::manifest;
use crate::secrets;
use crate::view::audit as view;

/// `audit`
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// What to do with it
    #[command(subcommand)]
    pub command: AuditCommand,
}

/// What can be done with audit files.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check the chain over rotated files, name the first bad record, find cuts
    Verify(VerifyArgs),
}

/// `audit verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Audit files, rotated ones too, in any order
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// A record that must be there, as `watch` logs it: shows what is cut off at the end
    #[arg(long, value_name = "SEQ:HASH", value_parser = head)]
    pub head: Option<Head>,
    /// Key of the HMACs: env:NAME, file:PATH, vault:PATH#FIELD or exec:COMMAND [default:
    /// `watch.audit_key` of the fleet file, if there is one]
    #[arg(long, value_name = "REF", value_parser = manifest::parse_reference)]
    pub key: Option<SecretRef>,
}

fn head(text: &str) -> Result<Head, String> {
    Head::parse(text).ok_or_else(|| "write `SEQ:HASH`, as `watch` logs it".into())
}

/// Checks the files.
pub async fn run(args: &AuditArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    match &args.command {
        AuditCommand::Verify(args) => verify(args, cx).await,
    }
}

async fn verify(args: &VerifyArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    let mut logs = logs::open(&args.files).map_err(Failure::input)?;
    if logs.iter().all(logs::Log::is_empty) && args.head.is_none() {
        let names: Vec<&str> = logs.iter().map(|it| it.name.as_str()).collect();
        return Err(Failure::input(format!("there is no record in {}", names.join(", "))));
    }
    let key = key(args, cx).await?;
    let mut check = Check::new(key.as_ref(), args.head.as_ref());
    for log in &mut logs {
        let fed = log.feed(&mut check);
        fed.map_err(|it| Failure::input(format!("cannot read `{}`: {it}", log.name)))?;
    }
    let report = check.finish();
    let names: Vec<&str> = logs.iter().map(|it| it.name.as_str()).collect();
    show(&report, &names, cx)?;
    Ok(if report.broken.is_none() { Exit::Done } else { Exit::Failed })
}

fn show(report: &Report, names: &[&str], cx: Context<'_>) -> Result<(), Failure> {
    match cx.globals.output {
        Output::Json => cx.print.document("audit", view::json(report, names)),
        Output::Text | Output::Markdown => cx.print.result(&view::text(report, names.len())),
    }
}

/// The key that is named, else the fleet file's. Without a fleet file there is none; one with
/// errors is not passed over, because then nothing would be checked with it.
async fn key(args: &VerifyArgs, cx: Context<'_>) -> Result<Option<Key>, Failure> {
    let places = Places::find(cx.globals, &Surroundings::read());
    let (reference, base_dir) = match (&args.key, &places.fleet) {
        // On the command line a path starts from the working folder.
        (Some(reference), _) => (Some(reference.clone()), PathBuf::new()),
        (None, None) => (None, PathBuf::new()),
        (None, Some(start)) => {
            let source = files::read_fleet(start).map_err(|it| stop_at(&[it], cx));
            let source = match source {
                Ok(source) => source,
                Err(stopped) => {
                    stopped?;
                    return Ok(None);
                }
            };
            let manifest = manifest::load(Some(&source), &[]);
            stop_at(&manifest.problems, cx)?;
            let watch = manifest.fleet_file.and_then(|it| it.watch);
            (watch.and_then(|it| it.audit_key), places.base())
        }
    };
    let Some(reference) = reference else { return Ok(None) };
    let allowed = secrets::Options { allow_exec: cx.globals.allow_exec, base_dir };
    Ok(Some(Key::new(secrets::resolve(&reference, &allowed).await?)))
}
