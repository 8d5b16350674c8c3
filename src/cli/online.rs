//! `validate --online`: checks that GARM has the providers, entities, templates, proxies and
//! endpoints that the files name.

use std::collections::BTreeSet;

use crate::config::{
    Code, CredentialSettings, DeclaredPool, FieldProblem, Manifest, Problem, Severity,
};
use crate::domain::entity::{Entity, EntityRef};
use crate::domain::fleet::Template;
use crate::domain::name::PoolKind;
use crate::domain::text::{self, list, quote};
use crate::reconcile::read_fleet::names::{GarmNames, NamesRequest};
use crate::render::words::nearest;

/// The names in GARM that must be read to check these files.
pub fn request(manifest: &Manifest) -> NamesRequest {
    let has_credentials =
        manifest.fleet_file.as_ref().is_some_and(|file| !file.credentials.is_empty());
    NamesRequest {
        kinds: manifest.entity_kinds(),
        templates: manifest.names_template(),
        proxies: manifest.names_proxy(),
        endpoints: has_credentials,
        scale_sets: manifest.pools.iter().any(|pool| pool.kind == PoolKind::ScaleSet),
    }
}

/// A problem with one field of a pool.
type FieldFinding = Option<(&'static str, FieldProblem)>;

/// The names that pools use and GARM does not have, in the order of the pools. A value that pools
/// inherit from the defaults is reported once.
pub fn problems(manifest: &Manifest, known: &GarmNames) -> Vec<Problem> {
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    for pool in &manifest.pools {
        let found: [FieldFinding; 5] = [
            provider(pool, known),
            entity(pool, known),
            template(pool, known),
            proxy(pool, known),
            scale_set(pool, known),
        ];
        for (field, finding) in found.into_iter().flatten() {
            let problem = manifest.problem(&pool.name, field, finding);
            if seen.insert((problem.place.clone(), problem.code)) {
                problems.push(problem);
            }
        }
    }
    problems.extend(endpoints(manifest, known));
    problems
}

/// Credentials whose endpoint GARM does not have.
fn endpoints(manifest: &Manifest, known: &GarmNames) -> Vec<Problem> {
    let names: Vec<&str> = known.endpoints.iter().map(String::as_str).collect();
    let declared = manifest.fleet_file.iter().flat_map(|file| &file.credentials);
    let lost = declared.filter(|credential| !names.contains(&credential.endpoint.as_str()));
    let problem = |credential: &CredentialSettings| {
        let wanted = quote(&credential.endpoint);
        let message = format!("GARM has no GitHub endpoint `{wanted}`");
        let finding = unknown(Code::UnknownEndpoint, message, &credential.endpoint, &names);
        manifest.credential_problem(&credential.name, "endpoint", finding)
    };
    lost.map(problem).collect()
}

fn provider(pool: &DeclaredPool, known: &GarmNames) -> FieldFinding {
    let wanted = pool.provider.as_deref()?;
    let names: Vec<&str> = known.providers.iter().map(|provider| provider.name.as_str()).collect();
    if names.contains(&wanted) {
        return None;
    }
    let message = format!("GARM has no provider `{}`", quote(wanted));
    Some(("provider", unknown(Code::UnknownProvider, message, wanted, &names)))
}

fn template(pool: &DeclaredPool, known: &GarmNames) -> FieldFinding {
    let wanted = pool.template.as_deref()?;
    let forge = forge(pool, known);
    if let Some(template) = known.templates.iter().find(|template| template.name == wanted) {
        return unfit(template, pool, forge);
    }
    let fitting = known.templates.iter().filter(|template| template.fits(&pool.os_type, forge));
    let names: Vec<&str> = fitting.map(|template| template.name.as_str()).collect();
    let message = format!("GARM has no template `{}`", quote(wanted));
    Some(("template", unknown(Code::UnknownTemplate, message, wanted, &names)))
}

/// A template that GARM has but accepts for other pools only.
fn unfit(template: &Template, pool: &DeclaredPool, forge: &str) -> FieldFinding {
    let (is, wants) = template.mismatch(&pool.os_type, forge)?;
    let message = format!(
        "the template `{}` is for {}, but the pool is for {}",
        quote(&template.name),
        quote(is),
        quote(wants)
    );
    let finding = FieldProblem {
        code: Code::UnfitTemplate,
        severity: Severity::Error,
        message,
        help: Some("use a template for that, or remove `template`".to_owned()),
    };
    Some(("template", finding))
}

/// The kind of forge that serves the pool's entity; empty if unknown.
fn forge<'k>(pool: &DeclaredPool, known: &'k GarmNames) -> &'k str {
    let found =
        pool.entity.as_ref().and_then(|wanted| known.entities.iter().find(|to| to.is(wanted)));
    found.map_or("", |entity| &entity.forge)
}

