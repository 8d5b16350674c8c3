//! The types with which [`super::tables`] describes the keys of the files.

use crate::domain::field::FieldKind;

/// The shape of a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// A kind of value that pool fields also have.
    Field(FieldKind),
    /// A scalar that no pool field takes.
    Setting(SettingKind),
    /// A reference to a secret.
    Reference,
    /// A URL as text, or a reference to it.
    UrlOrReference,
    /// A list with at least this many entries.
    List(&'static Shape, usize),
    /// A mapping with fixed keys, and the constraint on them.
    Mapping(&'static [KeySpec], Constraint),
    /// A mapping from names to values, with some fixed keys among them.
    Named(&'static Shape, &'static [KeySpec]),
    /// A mapping from names of GARMs to values, at least one.
    NamedGarms(&'static Shape),
    Pool,
    /// The fields of a pool that `defaults` may set.
    Defaults,
}

/// A scalar that no pool field takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum SettingKind {
    /// A fleet name; see [`crate::domain::name::FleetName`].
    FleetName,
    /// A whole number of 63 bits, 1 or more.
    Id,
    /// A duration without the limit of 30 days, for GARM's backoff.
    Backoff,
    /// `https://…`; `http://` to a loopback address only.
    EncryptedUrl,
    /// `http://…` or `https://…`.
    Url,
    /// The name of a lease or a namespace: a label of a host name, lower case.
    LeaseName,
    /// `ADDRESS:PORT` with a numeric address.
    Listen,
    /// `HOST:PORT`.
    HostPort,
    /// A path, relative to the file.
    Path,
    /// An entry of a list of strings.
    Entry,
}

/// A constraint on the keys of a mapping.
#[derive(Debug, Clone, Copy)]
pub(super) enum Constraint {
    None,
    BothOrNeither(&'static str, &'static str),
    /// Exactly one of these.
    ExactlyOne(&'static [&'static str]),
    /// The first two keys together, or the third alone.
    PairOrOther(&'static str, &'static str, &'static str),
    /// `url` is plain HTTP beyond loopback only if `insecure_http` is `true`.
    EncryptedGarm,
    /// At most one of the three keys for entities.
    OneEntity,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct KeySpec {
    pub(super) key: &'static str,
    pub(super) shape: Shape,
    pub(super) need: Presence,
    /// One line of help, quoted by the schema, the documentation and problems.
    pub(super) help: &'static str,
}

/// Whether a key must be present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// Its absence is an error.
    Required,
    /// Its absence is an error unless this key is present.
    RequiredWithout(&'static str),
    /// Its absence means nothing, or what the help says.
    Optional,
    /// Its default, as it would be written.
    Default(&'static str),
    /// Its absence is an error unless the defaults supply it, which is checked later.
    Later,
}
