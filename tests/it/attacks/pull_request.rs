//! Pool files come with a pull request, and a job for that pull request validates and plans them.
//! Their contents and names are only checked and quoted.

use std::os::unix::fs::symlink;

use super::reading::{PAYLOAD, is_harmless, mentions_no_user, moves_no_cursor};
use crate::cli::bench::Bench;

const LINES: &[&[&str]] = &[
    &["validate"],
    &["validate", "-o", "json"],
    &["plan"],
    &["plan", "-o", "json"],
    &["plan", "-o", "markdown"],
    &["apply", "--auto-approve"],
];

/// Runs every command line on GitHub Actions. Returns how often the payload was quoted.
fn read_all(bench: &Bench) -> usize {
    let mut quoted = 0;
    for line in LINES {
        let page = bench.path("page.md");
        let set = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", page.to_str().unwrap())];
        let said = bench.run_with(line, &set);
        assert!([0, 3].contains(&said.code), "{line:?}: {said:?}");
        is_harmless(&format!("{line:?}"), &said);
        quoted += usize::from(said.out.contains("pwned") || said.err.contains("pwned"));
        if line.ends_with(&["markdown"]) {
            mentions_no_user("plan", &said.out);
        }
        if page.exists() {
            let text = bench.read("page.md");
            moves_no_cursor("the page of the step", &text);
            mentions_no_user("the page of the step", &text);
            bench.remove("page.md");
        }
    }
    quoted
}

/// In fields that accept any text, in fields that do not, and as keys.
#[test]
fn commands_mentions_and_escapes_in_a_pool_file_are_only_quoted() {
    let bench = Bench::new();
    let mut quoted = 0;
    let text = serde_json::to_string(PAYLOAD).unwrap();
    let printable =
        serde_json::to_string("::error::pwned ##[error]pwned @everyone <!channel> `a` ](").unwrap();
    for (field, value) in [
        ("image", &printable),
        ("instance_type", &printable),
        ("runner_group", &printable),
        ("labels", &format!("[{printable}]")),
        ("extra_specs", &format!("{{ {text}: {text} }}")),
        ("image", &text),
        ("name", &text),
        ("labels", &format!("[{text}]")),
        ("adopt", &text),
        ("min_runners", &text),
        (text.as_str(), &"1".to_owned()),
    ] {
        let mut fields = vec![("name", "a"), ("max_runners", "1"), ("instance_type", "m5")];
        fields.retain(|it| it.0 != field);
        fields.push((field, value));
        let lines: Vec<String> =
            fields.iter().map(|(key, value)| format!("    {key}: {value}\n")).collect();
        bench.write("pools/a.yaml", &format!("pools:\n  -\n{}", lines.concat()));
        quoted += read_all(&bench);
    }
    assert!(quoted > 12, "{quoted}");
}

#[test]
fn commands_in_the_name_of_a_file_are_only_quoted() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    for name in [
        "\n::error::pwned\r\n::set-output name=a::b\n.yaml",
        "\u{1b}[2J\u{202e}##[error]pwned.yaml",
        "a,b:c%0A::pwned.yaml",
    ] {
        for text in [
            "pools: [",
            "pools: [{ name: b }]\n",
            "pools: [{ name: a, max_runners: 1, instance_type: m5 }]\n",
        ] {
            bench.write(&format!("pools/{name}"), text);
            assert!(read_all(&bench) > 0, "{name:?}");
        }
        bench.remove(&format!("pools/{name}"));
    }
    assert_eq!(bench.garm("/pools").as_array().unwrap().len(), 0);
}

#[test]
fn a_link_out_of_the_folder_is_not_followed_and_shows_nothing() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    bench.write("elsewhere/secret.yaml", "canary: 1\n");
    symlink(bench.path("elsewhere/secret.yaml"), bench.path("pools/b.yaml")).unwrap();
    symlink(bench.path("elsewhere"), bench.path("pools/team")).unwrap();
    for line in LINES {
        let said = bench.run(line).ends(3);
        let all = format!("{}{}", said.out, said.err);
        assert!(all.contains("RC0105") && !all.contains("canary"), "{line:?}: {all}");
    }
    assert_eq!(bench.owned(), Vec::<String>::new());
}

/// The content of a file of the machine that is not a pool file.
const SHADOW: &str = "root:$6$canary:20228:0:99999:7:::\ncanary-token-4711\n";

/// Checks that every command line exits with 3 and shows nothing of the files to which the links
/// lead.
fn shows_nothing(bench: &Bench, code: &str) {
    for line in LINES {
        let said = bench.run_with(line, &[("GITHUB_ACTIONS", "true")]).ends(3);
        let all = format!("{}{}", said.out, said.err);
        assert!(all.contains(code) && !all.contains("canary"), "{line:?}: {all}");
    }
}

/// In the folder of pool files, a pull request may place a link to a file that its job can read.
#[test]
fn the_pools_folder_as_a_link_shows_nothing() {
    let bench = Bench::new();
    bench.write("elsewhere/shadow", SHADOW);
    bench.write("elsewhere/kube.yaml", SHADOW);
    for target in ["elsewhere/shadow", "elsewhere/kube.yaml", "elsewhere", "/etc/shadow", "/"] {
        symlink(target, bench.path("pools")).unwrap();
        shows_nothing(&bench, "RC0105");
        // A link that the operator names is followed. Its target must have the name of a pool file.
        let said = bench.run(&["validate", "-f", "pools"]).ends(3);
        assert!(!format!("{}{}", said.out, said.err).contains("canary"), "{target}: {said:?}");
        bench.remove("pools");
    }
}

