//! Secret references that lead out of this machine.

mod vault;
