//! Which job waits for which pool, and how many runners a pool needs.
