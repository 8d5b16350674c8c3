//! The simulated GARM by itself: its keys, its states, its loops over minutes and hours, its two
//! doors, the sandbox.

mod asked;
mod doors;
mod events;
mod keys;
mod loops;
mod sandbox;
mod states;
mod trouble;
mod waits;
