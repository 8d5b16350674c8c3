//! `import`: pools that nobody owns, as a pool file on stdout.

use std::collections::BTreeSet;

use crate::domain::entity::{EntityKey, EntityKind};
use crate::domain::fleet::{Fleet, Line};
use crate::domain::name::PoolId;
use crate::domain::text;
use crate::domain::text::code;
use crate::engine::observe::{Ask, Credentials, Proxies, Specs, Templates, read_fleet};
use crate::garm::{Client, Unknown};
use crate::host::clock::Clock;
use crate::host::files;
use crate::manifest::{self, DeclaredPool, FleetFile, Manifest, Severity, Source};
use crate::view::import::{Draft, drafts, file, left_out};
use crate::view::style::{HELP, WARNING, paint};
use crate::view::words::count;

use super::Context;
use super::connect::connect;
use super::exit::Exit;
use super::failure::Failure;
use super::load::{missing_fleet_file, stop_at};
use super::places::{Places, Surroundings};
use super::reading::reading;

/// A pool that says nothing: with `defaults` merged it tells what an imported pool need not say.
const PROBE: &str = "pools: [{ name: probe, instance_type: probe, max_runners: 1 }]\n";

/// Prints the pool file.
pub async fn run(cx: Context<'_>) -> Result<Exit, Failure> {
    let places = Places::find(cx.globals, &Surroundings::read());
    let source = fleet_source(&places, cx)?;
    let probed = load(&source, PROBE);
    let errors = probed.problems.iter().filter(|it| it.severity == Severity::Error);
    stop_at(&errors.cloned().collect::<Vec<_>>(), cx)?;
    let (settings, base) = parts(&probed)?;
    let client = connect(settings, places.base(), cx)?;
    let fleet = reading(&client.address(), read(&client), cx).await?;
    let beyond = Beyond::read(&client, &fleet).await?;
    let mut taken = declared_names(&source, &places);
    taken.extend(owned_names(&fleet, settings));
    let drafts = drafts(&fleet, &taken, base);
    let checked = checked(&drafts, &source);
    cx.print.raw(&file(&checked.items))?;
    tell(&drafts, &checked.taken, cx);
    beyond.tell(&checked.taken, cx);
    Ok(Exit::Done)
}

fn fleet_source(places: &Places, cx: Context<'_>) -> Result<Source, Failure> {
    let start = places.fleet.as_ref().ok_or_else(missing_fleet_file)?;
    files::read_fleet(start).or_else(|problem| {
        stop_at(&[problem], cx)?;
        Err(missing_fleet_file())
    })
}

fn load(fleet: &Source, pools: &str) -> Manifest {
    let pools = Source { path: "import".into(), text: pools.to_owned() };
    manifest::load(Some(fleet), &[pools])
}

fn parts(probed: &Manifest) -> Result<(&FleetFile, &DeclaredPool), Failure> {
    match (&probed.fleet_file, probed.pools.first()) {
        (Some(settings), Some(base)) => Ok((settings, base)),
        (None, _) => Err(missing_fleet_file()),
        // `defaults` that no pool can be made of have been reported as errors before.
        (Some(_), None) => Err(Failure::input("`defaults` in the fleet file make no valid pool")),
    }
}

/// Pools, every kind of entity, and the templates where GARM has any.
async fn read(client: &Client) -> Result<Fleet, Failure> {
    let ask = Ask {
        credentials: Credentials::Unwanted,
        kinds: EntityKind::ALL.to_vec(),
        templates: Templates::Unwanted,
        proxies: Proxies::Wanted,
        specs: Specs::Unowned,
    };
    let mut fleet = read_fleet(client, &ask, &Clock::Real).await?;
    if fleet.line() == Line::Current {
        fleet.templates = client.templates().await?;
    }
    Ok(fleet)
}

/// What GARM has of pools and no file can say: it is left alone, and the user is told.
struct Beyond {
    /// Of the list of pools.
    unknown: Unknown,
    /// Pools whose `extra_specs` are no mapping.
    without_map: Vec<PoolId>,
}

impl Beyond {
    async fn read(client: &Client, fleet: &Fleet) -> Result<Self, Failure> {
        let unowned = fleet.pools.iter().filter(|it| it.spec.labels.marks().is_empty());
        let bare = unowned.filter(|it| it.spec.extra_specs.is_empty());
        let entities: BTreeSet<&EntityKey> = bare.map(|it| &it.entity).collect();
        let mut without_map = Vec::new();
        for entity in entities {
            without_map.extend(client.without_map(entity).await?);
        }
        Ok(Self { unknown: client.unknown_of_pools().await?, without_map })
    }

