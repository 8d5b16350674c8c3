//! GitHub App credentials: created in GARM and kept as declared, but never deleted (DESIGN §7).
//!
//! GARM shows neither an App's ids nor its key, so they are read from the mark in the credential's
//! description.

use super::context::PlanContext;
use super::step::{Action, FieldChange, Operation, Resource, ShownValue, Step};
use crate::domain::credential::{Auth, Credential, CredentialMark, DesiredCredential};
use crate::domain::text::{LISTED_MAX, code, count, list};

/// The field that shows a rotation.
const KEY: &str = "private_key";

/// The steps, sorted by name. `--target` leaves them out, like everything that is not a pool.
pub(super) fn steps(context: &PlanContext<'_>) -> Vec<Step> {
    let Some(live) = live(context) else { return Vec::new() };
    let mut wanted: Vec<_> = context.resolver.desired.credentials.iter().collect();
    wanted.sort_by(|a, b| a.name.cmp(&b.name));
    wanted.into_iter().filter_map(|credential| step(context, credential, live)).collect()
}

fn live<'a>(context: &PlanContext<'a>) -> Option<&'a [Credential]> {
    let live = context.resolver.index.fleet().credentials.as_deref();
    live.filter(|_| context.options.target.is_empty())
}

fn step(
    context: &PlanContext<'_>,
    wanted: &DesiredCredential,
    live: &[Credential],
) -> Option<Step> {
    let found: Vec<&Credential> =
        live.iter().filter(|credential| credential.is_named(&wanted.name)).collect();
    match found.as_slice() {
        [] => Some(create(wanted)),
        [there] => match blocker(context, wanted, there) {
            Err((reason, help)) => Some(blocked(wanted, reason, help)),
            Ok(mark) => update(context, wanted, (there, &mark)),
        },
        [_, _, ..] => Some(blocked(
            wanted,
            format!("GARM has {} with this name", count(found.len(), "credential")),
            "rename all but one of them in GARM".to_owned(),
        )),
    }
}

fn create(wanted: &DesiredCredential) -> Step {
    let change = |field: &str, after| change(field, ShownValue::Absent, after);
    Step {
        changes: vec![
            change("endpoint", text(&wanted.endpoint)),
            change("app_id", number(Some(wanted.app_id))),
            change("installation_id", number(Some(wanted.installation_id))),
            change(KEY, text(wanted.key.as_str())),
        ],
        consequences: vec![
            "GARM uses it once an organization, repository or enterprise is set to use it: `garm-cli \
             organization update ID --credentials NAME`"
                .to_owned(),
        ],
        work: Operation::Credential { id: None, wanted: wanted.clone() },
        ..about(
            wanted,
            Action::Create,
            "declared, but GARM has no credential with this name".to_owned(),
        )
    }
}

/// The mark of a credential of this fleet; otherwise why the credential is left alone, and what to
/// do about it.
fn blocker(
    context: &PlanContext<'_>,
    wanted: &DesiredCredential,
    there: &Credential,
) -> Result<CredentialMark, (String, String)> {
    let fleet = &context.resolver.desired.fleet;
    let Some(mark) = there.mark() else {
        let id = there.id;
        return Err((
            "a credential with this name exists, but does not have this fleet's mark".to_owned(),
            format!(
                "declare another name, or assign it to this fleet: `garm-cli github credentials \
                 update {id} --description runnerctl={fleet}`"
            ),
        ));
    };
    if mark.fleet != fleet.as_str() {
        return Err((
            format!("the credential with this name belongs to the fleet {}", code(&mark.fleet)),
            "declare another name".to_owned(),
        ));
    }
    if let Auth::Other(word) = &there.auth {
        return Err((
            format!("the credential is of type {}, which GARM cannot change to an App", code(word)),
            "declare another name, and set GARM's organizations to use it".to_owned(),
        ));
    }
    if there.endpoint != wanted.endpoint {
        return Err((
            format!(
                "GARM cannot move a credential from the endpoint {} to {}",
                code(&there.endpoint),
                code(&wanted.endpoint)
            ),
            "declare it under another name, and set GARM's organizations to use it".to_owned(),
        ));
    }
    Ok(mark)
}

