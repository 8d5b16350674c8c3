//! Colour by meaning. Symbols and words carry the message; colour only repeats it.

use anstyle::{AnsiColor, Style};

/// Added.
pub const ADDED: Style = AnsiColor::Green.on_default();
/// Changed in place.
pub const CHANGED: Style = AnsiColor::Yellow.on_default();
/// Removed.
pub const REMOVED: Style = AnsiColor::Red.on_default();
/// A step that cannot or must not be done.
pub const BLOCKED: Style = AnsiColor::Magenta.on_default().bold();
/// Success.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Needs attention.
pub const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// Failure.
pub const ERROR: Style = AnsiColor::Red.on_default().bold();
/// The word before a hint.
pub const HELP: Style = AnsiColor::Cyan.on_default();
/// A name that should stand out.
pub const NAME: Style = Style::new().bold();
/// Less important text.
pub const QUIET: Style = Style::new().dimmed();

pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}
