//! Renders values as text, JSON, Markdown and HTML. The width is an argument. Never prints.
//!
//! Text has ANSI styles, chosen by meaning ([`style`]); the printer strips them if colour is off.
//! All values from YAML or GARM are escaped ([`crate::domain::text`]).

pub mod audit;
pub mod audit_records;
pub mod decision;
pub mod document;
pub mod import;
pub mod init;
pub mod leadership;
mod markdown;
pub mod outcome;
pub mod page;
pub mod plan;
pub mod problem;
pub mod progress;
pub mod proof;
pub mod requirements;
pub mod status;
pub mod style;
pub mod table;
pub mod timeline;
pub mod validate;
pub mod words;
pub mod wrap;
pub mod yaml;
