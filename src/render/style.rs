//! Colour by meaning. Symbols and words carry the message; colour only repeats it.

use anstyle::{AnsiColor, Style};

/// Something comes.
pub const ADDED: Style = AnsiColor::Green.on_default();
/// Something changes.
pub const CHANGED: Style = AnsiColor::Yellow.on_default();
/// Something goes.
pub const REMOVED: Style = AnsiColor::Red.on_default();
/// Cannot or must not be done.
pub const BLOCKED: Style = AnsiColor::Magenta.on_default().bold();
/// Went well.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// A person should look.
pub const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// Went wrong.
pub const ERROR: Style = AnsiColor::Red.on_default().bold();
/// What to type next.
pub const HELP: Style = AnsiColor::Cyan.on_default();
/// A name that the eye should find.
pub const NAME: Style = Style::new().bold();
/// Of lesser weight.
pub const QUIET: Style = Style::new().dimmed();

/// `text` in `style`.
pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}
