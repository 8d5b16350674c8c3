//! Secret references that lead out of this machine.

pub(crate) mod vault;
