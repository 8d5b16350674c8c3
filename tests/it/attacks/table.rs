//! The table of `docs/security.md` names a test for each attack: each of them is there.

use std::fs;
use std::path::Path;

use crate::cli::bench::root;

const PAGE: &str = include_str!("../../../docs/security.md");

/// The functions of the sources and tests, each with the rooms that its file stands in.
fn functions(folder: &Path, all: &mut Vec<(String, Vec<String>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, all);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let rooms = path.with_extension("");
            let rooms = rooms.iter().map(|it| it.to_str().unwrap().to_owned());
            let rooms: Vec<String> = rooms.collect();
            let text = fs::read_to_string(&path).unwrap();
            let names = text.split("fn ").skip(1).filter_map(|it| it.split('(').next());
            all.extend(names.map(|it| (it.to_owned(), rooms.clone())));
        }
    }
}

/// Whether `room::room::name` is one of them.
fn is_there(path: &str, all: &[(String, Vec<String>)]) -> bool {
    let (rooms, name) = path.rsplit_once("::").unwrap();
    let stands_in = |it: &[String]| rooms.split("::").all(|room| it.iter().any(|it| it == room));
    all.iter().any(|(other, its_rooms)| other == name && stands_in(its_rooms))
}

#[test]
fn every_row_names_a_test_that_is_there() {
    let mut all = Vec::new();
    functions(&root().join("src"), &mut all);
    functions(&root().join("tests/it"), &mut all);
    let (_, table) = PAGE.split_once("| attack | what happens | test |\n").unwrap();
    let rows: Vec<&str> = table.lines().skip(1).take_while(|it| it.starts_with('|')).collect();
    assert!(rows.len() > 20, "{}", rows.len());
    for row in rows {
        let tests = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test: {row}");
        for name in names {
            assert!(is_there(name, &all), "`{name}` is no test: {row}");
        }
    }
}
