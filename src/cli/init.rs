//! `init`: writes the files of a new fleet. A value that no option gives is taken from GARM if GARM
//! offers only one; otherwise the user is asked at a terminal.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::args::{InitArgs, SchemaKind};
use super::connect::connect;
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::load::stop_at;
use super::prompt::ask;
use super::schema;
use super::spinner::reading;
use crate::config::{self, Manifest, Severity, SourceFile};
use crate::domain::address::is_unencrypted;
use crate::domain::entity::{Entity, EntityKind, EntityRef};
use crate::domain::fleet::Fleet;
use crate::domain::text::{self, code, count};
use crate::host::clock::Clock;
use crate::reconcile::read_fleet::{FleetRequest, read_fleet};
use crate::render::init::{FLEET_FILE, IfPresent, NewFile, NewFleet, NewGarm, files};
use crate::render::style::{HELP, paint};

/// The largest number of choices that are listed before a question or in an error.
const LISTED: usize = 20;

/// Writes the files. Refuses (6) before the first write if the fleet file or the pool file exists;
/// fails with 3 if a value is invalid, with 4 if GARM cannot be read, and with 64 if a value is
/// missing and there is no terminal to ask at.
pub async fn run(args: &InitArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    for path in [FLEET_FILE.to_owned(), format!("pools/{}.yaml", args.pool)] {
        refuse_present(&args.dir.join(path))?;
    }
    // The folder must exist before GARM is asked, since relative paths in the fleet file start from
    // it and may contain `..`.
    fs::create_dir_all(&args.dir)
        .with_context(|| format!("cannot create {}", code(args.dir.to_string_lossy())))?;
    let (fleet, unowned) = answers(args, cx).await?;
    let (pool_schema, fleet_schema) =
        (schema::text(&schema::of(SchemaKind::Pool)), schema::text(&schema::of(SchemaKind::Fleet)));
    let files = files(&fleet, &pool_schema, &fleet_schema);
    let new = files.iter().filter(|file| file.if_present == IfPresent::Refuse);
    let new = new.map(|file| SourceFile {
        path: file.path.clone(),
        text: file.text.clone(),
        folder: None,
    });
    check(&new.collect::<Vec<_>>(), cx)?;
    let (written, kept) = write(&args.dir, &files)?;
    for path in &written {
        cx.print.say(&format!("wrote {}", code(path)));
    }
    for path in &kept {
        cx.print.say(&format!("{} exists and was not changed", code(path)));
    }
    cx.print.say(&format!("{} {}", paint(HELP, "help:"), next(&args.dir, unowned)));
    Ok(Exit::Done)
}

/// What to do next. `unowned` is the number of pools in GARM that belong to no fleet.
fn next(dir: &Path, unowned: usize) -> String {
    let cd = match dir == Path::new(".") {
        true => String::new(),
        false => format!("`cd {}`, then ", text::escape(&dir.display().to_string())),
    };
    let adopt = match unowned {
        0 => String::new(),
        n => format!(
            "; GARM has {} of no fleet: `runnerctl import` prints {} as YAML",
            count(n, "pool"),
            if n == 1 { "it" } else { "them" }
        ),
    };
    format!("next, {cd}`runnerctl plan` shows what `runnerctl apply` would change in GARM{adopt}")
}

fn refuse_present(path: &Path) -> Result<(), Failure> {
    // A dangling link counts as existing, too.
    if fs::symlink_metadata(path).is_err() {
        return Ok(());
    }
    let name = code(path.to_string_lossy());
    Err(Failure::refused(format!("{name} exists, and `init` overwrites nothing"))
        .help("edit it, or name another folder: `runnerctl init DIR`"))
}

/// The values of the new files, and the number of GARM's pools that belong to no fleet.
async fn answers(args: &InitArgs, cx: Context<'_>) -> Result<(NewFleet, usize), Failure> {
    let asker = Asker { cx };
    let url = asker.text("--url", "GARM's URL", args.url.clone(), None).await?;
    let default = "env:GARM_PASSWORD".to_owned();
    let password = match (&args.password, given(args)) {
        (Some(reference), _) => reference.clone(),
        (None, None) => {
            let what = "Reference to the password of GARM's administrator";
            asker.text("--password", what, None, Some(default)).await?
        }
        (None, Some(_)) => default,
    };
    let insecure_http = is_unencrypted(&url);
    if insecure_http && !args.insecure_http {
        return Err(Failure::input(
            "GARM's URL is `http://`: the password would be sent unencrypted",
        )
        .help("use `https://…`, or add `--insecure-http` to send it unencrypted"));
    }
    let (username, ca) = (args.username.clone(), args.ca.clone());
    let garm = NewGarm { url, insecure_http, username, password, ca };
    let (choice, unowned) = match given(args) {
        Some(choice) => (choice, 0),
        None => {
            let found = read(&garm, &args.dir, cx).await?;
            let unowned = found.pools.iter().filter(|pool| pool.spec.labels.marks().is_empty());
            let unowned = unowned.count();
            (choose(args, &found, &asker).await?, unowned)
        }
    };
    let Choice { entity, provider, image, instance_type } = choice;
    let name = args.fleet.clone().unwrap_or_else(|| fleet_name(&entity));
    let pool = args.pool.to_string();
    Ok((NewFleet { name, garm, entity, provider, image, instance_type, pool }, unowned))
}

