//! The table of pool fields. It drives the decoder, the JSON Schema, the "did you mean" hints, the
//! reference documentation, the diff and the audit records.

pub use super::field_kind::{Absent, FieldKind};
use super::stored_field::{self, StoredField, stored};

/// What changing a field means for an existing pool.
#[derive(Debug, Clone, Copy)]
pub enum Mutability {
    /// Used by `watch` only: GARM does not store it.
    Policy,
    /// GARM changes it in place.
    Update(StoredField),
    /// GARM changes it in place, and existing runners become outdated (`generation`).
    UpdateAndOutdate(StoredField),
    /// GARM never changes it, although it answers 200: the pool is replaced.
    Replace,
    /// Identifies the pool; never a difference.
    Identity,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub key: &'static str,
    pub kind: FieldKind,
    pub absent: Absent,
    pub mutability: Mutability,
    /// Whether `defaults` may set it.
    pub in_defaults: bool,
    /// One line of help, quoted by the schema, the documentation and problems.
    pub help: &'static str,
}

/// The most runners that a pool may have. It bounds arithmetic and is far above GitHub's own limit.
pub const RUNNERS_MAX: u32 = 100_000;

/// The longest text of a field, in characters.
pub const TEXT_MAX: usize = 1_024;

/// The longest label, in characters: GitHub's own limit.
pub const LABEL_MAX: usize = 256;

/// The most labels of a pool: GitHub accepts 100 per runner, of which two are GARM's and one is the
/// owner mark.
pub const LABELS_MAX: usize = 97;

/// The longest prefix of runner names, in characters: GitHub accepts names of 64, of which GARM's
/// suffix, such as `-2ixij5txjpwodk`, takes up to 15.
pub const PREFIX_MAX: usize = 49;

/// The value that leaves a field as it is in GARM, whatever `defaults` say.
pub const UNMANAGED: &str = "unmanaged";

/// The operating systems for which GARM creates runners.
pub const GARM_SYSTEMS: &[&str] = &["linux", "windows"];

/// The architectures for which GARM creates runners.
pub const GARM_ARCHITECTURES: &[&str] = &["amd64", "arm64", "arm"];

const COUNT: FieldKind = FieldKind::Count { min: 0, max: RUNNERS_MAX };
const TEXT: FieldKind = FieldKind::Text { max: TEXT_MAX };
const TEXT_OF_LABEL: FieldKind = FieldKind::Text { max: LABEL_MAX };
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

