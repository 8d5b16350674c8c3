//! Secrets in places where others can read them. They are refused with their location, and never
//! repeated.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::cli::bench::Bench;

const CANARY: &str = "canary-of-the-attacks";

#[test]
fn a_secret_file_that_others_can_read_is_refused_before_garm_is_asked() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    let fleet_file = bench.read("rc.yaml");
    bench.write("rc.yaml", &fleet_file.replace("file:rc.yaml.password", "file:open"));
    bench.write("open", CANARY);
    for mode in [0o604, 0o644, 0o602] {
        fs::set_permissions(bench.path("open"), fs::Permissions::from_mode(mode)).unwrap();
        for line in [&["plan"][..], &["apply", "--auto-approve"], &["validate", "--online"]] {
            let said = bench.run(line).ends(3);
            let wanted = format!("its mode {mode:04o} gives all users access");
            assert!(said.err.contains(&wanted), "{line:?}: {}", said.err);
            assert!(said.err.contains("chmod o-rwx"), "{line:?}: {}", said.err);
            assert!(!format!("{said:?}").contains(CANARY), "{line:?}: {said:?}");
        }
    }
    assert_eq!(bench.owned(), Vec::<String>::new());
}

#[test]
fn a_secret_in_yaml_is_a_problem_with_its_line_and_is_not_shown() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    let fleet_file = bench.read("rc.yaml");
    let line = fleet_file.lines().position(|it| it.starts_with("  password:")).unwrap() + 1;
    bench.write("rc.yaml", &fleet_file.replace("file:rc.yaml.password", CANARY));
    for command in [&["validate"][..], &["plan"], &["apply", "--auto-approve"]] {
        let said = bench.run(command).ends(3);
        let all = format!("{}{}", said.out, said.err);
        assert!(all.contains(&format!("rc.yaml:{line}:13")), "{command:?}: {all}");
        assert!(all.contains("env:") && !all.contains(CANARY), "{command:?}: {all}");
    }
    assert_eq!(bench.owned(), Vec::<String>::new());
}

/// Pool files are untrusted, so they cannot refer to a variable, a file or a program of this
/// machine.
#[test]
fn a_reference_in_a_pool_file_is_plain_text() {
    let bench = Bench::new();
    bench.write("secret", CANARY);
    bench.write(
        "pools/a.yaml",
        "pools:\n  - name: a\n    max_runners: 1\n    instance_type: 'env:CANARY'\n    \
         extra_specs: { token: 'file:secret', run: 'exec:touch started' }\n",
    );
    bench.run_with(&["apply", "--auto-approve", "--allow-exec"], &[("CANARY", CANARY)]).ends(0);
    let id = bench.garm("/pools")[0]["id"].as_str().unwrap().to_owned();
    let pool = bench.garm(&format!("/pools/{id}"));
    assert_eq!(pool["flavor"], "env:CANARY");
    assert_eq!(pool["extra_specs"]["token"], "file:secret");
    assert!(!pool.to_string().contains(CANARY) && !bench.path("started").exists());
}
