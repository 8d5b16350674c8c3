//! `docs/errors.md`: every code of a problem, with an example that `validate` prints.

use std::collections::BTreeMap;
use std::fs;

use anstream::adapter::strip_str;
use runnerctl::config::{Code, load};
use runnerctl::host::files::{self, SourcePath};
use runnerctl::render::problem;

use super::{keep, origin};
use crate::cli::bench::root;
use crate::printed::stage::Stage;

const HEAD: &str = "\
`validate` and every other command that reads the files report all problems in one run. Each has a code that
is never used for anything else. A problem is an error (exit code 3) or a warning, which `--strict` makes an
error. The examples are what the program prints.

| codes | are about |
|---|---|
| `RC01…` | files and folders |
| `RC02…` | YAML |
| `RC03…` | keys and their types |
| `RC04…` | values |
| `RC05…` | what the values mean together |
| `RC06…` | secrets |
| `RC07…` | what GARM knows (`validate --online`, `plan`) |
| `RC08…` | the policy |
";

/// The files before a script changes them.
const FLEET: &str = "\
fleet: acme
garm:
  url: http://127.0.0.1:1
  password: env:GARM_PASSWORD
defaults:
  organization: acme
  provider: aws
  image: ami-1
watch: {}
receivers: { oncall: { alertmanager: { url: http://127.0.0.1:9093 } } }
";
const POOL: &str = "\
pools:
  - name: web
    max_runners: 20
    instance_type: m5.large
";

/// For each code that no directory of `tests/config` causes, shell lines that cause it.
const SCRIPTS: &[(Code, &str)] = &[
    (Code::Missing, "runnerctl validate other.yaml"),
    (Code::NotAFile, "rm pools/web.yaml; mkfifo pools/web.yaml; runnerctl validate"),
    (Code::TooLarge, "head -c 5000000 /dev/zero | tr '\\0' '#' > pools/b.yaml; runnerctl validate"),
    (Code::BadLink, "ln -s /etc/hostname pools/b.yaml; runnerctl validate"),
    (
        Code::TooDeep,
        "mkdir -p pools/team/web; mv pools/web.yaml pools/team/web/; runnerctl validate",
    ),
    (Code::NoPoolFiles, "rm pools/web.yaml; runnerctl validate"),
    (Code::NotText, "printf '\\377' > pools/web.yaml; runnerctl validate"),
    (Code::NotByName, "touch notes.txt; runnerctl validate notes.txt"),
    (
        Code::TooMuch,
        "x=$(printf 'x,%.0s' $(seq 40)); printf 'a: &a [%s]\\n' $x > pools/web.yaml; \
      for i in b c d e; do y=$(printf \"*$p%.0s,\" $(seq 40) | sed \"s/\\*/*${l:-a}/g\"); \
      echo \"$i: &$i [$y]\" >> pools/web.yaml; l=$i; done; runnerctl validate",
    ),
    (Code::Nesting, "printf '%0100d' 0 | tr 0 '[' > pools/web.yaml; runnerctl validate"),
    (
        Code::TooManyProblems,
        "(echo pools:; for i in $(seq 600); do echo \"  - { nam: p$i }\"; done) \
      > pools/web.yaml; runnerctl validate",
    ),
    (Code::Text, "sed -i 's/m5.large/\"\"/' pools/web.yaml; runnerctl validate"),
    (
        Code::ForbiddenProvider,
        "echo 'policy: { allowed_providers: [gcp] }' >> runnerctl.yaml; runnerctl validate",
    ),
    (
        Code::ForbiddenInstanceType,
        "echo 'policy: { allowed_instance_types: [c7g.*] }' >> runnerctl.yaml; runnerctl validate",
    ),
    (
        Code::ForbiddenShell,
        "echo '    enable_shell: true' >> pools/web.yaml; \
      echo 'policy: { forbid_enable_shell: true }' >> runnerctl.yaml; runnerctl validate",
    ),
    (
        Code::ForbiddenSpec,
        "echo '    extra_specs: { user_data: x }' >> pools/web.yaml; \
      echo 'policy: { extra_specs: { allow_keys: [subnet_id] } }' >> runnerctl.yaml; runnerctl validate",
    ),
    (
        Code::ForbiddenNetwork,
        "echo '    extra_specs: { subnet_id: subnet-prod }' >> pools/web.yaml; \
      echo 'policy: { networks: { aws: { keys: [subnet_id], allow: [subnet-ci-*] } } }' >> runnerctl.yaml; \
      runnerctl validate",
    ),
    (
        Code::TooManyRunners,
        "echo 'policy: { max_total_runners: 10 }' >> runnerctl.yaml; runnerctl validate",
    ),
    (
        Code::NoKit,
        "echo 'runner_mtls: { cert: a.pem, key: env:KEY, ca: b.pem }' >> runnerctl.yaml; \
      echo '    os_type: windows' >> pools/web.yaml; runnerctl validate",
    ),
    (
        Code::OwnScripts,
        "echo 'runner_mtls: { cert: a.pem, key: env:KEY, ca: b.pem }' >> runnerctl.yaml; \
      echo '    extra_specs: { pre_install_scripts: { a: b } }' >> pools/web.yaml; runnerctl validate",
    ),
    (
        Code::ForbiddenWord,
        "echo 'policy: { allowed_images: [ubuntu-*] }' >> runnerctl.yaml; runnerctl validate",
    ),
    (
        Code::UnboundRule,
        "echo 'policy: { networks: { gcp: { keys: [network_id], allow: [ci-*] } } }' \
      >> runnerctl.yaml; runnerctl validate",
    ),
];

/// The same for codes that need GARM, with a sandbox.
const ONLINE: &[(Code, &str)] = &[
    (
        Code::UnknownProvider,
        "echo '    provider: nowhere' >> pools/web.yaml; runnerctl validate --online",
    ),
    (
        Code::UnknownEntity,
        "echo '    organization: unknown' >> pools/web.yaml; runnerctl validate --online",
    ),
    (
        Code::UnknownTemplate,
        "echo '    template: nothing' >> pools/web.yaml; runnerctl validate --online",
    ),
    (
        Code::UnknownEndpoint,
        "echo nothing > key; chmod 600 key; echo 'credentials: [{ name: app, endpoint: ghes, \
         app_id: 1, installation_id: 1, private_key: file:key }]' >> runnerctl.yaml; \
         runnerctl validate --online",
    ),
    (
        Code::UnfitTemplate,
        "echo '    template: github_windows' >> pools/web.yaml; runnerctl validate --online",
    ),
    (
        Code::UnknownProxy,
        "echo '    proxy: nothing' >> pools/web.yaml; runnerctl validate --online",
    ),
    (
        Code::UnfitKey,
        "echo nothing > key; chmod 600 key; echo 'credentials: [{ name: app, app_id: 1, \
      installation_id: 1, private_key: file:key }]' >> runnerctl.yaml; runnerctl plan",
    ),
];

/// Codes without an example, and the reason.
const LEFT: [(Code, &str); 3] = [
    (Code::NoScaleSets, "a GARM of before 0.2, or an organization at Gitea"),
    (Code::Unreadable, "a file without permission, or a disk that fails"),
    (Code::AmbiguousEntity, "a GARM with two GitHub endpoints that both have the organization"),
];

/// The first report of each code in `tests/config`, the shortest of each folder.
fn from_scenarios() -> BTreeMap<Code, String> {
    let mut found: BTreeMap<Code, String> = BTreeMap::new();
    let mut cases: Vec<_> =
        fs::read_dir(root().join("tests/config")).unwrap().map(|it| it.unwrap().path()).collect();
    cases.sort();
    for case in cases {
        let prefix = format!("{}/", case.display());
        let file = case.join("runnerctl.yaml");
        let mut fleet = file.exists().then(|| files::read_fleet(&SourcePath::Named(file)).unwrap());
        let mut pools = files::read_pools(&[SourcePath::Named(case.join("pools"))]).sources;
        for source in pools.iter_mut().chain(&mut fleet) {
            source.path = source.path.trim_start_matches(&prefix).to_owned();
        }
        for problem in load(fleet.as_ref(), &pools).problems {
            let text = strip_str(&problem::text(std::slice::from_ref(&problem))).to_string();
            let shown = found.entry(problem.code).or_insert_with(|| text.clone());
            if text.len() < shown.len() {
                *shown = text;
            }
        }
    }
    found
}

/// The report with this code in the output of a script.
fn report(stage: &Stage, code: Code, script: &str) -> String {
    let said = stage.type_in(script, &[]);
    let all = format!("{}{}", said.out, said.err);
    let head = format!("[{}]", code.text());
    let lines = all.lines().skip_while(|it| !it.contains(&head)).take_while(|it| !it.is_empty());
    let text = lines.collect::<Vec<_>>().join("\n");
    assert!(!text.is_empty(), "{}: {script}\n{all}", code.text());
    text
}

fn from_scripts(found: &mut BTreeMap<Code, String>) {
    for (code, script) in SCRIPTS {
        let stage = Stage::new();
        stage.bench.write("runnerctl.yaml", FLEET);
        stage.bench.write("pools/web.yaml", POOL);
        assert!(found.insert(*code, report(&stage, *code, script)).is_none(), "{}", code.text());
    }
    let mut stage = Stage::new();
    stage.start_sandbox("runnerctl sandbox --write-config runnerctl.yaml &", &[]);
    let fleet = stage.bench.read("runnerctl.yaml");
    for (code, script) in ONLINE {
        stage.bench.write("runnerctl.yaml", &fleet);
        stage.bench.write("pools/web.yaml", POOL);
        assert!(found.insert(*code, report(&stage, *code, script)).is_none(), "{}", code.text());
    }
}

#[test]
fn the_list_of_error_codes_is_fresh() {
    let mut found = from_scenarios();
    from_scripts(&mut found);
    let mut page = format!(
        "# Error codes\n\n{}\n{HEAD}",
        origin("`src/config/diagnostic_code.rs` and what `validate` prints")
    );
    for code in Code::ALL {
        page.push_str(&format!("\n## {}\n\n{}\n\n", code.text(), code.meaning()));
        match (found.get(code), LEFT.iter().find(|it| it.0 == *code)) {
            (Some(text), None) => page.push_str(&format!("```text\n{}\n```\n", text.trim_end())),
            (None, Some(left)) => page.push_str(&format!("No example: it takes {}.\n", left.1)),
            _ => panic!("{} needs an example, or a row in `LEFT`, and not both", code.text()),
        }
    }
    keep("docs/errors.md", &page);
}
