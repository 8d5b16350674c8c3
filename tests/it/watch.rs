//! `watch` against the simulated GARM, in virtual time.

mod absence;
mod equal_labels;
mod handed_out;
mod stale_cache;
mod level_lease;
mod letting_go;
mod modes;
mod not_connected;
mod retiring;
mod scaling;
mod specs;
mod unseen;
mod waits;
