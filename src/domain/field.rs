//! The one table of pool fields. It drives the decoder, the JSON Schema, "did you mean", the
//! reference documentation and the diff: a new field is one row here and its meaning.

/// What kind of value a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// A pool name; see [`super::name::PoolName`].
    Name,
    /// A whole number within bounds, both included.
    Count {
        /// Smallest.
        min: u32,
        /// Largest.
        max: u32,
    },
    /// A duration; see [`super::duration`]. Bounds in seconds, both included.
    Duration {
        /// Shortest, in seconds.
        min_s: u64,
        /// Whether only whole minutes are taken.
        whole_minutes: bool,
    },
    /// A duration, or the word `off`.
    DurationOrOff,
    /// Text, not empty, at most so many characters, without control characters.
    Text {
        /// Most characters.
        max: usize,
    },
    /// The same, or `""` for none at all.
    TextOrNone {
        /// Most characters.
        max: usize,
    },
    /// First part of the names of runners, to which GARM adds its own; see [`PREFIX_MAX`].
    Prefix,
    /// `acme` (organization, enterprise).
    Account,
    /// `acme/app`.
    Repository,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// The same, or the word [`UNMANAGED`].
    FlagOrUnmanaged,
    /// A list of labels.
    Labels,
    /// A mapping with text keys and any YAML values inside.
    Map,
}

/// What an absent field means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// A problem for `validate` already.
    Required,
    /// Fine for `validate`, named by its warning; a problem for `plan`.
    NeededForPlan,
    /// This value, as it would be written; managed to it.
    Default(&'static str),
    /// A value that follows from others, in words.
    Derived(&'static str),
    /// Whatever GARM has is left alone.
    LeftAlone,
    /// Nothing is asked for.
    Nothing,
}

/// What changing a field means for a pool that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutability {
    /// Kept in our manifest and used by `watch`: GARM does not store it.
    Policy,
    /// GARM changes it in place.
    Update,
    /// GARM changes it in place and runners made before are outdated (`generation`).
    UpdateAndOutdate,
    /// GARM never changes it (and says 200): the pool is replaced.
    Replace,
    /// What a pool is known by; not a difference.
    Identity,
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The key in a pool file.
    pub key: &'static str,
    /// What it takes.
    pub kind: FieldKind,
    /// What its absence means.
    pub absent: Absent,
    /// What changing it means.
    pub mutability: Mutability,
    /// Whether `defaults` may set it.
    pub in_defaults: bool,
    /// One line of help: schema, documentation and problems quote it.
    pub help: &'static str,
}

/// Most runners a pool may have: a bound on arithmetic, far above GitHub's own.
pub const RUNNERS_MAX: u32 = 100_000;

/// Longest text of a field, in characters.
pub const TEXT_MAX: usize = 1_024;

/// Longest label: GitHub's own bound, in characters.
pub const LABEL_MAX: usize = 256;

/// Most labels of a pool: GitHub takes 100 of a runner, of which two are GARM's and one is ours.
pub const LABELS_MAX: usize = 97;

/// Longest prefix of runners' names, in characters: GitHub takes names of 64, of which up to 15
/// are GARM's, as in `-2ixij5txjpwodk`.
pub const PREFIX_MAX: usize = 49;

/// The word for what is left as it is in GARM, whatever `defaults` say.
pub const UNMANAGED: &str = "unmanaged";

/// The systems of which GARM makes runners.
pub const GARM_SYSTEMS: &[&str] = &["linux", "windows"];

/// The architectures of which GARM makes runners.
pub const GARM_ARCHITECTURES: &[&str] = &["amd64", "arm64", "arm"];

const COUNT: FieldKind = FieldKind::Count { min: 0, max: RUNNERS_MAX };
const TEXT: FieldKind = FieldKind::Text { max: TEXT_MAX };
const TEXT_OR_NONE: FieldKind = FieldKind::TextOrNone { max: TEXT_MAX };
const DURATION: FieldKind = FieldKind::Duration { min_s: 0, whole_minutes: false };

const fn row(
    key: &'static str,
    kind: FieldKind,
    absent: Absent,
    mutability: Mutability,
    help: &'static str,
) -> Field {
    Field { key, kind, absent, mutability, in_defaults: true, help }
}

const fn own(field: Field) -> Field {
    Field { in_defaults: false, ..field }
}

