//! Audit records and their hash chain; file and lock are `host`'s.
