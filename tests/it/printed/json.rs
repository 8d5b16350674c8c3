//! `docs/json.md` has an example of each output, and the schema of that output accepts it.

use clap::ValueEnum;
use runnerctl::cli::args::SchemaKind;

use super::blocks::{blocks, document};
use crate::cli::bench;

#[test]
fn every_json_output_has_a_valid_example() {
    let page = document("docs/json.md");
    let examples = blocks(&page).into_iter().filter(|block| block.language == "json");
    let shown: Vec<SchemaKind> =
        examples.map(|block| bench::output_of(&bench::document(&block.text))).collect();
    for kind in SchemaKind::OUTPUTS {
        assert!(shown.contains(&kind), "no example of {kind:?}");
        let file = format!("schema/{}.json", kind.to_possible_value().unwrap().get_name());
        assert!(page.contains(&format!("]({file})")), "{file} is not named");
    }
}
