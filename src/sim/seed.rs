//! The initial rows of a world.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::config::Forge;
use super::entity::{CredentialsRow, EndpointRow, EntityRow, EntityType, TemplateRow};
use super::loops::Loop;
use super::row_key::EntityRowKey;
use super::world::{Due, World};

/// The URL of the simulated GitHub. Nothing listens there.
pub(crate) const GITHUB_URL: &str = "http://github.sim.invalid";

/// The endpoint that entities use.
pub(crate) const ENDPOINT: &str = "simhub";

/// The owner of GARM's built-in templates.
pub(crate) const SYSTEM: &str = "system";

pub(crate) fn endpoints(now: Timestamp, forge: Forge) -> Vec<EndpointRow> {
    let endpoint = |name: &str, description: &str, urls: [&str; 3], forge| EndpointRow {
        name: name.into(),
        description: description.into(),
        api_url: urls[0].into(),
        upload_url: urls[1].into(),
        base_url: urls[2].into(),
        forge,
        created_at: now,
        updated_at: now,
    };
    let public = ["https://api.github.com/", "https://uploads.github.com/", "https://github.com"];
    vec![
        endpoint("github.com", "The github.com endpoint", public, Forge::GitHub),
        endpoint(ENDPOINT, "simulated GitHub", [GITHUB_URL; 3], forge),
    ]
}

pub(crate) fn credentials(now: Timestamp) -> BTreeMap<u64, CredentialsRow> {
    let credentials = CredentialsRow {
        id: 1,
        name: "sim-pat".into(),
        description: "simulated PAT".into(),
        endpoint: ENDPOINT.into(),
        auth_type: "pat".into(),
        made_of: "a token".into(),
        created_at: now,
        updated_at: now,
    };
    BTreeMap::from([(1, credentials)])
}

/// GARM's four built-in templates (GARM.md §i).
pub(crate) fn templates(now: Timestamp) -> BTreeMap<u64, TemplateRow> {
    let kinds =
        [("github", "windows"), ("github", "linux"), ("gitea", "linux"), ("gitea", "windows")];
    (1..)
        .zip(kinds)
        .map(|(id, (forge, os))| {
            let name = |word: &str| match word {
                "github" => "GitHub",
                "gitea" => "Gitea",
                "windows" => "Windows",
                _ => "Linux",
            };
            let template = TemplateRow {
                id,
                name: format!("{forge}_{os}"),
                description: format!(
                    "Default {} runner install template for {}",
                    name(os),
                    name(forge)
                ),
                os_type: os.into(),
                forge_type: forge.into(),
                owner: SYSTEM.into(),
                body: "#!/bin/bash\n# A simulated install script.\n".into(),
                created_at: now,
                updated_at: now,
            };
            (id, template)
        })
        .collect()
}

impl World {
    pub(super) fn make_entities(&mut self) {
        for name in self.config.organizations.clone() {
            self.make_entity(EntityType::Organization, String::new(), name);
        }
        for full in self.config.repositories.clone() {
            let (owner, name) = full.split_once('/').unwrap_or((full.as_str(), ""));
            self.make_entity(EntityType::Repository, owner.to_owned(), name.to_owned());
        }
        for name in self.config.enterprises.clone() {
            self.make_entity(EntityType::Enterprise, String::new(), name);
        }
    }

    /// Adds an entity with a running pool manager, whose loops have a random phase.
    pub(super) fn make_entity(
        &mut self,
        kind: EntityType,
        owner: String,
        name: String,
    ) -> EntityRowKey {
        let key = EntityRowKey(self.next_row());
        let entity = EntityRow {
            id: self.rng.ids.uuid(),
            kind,
            owner,
            name,
            credentials: 1,
            balancer: "roundrobin".into(),
            agent_mode: false,
            hook: Some((1_000 + key.0, false)),
            is_running: true,
            failure: String::new(),
            created_at: self.now,
            updated_at: self.now,
        };
        self.entities.insert(key, entity);
        let phase = self.rng.garm.up_to(Loop::AddPending.period());
        for which in Loop::ALL {
            // The 5 s loops start with the phase, the others one period later.
            let first = if which.period() > Loop::AddPending.period() {
                which.period()
            } else {
                std::time::Duration::ZERO
            };
            self.scheduler.add(self.now + first + phase, Due::Tick(key, which));
        }
        key
    }
}
