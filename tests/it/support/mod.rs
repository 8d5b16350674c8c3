//! Shared test support: pools, a rig for the loop, a rig for `apply`, external processes, and
//! the number of tests that compute at a time.

pub(crate) mod apply;
pub(crate) mod pools;
pub(crate) mod process;
pub(crate) mod processors;
pub(crate) mod scaling_loop;
