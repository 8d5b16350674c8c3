//! Secret references to other machines.

mod cloud;
pub(crate) mod vault;
