//! The words in which [`super::tables`] say what the files may hold.

use crate::domain::field::FieldKind;

/// What a key takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// A kind that pool fields have, too.
    Field(FieldKind),
    /// A scalar that only the fleet file has.
    Setting(SettingKind),
    /// A reference to a secret.
    Reference,
    /// A URL as text, or a reference to it.
    UrlOrReference,
    /// A list with at least so many entries.
    List(&'static Shape, usize),
    /// A mapping with fixed keys, some of which are tied to one another.
    Mapping(&'static [KeySpec], Constraint),
    /// A mapping from names to values, with some keys of fixed meaning among them.
    Named(&'static Shape, &'static [KeySpec]),
    /// A pool.
    Pool,
    /// The fields of a pool that `defaults` may set.
    Defaults,
}

/// A scalar that only the fleet file has.
#[derive(Debug, Clone, Copy)]
pub(super) enum SettingKind {
    /// A fleet name; see [`crate::domain::name::FleetName`].
    FleetName,
    /// A whole number of 63 bits, 1 or more.
    Id,
    /// A duration without the bound of 30 days, for GARM's backoff.
    Backoff,
    /// `https://…`; `http://` to a loopback address only.
    GarmUrl,
    /// `http://…` or `https://…`.
    Url,
    /// `ADDRESS:PORT`, the address in numbers.
    Listen,
    /// `HOST:PORT`.
    HostPort,
    /// A path, relative to the file.
    Path,
    /// An entry of a list of texts.
    Entry,
}

/// Keys of a mapping that are tied to one another.
#[derive(Debug, Clone, Copy)]
pub(super) enum Constraint {
    /// None are.
    None,
    /// Both or neither.
    BothOrNeither(&'static str, &'static str),
    /// Exactly one of the two.
    ExactlyOne(&'static str, &'static str),
    /// The first two keys together, or the third.
    PairOrOther(&'static str, &'static str, &'static str),
    /// At most one of the entity's three keys.
    OneEntity,
}

/// One key of a mapping.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeySpec {
    pub(super) key: &'static str,
    pub(super) shape: Shape,
    pub(super) need: Presence,
    /// One line of help: schema, documentation and problems quote it.
    pub(super) help: &'static str,
}

/// What the absence of a key means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// A problem.
    Required,
    /// Nothing, or what the help says.
    Optional,
    /// This value, as it would be written.
    Default(&'static str),
    /// A problem unless something else supplies it, which is judged later.
    Later,
}
