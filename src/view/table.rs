//! Columns that line up, in styles by meaning.

use anstyle::{AnsiColor, Color as Ansi, Effects, Style};
use comfy_table::{
    Attribute, Cell as Drawn, CellAlignment, Color, ColumnConstraint, ContentArrangement,
    LineStyle, Table as Grid, TableStyle,
};

/// One cell.
pub struct Cell {
    text: String,
    style: Style,
    side: CellAlignment,
}

impl Cell {
    /// Words, at the left edge of their column.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), style: Style::new(), side: CellAlignment::Left }
    }

    /// A number, or words about one, at the right edge of its column.
    pub fn number(text: impl Into<String>) -> Self {
        Self { side: CellAlignment::Right, ..Self::text(text) }
    }

    /// The same in a style.
    #[must_use]
    pub fn styled(self, style: Style) -> Self {
        Self { style, ..self }
    }

    fn drawn(self) -> Drawn {
        let mut cell = Drawn::new(self.text).set_alignment(self.side);
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

/// The terminal's own colour of the same name; the library calls the plain ones dark.
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

/// A line below the header and nothing else: it must read well in a log, too.
const LOOK: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A table of more columns than this stands closer together where it does not fit otherwise.
const FEW: usize = 8;

/// A table under its header, at most `width` columns wide: the widest columns wrap, but never the first one, which names the row,
/// unless it takes more than a third of the width. Lines have no
/// trailing blanks; the last one ends in a line feed.
pub fn table(header: Vec<Cell>, rows: Vec<Vec<Cell>>, width: usize) -> String {
    let widest = |column: usize| {
        let cells = rows.iter().chain([&header]).filter_map(|it| it.get(column));
        cells.map(|it| it.text.chars().count()).max().unwrap_or(0)
    };
    let first = widest(0);
    let natural: usize = (0..header.len()).map(|it| widest(it) + 2).sum();
    let is_close = header.len() > FEW && natural > width + 2;
    let mut grid = Grid::new();
    grid.load_style(LOOK)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(width).unwrap_or(u16::MAX))
        .enforce_styling()
        .set_header(header.into_iter().map(Cell::drawn));
    for row in rows {
        grid.add_row(row.into_iter().map(Cell::drawn));
    }
    for column in grid.column_iter_mut() {
        column.set_padding(if is_close { (0, 0) } else { (0, 1) });
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

/// Blanks at the end go, also those before a style's end.
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
    use crate::view::style::{GOOD, QUIET};

    #[test]
    fn columns_line_up_and_the_widest_wraps() {
        let header = ["POOL", "IDLE", "HEALTH"].map(|it| Cell::text(it).styled(QUIET)).into();
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
    fn a_name_does_not_wrap_while_other_columns_can() {
        let row = vec![Cell::text("web-nightly"), Cell::text("below its minimum of runners")];
        let text = table(vec![Cell::text("POOL"), Cell::text("HEALTH")], vec![row], 36);
        assert!(text.contains("\nweb-nightly  below its"), "{text}");
    }
}
