//! The keys of the rows that other rows refer to.

/// The key of an entity's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntityRowKey(pub(crate) u64);

/// The key of a pool's row, in order of creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PoolRowKey(pub(crate) u64);

/// The key of an instance's row, in order of creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct InstanceRowKey(pub(crate) u64);

/// The key of a scale set's row, in order of creation: GARM's own number of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ScaleSetRowKey(pub(crate) u64);
