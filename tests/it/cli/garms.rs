//! A fleet file with several GARMs: each is a sandbox, and no command acts on a wrong one.

mod apply;
mod outputs;

use std::net::TcpListener;
use std::process::Stdio;

use serde_json::Value;

use super::bench::{Bench, Said, eventually, finish, pool, signal};
use super::terminal::{Streams, Terminal};

/// A folder with the files, and the GARMs that they name.
struct Fleet {
    files: Bench,
    east: Bench,
    west: Bench,
}

fn address(garm: &Bench) -> String {
    let file = garm.read("rc.yaml");
    file.lines().find_map(|it| it.strip_prefix("  url: ")).unwrap().to_owned()
}

fn connection(garm: &Bench) -> String {
    let password = garm.path("rc.yaml.password");
    format!("{{ url: \"{}\", password: \"file:{}\" }}", address(garm), password.display())
}

/// A URL at which nothing listens.
fn nowhere() -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("http://127.0.0.1:{port}")
}

impl Fleet {
    /// Two GARMs; `a` is declared for `east` by its folder, `b` for `west` by its field.
    fn new() -> Self {
        let fleet = Self { files: Bench::bare(), east: Bench::new(), west: Bench::new() };
        fleet.name(&[]);
        fleet.files.write("pools/east/a.yaml", &pool("a"));
        fleet.files.write("pools/b.yaml", &(pool("b") + "    garm: west\n"));
        fleet
    }

    /// Writes the fleet file with further entries of `garms`.
    fn name(&self, more: &[(&str, &str)]) {
        let own = self.east.read("rc.yaml");
        let defaults = &own[own.find("\ndefaults:").unwrap()..];
        let mut garms =
            format!("  east: {}\n  west: {}\n", connection(&self.east), connection(&self.west));
        for (name, url) in more {
            garms += &format!("  {name}: {{ url: \"{url}\", password: \"env:HOME\" }}\n");
        }
        self.files.write("rc.yaml", &format!("fleet: sandbox\ngarms:\n{garms}{defaults}"));
    }

    fn run(&self, line: &[&str]) -> Said {
        self.files.run(line)
    }

    fn json(&self, line: &[&str], code: i32) -> Value {
        self.run(&[line, &["-o", "json"]].concat()).ends(code).json()
    }

    fn apply(&self) {
        self.run(&["apply", "--auto-approve"]).ends(0);
    }

