//! Colour by meaning. Symbols and words carry the message; colour only repeats it.

use anstyle::{AnsiColor, Style};

pub const ADDED: Style = AnsiColor::Green.on_default();
/// For an object that is changed in place.
pub const CHANGED: Style = AnsiColor::Yellow.on_default();
pub const REMOVED: Style = AnsiColor::Red.on_default();
/// A step that cannot or must not be done.
pub const BLOCKED: Style = AnsiColor::Magenta.on_default().bold();
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
pub const WARNING: Style = AnsiColor::Yellow.on_default().bold();
pub const ERROR: Style = AnsiColor::Red.on_default().bold();
/// The word before a hint.
pub const HELP: Style = AnsiColor::Cyan.on_default();
/// A name that should stand out.
pub const NAME: Style = Style::new().bold();
pub const QUIET: Style = Style::new().dimmed();

pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}
