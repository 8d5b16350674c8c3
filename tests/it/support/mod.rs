//! Shared test support: pools, a rig for the loop, a rig for `apply`, and external processes.

pub(crate) mod apply;
pub(crate) mod pools;
pub(crate) mod process;
pub(crate) mod scaling_loop;
