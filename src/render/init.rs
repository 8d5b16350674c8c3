//! The files that `init` writes.

use super::yaml::inline;
use crate::domain::entity::EntityRef;

/// What the files of a new fleet say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFleet {
    /// Name of the fleet, part of the owner label of its pools.
    pub name: String,
    pub garm: NewGarm,
    pub entity: EntityRef,
    pub provider: String,
    pub image: String,
    pub instance_type: String,
    /// Name of the first pool; jobs request it as their `runs-on` label.
    pub pool: String,
}

/// How a new fleet connects to GARM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGarm {
    pub url: String,
    /// Whether the URL is allowed to be `http://` beyond loopback.
    pub insecure_http: bool,
    pub username: String,
    /// A reference to the administrator's password, such as `env:GARM_PASSWORD`.
    pub password: String,
    /// The CA of GARM's certificate, relative to the fleet file; `None` for the system's roots.
    pub ca: Option<String>,
}

impl NewGarm {
    /// The mapping `garm` of the fleet file.
    pub fn text(&self) -> String {
        let ca = self.ca.as_ref();
        let ca = ca.map_or_else(String::new, |path| format!("  tls:\n    ca: {}\n", scalar(path)));
        format!(
            "\
garm:
  url: {url}
{insecure_http}  username: {username}
  # A reference: env:NAME, file:PATH, vault:PATH#FIELD or exec:COMMAND. Never the password itself.
  password: {password}
{ca}",
            url = scalar(&self.url),
            insecure_http = if self.insecure_http { INSECURE_HTTP } else { "" },
            username = scalar(&self.username),
            password = scalar(&self.password),
        )
    }
}

/// What allows plain HTTP beyond loopback.
const INSECURE_HTTP: &str = "\
  # Password and tokens are sent unencrypted. Remove this once GARM is served over TLS.
  insecure_http: true
";

fn scalar(text: &str) -> String {
    inline(&text.into())
}

/// A file that `init` writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Relative to the folder of the fleet.
    pub path: String,
    pub text: String,
    pub if_present: IfPresent,
}

/// What happens if the file is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfPresent {
    /// `init` refuses to write anything.
    Refuse,
    /// The file stays as it is.
    Keep,
    /// It was made by `init` or `schema`, so it is written again.
    Replace,
}

/// Path of the fleet file.
pub const FLEET_FILE: &str = "runnerctl.yaml";

/// What no fleet's repository should contain.
const GITIGNORE: &str = "\
# Secrets, and plans that are saved for one `apply`
*.password
*.pem
*.key
*.plan
";

/// A workflow for GitHub Actions that checks pull requests and applies what is merged.
const WORKFLOW: &str = include_str!("init/workflow.yaml");

/// Every file of a new fleet. The schemas are those of pool files and of the fleet file, as JSON.
pub fn files(fleet: &NewFleet, pool_schema: &str, fleet_schema: &str) -> Vec<NewFile> {
    let file =
        |path: &str, text: String, if_present| NewFile { path: path.into(), text, if_present };
    vec![
        file(FLEET_FILE, fleet_file(fleet), IfPresent::Refuse),
        file(&format!("pools/{}.yaml", fleet.pool), pool_file(fleet), IfPresent::Refuse),
        file(".gitignore", GITIGNORE.into(), IfPresent::Keep),
        file(".github/workflows/runnerctl.yaml", WORKFLOW.into(), IfPresent::Keep),
        file(".schema/fleet.json", fleet_schema.into(), IfPresent::Replace),
        file(".schema/pool.json", pool_schema.into(), IfPresent::Replace),
    ]
}

