//! The rules of the code's structure: which room may import which, what is pure, where GARM is
//! written to, and where each library is used. A finding names file, line and rule.

mod picture;
mod source;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use source::Source;

/// The floors, lowest first. A room imports only from floors below its own.
const FLOORS: &[&[&str]] = &[
    &["domain"],
    &["config", "scaling", "election"],
    &["policy"],
    &["plan"],
    &["monitor"],
    &["event"],
    &["audit"],
    &["render"],
    &["garm", "secrets", "notify", "lease_store", "host"],
    &["sim", "reconcile", "metrics"],
    &["cli"],
];

/// The rooms that compute values from values only.
const PURE: &[&str] = &[
    "domain", "config", "scaling", "election", "policy", "plan", "monitor", "event", "audit",
    "render",
];

/// Words that a pure room must not contain.
const IMPURE_WORDS: &[&str] = &[
    "SystemTime",
    "Instant",
    "Timestamp::now",
    "Zoned::now",
    "std::fs",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "std::env",
    "std::process",
    "std::thread",
    "tokio",
    "async ",
    ".await",
    "println!",
    "eprintln!",
    "print!",
    "eprint!",
    "RandomState",
    "File::",
    "reqwest",
];

/// Calls that read a clock, which only `host` does. Tokio's clock is not among them, because tests
/// pause it.
const CLOCK_WORDS: &[&str] =
    &["SystemTime::now", "std::time::Instant", "Timestamp::now", "Zoned::now"];

/// Calls that panic if the system refuses a thread. `thread::Builder` and the runtimes of
/// `cli/runtime.rs` do not.
const UNSAFE_THREADS: &[&str] = &[
    "thread::spawn",
    "enable_steady_tick",
    "Builder::new_current_thread",
    "Builder::new_multi_thread",
];

/// The methods of the client that change GARM.
const WRITES: &[&str] = &[
    ".update_controller(",
    ".create_pool(",
    ".update_pool(",
    ".delete_pool(",
    ".delete_runner(",
    ".create_credential(",
    ".update_credential(",
];

/// The methods of the client that read lists of GARM's, as they are called.
const LIST_READS: &[&str] = &[
    "client.entities(",
    "client.entity(",
    "client.providers(",
    "client.templates(",
    "client.proxies(",
    "client.endpoints(",
    "client.pools(",
    "client.pools_and_date(",
    "client.runners(",
    "client.jobs(",
];

/// The paths that may name each library.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("clap", &["src/cli/"]),
    ("clap_complete", &["src/cli/"]),
    ("clap_mangen", &["src/cli/"]),
    ("indicatif", &["src/cli/"]),
    ("comfy_table", &["src/render/"]),
    ("schemars", &["src/cli/", "src/render/"]),
    ("annotate_snippets", &["src/render/"]),
    ("prometheus", &["src/metrics/"]),
    ("axum", &["src/metrics/", "src/sim/"]),
    ("hyper", &["src/garm/", "src/metrics/", "src/sim/"]),
    ("reqwest", &["src/garm/", "src/secrets/", "src/notify/", "src/lease_store/"]),
    ("flate2", &["src/host/"]),
    ("tokio_postgres", &["src/lease_store/"]),
    ("rustls", &["src/garm/", "src/secrets/", "src/notify/", "src/lease_store/", "src/metrics/"]),
    ("x509_cert", &["src/garm/", "src/secrets/", "src/sim/"]),
    ("pkcs8", &["src/secrets/"]),
    ("pkcs1", &["src/sim/"]),
    ("serde_yaml", &["src/config/yaml.rs", "src/config/yaml/"]),
];

/// Crates that must not be in the graph: unsound or archived YAML, a second TLS stack. `ring` is
/// not in the list: optional features put it into the lock file, and only `deny.toml` considers the
/// graph.
const BANNED: &[&str] = &["serde_yml", "unsafe-libyaml", "openssl-sys", "native-tls", "protobuf"];

/// The largest number of lines of a file before its tests.
const FILE_MAX: usize = 400;

/// Every finding in one source.
fn findings(source: &Source) -> Vec<String> {
    let rules = [floors, purity, clocks, threads, writers, readers, libraries, shapes];
    rules.iter().flat_map(|rule| rule(source)).collect()
}

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|it| it.contains(&room))
}

