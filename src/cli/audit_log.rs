//! Opens the audit file of `apply` and `watch`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tracing::info;

use crate::audit::{Cause, Key, Keys};
use crate::config::{AuditRotation, WatchSettings};
use crate::domain::name::GarmName;
use crate::domain::secret::SecretRef;
use crate::domain::text::code;
use crate::host::audit_destination::AuditDestination;
use crate::host::audit_file::{AuditFile, AuditFileError, MissingFolders, RecordWriter};
use crate::host::clock::Clock;
use crate::host::segments::RotationLimits;
use crate::host::state_dir::{self, AUDIT_FILE};
use crate::plan::saved;
use crate::reconcile::audit_trail::{AuditContext, LOCK_PATIENCE};
use crate::render::style::{HELP, WARNING, paint};
use crate::render::words::span;
use crate::secrets;

use super::args::ApplyArgs;
use super::context::Context;
use super::failure::Failure;
use super::prepare::{PreparedPlan, inputs};

/// The audit context of an `apply`: the actor, the cause and the audit file. Fails (6) if the file
/// cannot be written, so that no write goes unrecorded.
pub async fn audit_context(
    survey: &PreparedPlan,
    args: &ApplyArgs,
    cx: Context<'_>,
) -> Result<AuditContext, Failure> {
    let cause = Cause {
        command: "apply".into(),
        plan: Some(digest(survey, args)),
        fleet: Some(survey.plan.fleet.to_string()),
        ..Cause::default()
    };
    let actor = state_dir::actor();
    let destination =
        if args.no_audit { AuditDestination::Off } else { destination(survey, args, cx).await? };
    Ok(AuditContext {
        book: destination,
        actor,
        cause,
        clock: Clock::Real,
        line: survey.fleet.line(),
    })
}

async fn destination(
    survey: &PreparedPlan,
    args: &ApplyArgs,
    cx: Context<'_>,
) -> Result<AuditDestination, Failure> {
    let watch = survey.loaded.fleet_file()?.watch.as_ref();
    let garm = survey.loaded.garm();
    let file = named_file(args, garm);
    // Another file of the command line is not the log of the fleet.
    let is_the_log = |watch: &&WatchSettings| file.is_none() || file == watch.audit;
    let named = AuditFileSettings {
        rotation: watch.filter(is_the_log).and_then(|watch| watch.audit_rotate),
        path: file.clone().or_else(|| watch?.audit.clone()),
        garm,
        key: watch.and_then(|watch| watch.audit_key.as_ref()),
        previous_keys: watch.map_or(&[][..], |watch| &watch.previous_audit_keys),
        help: "name another file with `--audit FILE`, or record nothing with `--no-audit`",
    };
    let help = named.help;
    let destination = open(named, survey.loaded.places.base(), cx).await?;
    if let AuditDestination::File(audit_file) = &destination {
        tell_lock(audit_file, cx).await;
        audit_file.find_room().map_err(|error| refusal(&error, help))?;
        info!(event = "step", "recording in {}", code(audit_file.path().display().to_string()));
    }
    Ok(destination)
}

/// Archives the segments of the log that are closed, after an `apply`. A failure is only a warning:
/// the next `watch` or `apply` tries again.
pub async fn archive(survey: &PreparedPlan, destination: &AuditDestination, cx: Context<'_>) {
    let AuditDestination::File(audit_file) = destination else { return };
    let audit_file = Arc::clone(audit_file);
    let fleet = Some(survey.plan.fleet.to_string());
    let cause = Cause { command: "apply".into(), fleet, ..Cause::default() };
    let work = move || audit_file.archive(&cause, &AtomicBool::new(false));
    let archived = tokio::task::spawn_blocking(work);
    if let Ok(Err(error)) = archived.await {
        let text = format!("{} {error}", paint(WARNING, "warning:"));
        cx.print.say(&format!(
            "{text}\n{} the next `watch` or `apply` tries again",
            paint(HELP, "help:")
        ));
    }
}

/// The file of `--audit`; of several GARMs, each has its own.
pub fn named_file(args: &ApplyArgs, garm: Option<&GarmName>) -> Option<PathBuf> {
    let named = args.audit.as_ref()?;
    Some(garm.map_or_else(|| named.clone(), |garm| garm.in_file_name(named)))
}

