//! What several tests share: pools, a rig for the loop, a rig for `apply`.

pub(crate) mod apply;
pub(crate) mod pools;
pub(crate) mod scaling_loop;
