//! `init`: the files of a new fleet, from options, from GARM and from answers at a terminal.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::bench::{Bench, Said};
use super::terminal::{Streams, Terminal};

/// Options that leave no question open.
const ALL: [&str; 10] = [
    "--url",
    "https://garm.invalid",
    "--organization",
    "acme",
    "--provider",
    "aws",
    "--image",
    "ami-1",
    "--instance-type",
    "m5.large",
];

fn sandbox_url(bench: &Bench) -> String {
    let file = bench.read("rc.yaml");
    file.lines().find_map(|line| line.trim().strip_prefix("url: ")).unwrap().to_owned()
}

/// Runs `init` for the sandbox, with more options.
fn init(bench: &Bench, options: &[&str]) -> Said {
    let url = sandbox_url(bench);
    let line = ["init", "ci", "--url", &url, "--password", "file:../rc.yaml.password"];
    bench.run(&[&line[..], options].concat())
}

#[test]
fn what_garm_leaves_no_choice_about_is_not_asked_for_and_the_files_plan_as_they_are() {
    let bench = Bench::with(&["--pools", "3"]);
    let said = init(&bench, &[]).ends(64);
    assert!(said.err.contains("`init` needs `--organization`"), "{}", said.err);
    assert!(said.err.contains("choose `organization acme`"), "{}", said.err);
    assert!(!bench.path("ci/runnerctl.yaml").exists());
    let said = init(&bench, &["--organization", "acme", "--provider", "sim"]).ends(0);
    for file in ["runnerctl.yaml", "pools/default.yaml", ".gitignore", ".schema/pool.json"] {
        assert!(said.err.contains(&format!("wrote `{file}`\n")), "{file}: {}", said.err);
        assert!(bench.path(&format!("ci/{file}")).exists(), "{file}");
    }
    assert!(said.err.contains("GARM has 3 pools of no fleet: `runnerctl import`"), "{}", said.err);
    let plan = bench.run(&["plan", "--config", "ci/runnerctl.yaml"]).ends(0);
    assert!(plan.out.contains("+ default: create"), "{}", plan.out);
    bench.run(&["validate", "--online", "--config", "ci/runnerctl.yaml"]).ends(0);
}

#[test]
fn with_every_option_garm_is_not_asked() {
    let bench = Bench::bare();
    bench.run(&[&["init"][..], &ALL].concat()).ends(0);
    bench.run(&["validate"]).ends(0);
    let fleet = bench.read("runnerctl.yaml");
    assert!(fleet.contains("\nfleet: acme\n"), "{fleet}");
}

#[test]
fn without_a_terminal_a_missing_option_is_named() {
    let bench = Bench::bare();
    let said = bench.run(&["init"]).ends(64);
    assert!(said.err.contains("`init` needs `--url`"), "{}", said.err);
}

#[test]
fn a_garm_that_does_not_answer_is_named_and_nothing_is_written() {
    let bench = Bench::bare();
    bench.write("password", "x");
    let line = ["init", "--url", "http://127.0.0.1:1", "--password", "env:NOT_SET_ANYWHERE"];
    bench.run(&line).ends(3);
    let mut line = line;
    line[4] = "file:password";
    fs::set_permissions(bench.path("password"), fs::Permissions::from_mode(0o600)).unwrap();
    bench.run(&line).ends(4);
    assert!(!bench.path("pools").exists());
}

#[test]
fn nothing_is_overwritten() {
    for there in ["runnerctl.yaml", "pools/default.yaml"] {
        let bench = Bench::bare();
        bench.write(there, "mine\n");
        let said = bench.run(&[&["init"][..], &ALL].concat()).ends(6);
        assert!(said.err.contains(&format!("`./{there}` exists")), "{}", said.err);
        assert_eq!(bench.read(there), "mine\n");
        assert_eq!(fs::read_dir(bench.path(".")).unwrap().count(), 1);
    }
    let bench = Bench::bare();
    symlink("nowhere", bench.path("runnerctl.yaml")).unwrap();
    bench.run(&[&["init"][..], &ALL].concat()).ends(6);
    assert!(!bench.path("nowhere").exists());
    let bench = Bench::bare();
    bench.write(".gitignore", "mine\n");
    let said = bench.run(&[&["init"][..], &ALL].concat()).ends(0);
    assert!(said.err.contains("`.gitignore` exists and was not changed"), "{}", said.err);
    assert_eq!(bench.read(".gitignore"), "mine\n");
}

#[test]
fn if_a_file_cannot_be_written_those_before_it_are_removed() {
    let bench = Bench::bare();
    // A file where a folder is needed.
    bench.write(".github", "mine\n");
    let said = bench.run(&[&["init"][..], &ALL].concat()).ends(1);
    assert!(said.err.contains("cannot write `./.github/workflows/runnerctl.yaml`"), "{}", said.err);
    assert!(!bench.path("runnerctl.yaml").exists());
    assert!(!bench.path("pools/default.yaml").exists());
    assert_eq!(bench.read(".github"), "mine\n");
}

#[test]
fn a_value_that_makes_no_valid_file_is_shown_with_its_place() {
    let bench = Bench::bare();
    let mut line = [&["init"][..], &ALL].concat();
    line[4] = "no/organization";
    let said = bench.run(&line).ends(3);
    assert!(said.err.contains("organization: no/organization"), "{}", said.err);
    assert!(said.err.contains("nothing was written"), "{}", said.err);
    assert!(!bench.path("runnerctl.yaml").exists());
}

#[test]
fn at_a_terminal_it_asks_for_what_is_left() {
    let bench = Bench::with(&["--pools", "1"]);
    let url = sandbox_url(&bench);
    let (mut terminal, child) =
        Terminal::start(bench.command(&["init", "ci", "--provider", "sim"]), Streams::InAndErr);
    terminal.answer_to("GARM's URL: ", "");
    terminal.answer_to("it has no default: enter a value\r\nGARM's URL: ", &url);
    terminal.answer_to("administrator [env:GARM_PASSWORD]: ", "file:../rc.yaml.password");
    terminal.answer_to("Organization, repository or enterprise: ", "9");
    terminal.answer_to("enter a number from 1 to", "1");
    terminal.answer_to("Image of the VMs [", "my-image");
    terminal.answer_to("Instance type (GARM's flavor) [", "");
    terminal.end(child).ends(0);
    let fleet = bench.read("ci/runnerctl.yaml");
    assert!(fleet.contains("\n  image: my-image\n"), "{fleet}");
    bench.run(&["plan", "--config", "ci/runnerctl.yaml"]).ends(0);
}

#[test]
fn in_an_empty_folder_every_command_names_init() {
    let bench = Bench::bare();
    let lines: [&[&str]; 6] =
        [&["validate"], &["plan"], &["apply"], &["status"], &["watch"], &["import"]];
    for line in lines {
        let said = bench.run(line).ends(3);
        assert!(
            format!("{}{}", said.out, said.err).contains("`runnerctl init` writes"),
            "{line:?}"
        );
    }
    // A fleet file without pool files and a given path that is wrong are different mistakes.
    let said = bench.run(&["plan", "-f", "pools"]).ends(3);
    assert!(!said.err.contains("init"), "{}", said.err);
    let sandbox = Bench::new();
    let said = sandbox.run(&["plan"]).ends(3);
    assert!(!said.err.contains("init"), "{}", said.err);
}
