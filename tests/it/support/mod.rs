//! Shared test support: pools, a rig for the loop, and a rig for `apply`.

pub(crate) mod apply;
pub(crate) mod pools;
pub(crate) mod scaling_loop;