/// Every field of a pool, in the order of the documentation.
pub const FIELDS: &[Field] = &[
    own(row(
        "name",
        FieldKind::Name,
        Absent::Required,
        Mutability::Identity,
        "name of the pool, unique in the fleet",
    )),
    row(
        "min_runners",
        COUNT,
        Absent::Default("0"),
        Mutability::Policy,
        "floor on all runners of the pool, busy ones included",
    ),
    row(
        "max_runners",
        FieldKind::Count { min: 1, max: RUNNERS_MAX },
        Absent::Required,
        Mutability::Update,
        "most runners the pool may have",
    ),
    row(
        "scale_up_threshold",
        COUNT,
        Absent::Default("5"),
        Mutability::Policy,
        "scale up when more than this many jobs have waited",
    ),
    row(
        "scale_up_delay",
        DURATION,
        Absent::Default("30s"),
        Mutability::Policy,
        "how long they must have waited",
    ),
    row(
        "scale_down_delay",
        DURATION,
        Absent::Default("10m"),
        Mutability::Policy,
        "how long a runner may be idle beyond the minimum",
    ),
    row(
        "scale_up_target",
        COUNT,
        Absent::Default("0"),
        Mutability::Policy,
        "how many queued jobs may stay without a runner of their own",
    ),
    row(
        "max_queue_wait",
        FieldKind::DurationOrOff,
        Absent::Default("2m"),
        Mutability::Policy,
        "whatever the threshold, no job waits longer for a runner to be started; or `off`",
    ),
    row(
        "instance_type",
        TEXT,
        Absent::Required,
        Mutability::UpdateAndOutdate,
        "size of the VM, in the provider's terms (GARM: flavor)",
    ),
    row(
        "image",
        TEXT,
        Absent::NeededForPlan,
        Mutability::UpdateAndOutdate,
        "image of the VM, in the provider's terms",
    ),
    row(
        "provider",
        TEXT,
        Absent::NeededForPlan,
        Mutability::Replace,
        "name of the provider in GARM's configuration",
    ),
    row(
        "organization",
        FieldKind::Account,
        Absent::NeededForPlan,
        Mutability::Replace,
        "GitHub organization whose jobs the pool serves",
    ),
    row(
        "repository",
        FieldKind::Repository,
        Absent::NeededForPlan,
        Mutability::Replace,
        "GitHub repository (`owner/name`) whose jobs the pool serves",
    ),
    row(
        "enterprise",
        FieldKind::Account,
        Absent::NeededForPlan,
        Mutability::Replace,
        "GitHub enterprise whose jobs the pool serves",
    ),
    row(
        "endpoint",
        TEXT,
        Absent::Nothing,
        Mutability::Replace,
        "GARM's name of the GitHub endpoint, where one entity name exists at several",
    ),
    row(
        "labels",
        FieldKind::Labels,
        Absent::Derived("the pool's name"),
        Mutability::Update,
        "labels that jobs ask for with `runs-on`, besides `defaults.labels`",
    ),
    row(
        "os_type",
        // What GARM makes no runners of is known all the same: it is a problem of its pool alone.
        FieldKind::Choice(&["linux", "windows", "macos"]),
        Absent::Default("linux"),
        Mutability::UpdateAndOutdate,
        "operating system; GARM makes no runners with `macos`",
    ),
    row(
        "os_arch",
        FieldKind::Choice(&["amd64", "i386", "arm64", "arm"]),
        Absent::Default("amd64"),
        Mutability::UpdateAndOutdate,
        "architecture; GARM makes no runners with `i386`",
    ),
    row(
        "enabled",
        FieldKind::FlagOrUnmanaged,
        Absent::Default("true"),
        Mutability::Update,
        "a disabled pool starts no runners, those it has still take jobs; `unmanaged` leaves it as it is in GARM, where another tool may decide",
    ),
    row(
        "autoscale",
        FieldKind::Flag,
        Absent::Default("true"),
        Mutability::Policy,
        "`watch` steers the number of runners",
    ),
    row(
        "runner_prefix",
        FieldKind::Prefix,
        Absent::Derived("the pool's name"),
        Mutability::Update,
        "first part of the runners' names",
    ),
    row(
        "runner_group",
        TEXT_OR_NONE,
        Absent::LeftAlone,
        Mutability::UpdateAndOutdate,
        "GitHub's runner group; `\"\"` for none, which is GitHub's default group",
    ),
    row(
        "bootstrap_timeout",
        FieldKind::Duration { min_s: 60, whole_minutes: true },
        Absent::Default("20m"),
        Mutability::Update,
        "how long GARM waits for a new runner to report, in whole minutes",
    ),
    row(
        "boot_grace",
        DURATION,
        Absent::Default("10m"),
        Mutability::Policy,
        "how long a new runner may take to become idle before it counts as failed",
    ),
    row(
        "failed_runner_grace",
        DURATION,
        Absent::Default("2m"),
        Mutability::Policy,
        "how long a failed runner is kept to be looked at",
    ),
    row(
        "stale_job_age",
        DURATION,
        Absent::Default("24h"),
        Mutability::Policy,
        "a job queued for longer is shown, not scaled for",
    ),
    row(
        "priority",
        COUNT,
        Absent::Default("0"),
        Mutability::Update,
        "the pool with the higher priority is used first",
    ),
    row("template", TEXT, Absent::LeftAlone, Mutability::Update, "name of GARM's install template"),
    row(
        "proxy",
        TEXT_OR_NONE,
        Absent::LeftAlone,
        Mutability::UpdateAndOutdate,
        "name of the proxy in GARM that runners use, `\"\"` for none; GARM has proxies since after v0.2.1",
    ),
    row(
        "extra_specs",
        FieldKind::Map,
        Absent::Default("{}"),
        Mutability::UpdateAndOutdate,
        "the provider's own settings",
    ),
    row(
        "enable_shell",
        FieldKind::Flag,
        Absent::Default("false"),
        Mutability::UpdateAndOutdate,
        "shell access to runners through GARM's agent",
    ),
    row(
        "min_idle_runners",
        COUNT,
        Absent::Default("0"),
        Mutability::Policy,
        "runners kept idle whatever is busy; the larger of the two floors wins",
    ),
    row(
        "default_labels",
        FieldKind::Flag,
        Absent::Default("true"),
        Mutability::Policy,
        "`false` leaves `defaults.labels` out",
    ),
    own(row(
        "adopt",
        TEXT,
        Absent::Nothing,
        Mutability::Identity,
        "take over a pool: GARM's id of one made by hand, or the old name of one of this fleet",
    )),
];

/// The row of a key.
pub fn field(key: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|it| it.key == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_unique_and_the_specifications_are_there() {
        let mut keys: Vec<&str> = FIELDS.iter().map(|it| it.key).collect();
        keys.sort_unstable();
        let all = keys.len();
        keys.dedup();
        assert_eq!(keys.len(), all);
        for key in [
            "name",
            "min_runners",
            "max_runners",
            "scale_up_threshold",
            "scale_up_delay",
            "scale_down_delay",
            "instance_type",
        ] {
            assert!(field(key).is_some(), "{key}");
        }
    }
}
