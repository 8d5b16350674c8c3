//! `validate`: every problem of the files.

use std::path::PathBuf;

use serde_json::json;

use super::args::Output;
use super::connect::{connect, expect, tell_remarks};
use super::exit::Exit;
use super::failure::Failure;
use super::load::missing_fleet_file;
use super::paths::{FilePaths, PathEnvironment};
use super::policies::PolicySet;
use super::runner_kit::agents;
use super::spinner::reading;
use super::{Context, online, requirements, step_summary};
use crate::config::{self, Manifest, Problem, has_error};
use crate::domain::desired::Scope;
use crate::domain::proof::{Probe, Proof};
use crate::domain::text::{code, escape, few};
use crate::garm::probe::{self, ProbeTargets};
use crate::host::files::{self, Pools, Start};
use crate::monitor::compliance::{ComplianceFacts, RequirementVerdict, report};
use crate::policy::{UndeclaredPools, Violation};
use crate::reconcile::read_fleet::read_owned;
use crate::render::words::count;
use crate::render::{self, problem, proof};

/// `validate`
#[derive(Debug, clap::Args)]
pub struct ValidateArgs {
    /// Pool files or folders, instead of --pools
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Ask GARM, too: whether it knows the providers, entities and templates that pools name, and
    /// whether mTLS is enforced
    #[arg(long)]
    pub online: bool,
    /// A warning fails, too
    #[arg(long)]
    pub strict: bool,
}

/// What the files say, and every problem in reading and understanding them.
#[derive(Debug)]
pub struct Gathered {
    /// What they say.
    pub manifest: Manifest,
    /// What is wrong: first what could not be read, then the manifest's own problems.
    pub problems: Vec<Problem>,
    /// The files that were read, as they are shown.
    pub files: Vec<String>,
    /// How much of the fleet they speak for.
    pub scope: Scope,
    /// What lies beside the pool files and was not read.
    pub unread: Vec<String>,
    /// What binds the pools.
    pub policies: PolicySet,
}

/// Reads the fleet file and the policy file, if there are any, and pool files or folders of them.
pub fn gather(places: &FilePaths, pools: &[Start]) -> Gathered {
    let fleet = places.fleet.as_ref();
    let Pools { sources, mut problems, is_folder, unread } = files::read_pools(pools);
    let mut paths: Vec<String> = sources.iter().map(|it| it.path.clone()).collect();
    let mut manifest = match fleet.map(files::read_fleet).transpose() {
        Ok(fleet) => {
            paths.extend(fleet.iter().map(|it| it.path.clone()));
            config::load(fleet.as_ref(), &sources)
        }
        Err(problem) => {
            problems.insert(0, problem);
            config::load_in_doubt(&sources)
        }
    };
    problems.extend(manifest.problems.iter().cloned());
    let policies = PolicySet::gather(places.policy.as_ref(), &mut manifest, &mut problems);
    paths.extend(places.policy.iter().map(|it| it.path().display().to_string()));
    let scope = if is_folder { Scope::Whole } else { Scope::Part };
    Gathered { manifest, problems, files: paths, scope, unread, policies }
}

/// Checks the files. Opens no socket, resolves no secret, starts no process.
pub fn run(args: &ValidateArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    let places = FilePaths::find(cx.globals, &PathEnvironment::read());
    let gathered = judged(&places, &pools(args, &places));
    show(&gathered, None, cx)?;
    Ok(exit(args, &gathered.problems))
}

