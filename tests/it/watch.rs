//! `watch` against the simulated GARM, in virtual time.

mod absence;
mod bench;
mod equal_labels;
mod handed_out;
mod healing;
mod leash;
mod letting_go;
mod modes;
mod not_connected;
mod retiring;
mod scaling;
mod specs;
mod unseen;
mod waits;
