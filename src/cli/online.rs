//! `validate --online`: whether GARM knows what the files name.

use std::collections::BTreeSet;

use crate::domain::entity::{Entity, EntityKind, EntityRef};
use crate::domain::fleet::{Provider, Template};
use crate::domain::text::quote;
use crate::garm::{self, Client};
use crate::manifest::{Code, DeclaredPool, Finding, Manifest, Problem, Severity};
use crate::view::words::nearest;

/// What GARM has of the things that pools name.
#[derive(Debug, Clone, Default)]
pub struct Known {
    providers: Vec<Provider>,
    /// Of the kinds that pools use.
    entities: Vec<Entity>,
    templates: Vec<Template>,
}

/// Asks GARM, and only for what the pools use.
pub async fn ask(client: &Client, pools: &[DeclaredPool]) -> Result<Known, garm::Error> {
    let mut known = Known { providers: client.providers().await?, ..Known::default() };
    for kind in EntityKind::ALL {
        if pools.iter().filter_map(|it| it.entity.as_ref()).any(|it| it.kind == kind) {
            known.entities.extend(client.entities(kind).await?);
        }
    }
    if pools.iter().any(|it| it.template.is_some()) {
        known.templates = client.templates().await?;
    }
    Ok(known)
}

/// A finding about one field of a pool.
type Found = Option<(&'static str, Finding)>;

/// What pools name and GARM does not have, in the order of the pools; what many of them have from
/// the defaults is said once.
pub fn problems(manifest: &Manifest, known: &Known) -> Vec<Problem> {
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    for pool in &manifest.pools {
        let found: [Found; 3] = [provider(pool, known), entity(pool, known), template(pool, known)];
        for (field, finding) in found.into_iter().flatten() {
            let problem = manifest.problem(&pool.name, field, finding);
            if seen.insert((problem.place.clone(), problem.code)) {
                problems.push(problem);
            }
        }
    }
    problems
}

fn provider(pool: &DeclaredPool, known: &Known) -> Found {
    let wanted = pool.provider.as_deref()?;
    let names: Vec<&str> = known.providers.iter().map(|it| it.name.as_str()).collect();
    if names.contains(&wanted) {
        return None;
    }
    let message = format!("GARM has no provider `{}`", quote(wanted));
    Some(("provider", unknown(Code::UnknownProvider, message, wanted, &names)))
}

fn template(pool: &DeclaredPool, known: &Known) -> Found {
    let wanted = pool.template.as_deref()?;
    let names: Vec<&str> = known.templates.iter().map(|it| it.name.as_str()).collect();
    if names.contains(&wanted) {
        return None;
    }
    let message = format!("GARM has no template `{}`", quote(wanted));
    Some(("template", unknown(Code::UnknownTemplate, message, wanted, &names)))
}

fn entity(pool: &DeclaredPool, known: &Known) -> Found {
    let wanted = pool.entity.as_ref()?;
    match known.entities.iter().filter(|it| it.is(wanted)).collect::<Vec<_>>().as_slice() {
        [_] => None,
        [] => Some(no_entity(wanted, known)),
        several => Some((wanted.kind.word(), ambiguous(wanted, several))),
    }
}

fn no_entity(wanted: &EntityRef, known: &Known) -> (&'static str, Finding) {
    let anywhere = EntityRef { endpoint: None, ..wanted.clone() };
    let elsewhere: Vec<&str> = known
        .entities
        .iter()
        .filter(|it| it.is(&anywhere))
        .map(|it| it.endpoint.as_str())
        .collect();
    let word = wanted.kind.word();
    let name = quote(&wanted.name);
    if let (Some(endpoint), [_, ..]) = (&wanted.endpoint, elsewhere.as_slice()) {
        let message = format!("GARM has the {word} `{name}`, but not at `{}`", quote(endpoint));
        return ("endpoint", unknown(Code::UnknownEntity, message, endpoint, &elsewhere));
    }
    let names: Vec<&str> = known
        .entities
        .iter()
        .filter(|it| it.key.kind == wanted.kind)
        .map(|it| it.name.as_str())
        .collect();
    let message = format!("GARM has no {word} `{name}`");
    (word, unknown(Code::UnknownEntity, message, &wanted.name, &names))
}

fn ambiguous(wanted: &EntityRef, several: &[&Entity]) -> Finding {
    let endpoints: Vec<String> = several.iter().map(|it| quote(&it.endpoint)).collect();
    Finding {
        code: Code::AmbiguousEntity,
        severity: Severity::Error,
        message: format!(
            "GARM has {} entities that are {} `{}`",
            several.len(),
            wanted.kind.word(),
            quote(&wanted.name)
        ),
        help: Some(format!("add `endpoint:` with one of {}", listed(&endpoints))),
    }
}

fn unknown(code: Code, message: String, wanted: &str, names: &[&str]) -> Finding {
    let help = match nearest(wanted, names.iter().copied()) {
        Some(near) => format!("did you mean `{}`?", quote(near)),
        None if names.is_empty() => "GARM has none at all".to_owned(),
        None => {
            format!("GARM has {}", listed(&names.iter().map(|it| quote(it)).collect::<Vec<_>>()))
        }
    };
    Finding { code, severity: Severity::Error, message, help: Some(help) }
}

/// Names in a row, the first few of many.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut words: Vec<String> = names.iter().take(SHOWN).map(|it| format!("`{it}`")).collect();
    if names.len() > SHOWN {
        words.push(format!("and {} more", names.len() - SHOWN));
    }
    words.join(", ")
}
