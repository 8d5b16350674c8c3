//! The simulated GARM: its JSON keys, its setup states, its loops over minutes and hours, its HTTP
//! and in-memory transports, and the sandbox.

mod asked;
mod doors;
mod events;
mod garm_cli;
mod keys;
mod loops;
mod sandbox;
mod scale_sets;
mod states;
mod trouble;
mod waits;
