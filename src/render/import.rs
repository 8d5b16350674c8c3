//! Unmanaged pools as a pool file that adopts them and changes nothing else.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::yaml;
use crate::config::DeclaredPool;
use crate::domain::duration;
use crate::domain::entity::{Entity, EntityKind, EntityRef};
use crate::domain::fleet::{Fleet, Proxy, Template};
use crate::domain::name::{GarmName, POOL_NAME_MAX, PoolId, PoolKind};
use crate::domain::pool::Pool;
use crate::domain::text;
use crate::policy::kit;

/// The maximum length of a generated name, without the number that distinguishes equal names.
const NAME_MAX: usize = 24;

/// Labels that do not describe the purpose of a pool.
const COMMON_LABELS: &[&str] = &[
    "self-hosted",
    "linux",
    "windows",
    "macos",
    "x64",
    "x86",
    "x86_64",
    "amd64",
    "i386",
    "386",
    "arm",
    "arm32",
    "arm64",
    "aarch64",
];

/// A pool to adopt.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolDraft {
    /// GARM's id of the pool.
    pub id: PoolId,
    pub name: String,
    /// The fields in the order of the file.
    pub fields: Vec<(&'static str, Value)>,
    /// Why the pool cannot be written as YAML; `None` if it can.
    pub obstacle: Option<String>,
}

impl PoolDraft {
    /// Names the GARM that has the pool.
    pub fn choose(&mut self, garm: &GarmName) {
        let after_names = self.fields.len().min(2);
        self.fields.insert(after_names, ("garm", json!(garm.as_str())));
    }

    /// Whether it has `extra_specs`, which may contain secrets.
    pub fn has_extra_specs(&self) -> bool {
        self.fields.iter().any(|(key, _)| *key == "extra_specs")
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut lead = LEAD;
        for (key, value) in &self.fields {
            let entry = Map::from_iter([((*key).to_owned(), value.clone())]);
            let block = yaml::block(&entry, 4);
            text.push_str(lead);
            text.push_str(block.trim_start());
            lead = "    ";
        }
        text
    }
}

/// The start of a list item.
const LEAD: &str = "  - ";

/// The comment at the top of the file. In this order of steps, no job waits longer than with GARM
/// alone.
pub const ORDER: &str = "\
# Adopt these pools with `runnerctl apply`, then turn `autoscale` on, then start `runnerctl watch`, and
# only then raise `controller.minimum_job_age_backoff`: until `watch` scales a pool, GARM alone starts
# its runners, and a longer backoff makes its jobs wait. A `max_queue_wait` below is GARM's backoff of
# today: with it no job waits longer under `watch` than it does now.
";

/// A pool file with these items, some of which may be comments.
pub fn file(items: &[String]) -> String {
    let has_pool = items.iter().any(|item| item.starts_with(LEAD));
    format!("pools:{}\n{}", if has_pool { "" } else { " []" }, items.join("\n"))
}

/// A draft of every unmanaged pool, in GARM's order. `taken` are the names in use. `base` is a
/// declared pool with only a name; of the less important fields, only those that differ from it are
/// written.
pub fn drafts(fleet: &Fleet, taken: &BTreeSet<String>, base: &DeclaredPool) -> Vec<PoolDraft> {
    let mut taken = taken.clone();
    let mut drafts = Vec::new();
    for pool in fleet.pools.iter().filter(|pool| pool.spec.labels.marks().is_empty()) {
        let name = free_name(&made_up_name(pool), &taken);
        taken.insert(name.clone());
        let fields = fields(&name, pool, fleet, base);
        let obstacle = obstacle(pool, fleet, base);
        drafts.push(PoolDraft { id: pool.id.clone(), name, fields, obstacle });
    }
    drafts
}

