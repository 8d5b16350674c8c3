//! The list of problem codes: one row each, with a stable number.

/// The severity of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    /// The command works, but someone should look at this; `--strict` makes it fail.
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

            /// The meaning, for the list of problems.
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
    /// A folder, a pipe, a socket or a device stands where a file is expected.
    NotAFile = "RC0103",
    /// The file is larger than 4 MiB, or all files together are larger than 32 MiB.
    TooLarge = "RC0104",
    /// A link where none is followed, or one out of the folder that is read, to nothing or in a circle.
    BadLink = "RC0105",
    /// A pool file lies deeper than one level of sub-folders, where it would never be read.
    TooDeep = "RC0106",
    /// The folder holds no pool file.
    NoPoolFiles = "RC0107",
    /// The file is not UTF-8 text.
    NotText = "RC0108",
    /// The file is no pool file by its name, so nothing of it is read or shown.
    NotByName = "RC0109",
    /// The file is not YAML.
    Syntax = "RC0201",
    /// A tab stands where YAML wants spaces.
    Tab = "RC0202",
    /// A tag asks for a type that is not one of YAML's core ones.
    Tag = "RC0203",
    /// An alias names no anchor before it, or a value that contains the alias itself.
    Alias = "RC0204",
    /// Aliases repeat values until they fill the memory, or the file has too many values.
    TooMuch = "RC0205",
    /// Lists and mappings are nested too deeply.
    Nesting = "RC0206",
    /// A second document follows; one file holds one document.
    SecondDocument = "RC0207",
    /// A merge key (`<<`), which YAML 1.2 does not have.
    MergeKey = "RC0208",
    /// A key is not text.
    KeyNotText = "RC0209",
    /// A key is used twice in one mapping.
    DuplicateKey = "RC0210",
    /// The file holds no value at all.
    Empty = "RC0211",
    /// Too many problems in one file: the rest is counted, not shown.
    TooManyProblems = "RC0299",
    /// The key does not exist here.
    UnknownKey = "RC0301",
    /// The value is of another kind than the key takes.
    WrongType = "RC0302",
    /// A key that must be there is not.
    MissingKey = "RC0303",
    /// The key belongs in the other kind of file, or is not for `defaults`.
    WrongPlace = "RC0304",
    /// A number is out of its range.
    Range = "RC0401",
    /// A number is written in a way that YAML's versions read differently.
    Notation = "RC0402",
    /// The text is not a duration, or the duration is out of its range.
    Duration = "RC0403",
    /// The text breaks the rules for names.
    Name = "RC0404",
    /// The text is empty, too long, or holds control characters.
    Text = "RC0405",
    /// The word is not one of those that the key takes.
    Choice = "RC0406",
    /// The label is empty, too long, or holds characters that a label cannot have.
    Label = "RC0407",
    /// The label is reserved: only runnerctl sets it.
    ReservedLabel = "RC0408",
    /// The text is not a URL that may be used here.
    Url = "RC0409",
    /// The text is not an address with a port.
    Address = "RC0410",
    /// The value cannot be sent to GARM as JSON without changing it.
    NotJson = "RC0411",
    /// YAML 1.1 tools read this text as `true` or `false`.
    AmbiguousText = "RC0412",
    /// A placeholder such as `${{ … }}` stands where nothing fills it in.
    Placeholder = "RC0413",
    /// The path begins with `~` or a variable, which nothing expands.
    UnexpandedPath = "RC0414",
    /// An entry of a list contains a comma: several entries in one string.
    CommaList = "RC0415",
    /// With this prefix the names of runners are too long for GitHub, or nothing for a provider.
    RunnerPrefix = "RC0416",
    /// `min_runners` is greater than `max_runners`.
    MinOverMax = "RC0501",
    /// `min_idle_runners` is greater than `max_runners`.
    MinIdleOverMax = "RC0502",
    /// A pool has more than one of `organization`, `repository` or `enterprise`.
    TwoEntities = "RC0503",
    /// Two pools have one name.
    DuplicatePool = "RC0504",
    /// Two pools of one organization, repository or enterprise have the same labels.
    EqualLabels = "RC0505",
    /// `plan` needs what is not there.
    NeededForPlan = "RC0506",
    /// No pool is declared: applying this to the whole fleet deletes all its pools.
    NoPools = "RC0507",
    /// Alerts have nowhere to go.
    NoReceiver = "RC0508",
    /// Pools autoscale, but the fleet file says nothing about `watch`, which does it.
    NoWatch = "RC0509",
    /// An alert notifies a receiver that does not exist.
    UnknownReceiver = "RC0510",
    /// Two entries of a list have one name.
    DuplicateName = "RC0511",
    /// Two pools adopt the same pool.
    DuplicateAdopt = "RC0512",
    /// Of two keys that belong together one is missing, or of two that cannot be used together both
    /// are there.
    Together = "RC0513",
    /// A pool without any label: no job can ask for it.
    NoLabels = "RC0514",
    /// An alert has the name of a built-in rule and would switch it off.
    BuiltInAlert = "RC0515",
    /// With GARM's and ours a runner of the pool would have more labels than GitHub takes.
    TooManyLabels = "RC0516",
    /// A runner group for a repository's pool: GitHub has runner groups of organizations and enterprises.
    NoRunnerGroups = "RC0517",
    /// GARM makes no runners of this system or architecture: `plan` blocks the pool.
    NoSuchRunners = "RC0518",
    /// The secret itself stands in the file.
    LiteralSecret = "RC0601",
    /// The reference to a secret is not complete.
    BadReference = "RC0602",
    /// What a reference leads to is not the key that is wanted there.
    UnfitKey = "RC0603",
    /// GARM has no provider of this name.
    UnknownProvider = "RC0701",
    /// GARM has no such organization, repository or enterprise.
    UnknownEntity = "RC0702",
    /// GARM has several of this name, at different endpoints.
    AmbiguousEntity = "RC0703",
    /// GARM has no template of this name.
    UnknownTemplate = "RC0704",
    /// GARM has no GitHub endpoint of this name.
    UnknownEndpoint = "RC0705",
    /// The template is for another system, or for another forge than the pool's.
    UnfitTemplate = "RC0706",
    /// GARM has no proxy of this name.
    UnknownProxy = "RC0707",
    /// The pool's provider is not one of those that the policy allows.
    ForbiddenProvider = "RC0801",
    /// The pool's instance type is not one of those that the policy allows.
    ForbiddenInstanceType = "RC0802",
    /// The pool asks for shell access to its runners, which the policy forbids.
    ForbiddenShell = "RC0803",
    /// A key of `extra_specs` is not one of those that the policy allows.
    ForbiddenSpec = "RC0804",
    /// The pool's runners get into a network that the policy does not allow.
    ForbiddenNetwork = "RC0805",
    /// All pools together may have more runners than the policy allows.
    TooManyRunners = "RC0806",
    /// The pool cannot have the runner kit that the fleet file orders.
    NoKit = "RC0807",
    /// The pool brings a script of its own, which could read the runner kit's key and undo its work.
    OwnScripts = "RC0808",
    /// The image, a label, the entity, the runner group or the template is not allowed by the policy.
    ForbiddenWord = "RC0809",
    /// A rule for networks is for a provider that no pool uses, beside pools that no rule binds.
    UnboundRule = "RC0810",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_and_are_unique() {
        let numbers: Vec<&str> = Code::ALL.iter().map(|it| it.text()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    }
}
