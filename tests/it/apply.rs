//! `apply` against the simulated GARM, in virtual time.

mod change;
mod converge;
mod create;
mod credentials;
mod deletes;
mod drain;
mod fields;
mod one_answer;
mod reading;
mod record;
mod replace;
mod rotate;
mod scale_sets;
mod twins;
pub(crate) mod wire;
