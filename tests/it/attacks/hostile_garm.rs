//! A GARM under an attacker's control, or one that returns strings of strangers: every string in
//! its answers is hostile. `garm_http` tests answers without a limit or an end.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use serde_json::{Value, json};

use super::reading::{PAYLOAD, is_harmless, mentions_no_user};
use crate::cli::bench::Bench;

/// Which strings of a response are hostile.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Harm {
    /// The strings that GARM or an outsider may choose freely. Ids, times and states stay valid, so
    /// that everything that depends on them is shown, too.
    Free,
    /// All of them.
    All,
}

/// Recorded responses of a real GARM, with hostile strings. One of the pools is ours.
fn answers(harm: Harm) -> impl Fn(&str) -> (u16, Value) + Send + 'static {
    move |path| {
        let (name, status) = match path {
            "/auth/login" => return (200, json!({ "token": "canary-token" })),
            "/controller" | "/controller-info" => ("controller", 200),
            "/organizations" | "/repositories" | "/enterprises" | "/pools" | "/instances"
            | "/jobs" | "/providers" | "/templates" | "/credentials" => (&path[1..], 200),
            it if it.starts_with("/pools/") => ("pool", 200),
            _ => ("pool_get_unknown", 404),
        };
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/garm/{name}.json"));
        let text = std::fs::read_to_string(file).unwrap();
        let mut answer: Value = serde_json::from_str(&text).unwrap();
        poison(&mut answer["body"], "", harm);
        (status, answer["body"].take())
    }
}

fn poison(value: &mut Value, key: &str, harm: Harm) {
    let leads = ["id", "_id", "_at", "status", "heartbeat", "locked_by", "action"];
    match value {
        Value::String(text) if harm == Harm::Free && is_known(text) => {}
        Value::String(_) if harm == Harm::Free && leads.iter().any(|it| key.ends_with(it)) => {}
        Value::String(text) => text.push_str(PAYLOAD),
        Value::Array(items) => items.iter_mut().for_each(|it| poison(it, key, harm)),
        Value::Object(map) => map.iter_mut().for_each(|(key, it)| poison(it, key, harm)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Names that also occur in the files stay, so that our pool is found.
fn is_known(text: &str) -> bool {
    ["lab-org", "lab"].contains(&text) || text.starts_with("runnerctl=")
}

/// Serves until the test process ends.
fn serve(answers: impl Fn(&str) -> (u16, Value) + Send + 'static) -> String {
    serve_text(move |path| {
        let (status, body) = answers(path);
        (status, body.to_string())
    })
}

fn serve_text(answers: impl Fn(&str) -> (u16, String) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A client may disconnect before it has read the whole response.
            let _ = stream.and_then(|it| answer(it, &answers));
        }
    });
    url
}

fn answer(mut stream: TcpStream, answers: &impl Fn(&str) -> (u16, String)) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let length = head.lines().find_map(|it| it.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |it| it.trim().parse().unwrap())];
    stream.read_exact(&mut body)?;
    let path = head.split(' ').nth(1).unwrap_or_default();
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    let (status, body) = answers(path.split('?').next().unwrap_or_default());
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A fleet for the recorded responses, in which `default` exists and `new` does not.
fn bench(url: &str) -> Bench {
    let bench = Bench::bare();
    bench.write(
        "rc.yaml",
        &format!(
            "fleet: acme\ngarm: {{ url: '{url}', username: admin, password: 'env:P' }}\n\
             defaults: {{ organization: lab-org, provider: lab, image: new }}\n"
        ),
    );
    bench.declare(&["default", "new"]);
    bench
}

/// The recorded responses, except for one path.
fn with_answer(path: &'static str, body: String) -> String {
    let recorded = answers(Harm::Free);
    serve_text(move |asked| {
        if asked == path {
            (200, body.clone())
        } else {
            {
                let (status, body) = recorded(asked);
                (status, body.to_string())
            }
        }
    })
}