/// The rooms that a line of code names through `crate::`, groups included.
fn rooms_named(line: &str) -> Vec<&str> {
    let word = |text: &'_ str| -> usize {
        text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
    };
    let mut rooms = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => rooms.push(&rest[..word(rest)]),
            Some(group) => {
                let mut depth = 0;
                let mut start = 0;
                for (i, c) in group.char_indices().chain([(group.len(), '}')]) {
                    match c {
                        '{' => depth += 1,
                        ',' | '}' if depth == 0 => {
                            let item = group[start..i].trim();
                            rooms.push(&item[..word(item)]);
                            start = i + 1;
                            if c == '}' {
                                break;
                            }
                        }
                        '}' => depth -= 1,
                        _ => {}
                    }
                }
            }
        }
    }
    rooms.retain(|it| !it.is_empty());
    rooms
}

fn floors(source: &Source) -> Vec<String> {
    let Some(room) = source.room().filter(|it| !matches!(*it, "lib" | "main")) else {
        return Vec::new();
    };
    let Some(mine) = floor_of(room) else {
        return vec![format!("{}: `{room}` stands on no floor", source.path)];
    };
    // A `use` may span several lines; statements do not.
    let mut found = Vec::new();
    for (number, line) in statements(&source.code) {
        for other in rooms_named(&line) {
            let is_below = other == room || floor_of(other).is_none_or(|it| it < mine);
            if !is_below {
                found.push(format!("{}:{number}: `{room}` uses `{other}`", source.path));
            }
        }
        if line.contains(&"super::".repeat(source.depth())) {
            found.push(format!("{}:{number}: `super` climbs out of `{room}`", source.path));
        }
    }
    found
}

/// Statements with the line each begins on: lines joined until one ends in `;`, `{` or `}`.
fn statements(code: &str) -> Vec<(usize, String)> {
    let mut all: Vec<(usize, String)> = Vec::new();
    let mut is_open = false;
    for (i, line) in code.lines().enumerate() {
        match all.last_mut() {
            Some((_, text)) if is_open => text.push_str(line.trim()),
            _ => all.push((i + 1, line.trim().to_owned())),
        }
        let text = &all.last().expect("one was pushed above").1;
        is_open = text.contains("crate::{") && !text.ends_with(';');
    }
    all
}

/// A finding for each of `words` that the code contains as a word of its own.
fn named(source: &Source, words: &[&str], rule: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (i, line) in source.code.lines().enumerate() {
        for word in words.iter().filter(|it| stands_in(line, it)) {
            found.push(format!("{}:{}: `{}` {rule}", source.path, i + 1, word.trim()));
        }
    }
    found
}

