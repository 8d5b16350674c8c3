//! `explain`: what a pool field or a key of the fleet file means.

use schemars::JsonSchema;
use serde::Serialize;

use super::args::{ExplainArgs, Output};
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::reference::{KeyReference, fleet_keys, pool_keys};
use crate::domain::text::{self, code};
use crate::render::document;
use crate::render::words::nearest;

/// The fields of `explain`'s document beside `format_version` and `command`.
#[derive(Serialize, JsonSchema)]
pub(super) struct ExplainJson {
    keys: Vec<KeyReference>,
}

/// Explains the key, or lists all of a file; fails with 64 if there is no such key.
pub fn run(args: &ExplainArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    let keys = find(&args.key)?;
    if cx.settings.output == Output::Json {
        cx.print.document("explain", document::value(&ExplainJson { keys }))?;
    } else if let [key] = keys.as_slice() {
        cx.print.result(&detail(key))?;
    } else {
        cx.print.result(&list(&keys))?;
    }
    Ok(Exit::Done)
}

/// The keys that match `asked`, as a whole path or else as the end of one. A mapping comes with the
/// keys below it.
fn find(asked: &str) -> Result<Vec<KeyReference>, Failure> {
    let (pool, fleet) = (pool_keys(), fleet_keys());
    match asked {
        "pool" => return Ok(pool),
        "fleet" => return Ok(fleet),
        _ => {}
    }
    let asked = asked.strip_prefix("pool.").unwrap_or(asked);
    let all: Vec<KeyReference> = pool.into_iter().chain(fleet).collect();
    let below = format!("{asked}.");
    let items = format!("{asked}[].");
    let is_whole = |key: &&KeyReference| {
        key.path == asked || key.path.starts_with(&below) || key.path.starts_with(&items)
    };
    let end = format!(".{asked}");
    let is_end = |key: &&KeyReference| key.path.ends_with(&end);
    let matches = |filter: &dyn Fn(&&KeyReference) -> bool| -> Vec<KeyReference> {
        all.iter().filter(filter).cloned().collect()
    };
    for found in [matches(&is_whole), matches(&is_end)] {
        if !found.is_empty() {
            return Ok(found);
        }
    }
    let unknown = Failure::usage(format!("unknown key {}", code(asked)));
    let beginning: Vec<String> =
        all.iter().filter(|key| key.path.starts_with(asked)).map(|key| code(&key.path)).collect();
    if !asked.is_empty() && !beginning.is_empty() {
        return Err(
            unknown.help(format!("did you mean {}?", text::list(&beginning, text::LISTED_MAX)))
        );
    }
    Err(match nearest(asked, all.iter().map(|key| key.path.as_str())) {
        Some(near) => unknown.help(format!("did you mean {}?", code(near))),
        None => unknown.help(
            "`runnerctl explain pool` lists the pool fields, `runnerctl explain fleet` the keys of \
             the fleet file",
        ),
    })
}

/// One key, each property on a line.
fn detail(key: &KeyReference) -> String {
    let mut text = format!("{}: {}\n\n  takes        {}\n", key.path, key.help, key.takes);
    if !key.when_absent.is_empty() {
        text.push_str(&format!("  when absent  {}\n", key.when_absent));
    }
    if !key.change.is_empty() {
        text.push_str(&format!("  a change     {}\n", meaning(key.change)));
    }
    text
}

/// What a kind of change does to a pool that GARM has.
fn meaning(change: &'static str) -> &'static str {
    match change {
        "policy" => "changes nothing in GARM; `watch` follows it",
        "in place" => "updates the pool; its runners stay as they are",
        "in place, outdates" => {
            "updates the pool; idle runners keep the old setting until a job has used them or \
             `apply --rotate` replaces them"
        }
        "replaces" => "creates a new pool, then drains and deletes the old one",
        "identity" => "makes it another pool",
        other => other,
    }
}

/// One line for each key.
fn list(keys: &[KeyReference]) -> String {
    let width = keys.iter().map(|key| key.path.chars().count()).max().unwrap_or(0);
    keys.iter().map(|key| format!("{:width$}  {}\n", key.path, key.help)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(asked: &str) -> Vec<String> {
        find(asked).unwrap().into_iter().map(|key| key.path).collect()
    }

    #[test]
    fn a_key_is_named_by_its_path_or_by_the_end_of_it() {
        assert_eq!(paths("scale_up_delay"), ["scale_up_delay"]);
        assert_eq!(paths("pool.labels"), ["labels"]);
        assert_eq!(paths("watch.listen"), ["watch.listen"]);
        assert_eq!(paths("minimum_job_age_backoff"), ["controller.minimum_job_age_backoff"]);
        assert!(paths("garm").contains(&"garm.tls.ca".to_owned()));
        assert!(paths("credentials").len() > 2);
    }

    #[test]
    fn every_key_is_found_and_every_kind_of_change_has_a_meaning() {
        for key in pool_keys().into_iter().chain(fleet_keys()) {
            assert!(find(&key.path).unwrap().contains(&key), "{}", key.path);
            assert!(key.change.is_empty() || meaning(key.change) != key.change, "{}", key.path);
        }
    }

    #[test]
    fn no_explanation_contains_markdown() {
        for key in pool_keys().into_iter().chain(fleet_keys()) {
            let outside: String = detail(&key).split('`').step_by(2).collect();
            for markup in ["*", "](", "<", "&", "\\", "|"] {
                assert!(!outside.contains(markup), "{}: {outside}", key.path);
            }
        }
    }

    #[test]
    fn a_key_that_must_be_set_says_so() {
        let absent = |path: &str| find(path).unwrap()[0].when_absent.clone();
        assert_eq!(absent("max_runners"), "required");
        assert_eq!(absent("image"), "required by `plan`");
        assert_eq!(absent("garm.url"), "required");
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_nearest() {
        let failure = find("scale_up_dely").unwrap_err();
        assert_eq!(failure.help.as_deref(), Some("did you mean `scale_up_delay`?"));
        let failure = find("scale_up").unwrap_err();
        let all = "did you mean `scale_up_threshold`, `scale_up_delay` and `scale_up_target`?";
        assert_eq!(failure.help.as_deref(), Some(all));
        let failure = find("nothing_like_it_at_all").unwrap_err();
        assert!(failure.help.unwrap().contains("`runnerctl explain pool`"));
    }
}
