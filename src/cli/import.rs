//! `import`: prints unmanaged pools as a pool file on stdout.

use std::collections::BTreeSet;

use crate::config::{self, DeclaredPool, FleetFile, Manifest, Severity, SourceFile};
use crate::domain::entity::{EntityKey, EntityKind};
use crate::domain::fleet::Fleet;
use crate::domain::name::{GarmName, PoolId, PoolKind};
use crate::domain::owners::AdoptedSets;
use crate::domain::text::{self, LISTED_MAX, code};
use crate::garm::{GarmClient, UnknownPoolData};
use crate::host::clock::Clock;
use crate::host::files;
use crate::reconcile::read_fleet::{FleetRequest, SpecsRequest, TemplatesRequest, read_fleet};
use crate::render::import::{ORDER, PoolDraft, drafts, file, left_out};
use crate::render::style::{HELP, WARNING, paint};
use crate::render::words::count;

use super::args::ImportArgs;
use super::connect::connect;
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::garms;
use super::load::{missing_fleet_file, stop_at};
use super::paths::FilePaths;
use super::prepare::log_fleet;
use super::spinner::reading;

/// A pool with required fields only: merged with `defaults` it shows which fields an imported pool
/// can leave out.
fn probe(garm: Option<&GarmName>) -> String {
    let garm = garm.map_or_else(String::new, |garm| format!(", garm: {garm}"));
    format!("pools: [{{ name: probe, instance_type: probe, max_runners: 1{garm} }}]\n")
}

/// The GARM to read, if the fleet file has `garms`.
fn chosen(source: &SourceFile, args: &ImportArgs) -> Result<Option<GarmName>, Failure> {
    let files: Vec<FleetFile> = config::load(Some(source), &[]).fleet_files().cloned().collect();
    let what = "`import` prints the pools of one GARM";
    let file = garms::only(&files, args.garm.name.as_ref(), what)?;
    Ok(file.and_then(|file| file.garm.name.clone()))
}

/// The GARM of a pool that names none.
fn usual(source: &SourceFile) -> Option<GarmName> {
    load(source, &probe(None)).pools.first().and_then(|pool| pool.garm.clone())
}

pub async fn run(args: &ImportArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    let places = cx.settings.paths.clone();
    let source = fleet_source(&places, cx)?;
    let garm = chosen(&source, args)?;
    let probed = load(&source, &probe(garm.as_ref()));
    let errors = probed.problems.iter().filter(|problem| problem.severity == Severity::Error);
    stop_at(&errors.cloned().collect::<Vec<_>>(), cx)?;
    // Left out where the file would choose this GARM anyway.
    let written = garm.as_ref().filter(|garm| usual(&source).as_ref() != Some(garm));
    let probed = probed.per_garm().into_iter().find(|own| !own.pools.is_empty()).unwrap_or(probed);
    let (settings, base) = parts(&probed)?;
    let client = connect(settings, places.base(), cx)?;
    let mut fleet = reading(&client.address(), read(&client), cx).await?;
    log_fleet(&fleet);
    let beyond = UndeclarableSettings::read(&client, &fleet).await?;
    let declared = declared_pools(&source, &places);
    let own = declared.iter().filter(|pool| pool.garm == garm);
    let adopted = AdoptedSets::of(own.map(|pool| &pool.settings));
    fleet.pools.retain(|pool| adopted.name(&pool.id).is_none());
    let mut taken: BTreeSet<String> = declared.iter().map(|pool| pool.name.to_string()).collect();
    taken.extend(owned_names(&fleet, settings));
    let mut drafts = drafts(&fleet, &taken, base);
    if let Some(garm) = written {
        drafts.iter_mut().for_each(|draft| draft.choose(garm));
    }
    let checked = checked(&drafts, &source);
    let order = if checked.taken.is_empty() { "" } else { ORDER };
    cx.print.raw(&format!("{order}{}", file(&checked.items)))?;
    tell(&drafts, &checked.taken, cx);
    beyond.tell(&checked.taken, cx);
    Ok(Exit::Done)
}

fn fleet_source(places: &FilePaths, cx: Context<'_>) -> Result<SourceFile, Failure> {
    let start = places.fleet.as_ref().ok_or_else(missing_fleet_file)?;
    files::read_fleet(start).or_else(|problem| {
        stop_at(&[problem], cx)?;
        Err(missing_fleet_file())
    })
}