fn stands_in(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().filter(|_| word.starts_with(is_part));
        let after = line[at + word.len()..].chars().next().filter(|_| word.ends_with(is_part));
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

fn purity(source: &Source) -> Vec<String> {
    match source.room() {
        Some(room) if PURE.contains(&room) => named(source, IMPURE_WORDS, "in a pure room"),
        _ => Vec::new(),
    }
}

fn clocks(source: &Source) -> Vec<String> {
    match source.room() {
        Some("host") | None => Vec::new(),
        Some(_) => named(source, CLOCK_WORDS, "reads a clock outside `host`"),
    }
}

fn threads(source: &Source) -> Vec<String> {
    match source.room() {
        Some(_) if source.path != "src/cli/runtime.rs" => {
            named(source, UNSAFE_THREADS, "panics where the system refuses a thread")
        }
        Some(_) | None => Vec::new(),
    }
}

fn writers(source: &Source) -> Vec<String> {
    let is_writer = source.path == "src/reconcile/writer.rs"
        || source.path.starts_with("src/reconcile/writer/");
    match source.room() {
        // The client itself, and the simulator, whose world has methods of the same names.
        Some("garm" | "sim") | None => Vec::new(),
        Some(_) if is_writer => Vec::new(),
        Some(_) => named(source, WRITES, "writes to GARM outside `reconcile/writer.rs`"),
    }
}

/// The fleet is read in one place; `reread` shares the list of pools among the steps of an apply.
fn readers(source: &Source) -> Vec<String> {
    let is_reader = source.path.starts_with("src/reconcile/read_fleet")
        || source.path == "src/reconcile/reread.rs";
    match source.room() {
        Some("garm" | "sim") | None => Vec::new(),
        Some(_) if is_reader => Vec::new(),
        Some(_) => named(source, LIST_READS, "reads the fleet outside `reconcile/read_fleet`"),
    }
}

fn libraries(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (library, homes) in LIBRARIES {
        if source.room().is_some() && !homes.iter().any(|it| source.path.starts_with(it)) {
            let paths = [format!("{library}::"), format!("use {library};")];
            let words: Vec<&str> = paths.iter().map(String::as_str).collect();
            found.extend(named(source, &words, "is used outside its home"));
        }
    }
    if source.room() == Some("domain") {
        found.extend(named(source, &["serde::", "Serialize", "Deserialize"], "in a domain type"));
    }
    found
}

fn shapes(source: &Source) -> Vec<String> {
    let mut found = named(source, &["#[allow", "#![allow"], "hides a lint without a reason");
    found.extend(named(source, &["process::exit"], "ends the process outside `main`"));
    let markers = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("#[ig", "nore")];
    for (i, line) in source.text.lines().enumerate() {
        for marker in markers.iter().filter(|it| line.contains(**it)) {
            found.push(format!("{}:{}: `{marker}` on main", source.path, i + 1));
        }
    }
    let lines = source.lines_before_tests();
    if source.path.starts_with("src/") && lines > FILE_MAX {
        found.push(format!("{}: {lines} lines before its tests", source.path));
    }
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder, in the order of the paths, without the files of tests.
fn sources(folder: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    walk(&root().join(folder), &mut paths);
    paths.sort();
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
        Source::new(&name, &fs::read_to_string(path).unwrap())
    };
    let all: Vec<Source> = paths.iter().map(read).collect();
    let for_tests: Vec<String> = all
        .iter()
        .flat_map(|it| {
            let stem = it.path.trim_end_matches("/mod.rs").trim_end_matches(".rs");
            it.test_modules().into_iter().map(move |module| format!("{stem}/{module}"))
        })
        .collect();
    let is_for_tests = |path: &str| {
        for_tests.iter().any(|it| path == format!("{it}.rs") || path.starts_with(&format!("{it}/")))
    };
    all.into_iter().filter(|it| !is_for_tests(&it.path)).collect()
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, paths);
        } else if path.extension().is_some_and(|it| it == "rs") {
            paths.push(path);
        }
    }
}

