//! YAML text → what is desired, and every problem with its place.