fn load(fleet: &SourceFile, pools: &str) -> Manifest {
    let pools = SourceFile { path: "import".into(), text: pools.to_owned(), folder: None };
    config::load(Some(fleet), &[pools])
}

fn parts(probed: &Manifest) -> Result<(&FleetFile, &DeclaredPool), Failure> {
    match (&probed.fleet_file, probed.pools.first()) {
        (Some(settings), Some(base)) => Ok((settings, base)),
        (None, _) => Err(missing_fleet_file()),
        // Invalid `defaults` have been reported as errors before.
        (Some(_), None) => {
            Err(Failure::input("no valid pool can be made from `defaults` in the fleet file"))
        }
    }
}

/// Reads the pools, the entities of every kind, the proxies, and the templates if this GARM has
/// any.
async fn read(client: &GarmClient) -> Result<Fleet, Failure> {
    let ask = FleetRequest {
        kinds: EntityKind::ALL.to_vec(),
        templates: TemplatesRequest::IfSupported,
        proxies: true,
        specs: SpecsRequest::Unowned,
        ..FleetRequest::default()
    };
    Ok(read_fleet(client, &ask, &Clock::Real).await?)
}

/// Settings of pools in GARM that a pool file cannot declare. Each is left as it is, with a
/// warning.
struct UndeclarableSettings {
    /// Unknown keys in GARM's list of pools.
    unknown: UnknownPoolData,
    /// Pools whose `extra_specs` is not a mapping.
    without_map: Vec<PoolId>,
}

impl UndeclarableSettings {
    async fn read(client: &GarmClient, fleet: &Fleet) -> Result<Self, Failure> {
        let unowned = fleet.pools.iter().filter(|pool| pool.spec.labels.marks().is_empty());
        let bare = unowned
            .filter(|pool| pool.spec.extra_specs.is_empty() && pool.kind() == PoolKind::Pool);
        let entities: BTreeSet<&EntityKey> = bare.map(|pool| &pool.entity).collect();
        let mut without_map = Vec::new();
        for entity in entities {
            without_map.extend(client.without_map(entity).await?);
        }
        Ok(Self { unknown: client.unknown_of_pools().await?, without_map })
    }

    fn tell(&self, taken: &[&PoolDraft], cx: Context<'_>) {
        let warn = |text: String| cx.print.say(&format!("{} {text}", paint(WARNING, "warning:")));
        let odd: Vec<String> = taken
            .iter()
            .filter(|pool| self.without_map.contains(&pool.id))
            .map(|pool| code(&pool.name))
            .collect();
        if !odd.is_empty() {
            let names = text::list(&odd, LISTED_MAX);
            warn(format!(
                "`extra_specs` of {names} is not a mapping in GARM and cannot be written as YAML: it stays as it is until the pool file sets another value"
            ));
        }
        if self.unknown.of_servers > 0 {
            let pools = count(self.unknown.of_servers, "pool");
            warn(format!(
                "{pools} of whole Gitea servers cannot be declared in a pool file and are left out"
            ));
        }
        if !self.unknown.keys.is_empty() {
            let keys = text::list(self.unknown.keys.iter().map(code), LISTED_MAX);
            warn(format!(
                "this GARM's pools have {keys}, which this version of runnerctl does not know: such settings stay as they are, and are lost when a pool is replaced"
            ));
        }
    }
}

/// The pools in the files. Without pool files, or with invalid ones, none are known; the next `plan`
/// reports a duplicate name.
fn declared_pools(fleet: &SourceFile, places: &FilePaths) -> Vec<DeclaredPool> {
    let pools = files::read_pools(std::slice::from_ref(&places.pools));
    config::load(Some(fleet), &pools.sources).pools
}

/// Names in the marks of this fleet's pools in GARM.
fn owned_names(fleet: &Fleet, settings: &FleetFile) -> Vec<String> {
    let marks = fleet.pools.iter().flat_map(|pool| pool.spec.labels.marks());
    marks
        .filter(|mark| mark.fleet() == settings.fleet.as_str())
        .map(|mark| mark.pool().to_owned())
        .collect()
}