/// A scale set where GARM or the forge has none.
fn scale_set(pool: &DeclaredPool, known: &GarmNames) -> FieldFinding {
    if pool.kind == PoolKind::Pool {
        return None;
    }
    let forge = forge(pool, known);
    let (message, help) = if known.has_scale_sets == Some(false) {
        (
            "this GARM has no scale sets".to_owned(),
            "upgrade GARM to 0.2.0 or later, or remove `kind`",
        )
    } else if !matches!(forge, "" | "github") {
        (
            format!("{} has no scale sets, only GitHub has", quote(forge)),
            "remove `kind` to declare a pool",
        )
    } else {
        return None;
    };
    let (code, severity) = (Code::NoScaleSets, Severity::Error);
    Some(("kind", FieldProblem { code, severity, message, help: Some(help.to_owned()) }))
}

fn proxy(pool: &DeclaredPool, known: &GarmNames) -> FieldFinding {
    let wanted = pool.named_proxy()?;
    if known.proxies.iter().any(|proxy| proxy.is_named(wanted)) {
        return None;
    }
    let names: Vec<&str> = known.proxies.iter().map(|proxy| proxy.name.as_str()).collect();
    let message = format!("GARM has no proxy `{}`", quote(wanted));
    let finding = unknown(Code::UnknownProxy, message, wanted, &names);
    let help = finding.help.map(|help| match names.is_empty() {
        true => format!("{help}; GARM has proxies only after v0.2.1"),
        false => help,
    });
    Some(("proxy", FieldProblem { help, ..finding }))
}

fn entity(pool: &DeclaredPool, known: &GarmNames) -> FieldFinding {
    let wanted = pool.entity.as_ref()?;
    match known.entities.iter().filter(|entity| entity.is(wanted)).collect::<Vec<_>>().as_slice() {
        [_] => None,
        [] => Some(no_entity(wanted, known)),
        several => Some((wanted.kind.word(), ambiguous(wanted, several))),
    }
}

fn no_entity(wanted: &EntityRef, known: &GarmNames) -> (&'static str, FieldProblem) {
    let anywhere = EntityRef { endpoint: None, ..wanted.clone() };
    let elsewhere: Vec<&str> = known
        .entities
        .iter()
        .filter(|entity| entity.is(&anywhere))
        .map(|entity| entity.endpoint.as_str())
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
        .filter(|entity| entity.key.kind == wanted.kind)
        .map(|entity| entity.name.as_str())
        .collect();
    let message = format!("GARM has no {word} `{name}`");
    (word, unknown(Code::UnknownEntity, message, &wanted.name, &names))
}

fn ambiguous(wanted: &EntityRef, several: &[&Entity]) -> FieldProblem {
    let endpoints = several.iter().map(|entity| text::code(&entity.endpoint));
    FieldProblem {
        code: Code::AmbiguousEntity,
        severity: Severity::Error,
        message: format!(
            "GARM has {} entities that are {} `{}`",
            several.len(),
            wanted.kind.word(),
            quote(&wanted.name)
        ),
        help: Some(format!("choose one with `endpoint:`: {}", list(endpoints, OFFERED_MAX))),
    }
}

fn unknown(code: Code, message: String, wanted: &str, names: &[&str]) -> FieldProblem {
    let help = match nearest(wanted, names.iter().copied()) {
        Some(near) => format!("did you mean `{}`?", quote(near)),
        None if names.is_empty() => "GARM has none".to_owned(),
        None => format!("GARM has {}", list(names.iter().map(text::code), OFFERED_MAX)),
    };
    FieldProblem { code, severity: Severity::Error, message, help: Some(help) }
}

