//! What somebody who means harm may try, and what comes of it. `docs/security.md` has the whole
//! table; here are the attacks that no test of a room covers by itself.

mod consent;
mod hostile_garm;
mod marks;
mod pull_request;
mod reading;
mod recipe;
mod records;
mod secrets;
mod table;
