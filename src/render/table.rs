//! Aligned columns, with styles by meaning.

use anstyle::{AnsiColor, Color as Ansi, Effects, Style};
use comfy_table::{
    Attribute, Cell as Drawn, CellAlignment, Color, ColumnConstraint, ContentArrangement,
    LineStyle, Table as Grid, TableStyle, Width,
};

pub struct Cell {
    text: String,
    style: Style,
    side: CellAlignment,
    /// The separator at which its text may be wrapped.
    gap: char,
}

impl Cell {
    /// Text, aligned to the left.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), style: Style::new(), side: CellAlignment::Left, gap: ' ' }
    }

    /// A number, or words in its place, aligned to the right.
    pub fn number(text: impl Into<String>) -> Self {
        Self { side: CellAlignment::Right, ..Self::text(text) }
    }

    #[must_use]
    pub fn styled(self, style: Style) -> Self {
        Self { style, ..self }
    }

    /// Wraps at `gap` instead of blanks; the separator is dropped at a line break.
    #[must_use]
    pub fn wrapped_at(self, gap: char) -> Self {
        Self { gap, ..self }
    }

    /// The length of its longest word, in characters.
    fn longest_word(&self) -> usize {
        self.text.split(self.gap).map(|word| word.chars().count()).max().unwrap_or(0)
    }

    fn drawn(self) -> Drawn {
        let mut cell = Drawn::new(self.text).set_alignment(self.side).set_delimiter(self.gap);
        if let Some(Ansi::Ansi(color)) = self.style.get_fg_color() {
            cell = cell.fg(hue(color));
        }
        let effects = self.style.get_effects();
        if effects.contains(Effects::BOLD) {
            cell = cell.add_attribute(Attribute::Bold);
        }
        if effects.contains(Effects::DIMMED) {
            cell = cell.add_attribute(Attribute::Dim);
        }
        cell
    }
}

/// The terminal's colour of the same name; comfy-table calls the plain colours dark.
fn hue(color: AnsiColor) -> Color {
    match color {
        AnsiColor::Black => Color::Black,
        AnsiColor::Red => Color::DarkRed,
        AnsiColor::Green => Color::DarkGreen,
        AnsiColor::Yellow => Color::DarkYellow,
        AnsiColor::Blue => Color::DarkBlue,
        AnsiColor::Magenta => Color::DarkMagenta,
        AnsiColor::Cyan => Color::DarkCyan,
        AnsiColor::White => Color::Grey,
        AnsiColor::BrightBlack => Color::DarkGrey,
        AnsiColor::BrightRed => Color::Red,
        AnsiColor::BrightGreen => Color::Green,
        AnsiColor::BrightYellow => Color::Yellow,
        AnsiColor::BrightBlue => Color::Blue,
        AnsiColor::BrightMagenta => Color::Magenta,
        AnsiColor::BrightCyan => Color::Cyan,
        AnsiColor::BrightWhite => Color::White,
    }
}

/// A line below the header and no other borders, so that the table is readable in a log, too.
const LOOK: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A table with more columns than this has less padding if it would not fit otherwise.
const FEW: usize = 8;

/// A table with a header, at most `width` characters wide. The widest columns wrap; the first one,
/// which names the row, wraps only if it takes more than a third of the width. Words are broken
/// only if the longest words of all columns do not fit side by side, the longest first. Lines have
/// no trailing blanks; the last one ends with a line feed.
pub fn table(header: Vec<Cell>, rows: Vec<Vec<Cell>>, width: usize) -> String {
    let widest = |column: usize| {
        let cells = rows.iter().chain([&header]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.text.chars().count()).max().unwrap_or(0)
    };
    let first = widest(0);
    let natural: usize = (0..header.len()).map(|column| widest(column) + 2).sum();
    let is_close = header.len() > FEW && natural > width + 2;
    let longest = |column: usize| {
        let cells = rows.iter().chain([&header]).filter_map(|row| row.get(column));
        cells.map(Cell::longest_word).max().unwrap_or(0)
    };
    let padding = u16::from(!is_close);
    let least = least_widths(
        (0..header.len()).map(|column| longest(column) + usize::from(padding)).collect(),
        width,
    );
    let mut grid = Grid::new();
    grid.load_style(LOOK)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(width).unwrap_or(u16::MAX))
        .enforce_styling()
        .set_header(header.into_iter().map(Cell::drawn));
    for row in rows {
        grid.add_row(row.into_iter().map(Cell::drawn));
    }
    for (column, least) in grid.column_iter_mut().zip(least) {
        column.set_padding((0, padding));
        if let Some(least) = least {
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
        }
    }
    if let Some(column) = grid.column_mut(0).filter(|_| first * 3 <= width) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    let mut text = String::new();
    for line in grid.lines() {
        text.push_str(&without_trailing_blanks(&line));
        text.push('\n');
    }
    text
}