    /// The pools at `east` and at `west`.
    fn owned(&self) -> (Vec<String>, Vec<String>) {
        (self.east.owned(), self.west.owned())
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// `ACTION POOL` of each step at a GARM.
fn steps(document: &Value, garm: &str) -> Vec<String> {
    let steps = document["garms"][garm]["steps"].as_array().unwrap().iter();
    let text = |step: &Value, key: &str| step[key].as_str().unwrap_or("-").to_owned();
    steps.map(|step| format!("{} {}", text(step, "action"), text(step, "pool"))).collect()
}

fn keys(document: &Value) -> Vec<&str> {
    document["garms"].as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn each_pool_is_planned_applied_and_shown_at_its_garm() {
    let fleet = Fleet::new();
    let plan = fleet.json(&["plan", "--detailed-exitcode"], 2);
    assert_eq!(
        (steps(&plan, "east"), steps(&plan, "west")),
        (names(&["create a"]), names(&["create b"]))
    );
    let text = fleet.run(&["plan"]).ends(0);
    let opening = format!("fleet sandbox on west, {} (rc.yaml)", address(&fleet.west));
    assert!(text.out.contains(&opening), "{}", text.out);
    let applied = fleet.json(&["apply", "--auto-approve"], 0);
    assert_eq!(applied["garms"]["west"]["outcomes"][0]["outcome"], "done");
    assert_eq!(fleet.owned(), (names(&["a"]), names(&["b"])));
    for log in ["audit.east.jsonl", "audit.west.jsonl"] {
        assert!(
            fleet.files.read(&format!(".local/state/runnerctl/{log}")).contains("\"seq\""),
            "{log}"
        );
    }
    let shown = fleet.run(&["audit", "show", "--garm", "west"]).ends(0);
    assert!(shown.out.contains(" b"), "{}", shown.out);
    fleet.run(&["audit", "show"]).ends(64);

    let plan = fleet.json(&["plan", "--detailed-exitcode"], 0);
    assert_eq!(plan["garms"]["east"]["summary"]["create"], 0);
    let status = fleet.json(&["status", "--jobs"], 0);
    assert_eq!(status["garms"]["west"]["pools"][0]["name"], "b");
    let text = fleet.run(&["status", "b"]).ends(0);
    assert!(
        text.out.starts_with(&format!("west, {}\n1 pool", address(&fleet.west))),
        "{}",
        text.out
    );
    assert!(!text.out.contains("east"), "{}", text.out);
    let unknown = fleet.run(&["status", "c"]).ends(64);
    assert!(unknown.err.contains("no pool `c` in this fleet"), "{}", unknown.err);
}

#[test]
fn a_name_selects_a_garm_and_a_wrong_one_is_refused() {
    let fleet = Fleet::new();
    fleet.east.declare(&["x"]);
    assert_eq!(keys(&fleet.json(&["plan", "--garm", "west"], 0)), ["west"]);
    assert_eq!(keys(&fleet.json(&["plan", "--target", "b"], 0)), ["west"]);
    let wrong = fleet.run(&["plan", "--garm", "wets"]).ends(64);
    assert!(wrong.err.ends_with("help: did you mean `west`?\n"), "{}", wrong.err);
    let elsewhere = fleet.run(&["plan", "--garm", "east", "--target", "b"]).ends(64);
    assert!(elsewhere.err.ends_with("help: add `--garm west`\n"), "{}", elsewhere.err);
    for line in [&["validate"][..], &["status"], &["apply", "--auto-approve"], &["import"]] {
        fleet.run(&[line, &["--garm", "north"]].concat()).ends(64);
        fleet.east.run(&[line, &["--garm", "east"]].concat()).ends(64);
    }
    fleet.run(&["apply", "--garm", "west", "--auto-approve"]).ends(0);
    assert_eq!(fleet.owned(), (names(&[]), names(&["b"])));
}

#[test]
fn a_garm_that_is_down_stops_no_other() {
    let fleet = Fleet::new();
    let url = nowhere();
    fleet.name(&[("north", &url)]);
    fleet.files.write("pools/north/c.yaml", &pool("c"));
    let plan = fleet.json(&["plan"], 4);
    assert_eq!(steps(&plan, "west"), ["create b"]);
    assert_eq!(plan["garms"]["north"]["error"]["exit_code"], 4);
    let text = fleet.run(&["plan"]).ends(4);
    assert!(text.err.contains("north: error: "), "{}", text.err);
    assert!(text.out.contains("+ b: create"), "{}", text.out);
    let checked = fleet.json(&["validate", "--online"], 4);
    assert_eq!(checked["garms"]["north"]["error"]["exit_code"], 4);
    assert!(checked["garms"]["east"]["requirements"].is_array());
    let applied = fleet.json(&["apply", "--auto-approve"], 4);
    assert_eq!(applied["garms"]["east"]["outcomes"][0]["outcome"], "done");
    assert_eq!(fleet.owned(), (names(&["a"]), names(&["b"])));
    let status = fleet.json(&["status"], 4);
    assert_eq!(status["garms"]["west"]["pools"][0]["name"], "b");
}

/// Moves `a` from `east` to the GARM of this name.
fn move_to(fleet: &Fleet, garm: &str) {
    fleet.files.remove("pools/east/a.yaml");
    fleet.files.write(&format!("pools/{garm}/a.yaml"), &pool("a"));
}

#[test]
fn a_moved_pool_is_created_before_it_is_deleted() {
    let fleet = Fleet::new();
    fleet.apply();
    move_to(&fleet, "west");
    let plan = fleet.json(&["plan"], 0);
    assert_eq!(
        (steps(&plan, "east"), steps(&plan, "west")),
        (names(&["delete a"]), names(&["create a"]))
    );
    let (east, west) = (&plan["garms"]["east"]["steps"][0], &plan["garms"]["west"]["steps"][0]);
    assert_eq!(east["reason"], "the files declare it for the GARM `west` now");
    assert!(
        east["consequences"].to_string().contains("after it is created at the GARM `west`"),
        "{east}"
    );
    assert!(west["consequences"].to_string().contains("moves here from the GARM `east`"), "{west}");
    let refused = fleet.run(&["apply", "--auto-approve"]).ends(6);
    assert!(
        refused.err.contains("error: east: the plan deletes or replaces `a`"),
        "{}",
        refused.err
    );
    assert_eq!(fleet.owned(), (names(&["a"]), names(&["b"])));
    fleet.run(&["apply", "--auto-approve", "--allow-destroy=all"]).ends(0);
    assert_eq!(fleet.owned(), (names(&[]), names(&["a", "b"])));
}

#[test]
fn a_pool_stays_if_the_garm_that_it_moves_to_is_down() {
    let fleet = Fleet::new();
    fleet.apply();
    let url = nowhere();
    fleet.name(&[("north", &url)]);
    move_to(&fleet, "north");
    let applied = fleet.json(&["apply", "--auto-approve", "--allow-destroy=all"], 5);
    let outcome = &applied["garms"]["east"]["outcomes"][0];
    assert_eq!(outcome["outcome"], "blocked");
    assert!(
        outcome["detail"].as_str().unwrap().starts_with("not started: it was not created at"),
        "{outcome}"
    );
    assert_eq!(fleet.owned(), (names(&["a"]), names(&["b"])));
}

#[test]
fn one_answer_confirms_all_plans() {
    let fleet = Fleet::new();
    let apply = || {
        let mut command = fleet.files.command(&["apply", "--config", "rc.yaml"]);
        command.stdout(Stdio::piped());
        Terminal::start(command, Streams::InAndErr)
    };
    let (mut terminal, child) = apply();
    terminal.answer_to("to apply all of them: ", "no");
    terminal.end(child).ends(1);
    assert_eq!(fleet.owned(), (names(&[]), names(&[])));
    let (mut terminal, child) = apply();
    terminal.answer_to("to apply all of them: ", "yes");
    let said = terminal.end(child).ends(0);
    assert!(said.err.contains("fleet sandbox on east, "), "{}", said.err);
    assert_eq!(fleet.owned(), (names(&["a"]), names(&["b"])));
}

#[test]
fn a_saved_plan_is_for_one_garm() {
    let fleet = Fleet::new();
    let both = fleet.run(&["plan", "--out", "it.plan"]).ends(64);
    let help =
        "help: save a plan for each: `runnerctl plan --garm east --out east.plan`, and so on\n";
    assert!(both.err.ends_with(help), "{}", both.err);
    fleet.run(&["plan", "--garm", "west", "--out", "it.plan"]).ends(0);
    let shown = fleet.run(&["show", "it.plan"]).ends(0);
    assert!(shown.out.contains("fleet sandbox on west, "), "{}", shown.out);
    let other = fleet.run(&["apply", "it.plan", "--garm", "east", "--auto-approve"]).ends(64);
    assert!(
        other.err.contains("the saved plan is for the GARM `west`, not `east`"),
        "{}",
        other.err
    );
    fleet.run(&["apply", "it.plan", "--auto-approve"]).ends(0);
    assert_eq!(fleet.owned(), (names(&[]), names(&["b"])));
    fleet.run(&["apply", "it.plan", "--auto-approve"]).ends(6);
}

#[test]
fn two_names_of_one_garm_are_refused() {
    let fleet = Fleet::new();
    let alias = address(&fleet.east).replace("127.0.0.1", "localhost");
    let password = fleet.east.read("rc.yaml.password");
    fleet.name(&[("north", &alias)]);
    let text = fleet.files.read("rc.yaml").replace("env:HOME", "env:P");
    fleet.files.write("rc.yaml", &text);
    let said = fleet.files.run_with(&["plan"], &[("P", password.trim_end())]).ends(3);
    assert!(said.err.contains("`east` and `north` in `garms` are one GARM"), "{}", said.err);
}

#[test]
fn import_prints_the_pools_of_one_garm_with_its_name() {
    let fleet = Fleet::new();
    fleet.west.pool_by_hand(&["gpu"]);
    let both = fleet.run(&["import"]).ends(64);
    assert!(
        both.err.ends_with("help: choose one with `--garm`: `east` and `west`\n"),
        "{}",
        both.err
    );
    let said = fleet.run(&["import", "--garm", "west"]).ends(0);
    assert!(said.out.contains("    garm: west\n"), "{}", said.out);
    fleet.files.write("pools/imported.yaml", &said.out);
    let mut planned = steps(&fleet.json(&["plan"], 0), "west");
    planned.sort();
    assert_eq!(planned, ["adopt gpu", "create b"]);
}

#[test]
fn what_one_garm_lacks_is_reported_with_its_name() {
    let fleet = Fleet::new();
    fleet.files.write("pools/b.yaml", &(pool("b") + "    garm: west\n    provider: nowhere\n"));
    let said = fleet.run(&["validate", "--online"]).ends(3);
    assert!(said.out.contains("west: GARM has no provider `nowhere`"), "{}", said.out);
    assert!(!said.out.contains("east: GARM has no"), "{}", said.out);
    fleet.files.write("pools/east/b.yaml", &pool("b"));
    let twice = fleet.run(&["plan"]).ends(3);
    assert!(twice.err.contains("two pools are named `b`"), "{}", twice.err);
}

#[test]
fn an_interrupted_apply_stops_at_every_garm_and_can_be_repeated() {
    let fleet = Fleet::new();
    let busy = "pools:\n  - name: busy\n    min_runners: 1\n    max_runners: 1\n    \
                instance_type: m5.large\n    autoscale: false\n";
    fleet.files.write("pools/east/busy.yaml", busy);
    fleet.apply();
    fleet.east.run_job("busy");
    fleet.files.remove("pools/east/busy.yaml");
    fleet.files.write("pools/west/c.yaml", &pool("c"));
    let line = ["apply", "--auto-approve", "--allow-destroy"];
    let child = fleet.files.start(&line, "apply.err");
    fleet.files.wait_for_text("apply.err", "east: busy: drain: 1 busy runner");
    eventually("the creation at the other GARM", || {
        (fleet.west.owned() == ["b", "c"]).then_some(())
    });
    signal(&child, "-INT");
    let said = finish(child).ends(130);
    assert!(said.out.contains("interrupted"), "{}", said.out);
    assert_eq!(fleet.owned(), (names(&["a", "busy"]), names(&["b", "c"])));
    let plan = fleet.json(&["plan"], 0);
    assert_eq!((steps(&plan, "east"), steps(&plan, "west")), (names(&["delete busy"]), names(&[])));
}

/// A GARM that accepts connections and never answers.
#[test]
fn a_garm_that_does_not_answer_delays_the_others_by_one_interval_at_most() {
    let fleet = Fleet::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    fleet.name(&[("north", &format!("http://{}", silent.local_addr().unwrap()))]);
    let line = ["status", "--follow", "--interval", "1s", "-o", "json"];
    let out = fleet.files.path("out");
    let mut command = fleet.files.command(&line);
    command.env("RUNNERCTL_CONFIG", "rc.yaml").stdout(std::fs::File::create(&out).unwrap());
    let child = command.spawn().unwrap();
    let lines =
        || std::fs::read_to_string(&out).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    eventually("two refreshes", || (lines().len() >= 2).then_some(()));
    signal(&child, "-TERM");
    finish(child).ends(143);
    let last = super::bench::document(&lines()[1]);
    assert_eq!(last["garms"]["east"]["pools"][0]["name"], "a");
    let why = last["garms"]["north"]["error"]["message"].as_str().unwrap();
    assert!(why.starts_with("no answer from http://127.0.0.1:"), "{why}");
}