    fn tell(&self, taken: &[&Draft], cx: Context<'_>) {
        let warn = |text: String| cx.print.say(&format!("{} {text}", paint(WARNING, "warning:")));
        let odd: Vec<String> = taken
            .iter()
            .filter(|it| self.without_map.contains(&it.id))
            .map(|it| code(&it.name))
            .collect();
        if !odd.is_empty() {
            let names = few(&odd);
            warn(format!(
                "`extra_specs` of {names} are no mapping in GARM: YAML cannot say them, and they stay as they are until it says others"
            ));
        }
        if self.unknown.of_servers > 0 {
            let pools = count(self.unknown.of_servers, "pool");
            warn(format!("{pools} of whole Gitea servers cannot be declared, and are left out"));
        }
        if !self.unknown.keys.is_empty() {
            let keys: Vec<String> = self.unknown.keys.iter().map(code).collect();
            let keys = few(&keys);
            warn(format!(
                "this GARM's pools have {keys}, which this version does not know: it is left alone, and lost when a pool is replaced"
            ));
        }
    }
}

/// Names that the pool files use already. Without pool files, or with broken ones, there are none
/// to be seen, and the next `plan` says if a name stands twice.
fn declared_names(fleet: &Source, places: &Places) -> BTreeSet<String> {
    let pools = files::read_pools(std::slice::from_ref(&places.pools));
    manifest::load(Some(fleet), &pools.sources).pools.iter().map(|it| it.name.to_string()).collect()
}

/// Names that this fleet's pools bear in GARM.
fn owned_names(fleet: &Fleet, settings: &FleetFile) -> Vec<String> {
    let marks = fleet.pools.iter().flat_map(|it| it.spec.labels.marks());
    marks
        .filter(|it| it.fleet() == settings.fleet.as_str())
        .map(|it| it.pool().to_owned())
        .collect()
}

/// What is written of the drafts.
#[derive(Default)]
struct Checked<'a> {
    /// One item each, or a comment in its place.
    items: Vec<String>,
    /// The drafts that are not only a comment.
    taken: Vec<&'a Draft>,
}

/// Each draft as YAML that the manifest accepts, or as a comment that says why it does not.
fn checked<'a>(drafts: &'a [Draft], fleet: &Source) -> Checked<'a> {
    let mut checked = Checked::default();
    for draft in drafts {
        if let Some(obstacle) = &draft.obstacle {
            checked.items.push(left_out(draft, obstacle));
            continue;
        }
        let item = draft.text();
        let read = load(fleet, &file(std::slice::from_ref(&item)));
        match read.problems.iter().find(|it| it.severity == Severity::Error) {
            None => {
                checked.items.push(item);
                checked.taken.push(draft);
            }
            Some(problem) => checked.items.push(left_out(draft, &problem.message)),
        }
    }
    checked
}

fn tell(drafts: &[Draft], taken: &[&Draft], cx: Context<'_>) {
    if drafts.is_empty() {
        cx.print.say("every pool in this GARM has an owner: there is nothing to import");
        return;
    }
    let refused = drafts.len() - taken.len();
    if refused > 0 {
        let text =
            format!("{} cannot be written as YAML: see the comments", count(refused, "pool"));
        cx.print.say(&format!("{} {text}", paint(WARNING, "warning:")));
    }
    let with_specs: Vec<String> = taken
        .iter()
        .filter(|it| it.has_extra_specs())
        .map(|it| format!("`{}`", text::quote(&it.name)))
        .collect();
    if !with_specs.is_empty() {
        cx.print.say(&format!(
            "{} `extra_specs` of {} is written out whole and may hold secrets: look before you \
             commit it",
            paint(WARNING, "warning:"),
            few(&with_specs),
        ));
    }
    if !taken.is_empty() {
        cx.print.say(&format!(
            "{} put this into a file below `pools/`; `runnerctl plan` then adopts {}",
            paint(HELP, "help:"),
            count(taken.len(), "pool"),
        ));
    }
}

/// The first few of many names.
fn few(names: &[String]) -> String {
    const SHOWN: usize = 5;
    match names.len().checked_sub(SHOWN) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..SHOWN].join(", ")),
    }
}