#[derive(Default)]
struct CheckedDrafts<'a> {
    /// One list item for each draft, or a comment in its place.
    items: Vec<String>,
    /// The drafts that became list items.
    taken: Vec<&'a PoolDraft>,
}

/// Writes each draft as YAML that the decoder accepts, or as a comment that says why it does not.
fn checked<'a>(drafts: &'a [PoolDraft], fleet: &SourceFile) -> CheckedDrafts<'a> {
    let mut checked = CheckedDrafts::default();
    for draft in drafts {
        if let Some(obstacle) = &draft.obstacle {
            checked.items.push(left_out(draft, obstacle));
            continue;
        }
        let item = draft.text();
        let read = load(fleet, &file(std::slice::from_ref(&item)));
        match read.problems.iter().find(|problem| problem.severity == Severity::Error) {
            None => {
                checked.items.push(item);
                checked.taken.push(draft);
            }
            Some(problem) => checked.items.push(left_out(draft, &problem.message)),
        }
    }
    checked
}

fn tell(drafts: &[PoolDraft], taken: &[&PoolDraft], cx: Context<'_>) {
    if drafts.is_empty() {
        cx.print.say("nothing to import: every pool in this GARM belongs to a fleet");
        return;
    }
    let refused = drafts.len() - taken.len();
    if refused > 0 {
        let text =
            format!("{} cannot be written as YAML: the comments say why", count(refused, "pool"));
        cx.print.say(&format!("{} {text}", paint(WARNING, "warning:")));
    }
    let with_specs: Vec<String> = taken
        .iter()
        .filter(|pool| pool.has_extra_specs())
        .map(|pool| format!("`{}`", text::quote(&pool.name)))
        .collect();
    if !with_specs.is_empty() {
        cx.print.say(&format!(
            "{} `extra_specs` of {} is printed in full and may contain secrets: review it before you \
             commit it",
            paint(WARNING, "warning:"),
            text::list(&with_specs, LISTED_MAX),
        ));
    }
    if !taken.is_empty() {
        cx.print.say(&format!(
            "{} save this as a file in `pools/`; `runnerctl apply` then adopts {}",
            paint(HELP, "help:"),
            count(taken.len(), "pool"),
        ));
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::select;
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::desired::Scope;
    use crate::plan::{Action, PlanOptions, plan};
    use crate::reconcile::read_fleet::DeclaredIdentity;
    use crate::sim::in_memory::InMemoryWorld;
    use crate::sim::{ApiRequest, SimConfig, World};

    /// Sends a request, which must succeed, and returns the answer.
    fn ask(world: &mut World, method: &str, path: &str, body: &str) -> Value {
        let token = format!("Bearer {}", world.admin_token());
        let authorization = Some(token.as_str());
        let reply = world.handle(ApiRequest { method, path, authorization, body: body.as_bytes() });
        assert_eq!(reply.status, 200, "{method} {path} {body}: {}", reply.body);
        serde_json::from_str(&reply.body).unwrap_or(Value::Null)
    }

    /// A pool made by hand: the body of its POST, the body of a PUT, and whether no pool file can
    /// declare it.
    #[derive(Debug, Clone)]
    struct ByHand {
        at: &'static str,
        post: Value,
        /// Text, since its numbers may have any number of digits.
        specs: &'static str,
        put: Value,
        is_odd: bool,
    }

    const SPECS: &[&str] = &[
        "null",
        "{}",
        r#"{"n":12345678901234567890123,"v":1.10,"e":1e400,"neg":-0.5}"#,
        r#"{"disk":20,"network":"prod","a b: c":"no","<<":"- x","":"  "}"#,
        r#"{"network":null,"deep":{"list":[{"a":[]},[1,[]],{}],"t":"a\nb\u202e"}}"#,
        r#"{"on":"off","1":"1","~":"~","k":"0x1F","s":"${HOME} #{x} # y","m":"a: b"}"#,
        r#"[1,2]"#,
        r#""text""#,
    ];

    fn tags() -> impl Strategy<Value = (Vec<String>, bool)> {
        let plain =
            vec(select(std::vec!["x", "Linux", "ubuntu:24.04", "a b", "größe", "no"]), 1..4);
        let plain =
            plain.prop_map(|labels| (labels.into_iter().map(str::to_owned).collect(), false));
        let odd = select(std::vec!["", " x", "a,b", "runner-pool-id=x", "a\nb"]);
        let many = || (0..98).map(|number| format!("t{number}")).collect::<Vec<_>>();
        prop_oneof![
            8 => plain,
            1 => odd.prop_map(|label| (std::vec![label.to_owned()], true)),
            1 => Just((many(), true)),
        ]
    }

    fn by_hand() -> impl Strategy<Value = ByHand> {
        let at = select(std::vec!["organizations", "repositories"]);
        let texts = (
            select(std::vec!["ubuntu:24.04", "img-1", "off", "12"]),
            select(std::vec!["small", "n2 big", "{x}"]),
            select(std::vec!["", "garm", "team a", "Big_1"]),
            select(std::vec!["", "builders", "Large machines", "~"]),
        );
        let numbers = (1..2_000_u32, 0..2_u32, 0..60_u32, 0..9_u32);
        let switches = (any::<bool>(), any::<bool>(), 0..3_u64, select(std::vec![2_u64, 5]));
        let put = prop_oneof![
            10 => Just((json!({}), false)),
            1 => Just((json!({ "os_type": "macos" }), false)),
            1 => Just((json!({ "os_arch": "i386" }), false)),
            1 => Just((json!({ "os_type": "plan9" }), true)),
            1 => Just((json!({ "max_runners": 0, "min_idle_runners": 0 }), true)),
            1 => Just((json!({ "runner_prefix": "p".repeat(60) }), true)),
            1 => Just((json!({ "github-runner-group": "" }), false)),
            1 => Just((json!({ "os_type": "windows" }), false)),
        ];
        let specs = select(SPECS.to_vec());
        (at, tags(), texts, numbers, switches, specs, put).prop_map(
            |(
                at,
                (tags, odd_tags),
                (image, flavor, prefix, group),
                numbers,
                switches,
                specs,
                put,
            )| {
                let (max, idle, timeout, priority) = numbers;
                let (enabled, enable_shell, proxy, template) = switches;
                let post = json!({
                    "provider_name": "sim", "image": image, "flavor": flavor, "tags": tags,
                    "os_type": "linux", "os_arch": "arm64", "runner_prefix": prefix,
                    "github-runner-group": group, "max_runners": max, "min_idle_runners": idle,
                    "runner_bootstrap_timeout": timeout, "priority": priority, "enabled": enabled,
                    "enable_shell": enable_shell, "proxy_id": proxy, "template_id": template,
                });
                ByHand { at, post, specs, put: put.0, is_odd: odd_tags || put.1 }
            },
        )
    }

    fn defaults() -> impl Strategy<Value = Value> {
        let text = |all: &[&'static str]| option::of(select(all.to_vec()));
        let words = (
            text(&["builders", "other", ""]),
            text(&["Squid", ""]),
            text(&["github_linux", "mine"]),
            text(&["windows"]),
            text(&["pre"]),
        );
        let enabled = option::of(select(std::vec![json!(true), json!(false), json!("unmanaged")]));
        let specs = option::of(select(std::vec![
            json!({ "network": "prod" }),
            json!({ "disk": 20, "own": { "a": 1 } }),
        ]));
        let numbers = option::of((1..9_u32, 1..3_u32));
        (words, enabled, specs, numbers, any::<bool>()).prop_map(
            |((group, proxy, template, os, prefix), enabled, specs, numbers, labels)| {
                let mut all = serde_json::Map::new();
                let mut set = |key: &str, value: Option<Value>| {
                    value.map(|value| all.insert(key.to_owned(), value));
                };
                set("runner_group", group.map(Value::from));
                set("proxy", proxy.map(Value::from));
                set("template", template.map(Value::from));
                set("os_type", os.map(Value::from));
                set("runner_prefix", prefix.map(Value::from));
                set("enabled", enabled);
                set("extra_specs", specs);
                set("priority", numbers.map(|numbers| numbers.0.into()));
                set("min_runners", numbers.map(|numbers| numbers.1.into()));
                set("min_idle_runners", numbers.map(|numbers| numbers.1.into()));
                set("enable_shell", numbers.map(|numbers| (numbers.0 > 4).into()));
                set("bootstrap_timeout", numbers.map(|numbers| format!("{}m", numbers.0).into()));
                set("labels", labels.then(|| json!(["self-hosted"])));
                Value::Object(all)
            },
        )
    }

    /// A GARM with these pools, two proxies and an additional template.
    fn world(pools: &[ByHand]) -> World {
        let mut world = World::new(SimConfig { backoff: 86_400, ..SimConfig::default() });
        for name in ["Squid", "other"] {
            let proxy = json!({ "name": name, "http_proxy": "http://10.0.0.1:3128" });
            ask(&mut world, "POST", "/proxies", &proxy.to_string());
        }
        world.add_template("mine", "linux");
        for pool in pools {
            let entity = ask(&mut world, "GET", &format!("/{}", pool.at), "")[0]["id"].take();
            let path = format!("/{}/{}/pools", pool.at, entity.as_str().unwrap_or_default());
            let specs = format!(r#"{{"extra_specs":{},"#, pool.specs);
            let post = pool.post.to_string().replacen('{', &specs, 1);
            let made = ask(&mut world, "POST", &path, &post);
            let path = format!("/pools/{}", made["id"].as_str().unwrap_or_default());
            ask(&mut world, "PUT", &path, &pool.put.to_string());
        }
        world
    }

    async fn check(pools: &[ByHand], defaults: &Value) -> Result<(), TestCaseError> {
        let client = InMemoryWorld::new(world(pools)).client();
        let text = json!({
            "fleet": "acme", "garm": { "url": "https://garm.example.com", "password": "env:P" },
            "defaults": defaults,
        });
        let source =
            SourceFile { path: "runnerctl.yaml".into(), text: text.to_string(), folder: None };
        let probed = load(&source, &probe(None));
        let Ok((_, base)) = parts(&probed) else { panic!("{:#?}", probed.problems) };
        let Ok(fleet) = read(&client).await else { panic!("GARM answers") };
        let drafts = drafts(&fleet, &BTreeSet::new(), base);
        let checked = checked(&drafts, &source);
        let text = file(&checked.items);
        let manifest = load(&source, &text);
        let errors: Vec<_> = manifest
            .problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
            .collect();
        prop_assert!(errors.is_empty(), "{text}\n{errors:#?}");
        for (draft, by_hand) in drafts.iter().zip(pools) {
            let is_taken = checked.taken.iter().any(|pool| pool.id == draft.id);
            // A pool file cannot name a template for another system, but it can leave the template
            // out.
            let is_unfit = by_hand.put["os_type"] != Value::Null;
            let is_out = by_hand.is_odd || is_unfit && !defaults["template"].is_null();
            prop_assert_eq!(is_taken, !is_out, "{}", &text);
        }
        let desired = manifest.complete(Scope::Whole).unwrap();
        let claim = |pool: &DeclaredPool| DeclaredIdentity {
            name: pool.name.clone(),
            adopt: pool.adopt.clone(),
            entity: pool.entity.clone(),
            provider: pool.provider.clone(),
            os_type: pool.os_type.clone(),
        };
        let ask = FleetRequest {
            kinds: EntityKind::ALL.to_vec(),
            templates: TemplatesRequest::Named,
            proxies: true,
            specs: SpecsRequest::Declared {
                fleet: desired.fleet.clone(),
                pools: manifest.pools.iter().map(claim).collect(),
            },
            ..FleetRequest::default()
        };
        let fleet = read_fleet(&client, &ask, &Clock::Real).await.unwrap();
        let made = plan(&desired, &fleet, &PlanOptions::default());
        prop_assert_eq!(made.steps.len(), checked.taken.len());
        for step in made.steps {
            let fields: Vec<_> = step.changes.iter().map(|change| change.field.as_str()).collect();
            prop_assert_eq!(step.action, Action::Adopt, "{}\n{:?}", &text, step);
            prop_assert_eq!(fields, ["labels"], "{}", &text);
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

        /// Holds for any settings of a pool in GARM and any defaults of the fleet file.
        #[test]
        fn an_imported_pool_is_adopted_without_any_other_change(
            pools in vec(by_hand(), 1..5),
            defaults in defaults(),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            runtime.block_on(check(&pools, &defaults))?;
        }
    }
}
