//! `runnerctl watch` as a process, against `runnerctl sandbox` as another.

mod end;
mod pages;
mod reload;
mod stage;
mod start;
