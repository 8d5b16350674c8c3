//! Checks that the tests, keys, metrics and files that the documents name exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The documents that are checked. `CHANGELOG.md` names things that no longer exist.
fn documents() -> Vec<PathBuf> {
    let names = ["ARCHITECTURE.md", "BENCHMARKS.md", "README.md", "tests/README.md"];
    let mut documents: Vec<PathBuf> = names.iter().map(|name| root().join(name)).collect();
    let pages = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    documents.extend(pages.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    documents.sort();
    documents
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The code spans of a document, each with its line.
fn spans(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2).map(move |span| (span, line)))
}

/// What the sources and the tests define.
#[derive(Default)]
struct Definitions {
    /// Each function, with the modules of its file.
    functions: Vec<(String, Vec<String>)>,
    /// Every word of the product's code, texts included and comments left out.
    words: BTreeSet<String>,
}

impl Definitions {
    fn read() -> Self {
        let mut all = Self::default();
        all.add(&root().join("src"));
        all.add(&root().join("tests/it"));
        all
    }

    fn add(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.add(&path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                self.add_file(&path);
            }
        }
    }

    fn add_file(&mut self, path: &Path) {
        let text = fs::read_to_string(path).unwrap();
        let modules = path.with_extension("");
        let modules: Vec<String> =
            modules.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        let names = text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
        self.functions.extend(names.map(|name| (name.to_owned(), modules.clone())));
        if path.starts_with(root().join("src")) {
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            self.words.extend(code.flat_map(words).map(str::to_owned));
        }
    }

    /// Whether there is a function of this name: `name`, or `module::module::name`.
    fn has_function(&self, path: &str) -> bool {
        let (modules, name) = path.rsplit_once("::").unwrap_or(("", path));
        let is_in = |its: &[String]| {
            modules.split("::").all(|module| module.is_empty() || its.iter().any(|it| it == module))
        };
        self.functions.iter().any(|(other, its)| other == name && is_in(its))
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

/// Whether a word is `snake_case` of three words or more: the name of a test, a key or a metric.
fn is_long_name(word: &str) -> bool {
    let is_part = |part: &str| part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    word.split('_').count() > 2 && word.split('_').all(|part| !part.is_empty() && is_part(part))
}

#[test]
fn documents_name_tests_keys_and_metrics_that_exist() {
    let all = Definitions::read();
    let mut missing = Vec::new();
    // The keys of providers are not ours; `tests/it/printed/providers.rs` checks them.
    for document in documents().into_iter().filter(|path| !path.ends_with("docs/providers.md")) {
        let text = fs::read_to_string(&document).unwrap();
        for (span, line) in spans(&text) {
            let is_path = span.contains("::") && words(span).any(is_long_name);
            let is_missing = if is_path {
                !all.has_function(span)
            } else {
                words(span)
                    .filter(|word| is_long_name(word))
                    .any(|word| !all.has_function(word) && !all.words.contains(word))
            };
            if is_missing {
                missing.push(format!("{}: `{span}` in: {line}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn each_attack_in_the_security_document_names_its_tests() {
    let all = Definitions::read();
    let text = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let (_, table) = text.split_once("| attack | what happens | test |\n").unwrap();
    let rows: Vec<&str> = table.lines().skip(1).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 20, "{}", rows.len());
    for row in rows {
        let tests = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test: {row}");
        for name in names {
            assert!(all.has_function(name), "`{name}` does not exist: {row}");
        }
    }
}

/// The Rust files that a document names in code spans: a path with a folder in it, below the
/// repository, `src`, `tests/it` or the folder of the document.
fn missing_files(document: &Path) -> Vec<String> {
    let text = fs::read_to_string(document).unwrap();
    let homes = [root(), root().join("src"), root().join("tests/it")];
    let own = document.parent().unwrap();
    let is_path = |span: &str| {
        let is_plain = span.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
        is_plain && span.contains('/') && span.ends_with(".rs")
    };
    let exists = |span: &str| {
        homes.iter().map(PathBuf::as_path).chain([own]).any(|home| home.join(span).exists())
    };
    spans(&text)
        .filter(|(span, _)| is_path(span) && !exists(span))
        .map(|(span, _)| format!("{}: `{span}`", document.display()))
        .collect()
}

#[test]
fn documents_name_files_that_exist() {
    let missing: Vec<String> =
        documents().iter().flat_map(|document| missing_files(document)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}
