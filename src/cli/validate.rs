//! `validate`: reports every problem of the files.

use tracing::info;

use super::args::{Output, ValidateArgs};
use super::connect::{connect, expect, tell_remarks, warn_unencrypted};
use super::exit::Exit;
use super::failure::Failure;
use super::load::{CheckedFiles, check_files, no_fleet_file, not_read};
use super::paths::FilePaths;
use super::runner_kit::agents;
use super::spinner::reading;
use super::{Context, online, requirements, step_summary};
use crate::config::{Problem, has_error};
use crate::domain::proof::{Probe, Proof};
use crate::domain::text::{code, escape};
use crate::garm::probe::{self, ProbeTargets};
use crate::host::files::SourcePath;
use crate::monitor::compliance::{ComplianceFacts, RequirementVerdict, report};
use crate::policy::Violation;
use crate::reconcile::read_fleet::names::read_names;
use crate::reconcile::read_fleet::read_owned;
use crate::render::words::count;
use crate::render::{self, problem, proof};

/// Checks the files. Opens no socket, resolves no secret and starts no process.
pub fn run(args: &ValidateArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    let places = cx.settings.paths.clone();
    let files = check_files(&places, &pools(args, &places));
    info!(event = "step", "read {}", files.files.join(", "));
    for file in files.manifest.fleet_files() {
        warn_unencrypted(file, cx);
    }
    show(&files, None, cx)?;
    Ok(exit(args, &files.problems))
}

/// Checks the files and, if they have no errors, that GARM has what they name.
pub async fn run_online(args: &ValidateArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    let places = cx.settings.paths.clone();
    let mut files = check_files(&places, &pools(args, &places));
    if has_error(&files.problems) {
        show(&files, None, cx)?;
        cx.print.say("skipped the checks against GARM: correct the files first");
        return Ok(Exit::Input);
    }
    let fleet_file =
        files.manifest.fleet_file.as_ref().ok_or_else(|| no_fleet_file(&files.manifest))?;
    let client = connect(fleet_file, places.base(), cx)?;
    expect(&client, &files.manifest.pools);
    let asked = async {
        let known = read_names(&client, &online::request(&files.manifest)).await?;
        let (controller, _) = client.controller().await?;
        let credentials = client.credentials().await?;
        let live = read_owned(&client, &fleet_file.fleet).await?;
        Ok::<_, Failure>((known, controller, credentials, live))
    };
    let (known, controller, credentials, live) = reading(&client.address(), asked, cx).await?;
    let probes = probe::prove(&ProbeTargets::of(&fleet_file.garm, &controller)).await?;
    info!(event = "step", "probed mTLS: {}", proof::sentence(&probes));
    let must_prove = fleet_file.policy.require_mtls;
    let credentials = requirements::credentials(&credentials, fleet_file);
    let live = files.policies.live(&fleet_file.fleet, &live);
    let wrong = requirements::in_wrong_networks(&live);
    let pools = &files.manifest.pools;
    let facts = ComplianceFacts {
        networks: Some(requirements::networks(pools, fleet_file, wrong)),
        credentials: Some(credentials),
        mtls: requirements::mtls(&fleet_file.garm, Some(&probes)),
        ..ComplianceFacts::default()
    };
    let verdicts = report(&facts, &fleet_file.policy.accept);
    files.problems.extend(online::problems(&files.manifest, &known));
    files.problems.extend(agents(&files.manifest, &known.entities));
    if !live.is_empty() {
        files.files.push(client.address());
        files.problems.extend(live.iter().map(|problem| as_it_stands(problem, client.address())));
    }
    tell_remarks(&client, cx);
    let asked = OnlineResults { address: client.address(), probes: &probes, verdicts: &verdicts };
    show(&files, Some(&asked), cx)?;
    let is_unmet = args.strict && verdicts.iter().any(RequirementVerdict::is_warning);
    match exit(args, &files.problems) {
        Exit::Done if must_prove && Proof::of(&probes) != Proof::Enforced => {
            cx.print.say(
                "refused: `policy.require_mtls` is set, and mTLS is not proven to be enforced",
            );
            Ok(Exit::Refused)
        }
        Exit::Done if is_unmet => Ok(Exit::Input),
        exit => Ok(exit),
    }
}

/// A policy violation of a pool as it is in GARM, which may differ from the files.
fn as_it_stands(violation: &Violation, garm: String) -> Problem {
    let message =
        format!("pool {} as it is in GARM: {}", code(violation.pool.as_str()), violation.message);
    let help = format!("{}; run `runnerctl plan` to see whether the files differ", violation.help);
    Problem::of_file(violation.code, garm, message).with_help(help)
}

/// The results of the checks against GARM besides the problems.
struct OnlineResults<'a> {
    address: String,
    probes: &'a [Probe],
    verdicts: &'a [RequirementVerdict],
}

fn pools(args: &ValidateArgs, places: &FilePaths) -> Vec<SourcePath> {
    match args.paths.as_slice() {
        [] => vec![places.pools.clone()],
        named => named.iter().cloned().map(SourcePath::Named).collect(),
    }
}

fn exit(args: &ValidateArgs, problems: &[Problem]) -> Exit {
    let fails = has_error(problems) || (args.strict && !problems.is_empty());
    if fails { Exit::Input } else { Exit::Done }
}

fn show(
    files: &CheckedFiles,
    asked: Option<&OnlineResults<'_>>,
    cx: Context<'_>,
) -> Result<(), Failure> {
    let step = step_summary::step(cx);
    for annotation in problem::annotations(&files.problems, step.as_ref()) {
        cx.print.annotate(&annotation);
    }
    step_summary::problems(&files.problems, &counted(files), cx);
    match cx.settings.output {
        Output::Json => {
            let online = asked.map(|asked| (asked.probes, asked.verdicts));
            let fields = render::validate::json(&files.problems, &files.unread, online);
            cx.print.document("validate", fields)
        }
        Output::Text | Output::Markdown => {
            let mut text = text(files, asked.map(|client| client.address.as_str()));
            if let Some(note) = not_read(&files.unread) {
                text.push_str(&format!("\n{note}"));
            }
            if let Some(asked) = asked {
                let report = render::requirements::text(asked.verdicts, cx.print.width());
                text.push_str(&format!("\n{}\n\n{report}", proof::text(asked.probes)));
            }
            cx.print.result(&text)
        }
    }
}

fn text(files: &CheckedFiles, asked: Option<&str>) -> String {
    let pools = count(files.manifest.pools.len(), "pool");
    let asked =
        asked.map_or_else(String::new, |address| format!("; checked against {}", escape(address)));
    match (files.problems.as_slice(), files.files.as_slice()) {
        ([], [file]) => format!("{}: {pools}, no problems{asked}", escape(file)),
        ([], files) => format!("{pools} in {}, no problems{asked}", count(files.len(), "file")),
        (problems, _) => format!("{}{}{asked}", problem::text(problems), counted(files)),
    }
}

/// The number of problems and of files, including files that could not be read.
fn counted(files: &CheckedFiles) -> String {
    let CheckedFiles { problems, files, .. } = files;
    let unread = problems.iter().filter(|problem| !files.contains(&problem.place.file)).count();
    problem::summary(problems, files.len() + unread)
}
