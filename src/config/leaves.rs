//! The values of a file by their paths, to compare two versions of it.

use std::collections::BTreeMap;

use super::node::{Node, NodeKind};
use super::source::SourceFile;
use super::yaml;

/// Every value of the file as it is written, by its path, such as `watch.resync` or
/// `alerts[Busy].above`: an entry of a list has its `name`, if it has one, else its position. The
/// file must have been checked, because its aliases could otherwise expand to any number of values.
pub fn leaves(source: &SourceFile) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    if let Some(root) = &yaml::parse(&source.text).root {
        add(root, String::new(), &mut all);
    }
    all
}

fn add(node: &Node<'_>, path: String, all: &mut BTreeMap<String, String>) {
    let node = node.value();
    match &node.kind {
        NodeKind::Map(pairs) => {
            for (key, value) in pairs {
                let dot = if path.is_empty() { "" } else { "." };
                add(value, format!("{path}{dot}{}", key.text), all);
            }
        }
        NodeKind::List(items) => {
            for (at, item) in items.iter().enumerate() {
                let place = name_of(item).unwrap_or_else(|| at.to_string());
                add(item, format!("{path}[{place}]"), all);
            }
        }
        NodeKind::Scalar(scalar) => drop(all.insert(path, scalar.text.to_string())),
        NodeKind::Shared(_) | NodeKind::Broken => {}
    }
}

/// The value of the key `name` of a mapping.
fn name_of(node: &Node<'_>) -> Option<String> {
    let NodeKind::Map(pairs) = &node.value().kind else { return None };
    let (_, name) = pairs.iter().find(|(key, _)| key.text == "name")?;
    match &name.value().kind {
        NodeKind::Scalar(scalar) => Some(scalar.text.to_string()),
        NodeKind::Map(_) | NodeKind::List(_) | NodeKind::Shared(_) | NodeKind::Broken => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_a_path_that_names_entries_of_lists() {
        let text = "watch: { resync: 30s }\nalerts:\n  - { name: Busy, above: 3 }\n\
                    policy: { accept: [R8, R10] }\n";
        let source = SourceFile::decode("f.yaml", text.into()).unwrap();
        let told: Vec<String> =
            leaves(&source).into_iter().map(|(path, value)| format!("{path}={value}")).collect();
        assert_eq!(
            told,
            [
                "alerts[Busy].above=3",
                "alerts[Busy].name=Busy",
                "policy.accept[0]=R8",
                "policy.accept[1]=R10",
                "watch.resync=30s",
            ]
        );
    }
}
