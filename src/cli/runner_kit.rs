//! Builds the runner kit from the fleet file.

use std::path::PathBuf;

use super::context::Context;
use super::failure::Failure;
use crate::config::{
    FieldProblem, FleetFile, Manifest, Problem, RunnerCertificate, RunnerMtls, Severity,
};
use crate::domain::entity::Entity;
use crate::domain::text::quote;
use crate::garm::runner_identity::{front_authority, runner_identity};
use crate::host::clock::Clock;
use crate::plan::RunnerKit;
use crate::policy::Violation;
use crate::policy::kit::{self, CertificateSigner, Kit, KitContents, KitParts};
use crate::secrets;

/// The kit that the fleet file declares; `base` is its folder. Resolves the key. Fails with 3 if
/// reference, key or certificates are invalid, with 4 if a secrets manager is unreachable.
pub async fn kit(file: &FleetFile, base: PathBuf, cx: Context<'_>) -> Result<RunnerKit, Failure> {
    if KitContents::by(file) == KitContents::Nothing {
        return Ok(RunnerKit::None);
    }
    let mut parts =
        KitParts { must_not_reach: file.policy.must_not_reach.clone(), ..KitParts::default() };
    match &file.runner_mtls {
        None => {}
        Some(RunnerMtls { certificate: RunnerCertificate::Signed { signer }, ca }) => {
            parts.signer =
                Some(CertificateSigner { url: signer.clone(), ca: front_authority(ca)? });
        }
        Some(RunnerMtls { certificate: RunnerCertificate::Shared { cert, key }, ca }) => {
            let allowed = cx.settings.secret_options(base);
            let secret = secrets::resolve(key, &allowed).await.map_err(|error| {
                let failure = Failure::from(error);
                Failure { message: format!("`runner_mtls.key`: {}", failure.message), ..failure }
            })?;
            let reference = quote(&key.to_string());
            let now = Clock::Real.now();
            parts.identity = Some(runner_identity((cert, ca), (&secret, &reference), now)?);
        }
    }
    Ok(RunnerKit::Ready(Kit::new(&parts)))
}

/// The kit for commands that only compare with GARM and resolve no secret.
pub fn unread(file: &FleetFile) -> RunnerKit {
    match KitContents::by(file) {
        KitContents::Nothing => RunnerKit::None,
        KitContents::ReachCheck | KitContents::Certificate => RunnerKit::Unread,
    }
}

/// Problems of pools whose entity is in agent mode, which excludes the runner certificate. The mode
/// is a setting in GARM.
pub fn agents(manifest: &Manifest, entities: &[Entity]) -> Vec<Problem> {
    let wants = manifest.fleet_file.as_ref().map(KitContents::by);
    if wants != Some(KitContents::Certificate) {
        return Vec::new();
    }
    let is_agents = |named: &_| entities.iter().any(|entity| entity.agent_mode && entity.is(named));
    let found = manifest.pools.iter().filter_map(|pool| {
        let entity = pool.entity.as_ref().filter(|entity| is_agents(entity))?;
        Some(problem(manifest, kit::agent_mode(&pool.name, entity.kind.word())))
    });
    found.collect()
}

/// A violation with its place in the files.
pub fn problem(manifest: &Manifest, violation: Violation) -> Problem {
    let finding = FieldProblem {
        code: violation.code,
        severity: Severity::Error,
        message: format!("pool `{}`: {}", violation.pool, violation.message),
        help: Some(violation.help),
    };
    match &violation.key {
        Some(key) => manifest.problem_in_specs(&violation.pool, key, finding),
        None => manifest.problem(&violation.pool, violation.field, finding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{SourceFile, load};
    use crate::domain::entity::{EntityKey, EntityKind, PoolManager};
    use crate::domain::name::EntityId;

    fn check(fleet_file: &str, expected: &[&str]) {
        let source = |path: &str, text: &str| SourceFile {
            path: path.into(),
            text: text.into(),
            folder: None,
        };
        let fleet =
            format!("fleet: a\ngarm: {{ url: 'https://a', password: 'env:P' }}\n{fleet_file}");
        let pools = "pools:\n- { name: a, max_runners: 1, instance_type: m, organization: acme }\n\
                     - { name: b, max_runners: 1, instance_type: m, organization: Agents }\n";
        let manifest = load(Some(&source("rc.yaml", &fleet)), &[source("a.yaml", pools)]);
        let entity = |name: &str, agent_mode| Entity {
            key: EntityKey { kind: EntityKind::Organization, id: EntityId::new(name) },
            name: name.into(),
            endpoint: "github.com".into(),
            credentials: String::new(),
            manager: PoolManager::Running,
            forge: "github".into(),
            agent_mode,
        };
        let entities = [entity("acme", false), entity("agents", true)];
        let said: Vec<String> = agents(&manifest, &entities)
            .iter()
            .map(|problem| format!("{} {} {}", problem.code.text(), problem.place, problem.message))
            .collect();
        assert_eq!(said, expected);
    }

    #[test]
    fn a_pool_of_an_entity_in_agent_mode_is_reported_with_its_line() {
        let mtls = "runner_mtls: { cert: c, key: 'env:K', ca: c }";
        check(
            mtls,
            &["RC0807 a.yaml:3:62 pool `b`: `runner_mtls` cannot be used with GARM's agent mode, \
               which this entity is in: the agent connects without the certificate, and can read its \
               key"],
        );
        check("", &[]);
        check("policy: { networks: { must_not_reach: ['a:1'] } }", &[]);
    }
}