/// A link in a folder where the fleet file is searched is not followed, either.
#[test]
fn the_fleet_file_as_a_link_shows_nothing() {
    let bench = Bench::bare();
    bench.declare(&["a"]);
    bench.write("elsewhere/shadow", SHADOW);
    bench.write("elsewhere/kube.yaml", SHADOW);
    for target in ["elsewhere/shadow", "elsewhere/kube.yaml", "/etc/shadow", "nothing"] {
        symlink(target, bench.path("runnerctl.yaml")).unwrap();
        shows_nothing(&bench, "RC0105");
        let said = bench.run(&["validate", "--config", "runnerctl.yaml"]).ends(3);
        assert!(!format!("{}{}", said.out, said.err).contains("canary"), "{target}: {said:?}");
        bench.remove("runnerctl.yaml");
    }
}

/// Lines of a file that is not YAML, or not a pool file, are not quoted as keys.
#[test]
fn lines_that_are_no_words_are_not_shown() {
    let bench = Bench::new();
    for text in [
        SHADOW,
        "-----BEGIN PRIVATE KEY-----\ncanary\n\t-----END PRIVATE KEY-----\n",
        "canary: [\n",
        "- canary\nfoo: {\n",
        "pools: []\n*canary0001 : 1\n",
        "pools: []\ncanary/0001=: 1\n",
        "pools: []\n\"canary 1\": 1\n\"canary 1\": 2\n",
        "pools: []\ncolour: canary\n",
        "pools: !<!canary+0001> []\n",
    ] {
        bench.write("pools/a.yaml", text);
        shows_nothing(&bench, "error");
    }
    bench.write("pools/a.yaml", "pools: []\ncolour: 1\n");
    assert!(bench.run(&["validate"]).ends(3).err.is_empty());
    assert!(bench.run(&["validate"]).out.contains("unknown key `colour`"));
}

/// runnerctl cannot know the owner of a pool without a mark: the plan says that the pool is
/// adopted, with its id, and changes only its mark.
#[test]
fn adopting_a_strangers_pool_is_a_step_that_says_so() {
    let bench = Bench::new();
    let id = bench.pool_by_hand(&["theirs"]);
    bench.write("pools/a.yaml", &format!("{}    adopt: {id}\n", crate::cli::bench::pool("a")));
    let plan = bench.run(&["plan", "-o", "json"]).ends(0).json();
    let steps = plan["steps"].as_array().unwrap();
    let step = steps.iter().find(|it| it["pool"] == "a").unwrap();
    assert_eq!((&step["action"], &step["pool_id"]), (&"adopt".into(), &id.into()));
}

/// A pool file cannot contain the settings of the fleet file that determine what is trusted.
#[test]
fn a_pool_file_says_nothing_but_pools() {
    let bench = Bench::new();
    for text in [
        "policy: { forbid_enable_shell: false }\n",
        "garm: { url: 'https://evil.example' }\n",
        "receivers: { x: { webhook: { url: 'https://evil.example' } } }\n",
        "defaults: { enable_shell: true }\n",
        "credentials: []\n",
        "runner_mtls: {}\n",
    ] {
        bench.write("pools/a.yaml", &format!("pools: []\n{text}"));
        let said = bench.run(&["apply", "--auto-approve"]).ends(3);
        assert!(said.err.contains("pools/a.yaml:2:1"), "{}", said.err);
    }
}

/// R8: the keys that select a network, if they are omitted, in another case, in a list or nested.
#[test]
fn a_network_key_left_out_or_hidden_is_a_violation() {
    let bench = Bench::new();
    let policy = "policy: { networks: { sim: { keys: [subnet_id, nics.subnet], allow: ['ci-*'], required: true } } }\n";
    bench.write("rc.yaml", &(bench.read("rc.yaml") + policy));
    let check = |specs: &str, code: i32| {
        let text = format!("{}    extra_specs: {specs}\n", crate::cli::bench::pool("a"));
        bench.write("pools/a.yaml", &text);
        let said = bench.run(&["plan"]).ends(code);
        assert_eq!(said.err.contains("RC0805"), code == 3, "{specs}: {}", said.err);
    };
    let good = "subnet_id: ci-a, nics: [{ subnet: ci-a }]";
    for bad in [
        "{}".to_owned(),
        "{ subnet_id: ci-a }".to_owned(),
        "{ subnet_id: prod, nics: [{ subnet: ci-a }] }".to_owned(),
        format!("{{ {good}, SUBNET_ID: prod }}"),
        format!("{{ {good}, nics.subnet: prod }}"),
        "{ subnet_id: ci-a, nics: [{ subnet: ci-a }, { Subnet: prod }] }".to_owned(),
        "{ subnet_id: [ci-a, prod], nics: [{ subnet: ci-a }] }".to_owned(),
        "{ subnet_id: null, nics: [{ subnet: ci-a }] }".to_owned(),
        "{ subnet_id: { ci-a: prod }, nics: [{ subnet: ci-a }] }".to_owned(),
    ] {
        check(&bad, 3);
    }
    check(&format!("{{ {good} }}"), 0);
    assert_eq!(bench.garm("/pools").as_array().unwrap().len(), 0);
}
