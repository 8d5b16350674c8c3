//! What values a pool field takes, and what its absence means.

/// The kind of value that a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// A pool name; see [`super::name::PoolName`].
    Name,
    /// The name of a GARM; see [`super::name::GarmName`].
    GarmName,
    /// A whole number between two bounds, inclusive.
    Count {
        min: u32,
        max: u32,
    },
    /// A number of at least 0; see [`super::price::Price`].
    Price,
    /// A duration in the notation of [`super::duration`].
    Duration {
        /// The shortest allowed duration, in seconds.
        min_s: u64,
        /// Whether the duration must be in whole minutes.
        whole_minutes: bool,
    },
    /// A duration, or the word `off`.
    DurationOrOff,
    /// Non-empty text of at most `max` characters, without control characters.
    Text {
        /// The largest length, in characters.
        max: usize,
    },
    /// The same, or `""` for none.
    TextOrNone {
        /// The largest length, in characters.
        max: usize,
    },
    /// A prefix of runner names, to which GARM appends a suffix; see [`super::field::PREFIX_MAX`].
    Prefix,
    /// An account such as `acme` (organization, enterprise).
    Account,
    /// A repository such as `acme/app`.
    Repository,
    Choice(&'static [&'static str]),
    Flag,
    FlagOrUnmanaged,
    Labels,
    /// A mapping with string keys and any YAML values.
    Map,
}

/// What the absence of a field means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// An error already for `validate`.
    Required,
    /// A warning of `validate`, an error for `plan`.
    NeededForPlan,
    /// The field has this value, given as it would be written in a file, and is managed.
    Default(&'static str),
    /// The value is derived from other fields; the text says how.
    Derived(&'static str),
    /// The field is not managed: it stays as it is in GARM.
    LeftAlone,
    /// The feature is not used.
    Nothing,
}
