//! Collects the facts for the report on the safety requirements, which `plan`, `watch` and
//! `validate --online` print (DESIGN §1).

use std::collections::BTreeSet;

use crate::config::{Code, DeclaredPool, FleetFile, GarmSettings};
use crate::domain::address::is_unencrypted;
use crate::domain::credential::Credential as Found;
use crate::domain::proof::{Probe, Proof};
use crate::domain::secret::SecretRef;
use crate::domain::text::code;
use crate::monitor::compliance::{CredentialFact, CredentialSource, MtlsFact, NetworkFacts};
use crate::policy::Violation;
use crate::render::proof;

/// The networks of these pools. `violations` may be of any rule.
pub(super) fn networks(
    pools: &[DeclaredPool],
    file: &FleetFile,
    violations: BTreeSet<String>,
) -> NetworkFacts {
    NetworkFacts {
        providers: pools.iter().filter_map(|pool| pool.provider.clone()).collect(),
        ruled: file.policy.networks.iter().map(|network| network.provider.clone()).collect(),
        violations,
    }
}

/// The source of each of GARM's credentials, as far as the fleet file declares it.
pub(super) fn credentials(found: &[Found], file: &FleetFile) -> Vec<CredentialFact> {
    let origin = |credential: &Found| {
        let is_ours = credential.mark().is_some_and(|mark| mark.fleet == file.fleet.as_str());
        let setting = file.credentials.iter().find(|setting| credential.is_named(&setting.name));
        match setting.filter(|_| is_ours).map(|setting| &setting.private_key) {
            None => CredentialSource::Unmarked,
            Some(SecretRef::Vault { .. } | SecretRef::Exec(_)) => CredentialSource::SecretsManager,
            Some(SecretRef::File(_)) => CredentialSource::Elsewhere("file".into()),
            Some(SecretRef::Env(_)) => CredentialSource::Elsewhere("env".into()),
        }
    };
    found
        .iter()
        .map(|credential| CredentialFact {
            name: credential.name.clone(),
            origin: origin(credential),
        })
        .collect()
}

/// The result of the mTLS probes, if they were made.
pub(super) fn mtls(garm: &GarmSettings, probes: Option<&[Probe]>) -> Option<MtlsFact> {
    unencrypted(garm).or_else(|| {
        let probes = probes?;
        Some(MtlsFact::of(Proof::of(probes), proof::sentence(probes)))
    })
}

/// The answer that needs no probes: GARM takes requests without TLS.
pub(super) fn unencrypted(garm: &GarmSettings) -> Option<MtlsFact> {
    is_unencrypted(&garm.url).then(|| {
        let url = code(&garm.url);
        MtlsFact::NotEnforced(format!("{url} has no TLS (`garm.insecure_http`)"))
    })
}

/// The pools with runners in a network that the policy does not allow.
pub(super) fn in_wrong_networks(violations: &[Violation]) -> BTreeSet<String> {
    let wrong = violations.iter().filter(|violation| violation.code == Code::ForbiddenNetwork);
    wrong.map(|violation| violation.pool.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{SourceFile, load};
    use crate::domain::credential::Auth;

    fn file(credentials: &str) -> FleetFile {
        let text = format!(
            "fleet: acme\ngarm: {{ url: https://garm.test, password: env:P }}\n{credentials}"
        );
        let source = SourceFile { path: "runnerctl.yaml".into(), text, folder: None };
        let manifest = load(Some(&source), &[]);
        manifest.fleet_file.unwrap()
    }

    fn found(name: &str, description: &str) -> Found {
        Found {
            id: 1,
            name: name.into(),
            description: description.into(),
            endpoint: "github.com".into(),
            auth: Auth::App,
        }
    }

    #[test]
    fn the_source_of_a_credential_with_our_mark_is_that_of_its_reference() {
        let one = |name: &str, key: &str| {
            format!(
                "- {{ name: {name}, endpoint: github.com, app_id: 1, installation_id: 2, \
                 private_key: \"{key}\" }}\n"
            )
        };
        let settings = format!(
            "credentials:\n{}{}",
            one("vaulted", "vault:secret/app#key"),
            one("filed", "file:app.pem")
        );
        let file = file(&settings);
        let all = [
            found("Vaulted", "runnerctl=acme app=1"),
            found("filed", "runnerctl=acme app=1"),
            found("vaulted", "made by hand"),
            found("vaulted", "runnerctl=other app=1"),
            found("else", "runnerctl=acme app=1"),
        ];
        let origins: Vec<CredentialSource> =
            credentials(&all, &file).into_iter().map(|credential| credential.origin).collect();
        let expected = [
            CredentialSource::SecretsManager,
            CredentialSource::Elsewhere("file".into()),
            CredentialSource::Unmarked,
            CredentialSource::Unmarked,
            CredentialSource::Unmarked,
        ];
        assert_eq!(origins, expected);
    }

    #[test]
    fn without_tls_no_probe_proves_mtls() {
        let garm = |settings: &str| {
            let text = format!("fleet: acme\ngarm: {{ {settings}, password: env:P }}\n");
            let source = SourceFile { path: "runnerctl.yaml".into(), text, folder: None };
            load(Some(&source), &[]).fleet_file.unwrap().garm
        };
        let evidence = "`http://garm:9997` has no TLS (`garm.insecure_http`)".to_owned();
        let plain = garm("url: 'http://garm:9997', insecure_http: true");
        assert_eq!(mtls(&plain, None), Some(MtlsFact::NotEnforced(evidence)));
        assert_eq!(mtls(&plain, Some(&[])), mtls(&plain, None));
        for settings in ["url: https://garm, insecure_http: true", "url: 'http://127.0.0.1:9997'"] {
            assert_eq!(mtls(&garm(settings), None), None, "{settings}");
        }
    }

    #[test]
    fn providers_of_pools_are_compared_with_the_rules_of_the_policy() {
        let pools = SourceFile {
            path: "a.yaml".into(),
            text: "pools: [{ name: a, max_runners: 1, instance_type: m, provider: aws }]\n".into(),
            folder: None,
        };
        let file = file("policy: { networks: { gcp: { keys: [net], allow: [x] } } }\n");
        let found = networks(&load(None, &[pools]).pools, &file, BTreeSet::new());
        let set = |name: &str| BTreeSet::from([name.to_owned()]);
        assert_eq!((found.providers, found.ruled), (set("aws"), set("gcp")));
    }
}
