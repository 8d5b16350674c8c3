//! Observe, act (the one writer), apply; owns every sleep.