/// The values of the new files that GARM or the user decides.
struct Choice {
    entity: EntityRef,
    provider: String,
    image: String,
    instance_type: String,
}

/// The choice, if the options give all of it. GARM is then not asked.
fn given(args: &InitArgs) -> Option<Choice> {
    Some(Choice {
        entity: named_entity(args)?,
        provider: args.provider.clone()?,
        image: args.image.clone()?,
        instance_type: args.instance_type.clone()?,
    })
}

fn named_entity(args: &InitArgs) -> Option<EntityRef> {
    [
        (EntityKind::Organization, &args.organization),
        (EntityKind::Repository, &args.repository),
        (EntityKind::Enterprise, &args.enterprise),
    ]
    .into_iter()
    .find_map(|(kind, name)| Some(EntityRef { kind, name: name.clone()?, endpoint: None }))
}

/// Derives the name of the fleet from that of its entity: in lower case, with `-` in place of
/// invalid characters.
fn fleet_name(entity: &EntityRef) -> String {
    let name: String = entity
        .name
        .to_lowercase()
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' })
        .take(28)
        .collect();
    name.trim_matches('-').to_owned()
}

/// Reads GARM, its providers included.
async fn read(garm: &NewGarm, dir: &Path, cx: Context<'_>) -> Result<Fleet, Failure> {
    let path = dir.join(FLEET_FILE).display().to_string();
    let manifest = check(
        &[SourceFile { path, text: format!("fleet: new\n{}", garm.text()), folder: None }],
        cx,
    )?;
    let Some(file) = &manifest.fleet_file else {
        return Err(Failure::input("these values do not make a valid fleet file"));
    };
    let client = connect(file, dir.to_owned(), cx)?;
    let request = FleetRequest {
        kinds: EntityKind::ALL.to_vec(),
        providers: true,
        ..FleetRequest::default()
    };
    let read = read_fleet(&client, &request, &Clock::Real);
    Ok(reading(&client.address(), read, cx).await?)
}

/// Takes each value from the options, from GARM if it offers only one, else from an answer.
async fn choose(args: &InitArgs, found: &Fleet, asker: &Asker<'_>) -> Result<Choice, Failure> {
    let entity = match named_entity(args) {
        Some(entity) => entity,
        None => {
            let entities: BTreeMap<String, EntityRef> = found
                .entities
                .iter()
                .map(|entity| reference(entity, found))
                .map(|entity| (entity.to_string(), entity))
                .collect();
            let names: Vec<String> = entities.keys().cloned().collect();
            if names.is_empty() {
                return Err(Failure::input(
                    "GARM has no organization, repository or enterprise yet",
                )
                .help("add one, for example with `garm-cli organization add`; then try again"));
            }
            let options = "`--organization`, `--repository` or `--enterprise`";
            let name =
                asker.one_of(options, "Organization, repository or enterprise", &names).await?;
            entities[&name].clone()
        }
    };
    let provider = match &args.provider {
        Some(provider) => provider.clone(),
        None => {
            let mut names = found.providers.clone().unwrap_or_default();
            // GARM lists them in any order.
            names.sort();
            if names.is_empty() {
                return Err(Failure::input("GARM has no provider")
                    .help("configure one in GARM's `config.toml`; then try again"));
            }
            asker.one_of("`--provider`", "Provider", &names).await?
        }
    };
    let pools = || found.pools.iter().filter(|pool| pool.spec.provider == provider);
    let image = most_frequent(pools().map(|pool| pool.spec.image.as_str()));
    let flavor = most_frequent(pools().map(|pool| pool.spec.flavor.as_str()));
    let image = asker.text("--image", "Image of the VMs", args.image.clone(), image).await?;
    let (what, given) = ("Instance type (GARM's flavor)", args.instance_type.clone());
    let instance_type = asker.text("--instance-type", what, given, flavor).await?;
    Ok(Choice { entity, provider, image, instance_type })
}

/// The entity as a file refers to it: with its endpoint only if the name exists at several.
fn reference(entity: &Entity, found: &Fleet) -> EntityRef {
    let bare = EntityRef { kind: entity.key.kind, name: entity.name.clone(), endpoint: None };
    let is_ambiguous = found.entities.iter().filter(|other| other.is(&bare)).count() > 1;
    EntityRef { endpoint: is_ambiguous.then(|| entity.endpoint.clone()), ..bare }
}

