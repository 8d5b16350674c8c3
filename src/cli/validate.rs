//! `validate`: reports every problem of the files.

use serde_json::{Map, Value};
use tracing::info;

use super::args::{Output, ValidateArgs};
use super::connect::{connect, expect, tell_remarks, warn_unencrypted};
use super::exit::Exit;
use super::failure::Failure;
use super::garms::{self, check_names};
use super::load::{CheckedFiles, check_files, missing_fleet_file, not_read};
use super::paths::FilePaths;
use super::runner_kit::agents;
use super::spinner::reading;
use super::{Context, online, requirements, step_summary};
use crate::config::{Problem, has_error};
use crate::domain::name::GarmName;
use crate::domain::proof::{Probe, Proof};
use crate::domain::text::{code, escape};
use crate::garm::probe::{self, ProbeTargets};
use crate::host::files::SourcePath;
use crate::monitor::compliance::{ComplianceFacts, RequirementVerdict, report};
use crate::policy::Violation;
use crate::reconcile::read_fleet::names::read_names;
use crate::reconcile::read_fleet::read_owned;
use crate::render::style::{NAME, paint};
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
    check_names(&args.garm.names, &files.manifest)?;
    show(&files, &[], cx)?;
    Ok(exit(args, &files.problems))
}

/// Checks the files and, if they have no errors, that each GARM has what they name.
pub async fn run_online(args: &ValidateArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    let places = cx.settings.paths.clone();
    let mut files = check_files(&places, &pools(args, &places));
    check_names(&args.garm.names, &files.manifest)?;
    if has_error(&files.problems) {
        show(&files, &[], cx)?;
        cx.print.say("skipped the checks against GARM: correct the files first");
        return Ok(Exit::Input);
    }
    let asked = if files.manifest.has_garms() {
        garms::validate(&files, &args.garm.names, cx).await
    } else {
        vec![(None, Ok(ask(&files, cx).await?))]
    };
    for (garm, asked) in &asked {
        let Ok(asked) = asked else { continue };
        files.problems.extend(asked.problems.iter().map(|problem| of_garm(problem, garm.as_ref())));
        files.files.extend(asked.file.clone());
    }
    show(&files, &asked, cx)?;
    garms::tell_failed(&asked, cx);
    let exits = asked.iter().map(|(garm, asked)| match asked {
        Ok(asked) => asked.exit(args, garm.as_ref(), cx),
        Err(failure) => failure.exit,
    });
    Ok(Exit::worst(exits.chain([exit(args, &files.problems)])))
}

/// Checks one GARM against its files.
pub(super) async fn ask(files: &CheckedFiles, cx: Context<'_>) -> Result<OnlineResults, Failure> {
    let fleet_file = files.manifest.fleet_file.as_ref().ok_or_else(missing_fleet_file)?;
    let client = connect(fleet_file, cx.settings.paths.base(), cx)?;
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
    let mut problems = online::problems(&files.manifest, &known);
    problems.extend(agents(&files.manifest, &known.entities));
    let address = client.address();
    problems.extend(live.iter().map(|problem| as_it_stands(problem, address.clone())));
    tell_remarks(&client, cx);
    let must_prove = fleet_file.policy.require_mtls;
    let file = (!live.is_empty()).then(|| address.clone());
    Ok(OnlineResults { address, probes, verdicts, problems, file, must_prove })
}

/// A problem that one of several GARMs has.
fn of_garm(problem: &Problem, garm: Option<&GarmName>) -> Problem {
    let message = match garm {
        Some(garm) => format!("{garm}: {}", problem.message),
        None => problem.message.clone(),
    };
    Problem { message, ..problem.clone() }
}

/// A policy violation of a pool as it is in GARM, which may differ from the files.
fn as_it_stands(violation: &Violation, garm: String) -> Problem {
    let message =
        format!("pool {} as it is in GARM: {}", code(violation.pool.as_str()), violation.message);
    let help = format!("{}; run `runnerctl plan` to see whether the files differ", violation.help);
    Problem::of_file(violation.code, garm, message).with_help(help)
}

/// The results of the checks against one GARM.
pub(super) struct OnlineResults {
    address: String,
    probes: Vec<Probe>,
    verdicts: Vec<RequirementVerdict>,
    problems: Vec<Problem>,
    /// The address, if it is the place of a problem.
    file: Option<String>,
    /// `policy.require_mtls`.
    must_prove: bool,
}

/// The results for each GARM, with its name if the fleet file has `garms`.
pub(super) type OnlineAnswers = [(Option<GarmName>, Result<OnlineResults, Failure>)];

impl OnlineResults {
    /// The exit code, the problems aside.
    fn exit(&self, args: &ValidateArgs, garm: Option<&GarmName>, cx: Context<'_>) -> Exit {
        if self.must_prove && Proof::of(&self.probes) != Proof::Enforced {
            let text =
                "refused: `policy.require_mtls` is set, and mTLS is not proven to be enforced";
            match garm {
                Some(garm) => cx.print.labelled(garm).say(text),
                None => cx.print.say(text),
            }
            return Exit::Refused;
        }
        let is_unmet = args.strict && self.verdicts.iter().any(RequirementVerdict::is_warning);
        if is_unmet { Exit::Input } else { Exit::Done }
    }
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

fn show(files: &CheckedFiles, asked: &OnlineAnswers, cx: Context<'_>) -> Result<(), Failure> {
    let step = step_summary::step(cx);
    for annotation in problem::annotations(&files.problems, step.as_ref()) {
        cx.print.annotate(&annotation);
    }
    step_summary::problems(&files.problems, &counted(files), cx);
    match cx.settings.output {
        Output::Json => cx.print.document("validate", json(files, asked)),
        Output::Text | Output::Markdown => {
            let mut text = text(files, asked);
            if let Some(note) = not_read(&files.unread) {
                text.push_str(&format!("\n{note}"));
            }
            for (garm, asked) in asked {
                let Ok(asked) = asked else { continue };
                if let Some(garm) = garm {
                    text.push_str(&format!("\n\n{}", paint(NAME, garm)));
                }
                let report = render::requirements::text(&asked.verdicts, cx.print.width());
                text.push_str(&format!("\n{}\n\n{report}", proof::text(&asked.probes)));
            }
            cx.print.result(&text)
        }
    }
}

fn json(files: &CheckedFiles, asked: &OnlineAnswers) -> Value {
    let (problems, unread) = (&files.problems, &files.unread);
    let of_one = |asked: &OnlineResults| (asked.probes.clone(), asked.verdicts.clone());
    if let [(None, Ok(own))] = asked {
        let (probes, verdicts) = of_one(own);
        return render::validate::json(problems, unread, Some((&probes, &verdicts)));
    }
    let mut document = render::validate::json(problems, unread, None);
    let garms = asked.iter().filter_map(|(garm, asked)| {
        let value = match asked {
            Ok(own) => render::validate::online(&own.probes, &own.verdicts),
            Err(failure) => failure.value(),
        };
        Some((garm.as_ref()?.to_string(), value))
    });
    let garms: Map<String, Value> = garms.collect();
    if !garms.is_empty() {
        document["garms"] = garms.into();
    }
    document
}

fn text(files: &CheckedFiles, asked: &OnlineAnswers) -> String {
    let pools = count(files.manifest.pools.len(), "pool");
    let addresses =
        asked.iter().filter_map(|(_, asked)| Some(escape(&asked.as_ref().ok()?.address)));
    let asked = match addresses.collect::<Vec<_>>().as_slice() {
        [] => String::new(),
        addresses => format!("; checked against {}", addresses.join(", ")),
    };
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