fn fields(
    name: &str,
    pool: &Pool,
    fleet: &Fleet,
    base: &DeclaredPool,
) -> Vec<(&'static str, Value)> {
    let spec = &pool.spec;
    // The runner kit is left out: it contains a private key, and a plan adds it again.
    let specs = kit::without(&spec.extra_specs);
    let mut fields = vec![("name", json!(name)), ("adopt", json!(pool.id.as_str()))];
    fields.extend(kind(name, pool, base));
    fields.extend(entity(pool, fleet));
    fields.extend([
        ("provider", json!(spec.provider)),
        ("image", json!(spec.image)),
        ("instance_type", json!(spec.flavor)),
        ("labels", spec.labels.iter().map(Value::from).collect()),
        ("default_labels", json!(false)),
        ("autoscale", json!(false)),
        ("min_idle_runners", json!(spec.min_idle_runners)),
        ("max_runners", json!(spec.max_runners)),
        ("runner_prefix", json!(spec.runner_prefix)),
    ]);
    let is_pool = pool.kind() == PoolKind::Pool;
    let garms = fleet.controller.backoff.max(Duration::from_secs(1));
    let minutes = |n: u32| duration::format(Duration::from_secs(u64::from(n) * 60));
    // The pool of a repository never has a runner group, even if the defaults name one.
    let is_repository = pool.entity.kind == EntityKind::Repository;
    let group = base.runner_group.as_deref().filter(|_| !is_repository);
    let template = fitting_template(pool, fleet);
    let named = template.filter(|template| base.template.is_some() || !template.is_system);
    let named = named.map(|named| named.name.as_str());
    let proxy = proxy(pool, fleet).map_or("", |proxy| &proxy.name);
    let differing = [
        (base.scale.min_runners != 0, "min_runners", json!(0)),
        (is_pool && has_longer_wait(base, garms), "max_queue_wait", json!(duration::format(garms))),
        (base.os_type != spec.os_type, "os_type", json!(spec.os_type)),
        (base.os_arch != spec.os_arch, "os_arch", json!(spec.os_arch)),
        (
            base.enabled.is_some_and(|enabled| enabled != spec.enabled),
            "enabled",
            json!(spec.enabled),
        ),
        (group.unwrap_or_default() != spec.runner_group, "runner_group", json!(spec.runner_group)),
        (
            base.bootstrap_timeout_min != spec.bootstrap_timeout_min,
            "bootstrap_timeout",
            json!(minutes(spec.bootstrap_timeout_min)),
        ),
        (is_pool && base.priority != spec.priority, "priority", json!(spec.priority)),
        (named.is_some() && named != base.template.as_deref(), "template", json!(named)),
        (base.proxy.as_deref().unwrap_or_default() != proxy, "proxy", json!(proxy)),
        (base.enable_shell != spec.enable_shell, "enable_shell", json!(spec.enable_shell)),
        (
            base.extra_specs != specs,
            "extra_specs",
            Value::Object(merged_away(&base.extra_specs, &specs)),
        ),
    ];
    fields
        .extend(differing.into_iter().filter(|field| field.0).map(|(_, key, value)| (key, value)));
    fields
}

/// Whether a job could wait longer under the defaults than with GARM alone, which starts a runner
/// after its backoff.
fn has_longer_wait(base: &DeclaredPool, garms: Duration) -> bool {
    garms.as_secs() <= duration::DURATION_MAX_S
        && base.scale.max_queue_wait.is_none_or(|max_queue_wait| max_queue_wait > garms)
}

/// The template, if it fits the system and the forge of the pool.
fn fitting_template<'f>(pool: &Pool, fleet: &'f Fleet) -> Option<&'f Template> {
    let entity = fleet.entities.iter().find(|entity| entity.key == pool.entity);
    let forge = entity.map_or("", |entity| &entity.forge);
    let template =
        fleet.templates.iter().find(|template| Some(template.id) == pool.spec.template_id);
    template.filter(|template| template.fits(&pool.spec.os_type, forge))
}

