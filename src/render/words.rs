//! Plurals, durations and spelling suggestions.

use std::time::Duration;

pub use crate::domain::text::count;

/// A duration in its two largest units: `12s`, `3m 5s`, `2h 10m`, `4d 3h`.
pub fn span(duration: Duration) -> String {
    let s = duration.as_secs();
    let two = |a: u64, unit: &str, b: u64, small: &str| match b {
        0 => format!("{a}{unit}"),
        _ => format!("{a}{unit} {b}{small}"),
    };
    match s {
        0..60 => format!("{s}s"),
        60..3_600 => two(s / 60, "m", s % 60, "s"),
        3_600..86_400 => two(s / 3_600, "h", s % 3_600 / 60, "m"),
        _ => two(s / 86_400, "d", s % 86_400 / 3_600, "h"),
    }
}

/// The candidate that is closest to `name`; `None` if every candidate differs from it in more than
/// a third of its characters, or in all.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let characters = name.chars().count();
    let allowed = characters.div_ceil(3).min(characters.saturating_sub(1));
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_show_their_two_largest_units() {
        let said: Vec<String> = [0, 59, 60, 185, 3_600, 7_800, 90_061]
            .into_iter()
            .map(|seconds| span(Duration::from_secs(seconds)))
            .collect();
        assert_eq!(said, ["0s", "59s", "1m", "3m 5s", "1h", "2h 10m", "1d 1h"]);
    }

    #[test]
    fn a_typo_is_recognised_and_another_word_is_not() {
        let pools = ["default", "gpu", "linux-arm"];
        assert_eq!(nearest("defualt", pools), Some("default"));
        assert_eq!(nearest("gpus", pools), Some("gpu"));
        assert_eq!(nearest("windows", pools), None);
        assert_eq!(nearest("x", ["a"]), None);
        assert_eq!(nearest("", ["a"]), None);
    }
}