/// The most frequent value; among equally frequent ones the first in alphabetical order.
fn most_frequent<'a>(values: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    let most = *counts.values().max()?;
    counts.into_iter().find(|(_, count)| *count == most).map(|(value, _)| value.to_owned())
}

/// Gets values from options, from GARM, or from the terminal.
struct Asker<'a> {
    cx: Context<'a>,
}

impl Asker<'_> {
    /// The option's value, else the answer at the terminal, with `proposal` as its default. Without
    /// a terminal it is the proposal.
    async fn text(
        &self,
        option: &str,
        what: &str,
        given: Option<String>,
        proposal: Option<String>,
    ) -> Result<String, Failure> {
        if let Some(given) = given {
            return Ok(given);
        }
        if !self.cx.print.can_ask() {
            return proposal.ok_or_else(|| {
                Failure::usage(format!("`init` needs `{option}`: there is no terminal to ask at"))
                    .help("`runnerctl init --help` lists the options")
            });
        }
        let shown = proposal.as_ref();
        let shown = shown.map_or_else(String::new, |shown| format!(" [{}]", text::escape(shown)));
        loop {
            let Some(answer) = ask(&format!("{what}{shown}: "), self.cx).await? else {
                return Err(Failure::new(Exit::Failed, "no answer was given; nothing was written"));
            };
            match (answer.is_empty(), &proposal) {
                (false, _) => return Ok(answer),
                (true, Some(proposal)) => return Ok(proposal.clone()),
                (true, None) => self.cx.print.say("it has no default: enter a value"),
            }
        }
    }

    /// One of `names`, which are not empty: the only one, else the answer, as a number or a name.
    async fn one_of(
        &self,
        option: &str,
        question: &str,
        names: &[String],
    ) -> Result<String, Failure> {
        if let [only] = names {
            return Ok(only.clone());
        }
        if !self.cx.print.can_ask() {
            let names: Vec<String> = names.iter().map(code).collect();
            let needed = format!("`init` needs {option}: GARM has {}", names.len());
            return Err(
                Failure::usage(needed).help(format!("choose {}", text::list(&names, LISTED)))
            );
        }
        for (number, name) in names.iter().take(LISTED).enumerate() {
            self.cx.print.say(&format!("  {}  {}", number + 1, text::escape(name)));
        }
        loop {
            let answer = self.text(option, question, None, None).await?;
            let by_number =
                answer.parse().ok().and_then(|number: usize| names.get(number.checked_sub(1)?));
            let by_name = names.iter().find(|name| **name == answer);
            match by_name.or(by_number) {
                Some(name) => return Ok(name.clone()),
                None => self.cx.print.say(&format!("enter a number from 1 to {}", names.len())),
            }
        }
    }
}

/// Fails if the fleet file, which is the first source, or a pool file has errors.
fn check(sources: &[SourceFile], cx: Context<'_>) -> Result<Manifest, Failure> {
    let manifest = config::load(sources.first(), sources.get(1..).unwrap_or_default());
    let errors = manifest.problems.iter().filter(|problem| problem.severity == Severity::Error);
    stop_at(&errors.cloned().collect::<Vec<_>>(), cx).map_err(|failure| {
        failure.help("nothing was written: correct the option or the answer with this value")
    })?;
    Ok(manifest)
}

/// Writes the files, and returns the paths of those that were written and of those that were kept.
/// If one cannot be written, those that this run has made are removed again.
fn write(dir: &Path, files: &[NewFile]) -> Result<(Vec<String>, Vec<String>), Failure> {
    let (mut written, mut kept, mut made) = (Vec::new(), Vec::new(), Vec::<PathBuf>::new());
    for file in files {
        let path = dir.join(&file.path);
        match create(&path, &file.text, file.if_present) {
            Ok(true) => written.push(file.path.clone()),
            Ok(false) => kept.push(file.path.clone()),
            Err(error) => {
                for path in made {
                    // It is named in the error if it is still there.
                    let _ = fs::remove_file(path);
                }
                let name = code(path.to_string_lossy());
                return Err(error.context(format!("cannot write {name}; nothing was kept")).into());
            }
        }
        if file.if_present != IfPresent::Replace {
            made.extend((!kept.contains(&file.path)).then_some(path));
        }
    }
    Ok((written, kept))
}

/// Writes one file. Returns whether it was written.
fn create(path: &Path, text: &str, if_present: IfPresent) -> anyhow::Result<bool> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).context("cannot create its folder")?;
    }
    let mut open = OpenOptions::new();
    match if_present {
        IfPresent::Replace => open.write(true).create(true).truncate(true),
        IfPresent::Refuse | IfPresent::Keep => open.write(true).create_new(true),
    };
    let file = match open.open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && if_present == IfPresent::Keep => {
            return Ok(false);
        }
        file => file,
    };
    let written =
        file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    if written.is_err() && if_present != IfPresent::Replace {
        let _ = fs::remove_file(path);
    }
    written?;
    Ok(true)
}