/// The minimum width at which no word of the table is broken, with one blank between columns.
pub fn least_width(header: &[Cell], rows: &[Vec<Cell>]) -> usize {
    let longest = |column: usize| {
        let cells =
            rows.iter().map(Vec::as_slice).chain([header]).filter_map(|row| row.get(column));
        cells.map(Cell::longest_word).max().unwrap_or(0)
    };
    (0..header.len()).map(longest).sum::<usize>() + header.len().saturating_sub(1)
}

/// The width of each column's longest word; `None` for as many columns as must shrink to fit
/// `width`, those with the longest words first.
fn least_widths(words: Vec<usize>, width: usize) -> Vec<Option<u16>> {
    let mut least: Vec<_> = words.into_iter().map(Some).collect();
    // A column and the gap before it take at least three characters.
    let sum = |all: &[Option<usize>]| {
        all.iter().map(|column| column.map_or(3, |column| column + 1)).sum::<usize>()
    };
    while sum(&least) > width + 1 {
        let Some(longest) = least.iter_mut().filter(|width| width.is_some()).max() else { break };
        *longest = None;
    }
    least.into_iter().map(|width| width.and_then(|width| u16::try_from(width).ok())).collect()
}

/// Removes trailing blanks, including those before a closing style sequence.
fn without_trailing_blanks(line: &str) -> String {
    let mut kept = line.trim_end();
    let mut styles = String::new();
    while let Some(at) = kept.rfind('\u{1b}').filter(|at| {
        let code = &kept[*at..];
        code.ends_with('m') && code.matches(|c: char| c.is_alphabetic()).count() == 1
    }) {
        styles.insert_str(0, &kept[at..]);
        kept = kept[..at].trim_end();
    }
    format!("{kept}{styles}")
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;
    use crate::render::style::{GOOD, QUIET};

    #[test]
    fn columns_are_aligned_and_the_widest_wraps() {
        let header =
            ["POOL", "IDLE", "HEALTH"].map(|column| Cell::text(column).styled(QUIET)).into();
        let rows = vec![
            vec![Cell::text("default"), Cell::number("2"), Cell::text("ok").styled(GOOD)],
            vec![Cell::text("é"), Cell::number("10"), Cell::text("below its minimum of runners")],
        ];
        let text = table(header, rows, 36);
        assert!(text.contains('\u{1b}'));
        insta::assert_snapshot!(strip_str(&text).to_string(), @r"
        POOL     IDLE  HEALTH
        ────────────────────────────────────
        default     2  ok
        é          10  below its minimum of
                       runners
        ");
    }

    #[test]
    fn words_are_not_broken_while_they_fit() {
        let header = ["RUNNER", "STATE", "FAULT"].map(Cell::text).into();
        let row = |fault: &str| {
            let state = Cell::text("pending_create/pending").wrapped_at('/');
            vec![vec![Cell::text("web-a1b2c3"), state, Cell::text(fault)]]
        };
        let fault = "no machine of this size is left in the zone that was asked for";
        insta::assert_snapshot!(table(header, row(fault), 40), @r"
        RUNNER      STATE           FAULT
        ────────────────────────────────────────
        web-a1b2c3  pending_create  no machine
                    pending         of this
                                    size is
                                    left in the
                                    zone that
                                    was asked
                                    for
        ");
        // Only the word that is too long is broken.
        let header = ["RUNNER", "STATE", "FAULT"].map(Cell::text).into();
        let address = "https://cloud.example.com/zones/one";
        insta::assert_snapshot!(table(header, row(address), 40), @r"
        RUNNER      STATE           FAULT
        ────────────────────────────────────────
        web-a1b2c3  pending_create  https://clo
                    pending         ud.example.
                                    com/zones/o
                                    ne
        ");
    }

    #[test]
    fn a_name_does_not_wrap_while_other_columns_can() {
        let row = vec![Cell::text("web-nightly"), Cell::text("below its minimum of runners")];
        let text = table(vec![Cell::text("POOL"), Cell::text("HEALTH")], vec![row], 36);
        assert!(text.contains("\nweb-nightly  below its"), "{text}");
    }
}
