//! Resolves the private keys of the fleet file's GitHub Apps for one plan and the apply that
//! follows it. The keys are kept nowhere else.

use std::collections::BTreeMap;

use crate::config::{Code, CredentialSettings, FieldProblem, Severity};
use crate::domain::credential::DesiredCredential;
use crate::domain::text::code;
use crate::secrets::{self, AppKey};

use super::context::Context;
use super::failure::Failure;
use super::load::{Loaded, stop_at};

/// The declared credentials, and their keys by name.
#[derive(Debug, Clone, Default)]
pub struct AppCredentials {
    pub wanted: Vec<DesiredCredential>,
    pub keys: BTreeMap<String, AppKey>,
}

/// Resolves the keys one after another. Fails with 3 if a reference does not resolve or its value
/// is not the key of a GitHub App, with 4 if a secrets manager is unreachable or refuses.
pub async fn resolve(loaded: &Loaded, cx: Context<'_>) -> Result<AppCredentials, Failure> {
    let allowed = cx.settings.secret_options(loaded.places.base());
    let mut apps = AppCredentials::default();
    let mut problems = Vec::new();
    for settings in &loaded.fleet_file()?.credentials {
        let secret = secrets::resolve(&settings.private_key, &allowed).await.map_err(|error| {
            let name = code(&settings.name);
            let failure = Failure::from(error);
            let message = format!("`private_key` of the credential {name}: {}", failure.message);
            Failure { message, ..failure }
        })?;
        match AppKey::read(&secret) {
            Ok(key) => {
                apps.wanted.push(wanted(settings, &key));
                apps.keys.insert(settings.name.clone(), key);
            }
            Err(unfit) => {
                let reference = code(settings.private_key.to_string());
                let finding = FieldProblem {
                    code: Code::UnfitKey,
                    severity: Severity::Error,
                    message: format!(
                        "the credential {}: {reference} is not the private key of a GitHub App: {}",
                        code(&settings.name),
                        unfit.got
                    ),
                    help: Some(unfit.help.to_owned()),
                };
                let manifest = &loaded.manifest;
                problems.push(manifest.credential_problem(&settings.name, "private_key", finding));
            }
        }
    }
    stop_at(&problems, cx)?;
    Ok(apps)
}

fn wanted(settings: &CredentialSettings, key: &AppKey) -> DesiredCredential {
    DesiredCredential {
        name: settings.name.clone(),
        endpoint: settings.endpoint.clone(),
        app_id: settings.app_id,
        installation_id: settings.installation_id,
        key: key.fingerprint.clone(),
    }
}
