//! `complete`: the names that can complete a command line, for the completion scripts. Reads the
//! files and sends no request.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Arg;

use super::args::{self, CompleteArgs};
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::load::read_files;
use super::paths::{FilePaths, PathEnvironment};
use super::reference::{fleet_keys, pool_keys};
use crate::config::Manifest;

/// The kind of names that can complete a line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum NameKind {
    /// Names of declared pools, without those that are already on the line.
    Pool { without: Vec<String> },
    /// Fields of pools and keys of the fleet file.
    Key,
    /// Names in `garms`.
    Garm,
}

/// The options whose value is the name of a pool.
const POOL_OPTIONS: [&str; 2] = ["--target", "--pool"];

/// Prints the names, one per line; prints nothing if the line does not end with a name.
pub fn run(args: &CompleteArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    let words: Vec<&str> = args.words.iter().map(String::as_str).collect();
    let names = match wanted(&words) {
        None => Vec::new(),
        Some(NameKind::Key) => {
            let keys = pool_keys().into_iter().chain(fleet_keys()).map(|key| key.path);
            let ends: BTreeSet<String> = keys.chain(["pool".into(), "fleet".into()]).collect();
            ends.into_iter().collect()
        }
        Some(NameKind::Pool { without }) => {
            let pools = manifest(&words, cx).pools;
            let names: BTreeSet<String> = pools.iter().map(|pool| pool.name.to_string()).collect();
            names.into_iter().filter(|name| !without.contains(name)).collect()
        }
        Some(NameKind::Garm) => {
            manifest(&words, cx).garm_names().map(ToString::to_string).collect()
        }
    };
    cx.print.raw(&names.iter().map(|name| format!("{name}\n")).collect::<String>())?;
    Ok(Exit::Done)
}

/// What the files of the line declare, even if they have errors.
fn manifest(words: &[&str], cx: Context<'_>) -> Manifest {
    let named = |options: &[&str]| value_of(words, options);
    let (config, pools) = (named(&["--config"]), named(&["--pools", "-f"]));
    let paths = if config.is_none() && pools.is_none() {
        cx.settings.paths.clone()
    } else {
        let config = config.map(Path::new).or(cx.settings.config.as_deref());
        let pools = pools.map(Path::new).or(cx.settings.pools.as_deref());
        FilePaths::find(config, pools, None, &PathEnvironment::read())
    };
    read_files(&paths, std::slice::from_ref(&paths.pools)).manifest
}

/// The value of an option: the next word or the text after `=`, which some shells pass as a word of
/// its own.
fn value_of<'a>(words: &[&'a str], options: &[&str]) -> Option<&'a str> {
    let known = words.split_last()?.1;
    known.iter().enumerate().find_map(|(at, word)| match word.split_once('=') {
        Some((option, value)) if options.contains(&option) => Some(value),
        Some(_) => None,
        None if options.contains(word) => match known.get(at + 1) {
            Some(&"=") => known.get(at + 2).copied(),
            next => next.copied(),
        },
        None => None,
    })
}

/// The kind of name that the last word of the line, which may be empty, begins.
fn wanted(words: &[&str]) -> Option<NameKind> {
    let (last, before) = words.split_last()?;
    let root = args::command();
    let (at, command) =
        before.iter().enumerate().find_map(|(at, word)| Some((at, root.find_subcommand(word)?)))?;
    let command =
        before[at + 1..].first().and_then(|word| command.find_subcommand(word)).unwrap_or(command);
    let mut previous = before[at + 1..].to_vec();
    if *last == "=" || previous.last() == Some(&"=") {
        previous.retain(|word| *word != "=");
    }
    let option = |word: &str| {
        command.get_arguments().chain(root.get_arguments()).find(|arg| is_named(arg, word)).cloned()
    };
    let pools = || NameKind::Pool { without: Vec::new() };
    let options = POOL_OPTIONS.map(|name| (name, pools())).into_iter();
    for (name, kind) in options.chain([("--garm", NameKind::Garm)]) {
        let is_value = last.strip_prefix(name).is_some_and(|rest| rest.starts_with('='))
            || previous.last() == Some(&name);
        if is_value && option(name).is_some() {
            return Some(kind);
        }
    }
    let takes_value = |word: &str| option(word).is_some_and(|arg| arg.get_action().takes_values());
    if last.starts_with('-') || previous.last().is_some_and(|word| takes_value(word)) {
        return None;
    }
    match command.get_name() {
        "status" => {
            let without = previous.iter().map(|word| (*word).to_owned()).collect();
            Some(NameKind::Pool { without })
        }
        "explain" => Some(NameKind::Key),
        _ => None,
    }
}

/// Whether the word is the option itself, without a value.
fn is_named(arg: &Arg, word: &str) -> bool {
    arg.get_long().is_some_and(|long| word.strip_prefix("--") == Some(long))
        || arg.get_short().is_some_and(|short| word.strip_prefix('-') == Some(&short.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_and_keys_stand_where_the_command_line_takes_them() {
        let pools = |without: &[&str]| {
            let without = without.iter().map(|name| (*name).to_owned()).collect();
            Some(NameKind::Pool { without })
        };
        let check = |line: &str, expected: Option<NameKind>| {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(wanted(&words), expected, "{line}");
        };
        check("status ", pools(&[]));
        check("status we", pools(&[]));
        check("status web ", pools(&["web"]));
        check("--config x status ", pools(&[]));
        check("status --config ", None);
        check("status --fol", None);
        check("plan ", None);
        check("plan --target ", pools(&[]));
        check("plan --target we", pools(&[]));
        check("plan --target = we", pools(&[]));
        check("plan --target =", pools(&[]));
        check("apply --target=we", pools(&[]));
        check("audit show --pool ", pools(&[]));
        check("status --target ", pools(&["--target"]));
        check("plan --garm ", Some(NameKind::Garm));
        check("status --garm=ea", Some(NameKind::Garm));
        check("schema --garm ", None);
        check("explain ", Some(NameKind::Key));
        check("explain -o ", None);
        check("sta", None);
        check("", None);
    }

    #[test]
    fn the_files_of_the_line_are_found() {
        let value = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            value_of(&words, &["--config"]).map(str::to_owned)
        };
        assert_eq!(value("--config a status ").as_deref(), Some("a"));
        assert_eq!(value("status --config=a ").as_deref(), Some("a"));
        assert_eq!(value("status --config = a ").as_deref(), Some("a"));
        assert_eq!(value("status --config"), None);
    }
}
