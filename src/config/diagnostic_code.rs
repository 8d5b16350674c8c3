//! The list of problem codes: one row each, with a stable number.

/// The severity of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    /// Does not stop the command, unless `--strict` treats warnings as errors.
    Warning,
}

impl Severity {
    /// The word used in output and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Declares each code with its number and its meaning.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal,)+) => {
        /// The kind of a problem. Numbers are never reused: `RC01xx` files, `RC02xx` YAML, `RC03xx`
        /// keys and types, `RC04xx` values, `RC05xx` meaning, `RC06xx` secrets, `RC07xx` what GARM
        /// knows, `RC08xx` policy.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// All codes, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The stable number, such as `RC0101`.
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => $number,)+ }
            }

            /// What the problem is: one or two sentences for the reference of the codes.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

codes! {
    /// There is no such file or folder.
    Missing = "RC0101",
    /// The file or folder cannot be read: no permission, or the disk fails.
    Unreadable = "RC0102",
    /// The path is a folder, a pipe, a socket or a device, not a file.
    NotAFile = "RC0103",
    /// The file is larger than 4 MiB, or all files together are larger than 32 MiB.
    TooLarge = "RC0104",
    /// A symbolic link where none is followed, or one that leads out of the folder, to nothing or
    /// into a loop.
    BadLink = "RC0105",
    /// A pool file is more than one folder deep, where it would never be read.
    TooDeep = "RC0106",
    /// The folder contains no pool file.
    NoPoolFiles = "RC0107",
    /// The file is not UTF-8 text.
    NotText = "RC0108",
    /// The name of the file is not that of a pool file, so it is neither read nor shown.
    NotByName = "RC0109",
    /// The file is not YAML.
    Syntax = "RC0201",
    /// A line is indented with a tab; YAML requires spaces.
    Tab = "RC0202",
    /// A tag names a type that is not one of YAML's core types.
    Tag = "RC0203",
    /// An alias refers to no earlier anchor, or to a value that contains the alias itself.
    Alias = "RC0204",
    /// The file has too many values, aliases expanded.
    TooMuch = "RC0205",
    /// Lists and mappings are nested too deeply.
    Nesting = "RC0206",
    /// A second document follows; a file contains one document.
    SecondDocument = "RC0207",
    /// A merge key (`<<`), which YAML 1.2 does not have.
    MergeKey = "RC0208",
    /// A key is not text.
    KeyNotText = "RC0209",
    /// A key is used twice in one mapping.
    DuplicateKey = "RC0210",
    /// The file contains no value at all.
    Empty = "RC0211",
    /// The file has too many problems: the rest is counted, not shown.
    TooManyProblems = "RC0299",
    /// The key does not exist here.
    UnknownKey = "RC0301",
    /// The value has the wrong type for the key.
    WrongType = "RC0302",
    /// A required key is missing.
    MissingKey = "RC0303",
    /// The key belongs in another kind of file, or cannot be set in `defaults`.
    WrongPlace = "RC0304",
    /// A number is out of its range.
    Range = "RC0401",
    /// A number has different values in different versions of YAML.
    Notation = "RC0402",
    /// The text is not a duration, or the duration is out of its range.
    Duration = "RC0403",
    /// The text breaks the rules for names.
    Name = "RC0404",
    /// The text is empty, too long, or contains control characters.
    Text = "RC0405",
    /// The word is not one that the key takes.
    Choice = "RC0406",
    /// The label is empty, too long, or contains characters that a label cannot have.
    Label = "RC0407",
    /// The label is reserved: only runnerctl or GARM sets it.
    ReservedLabel = "RC0408",
    /// The text is not a URL that can be used here.
    Url = "RC0409",
    /// The text is not an address with a port.
    Address = "RC0410",
    /// The value cannot be represented exactly in JSON.
    NotJson = "RC0411",
    /// YAML 1.1 tools read this text as `true` or `false`.
    AmbiguousText = "RC0412",
    /// The text contains a placeholder such as `${{ … }}`, which nothing expands.
    Placeholder = "RC0413",
    /// The path begins with `~` or a variable, which nothing expands.
    UnexpandedPath = "RC0414",
    /// An entry of a list contains a comma: several entries in one string.
    CommaList = "RC0415",
    /// The prefix makes the names of runners too long for GitHub, or invalid for most providers.
    RunnerPrefix = "RC0416",
    /// `min_runners` is greater than `max_runners`.
    MinOverMax = "RC0501",
    /// `min_idle_runners` is greater than `max_runners`.
    MinIdleOverMax = "RC0502",
    /// A pool has more than one of `organization`, `repository` or `enterprise`.
    TwoEntities = "RC0503",
    /// Two pools have the same name.
    DuplicatePool = "RC0504",
    /// Two pools of one organization, repository or enterprise have the same labels.
    EqualLabels = "RC0505",
    /// The files lack something that `plan` needs.
    NeededForPlan = "RC0506",
    /// No pool is declared: applying this to the whole fleet deletes all its pools.
    NoPools = "RC0507",
    /// No receiver is configured for alerts.
    NoReceiver = "RC0508",
    /// Pools autoscale, but the fleet file has no `watch`, which does the scaling.
    NoWatch = "RC0509",
    /// An alert notifies a receiver that does not exist.
    UnknownReceiver = "RC0510",
    /// Two entries of a list have the same name.
    DuplicateName = "RC0511",
    /// Two pools adopt the same pool.
    DuplicateAdopt = "RC0512",
    /// One of two keys that require each other is missing, or two keys that exclude each other are
    /// both present.
    Together = "RC0513",
    /// A pool has no label, so no job can request it.
    NoLabels = "RC0514",
    /// An alert has the name of a built-in rule and would switch it off.
    BuiltInAlert = "RC0515",
    /// The pool's labels, GARM's and the owner mark together are more than GitHub accepts for a runner.
    TooManyLabels = "RC0516",
    /// A repository's pool has a runner group; only organizations and enterprises have them.
    NoRunnerGroups = "RC0517",
    /// GARM creates no runners for this operating system or architecture: `plan` blocks the pool.
    NoSuchRunners = "RC0518",
    /// The field has no effect on a scale set, because GitHub assigns its jobs.
    NotForScaleSets = "RC0519",
    /// A pool that is no scale set has a `scale_set_name`, or two scale sets have the same name.
    ScaleSetName = "RC0520",
    /// The pool chooses a GARM that the fleet file does not name.
    UnknownGarm = "RC0521",
    /// The fleet file names several GARMs, and pools choose none of them.
    NoGarm = "RC0522",
    /// The name of the lease is too long for the name of a GARM to be appended.
    LongLeaseName = "RC0523",
    /// Two names in `garms` stand for one GARM: each would delete the pools of the other.
    SameGarm = "RC0524",
    /// A group names a pool that is not declared.
    UnknownMember = "RC0525",
    /// A pool is in two groups, or twice in one.
    TwoGroups = "RC0526",
    /// The pools of a group keep more runners, by `min_runners` and `min_idle_runners`, than the group
    /// may have.
    GroupTooSmall = "RC0527",
    /// A pool of a group has `autoscale: false`, so `watch` cannot keep the group's limit.
    UnscaledMember = "RC0528",
    /// The file contains the secret itself.
    LiteralSecret = "RC0601",
    /// The reference to a secret is incomplete.
    BadReference = "RC0602",
    /// The reference resolves to something other than the required kind of key.
    UnfitKey = "RC0603",
    /// GARM has no provider of this name.
    UnknownProvider = "RC0701",
    /// GARM has no such organization, repository or enterprise.
    UnknownEntity = "RC0702",
    /// GARM has several entities of this name, at different endpoints.
    AmbiguousEntity = "RC0703",
    /// GARM has no template of this name.
    UnknownTemplate = "RC0704",
    /// GARM has no GitHub endpoint of this name.
    UnknownEndpoint = "RC0705",
    /// The template is for another operating system or forge than the pool's.
    UnfitTemplate = "RC0706",
    /// GARM has no proxy of this name.
    UnknownProxy = "RC0707",
    /// GARM or the forge has no scale sets.
    NoScaleSets = "RC0708",
    /// The policy does not allow the pool's provider.
    ForbiddenProvider = "RC0801",
    /// The policy does not allow the pool's instance type.
    ForbiddenInstanceType = "RC0802",
    /// The pool enables shell access to its runners, which the policy forbids.
    ForbiddenShell = "RC0803",
    /// The policy does not allow a key of `extra_specs`.
    ForbiddenSpec = "RC0804",
    /// The policy does not allow the network of the pool's runners.
    ForbiddenNetwork = "RC0805",
    /// The `max_runners` of all pools together exceed the policy's limit.
    TooManyRunners = "RC0806",
    /// The runner kit that the fleet file configures does not work on the pool's runners.
    NoKit = "RC0807",
    /// The pool has an install script of its own, which could read the runner kit's key and undo its
    /// work.
    OwnScripts = "RC0808",
    /// The policy does not allow the image, a label, the entity, the runner group or the template.
    ForbiddenWord = "RC0809",
    /// A network rule is for a provider that no pool uses, while no rule applies to other pools.
    UnboundRule = "RC0810",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_and_are_unique() {
        let numbers: Vec<&str> = Code::ALL.iter().map(|code| code.text()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    }
}