fn proxy<'f>(pool: &Pool, fleet: &'f Fleet) -> Option<&'f Proxy> {
    fleet.proxies.iter().find(|proxy| Some(proxy.id) == pool.spec.proxy_id)
}

/// Why the pool cannot be written as YAML: a default would change it, and no field can override
/// that default.
fn obstacle(pool: &Pool, fleet: &Fleet, base: &DeclaredPool) -> Option<String> {
    let is_lost = |default: &Option<String>, is_named: bool| default.is_some() && !is_named;
    let would = |key: &str| {
        Some(format!("no file can name its `{key}` in GARM, and `defaults.{key}` would change it"))
    };
    if is_lost(&base.template, fitting_template(pool, fleet).is_some()) {
        return would("template");
    }
    let has_proxy = pool.spec.proxy_id.is_some();
    if is_lost(&base.proxy, !has_proxy || proxy(pool, fleet).is_some()) {
        return would("proxy");
    }
    None
}

/// The pool's own settings, and `null` for each one that `defaults` would add.
fn merged_away(base: &Map<String, Value>, own: &Map<String, Value>) -> Map<String, Value> {
    let unwanted = base.keys().filter(|key| !own.contains_key(*key));
    unwanted.map(|key| (key.clone(), Value::Null)).chain(own.clone()).collect()
}

/// The kind, and the name of a scale set where it is not the pool's.
fn kind(name: &str, pool: &Pool, base: &DeclaredPool) -> Vec<(&'static str, Value)> {
    let mut fields = Vec::new();
    if pool.kind() != base.kind || pool.kind() == PoolKind::ScaleSet {
        fields.push(("kind", json!(pool.kind().word())));
    }
    let set_name = pool.spec.scale_set_name.as_deref();
    if let Some(requested) = set_name.filter(|requested| *requested != name) {
        fields.push(("scale_set_name", json!(requested)));
    }
    fields
}

/// The field for the entity, and `endpoint` if the name is ambiguous.
fn entity(pool: &Pool, fleet: &Fleet) -> Vec<(&'static str, Value)> {
    let listed: Option<&Entity> = fleet.entities.iter().find(|entity| entity.key == pool.entity);
    let kind = pool.entity.kind;
    let name = listed.map_or(&pool.entity_name, |entity| &entity.name).clone();
    let bare = EntityRef { kind, name: name.clone(), endpoint: None };
    let mut fields = vec![(kind.word(), json!(name))];
    if fleet.entities_named(&bare).len() > 1 {
        let endpoint = listed.map_or(&pool.endpoint, |entity| &entity.endpoint);
        fields.push(("endpoint", json!(endpoint)));
    }
    fields
}

/// A pool name from the first descriptive label, or else from the flavor.
fn made_up_name(pool: &Pool) -> String {
    let says_something = |text: &&str| !text.is_empty() && !COMMON_LABELS.contains(text);
    let label = || pool.spec.labels.keys().find(says_something);
    let word = pool.spec.scale_set_name.as_deref().or_else(label).unwrap_or(&pool.spec.flavor);
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = word.to_lowercase().chars().map(plain).collect();
    let cut: String = name.trim_matches('-').chars().take(NAME_MAX).collect();
    match cut.trim_end_matches('-') {
        "" => "pool".to_owned(),
        name => name.to_owned(),
    }
}

fn free_name(wanted: &str, taken: &BTreeSet<String>) -> String {
    if !taken.contains(wanted) {
        return wanted.to_owned();
    }
    (2_u64..)
        .map(|number| {
            let suffix = format!("-{number}");
            let room = POOL_NAME_MAX.saturating_sub(suffix.len());
            let stem: String = wanted.chars().take(room).collect();
            format!("{}{suffix}", stem.trim_end_matches('-'))
        })
        .find(|name| !taken.contains(name))
        .expect("there are more numbers than names taken")
}

