//! Values → text, JSON, markdown. Width is an argument; nothing is printed here.
//!
//! Text is made with ANSI styles by meaning ([`style`]); whoever prints strips them where colour
//! is not wanted. Whatever comes from YAML or GARM is escaped ([`crate::domain::text`]).

pub mod audit;
pub mod decision;
mod document;
pub mod import;
mod markdown;
pub mod outcome;
pub mod plan;
pub mod problem;
pub mod progress;
pub mod proof;
pub mod requirements;
pub mod status;
pub mod style;
pub mod table;
pub mod timeline;
pub mod words;
pub mod wrap;
pub mod yaml;
