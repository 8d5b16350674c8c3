//! argv → settings → one use case → exit code; the only printer.
