//! Commands for several GARMs (`garms` in the fleet file): which of them a command is for, and how
//! their results become one.
//!
//! The GARMs are read at the same time. What fails at one does not stop the others; the worst result
//! decides the exit code.

mod apply;
mod moves;
mod plan;
mod status;
mod validate;

pub(super) use apply::{PreparedPlans, prepare};
pub(super) use plan::run as plan;
pub(super) use status::run as status;
pub(super) use validate::{ask as validate, tell_failed};

use futures_util::future::join_all;
use serde_json::{Map, Value, json};

use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::load::Loaded;
use super::log::spans;
use super::prepare::check_targets;
use super::step_summary::{self, failure_text};
use crate::config::{FleetFile, Manifest};
use crate::domain::name::{GarmName, PoolName};
use crate::domain::text::{code, list};

/// The most names that a hint lists.
const LISTED_MAX: usize = 8;

/// What has come of one GARM.
pub(super) struct OfGarm<T> {
    pub(super) garm: GarmName,
    pub(super) result: Result<T, Failure>,
}

/// The files, if they are for one GARM without a name: a fleet file without `garms`. Otherwise those
/// of each GARM, by its name.
pub(super) fn single(mut loaded: Vec<Loaded>) -> Result<Loaded, Vec<(GarmName, Loaded)>> {
    match loaded.pop() {
        Some(only) if loaded.is_empty() && only.garm().is_none() => Ok(only),
        last => {
            let all = loaded.into_iter().chain(last);
            Err(all.filter_map(|own| Some((own.garm()?.clone(), own))).collect())
        }
    }
}

/// Fails (64) unless the fleet file names each of these GARMs.
pub(super) fn check_names(wanted: &[GarmName], manifest: &Manifest) -> Result<(), Failure> {
    let known: Vec<&str> = manifest.garm_names().map(GarmName::as_str).collect();
    match wanted.iter().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(no_such_garm(name, &known)),
    }
}

fn no_such_garm(name: &GarmName, known: &[&str]) -> Failure {
    if known.is_empty() {
        let text = format!("`--garm {name}`: the fleet file has no `garms`");
        return Failure::usage(text).help("leave `--garm` out, or name the GARM under `garms`");
    }
    let failure = Failure::usage(format!("`--garm {name}`: the fleet file names no such GARM"));
    let otherwise = format!("it names {}", list(known.iter().map(code), LISTED_MAX));
    failure.did_you_mean(name.as_str(), known.iter().copied(), otherwise)
}

/// The fleet file for the one GARM that `--garm` names, or for the only one; `None` without a fleet
/// file. Fails (64) if there are several and none is named. `what` begins the message.
pub(super) fn only<'f>(
    files: &'f [FleetFile],
    wanted: Option<&GarmName>,
    what: &str,
) -> Result<Option<&'f FleetFile>, Failure> {
    let named = files.iter().filter_map(|file| file.garm.name.as_ref());
    let known: Vec<&str> = named.map(GarmName::as_str).collect();
    match (wanted, files) {
        (Some(name), _) => {
            let own = files.iter().find(|file| file.garm.name.as_ref() == Some(name));
            own.map(Some).ok_or_else(|| no_such_garm(name, &known))
        }
        (None, []) => Ok(None),
        (None, [only]) => Ok(Some(only)),
        (None, [_, ..]) => Err(Failure::usage(format!("{what}, and the fleet file names several"))
            .help(format!(
                "choose one with `--garm`: {}",
                list(known.iter().map(code), LISTED_MAX)
            ))),
    }
}

/// The pools of `--target` that this GARM runs; `None` if there are targets and it runs none.
pub(super) fn own_targets(targets: &[PoolName], loaded: &Loaded) -> Option<Vec<PoolName>> {
    let is_own = |name: &&PoolName| loaded.manifest.pools.iter().any(|pool| pool.name == **name);
    let own: Vec<PoolName> = targets.iter().filter(is_own).cloned().collect();
    (targets.is_empty() || !own.is_empty()).then_some(own)
}

/// A GARM's part of the fleet, with its own targets.
type OwnPart = (Loaded, Vec<PoolName>);

/// Each GARM with its own targets; those without a target are left out. Fails (64) if a target is
/// declared for none of them.
fn with_targets(
    loaded: Vec<(GarmName, Loaded)>,
    targets: &[PoolName],
) -> Result<Vec<(GarmName, OwnPart)>, Failure> {
    let is_left_out = |garm: &&GarmName| loaded.iter().all(|(own, _)| own != *garm);
    for target in targets {
        let mut pools = loaded.iter().flat_map(|(_, own)| own.manifest.elsewhere());
        let garm = pools.find(|pool| pool.name == *target).and_then(|pool| pool.garm.as_ref());
        if let Some(garm) = garm.filter(is_left_out) {
            let text = format!("`--target {target}`: the pool is on the GARM `{garm}`");
            return Err(Failure::usage(text).help(format!("add `--garm {garm}`")));
        }
    }
    let declared = loaded.iter().flat_map(|(_, own)| &own.manifest.pools);
    check_targets(targets, declared.map(|pool| &pool.name))?;
    let own = loaded.into_iter().filter_map(|(garm, loaded)| {
        let targets = own_targets(targets, &loaded)?;
        Some((garm, (loaded, targets)))
    });
    Ok(own.collect())
}

