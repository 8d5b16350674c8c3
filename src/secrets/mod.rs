//! Doors to where secrets are kept.
