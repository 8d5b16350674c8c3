//! Bounds on how much of GARM's responses is kept in memory: several times what the declared fleet
//! needs, whatever GARM sends.

/// One limit for each kind of response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Instances, of GARM or of one pool.
    pub runners: AnswerLimit,
    /// Jobs, of which those beyond the limit are left out.
    pub jobs: AnswerLimit,
    /// The limit of the list of pools, which has no `extra_specs`.
    pub pools: AnswerLimit,
    /// The list of scale sets, which has `extra_specs`.
    pub scale_sets: AnswerLimit,
    /// The pools of one entity, with their `extra_specs`.
    pub specs: AnswerLimit,
    /// Entities, providers, templates, credentials, endpoints.
    pub others: AnswerLimit,
    /// Longest event, in bytes. The event of a pool embeds its instances.
    pub event: usize,
}

/// The limit of one response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerLimit {
    /// The largest number of rows that are read.
    pub rows: usize,
    /// Maximum size in bytes, after decompression.
    pub bytes: usize,
}

/// Up to this many declared runners and pools, the smallest budget is enough.
const RUNNERS: u64 = 5_000;
const POOLS: u64 = 1_000;

impl Budget {
    /// The budget for a fleet that declares this many pools and runners. An instance takes half a
    /// kilobyte, a job or pool about 700 bytes (GARM.md §a), and rows may belong to other fleets.
    pub fn of(pools: u64, runners: u64) -> Self {
        let times = runners.div_ceil(RUNNERS).max(pools.div_ceil(POOLS)).max(1);
        let times = usize::try_from(times).unwrap_or(usize::MAX);
        let bound = |rows: usize, mib: usize| AnswerLimit {
            rows: rows.saturating_mul(times),
            bytes: (mib << 20).saturating_mul(times),
        };
        Self {
            runners: bound(20_000, 16),
            jobs: bound(20_000, 12),
            pools: bound(4_000, 8),
            scale_sets: bound(4_000, 24),
            specs: bound(4_000, 24),
            others: bound(4_000, 4),
            event: (4_usize << 20).saturating_mul(times),
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::of(0, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_grows_with_what_is_declared() {
        let rows = |pools, runners| Budget::of(pools, runners).runners.rows;
        assert_eq!(rows(0, 0), 20_000);
        assert_eq!(rows(10, 5_000), 20_000);
        assert_eq!(rows(10, 30_000), 120_000);
        assert_eq!(rows(3_000, 0), 60_000);
        assert_eq!(rows(u64::MAX, u64::MAX), usize::MAX);
    }
}