/// Does `work` for a GARM, whose name begins its texts on stderr and its lines of the log.
async fn for_garm<T>(
    garm: &GarmName,
    cx: Context<'_>,
    work: impl AsyncFnOnce(Context<'_>) -> T,
) -> T {
    let print = cx.print.labelled(garm);
    let cx = Context { settings: cx.settings, print: &print };
    spans::within(Some(garm), work(cx)).await
}

/// Does `work` for each GARM at the same time.
pub(super) async fn each<I, T>(
    inputs: Vec<(GarmName, I)>,
    cx: Context<'_>,
    work: impl AsyncFn(I, Context<'_>) -> Result<T, Failure>,
) -> Vec<OfGarm<T>> {
    let work = &work;
    let jobs = inputs.into_iter().map(|(garm, input)| async move {
        let result = for_garm(&garm, cx, async |cx| work(input, cx).await).await;
        let result = result.map_err(|failure| failure.at(&garm));
        OfGarm { garm, result }
    });
    join_all(jobs).await
}

/// Prints the failures to stderr, each with the name of its GARM.
fn tell_failures<T>(results: &[OfGarm<T>], cx: Context<'_>) {
    for OfGarm { garm, result } in results {
        if let Err(failure) = result {
            cx.print.labelled(garm).say(&failure.text());
        }
    }
}

/// Appends the results to the step summary, as one text, since GitHub limits their size together.
fn summarize<T>(
    results: &[OfGarm<T>],
    command: &str,
    markdown: impl Fn(&GarmName, &T) -> String,
    cx: Context<'_>,
) {
    let texts = results.iter().map(|OfGarm { garm, result }| match result {
        Ok(own) => markdown(garm, own),
        Err(failure) => failure_text(failure, command, Some(garm)),
    });
    step_summary::write(|| texts.collect::<Vec<_>>().join("\n"), cx);
}

/// The exit codes of the GARMs that failed.
fn failed<T>(results: &[OfGarm<T>]) -> impl Iterator<Item = Exit> {
    results.iter().filter_map(|own| own.result.as_ref().err().map(|failure| failure.exit))
}

/// The field `garms` of a document: for each GARM its fields, or the error.
fn document<T>(results: &[OfGarm<T>], fields: impl Fn(&GarmName, &T) -> Value) -> Value {
    let garms: Map<String, Value> = results
        .iter()
        .map(|OfGarm { garm, result }| {
            let value = match result {
                Ok(own) => fields(garm, own),
                Err(failure) => failure.value(),
            };
            (garm.to_string(), value)
        })
        .collect();
    json!({ "garms": garms })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{SourceFile, load};

    fn files(text: &str) -> Vec<FleetFile> {
        let source = SourceFile { path: "rc.yaml".into(), text: text.into(), folder: None };
        load(Some(&source), &[]).fleet_files().cloned().collect()
    }

    fn check(text: &str, wanted: Option<&str>, expected: Result<Option<&str>, &str>) {
        let files = files(text);
        let wanted = wanted.map(|name| GarmName::new(name).unwrap());
        let found = only(&files, wanted.as_ref(), "it is for one GARM");
        let found = found.map(|file| file.map(|file| file.garm.url.clone()));
        let seen =
            found.map_err(|failure| format!("{}; {}", failure.message, failure.help.unwrap()));
        let expected = expected.map(|url| url.map(str::to_owned)).map_err(str::to_owned);
        assert_eq!(seen, expected, "{wanted:?}");
    }

    #[test]
    fn a_command_for_one_garm_asks_which_if_there_are_several() {
        let single = "fleet: a\ngarm: { url: https://g, password: env:P }\n";
        check(single, None, Ok(Some("https://g")));
        check(
            single,
            Some("east"),
            Err(
                "`--garm east`: the fleet file has no `garms`; leave `--garm` out, or name the GARM \
                 under `garms`",
            ),
        );
        let two = "fleet: a\ngarms:\n  east: { url: https://e, password: env:P }\n  \
                   west: { url: https://w, password: env:P }\n";
        check(two, Some("west"), Ok(Some("https://w")));
        check(
            two,
            None,
            Err("it is for one GARM, and the fleet file names several; choose one with `--garm`: \
                 `east` and `west`"),
        );
        check(
            two,
            Some("wets"),
            Err("`--garm wets`: the fleet file names no such GARM; did you mean `west`?"),
        );
        check("", None, Ok(None));
    }
}
