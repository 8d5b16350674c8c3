//! Pool files and the fleet file, from their text to problems, schema and reference documentation.

mod hostile;
mod scenarios;
mod schema;