/// Runs `plan` with an address space that is too small for the response or its parsed tree.
fn plan_in_little_memory(bench: &Bench) -> (Option<i32>, String) {
    let script = "ulimit -v 700000; exec \"$0\" plan";
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script]).arg(assert_cmd::cargo::cargo_bin("runnerctl"));
    command.current_dir(bench.path(".")).env_clear().env("RUNNERCTL_CONFIG", "rc.yaml");
    let said = command.env("P", "secret").output().unwrap();
    (said.status.code(), String::from_utf8(said.stderr).unwrap())
}

#[test]
fn lists_without_end_cost_bounded_memory() {
    let minimal = format!("[{}]", vec![r#"{"name":"r"}"#; 1_000_000].join(","));
    let odd = format!("[{}]", vec![r#"{"name":[]}"#; 1_000_000].join(","));
    let long = format!(r#"[{{"name":"{}"}}]"#, "x".repeat(40 << 20));
    for (body, expected) in [
        (minimal, "more than 20000 entries"),
        (odd, "more than 20000 entries"),
        (long, "the response has more than 16777216 bytes"),
    ] {
        let (code, err) = plan_in_little_memory(&bench(&with_answer("/instances", body)));
        assert!(code == Some(4) && err.contains(expected), "{code:?}: {err}");
    }
}

/// A hostile row is skipped and reported; the others are read.
#[test]
fn an_odd_row_costs_that_row_and_is_told_of() {
    let body = r#"[{"name":"a"},{"id":"7f","name":{}},{"name":"b"}]"#.to_owned();
    let said = bench(&with_answer("/instances", body)).run_with(&["plan"], &[("P", "secret")]);
    let told = "warning: GET /instances: left out 1 entry that cannot be read: entry 2 (\"7f\")";
    assert!(said.code == 0 && said.err.contains(told), "{said:?}");
}

const LINES: &[&[&str]] = &[
    &["validate", "--online"],
    &["validate", "--online", "-o", "json"],
    &["plan"],
    &["plan", "-o", "json"],
    &["plan", "-o", "markdown"],
    &["status", "--runners"],
    &["status", "-o", "json"],
    &["import"],
    &["apply", "--auto-approve", "--allow-destroy=all"],
    &["watch", "--once", "--dry-run", "--listen", "127.0.0.1:0"],
];

#[test]
fn texts_of_a_hostile_garm_do_nothing_to_terminal_workflow_or_page() {
    let mut shown = 0;
    for harm in [Harm::Free, Harm::All] {
        let bench = bench(&serve(answers(harm)));
        for line in LINES {
            for host in ["", "true"] {
                let page = bench.path("page.md");
                let set = [
                    ("P", "secret"),
                    ("GITHUB_ACTIONS", host),
                    ("GITHUB_STEP_SUMMARY", page.to_str().unwrap()),
                    ("RUST_LOG", "runnerctl=trace"),
                ];
                let whole = [line, &["-v"][..]].concat();
                let said = bench.run_with(&whole, &set);
                assert!([0, 1, 2, 3, 4, 5].contains(&said.code), "{line:?}: {said:?}");
                if host == "true" {
                    is_harmless(&format!("{line:?}"), &said);
                }
                if line.ends_with(&["markdown"]) {
                    mentions_no_user("plan", &said.out);
                }
                shown += usize::from(said.out.contains("pwned"));
                if page.exists() {
                    let text = bench.read("page.md");
                    super::reading::moves_no_cursor("the page of the step", &text);
                    mentions_no_user("the page of the step", &text);
                    bench.remove("page.md");
                }
            }
        }
        let state = bench.path(".local/state/runnerctl/audit.jsonl");
        if state.exists() {
            super::reading::moves_no_cursor(
                "the audit file",
                &std::fs::read_to_string(state).unwrap(),
            );
        }
    }
    assert!(shown >= 8, "what was quoted was hostile: {shown}");
}
