//! `watch` against the simulated GARM, in virtual time.

mod absence;
mod bench;
mod healing;
mod leash;
mod modes;
mod retiring;
mod scaling;
mod specs;
mod waits;