/// A comment in place of a pool that cannot be written as YAML.
pub fn left_out(draft: &PoolDraft, why: &str) -> String {
    let id = text::quote(draft.id.as_str());
    let comment = format!("{id} ({}) is omitted: {}", draft.name, text::quote(why));
    // GitHub Actions reads `##[` anywhere in a line of a log as a command.
    format!("  # {}\n", comment.replace("##", "#\\u{23}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::entity::PoolManager;
    use crate::domain::name::PoolName;
    use crate::scaling::testing::{fleet, pool, settings};

    /// A declared pool with only a name.
    fn base() -> DeclaredPool {
        let mut settings = settings("probe");
        settings.scale.min_runners = 0;
        DeclaredPool { garm: None, entity: None, provider: None, image: None, settings }
    }

    fn by_hand(id: &str, labels: &[&str]) -> Pool {
        let mut pool = pool(id, &[]);
        pool.spec.labels = labels.iter().copied().collect();
        pool.spec.runner_prefix = "garm".into();
        pool
    }

    fn written(fleet: &Fleet, base: &DeclaredPool) -> String {
        let items: Vec<String> =
            drafts(fleet, &BTreeSet::new(), base).iter().map(PoolDraft::text).collect();
        file(&items)
    }

    #[test]
    fn an_unmanaged_pool_is_written_and_managed_pools_are_left_out() {
        let mut other = pool("theirs", &["x"]);
        other.spec.labels.insert("runnerctl=other/x");
        let fleet =
            fleet(0, vec![by_hand("p1", &["Linux", "GPU", "self-hosted"]), other], vec![], vec![]);
        insta::assert_snapshot!(written(&fleet, &base()), @r"
            pools:
              - name: gpu
                adopt: p1
                organization: acme
                provider: lab
                image: image
                instance_type: flavor
                labels: [GPU, Linux, self-hosted]
                default_labels: false
                autoscale: false
                min_idle_runners: 0
                max_runners: 20
                runner_prefix: garm
            ");
    }

    #[test]
    fn differences_from_the_defaults_are_written_and_their_additions_removed() {
        let mut odd = by_hand("p2", &["ubuntu:24.04"]);
        odd.spec.enabled = false;
        odd.spec.os_type = "windows".into();
        odd.spec.runner_group = "Large machines".into();
        odd.spec.bootstrap_timeout_min = 75;
        odd.spec.priority = 3;
        odd.spec.template_id = Some(7);
        odd.spec.min_idle_runners = 2;
        odd.spec.extra_specs =
            serde_json::from_value(json!({"disk": {"size": 20}, "tags": ["a"]})).unwrap();
        let mut fleet = fleet(0, vec![odd], vec![], vec![]);
        fleet.templates = vec![Template {
            id: 7,
            name: "mine".into(),
            os_type: "windows".into(),
            forge: "github".into(),
            is_system: false,
        }];
        let mut base = base();
        base.settings.scale.min_runners = 1;
        base.settings.template = Some("theirs".into());
        base.settings.extra_specs = serde_json::from_value(json!({"network": "prod"})).unwrap();
        insta::assert_snapshot!(written(&fleet, &base), @r#"
            pools:
              - name: ubuntu-24-04
                adopt: p2
                organization: acme
                provider: lab
                image: image
                instance_type: flavor
                labels: ["ubuntu:24.04"]
                default_labels: false
                autoscale: false
                min_idle_runners: 2
                max_runners: 20
                runner_prefix: garm
                min_runners: 0
                os_type: windows
                enabled: false
                runner_group: "Large machines"
                bootstrap_timeout: "1h15m"
                priority: 3
                template: mine
                extra_specs:
                  disk:
                    size: 20
                  network: null
                  tags: [a]
            "#);
    }

    /// Without it, a single job waited for 2m 15s, against 45 s with GARM alone.
    #[test]
    fn garms_backoff_becomes_max_queue_wait() {
        let wait = |backoff: u64, own: Option<u64>| {
            let mut fleet = fleet(0, vec![by_hand("p1", &["x"])], vec![], vec![]);
            fleet.controller.backoff = Duration::from_secs(backoff);
            let mut base = base();
            base.settings.scale.max_queue_wait = own.map(Duration::from_secs);
            let text = written(&fleet, &base);
            text.lines()
                .find_map(|line| Some(line.trim().strip_prefix("max_queue_wait: ")?.to_owned()))
        };
        assert_eq!(wait(30, Some(120)).as_deref(), Some("\"30s\""));
        assert_eq!(wait(0, Some(120)).as_deref(), Some("\"1s\""));
        assert_eq!(wait(300, None).as_deref(), Some("\"5m\""));
        assert_eq!(
            [wait(300, Some(120)), wait(30, Some(20)), wait(9_223_372_036, None)],
            [None, None, None]
        );
    }

    /// The kit contains a key, and a fleet file with `runner_mtls` adds it again.
    #[test]
    fn the_runner_kit_is_left_out() {
        let mut kept = by_hand("p1", &["x"]);
        kept.spec.extra_specs = serde_json::from_value(json!({
            "pre_install_scripts": { "00-runnerctl": "canary", "10-own": "eA==" }
        }))
        .unwrap();
        let mut bare = by_hand("p2", &["y"]);
        bare.spec.extra_specs = serde_json::from_value(json!({
            "pre_install_scripts": { "00-runnerctl": "canary" }
        }))
        .unwrap();
        let text = written(&fleet(0, vec![kept, bare], vec![], vec![]), &base());
        assert!(!text.contains("canary") && !text.contains("00-runnerctl"), "{text}");
        assert_eq!(text.matches("10-own").count(), 1, "{text}");
        assert_eq!(text.matches("extra_specs").count(), 1, "{text}");
    }

    #[test]
    fn an_endpoint_is_written_only_for_an_ambiguous_name() {
        let at = |endpoint: &str| Entity {
            key: crate::domain::entity::EntityKey {
                kind: EntityKind::Organization,
                id: crate::domain::name::EntityId::new(endpoint),
            },
            name: "acme".into(),
            endpoint: endpoint.into(),
            credentials: String::new(),
            manager: PoolManager::Running,
            forge: String::new(),
            agent_mode: false,
        };
        let (mut here, mut there) = (by_hand("p1", &["a"]), by_hand("p2", &["b"]));
        here.entity = at("github.com").key;
        there.entity = at("ghes").key;
        let mut fleet = fleet(0, vec![here, there], vec![], vec![]);
        fleet.entities = vec![at("github.com")];
        assert_eq!(entity(&fleet.pools[0], &fleet), [("organization", json!("acme"))]);
        fleet.entities.push(at("ghes"));
        assert_eq!(
            entity(&fleet.pools[1], &fleet),
            [("organization", json!("acme")), ("endpoint", json!("ghes"))]
        );
    }

    #[test]
    fn names_are_made_from_the_first_descriptive_label() {
        let name = |labels: &[&str]| made_up_name(&by_hand("p", labels));
        assert_eq!(name(&["self-hosted", "X64", "Zeta", "beta"]), "beta");
        assert_eq!(name(&["linux", "x64"]), "flavor");
        assert_eq!(name(&["Team A/Big"]), "team-a-big");
        assert_eq!(name(&["---"]), "pool");
        let taken = BTreeSet::from(["a".to_owned(), "a-2".to_owned()]);
        assert_eq!(free_name("a", &taken), "a-3");
    }

    proptest! {
        #[test]
        fn every_made_up_name_keeps_the_rules_for_names(label in "\\PC{0,40}", used in 0_usize..30) {
            let mut taken = BTreeSet::new();
            for _ in 0..=used {
                let name = free_name(&made_up_name(&by_hand("p", &[&label])), &taken);
                prop_assert!(PoolName::new(&name).is_ok(), "{name}");
                prop_assert!(taken.insert(name));
            }
        }
    }
}
