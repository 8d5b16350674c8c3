//! Hostile and damaged files: each leads to a precise problem, none to a panic, and none is taken
//! for something else.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use runnerctl::config::{Manifest, Problem, SourceFile, load};
use runnerctl::render::problem;

fn pools(text: &str) -> Manifest {
    load(None, &[SourceFile { path: "a.yaml".into(), text: text.into(), folder: None }])
}

/// The first error, as `CODE line:column message`.
fn check(text: &str, expected: &str) {
    let said: Vec<String> = pools(text).problems.iter().map(said).collect();
    assert_eq!(said.first().map(String::as_str), Some(expected), "{said:#?}");
}

fn said(problem: &Problem) -> String {
    let place = problem.place.to_string();
    format!("{} {} {}", problem.code.text(), &place["a.yaml:".len()..], problem.message)
}

#[test]
fn nesting_ends_early_in_every_style() {
    let message = "lists and mappings are nested more than 64 levels deep";
    check(&"[".repeat(200_000), &format!("RC0206 1:65 {message}"));
    check(&"{a: ".repeat(200_000), &format!("RC0206 1:257 {message}"));
    check(&"- ".repeat(200_000), &format!("RC0206 1:129 {message}"));
    let steps: Vec<String> = (0..200).map(|it| format!("{}a:", " ".repeat(it))).collect();
    check(&steps.join("\n"), &format!("RC0206 65:65 {message}"));
}

#[test]
fn aliases_do_not_nest_deeper_than_what_they_repeat() {
    let mut text = String::from("a0: &a0 [x]\n");
    for step in 1..200 {
        text.push_str(&format!("a{step}: &a{step} [*a{}]\n", step - 1));
    }
    check(&text, "RC0206 64:12 lists and mappings are nested more than 64 levels deep");
}

#[test]
fn an_alias_bomb_is_counted_before_it_goes_off() {
    let mut text = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (one, two) in ["ab", "bc", "cd", "de", "ef", "fg", "gh", "hi"].map(|it| it.split_at(1)) {
        let many = format!("*{one}, ").repeat(9);
        text.push_str(&format!("{two}: &{two} [{many}]\n"));
    }
    check(&text, "RC0205 6:32 the aliases expand to too many values");
}

#[test]
fn a_long_text_is_not_repeated_into_the_memory() {
    let long = "x".repeat(100_000);
    let uses = "*a, ".repeat(20_000);
    let text = format!("pools: []\na: &a {long}\nb: [{uses}]\n");
    check(&text, "RC0205 3:1341 the aliases expand to too many values");
}

#[test]
fn more_values_than_a_file_may_have_are_not_read() {
    let text = format!("[{}]", "1,".repeat(2_000_000));
    check(&text, "RC0205 1:1032446 the file has too many values");
}

#[test]
fn problems_of_one_file_are_counted_beyond_a_bound() {
    let keys: Vec<String> = (0..5_000).map(|it| format!("k{it}: 1")).collect();
    let problems = pools(&keys.join("\n")).problems;
    assert_eq!(problems.len(), 501);
    assert_eq!(problems[500].message, "4501 more problems in this file are not shown");
}

#[test]
fn long_keys_lines_and_texts_are_cut() {
    let text = format!("pools: []\n{}: {}\n", "k".repeat(900), "v".repeat(100_000));
    let report = problem::text(&pools(&text).problems);
    assert!(report.len() < 2_000, "{}", report.len());
    let text = format!("pools: [{{name: a, image: '{}', max_runners: x}}]", "v".repeat(100_000));
    let report = problem::text(&pools(&text).problems);
    assert!(report.len() < 4_000, "{}", report.len());
}

#[test]
fn line_ends_of_every_system_are_the_same() {
    let unix = "pools:\n  - name: a\n    max_runners: x\n    instance_type: m5\n";
    let places = |text: &str| pools(text).problems.iter().map(said).collect::<Vec<_>>();
    assert_eq!(places(&unix.replace('\n', "\r\n")), places(unix));
    assert_eq!(places(&unix.replace('\n', "\r")), places(unix));
}

#[test]
fn a_byte_order_mark_begins_a_file_and_stands_nowhere_else() {
    let source = SourceFile::decode("a.yaml", b"\xef\xbb\xbfpools:\n- nam: a\n".to_vec()).unwrap();
    let said: Vec<String> = load(None, &[source]).problems.iter().map(said).collect();
    assert_eq!(said[0], "RC0301 2:3 unknown key `nam` in a pool");
    check("pools: []\n\u{feff}x: 1\n", "RC0201 2:1 the text contains a byte order mark");
}

#[test]
fn directives_are_harmless() {
    assert_eq!(pools("%YAML 1.2\n---\npools: []\n...\n").problems.len(), 1);
    check(
        "%TAG ! tag:yaml.org,2002:python/\n---\npools: [!x {}]\n",
        "RC0203 3:9 the tag `!x` is not supported",
    );
}