/// Checks the files, and holds what they name against GARM when they have no errors.
pub async fn run_online(args: &ValidateArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    let places = FilePaths::find(cx.globals, &PathEnvironment::read());
    let mut gathered = judged(&places, &pools(args, &places));
    if has_error(&gathered.problems) {
        show(&gathered, None, cx)?;
        cx.print.say("GARM was not asked: correct the files first");
        return Ok(Exit::Input);
    }
    let fleet_file = gathered.manifest.fleet_file.as_ref().ok_or_else(missing_fleet_file)?;
    let client = connect(fleet_file, places.base(), cx)?;
    expect(&client, &gathered.manifest.pools);
    let asked = async {
        let known = online::ask(&client, &gathered.manifest).await?;
        let (controller, _) = client.controller().await?;
        let credentials = client.credentials().await?;
        let live = read_owned(&client, &fleet_file.fleet).await?;
        Ok::<_, Failure>((known, controller, credentials, live))
    };
    let (known, controller, credentials, live) = reading(&client.address(), asked, cx).await?;
    let probes = probe::prove(&ProbeTargets::of(&fleet_file.garm, &controller)).await?;
    let must_prove = fleet_file.policy.require_mtls;
    let credentials = requirements::credentials(&credentials, fleet_file);
    let live = gathered.policies.live(&fleet_file.fleet, &live);
    let wrong = requirements::in_wrong_networks(&live);
    let pools = &gathered.manifest.pools;
    let facts = ComplianceFacts {
        networks: Some(requirements::networks(pools, fleet_file, wrong)),
        credentials: Some(credentials),
        mtls: Some(requirements::mtls(&probes)),
        ..ComplianceFacts::default()
    };
    let verdicts = report(&facts, &fleet_file.policy.accept);
    gathered.problems.extend(online::problems(&gathered.manifest, &known));
    gathered.problems.extend(agents(&gathered.manifest, known.entities()));
    if !live.is_empty() {
        gathered.files.push(client.address());
        gathered.problems.extend(live.iter().map(|it| as_it_stands(it, client.address())));
    }
    tell_remarks(&client, cx);
    let asked = OnlineResults { address: client.address(), probes: &probes, verdicts: &verdicts };
    show(&gathered, Some(&asked), cx)?;
    let is_unmet = args.strict && verdicts.iter().any(RequirementVerdict::is_warning);
    match exit(args, &gathered.problems) {
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

/// A pool of ours that breaks the policy in GARM, whatever the files say by now.
fn as_it_stands(it: &Violation, garm: String) -> Problem {
    let message = format!("pool {} as it stands in GARM: {}", code(it.pool.as_str()), it.message);
    let help = format!("{}; `runnerctl plan` shows whether the files differ", it.help);
    Problem::of_file(it.code, garm, message).with_help(help)
}

/// What GARM was asked, besides.
struct OnlineResults<'a> {
    address: String,
    probes: &'a [Probe],
    verdicts: &'a [RequirementVerdict],
}

/// All that is known without GARM: what is read, and what the policy says to it.
pub fn judged(places: &FilePaths, pools: &[Start]) -> Gathered {
    let mut gathered = gather(places, pools);
    let violations = gathered.policies.violations(&gathered.manifest, UndeclaredPools::default());
    gathered.problems.extend(violations);
    gathered.problems.extend(gathered.policies.unbound(&gathered.manifest));
    gathered
}

fn pools(args: &ValidateArgs, places: &FilePaths) -> Vec<Start> {
    match args.paths.as_slice() {
        [] => vec![places.pools.clone()],
        named => named.iter().cloned().map(Start::Named).collect(),
    }
}

fn exit(args: &ValidateArgs, problems: &[Problem]) -> Exit {
    let fails = has_error(problems) || (args.strict && !problems.is_empty());
    if fails { Exit::Input } else { Exit::Done }
}

fn show(
    gathered: &Gathered,
    asked: Option<&OnlineResults<'_>>,
    cx: Context<'_>,
) -> Result<(), Failure> {
    let step = step_summary::step(cx);
    for annotation in problem::annotations(&gathered.problems, step.as_ref()) {
        cx.print.annotate(&annotation);
    }
    step_summary::problems(&gathered.problems, &counted(gathered), cx);
    match cx.globals.output {
        Output::Json => {
            let problems = problem::json(&gathered.problems);
            let mut document = json!({ "problems": problems });
            if !gathered.unread.is_empty() {
                document["unread"] = json!(gathered.unread);
            }
            if let Some(asked) = asked {
                document["mtls"] = proof::json(asked.probes);
                document["requirements"] = render::requirements::json(asked.verdicts);
            }
            cx.print.document("validate", document)
        }
        Output::Text | Output::Markdown => {
            let mut text = text(gathered, asked.map(|it| it.address.as_str()));
            if let Some(note) = not_read(&gathered.unread) {
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

/// What was not read, by name; nothing when that is nothing.
pub fn not_read(unread: &[String]) -> Option<String> {
    const SHOWN: usize = 8;
    let names: Vec<String> = unread.iter().map(code).collect();
    let names = few(&names, SHOWN);
    (!unread.is_empty())
        .then(|| format!("note: not read, since pool files are named `*.yaml` or `*.yml`: {names}"))
}

fn text(gathered: &Gathered, asked: Option<&str>) -> String {
    let pools = count(gathered.manifest.pools.len(), "pool");
    let asked = asked.map_or_else(String::new, |it| format!("; asked {}", escape(it)));
    match (gathered.problems.as_slice(), gathered.files.as_slice()) {
        ([], [file]) => format!("{}: {pools}, no problems{asked}", escape(file)),
        ([], files) => format!("{pools} in {}, no problems{asked}", count(files.len(), "file")),
        (problems, _) => format!("{}{}{asked}", problem::text(problems), counted(gathered)),
    }
}

/// How many problems there are in how many files, those that could not be read included.
fn counted(gathered: &Gathered) -> String {
    let Gathered { problems, files, .. } = gathered;
    let unread = problems.iter().filter(|it| !files.contains(&it.place.file)).count();
    problem::summary(problems, files.len() + unread)
}