/// The largest number of names that a hint offers.
const OFFERED_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{SourceFile, load};
    use crate::domain::entity::{EntityKey, EntityKind, PoolManager};
    use crate::domain::fleet::{Provider, Proxy};
    use crate::domain::name::EntityId;

    fn known() -> GarmNames {
        let entity = |kind, name: &str, endpoint: &str| Entity {
            key: EntityKey { kind, id: EntityId::new(endpoint) },
            name: name.into(),
            endpoint: endpoint.into(),
            credentials: String::new(),
            manager: PoolManager::Running,
            forge: "github".into(),
            agent_mode: false,
        };
        GarmNames {
            providers: vec![Provider {
                name: "aws".into(),
                kind: "external".into(),
                description: String::new(),
            }],
            entities: vec![
                entity(EntityKind::Organization, "Acme", "github.com"),
                entity(EntityKind::Organization, "acme", "ghes"),
                entity(EntityKind::Repository, "octo/tools", "github.com"),
            ],
            templates: vec![template(1, "plain", "linux"), template(2, "panes", "windows")],
            proxies: vec![Proxy { id: 1, name: "Squid".into() }],
            endpoints: vec!["github.com".into(), "ghes".into()],
            has_scale_sets: Some(true),
        }
    }

    fn template(id: u64, name: &str, os_type: &str) -> Template {
        let (name, os_type) = (name.to_owned(), os_type.to_owned());
        Template { id, name, os_type, forge: "github".into(), is_system: false }
    }

    /// Checks the problems of one pool with these fields.
    fn check(fields: &str, expected: &[&str]) {
        let text = format!(
            "pools: [{{ name: a, max_runners: 1, instance_type: m5, image: i, {fields} }}]"
        );
        let manifest = load(None, &[SourceFile { path: "a.yaml".into(), text, folder: None }]);
        let said: Vec<String> = problems(&manifest, &known())
            .into_iter()
            .map(|problem| {
                format!(
                    "{} {}; {}",
                    problem.code.text(),
                    problem.message,
                    problem.help.unwrap_or_default()
                )
            })
            .collect();
        assert_eq!(said, expected, "{fields}");
    }

    #[test]
    fn names_that_garm_knows_are_not_problems() {
        check("provider: aws, organization: ACME, endpoint: ghes, template: plain", &[]);
        check("provider: aws, repository: octo/tools", &[]);
        check("provider: aws, repository: octo/tools, proxy: squid", &[]);
        check("provider: aws, repository: octo/tools, proxy: ''", &[]);
        check("provider: aws, repository: octo/tools, os_type: windows, template: panes", &[]);
    }

    #[test]
    fn unknown_names_are_reported_with_the_names_that_garm_has() {
        check(
            "provider: asw, template: x",
            &[
                "RC0701 GARM has no provider `asw`; did you mean `aws`?",
                "RC0704 GARM has no template `x`; GARM has `plain`",
            ],
        );
        check("proxy: squit", &["RC0707 GARM has no proxy `squit`; did you mean `Squid`?"]);
        check(
            "repository: octo/tools, template: panes",
            &["RC0706 the template `panes` is for windows, but the pool is for linux; use a \
               template for that, or remove `template`"],
        );
        check(
            "repository: acme/app",
            &["RC0702 GARM has no repository `acme/app`; GARM has `octo/tools`"],
        );
        check("enterprise: acme", &["RC0702 GARM has no enterprise `acme`; GARM has none"]);
        check(
            "repository: octo/tools, endpoint: ghes",
            &["RC0702 GARM has the repository `octo/tools`, but not at `ghes`; GARM has \
               `github.com`"],
        );
        check(
            "organization: acme",
            &["RC0703 GARM has 2 entities that are organization `acme`; choose one with \
               `endpoint:`: `github.com` and `ghes`"],
        );
    }

    #[test]
    fn an_unknown_endpoint_of_credentials_is_reported_at_its_place() {
        let text = "fleet: a\ngarm: { url: https://a, password: env:P }\ncredentials:\n\
                    - { name: a, app_id: 1, installation_id: 2, private_key: env:K }\n\
                    - { name: b, app_id: 1, installation_id: 2, private_key: env:K, \
                    endpoint: gehs }\n";
        let fleet = SourceFile { path: "runnerctl.yaml".into(), text: text.into(), folder: None };
        let pools = SourceFile { path: "a.yaml".into(), text: "pools: []\n".into(), folder: None };
        let manifest = load(Some(&fleet), &[pools]);
        let said: Vec<String> = problems(&manifest, &known())
            .into_iter()
            .map(|problem| {
                format!(
                    "{} {} {}",
                    problem.place,
                    problem.code.text(),
                    problem.help.unwrap_or_default()
                )
            })
            .collect();
        assert_eq!(said, ["runnerctl.yaml:5:75 RC0705 did you mean `ghes`?"]);
    }

    #[test]
    fn an_unknown_name_in_the_defaults_is_reported_once_at_its_place() {
        let source = |path: &str, text: &str| SourceFile {
            path: path.into(),
            text: text.into(),
            folder: None,
        };
        let fleet = source(
            "runnerctl.yaml",
            "fleet: a\ngarm: { url: https://a, password: env:P }\ndefaults: { provider: x }\n",
        );
        let pools = source(
            "a.yaml",
            "pools:\n- { name: a, max_runners: 1, instance_type: m }\n\
             - { name: b, max_runners: 1, instance_type: m }\n",
        );
        let manifest = load(Some(&fleet), &[pools]);
        let places: Vec<String> =
            problems(&manifest, &known()).iter().map(|problem| problem.place.to_string()).collect();
        assert_eq!(places, ["runnerctl.yaml:3:23"]);
    }
}