fn update(
    context: &PlanContext<'_>,
    wanted: &DesiredCredential,
    (there, mark): (&Credential, &CredentialMark),
) -> Option<Step> {
    let ids = [
        ("app_id", mark.app_id, wanted.app_id),
        ("installation_id", mark.installation_id, wanted.installation_id),
    ];
    let differ = ids.into_iter().filter(|(_, live, wanted)| *live != Some(*wanted));
    let mut changes: Vec<FieldChange> = differ
        .map(|(field, live, wanted)| change(field, number(live), number(Some(wanted))))
        .collect();
    if mark.key.as_ref() != Some(&wanted.key) {
        let live = mark.key.as_ref().map_or(ShownValue::Absent, |key| text(key.as_str()));
        changes.push(change(KEY, live, text(wanted.key.as_str())));
    }
    let reason = match (changes.as_slice(), &mark.key) {
        ([], _) => return None,
        ([only], Some(_)) if only.field == KEY => "the key was rotated".to_owned(),
        ([only], _) => format!("{} differs", code(&only.field)),
        (several, _) => format!("{} fields differ", several.len()),
    };
    let is_rotated = mark.key.is_some() && changes.iter().any(|change| change.field == KEY);
    let mut consequences = vec![users(context, there)];
    if is_rotated {
        consequences.push(
            "once GARM works with the new key, the old one can be deleted on the App's page at \
             GitHub"
                .to_owned(),
        );
    }
    Some(Step {
        changes,
        consequences,
        work: Operation::Credential { id: Some(there.id), wanted: wanted.clone() },
        ..about(wanted, Action::Update, reason)
    })
}

/// What is affected, as far as the entities were read.
fn users(context: &PlanContext<'_>, there: &Credential) -> String {
    let entities = context.resolver.index.fleet().entities.iter();
    let mut names: Vec<String> = entities
        .filter(|entity| there.is_named(&entity.credentials))
        .map(|entity| format!("{} {}", entity.key.kind.word(), code(&entity.name)))
        .collect();
    names.sort();
    let then = "GARM authenticates to GitHub with it from then on";
    if names.is_empty() {
        return then.to_owned();
    }
    format!("{then}, for {}", list(names, LISTED_MAX))
}

/// Names credentials of this fleet that are not declared; they are kept.
pub(super) fn notes(context: &PlanContext<'_>) -> Option<String> {
    let desired = context.resolver.desired;
    let is_left = |credential: &&Credential| {
        credential.mark().is_some_and(|mark| mark.fleet == desired.fleet.as_str())
            && !desired.credentials.iter().any(|wanted| credential.is_named(&wanted.name))
    };
    let mut names: Vec<String> =
        live(context)?.iter().filter(is_left).map(|credential| code(&credential.name)).collect();
    names.sort();
    (!names.is_empty()).then(|| {
        format!(
            "{} of this fleet not declared any more: {}; credentials are never deleted, \
             `garm-cli github credentials delete ID` does",
            count(names.len(), "credential"),
            list(&names, LISTED_MAX)
        )
    })
}

fn blocked(wanted: &DesiredCredential, reason: String, help: String) -> Step {
    Step { help: Some(help), ..about(wanted, Action::Blocked, reason) }
}

fn about(wanted: &DesiredCredential, action: Action, reason: String) -> Step {
    Step::bare(action, Resource::Credential(wanted.name.clone()), reason)
}

fn change(field: &str, before: ShownValue, after: ShownValue) -> FieldChange {
    FieldChange { field: field.to_owned(), before, after }
}

fn text(text: &str) -> ShownValue {
    ShownValue::Value(text.into())
}

fn number(number: Option<u64>) -> ShownValue {
    number.map_or(ShownValue::Absent, |number| ShownValue::Value(number.into()))
}