#[test]
fn the_walls_stand() {
    let all = sources("src");
    assert!(all.len() > 30, "the walk finds the sources: {}", all.len());
    let found: Vec<String> = all.iter().flat_map(findings).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// The types that a source declares, without those of traits and their implementations.
fn types(source: &Source) -> impl Iterator<Item = &str> {
    const KEYWORDS: [&str; 5] = ["struct ", "enum ", "trait ", "type ", "union "];
    source.code.lines().filter_map(|line| {
        let line = match line.strip_prefix("pub") {
            Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
            Some(rest) => rest.strip_prefix(' ')?,
            None => line,
        };
        let rest = KEYWORDS.iter().find_map(|it| line.strip_prefix(it))?;
        rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
    })
}

/// One type name has one meaning in the whole product.
#[test]
fn a_type_name_is_declared_once() {
    let all = sources("src");
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for source in &all {
        types(source).for_each(|name| places.entry(name).or_default().push(&source.path));
    }
    assert!(places.len() > 500, "the walk finds the types: {}", places.len());
    places.retain(|_, places| places.len() > 1);
    assert!(places.is_empty(), "declared more than once: {places:#?}");
}

#[test]
fn tests_have_no_ignored_ones_and_hide_no_lints() {
    let found: Vec<String> = sources("tests").iter().flat_map(shapes).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// Otherwise a new method could be called from anywhere.
#[test]
fn every_writing_method_of_the_client_is_in_the_list() {
    let client = fs::read_to_string(root().join("src/garm/client.rs")).unwrap();
    let (product, _) = client.split_once("#[cfg(test)]").unwrap();
    let methods = product.split("pub async fn ").skip(1);
    let writing = methods.filter(|it| {
        ["Method::Post", "Method::Put", "Method::Delete"].iter().any(|verb| it.contains(verb))
    });
    let calls: Vec<_> = writing.map(|it| format!(".{}(", it.split('(').next().unwrap())).collect();
    assert_eq!(calls, WRITES);
}

#[test]
fn banned_crates_are_not_in_the_graph() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    for name in BANNED {
        assert!(!lock.contains(&format!("name = \"{name}\"\n")), "{name} is in Cargo.lock");
    }
}

#[test]
fn every_room_of_the_library_stands_on_a_floor() {
    let library = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let rooms = library.lines().filter_map(|it| it.strip_prefix("pub mod ")?.strip_suffix(';'));
    for room in rooms {
        assert!(floor_of(room).is_some(), "{room}");
    }
}

/// The checker itself: what it must find, and what it must not report.
#[track_caller]
fn check(path: &str, text: &str, expected: &[&str]) {
    assert_eq!(findings(&Source::new(path, text)), expected, "{path}\n{text}");
}

#[test]
fn imports_go_down_only() {
    check("src/plan/diff.rs", "use crate::domain::pool::Pool;\nuse super::Step;\n", &[]);
    check(
        "src/plan/diff.rs",
        "use crate::render::words;\n",
        &["src/plan/diff.rs:1: `plan` uses `render`"],
    );
    check(
        "src/scaling/route.rs",
        "use crate::{\n    domain::{job::Job, render},\n    config::Manifest,\n};\n",
        &["src/scaling/route.rs:1: `scaling` uses `config`"],
    );
    check(
        "src/event.rs",
        "fn f() { crate::cli::main(); }\n",
        &["src/event.rs:1: `event` uses `cli`"],
    );
    check(
        "src/plan/diff.rs",
        "use super::super::view::words;\n",
        &["src/plan/diff.rs:1: `super` climbs out of `plan`"],
    );
    check("src/attic/mod.rs", "", &["src/attic/mod.rs: `attic` stands on no floor"]);
}

#[test]
fn pure_rooms_readers_and_writers_are_held() {
    check(
        "src/render/plan.rs",
        "fn f() { println!(\"\"); }\n",
        &["src/render/plan.rs:1: `println!` in a pure room"],
    );
    check(
        "src/scaling/mod.rs",
        "let now = Timestamp::now();\n",
        &[
            "src/scaling/mod.rs:1: `Timestamp::now` in a pure room",
            "src/scaling/mod.rs:1: `Timestamp::now` reads a clock outside `host`",
        ],
    );
    check("src/scaling/mod.rs", "// tokio, SystemTime\nlet text = \"std::fs\";\n", &[]);
    check("src/scaling/mod.rs", "#[cfg(test)]\nmod tests {\n    use crate::sim::World;\n}\n", &[]);
    check(
        "src/cli/prompt.rs",
        "std::thread::spawn(read);\n",
        &["src/cli/prompt.rs:1: `thread::spawn` panics where the system refuses a thread"],
    );
    check("src/cli/prompt.rs", "std::thread::Builder::new().spawn(read)?;\n", &[]);
    check(
        "src/reconcile/apply.rs",
        "client.delete_pool(&id).await?;\n",
        &["src/reconcile/apply.rs:1: `.delete_pool(` writes to GARM outside `reconcile/writer.rs`"],
    );
    check("src/reconcile/writer.rs", "client.delete_pool(&id).await?;\n", &[]);
    check(
        "src/cli/status.rs",
        "let pools = client.pools().await?;\n",
        &["src/cli/status.rs:1: `client.pools(` reads the fleet outside `reconcile/read_fleet`"],
    );
    check("src/reconcile/read_fleet/resync.rs", "client.pools().await?;\n", &[]);
}

#[test]
fn libraries_and_shapes_are_held() {
    check("src/reconcile/writer.rs", "let now = tokio::time::Instant::now();\n", &[]);
    check(
        "src/reconcile/writer.rs",
        "use indicatif::ProgressBar;\n",
        &["src/reconcile/writer.rs:1: `indicatif::` is used outside its home"],
    );
    check(
        "src/config/fleet.rs",
        "serde_yaml::from_str(text)\n",
        &["src/config/fleet.rs:1: `serde_yaml::` is used outside its home"],
    );
    check(
        "src/domain/pool.rs",
        "#[derive(Serialize)]\nstruct A;\n",
        &["src/domain/pool.rs:1: `Serialize` in a domain type"],
    );
    check(
        "src/plan/mod.rs",
        "#[allow(dead_code)]\nfn f() {}\n",
        &["src/plan/mod.rs:1: `#[allow` hides a lint without a reason"],
    );
    check(
        "src/plan/mod.rs",
        concat!("// TO", "DO: later\n"),
        &[concat!("src/plan/mod.rs:1: `TO", "DO` on main")],
    );
    check(
        "src/plan/mod.rs",
        &"fn f() {}\n".repeat(FILE_MAX + 1),
        &["src/plan/mod.rs: 401 lines before its tests"],
    );
    check("src/plan/mod.rs", &format!("{}#[cfg(test)]\n", "\n".repeat(400)), &[]);
}