/// Reports if another process has kept the file locked for a second. Other processes lock it only
/// while they write a record.
async fn tell_lock(audit_file: &AuditFile, cx: Context<'_>) {
    for _ in 0..10 {
        if !audit_file.is_locked() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let path = code(audit_file.path().display().to_string());
    cx.print.say(&format!(
        "note: another process has locked the audit file {path}: each write waits for it, for at \
         most {}",
        span(LOCK_PATIENCE)
    ));
}

fn refusal(error: &AuditFileError, help: &'static str) -> Failure {
    Failure::refused(format!("{error}: nothing was changed")).help(help)
}

/// The audit file and its keys, as the command line or the fleet file sets them.
pub struct AuditFileSettings<'a> {
    /// Absent: `audit.jsonl` in the state folder, or that of the GARM.
    pub path: Option<PathBuf>,
    /// The GARM whose name is part of the name of the file in the state folder.
    pub garm: Option<&'a GarmName>,
    /// The key of the HMACs of new records.
    pub key: Option<&'a SecretRef>,
    /// Earlier keys, which verify older records.
    pub previous_keys: &'a [SecretRef],
    /// When the file is closed; absent if never, or by another program.
    pub rotation: Option<AuditRotation>,
    /// The hint for a file that cannot be written.
    pub help: &'static str,
}

/// Opens the audit file. `base` is the fleet file's folder. Fails (6) if it cannot be written.
pub async fn open(
    named: AuditFileSettings<'_>,
    base: PathBuf,
    cx: Context<'_>,
) -> Result<AuditDestination, Failure> {
    let (path, folders) = match named.path {
        Some(path) => (path, MissingFolders::Fail),
        None => (in_state_folder(named.garm, named.help)?, MissingFolders::Create),
    };
    let allowed = cx.settings.secret_options(base);
    let keys = keys(named.key, named.previous_keys, &allowed).await?;
    let writer = RecordWriter { actor: state_dir::actor(), clock: Clock::Real, keys };
    let audit_file =
        AuditFile::open(&path, writer, folders).map_err(|error| refusal(&error, named.help))?;
    let audit_file = audit_file.rotating(named.rotation.map(limits));
    Ok(AuditDestination::File(Arc::new(audit_file)))
}

fn limits(rotation: AuditRotation) -> RotationLimits {
    let AuditRotation { max_size_mib, every, keep } = rotation;
    RotationLimits { max_size: u64::from(max_size_mib) << 20, every, keep }
}

/// Resolves the keys. Fails (3) if the key for new records is too short.
async fn keys(
    signing: Option<&SecretRef>,
    previous: &[SecretRef],
    allowed: &secrets::ResolveOptions,
) -> Result<Keys, Failure> {
    let signing = match signing {
        None => None,
        Some(reference) => {
            let key = Key::signing(secrets::resolve(reference, allowed).await?);
            Some(key.map_err(|short| {
                Failure::input(format!("{short} (`watch.audit_key` is `{reference}`)")).help(
                    "make a new key with `openssl rand -hex 32`, and name the short one under \
                     `watch.previous_audit_keys`",
                )
            })?)
        }
    };
    Ok(Keys::new(signing, resolved(previous, allowed).await?))
}

/// Resolves keys that only verify records; these may be short.
pub async fn resolved(
    references: &[SecretRef],
    allowed: &secrets::ResolveOptions,
) -> Result<Vec<Key>, Failure> {
    let mut keys = Vec::new();
    for reference in references {
        keys.push(Key::new(secrets::resolve(reference, allowed).await?));
    }
    Ok(keys)
}

/// The audit file in the state folder.
pub fn in_state_folder(garm: Option<&GarmName>, help: &str) -> Result<PathBuf, Failure> {
    let folder = state_dir::folder_here().ok_or_else(|| {
        Failure::refused("no folder for the audit file: neither `XDG_STATE_HOME` nor `HOME` is set")
            .help(help)
    })?;
    let shared = folder.join(AUDIT_FILE);
    Ok(garm.map_or_else(|| shared.clone(), |garm| garm.in_file_name(&shared)))
}

/// The SHA-256 of the plan, without a salt so that equal plans have equal digests. Each
/// record of an `apply` carries it.
fn digest(survey: &PreparedPlan, args: &ApplyArgs) -> String {
    let inputs = inputs(&survey.loaded, &args.targets);
    let text = saved::identity(&survey.plan, &survey.heading.garm_url, &inputs);
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