/// All fields of a pool, in the order of the documentation.
pub const FIELDS: &[Field] = &[
    own(row(
        "name",
        FieldKind::Name,
        Absent::Required,
        Mutability::Identity,
        "name of the pool, unique in the fleet",
    )),
    row(
        "kind",
        FieldKind::Choice(&["pool", "scale_set"]),
        Absent::Default("pool"),
        Mutability::Replace,
        "`scale_set` for a runner scale set, to which GitHub assigns jobs by name; needs GARM 0.2 and GitHub",
    ),
    own(row(
        "scale_set_name",
        TEXT_OF_LABEL,
        Absent::Derived("the pool's name"),
        Mutability::Replace,
        "name by which workflows request the scale set (`runs-on`), unique in its runner group",
    )),
    row(
        "min_runners",
        COUNT,
        Absent::Default("0"),
        Mutability::Policy,
        "lower bound on all runners of the pool, busy ones included",
    ),
    row(
        "max_runners",
        FieldKind::Count { min: 1, max: RUNNERS_MAX },
        Absent::Required,
        Mutability::Update(stored!(max_runners)),
        "the most runners that the pool may have",
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
        "how long those jobs must have waited",
    ),
    row(
        "scale_down_delay",
        DURATION,
        Absent::Default("10m"),
        Mutability::Policy,
        "how long a runner above the minimum may be idle before it is removed",
    ),
    row(
        "scale_up_target",
        COUNT,
        Absent::Default("0"),
        Mutability::Policy,
        "how many queued jobs may be left without a runner of their own",
    ),
    row(
        "max_queue_wait",
        FieldKind::DurationOrOff,
        Absent::Default("2m"),
        Mutability::Policy,
        "the longest that any job waits for a runner to be started, whatever the threshold; or `off`",
    ),
    row(
        "instance_type",
        TEXT,
        Absent::Required,
        Mutability::UpdateAndOutdate(stored!(flavor)),
        "size of the VM, in the provider's terms (GARM: flavor)",
    ),
    row(
        "image",
        TEXT,
        Absent::NeededForPlan,
        Mutability::UpdateAndOutdate(stored!(image)),
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
        "GARM's name for the GitHub endpoint, if the entity's name exists at several",
    ),
    row(
        "garm",
        FieldKind::GarmName,
        Absent::Derived("the folder's name if a GARM has it, else the only GARM or `default`"),
        Mutability::Identity,
        "name of the GARM in `garms` that runs the pool",
    ),
    row(
        "labels",
        FieldKind::Labels,
        Absent::Derived("the pool's name"),
        Mutability::Update(stored_field::LABELS),
        "labels that jobs request with `runs-on`, in addition to `defaults.labels`",
    ),
    row(
        "os_type",
        // Values for which GARM creates no runners are accepted here, so that they are a problem of
        // one pool and not of the whole file.
        FieldKind::Choice(&["linux", "windows", "macos"]),
        Absent::Default("linux"),
        Mutability::UpdateAndOutdate(stored!(os_type)),
        "operating system; GARM creates no runners for `macos`",
    ),
    row(
        "os_arch",
        FieldKind::Choice(&["amd64", "i386", "arm64", "arm"]),
        Absent::Default("amd64"),
        Mutability::UpdateAndOutdate(stored!(os_arch)),
        "architecture; GARM creates no runners for `i386`",
    ),
    row(
        "enabled",
        FieldKind::FlagOrUnmanaged,
        Absent::Default("true"),
        Mutability::Update(stored!(enabled)),
        "a disabled pool starts no runners, but its existing runners still take jobs; `unmanaged` leaves it as it is in GARM, for another tool to decide",
    ),
    row(
        "autoscale",
        FieldKind::Flag,
        Absent::Default("true"),
        Mutability::Policy,
        "whether `watch` scales the pool",
    ),
    row(
        "runner_prefix",
        FieldKind::Prefix,
        Absent::Derived("the pool's name"),
        Mutability::Update(stored!(runner_prefix)),
        "first part of the runners' names",
    ),
    row(
        "runner_group",
        TEXT_OR_NONE,
        Absent::LeftAlone,
        Mutability::UpdateAndOutdate(stored!(runner_group)),
        "GitHub's runner group; `\"\"` for none, which is GitHub's default group",
    ),
    row(
        "bootstrap_timeout",
        FieldKind::Duration { min_s: 60, whole_minutes: true },
        Absent::Default("20m"),
        Mutability::Update(stored_field::BOOTSTRAP_TIMEOUT),
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
        "how long a failed runner is kept for inspection",
    ),
    row(
        "stale_job_age",
        DURATION,
        Absent::Default("24h"),
        Mutability::Policy,
        "a job queued for longer is shown but causes no scaling",
    ),
    row(
        "priority",
        COUNT,
        Absent::Default("0"),
        Mutability::Update(stored!(priority)),
        "the pool with the higher priority is used first",
    ),
    row(
        "price",
        FieldKind::Price,
        Absent::Nothing,
        Mutability::Policy,
        "cost of a runner per hour, in one currency for all pools; at equal priority, new runners are started in the cheaper pool first",
    ),
    row(
        "template",
        TEXT,
        Absent::LeftAlone,
        Mutability::Update(stored_field::TEMPLATE),
        "name of GARM's install template",
    ),
    row(
        "proxy",
        TEXT_OR_NONE,
        Absent::LeftAlone,
        Mutability::UpdateAndOutdate(stored_field::PROXY),
        "name of the proxy in GARM that runners use, `\"\"` for none; needs a GARM later than v0.2.1",
    ),
    row(
        "extra_specs",
        FieldKind::Map,
        Absent::Default("{}"),
        Mutability::UpdateAndOutdate(stored!(extra_specs)),
        "provider-specific settings",
    ),
    row(
        "enable_shell",
        FieldKind::Flag,
        Absent::Default("false"),
        Mutability::UpdateAndOutdate(stored!(enable_shell)),
        "shell access to runners through GARM's agent",
    ),
    row(
        "min_idle_runners",
        COUNT,
        Absent::Default("0"),
        Mutability::Policy,
        "runners to keep idle, however many are busy; the larger of this and `min_runners` applies",
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
        "adopt a pool: GARM's id of a pool created by hand, or the former name of a pool of this fleet",
    )),
];

pub fn field(key: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.key == key)
}

/// The fields that GARM changes in place, in the order of the table. The level is not among them:
/// it is [`stored_field::LEVEL`].
pub fn stored_fields() -> impl Iterator<Item = (&'static str, &'static StoredField)> {
    FIELDS.iter().filter_map(|field| match &field.mutability {
        Mutability::Update(stored) | Mutability::UpdateAndOutdate(stored) => {
            Some((field.key, stored))
        }
        Mutability::Policy | Mutability::Replace | Mutability::Identity => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_unique_and_include_those_of_the_specification() {
        let mut keys: Vec<&str> = FIELDS.iter().map(|field| field.key).collect();
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
