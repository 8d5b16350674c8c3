//! `audit`: checks that an audit log is complete and unchanged, or shows its records.

use std::path::PathBuf;

use tracing::info;

use super::args::{AuditArgs, AuditCommand, Output, VerifyArgs};
use super::audit_log;
use super::audit_show;
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::load::stop_at;
use crate::audit::anchor::{PublicKey, STATEMENT_MAX, Statement, Statements};
use crate::audit::{Check, CheckCriteria, Keys, Report};
use crate::config::{self, FleetFile};
use crate::domain::secret::SecretRef;
use crate::host::log_set::LogSet;
use crate::host::{files, logs};
use crate::render::audit as render;
use crate::secrets;

pub async fn run(args: &AuditArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    match &args.command {
        AuditCommand::Show(args) => audit_show::run(args, cx),
        AuditCommand::Verify(args) => verify(args, cx).await,
    }
}

async fn verify(args: &VerifyArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    let since = args.since.as_ref().map(|head| head.seq);
    let logs = LogSet::open(&args.files, since).map_err(Failure::input)?;
    let names: Vec<&str> = logs.files().map(|log| log.name.as_str()).collect();
    if logs.is_empty() && args.head.is_none() {
        return Err(Failure::input(format!("no records in {}", names.join(", "))));
    }
    let keys = keys(args, cx).await?;
    let anchors = anchors(args)?;
    let mut check = Check::new(CheckCriteria {
        keys: Some(&keys),
        head: args.head.as_ref(),
        since: args.since.as_ref().or(logs.deleted()),
        anchors: anchors.as_ref(),
    });
    let step = |name: &str| info!(event = "step", "checking {name}");
    logs.feed(&mut check, step).map_err(Failure::input)?;
    let mut report = check.finish();
    if report.broken.is_none() {
        report.broken = logs.check_manifests(&keys).map_err(Failure::input)?;
    }
    show(&report, &names, cx)?;
    Ok(if report.broken.is_none() { Exit::Done } else { Exit::Failed })
}

fn show(report: &Report, names: &[&str], cx: Context<'_>) -> Result<(), Failure> {
    match cx.settings.output {
        Output::Json => cx.print.document("audit", render::json(report, names)),
        Output::Text | Output::Markdown => cx.print.result(&render::text(report, names.len())),
    }
}

/// The keys of `--key`, else those of the fleet file. Without a fleet file there are none. A fleet
/// file with errors is an error: without its keys, HMACs would go unchecked.
async fn keys(args: &VerifyArgs, cx: Context<'_>) -> Result<Keys, Failure> {
    let allow_exec = cx.settings.allow_exec;
    if !args.key.is_empty() {
        // A path on the command line is relative to the working folder.
        let allowed = secrets::ResolveOptions { allow_exec, base_dir: PathBuf::new() };
        return Ok(Keys::checking(audit_log::resolved(&args.key, &allowed).await?));
    }
    // All GARMs have the same keys.
    let watch = fleet_files(cx)?.into_iter().next().and_then(|file| file.watch).unwrap_or_default();
    let references: Vec<SecretRef> =
        watch.audit_key.into_iter().chain(watch.previous_audit_keys).collect();
    let allowed = secrets::ResolveOptions { allow_exec, base_dir: cx.settings.paths.base() };
    Ok(Keys::checking(audit_log::resolved(&references, &allowed).await?))
}

/// The fleet file for each GARM that it names; none if there is no fleet file.
pub(super) fn fleet_files(cx: Context<'_>) -> Result<Vec<FleetFile>, Failure> {
    let Some(start) = &cx.settings.paths.fleet else { return Ok(Vec::new()) };
    let source = match files::read_fleet(start).map_err(|problem| stop_at(&[problem], cx)) {
        Ok(source) => source,
        Err(stopped) => {
            stopped?;
            return Ok(Vec::new());
        }
    };
    let manifest = config::load(Some(&source), &[]);
    stop_at(&manifest.problems, cx)?;
    Ok(manifest.fleet_files().cloned().collect())
}

/// The statements of `--anchor`; absent without the flag.
fn anchors(args: &VerifyArgs) -> Result<Option<Statements>, Failure> {
    if args.anchor.is_empty() {
        return Ok(None);
    }
    let mut keys = Vec::new();
    for path in &args.anchor_key {
        let pem = logs::read_small(path).map_err(Failure::input)?;
        let key = PublicKey::from_pem(&pem);
        keys.push(key.map_err(|why| {
            Failure::input(format!("cannot use `{}`: {why}", path.display()))
                .help("run `openssl pkey -in KEY -pubout` to write the public key of KEY")
        })?);
    }
    let mut statements = Statements::default();
    for path in &args.anchor {
        let mut bad = None;
        let read = logs::each_line(path, STATEMENT_MAX, |number, line| {
            match Statement::open(line, &keys) {
                Ok(statement) => statements.add(statement),
                Err(why) => bad = bad.take().or(Some((number, why))),
            }
        });
        read.map_err(Failure::input)?;
        if let Some((number, why)) = bad {
            let message = format!("`{}`, line {number}: {why}", path.display());
            return Err(Failure::new(Exit::Failed, message));
        }
    }
    if statements.is_empty() {
        return Err(Failure::input("no statements in the files of `--anchor`"));
    }
    Ok(Some(statements))
}
