//! `docs/operations.md` and similar documents: each alert has a runbook, and the commands work as
//! printed.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command};

use assert_cmd::cargo::cargo_bin;
use runnerctl::config::{AlertRule, AlertSeries};
use serde_json::Value;

use super::blocks::{Block, block, blocks, document};
use super::docs::WHOLE;
use super::links::anchors;
use super::stage::Stage;
use crate::cli::bench::{eventually, finish, root, signal};

const DOCUMENT: &str = "docs/operations.md";

/// Blocks that have their own tests.
const ELSEWHERE: [&str; 3] =
    ["cp -p /usr/local/bin/runnerctl", "install -m 0755 target/", "runnerctl.previous validate"];

/// The blocks of the section about rotation, which has its own test.
const ROTATION: [&str; 2] = ["install -m 0644 deploy/logrotate", "cd /var/lib/runnerctl"];

/// The blocks that no test runs, with the reason.
const LEFT: [(&str, &str); 1] =
    [("git revert", "reverts a commit of the reader's; the other tests run `plan` and `apply`")];

/// Arguments of `garm-cli`, from `--help` of v0.2.1 and main.
const GARM_CLI: &str = r#"#!/bin/sh
case "$*" in
    "organization list" | "github credentials list" | "runner list --long" | "job list") ;;
    "controller show" | "controller update --minimum-job-age-backoff 300" | "pool list") ;;
    "scaleset list") ;;
    *) echo "unknown: $*" >&2; exit 64 ;;
esac
"#;

/// The names of all alerts: the rules for Prometheus and the built-in rules.
fn alerts() -> BTreeSet<String> {
    let rules: Value =
        serde_yaml::from_str(&document("deploy/prometheus/runnerctl.rules.yaml")).unwrap();
    let groups = rules["groups"].as_array().unwrap().iter();
    let rules = groups.flat_map(|it| it["rules"].as_array().unwrap());
    let shipped = rules.map(|it| it["alert"].as_str().unwrap().to_owned());
    shipped.chain(AlertRule::built_in().map(|it| it.name)).collect()
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let text = document(DOCUMENT);
    let (_, runbooks) = text.split_once("\n## Runbooks\n").unwrap();
    let mut described = BTreeSet::new();
    for section in runbooks.split("\n#### ").skip(1) {
        let (name, body) = section.split_once('\n').unwrap();
        let body = body.split("\n### ").next().unwrap();
        for part in ["**Look**", "```sh\n", "**When to ignore:**"] {
            assert!(body.contains(part), "{name} lacks {part}");
        }
        described.insert(name.to_owned());
    }
    assert_eq!(described, alerts());
}

/// The links of rules and of built-in alerts have the same form, and each leads to a section.
#[test]
fn every_runbook_url_leads_to_a_section() {
    let sections = anchors(&document(DOCUMENT));
    let first = AlertSeries::QueueDepth.runbook();
    let base = first.split_once('#').unwrap().0;
    for series in AlertSeries::ALL {
        let url = series.runbook();
        let (page, section) = url.split_once('#').unwrap();
        assert_eq!(page, base);
        assert!(sections.contains(section), "{url}");
    }
    let rules: Value =
        serde_yaml::from_str(&document("deploy/prometheus/runnerctl.rules.yaml")).unwrap();
    let groups = rules["groups"].as_array().unwrap().iter();
    for rule in groups.flat_map(|it| it["rules"].as_array().unwrap()) {
        let alert = rule["alert"].as_str().unwrap();
        let expected = format!("{base}#{}", alert.to_lowercase());
        assert_eq!(rule["annotations"]["runbook_url"], expected.as_str(), "{alert}");
    }
    for rule in AlertRule::built_in() {
        assert_eq!(rule.when.runbook(), format!("{base}#{}", rule.name.to_lowercase()));
    }
}

/// A folder with a sandbox, a pool and a `watch`. Paths of the document are mapped to files of the
/// folder.
struct Scene {
    stage: Stage,
    watch: Option<Child>,
    address: String,
}

impl Drop for Scene {
    fn drop(&mut self) {
        if let Some(watch) = &mut self.watch {
            // The process may have ended by itself.
            let _ = watch.kill();
            let _ = watch.wait();
        }
    }
}

impl Scene {
    fn new() -> Self {
        let mut stage = Stage::new();
        stage.bench.write("pools/default.yaml", &block("README.md", "# pools/default.yaml"));
        stage.start_sandbox("runnerctl sandbox --write-config runnerctl.yaml &", &[]);
        let text = stage.bench.read("runnerctl.yaml");
        let address = text.lines().find_map(|it| it.strip_prefix("  listen: ")).unwrap().to_owned();
        let more = "  audit: state/audit.jsonl\n\
                    receivers:\n  oncall: { alertmanager: { url: \"http://127.0.0.1:9\" } }\n";
        stage.bench.write("runnerctl.yaml", &format!("{text}{more}"));
        stage.bench.write("state/empty", "");
        for tool in ["systemctl", "journalctl", "timedatectl", "amtool"] {
            // These commands need a machine with systemd or Alertmanager.
            stage.tool(tool, "#!/bin/sh\n");
        }
        stage.tool("garm-cli", GARM_CLI);
        Self { stage, watch: None, address }
    }

