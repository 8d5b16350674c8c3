//! Secret references to other machines.

pub(crate) mod vault;