#[test]
fn quoted_text_cannot_move_the_cursor() {
    let problems = pools("pools:\n- name: \"a\\e[31m\u{202e}\"\n  \"\\e[2J\": 1\n").problems;
    for output in
        [problem::json(&problems).to_string(), problem::annotations(&problems, None).concat()]
    {
        assert!(!output.contains(['\u{1b}', '\u{202e}']), "{output}");
    }
    let text = problem::text(&problems);
    let text = anstream::adapter::strip_str(&text).to_string();
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
}

/// Fragments of YAML and of text that resembles it.
fn fragment() -> impl Strategy<Value = String> {
    select(vec![
        "pools:",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "name: ",
        "a",
        "max_runners: ",
        "5",
        "labels: ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        ": ",
        "&x ",
        "*x",
        "!!str ",
        "!y ",
        "\"",
        "'",
        "|\n",
        ">-\n",
        "# c\n",
        "---\n",
        "...\n",
        "? ",
        "<<: ",
        "\t",
        "\r\n",
        "\r",
        "é",
        "\u{2028}",
        "\u{feff}",
        "\u{0}",
        "extra_specs: ",
        "null",
        "~",
        "017",
        "1e3",
        "30s",
        "%YAML 1.2\n",
        "=",
        "@",
        "`",
        "\\",
        "\u{85}",
    ])
    .prop_map(str::to_owned)
}

/// Every place is inside the file, and every mark inside its excerpt.
fn holds(text: &str, problems: &[Problem]) -> Result<(), TestCaseError> {
    let is_end = |c: char| c == '\n' || c == '\r';
    let joined = text.replace("\r\n", "\n");
    let lines: Vec<&str> = joined.split(is_end).collect();
    for problem in problems {
        let Some(spot) = problem.place.spot else { continue };
        let line = lines.get(spot.line as usize - 1);
        prop_assert!(line.is_some(), "{} of {} lines: {text:?}", spot.line, lines.len());
        let width = line.unwrap().chars().count();
        prop_assert!(spot.column as usize <= width + 1, "{}: {text:?}", problem.place);
        for excerpt in &problem.excerpts {
            for mark in &excerpt.marks {
                prop_assert!(excerpt.text.get(mark.start..mark.end).is_some(), "{text:?}");
            }
        }
    }
    let _ = problem::text(problems);
    Ok(())
}

fn both_kinds(text: &str) -> Result<(), TestCaseError> {
    let source = || SourceFile { path: "a.yaml".into(), text: text.into(), folder: None };
    holds(text, &load(None, &[source()]).problems)?;
    holds(text, &load(Some(&source()), &[]).problems)
}

const VALID: &[&str] = &[
    include_str!("../../../pools/default.yaml"),
    include_str!("../../config/alerts_and_receivers/runnerctl.yaml"),
    include_str!("../../config/secrets_in_extra_specs/pools/a.yaml"),
    include_str!("../../config/min_above_max/runnerctl.yaml"),
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC{0,200}|[ -~\\n\\t\\r]{0,200}") {
        both_kinds(&text)?;
    }

    #[test]
    fn any_pieces_of_yaml_are_read_without_a_panic(parts in prop::collection::vec(fragment(), 0..60)) {
        both_kinds(&parts.concat())?;
    }

    #[test]
    fn damaged_files_are_read_without_a_panic(
        which in select(VALID),
        cuts in prop::collection::vec((any::<Index>(), fragment(), 0..3_usize), 1..6),
    ) {
        let mut chars: Vec<char> = which.chars().collect();
        for (at, piece, removed) in cuts {
            let at = at.index(chars.len() + 1);
            let end = (at + removed).min(chars.len());
            chars.splice(at..end, piece.chars());
        }
        both_kinds(&chars.into_iter().collect::<String>())?;
    }

    #[test]
    fn any_bytes_are_text_or_a_problem(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(source) = SourceFile::decode("a.yaml", bytes) {
            both_kinds(&source.text)?;
        }
    }

    #[test]
    fn no_secret_survives_damage_around_it(
        cuts in prop::collection::vec((any::<Index>(), fragment(), 0..3_usize), 0..4),
    ) {
        // A value is a secret because of its place, so damage may turn it into another value. The
        // secret is kept whole, and the places that may be shown (`name`, `image`) contain none.
        let fleet = include_str!("../../config/secrets_in_the_fleet_file/runnerctl.yaml");
        let mut text = fleet.to_owned();
        for (at, piece, _) in cuts {
            let comments: Vec<usize> = text.match_indices('\n').map(|it| it.0 + 1).collect();
            let at = comments[at.index(comments.len())];
            text.insert_str(at, &piece);
        }
        let source = SourceFile { path: "a.yaml".into(), text, folder: None };
        let manifest = load(Some(&source), &[]);
        let shown = problem::text(&manifest.problems);
        prop_assert!(!shown.contains("canary"), "{}\n{shown}", source.text);
    }
}

#[test]
fn what_stands_in_a_key_that_is_no_text_is_not_shown() {
    let text = "fleet: acme\n? { canary: a, key: { canary: canary }, list: [canary] }\n";
    let source = SourceFile { path: "a.yaml".into(), text: text.into(), folder: None };
    let shown = problem::text(&load(Some(&source), &[]).problems);
    assert!(shown.contains("RC0209") && !shown.contains("canary"), "{shown}");
}