    /// Starts `watch` and waits until the pool is at its minimum.
    fn watching(mut self) -> Self {
        self.stage.type_in("runnerctl apply --auto-approve", &[]).ends(0);
        self.watch = Some(self.stage.leave("runnerctl watch"));
        let status = || self.stage.type_in("runnerctl status", &[]).out;
        eventually("two idle runners", || status().contains("2 idle").then_some(()));
        self
    }

    /// Ends `watch` by SIGTERM.
    fn stop(&mut self) {
        let watch = self.watch.take().unwrap();
        signal(&watch, "-TERM");
        finish(watch).ends(0);
    }

    /// The line with the paths and addresses of this folder instead of the document's.
    fn here(&self, line: &str) -> String {
        let garm = self.stage.bench.read("runnerctl.yaml");
        let garm = garm.lines().find_map(|it| it.strip_prefix("  url: ")).unwrap().to_owned();
        line.replace("127.0.0.1:9477", &self.address)
            .replace("https://garm.example.com", &garm)
            .replace("/usr/local/bin/", "bin/")
            .replace("/etc/runnerctl/", "")
            .replace("/etc/logrotate.d", "logrotate.d")
            .replace("/var/lib/runnerctl", "state")
    }

    /// Runs each line of a block. A `grep` that finds nothing is not a failure.
    fn run(&self, document: &str, block: &Block) {
        let text = block.text.replace("\\\n", " ");
        for line in text.lines().filter(|it| !it.contains('…') && !it.trim().is_empty()) {
            let said = self.stage.type_in(&self.here(line), &[]);
            let is_fine = said.code == 0 || (said.code == 1 && line.contains("| grep "));
            assert!(is_fine, "{document}:{}: {line}\n{}\n{}", block.line, said.out, said.err);
        }
    }
}

fn begins(block: &Block, firsts: &[&str]) -> bool {
    firsts.iter().any(|it| block.text.starts_with(it))
}

/// A certificate and a revocation list at the paths of the document.
const TLS: &str = "mkdir tls && touch index.txt && printf '[ca]\\ndefault_ca = d\\n[d]\\n\
    database = index.txt\\ndefault_md = sha256\\n' > ca.cnf && \
    openssl req -x509 -newkey ed25519 -nodes -days 30 -subj /CN=a -keyout tls/key -out tls/client.pem && \
    openssl ca -gencrl -config ca.cnf -keyfile tls/key -cert tls/client.pem -crldays 30 \
    -out tls/operators.crl";

#[test]
fn the_commands_of_the_runbooks_go_as_they_are_printed() {
    let mut scene = Scene::new().watching();
    scene.stage.type_in(TLS, &[]).ends(0);
    let others: Vec<&str> =
        ELSEWHERE.into_iter().chain(ROTATION).chain(LEFT.map(|it| it.0)).collect();
    let is_shell = |it: &Block| it.language == "sh";
    let shell = WHOLE.into_iter().flat_map(|name| {
        let found = blocks(&document(name)).into_iter().filter(is_shell);
        found.map(move |it| (name, it)).collect::<Vec<_>>()
    });
    let (mut run, mut left) = (0, 0);
    for (name, block) in shell {
        if begins(&block, &others) {
            left += 1;
            continue;
        }
        let ends_it = begins(&block, &["systemctl disable --now"]);
        if ends_it {
            scene.stop();
        }
        scene.run(name, &block);
        run += 1;
        if ends_it {
            scene.watch = Some(scene.stage.leave("runnerctl watch"));
            let ask = format!("curl -sf http://{}/readyz", scene.address);
            let is_up = || scene.stage.type_in(&ask, &[]).code == 0;
            eventually("a `watch` that is ready", || is_up().then_some(()));
        }
    }
    assert!(run > 24, "{run}");
    assert_eq!(left, others.len(), "a row is for a block that is not printed any more");
}

/// Alerts whose runbook searches the log, and a part of the message that `watch` logs in that case.
const LOGGED: [(&str, &str); 12] = [
    ("CircuitOpen", "runner {runner} could not be created"),
    ("CircuitOpen", "the installation of runner {runner} has failed"),
    ("CircuitOpen", "runner {runner} has not become ready"),
    ("ObservationOld", "GARM was last read"),
    ("ObservationOld", "GARM cannot be read"),
    ("ObservationOld", "GARM does not answer"),
    ("EventStreamDown", "GARM's event stream is lost"),
    ("NoLeader", "the lease cannot be read or renewed"),
    ("ClockSkewed", "this machine's clock and GARM's differ by"),
    ("AuditLogChanged", "the audit file was emptied"),
    ("AuditUnwritable", "the audit file `{path}`: {error}"),
    ("AlertsUndelivered", "alerts to {}"),
];