fn fleet_file(fleet: &NewFleet) -> String {
    let entity = &fleet.entity;
    let endpoint = entity.endpoint.as_ref();
    let endpoint =
        endpoint.map_or_else(String::new, |name| format!("  endpoint: {}\n", scalar(name)));
    format!(
        "\
# yaml-language-server: $schema=.schema/fleet.json
#
# Where the fleet runs, and what all its pools share. `runnerctl plan` shows what would change in
# GARM; nothing changes before `runnerctl apply`.

# Part of the label by which runnerctl recognizes its pools in GARM. Do not change it later.
fleet: {name}

{garm}
# GARM by itself starts a runner for every job that has waited for 30 s. Once `runnerctl watch` scales the
# pools, make that the safety net:
#
# controller:
#   minimum_job_age_backoff: 5m

# Any field of a pool; a pool may set its own value.
defaults:
  {kind}: {entity}
{endpoint}  provider: {provider}
  image: {image}

# `runnerctl watch`: where it serves the status page, metrics and health.
watch:
  listen: 127.0.0.1:9477

# Where alerts go:
#
# receivers:
#   oncall:
#     alertmanager: {{ url: https://alertmanager.example.com }}
",
        name = scalar(&fleet.name),
        garm = fleet.garm.text(),
        kind = entity.kind.word(),
        entity = scalar(&entity.name),
        provider = scalar(&fleet.provider),
        image = scalar(&fleet.image),
    )
}

fn pool_file(fleet: &NewFleet) -> String {
    format!(
        "\
# yaml-language-server: $schema=../.schema/pool.json
#
# A pool of runners. A job runs here if its `runs-on` names no other labels than the pool's.
# `runnerctl explain pool` lists every field.
pools:
  - name: {pool}
    labels: [{pool}]
    instance_type: {instance_type}
    min_runners: 0
    max_runners: 10
    # Start runners when more than 5 jobs have waited for 30 s, or any job for 2 minutes.
    scale_up_threshold: 5
    scale_up_delay: 30s
    max_queue_wait: 2m
    # Remove a runner that has been idle for 10 minutes.
    scale_down_delay: 10m
",
        pool = scalar(&fleet.pool),
        instance_type = scalar(&fleet.instance_type),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Problem, Severity, SourceFile, load};
    use crate::domain::desired::Scope;
    use crate::domain::entity::EntityKind;

    fn fleet() -> NewFleet {
        NewFleet {
            name: "acme".into(),
            garm: NewGarm {
                url: "https://garm.example.com".into(),
                insecure_http: false,
                username: "admin".into(),
                password: "env:GARM_PASSWORD".into(),
                ca: None,
            },
            entity: EntityRef {
                kind: EntityKind::Organization,
                name: "acme".into(),
                endpoint: None,
            },
            provider: "aws".into(),
            image: "ami-0123456789abcdef0".into(),
            instance_type: "m5.large".into(),
            pool: "default".into(),
        }
    }

    #[test]
    fn the_files_of_a_new_fleet() {
        let files = files(&fleet(), "{}", "{}");
        let shown: Vec<String> = files
            .iter()
            .filter(|file| file.if_present == IfPresent::Refuse)
            .map(|file| format!("--- {}\n{}", file.path, file.text))
            .collect();
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn a_new_fleet_is_complete_and_has_no_problem_whatever_its_values_are() {
        let odd = NewFleet {
            garm: NewGarm {
                url: "http://garm:9997".into(),
                insecure_http: true,
                ca: Some("a b/ca: #.pem".into()),
                ..fleet().garm
            },
            entity: EntityRef {
                kind: EntityKind::Repository,
                name: "acme/on".into(),
                endpoint: Some("github.com".into()),
            },
            provider: "no".into(),
            image: "ubuntu:24.04 # {x}".into(),
            instance_type: "12".into(),
            pool: "null".into(),
            ..fleet()
        };
        for fleet in [fleet(), odd] {
            let sources: Vec<SourceFile> = files(&fleet, "{}", "{}")
                .into_iter()
                .filter(|file| file.if_present == IfPresent::Refuse)
                .map(|file| SourceFile { path: file.path, text: file.text })
                .collect();
            let manifest = load(Some(&sources[0]), &sources[1..]);
            let errors =
                manifest.problems.iter().filter(|problem| problem.severity == Severity::Error);
            assert_eq!(errors.collect::<Vec<_>>(), Vec::<&Problem>::new());
            let desired = manifest.complete(Scope::Whole).unwrap();
            let pool = &desired.pools[0];
            assert_eq!(
                (pool.provider.as_str(), pool.image.as_str(), pool.instance_type.as_str()),
                (fleet.provider.as_str(), fleet.image.as_str(), fleet.instance_type.as_str())
            );
            assert_eq!((&pool.entity, pool.name.as_str()), (&fleet.entity, fleet.pool.as_str()));
        }
    }
}