#[test]
fn runbooks_search_the_log_for_what_watch_logs() {
    let sources = sources_below(&root().join("src"));
    let text = document(DOCUMENT);
    let mut searched = BTreeSet::new();
    for section in text.split("\n#### ").skip(1) {
        let (name, body) = section.split_once('\n').unwrap();
        for line in body.lines().filter(|it| it.starts_with("journalctl -u runnerctl")) {
            let Some((_, search)) = line.split_once("| ") else { continue };
            searched.insert(name);
            let logged = LOGGED.iter().filter(|row| row.0 == name);
            for (_, words) in logged {
                assert!(sources.contains(words), "{name}: no source says `{words}`");
                let command = format!("echo \"warning: {words}\" | {search}");
                let found = Command::new("sh").args(["-c", &command]).output().unwrap();
                assert!(found.status.success(), "{name}: `{search}` does not find `{words}`");
            }
        }
    }
    assert_eq!(searched, LOGGED.map(|row| row.0).into());
}

/// The text of all files below a folder. Lines that end with `\` are joined with the next one.
fn sources_below(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => text.push_str(&sources_below(&path)),
            false => text.push_str(&std::fs::read_to_string(&path).unwrap_or_default()),
        }
    }
    let lines = text.split("\\\n").map(str::trim_start);
    lines.collect()
}

#[test]
fn upgrade_and_roll_back_go_as_they_are_printed() {
    let scene = Scene::new().watching();
    let program = cargo_bin("runnerctl");
    std::fs::create_dir_all(scene.stage.bench.path("target/release")).unwrap();
    symlink(&program, scene.stage.bench.path("target/release/runnerctl")).unwrap();
    std::fs::remove_file(scene.stage.bench.path("bin/runnerctl")).unwrap();
    std::fs::copy(&program, scene.stage.bench.path("bin/runnerctl")).unwrap();
    let all = blocks(&document(DOCUMENT));
    for first in ELSEWHERE {
        let block = all.iter().find(|it| it.text.starts_with(first)).unwrap();
        scene.run(DOCUMENT, block);
    }
}

/// logrotate renames, compresses and keeps files. The chain continues, and the printed commands
/// verify it.
#[test]
fn the_audit_log_is_rotated_by_logrotate_and_verified_as_printed() {
    let scene = Scene::new().watching();
    let bench = &scene.stage.bench;
    let folder = bench.path("").display().to_string();
    symlink(root().join("deploy"), bench.path("deploy")).unwrap();
    std::fs::create_dir(bench.path("logrotate.d")).unwrap();
    // Debian installs logrotate in a folder that only root's `PATH` contains. It accepts only
    // absolute paths.
    let wrapper = format!(
        "#!/bin/sh\nsed -i 's#^/var/lib/runnerctl#{folder}state#' logrotate.d/runnerctl\n\
         PATH=/usr/sbin:/usr/bin:/bin exec logrotate --state {folder}rotated \"$@\"\n"
    );
    scene.stage.tool("logrotate", &wrapper);
    let all = blocks(&document(DOCUMENT));
    let find = |first: &str| all.iter().find(|it| it.text.starts_with(first)).unwrap();
    scene.run(DOCUMENT, find(ROTATION[0]));
    let rotated = || scene.stage.type_in("ls state/audit.jsonl-* | wc -l", &[]).out;
    for turn in ["one", "two", "three"] {
        bench.write(&format!("pools/{turn}.yaml"), &crate::cli::bench::pool(turn));
        scene.stage.type_in("runnerctl apply --auto-approve", &[]).ends(0);
        let before = rotated();
        // Two rotations within a second would use the same name, so logrotate would refuse the
        // second.
        eventually("a rotated file", || {
            scene.stage.type_in("logrotate --force logrotate.d/runnerctl", &[]);
            (rotated() != before).then_some(())
        });
    }
    bench.write("pools/four.yaml", &crate::cli::bench::pool("four"));
    scene.stage.type_in("runnerctl apply --auto-approve", &[]).ends(0);
    let names = scene.stage.type_in("ls state", &[]).out;
    assert_eq!(names.matches(".gz\n").count(), 2, "{names}");
    let lacking = scene.stage.type_in("runnerctl audit verify state/audit.jsonl", &[]).ends(1);
    assert!(lacking.out.contains("are missing"), "{}", lacking.out);
    let lines: Vec<&str> = find(ROTATION[1]).text.lines().filter(|it| !it.contains('…')).collect();
    let script = format!(
        "set -e\nexport RUNNERCTL_CONFIG={folder}runnerctl.yaml\n{}",
        scene.here(&lines.join("\n"))
    );
    let whole = scene.stage.type_in(&script, &[]).ends(0);
    assert!(whole.out.starts_with("whole: "), "{}", whole.out);
}
